"""The service as a process that can be killed, and a client that survives that."""
import atexit
import http.client
import json
import os
import pathlib
import signal
import subprocess
import time

BOUNDARY = "----stylized-fault"
PATIENCE = 300


class Failure(Exception):
    """Something went otherwise than it must; its text is for people."""


class Lost(Exception):
    """No whole answer came: what was asked for may have been done or not."""


class Refused(Lost):
    """Nobody listened: nothing has been done."""


class Program:
    """A process on a folder that outlives it. Its log is NUMBER.log there."""

    def __init__(self, program, folder, number, **settings):
        self.log = pathlib.Path(folder, f"{number}.log")
        settings = {"listen": "127.0.0.1:0", "store": f"sqlite:{folder}/store/jobs.db", **settings}
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([program, "serve", *flags], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        atexit.register(self.process.kill)  # a failure must not leave it behind; after its end this does nothing
        self.port = None

    def is_listening(self):
        if self.port is None:
            for entry in read_log(self.log):
                if entry["event"] == "serve.listening":
                    self.port = entry["port"]
        return self.port is not None

    def wait(self):
        end = time.monotonic() + PATIENCE
        while not self.is_listening():
            if self.process.poll() is not None:
                raise Failure(f"the service did not start: {self.log.read_text(encoding='utf-8', errors='replace')}")
            if time.monotonic() > end:
                raise Failure("the service does not listen")
            time.sleep(0.01)
        return self

    def ask(self, method, path, body=None, **headers):
        """(status, headers, bytes) of the answer. Lost, or Refused, when there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.connect()
        except OSError as error:
            raise Refused(str(error)) from error
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Lost(str(error)) from error
        finally:
            connection.close()

    def get(self, path):
        status, _, body = self.ask("GET", path)
        return status, json.loads(body)

    def kill(self, how):
        """`how`: "kill", "term", or "term+kill", the latter within the stop."""
        if how == "kill":
            self.process.send_signal(signal.SIGKILL)
        else:
            self.process.send_signal(signal.SIGTERM)
            if how == "term+kill":
                time.sleep(0.02)
                self.process.send_signal(signal.SIGKILL)
        code = self.process.wait(timeout=60)
        # Before its handlers are set, and after them, SIGTERM ends it as any process.
        if how == "term" and code not in (0, -signal.SIGTERM):
            raise Failure(f"after SIGTERM the service ended with {code}: {self.log.read_text(encoding='utf-8')[-2000:]}")
        return code


def read_log(path):
    """The whole lines of a log; the last one may be cut by a kill."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        if line.startswith("{") and line.endswith("}\n"):
            yield json.loads(line)
        elif line.strip():
            raise Failure(f"{path.name} holds what is no line of a log: {line[:2000]}")


def form(content, styles, options, files=()):
    """A multipart body; the same arguments give the same bytes. `files` are more of them, (name, bytes)."""
    def part(name, data, file=""):
        return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n"
    parts = [part("content", content, '; filename="a.png"')]
    parts += [part("style", style, '; filename="b.png"') for style in styles]
    parts += [part(name, data, '; filename="c.png"') for name, data in files]
    parts += [part(name, str(value).encode()) for name, value in options.items()]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def built_program(root):
    for folder in ("build-test", "build-bench", "build"):
        program = root / folder / "src/app/stylized"
        if program.exists():
            return str(program)
    raise Failure("no program is built: see CONTRIBUTING.md")


def environment_program(root):
    return os.environ.get("STYLIZED_BIN") or built_program(root)
