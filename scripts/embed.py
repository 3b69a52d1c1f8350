#!/usr/bin/env python3
"""Writes a C file that holds the bytes of a file.

usage: embed.py --symbol NAME INPUT OUTPUT.c

It defines `const unsigned char NAME[]` and `const size_t NAME_size`. A NUL that is not counted follows the bytes, so
that a text can be used as a string.
"""
import argparse
import re


def c_source(symbol, data):
    rows = [",".join(str(b) for b in (data + b"\0")[i:i + 24]) for i in range(0, len(data) + 1, 24)]
    return (
        "#include <stddef.h>\n\n"
        f"extern const unsigned char {symbol}[];\nextern const size_t {symbol}_size;\n\n"
        f"const unsigned char {symbol}[] = {{\n" + ",\n".join(rows) + "};\n"
        f"const size_t {symbol}_size = {len(data)};\n"
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--symbol", required=True)
    parser.add_argument("input")
    parser.add_argument("output")
    args = parser.parse_args()
    if not re.fullmatch(r"[A-Za-z_]\w*", args.symbol):
        parser.error(f"{args.symbol} is no name in C")
    with open(args.input, "rb") as f:
        data = f.read()
    with open(args.output, "w", encoding="ascii") as f:
        f.write(c_source(args.symbol, data))


if __name__ == "__main__":
    main()
