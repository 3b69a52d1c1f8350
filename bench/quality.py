#!/usr/bin/env python3
"""Measures what the presets reach: the reference's loss of their results against the computing that it took.

Every pair of example pictures is painted with every preset, with its whole budget and with parts of it, at resize=stretch, so
that all results have the picture that the reference works on. A loss is what `stylized score` says of the PNG that was written.
Computing is counted in evaluations at the full size: a scale of a quarter of the pixels counts a quarter. Each finished run is a
line of runs.jsonl in the work folder; started again, the program goes on where it was. Ends with 1 when a run fails.
"""
import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import machine
import quality_page
import quality_plot
from contenders import PATIENCE, ROOT, Malformed, positive

PRESETS = quality_page.PRESETS
PAIRS = ("cat-swirl", "coffee-glass", "rocket-woodcut", "astronaut-swirl")
PARTS = {"gatys": (0.1, 0.25, 1), "fast": (0.5, 1), "balanced": (0.5, 1), "quality": (1,)}
QUICK_EVALUATIONS = 8


def say(line):
    print(line, file=sys.stderr, flush=True)


def whole(text):
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def pair_names(text):
    names = text.split(",")
    for name in names:
        if not all(os.path.exists(path) for path in pictures_of(name)):
            raise ValueError(name)
    return names


def pictures_of(pair):
    content, _, style = pair.partition("-")
    return [os.path.join(ROOT, "examples", f"{name}.jpg") for name in (content, style)]


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="scripts/quality", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--size", type=whole, default=512, metavar="N", help="side in pixels (default 512)")
    add("--threads", type=whole, metavar="N", help="default: all cores")
    add("--pairs", type=pair_names, default=list(PAIRS), metavar="PHOTO-PAINTING,...",
        help=f"of the pictures in examples/ (default {','.join(PAIRS)})")
    add("--whole", action="store_true", help="whole budgets only: tables, but no curves")
    add("--quick", action="store_true", help="one pair at 128 pixels with few evaluations, to see that everything works")
    add("--work", metavar="FOLDER", help="where runs.jsonl and the results lie (default build-bench/quality)")
    add("--fresh", action="store_true", help="forget the runs that are there")
    add("--write", metavar="FOLDER", help="write quality.md, quality.svg and quality.jpg there (default: print the page alone)")
    add("--program", default=os.path.join(ROOT, "build-bench/src/app/stylized"), help="stylized, where not in build-bench")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.size, chosen.pairs = 128, chosen.pairs[:1]
    chosen.work = chosen.work or os.path.join(ROOT, "build-bench", "quality-quick" if chosen.quick else "quality")
    chosen.fresh = chosen.fresh or chosen.quick
    return chosen


def plan(pairs, whole_only):
    """(pair, preset, part) of all runs. The whole budgets come first: the others are parts of what those say, and a
    measurement that is cut short has its tables."""
    order = [(pair, preset, 1) for pair in pairs for preset in PRESETS]
    if not whole_only:
        order += [(pair, preset, part) for pair in pairs for preset in PRESETS for part in PARTS[preset] if part != 1]
    return order


def computing(scales):
    """In evaluations at the last scale's size."""
    full = scales[-1]["width"] * scales[-1]["height"]
    return sum(scale["evaluations"] * scale["width"] * scale["height"] for scale in scales) / full


def budget_flags(options, part):
    """Part of a preset's budget, at all of its scales alike."""
    if part == 1:
        return []
    return [f"--{name.replace('_', '-')}={max(1, round(options[name] * part))}" for name in ("iterations", "scale_iterations")]


def read_report(report, where):
    """What of the report of a run is kept."""
    scales = report.get("scales")
    if not isinstance(scales, list) or not scales:
        raise Malformed(f"{where}: no scales in the report")
    for scale in scales:
        for key in ("width", "height", "evaluations"):
            positive(scale, key, where)
    options = report.get("options")
    if not isinstance(options, dict):
        raise Malformed(f"{where}: no options in the report")
    for name in ("iterations", "scale_iterations"):
        positive(options, name, where)
    return {"scales": scales, "computing": computing(scales), "seconds": positive(report, "seconds", where),
            "threads": positive(report, "threads", where), "options": options}


def run_program(arguments, where):
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE, text=True, check=False)
    if done.returncode != 0:
        raise Malformed(f"{where}: ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def read_score(output, where):
    try:
        return positive(json.loads(output), "loss", where)
    except (ValueError, AttributeError) as error:
        raise Malformed(f"{where}: no score: {output[:200]!r}") from error


def result_path(work, size, pair, preset, part):
    return os.path.join(work, f"{pair}-{preset}-{size}-{part:g}.png")


def paint(chosen, pair, preset, part, options):
    """One run and its score, as a row."""
    where = f"{pair}, {preset}, {part:g} of its budget"
    result = result_path(chosen.work, chosen.size, pair, preset, part)
    threads = [f"--threads={chosen.threads}"] if chosen.threads else []
    flags = [f"--size={chosen.size}", "--resize=stretch", *threads]
    if chosen.quick:
        options = {"iterations": QUICK_EVALUATIONS, "scale_iterations": QUICK_EVALUATIONS}
    budget = budget_flags(options, part) if options else []
    if chosen.quick and not budget:
        budget = [f"--iterations={QUICK_EVALUATIONS}", f"--scale-iterations={QUICK_EVALUATIONS}"]
    watch = machine.Watch()
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "report.json")
        run_program([chosen.program, "run", *pictures_of(pair), "-q", "-o", result, "--report", report, f"--preset={preset}",
                     *flags, *budget], where)
        others = watch.taken_by_others()
        with open(report, encoding="utf-8") as file:
            row = read_report(json.load(file), where)
    loss = read_score(run_program([chosen.program, "score", *pictures_of(pair), result, *flags], where), where)
    return {"size": chosen.size, "pair": pair, "preset": preset, "part": part, "loss": loss, **row, "taken_by_others": others}


def row_key(row):
    return row["size"], row["pair"], row["preset"], row["part"]


def read_rows(path):
    """{key: row} of the finished runs. A last line that was cut off is one that was not finished."""
    rows = {}
    if not os.path.exists(path):
        return rows
    with open(path, encoding="utf-8") as file:
        for line in file:
            try:
                row = json.loads(line)
                rows[row_key(row)] = row
            except (ValueError, KeyError, TypeError):
                say(f"{path}: left out a line that is no row: {line[:60]!r}")
    return rows


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:12]


def measure(chosen):
    """The rows of all planned runs; those that are missing are made now."""
    os.makedirs(chosen.work, exist_ok=True)
    path = os.path.join(chosen.work, "runs.jsonl")
    if chosen.fresh and os.path.exists(path):
        os.remove(path)
    rows, build = read_rows(path), digest(chosen.program)
    if any(row.get("build") != build for row in rows.values()):
        say("some of the runs that are there are of another build; --fresh forgets them")
    order = plan(chosen.pairs, chosen.whole)
    for number, (pair, preset, part) in enumerate(order):
        if (chosen.size, pair, preset, part) in rows:
            continue
        first = rows.get((chosen.size, pair, preset, 1))
        row = paint(chosen, pair, preset, part, first and first["options"])
        row.update(build=build, cpu=machine.describe()["cpu"], date=machine.describe()["date"])
        rows[row_key(row)] = row
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        say(f"{number + 1}/{len(order)}: {pair}, {preset}, {part:g} of its budget: loss {row['loss']:.0f} for "
            f"{row['computing']:.1f} evaluations, {row['seconds']:.1f} s")
    return [rows[(chosen.size, *key)] for key in order]


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def write_all(chosen, rows):
    os.makedirs(chosen.write, exist_ok=True)
    write(os.path.join(chosen.write, "quality.md"), quality_page.page(rows))
    write(os.path.join(chosen.write, "quality.svg"), quality_plot.plot(rows))
    import quality_sheet  # needs python3-pil, which reading and plotting do without
    quality_sheet.write(os.path.join(chosen.write, "quality.jpg"), [
        (pair, pictures_of(pair) + [result_path(chosen.work, chosen.size, pair, preset, 1) for preset in PRESETS])
        for pair in chosen.pairs], ["photo", "painting", *PRESETS])


def main(arguments):
    chosen = parse_arguments(arguments)
    try:
        rows = measure(chosen)
    except (Malformed, subprocess.TimeoutExpired) as error:
        say(f"quality: {error}")
        return 1
    print(quality_page.page(rows), end="")
    if chosen.write:
        write_all(chosen, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
