"""docs/quality.jpg: the pictures beside each other, a row for each pair. Needs python3-pil."""
import os

from PIL import Image, ImageDraw

SIDE, HEAD, GAP = 192, 18, 4
MOST_BYTES = 400_000


def sheet(rows, heads):
    """`rows`: (name, [path of each column])."""
    width, height = len(heads) * (SIDE + GAP) - GAP, HEAD + len(rows) * (SIDE + GAP) - GAP
    whole = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(whole)
    for column, head in enumerate(heads):
        draw.text((column * (SIDE + GAP) + 4, 3), head, fill="black")
    for line, (_, paths) in enumerate(rows):
        for column, path in enumerate(paths):
            with Image.open(path) as picture:
                whole.paste(picture.convert("RGB").resize((SIDE, SIDE), Image.LANCZOS),
                            (column * (SIDE + GAP), HEAD + line * (SIDE + GAP)))
    return whole


def write(path, rows, heads):
    """As good a JPEG as fits into MOST_BYTES."""
    whole = sheet(rows, heads)
    for quality in range(90, 20, -10):
        whole.save(path, quality=quality, optimize=True)
        if os.path.getsize(path) < MOST_BYTES:
            return
    raise ValueError(f"{path} does not fit into {MOST_BYTES} bytes")
