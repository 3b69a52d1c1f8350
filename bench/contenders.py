"""The programs that are measured: how each is started, and what its output must look like.

A reading is what one run of a contender tells: {"seconds": [...of each evaluation...], "peak_rss_bytes": n,
"layers": [...], and what else it says of itself}.
"""
import json
import math
import os
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
CONTENT, STYLE = (os.path.join(ROOT, "examples", name) for name in ("cat.jpg", "swirl.jpg"))
PATIENCE = 3600  # seconds that one run may take

OURS, PYTORCH, ONEDNN = "ours", "pytorch", "onednn"


class Malformed(Exception):
    """A contender failed, or what it printed is not what it should print."""


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def positive(holder, key, where):
    value = holder.get(key)
    if not is_number(value) or value <= 0:
        raise Malformed(f"{where}: {key} is {value!r}, not a positive number")
    return value


def optional(holder, key, where):
    """A positive number or None where the key is missing."""
    return None if holder.get(key) is None else positive(holder, key, where)


def times(holder, key, where):
    values = holder.get(key)
    if not isinstance(values, list) or not values:
        raise Malformed(f"{where}: {key} is {values!r}, not a list of times")
    return [positive({key: value}, key, where) for value in values]


def text(holder, key, where, fallback=None):
    value = holder.get(key, fallback)
    if not isinstance(value, str):
        raise Malformed(f"{where}: {key} is {value!r}, not a text")
    return value


def check_layers(holder, where):
    layers = holder.get("layers", [])
    if not isinstance(layers, list):
        raise Malformed(f"{where}: layers is no list")
    read, seen = [], set()
    for layer in layers:
        if not isinstance(layer, dict):
            raise Malformed(f"{where}: a layer is {layer!r}")
        name, way = text(layer, "name", where), text(layer, "pass", where, "")
        label = f"{where}, {name} {way}"
        if (name, way) in seen:
            raise Malformed(f"{label}: named twice")
        seen.add((name, way))
        read.append({"name": name, "pass": way, "method": text(layer, "method", label, ""),
                     "seconds": positive(layer, "seconds", label), "gflop": optional(layer, "gflop", label),
                     "gflop_direct": optional(layer, "gflop_direct", label)})
    return read


def parse(output, where, size, threads):
    """The JSON object a contender printed, if it is about the run that was asked for."""
    try:
        said = json.loads(output)
    except ValueError as error:
        raise Malformed(f"{where}: no JSON ({error}): {output[:200]!r}") from error
    if not isinstance(said, dict):
        raise Malformed(f"{where}: no JSON object: {output[:200]!r}")
    for key, wanted in (("size", size), ("threads", threads)):
        if said.get(key) != wanted:
            raise Malformed(f"{where}: {key} is {said.get(key)!r}, {wanted} was asked for")
    return said


def read_ours(said, where):
    return {"seconds": times(said, "evaluation_seconds", where),
            "peak_rss_bytes": positive(said, "peak_rss_bytes", where),
            "peak_gflops": optional(said, "peak_gflops", where), "kernel": text(said, "kernel", where, ""),
            "layers": check_layers(said, where)}


def read_pytorch(said, where):
    return {"seconds": times(said, "evaluation_seconds", where),
            "peak_rss_bytes": positive(said, "peak_rss_bytes", where),
            "version": text(said, "version", where, ""), "layers": []}


def read_onednn(said, where):
    forward, backward = times(said, "forward_seconds", where), times(said, "backward_seconds", where)
    if len(forward) != len(backward):
        raise Malformed(f"{where}: {len(forward)} forward and {len(backward)} backward times")
    layers = check_layers(said, where)
    if not layers:
        raise Malformed(f"{where}: no layers")
    return {"seconds": [f + b for f, b in zip(forward, backward)], "forward_seconds": forward,
            "backward_seconds": backward, "peak_rss_bytes": positive(said, "peak_rss_bytes", where),
            "version": text(said, "version", where, ""), "layers": layers}


READERS = {OURS: read_ours, PYTORCH: read_pytorch, ONEDNN: read_onednn}


def command(name, programs, size, threads, repeat):
    common = ["--size", str(size), "--repeat", str(repeat)]
    return {OURS: [programs[OURS], "bench", "--threads", str(threads), *common, "--json"],
            PYTORCH: [programs[PYTORCH], f"{HERE}/pytorch_eval.py", "--threads", str(threads), *common],
            ONEDNN: [programs[ONEDNN], *common]}[name]


def execute(arguments, threads, where):
    """Standard output; OpenMP and OpenBLAS inside of the contenders keep to the number of threads, too."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads))
    try:
        done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        raise Malformed(f"{where}: {error}") from error
    if done.returncode != 0:
        raise Malformed(f"{where}: exit code {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def measure(name, programs, size, threads, repeat):
    where = f"{name} at {size}x{size} with {threads} thread{'s' if threads > 1 else ''}"
    output = execute(command(name, programs, size, threads, repeat), threads, where)
    return READERS[name](parse(output, where, size, threads), where)


def has_pytorch(python):
    """Whether that Python can run the reference program."""
    try:
        done = subprocess.run([python, "-c", "import torch, numpy, PIL"], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def our_job(program, size, threads, evaluations, history):
    """The memory and time of a whole job of the reference's preset."""
    where = f"our job at {size}x{size} with history {history}"
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "report.json")
        execute([program, "run", CONTENT, STYLE, "--preset", "gatys", "--resize", "stretch", "--size", str(size),
                 "--threads", str(threads), "--iterations", str(evaluations), "--history", str(history), "--quiet",
                 "--report", report, "--output", os.path.join(folder, "result.png")], threads, where)
        try:
            with open(report, encoding="utf-8") as file:
                said = json.load(file)
        except (OSError, ValueError) as error:
            raise Malformed(f"{where}: {error}") from error
    return {"who": OURS, "history": history, "evaluations": positive(said, "evaluations", where),
            "seconds": positive(said, "seconds", where), "peak_rss_bytes": positive(said, "peak_rss_bytes", where)}


def pytorch_job(python, size, threads, evaluations, history):
    where = f"PyTorch's job at {size}x{size} with history {history}"
    output = execute([python, f"{HERE}/pytorch_eval.py", "--size", str(size), "--threads", str(threads), "--evals",
                      str(evaluations), "--history", str(history)], threads, where)
    said = parse(output, where, size, threads)
    return {"who": PYTORCH, "history": history, "evaluations": len(times(said, "evaluation_seconds", where)),
            "seconds": positive(said, "seconds", where), "peak_rss_bytes": positive(said, "peak_rss_bytes", where)}
