#!/usr/bin/python3
"""Writes the golden files beside this script: what PyTorch computes, for the C tests to be compared with.

usage: make_golden.py [FILE_NAME...]      (all of them without a name)

Needs Debian's python3-torch and the weights in weights/. Inputs are given by formulas, in functions.py and pictures.py
here and in functions.c and pictures.c for the tests; the files hold the results alone. One thread, so that a second run
gives the same bytes.
"""
import json
import os
import sys

import torch

sys.dont_write_bytecode = True
import network
import optimizers

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = {"optimizers.json": optimizers.make, "network.json": network.make}


def shorten(value):
    """Nine digits tell any two float32 apart, seventeen any two doubles: numbers come rounded by their makers."""
    if isinstance(value, dict):
        return {key: shorten(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [shorten(item) for item in value]
    return int(value) if isinstance(value, float) and value == int(value) and abs(value) < 1e15 else value


def main():
    torch.set_num_threads(1)
    for name in sys.argv[1:] or FILES:
        lines = [json.dumps(shorten(case), separators=(",", ":")) for case in FILES[name]()]
        text = f'{{"torch":"{torch.__version__}","cases":[\n' + ",\n".join(lines) + "\n]}\n"
        with open(os.path.join(HERE, name), "w", encoding="ascii") as f:
            f.write(text)
        print(f"{name}: {len(lines)} cases, {len(text)} bytes")


if __name__ == "__main__":
    main()
