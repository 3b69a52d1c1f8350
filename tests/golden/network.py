"""VGG19's activations, Gram matrices, losses and gradient, with the weights of weights/."""
import hashlib
import json
import os
import struct

import numpy as np
import torch
from torch.nn import functional

from pictures import picture

WEIGHTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../weights/vgg19-tinyimagenet.safetensors")
# torchvision's indices of the convolutions in vgg19().features; a pooling comes before those in POOLED.
CONVOLUTIONS = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28]
POOLED = {5, 10, 19, 28}
STYLE = {0: 64, 5: 128, 10: 256, 19: 512, 28: 512}  # layer: the n of its weight 1000 / n^2
CONTENT = 21
SAMPLES, GRADIENT_SAMPLES = 64, 512

# name; height, width and seed of content, style and image; pooling, content and style weight
CASES = [
    ("at the content", (40, 56, 1), (48, 32, 2), (40, 56, 1), "max", 1.0, 1.0),
    ("elsewhere", (40, 56, 1), (48, 32, 2), (40, 56, 3), "max", 1.0, 1.0),
    ("average pooling", (40, 56, 1), (48, 32, 2), (40, 56, 3), "avg", 1.0, 1.0),
    ("other weights", (40, 56, 1), (48, 32, 2), (40, 56, 4), "max", 30.0, 0.2),
    ("odd sides", (37, 45, 5), (61, 19, 6), (37, 45, 7), "max", 1.0, 1.0),
    ("odd sides, average pooling", (37, 45, 5), (61, 19, 6), (37, 45, 7), "avg", 1.0, 1.0),
]
DETAILED = {"elsewhere", "average pooling"}  # with activations and Gram matrices


class Network:
    """The layers up to relu5_1 and the constants of the input, in the given precision."""

    def __init__(self, dtype):
        with open(WEIGHTS, "rb") as f:
            data = f.read()
        self.sha256 = hashlib.sha256(data).hexdigest()
        (size,) = struct.unpack_from("<Q", data)
        header, self.body = json.loads(data[8:8 + size]), data[8 + size:]
        self.dtype = dtype
        self.filters = [self.tensor(header, f"features.{i}.weight") for i in CONVOLUTIONS]
        self.biases = [self.tensor(header, f"features.{i}.bias") for i in CONVOLUTIONS]
        constants = header["__metadata__"]
        self.mean, self.std = (torch.tensor(json.loads(constants[key]), dtype=dtype).reshape(3, 1, 1)
                               for key in ("mean", "std"))
        self.scale = float(constants["input_scale"])

    def tensor(self, header, name):
        entry = header[name]
        begin, end = entry["data_offsets"]
        kind = {"F16": "<f2", "F32": "<f4"}[entry["dtype"]]
        values = np.frombuffer(self.body[begin:end], kind).reshape(entry["shape"])
        return torch.from_numpy(values.astype(np.float32)).to(self.dtype)

    def encode(self, which):
        rgb = torch.from_numpy(picture(*which)).permute(2, 0, 1).to(self.dtype)
        return (rgb / 255 - self.mean) / self.std * self.scale

    def activations(self, x, pooling):
        """What leaves each ReLU, channels x height x width, by the index of its convolution."""
        pool = {"max": functional.max_pool2d, "avg": functional.avg_pool2d}[pooling]
        out, x = {}, x[None]
        for index, weight, bias in zip(CONVOLUTIONS, self.filters, self.biases):
            if index in POOLED:
                x = pool(x, 2)
            x = functional.relu(functional.conv2d(x, weight, bias, padding=1))
            out[index] = x[0]
        return out


def gram(f):
    flat = f.flatten(1)
    return flat @ flat.T / flat.shape[1]


def evaluate(network, content, style, image, pooling, content_weight, style_weight):
    with torch.no_grad():
        targets = {i: gram(f) for i, f in network.activations(network.encode(style), pooling).items() if i in STYLE}
        wanted = network.activations(network.encode(content), pooling)[CONTENT]
    x = network.encode(image).requires_grad_(True)
    seen = network.activations(x, pooling)
    parts = [style_weight * 1000 / n**2 * (gram(seen[i]) - targets[i]).square().mean() for i, n in STYLE.items()]
    parts.append(content_weight * (seen[CONTENT] - wanted).square().mean())
    total = sum(parts)
    total.backward()
    return {"activations": [seen[i].detach() for i in CONVOLUTIONS], "grams": [targets[i] for i in STYLE],
            "losses": [p.item() for p in parts], "loss": total.item(), "gradient": x.grad}


def places(count, samples):
    """Indices spread over 0 .. count - 1 without a pattern that channels or rows could share."""
    return [(j * 2654435761 + 12345) % count for j in range(samples)]


def sketch(tensor, samples):
    """Mean, norm and some values of a tensor, in the order channels, height, width."""
    flat = tensor.flatten().double()
    return {"mean": float(f"{flat.mean().item():.9g}"), "norm": float(f"{flat.norm().item():.9g}"),
            "values": [float(f"{flat[i].item():.9g}") for i in places(flat.numel(), samples)]}


def check(name, single, double):
    """A picture on which rounding alone decides maxima would be no measure."""
    distance = ((single["gradient"] - double["gradient"]).norm() / double["gradient"].norm()).item()
    losses = max(abs(a - b) / b for a, b in zip(single["losses"], double["losses"]) if b > 0)
    print(f"{name}: single and double precision differ by {losses:.1e} (losses) and {distance:.1e} (gradient)")
    assert losses < 1e-5 and distance < 1e-4, name


def make():
    single, double, cases = Network(torch.float32), Network(torch.float64), []
    for name, content, style, image, pooling, content_weight, style_weight in CASES:
        arguments = (content, style, image, pooling, content_weight, style_weight)
        result = evaluate(single, *arguments)
        check(name, result, evaluate(double, *arguments))
        case = {"name": name, "weights": single.sha256, "content": content, "style": style, "image": image,
                "pooling": pooling, "content_weight": content_weight, "style_weight": style_weight,
                "loss": float(f"{result['loss']:.9g}"), "losses": [float(f"{v:.9g}") for v in result["losses"]],
                "gradient": sketch(result["gradient"], GRADIENT_SAMPLES)}
        if name in DETAILED:
            case["activations"] = [sketch(f, SAMPLES) for f in result["activations"]]
            case["grams"] = [sketch(g, SAMPLES) for g in result["grams"]]
        cases.append(case)
    return cases
