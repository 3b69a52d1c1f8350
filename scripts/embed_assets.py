#!/usr/bin/env python3
"""Writes a C file with nst_assets(): the given files, served at their paths.

usage: embed_assets.py OUTPUT.c FILE...      index.html is served at /, every other file at /NAME
"""
import os
import sys

MIME = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".yaml": "application/yaml",
}


def main():
    output, files = sys.argv[1], sys.argv[2:]
    lines = ['#include "assets.h"', ""]
    rows = []
    for i, path in enumerate(files):
        name = os.path.basename(path)
        with open(path, "rb") as f:
            data = f.read()
        url = "/" if name == "index.html" else "/" + name
        lines.append(f"static const unsigned char asset{i}[] = {{")
        for at in range(0, len(data), 20):
            lines.append(",".join(str(b) for b in data[at:at + 20]) + ",")
        lines += ["};", ""]
        rows.append(f'    {{"{url}", "{MIME[os.path.splitext(name)[1]]}", asset{i}, sizeof asset{i}}},')
    lines += ["static const nst_service_asset table[] = {", *rows, "};", "",
              '_Static_assert(sizeof table / sizeof table[0] <= NST_ASSET_LIMIT, "raise NST_ASSET_LIMIT");', "",
              "int nst_assets(nst_service_asset out[NST_ASSET_LIMIT]) {",
              "  int count = (int)(sizeof table / sizeof table[0]);",
              "  for (int i = 0; i < count; i++) out[i] = table[i];",
              "  return count;", "}", ""]
    with open(output, "w") as f:
        f.write("\n".join(lines))


if __name__ == "__main__":
    main()
