"""The pictures that combinations are made of, and what can be told of a result."""
import math
import pathlib
import random
import struct
import sys
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/fault"))
from pictures import chunk

GREY, RGB, GREY_ALPHA, RGBA = 0, 2, 4, 6
CHANNELS = {GREY: 1, RGB: 3, GREY_ALPHA: 2, RGBA: 4}


def png(width, height, kind, pixel):
    """`pixel(x, y)` gives as many numbers from 0 to 255 as the kind has channels."""
    rows = b"".join(b"\0" + b"".join(bytes(pixel(x, y)) for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def waves(x, y):
    return (int(127 + 120 * math.sin(x / 9)), int(127 + 120 * math.cos(y / 7)), (x * 5 + y * 3) % 256)


def noise(width, height):
    rng = random.Random(5)
    return png(width, height, RGB, lambda x, y: rng.randbytes(3))


class Image:
    def __init__(self, name, data, flat=False, long=False):
        self.name, self.data, self.flat, self.long = name, data, flat, long


def size_of(data):
    """Of a PNG, or of the example pictures, which are JPEG."""
    if data[:4] == b"\x89PNG":
        return struct.unpack(">II", data[16:24])
    at = 2
    while data[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + struct.unpack(">H", data[at + 2:at + 4])[0]
    height, width = struct.unpack(">HH", data[at + 5:at + 9])
    return width, height


def mask(rng, image):
    """A mask of a picture: half of it, a slope, checks, specks, a corner."""
    width, height = size_of(image.data)
    pattern = rng.choice((lambda x, y: 255 * (2 * x < width), lambda x, y: 255 * x // width,
                          lambda x, y: 255 * ((x // 8 + y // 8) % 2), lambda x, y: 255 * (x * 7 + y * 13) % 97 // 3 * 3 * (x % 5 == 0),
                          lambda x, y: 255 * (8 * x < width and 8 * y < height)))
    return png(width, height, GREY, lambda x, y: (min(255, int(pattern(x, y))),))


def all_images():
    examples = ROOT / "examples"
    return [
        Image("flat", png(64, 48, RGB, lambda x, y: (90, 140, 200)), flat=True),
        Image("black", png(40, 40, RGB, lambda x, y: (0, 0, 0)), flat=True),
        Image("white", png(48, 64, RGB, lambda x, y: (255, 255, 255)), flat=True),
        Image("noise", noise(72, 72)),
        Image("tiny", png(16, 16, RGB, waves)),
        Image("wide", png(2048, 64, RGB, waves), long=True),
        Image("high", png(64, 2048, RGB, waves), long=True),
        Image("grey", png(80, 60, GREY, lambda x, y: waves(x, y)[:1])),
        Image("transparent", png(72, 72, RGBA, lambda x, y: (*waves(x, y), (x * 4) % 256))),
        Image("invisible", png(50, 50, RGBA, lambda x, y: (*waves(x, y), 0)), flat=True),
        Image("grey-alpha", png(50, 60, GREY_ALPHA, lambda x, y: (waves(x, y)[0], 255 if x > 20 else 0))),
        Image("edge", png(64, 64, RGB, lambda x, y: (255, 255, 255) if x < 32 else (0, 0, 0))),
        Image("photo", (examples / "cat.jpg").read_bytes()),
        Image("painting", (examples / "swirl.jpg").read_bytes()),
    ]


def paeth(a, b, c):
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def unfilter(kind, line, above, channels):
    for i, value in enumerate(line):
        left = line[i - channels] if i >= channels else 0
        corner = above[i - channels] if i >= channels else 0
        guess = (0, left, above[i], (left + above[i]) // 2, paeth(left, above[i], corner))[kind]
        line[i] = (value + guess) & 255


def decode(data):
    """(width, height, channels, bytes) of a PNG with 8 bits a channel; ValueError when it is damaged."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("no PNG")
    at, parts, header = 8, [], None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0] != zlib.crc32(kind + body):
            raise ValueError(f"a wrong checksum of {kind}")
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", body)
        if kind == b"IDAT":
            parts.append(body)
        at += 12 + length
    if header is None or header[2] != 8 or header[3] not in CHANNELS or header[6] != 0:
        raise ValueError(f"a PNG of another kind: {header}")
    width, height, channels = header[0], header[1], CHANNELS[header[3]]
    rows, stride = zlib.decompress(b"".join(parts)), width * channels
    if len(rows) != (stride + 1) * height:
        raise ValueError("not as many pixels as it says")
    above, out = bytearray(stride), bytearray()
    for y in range(height):
        start = y * (stride + 1)
        if rows[start] > 4:
            raise ValueError("a filter that there is none of")
        line = bytearray(rows[start + 1:start + 1 + stride])
        unfilter(rows[start], line, above, channels)
        out += line
        above = line
    return width, height, channels, bytes(out)


def is_constant(channels, pixels):
    """Whether all pixels are alike but for what is transparent."""
    colours = channels - (channels + 1) % 2
    return all(len(set(pixels[i::channels])) == 1 for i in range(colours))
