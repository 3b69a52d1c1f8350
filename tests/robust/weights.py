"""Weights other than those of the repository: each filter scaled, and random ones. Files of the safetensors format."""
import json
import math
import pathlib
import random
import struct

ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS = ROOT / "weights/vgg19-tinyimagenet.safetensors"
SCALE = 8  # a filter's weights are multiplied by 1/SCALE..SCALE


def read(path):
    """(header, data)"""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + length]), data[8 + length:]


def write(path, header, parts):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


def tensors(header, data):
    """(name, shape, bytes) in the order of the data."""
    found = sorted(((*entry["data_offsets"], name) for name, entry in header.items() if name != "__metadata__"))
    return [(name, header[name]["shape"], data[begin:end]) for begin, end, name in found]


def scaled_tensor(shape, raw, rng):
    if len(shape) == 1:
        return raw  # biases stay, and so shift the filter against its scaled sum
    filters, values = shape[0], list(struct.unpack(f"<{len(raw) // 2}e", raw))
    each = len(values) // filters
    for number in range(filters):
        factor = SCALE ** rng.uniform(-1, 1)
        part = slice(number * each, (number + 1) * each)
        values[part] = [max(-65504.0, min(65504.0, value * factor)) for value in values[part]]
    return struct.pack(f"<{len(values)}e", *values)


def random_tensor(shape, raw, rng):
    """Weights of either sign and of 1 to 2 times a power of two, by which activations keep about their size."""
    if len(shape) == 1:
        return bytes(len(raw))
    exponent = round(math.log2(math.sqrt(2 / math.prod(shape[1:])) / 1.5)) + 15
    count = len(raw) // 2

    def repeated(word):
        return int.from_bytes(struct.pack("<H", word) * count, "little")

    bits = int.from_bytes(rng.randbytes(len(raw)), "little")
    return (bits & repeated(0x83FF) | repeated(exponent << 10)).to_bytes(len(raw), "little")


def make(kind, folder):
    """The path of the weights of this kind: "ours", "scaled" or "random"."""
    if kind == "ours":
        return OURS
    path, rng = pathlib.Path(folder, f"{kind}.safetensors"), random.Random(7)
    change = {"scaled": scaled_tensor, "random": random_tensor}[kind]
    header, data = read(OURS)
    write(path, header, [change(shape, raw, rng) for _, shape, raw in tensors(header, data)])
    return path
