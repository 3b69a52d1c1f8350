#!/usr/bin/env python3
"""How the cost of an evaluation grows with the number of pixels: fits processor time = a * pixels^b.

  scaling.py PROGRAM [--sizes 256,512,1024,2048] [--most 1.05] [--tries 3]

The least processor time of each size over the tries counts, since other programs can only add to it. Prints a table
and the exponent; fails when it is above --most after all tries. One try suffices when it passes.
"""
import argparse
import json
import math
import subprocess
import sys


def measure(program, size):
    repeat = max(1, 1024 // size)
    command = [program, "bench", "--json", "--size", str(size), "--repeat", str(repeat)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output)["median_cpu_seconds"]


def exponent(seconds):
    """The slope of the least-squares line through (log pixels, log seconds)."""
    points = [(2 * math.log(size), math.log(time)) for size, time in seconds.items()]
    x_mean = sum(x for x, _ in points) / len(points)
    y_mean = sum(y for _, y in points) / len(points)
    return sum((x - x_mean) * (y - y_mean) for x, y in points) / sum((x - x_mean) ** 2 for x, _ in points)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--sizes", default="256,512,1024,2048")
    parser.add_argument("--most", type=float, default=1.05)
    parser.add_argument("--tries", type=int, default=3)
    arguments = parser.parse_args()
    least = {int(size): math.inf for size in arguments.sizes.split(",")}
    for attempt in range(1, arguments.tries + 1):
        for size in least:
            least[size] = min(least[size], measure(arguments.program, size))
        found = exponent(least)
        for size, seconds in least.items():
            print(f"{size:5d}x{size:<5d} {seconds:9.3f} s of processor time {seconds / size**2 * 1e6:8.3f} us a pixel")
        print(f"try {attempt}: cost grows with pixels^{found:.3f}, at most {arguments.most} wanted", flush=True)
        if found <= arguments.most:
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
