"""Results as Markdown tables that are readable as they stand."""
from contenders import ONEDNN, OURS, PYTORCH

NAMES = {OURS: "stylized", PYTORCH: "PyTorch", ONEDNN: "oneDNN"}


def show(value, form, factor=1.0, unit=""):
    return "-" if value is None else format(value * factor, form) + unit


def table(head, rows):
    """The first columns to the left as long as they hold text, the numbers to the right."""
    lines = [list(map(str, row)) for row in [head, *rows]]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(head))]
    left = [not any(line[i][:1].isdigit() or line[i] == "-" for line in lines[1:]) for i in range(len(head))]

    def fit(line):
        cells = (cell.ljust(w) if is_left else cell.rjust(w) for cell, w, is_left in zip(line, widths, left))
        return "| " + " | ".join(cells) + " |"

    rule = ["-" * w if is_left else "-" * (w - 1) + ":" for w, is_left in zip(widths, left)]
    return "\n".join([fit(lines[0]), fit(rule), *map(fit, lines[1:])])


def overview(results):
    head = ["size", "threads", "stylized", "PyTorch", "ratio", "oneDNN", "ratio", "effective GFLOP/s",
            "peak RSS", "PyTorch's"]
    rows = []
    for result in results:
        who, ratios = result["contenders"], result["ratios"]

        def get(name, key):
            return who.get(name, {}).get(key)

        rows.append([result["size"], result["threads"], show(get(OURS, "median_seconds"), ".3f", 1, " s"),
                     show(get(PYTORCH, "median_seconds"), ".3f", 1, " s"), show(ratios.get(PYTORCH), ".2f"),
                     show(get(ONEDNN, "median_seconds"), ".3f", 1, " s"), show(ratios.get(ONEDNN), ".2f"),
                     show(result["effective_gflops"], ".0f"),
                     show(get(OURS, "peak_rss_bytes"), ".0f", 1e-6, " MB"),
                     show(get(PYTORCH, "peak_rss_bytes"), ".0f", 1e-6, " MB")])
    return table(head, rows)


def layer_table(result):
    head = ["layer", "pass", "method", "time", "of FMA peak", "effective GFLOP/s", "oneDNN", "ratio"]
    rows = [[row["name"], row["pass"], row["method"], show(row["seconds"], ".2f", 1e3, " ms"),
             show(row["share_of_peak"], ".0%"), show(row["effective_gflops"], ".0f"),
             show(row["onednn_seconds"], ".2f", 1e3, " ms"), show(row["onednn_ratio"], ".2f")]
            for row in result["layers"]]
    known = sum(row["seconds"] for row in result["layers"])
    whole = result["contenders"][OURS]["median_seconds"]
    onednn = result["contenders"].get(ONEDNN, {}).get("median_seconds")
    rows.append(["all layers", "", "", show(known, ".2f", 1e3, " ms"), "-", "-", "-", "-"])
    rows.append(["evaluation", "", "", show(whole, ".2f", 1e3, " ms"), "-", show(result["effective_gflops"], ".0f"),
                 show(onednn, ".2f", 1e3, " ms"), show(result["ratios"].get(ONEDNN), ".2f")])
    return table(head, rows)


def memory_table(memory):
    reference = next((job["peak_rss_bytes"] for job in memory["jobs"] if job["who"] == PYTORCH), None)
    rows = [[NAMES[job["who"]], job["history"], job["evaluations"], show(job["seconds"], ".0f", 1, " s"),
             show(job["peak_rss_bytes"], ".0f", 1e-6, " MB"),
             show(job["peak_rss_bytes"] / reference if reference else None, ".0%")] for job in memory["jobs"]]
    return table(["job", "history", "evaluations", "time", "peak RSS", "of PyTorch's"], rows)


def some(count, what):
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def describe(machine):
    kinds = " ".join(machine["flags"]) or "neither AVX2 nor AVX-512"
    return (f"{machine['cpu']}, {some(machine['cores'], 'core')} ({kinds}), {machine['date']}, "
            f"other programs took {machine['taken_by_others']:.0%} of it meanwhile")


def document(results):
    """Everything in words and tables, for results as bench.py writes them."""
    parts = [describe(results["machine"]),
             "One evaluation (forward, losses, backward to the picture) against PyTorch's and against oneDNN's direct\n"
             f"convolutions alone.\nMedians over {some(results['rounds'], 'alternated round')} of "
             f"{some(results['repeat'], 'evaluation')}; ratio: their time by ours.", overview(results["results"])]
    for result in results["results"]:
        if not result["layers"]:
            continue
        ours = result["contenders"][OURS]
        peak = show(ours.get("peak_gflops"), ".0f")
        parts.append(f"Layers at {result['size']}x{result['size']}, {some(result['threads'], 'thread')}: kernel "
                     f"{ours.get('kernel', '-')}, FMA peak {peak} GFLOP/s")
        parts.append(layer_table(result))
    if results.get("memory"):
        memory = results["memory"]
        parts.append(f"Whole jobs at {memory['size']}x{memory['size']}, {some(memory['threads'], 'thread')}, L-BFGS")
        parts.append(memory_table(memory))
    return "\n\n".join(parts) + "\n"
