"""Small pictures as PNG, made of nothing; and whether a result is one."""
import math
import struct
import zlib


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, pixel):
    """`pixel(x, y)` gives three numbers from 0 to 255."""
    rows = b"".join(b"\0" + b"".join(bytes(pixel(x, y)) for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def photo(seed, width=80, height=64):
    def pixel(x, y):
        return (int(127 + 120 * math.sin((x + 3 * seed) / 9)), int(127 + 120 * math.cos((y - seed) / 7)),
                (x * 5 + y * 3 + 40 * seed) % 256)
    return png(width, height, pixel)


def painting(seed, width=72, height=72):
    def pixel(x, y):
        stripe = (x * (seed + 1) + y * 2) // 6 % 3
        return (230 if stripe == 0 else 30, 40 + 60 * stripe, 200 - 50 * stripe + (x * y) % 20)
    return png(width, height, pixel)


def read_png(data):
    """(width, height, its bytes) of a PNG whose every checksum holds; ValueError otherwise."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("no PNG")
    at, parts, size = 8, [], None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0] != zlib.crc32(kind + body):
            raise ValueError(f"a wrong checksum of {kind}")
        if kind == b"IHDR":
            size = struct.unpack(">II", body[:8])
        if kind == b"IDAT":
            parts.append(body)
        at += 12 + length
    rows = zlib.decompress(b"".join(parts))
    if size is None or len(rows) != (size[0] * 3 + 1) * size[1]:
        raise ValueError("not as many pixels as it says")
    if len(set(rows)) < 8:
        raise ValueError("nothing to be seen")
    return (*size, rows)
