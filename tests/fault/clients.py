"""Clients that post, cancel and delete while the service is killed under them, and write down what they know."""
import json
import random
import threading
import time

from pictures import painting, photo
from program import FORM_TYPE, Failure, Lost, Refused, form


class Kind:
    """Jobs that are alike; `share`: how often they are posted. `exact`: interrupted ones, too, give the same bytes, because a checkpoint has room for all."""

    def __init__(self, name, share, exact, content, styles, **options):
        self.name, self.share, self.exact = name, share, exact
        self.body = form(photo(content), [painting(s) for s in styles], {"preset": "gatys", **options})
        self.sha256 = None  # of an undisturbed run


def kinds():
    return [
        Kind("tiny", 5, True, 1, [1], size=32, iterations=3),
        Kind("short", 4, True, 2, [2], size=48, iterations=25),
        Kind("adam", 2, True, 3, [1, 3], size=48, iterations=60, optimizer="adam", learning_rate=4),
        Kind("long", 1, True, 4, [4], size=64, iterations=260),
        Kind("wide", 1, False, 5, [2], size=144, iterations=90),
        Kind("jpeg", 3, True, 6, [5], size=40, iterations=12, format="jpeg"),
    ]


class Job:
    def __init__(self, kind):
        self.kind, self.cancel, self.delete = kind, None, None  # None, "asked" (no answer) or "done"


class Journal:
    """All that clients know of what they asked for. Thread-safe."""

    def __init__(self):
        self.lock = threading.Lock()
        self.jobs = {}     # id: Job, of every 202
        self.waiting = {}  # key: Kind, of posts that must be repeated
        self.keys = {}     # key: id
        self.unknown = 0   # posts without a key that got no answer
        self.refused = 0   # answers 503
        self.seen = {}     # id: [(time, evaluation)] while it runs

    def accepted(self, job_id, kind, key):
        with self.lock:
            if key in self.keys and self.keys[key] != job_id:
                raise Failure(f"the key {key} made two jobs: {self.keys[key]} and {job_id}")
            if key:
                self.keys[key] = job_id
                self.waiting.pop(key, None)
            self.jobs.setdefault(job_id, Job(kind))

    def some_job(self, rng):
        with self.lock:
            ids = [i for i, job in self.jobs.items() if not job.delete]
        return rng.choice(ids[-12:]) if ids else None


class Client(threading.Thread):
    def __init__(self, program, journal, all_kinds, seed, number):
        super().__init__(daemon=True)
        self.program, self.journal, self.kinds = program, journal, all_kinds
        self.rng, self.number, self.posted = random.Random(seed), number, 0
        self.over, self.failure = threading.Event(), None

    def run(self):
        try:
            while not self.over.is_set():
                self.act()
                self.over.wait(self.rng.uniform(0, 0.25))
        except Refused:
            pass
        except Failure as failure:
            self.failure = failure

    def act(self):
        what = self.rng.random()
        try:
            if what < 0.70:
                self.post()
            elif what < 0.80:
                self.change("cancel", "POST", "/cancel", (200, 409))
            elif what < 0.87:
                self.change("delete", "DELETE", "", (204,))
            else:
                self.program.ask("GET", "/v1/jobs?limit=100")
        except Refused:
            raise
        except Lost:
            pass

    def post(self):
        journal = self.journal
        with journal.lock:
            key = next(iter(journal.waiting), None)
            kind = journal.waiting[key] if key else self.rng.choices(self.kinds, [k.share for k in self.kinds])[0]
            if not key and self.rng.random() < 0.5:
                key = f"key-{self.number}-{self.posted}"
                journal.waiting[key] = kind
        self.posted += 1
        headers = {"Content_Type": FORM_TYPE, **({"Idempotency_Key": key} if key else {})}
        try:
            status, _, body = self.program.ask("POST", "/v1/jobs", kind.body, **headers)
        except Refused:
            raise
        except Lost:
            if not key:
                with journal.lock:
                    journal.unknown += 1
            raise
        if status == 202:
            journal.accepted(json.loads(body)["id"], kind, key)
        elif status in (503, 409):  # full, stopping, or the same key on its way
            with journal.lock:
                journal.refused += 1
        else:
            raise Failure(f"a post was answered with {status}: {body[:500]}")

    def change(self, name, method, tail, good):
        job_id = self.journal.some_job(self.rng)
        if not job_id:
            return
        job = self.journal.jobs[job_id]
        before = getattr(job, name)
        if before != "done":
            setattr(job, name, "asked")
        status, _, body = self.program.ask(method, f"/v1/jobs/{job_id}{tail}")
        if status in good:
            setattr(job, name, "done" if status != 409 else before)
        elif status == 404 and job.delete:
            pass
        elif status != 503:
            raise Failure(f"{method} {job_id}{tail} was answered with {status}: {body[:500]}")


class Watcher(threading.Thread):
    """Writes down how far running jobs have come."""

    def __init__(self, program, journal):
        super().__init__(daemon=True)
        self.program, self.journal, self.over = program, journal, threading.Event()

    def run(self):
        try:
            while not self.over.is_set():
                status, answer = self.program.get("/v1/jobs?state=running&limit=100")
                now = time.monotonic()
                for job in answer["jobs"] if status == 200 else []:
                    if job["progress"]:
                        self.journal.seen.setdefault(job["id"], []).append((now, job["progress"]["evaluation"]))
                self.over.wait(0.03)
        except (Lost, ValueError):
            pass
