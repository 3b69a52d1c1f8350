#!/usr/bin/python3
"""Makes data/: small pictures in every kind we read or refuse, and what a good one decodes to, from Pillow.

For developers (Debian: python3-pil, python3-numpy); the tests need only the files. Each picture NAME is followed by
NAME.rgb, its upright pixels (height x width x 3, 8 bits, alpha composited on white), where it is one we read.
"""
import os
import struct
import zlib

import numpy as np
from PIL import Image

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
W, H = 23, 17


def source():
    y, x = np.mgrid[0:H, 0:W]
    return np.stack([x * 255 // (W - 1), y * 255 // (H - 1), (x * 7 + y * 13) % 256], axis=2).astype(np.uint8)


def path(name):
    return os.path.join(HERE, name)


def expect(name, pixels):
    with open(path(name + ".rgb"), "wb") as f:
        f.write(np.ascontiguousarray(pixels, np.uint8).tobytes())


def save(name, image, pixels=None, **options):
    image.save(path(name), **options)
    if pixels is not None:
        expect(name, pixels)


def on_white(rgba):
    a = rgba[..., 3:].astype(int)
    return ((rgba[..., :3].astype(int) * a + 255 * (255 - a) + 127) // 255).astype(np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(depth, colour, rows, extra=b"", interlace=0):
    head = struct.pack(">IIBBBBB", W, H, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def write(name, data):
    with open(path(name), "wb") as f:
        f.write(data)


def read(name):
    with open(path(name), "rb") as f:
        return f.read()


def make_resized(name, pixels):
    """Writes a picture as raw pixels, and what Pillow makes of it in other sizes."""
    expect(f"resize-{name}", pixels)
    image = Image.fromarray(np.asarray(pixels, np.uint8))
    w, h = image.size
    for width, height in ((8, 5), (40, 31), (w, 9), (64, 17), (w // 2, h // 2), (1, 1)):
        expect(f"resized-{name}-{width}x{height}", np.asarray(image.resize((width, height))))


def main():
    os.makedirs(HERE, exist_ok=True)
    rgb = source()
    image = Image.fromarray(rgb)
    save("rgb.png", image, rgb)
    grey = np.asarray(image.convert("L"))
    save("grey.png", Image.fromarray(grey), np.repeat(grey[..., None], 3, 2))
    palette = image.quantize(16)
    save("palette.png", palette, np.asarray(palette.convert("RGB")))
    palette.info["transparency"] = 3
    palette.save(path("palette-alpha.png"), transparency=3)
    expect("palette-alpha.png", on_white(np.asarray(Image.open(path("palette-alpha.png")).convert("RGBA"))))
    alpha = ((np.mgrid[0:H, 0:W][1] * 11) % 256).astype(np.uint8)
    rgba = np.dstack([rgb, alpha])
    save("rgba.png", Image.fromarray(rgba), on_white(rgba))
    la = np.dstack([grey, alpha])
    save("grey-alpha.png", Image.fromarray(la, "LA"), on_white(np.dstack([grey, grey, grey, alpha])))
    deep = rgb.astype(np.uint16) * 257
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    write("rgb16.png", png(16, 2, rows))
    expect("rgb16.png", rgb)
    deep = grey.astype(np.uint16) * 256 + 200
    write("grey16.png", png(16, 0, b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)))
    expect("grey16.png", np.repeat(grey[..., None], 3, 2))
    adam7 = b""
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        adam7 += b"".join(b"\0" + rgb[y, x0::dx].tobytes() for y in range(y0, H, dy))
    write("interlaced.png", png(8, 2, adam7, interlace=1))
    expect("interlaced.png", rgb)
    write("animated.png", png(8, 2, b"".join(b"\0" + row.tobytes() for row in rgb), chunk(b"acTL", b"\0\0\0\1\0\0\0\0")))
    exif6 = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    write("turned.png", png(8, 2, b"".join(b"\0" + row.tobytes() for row in rgb), chunk(b"eXIf", exif6)))
    expect("turned.png", np.rot90(rgb, -1))

    save("baseline.jpg", image, quality=90)
    save("progressive.jpg", image, quality=90, progressive=True)
    save("full-colour.jpg", image, quality=90, subsampling="4:4:4")
    Image.fromarray(grey).save(path("grey.jpg"), quality=90)
    image.convert("CMYK").save(path("cmyk.jpg"))
    for name in ("baseline.jpg", "progressive.jpg", "full-colour.jpg", "grey.jpg"):
        expect(name, np.asarray(Image.open(path(name)).convert("RGB")))
    upright = np.asarray(Image.open(path("baseline.jpg")).convert("RGB"))
    turns = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.transpose(1, 0, 2),
             6: np.rot90(upright, -1), 7: upright[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(upright)}
    for n, pixels in turns.items():
        exif = Image.Exif()
        exif[0x112] = n
        save(f"orientation{n}.jpg", image, pixels, quality=90, exif=exif)
    write("truncated.jpg", read("baseline.jpg")[:-30])
    write("truncated.png", read("rgb.png")[:-20])

    save("lossy.webp", image, quality=90)
    expect("lossy.webp", np.asarray(Image.open(path("lossy.webp")).convert("RGB")))
    exif = Image.Exif()
    exif[0x112] = 8
    save("turned.webp", image, quality=90, exif=exif)
    expect("turned.webp", np.rot90(np.asarray(Image.open(path("turned.webp")).convert("RGB"))))
    save("lossless-alpha.webp", Image.fromarray(rgba), on_white(rgba), lossless=True, exact=True)
    image.save(path("animated.webp"), save_all=True, append_images=[image.rotate(90)], lossless=True)
    write("truncated.webp", read("lossy.webp")[:-10])
    image.save(path("picture.gif"))
    image.save(path("picture.bmp"))
    write("text.jpg", b"this is a text, whatever its name says\n")
    write("huge.png", (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)) + b"\0" * 99)[:100])

    make_resized("rgb", rgb)
    y, x = np.mgrid[0:43, 0:61, 0:3][:2]
    make_resized("contrast", ((x * x * 7 + y * y * 13 + x * y * 5) % 11 > 4) * 255)  # overshoots, and is clamped
    y, x = np.mgrid[0:24, 0:32, 0:3][:2]
    make_resized("ties", x + y)  # halved, its samples lie between two values exactly


if __name__ == "__main__":
    main()
