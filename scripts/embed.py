#!/usr/bin/env python3
"""Writes a C file that holds a text file as a string.

usage: embed.py SYMBOL INPUT OUTPUT.c      defines: const char SYMBOL[]
"""
import sys


def main():
    symbol, source, output = sys.argv[1:4]
    with open(source, "rb") as f:
        data = f.read() + b"\0"
    rows = [",".join(str(b) for b in data[i:i + 20]) for i in range(0, len(data), 20)]
    with open(output, "w") as f:
        f.write(f"extern const char {symbol}[];\nconst char {symbol}[] = {{\n" + ",\n".join(rows) + "};\n")


if __name__ == "__main__":
    main()
