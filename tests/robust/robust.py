#!/usr/bin/env python3
"""Random combinations of options, pictures and weights: each must give a picture or a clear refusal.

The options are those that GET /v1/presets tells of, with their types and bounds, drawn from the whole of them but for sizes and
numbers of evaluations, which are kept small. Pictures are flat, noise, tiny, wide, grey, transparent, photos; weights are the
repository's, ones with each filter scaled, and random ones. A job must succeed at its first attempt, with finite losses and a
result that can be decoded, has the promised size, and is not of one colour where what it began with was not. What is refused
must be refused with 422, a field and a sentence. A combination depends on the seed and its number alone.
"""
import argparse
import json
import math
import pathlib
import struct
import sys
import tempfile
import time
import zlib

sys.dont_write_bytecode = True
import combinations
import images
import weights
from images import ROOT
from program import FORM_TYPE, Failure, Lost, Program, environment_program, form

SETTINGS = {"workers": 2, "threads": 1, "preview_interval": 0, "max_queued": 10000, "log_level": "info"}
COUNT, QUICK_COUNT, QUICK_SEED = 200, 12, 1
PATIENCE = 120      # seconds that one job may take
FLATTENING = 1e-3   # a weight of the total variation from which a picture of one colour may be the best
MOVED = 0.7         # of the first loss: what no image of one colour reaches
ENDED = ("succeeded", "failed", "canceled")


def check_refusal(combination, body):
    """What is wrong with an answer 422, or None."""
    try:
        problem = json.loads(body)
    except ValueError:
        return f"422 without JSON: {body[:200]}"
    field, detail = problem.get("field"), problem.get("detail")
    if not isinstance(field, str) or not field:
        return f"422 without a field: {problem}"
    if not isinstance(detail, str) or len(detail) < 10 or " " not in detail:
        return f"422 without a sentence: {problem}"
    if combination.wrong and field != combination.wrong:
        return f"422 names {field}, and {combination.wrong} is what is wrong: {detail}"
    return None


def check_losses(history):
    losses = history.get("loss")
    if not losses:
        return "no losses in the history"
    if not all(isinstance(loss, (int, float)) and math.isfinite(loss) for loss in (losses[0], losses[-1])):
        return f"losses that are not finite: {losses[:3]} ... {losses[-3:]}"
    return None


def must_be_seen(combination, options, losses):
    """Whether the result must have more than one colour: because the image had from the begin, unless flatness is what was
    asked for; or because a painting that has took the loss down."""
    if options.get("tv_weight", 0) > FLATTENING:
        return False
    if options["preserve_colors"] != "none" and combination.content.flat:  # paintings become flat, too
        return False
    one_scale = options["scales"] == 1 or options["size"] < 2 * combinations.LEAST_SCALED  # else losses compare badly
    moved = min(loss for loss in losses if loss is not None) < MOVED * losses[0]
    if one_scale and moved and not all(style.flat for style in combination.styles):
        return True
    begin = {"content": combination.content.flat, "style": combination.styles[0].flat, "noise": False}
    return not begin[options["init"]]


def is_sheet(job):
    return bool(job["options"].get("grid"))


def check_picture(combination, job, losses, data, figures):
    try:
        width, height, channels, pixels = images.decode(data)
    except (ValueError, struct.error, zlib.error) as error:
        return f"a result that cannot be decoded: {error}"
    if (width, height) != (job["output"]["width"], job["output"]["height"]):
        return f"a result of {width}x{height}, and the job says {job['output']}"
    if not is_sheet(job) and max(width, height) != job["options"]["size"]:
        return f"a result of {width}x{height} for size {job['options']['size']}"
    if images.is_constant(channels, pixels):
        if must_be_seen(combination, job["options"], losses):
            return f"a result of one colour: {pixels[:channels].hex()}"
        figures["of one colour, as they began"] += 1
    return None


class Service:
    """A running service with one kind of weights."""

    def __init__(self, binary, folder, kind):
        self.folder = pathlib.Path(folder, kind)
        pathlib.Path(self.folder, "store").mkdir(parents=True)
        self.program = Program(binary, self.folder, 0, weights=weights.make(kind, folder), **SETTINGS).wait()
        self.posted = []

    def post(self, combination):
        body = form(combination.content.data, [style.data for style in combination.styles],
                    {"options": json.dumps(combination.options)}, combination.masks)
        return self.program.ask("POST", "/v1/jobs", body, Content_Type=FORM_TYPE)

    def wait_for(self, job_id):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            status, _, body = self.program.ask("GET", f"/v1/jobs/{job_id}")
            job = json.loads(body)
            if status != 200 or job["state"] in ENDED:
                return job
            time.sleep(0.02)
        return job

    def stop(self):
        self.program.kill("term")


def check_job(service, combination, job_id, figures):
    """What is wrong with an accepted job, or None."""
    job = service.wait_for(job_id)
    if job.get("state") != "succeeded":
        return f"the job is {job.get('state')}: {job.get('error')}"
    if job["attempts"] != 1:
        return f"it took {job['attempts']} attempts"
    figures["with notes (recoveries, deadlines)"] += bool(job["notes"])
    status, history = service.program.get(f"/v1/jobs/{job_id}/history")
    wrong = check_losses(history) if status == 200 else f"its history was answered with {status}"
    if wrong:
        return wrong
    status, _, data = service.program.ask("GET", f"/v1/jobs/{job_id}/result?format=png")
    if status != 200:
        return f"its result was answered with {status}"
    return check_picture(combination, job, history["loss"], data, figures)


def check_post(service, combination, answer, figures):
    """What is wrong with the answer to a post, or None. Accepted jobs are noted for later."""
    status, _, body = answer
    if status == 202:
        if combination.wrong:
            return f"accepted, and {combination.wrong} is wrong"
        service.posted.append((combination, json.loads(body)["id"]))
        return None
    if status == 422:
        figures["refused, and wrong" if combination.wrong else "refused, though within all bounds"] += 1
        if not combination.wrong:
            say(f"  refused: {json.loads(body).get('detail')}")
        return check_refusal(combination, body)
    return f"answered with {status}: {body[:300]}"


def say(line):
    print(line, file=sys.stderr, flush=True)


def play_kind(binary, folder, kind, drawn, figures):
    """[(combination, what is wrong)] of the combinations with these weights."""
    service, failures = Service(binary, folder, kind), []

    def note(combination, wrong):
        if wrong:
            failures.append((combination, wrong))
            say(f"FAILED {combination.describe()}\n    {wrong}")
    last = None
    try:
        for last in drawn:
            note(last, check_post(service, last, service.post(last), figures))
        for last, job_id in service.posted:
            wrong = check_job(service, last, job_id, figures)
            figures["succeeded"] += not wrong
            note(last, wrong)
        service.stop()
    except (Lost, Failure) as error:
        code = service.program.process.poll()
        note(last, f"the service answers no more ({error}); exit code {code}; its log ends "
                   f"{service.program.log.read_text(encoding='utf-8', errors='replace')[-1500:]}")
    return failures


def told_options(binary, folder):
    service = Service(binary, pathlib.Path(folder, "asked"), "ours")
    options = service.program.get("/v1/presets")[1]["options"]
    service.stop()
    return options


def play(binary, numbers, seed):
    figures = dict.fromkeys(("succeeded", "refused, and wrong", "refused, though within all bounds",
                             "of one colour, as they began", "with notes (recoveries, deadlines)"), 0)
    failures, all_images = [], images.all_images()
    with tempfile.TemporaryDirectory(prefix="stylized-robust-") as folder:
        options = told_options(binary, folder)
        drawn = [combinations.draw(seed, number, options, all_images) for number in numbers]
        for kind in combinations.KINDS_OF_WEIGHTS:
            mine = [combination for combination in drawn if combination.weights == kind]
            if mine:
                failures += play_kind(binary, folder, kind, mine, figures)
    figures["combinations"] = len(drawn)
    figures["options"] = len(options)
    return figures, failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=COUNT, help=f"combinations (default {COUNT})")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the random choices (default: the time)")
    parser.add_argument("--only", type=int, metavar="N", help="this combination of the seed alone")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_COUNT} combinations, always the same")
    parser.add_argument("--largest", type=int, metavar="N", help="bound of size in pixels "
                        f"(default {combinations.SMALL['size'][1]}); gives other combinations")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE",
                        help="of the service, as memory_limit=180; may be repeated")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--program", default=None, help="stylized; default: STYLIZED_BIN, or what is built")
    args = parser.parse_args()
    if args.quick:
        args.count, args.seed = QUICK_COUNT, QUICK_SEED
    if args.largest:
        combinations.SMALL["size"] = (combinations.SMALL["size"][0], args.largest)
    SETTINGS.update(setting.split("=", 1) for setting in args.setting)
    numbers = range(args.count) if args.only is None else [args.only]
    say(f"{len(numbers)} combinations, seed {args.seed}")
    begin = time.monotonic()
    figures, failures = play(args.program or environment_program(ROOT), numbers, args.seed)
    figures["seconds"] = round(time.monotonic() - begin, 1)
    for name, value in sorted(figures.items()):
        print(f"{name:40} {value}")
    if args.json:
        failed = [{"combination": combination.describe(), "wrong": wrong} for combination, wrong in failures]
        pathlib.Path(args.json).write_text(json.dumps({"seed": args.seed, **figures, "failures": failed}, indent=2) + "\n",
                                           encoding="utf-8")
    print(f"{len(numbers) - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
