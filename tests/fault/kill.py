#!/usr/bin/env python3
"""Kills the service again and again while clients use it, and checks that nothing accepted is lost.

Each round starts it on the same store, lets clients post, cancel and delete jobs, and ends it at a random moment, start-up
and stop included: with SIGKILL, with SIGTERM, or with SIGKILL during the stop. Posts with an Idempotency-Key whose answer was
lost are repeated. In the end all jobs run to their end, and every 202 must have led to one job with the right picture.
"""
import argparse
import json
import pathlib
import random
import sys
import tempfile
import time

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
import verdict
from clients import Client, Journal, Watcher, kinds
from program import FORM_TYPE, Failure, Program, environment_program

SETTINGS = {"checkpoint_interval": 1, "max_attempts": 100, "max_queued": 400, "workers": 2, "threads": 1,
            "preview_interval": 1, "log_level": "info"}
CLIENTS, MOST_WAITING = 3, 10
QUICK_ROUNDS = 2


def run_undisturbed(binary, all_kinds):
    """Notes what each kind of job gives."""
    with tempfile.TemporaryDirectory(prefix="stylized-fault-") as folder:
        pathlib.Path(folder, "store").mkdir()
        program = Program(binary, folder, 0, **SETTINGS).wait()
        ids = [json.loads(program.ask("POST", "/v1/jobs", kind.body, Content_Type=FORM_TYPE)[2])["id"] for kind in all_kinds]
        verdict.wait_for_the_end(program)
        for kind, job_id in zip(all_kinds, ids):
            job = program.get(f"/v1/jobs/{job_id}")[1]
            if job["state"] != "succeeded":
                raise Failure(f"{kind.name} does not succeed undisturbed: {job['error']}")
            kind.sha256 = job["output"]["sha256"]
        program.kill("term")


def play_round(binary, folder, number, journal, all_kinds, rng, figures):
    how = rng.choices(("kill", "term", "term+kill"), (70, 15, 15))[0]
    program = Program(binary, folder, number, **SETTINGS)
    threads = []
    phase = "start-up"
    if rng.random() < 0.1:
        time.sleep(rng.uniform(0, 0.25))
    else:
        program.wait()
        waiting = sum(job["state"] == "queued" for job in verdict.all_jobs(program))
        clients = CLIENTS if waiting < MOST_WAITING else 0
        threads = [Client(program, journal, all_kinds, rng.random(), f"{number}-{i}") for i in range(clients)]
        threads.append(Watcher(program, journal))
        for thread in threads:
            thread.start()
        time.sleep(rng.uniform(0, 3.5))
        phase = "at work"
    killed = time.monotonic()
    program.kill(how)
    for thread in threads:
        thread.over.set()
        thread.join(60)
        if getattr(thread, "failure", None):
            raise thread.failure
    figures[f"{how}, {phase}"] = figures.get(f"{how}, {phase}", 0) + 1
    return killed


def lost_work(journal, resumed, killed):
    """(evaluations, seconds) that were computed and not gone on from, at most; by what clients had seen."""
    worst = (0, 0.0)
    for job_id, losses, number in resumed:
        before = [(at, evaluation) for at, evaluation in journal.seen.get(job_id, []) if at < killed.get(number - 1, 0)
                  and at > killed.get(number - 2, 0)]
        behind = [at for at, evaluation in before if evaluation > losses]
        if behind:
            worst = max(worst, (before[-1][1] - losses, killed[number - 1] - behind[0]), key=lambda pair: pair[1])
    return worst


def finish(binary, folder, number, journal, figures):
    program = Program(binary, folder, number, **SETTINGS).wait()
    for key, kind in list(journal.waiting.items()):  # what was never answered is asked for once more
        status, _, body = program.ask("POST", "/v1/jobs", kind.body, Content_Type=FORM_TYPE, Idempotency_Key=key)
        if status != 202:
            raise Failure(f"the repeat of {key} was answered with {status}: {body[:500]}")
        journal.accepted(json.loads(body)["id"], kind, key)
    jobs = verdict.wait_for_the_end(program)
    interrupted, resumed = verdict.read_logs(folder)
    verdict.check_jobs(program, jobs, journal, interrupted, figures)
    figures["interrupted"] = len(interrupted & {job["id"] for job in jobs if job["state"] == "succeeded"})
    figures["gone on from a checkpoint"] = len(resumed)
    program.kill("term")
    verdict.check_file(folder, figures)
    verdict.read_logs(folder)
    return resumed


def play(binary, rounds, seed):
    rng, journal, all_kinds = random.Random(seed), Journal(), kinds()
    figures = dict.fromkeys(("succeeded", "identical", "canceled", "deleted"), 0)
    run_undisturbed(binary, all_kinds)
    with tempfile.TemporaryDirectory(prefix="stylized-fault-") as folder:
        pathlib.Path(folder, "store").mkdir()
        killed = {}
        for number in range(rounds):
            killed[number] = play_round(binary, folder, number, journal, all_kinds, rng, figures)
            if number % 10 == 9:
                print(f"  {number + 1} rounds, {len(journal.jobs)} jobs accepted", file=sys.stderr)
        resumed = finish(binary, folder, rounds, journal, figures)
        evaluations, seconds = lost_work(journal, resumed, killed)
    figures.update({"rounds": rounds, "accepted": len(journal.jobs), "keys": len(journal.keys),
                    "posts without answer": journal.unknown, "refused": journal.refused,
                    "work lost at most, evaluations": evaluations, "work lost at most, seconds": round(seconds, 2)})
    if seconds > 5:
        raise Failure(f"{seconds:.1f} s of work were lost")
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the random choices; the moments vary all the same")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--program", default=None, help="stylized; default: STYLIZED_BIN, or what is built")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds")
    args = parser.parse_args()
    if args.quick:
        args.rounds = QUICK_ROUNDS
    print(f"{args.rounds} rounds, seed {args.seed}", file=sys.stderr)
    try:
        figures = play(args.program or environment_program(ROOT), args.rounds, args.seed)
    except Failure as failure:
        print(f"FAILED (seed {args.seed}): {failure}", file=sys.stderr)
        return 1
    for name, value in sorted(figures.items()):
        print(f"{name:35} {value}")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
