"""Runs the service in a folder of its own, and asks it things."""
import contextlib
import datetime
import json
import os
import pathlib
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
BOUNDARY = "----stylized-load"
PATIENCE = 600  # seconds for anything that has to happen at all
GRACE = 40  # seconds for a stop: more than the service takes by itself
FINAL = ("succeeded", "failed", "canceled")


class Failure(Exception):
    """Something went otherwise than it must; its text is for people."""


def wait_until(probe, what, every=0.05):
    """What `probe` returns as soon as that is true."""
    end = time.monotonic() + PATIENCE
    while not (found := probe()):
        if time.monotonic() > end:
            raise Failure(f"waited {PATIENCE} s in vain for {what}")
        time.sleep(every)
    return found


def form_part(name, content, file_name=None):
    file = f'; filename="{file_name}"' if file_name else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def job_form(options):
    parts = [form_part(name, (EXAMPLES / file).read_bytes(), file) for name, file in
             (("content", "cat.jpg"), ("style", "swirl.jpg"))]
    options = {"preset": "gatys", **options}
    parts += [form_part(name, str(value).encode()) for name, value in options.items()]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def listening_port(log):
    """The port that the log tells of, or None so far."""
    for line in log.read_text(encoding="utf-8").splitlines(keepends=True):
        if '"serve.listening"' in line and line.endswith("\n"):
            return json.loads(line)["port"]
    return None


class Service:
    """One running service; `process` is a Popen."""

    def __init__(self, process, log):
        self.process, self.log = process, log
        wait_until(lambda: process.poll() is not None or listening_port(log), "the service to listen")
        if process.poll() is not None:
            raise Failure(f"the service did not start:\n{log.read_text(encoding='utf-8')}")
        self.url = f"http://127.0.0.1:{listening_port(log)}"

    def ask(self, path, method="GET", **more):
        request = urllib.request.Request(self.url + path, method=method, **more)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Failure(f"{method} {path} was answered with {error.code}: {error.read().decode()}") from error
        except (OSError, ValueError) as error:
            raise Failure(f"{method} {path} was not answered: {error}") from error

    def submit(self, **options):
        """Has pictures of the examples stylized; returns the path of the job."""
        job = self.ask("/v1/jobs", "POST", data=job_form(options),
                       headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
        return f"/v1/jobs/{job['id']}"

    def wait_for(self, job, state):
        """The job, once it is in that state; another final one is a failure."""
        seen = wait_until(lambda: (now := self.ask(job))["state"] in (state, *FINAL) and now, f"{job} to be {state}")
        if seen["state"] != state:
            raise Failure(f"a job that should be {state} is {seen['state']}: {seen['error']}")
        return seen

    def cpu_seconds(self):
        """Processor time of all its threads so far."""
        after_name = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def stop(process):
    """Asks for an end, insists on it after a while; returns the exit code."""
    process.terminate()
    try:
        return process.wait(timeout=GRACE)
    except subprocess.TimeoutExpired as error:
        raise Failure(f"the service did not stop within {GRACE} s") from error
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@contextlib.contextmanager
def running(program, **settings):
    """A Service with its store in a temporary folder. It is stopped and the folder removed in any case."""
    with tempfile.TemporaryDirectory(prefix="stylized-load-") as folder:
        log = pathlib.Path(folder, "log")
        settings = {"listen": "127.0.0.1:0", "store": f"sqlite:{folder}/jobs.db", **settings}
        flags = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        with log.open("wb") as file:
            process = subprocess.Popen([program, "serve", *flags], stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        try:
            yield Service(process, log)
        finally:
            code = stop(process)
        if code != 0:
            raise Failure(f"the service ended with {code}")


def seconds_between(earlier, later):
    """Of two times as the service writes them."""
    first, last = (datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (earlier, later))
    return (last - first).total_seconds()
