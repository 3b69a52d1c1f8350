#!/usr/bin/env python3
"""Fails when an #include runs against the layers.

usage: layers.py SOURCE_ROOT

base <- engine, image, store <- jobs <- service <- app: a layer may include its own headers and the public headers of
those below it, named here; engine, image and store know nothing of one another, and jobs and service nothing of the
engine.
"""
import os
import re
import sys

BASE = {"status", "buf", "clock", "histogram", "id", "log", "machine", "picture", "process", "schema", "secret", "utf8"}
MAY_USE = {
    "base": set(),
    "engine": {"engine"},
    "image": {"image", "colour", "mask", "sheet"},
    "store": {"store"},
    "jobs": {"jobs", "store"},
    "service": {"service", "jobs", "store", "image", "mask"},
    "app": {"engine", "image", "colour", "mask", "sheet", "store", "jobs", "service"},
}
HEADER_MAY_USE = {
    "engine": set(), "image": set(), "colour": set(), "mask": set(), "sheet": set(), "store": set(), "jobs": {"store"}, "service": {"jobs", "image", "store"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
MUTABLE = re.compile(r"^(?:static\s+)?(?!const\b|static\s+const\b|typedef|extern|_Static_assert)[a-z_][\w ]*[ *]\w+(?:\[[^\]]*\])*\s*(?:=|;)")


def own_headers(folder):
    found = set()
    for root, _, files in os.walk(folder):
        found |= {os.path.relpath(os.path.join(root, f), folder) for f in files if f.endswith(".h")}
        found |= {f for f in files if f.endswith(".h")}
    return found


def check_file(path, layer, allowed, own):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    wrong = []
    for name in INCLUDE.findall(text):
        if name.startswith("nst/"):
            public = name[4:-2]
            if public not in BASE and public not in allowed:
                wrong.append(f"{path}: layer {layer} must not include {name}")
        elif os.path.normpath(name).lstrip("./") not in own and os.path.basename(name) not in own:
            wrong.append(f"{path}: {name} is no header of layer {layer}")
    return wrong


def check_globals(path):
    """Objects at file scope that could change: there are to be none."""
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    wrong, depth = [], 0
    for number, line in enumerate(lines, 1):
        code = re.sub(r"/\*.*?\*/|//.*", "", line)
        if depth == 0 and "(" not in code and not code.startswith((" ", "#", "}", "/", "*")) and MUTABLE.match(code):
            if not re.search(r"\bconst\b", code):
                wrong.append(f"{path}:{number}: a variable at file scope: {code.strip()}")
        depth += code.count("{") - code.count("}")
    return wrong


def main():
    root = sys.argv[1]
    wrong, count = [], 0
    for layer, allowed in MAY_USE.items():
        folder = os.path.join(root, "src", layer)
        own = own_headers(folder)
        for where, _, files in os.walk(folder):
            for name in sorted(files):
                path = os.path.join(where, name)
                if name.endswith((".c", ".h")):
                    count += 1
                    wrong += check_file(path, layer, allowed, own)
                if name.endswith(".c"):
                    wrong += check_globals(path)
    headers = os.path.join(root, "include", "nst")
    for name in sorted(os.listdir(headers)):
        count += 1
        wrong += check_file(os.path.join(headers, name), name, HEADER_MAY_USE.get(name[:-2], set()), set())
    if count < 20:
        wrong.append(f"only {count} files found under {root}: is it the source tree?")
    print("\n".join(wrong) if wrong else f"{count} files keep the layers")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
