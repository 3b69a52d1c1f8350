#!/usr/bin/python3
"""Times the reference program: one evaluation of style transfer's loss and gradient with PyTorch.

    pytorch_eval.py --size N --threads T [--repeat R]       R evaluations, after one to warm up
    pytorch_eval.py --size N --threads T --evals E          a whole L-BFGS job of E evaluations

An evaluation is forward, losses and backward to the picture, without the optimiser's step; the network's ReLUs work in
place, as torchvision's do. Both pictures are stretched to N x N, and the optimised one starts at the content. Prints
one JSON object: the seconds of every evaluation, the loss of the first and of the last one, and the peak memory.
"""
import argparse
import json
import os
import resource
import struct
import time

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
WIDTHS = [64, 64, "pool", 128, 128, "pool", 256, 256, 256, 256, "pool", 512, 512, 512, 512, "pool", 512]
STYLE = {0: 64, 5: 128, 10: 256, 19: 512, 28: 512}  # index of a convolution in torchvision: n of its weight 1000 / n^2
CONTENT = 21
KINDS = {"F16": np.float16, "F32": np.float32}


class Enough(Exception):
    """Ends the optimiser after the evaluations that were asked for."""


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        body = file.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = np.frombuffer(body[begin:end], KINDS[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(values.astype(np.float32))
    return tensors, metadata


def build_network(tensors):
    layers, channels = [], 3
    for width in WIDTHS:
        if width == "pool":
            layers.append(nn.MaxPool2d(2))
            continue
        convolution = nn.Conv2d(channels, width, 3, padding=1)
        convolution.weight.data = tensors[f"features.{len(layers)}.weight"]
        convolution.bias.data = tensors[f"features.{len(layers)}.bias"]
        layers += [convolution, nn.ReLU(inplace=True)]
        channels = width
    return nn.ModuleList(layers).eval().requires_grad_(False)


def activations(network, x, wanted):
    """What leaves the ReLU behind each wanted convolution: being in place, it changes what was noted before."""
    seen = {}
    for index, layer in enumerate(network):
        x = layer(x)
        if index in wanted:
            seen[index] = x
    return seen


def gram(features):
    _, channels, height, width = features.shape
    flat = features.view(channels, height * width)
    return (flat @ flat.T) / (height * width)


def read_picture(path, size, metadata):
    mean, std = (torch.tensor(json.loads(metadata.get(key, fallback))).view(1, 3, 1, 1) for key, fallback in
                 (("mean", "[0.485,0.456,0.406]"), ("std", "[0.229,0.224,0.225]")))
    rgb = np.array(Image.open(path).convert("RGB").resize((size, size)))
    picture = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
    return ((picture - mean) / std * float(metadata.get("input_scale", "255"))).contiguous()


class Evaluation:
    """The loss of a picture, and its gradient in the picture's grad; notes how long each one took."""

    def __init__(self, network, content, style):
        self.network, self.seconds, self.losses = network, [], []
        with torch.no_grad():
            self.grams = {i: gram(f) for i, f in activations(network, style, STYLE).items()}
            self.content = activations(network, content, [CONTENT])[CONTENT].clone()

    def __call__(self, x):
        start = time.perf_counter()
        x.grad = None
        seen = activations(self.network, x, [*STYLE, CONTENT])
        loss = functional.mse_loss(seen[CONTENT], self.content)
        for index, n in STYLE.items():
            loss = loss + 1000 / n**2 * functional.mse_loss(gram(seen[index]), self.grams[index])
        loss.backward()
        self.seconds.append(time.perf_counter() - start)
        self.losses.append(loss.item())
        return loss


def optimise(evaluation, x, evaluations, history):
    optimiser = torch.optim.LBFGS([x], history_size=history)

    def closure():
        if len(evaluation.seconds) == evaluations:
            raise Enough
        return evaluation(x)

    try:
        while True:
            optimiser.step(closure)
    except Enough:
        pass


def peak_memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--evals", type=int)
    parser.add_argument("--history", type=int, default=100)
    parser.add_argument("--content", default=f"{ROOT}/examples/cat.jpg")
    parser.add_argument("--style", default=f"{ROOT}/examples/swirl.jpg")
    parser.add_argument("--weights", default=f"{ROOT}/weights/vgg19-tinyimagenet.safetensors")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    start, before = time.perf_counter(), peak_memory()
    tensors, metadata = read_safetensors(arguments.weights)
    content, style = (read_picture(p, arguments.size, metadata) for p in (arguments.content, arguments.style))
    evaluation = Evaluation(build_network(tensors), content, style)
    x = content.clone().requires_grad_(True)
    if arguments.evals:
        optimise(evaluation, x, arguments.evals, arguments.history)
    else:
        for _ in range(1 + arguments.repeat):
            evaluation(x)
        evaluation.seconds.pop(0)
    print(json.dumps({"size": arguments.size, "threads": arguments.threads, "version": torch.__version__,
                      "evaluation_seconds": evaluation.seconds, "seconds": time.perf_counter() - start,
                      "first_loss": evaluation.losses[0], "last_loss": evaluation.losses[-1],
                      "peak_rss_bytes": peak_memory(), "rss_before_bytes": before}))


if __name__ == "__main__":
    main()
