"""What follows from the readings: medians over all rounds, ratios, rates."""
from statistics import median

from contenders import ONEDNN, OURS, PYTORCH

# VGG19's convolutions up to relu5_1: channels in, channels out, how many poolings come before.
CONVOLUTIONS = [(3, 64, 0), (64, 64, 0), (64, 128, 1), (128, 128, 1), (128, 256, 2), *[(256, 256, 2)] * 3,
                (256, 512, 3), *[(512, 512, 3)] * 3, (512, 512, 4)]


def direct_gflop(size):
    """What forward and backward to the input cost when each convolution is done directly, in 1e9 operations."""
    return 2 * sum(2e-9 * 9 * i * o * (size >> halved) ** 2 for i, o, halved in CONVOLUTIONS)


def ratio(numerator, denominator):
    """None where either side is missing."""
    return None if numerator is None or denominator is None else numerator / denominator


def pool(readings, key):
    """The median of a list's values over all rounds."""
    return median([value for reading in readings for value in reading[key]])


def middle(values):
    """The median of what is there, or None."""
    known = [value for value in values if value is not None]
    return median(known) if known else None


def merge_layers(readings):
    """Each layer and pass once, in the first reading's order, with the median of its times."""
    merged = []
    for first in readings[0]["layers"]:
        same = [layer for reading in readings for layer in reading["layers"]
                if (layer["name"], layer["pass"]) == (first["name"], first["pass"])]
        merged.append({**first, "seconds": median([layer["seconds"] for layer in same])})
    return merged


def summarise_contender(readings):
    seconds = [value for reading in readings for value in reading["seconds"]]
    summary = {"median_seconds": median(seconds), "fastest_seconds": min(seconds), "slowest_seconds": max(seconds),
               "samples": len(seconds), "rounds": len(readings), "seconds": seconds,
               "peak_rss_bytes": max(reading["peak_rss_bytes"] for reading in readings)}
    for key in ("forward_seconds", "backward_seconds"):
        if key in readings[0]:
            summary[f"median_{key}"] = pool(readings, key)
    for key in ("kernel", "version"):
        if readings[0].get(key):
            summary[key] = readings[0][key]
    peak = middle([reading.get("peak_gflops") for reading in readings])
    return {**summary, "peak_gflops": peak} if peak else summary


def summarise_layers(ours, onednn, peak):
    theirs = {(layer["name"], layer["pass"]): layer for layer in onednn}
    rows = []
    for layer in ours:
        other = theirs.get((layer["name"], layer["pass"]))
        other_seconds = other["seconds"] if other else None
        # What oneDNN does directly is the same convolution.
        direct = layer["gflop_direct"] or (other["gflop"] if other else None)
        rows.append({"name": layer["name"], "pass": layer["pass"], "method": layer["method"],
                     "seconds": layer["seconds"],
                     "share_of_peak": ratio(ratio(layer["gflop"], layer["seconds"]), peak),
                     "effective_gflops": ratio(direct, layer["seconds"]),
                     "onednn_seconds": other_seconds, "onednn_ratio": ratio(other_seconds, layer["seconds"])})
    return rows


def summarise(size, threads, readings):
    """readings: {contender: [one reading per round]}; our own are always there."""
    who = {name: summarise_contender(list_of) for name, list_of in readings.items() if list_of}
    ours = who[OURS]["median_seconds"]
    onednn = merge_layers(readings[ONEDNN]) if readings.get(ONEDNN) else []
    return {"size": size, "threads": threads, "contenders": who,
            "ratios": {name: ratio(who[name]["median_seconds"], ours) for name in (PYTORCH, ONEDNN) if name in who},
            "effective_gflops": direct_gflop(size) / ours,
            "layers": summarise_layers(merge_layers(readings[OURS]), onednn, who[OURS].get("peak_gflops")),
            "onednn_layers": onednn}
