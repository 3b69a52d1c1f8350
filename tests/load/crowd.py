"""Clients by the hundred in one thread: those that poll, those that listen, and those that mean no good."""
import asyncio
import random
import time

from service import BOUNDARY, job_form


class Trouble(Exception):
    """An answer that should not have been."""


class Crowd:
    """What all clients share: where to, which jobs there are, and what was found."""

    def __init__(self, port):
        self.port = port
        self.jobs = []       # paths, the newest last
        self.polls = []      # (when, seconds) of each answer
        self.errors = []     # sentences
        self.events = self.streams = self.slow_ends = 0
        self.lags = []       # seconds that this thread came late by itself

    def note(self, who, error):
        if len(self.errors) < 1000:
            self.errors.append(f"{who}: {error!r}")

    async def connect(self):
        return await asyncio.open_connection("127.0.0.1", self.port)

    def some_job(self, number):
        return self.jobs[-1 - number % min(len(self.jobs), 8)]


async def read_head(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    length = 0
    for line in head.split(b"\r\n")[1:]:
        if line[:15].lower() == b"content-length:":
            length = int(line[15:])
    return status, length


async def poll(crowd, number, pause=1.0):
    """Asks for a job's state once a second on one connection, for ever."""
    await asyncio.sleep(random.uniform(0, pause))
    reader, writer = await crowd.connect()
    try:
        while True:
            begin = time.perf_counter()
            writer.write(f"GET {crowd.some_job(number)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            status, length = await read_head(reader)
            await reader.readexactly(length)
            now = time.perf_counter()
            crowd.polls.append((now, now - begin))
            if status != 200:
                raise Trouble(f"a poll was answered with {status}")
            await asyncio.sleep(pause)
    finally:
        writer.close()


async def listen(crowd):
    """Follows the newest job by its events, from where it waits to its end, and then the next."""
    await asyncio.sleep(random.uniform(0, 1))
    while True:
        reader, writer = await crowd.connect()
        try:
            writer.write(f"GET {crowd.jobs[-1]}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            status, _ = await read_head(reader)
            if status != 200:
                raise Trouble(f"a stream was answered with {status}")
            while (line := await asyncio.wait_for(reader.readline(), 60)) != b"0\r\n":
                if not line:
                    raise Trouble("a stream broke off")
                crowd.events += line.startswith(b"event:")
            crowd.streams += 1
        finally:
            writer.close()
        await asyncio.sleep(0.2)


async def position_of(crowd, job):
    """Its place in the queue, 0 when it does not wait."""
    reader, writer = await crowd.connect()
    writer.write(f"GET {job} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    text = (await reader.read()).decode()
    writer.close()
    return int(text.split('"position":')[1].split(",")[0]) if '"position":' in text else 0


async def keep_busy(crowd, waiting=4, **options):
    """Keeps some jobs in the queue."""
    body = job_form(options)
    head = (f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n").encode()
    while True:
        reader, writer = await crowd.connect()
        writer.write(head + body)
        text = (await reader.read()).decode()
        writer.close()
        if " 202 " not in text[:20]:
            crowd.note("post", Trouble(text))
            await asyncio.sleep(1)
            continue
        crowd.jobs.append(text.split("Location: ")[1].split("\r\n")[0])
        while await position_of(crowd, crowd.jobs[-1]) >= waiting:
            await asyncio.sleep(0.2)


async def measure_lag(crowd, pause=0.02):
    while True:
        begin = time.perf_counter()
        await asyncio.sleep(pause)
        crowd.lags.append(time.perf_counter() - begin - pause)


# ---- Those that mean no good: what they do, a byte or so at a time

def drip_header():
    yield b"GET /v1/jobs HTTP/1.1\r\nHost: x\r\nX-Slow: "
    while True:
        yield b"a"


def drip_body():
    yield (b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
           b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n")
    while True:
        yield b"-"


def say_nothing():
    while True:
        yield b""


def read_nothing():
    yield b"GET /openapi.yaml HTTP/1.1\r\nHost: x\r\n\r\n" * 100
    while True:
        yield b""


SLOW_KINDS = (drip_header, drip_body, say_nothing, read_nothing)


async def be_slow(crowd, number, pause=2.0):
    """Is closed by the service now and then, and comes again."""
    await asyncio.sleep(random.uniform(0, 1))
    while True:
        try:
            _, writer = await crowd.connect()
        except OSError:
            await asyncio.sleep(1)
            continue
        writer.transport.pause_reading()
        try:
            for piece in SLOW_KINDS[number % len(SLOW_KINDS)]():
                if writer.transport.is_closing():
                    break
                if piece:
                    writer.write(piece)
                await asyncio.sleep(pause)
                if piece == b"":  # nothing is written or read that could tell of the end
                    writer.transport.resume_reading()
                    await asyncio.sleep(0)
                    if number % len(SLOW_KINDS) == 3:
                        writer.transport.pause_reading()
        except (OSError, RuntimeError):
            pass
        finally:
            crowd.slow_ends += 1
            writer.transport.abort()
