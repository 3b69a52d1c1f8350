"""What must hold at the end, of the answers, of the file, and of the logs."""
import hashlib
import pathlib
import sqlite3
import time

from pictures import read_png
from program import PATIENCE, Failure, read_log


def all_jobs(program):
    jobs, cursor = [], ""
    while True:
        status, page = program.get(f"/v1/jobs?limit=100{cursor}")
        if status != 200:
            raise Failure(f"the list was answered with {status}")
        jobs += page["jobs"]
        if not page["next_cursor"]:
            return jobs
        cursor = f"&cursor={page['next_cursor']}"


def wait_for_the_end(program):
    """All jobs, once none waits or runs."""
    end = time.monotonic() + PATIENCE * 4
    while True:
        jobs = all_jobs(program)
        if all(job["state"] in ("succeeded", "failed", "canceled") for job in jobs):
            return jobs
        if time.monotonic() > end:
            raise Failure("jobs do not come to an end")
        time.sleep(0.3)


def check_result(program, job, kind, interrupted):
    """The job's picture is what it must be; whether it is the undisturbed one."""
    status, _, data = program.ask("GET", job["links"]["result"])
    if status != 200:
        raise Failure(f"the result of {job['id']} was answered with {status}")
    digest = hashlib.sha256(data).hexdigest()
    if digest != job["output"]["sha256"] or len(data) != job["output"]["bytes"]:
        raise Failure(f"the result of {job['id']} is not the one it was stored as")
    if job["output"]["format"] == "png":
        width, height, _ = read_png(data)
        if (width, height) != (job["output"]["width"], job["output"]["height"]):
            raise Failure(f"the result of {job['id']} has another size than it says")
    if digest != kind.sha256 and (kind.exact or not interrupted):
        raise Failure(f"the result of {job['id']} ({kind.name}, {job['attempts']} attempts, "
                      f"{'' if interrupted else 'never '}interrupted) differs from an undisturbed run's")
    return digest == kind.sha256


def check_jobs(program, jobs, journal, interrupted, figures):
    there = {job["id"]: job for job in jobs}
    for job_id, known in journal.jobs.items():
        job = there.pop(job_id, None)
        if known.delete == "done" and job:
            raise Failure(f"{job_id} was deleted and is there")
        if not job:
            if not known.delete:
                raise Failure(f"{job_id} was accepted and is lost")
            figures["deleted"] += 1
            continue
        if job["state"] == "failed":
            raise Failure(f"{job_id} failed: {job['error']}")
        if job["state"] == "canceled":
            if not known.cancel:
                raise Failure(f"{job_id} is canceled, and nobody asked for that")
            figures["canceled"] += 1
            continue
        figures["succeeded"] += 1
        if check_result(program, job, known.kind, job_id in interrupted or job["attempts"] > 1):
            figures["identical"] += 1
    if len(there) > journal.unknown:
        raise Failure(f"{len(there)} jobs are there that nobody was told of; {journal.unknown} posts got no answer")
    figures["unanswered and there"] = len(there)


def one(database, sql):
    return database.execute(sql).fetchone()[0]


def check_file(folder, figures):
    """After the service has ended."""
    store = pathlib.Path(folder, "store")
    names = {path.name for path in store.iterdir()}
    if names != {"jobs.db", "jobs.db.lock"}:
        raise Failure(f"the store's folder holds {sorted(names)}")
    with sqlite3.connect(store / "jobs.db") as database:
        figures["integrity_check"] = one(database, "PRAGMA integrity_check")
        must_be_empty = {
            "broken references": "SELECT count(*) FROM pragma_foreign_key_check",
            "pictures without a job": "SELECT count(*) FROM pictures WHERE job NOT IN (SELECT sequence FROM jobs)",
            "jobs without a photo": "SELECT count(*) FROM jobs WHERE sequence NOT IN"
                                    " (SELECT job FROM pictures WHERE role = 'content')",
            "checkpoints of jobs that have ended": "SELECT count(*) FROM pictures WHERE role = 'checkpoint'",
            "leases of jobs that have ended": "SELECT count(*) FROM jobs WHERE owner <> '' OR lease_until <> 0",
            "wrong tallies": "SELECT count(*) FROM tallies WHERE jobs <>"
                             " (SELECT count(*) FROM jobs WHERE jobs.state = tallies.state AND expired = 0)",
            "wrong shares": "SELECT count(*) FROM tenants WHERE queued <> 0 OR running <> 0 OR bytes <>"
                            " (SELECT coalesce(sum(length(bytes)), 0) FROM pictures)",
        }
        for what, sql in must_be_empty.items():
            if (count := one(database, sql)) != 0:
                raise Failure(f"{count} {what}")
    if figures["integrity_check"] != "ok":
        raise Failure(f"the database is damaged: {figures['integrity_check']}")


def read_logs(folder):
    """(ids whose run was interrupted, how often each succeeded, checkpoints gone on from) of all logs in order."""
    ended, open_runs, interrupted, resumed = {}, set(), set(), []
    for path in sorted(pathlib.Path(folder).glob("*.log"), key=lambda path: int(path.stem)):
        interrupted |= open_runs
        open_runs = set()
        for entry in read_log(path):
            job_id = entry.get("job_id")
            if entry["event"] == "job.started":
                open_runs.add(job_id)
            elif entry["event"] == "job.released":
                interrupted.add(job_id)
                open_runs.discard(job_id)
            elif entry["event"] == "job.resumed":
                resumed.append((job_id, entry["losses"], int(path.stem)))
            elif entry["event"] == "job.finished":
                open_runs.discard(job_id)
                if entry["state"] == "succeeded":
                    ended[job_id] = ended.get(job_id, 0) + 1
    twice = [job_id for job_id, times in ended.items() if times > 1]
    if twice:
        raise Failure(f"jobs ended more than once: {twice}")
    return interrupted, resumed
