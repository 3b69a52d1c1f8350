#!/usr/bin/env python3
"""Tests of what the combinations are judged by: python3 tests/robust/test_robust.py"""
import collections
import json
import os
import pathlib
import struct
import sys
import tempfile
import unittest
import zlib

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import combinations
import images
import robust
import weights

IMAGES = images.all_images()
OPTIONS = [
    {"name": "size", "type": "integer", "default": 512, "minimum": 16, "maximum": 2048},
    {"name": "weight", "type": "number", "default": 1, "minimum": 0, "maximum": 1e9},
    {"name": "way", "type": "string", "default": "a", "enum": ["a", "b"]},
    {"name": "whether", "type": "boolean", "default": True},
    {"name": "shares", "type": "array", "default": [], "minimum": 0, "maximum": 10, "max_items": 16},
    {"name": "sheet", "type": "object", "default": {}},
    {"name": "layers", "type": "object", "default": {}, "minimum": 0, "maximum": 10, "enum": ["x", "y"]},
]
JOB = {"output": {"width": 16, "height": 16},
       "options": {"size": 16, "scales": 1, "init": "content", "preserve_colors": "none"}}


def combination(content="tiny", style="tiny", wrong=None):
    by_name = {image.name: image for image in IMAGES}
    return combinations.Combination(0, "ours", by_name[content], [by_name[style]], {}, wrong)


def filtered(kind, lines):
    """A grey PNG of `lines`, which are filtered already."""
    rows = b"".join(bytes([kind]) + line for line in lines)
    header = struct.pack(">IIBBBBB", len(lines[0]), len(lines), 8, images.GREY, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + images.chunk(b"IHDR", header) + images.chunk(b"IDAT", zlib.compress(rows)) +
            images.chunk(b"IEND", b""))


class Pictures(unittest.TestCase):
    def test_every_filter(self):
        lines = [bytes([10, 20, 30]), bytes([1, 2, 3])]
        for kind, expected in enumerate(([10, 20, 30, 1, 2, 3], [10, 30, 60, 1, 3, 6], [10, 20, 30, 11, 22, 33],
                                         [10, 25, 42, 6, 17, 32], [10, 30, 60, 11, 32, 63])):
            self.assertEqual(list(images.decode(filtered(kind, lines))[3]), expected, kind)

    def test_damage(self):
        good = combination().content.data
        self.assertEqual(images.decode(good)[:3], (16, 16, 3))
        for bad in (b"", b"GIF89a", good[:-20], good[:60] + b"\xff" + good[61:]):
            with self.assertRaises((ValueError, IndexError, struct.error, zlib.error)):
                images.decode(bad)

    def test_one_colour(self):
        self.assertTrue(images.is_constant(3, bytes([1, 2, 3] * 4)))
        self.assertFalse(images.is_constant(3, bytes([1, 2, 3] * 3 + [1, 2, 4])))
        self.assertTrue(images.is_constant(4, bytes([1, 2, 3, 0, 1, 2, 3, 9])))
        self.assertTrue(images.is_constant(1, bytes([7] * 4)))
        for image in IMAGES:
            if image.data[:4] == b"\x89PNG" and image.name != "invisible":  # nothing is seen of what it holds
                _, _, channels, pixels = images.decode(image.data)
                self.assertEqual(images.is_constant(channels, pixels), image.flat, image.name)


class Drawing(unittest.TestCase):
    def draw(self, seed, count=300):
        return [combinations.draw(seed, i, OPTIONS, IMAGES) for i in range(count)]

    def test_the_seed_decides(self):
        first, again, other = ([one.describe() for one in self.draw(seed, 5)] for seed in (1, 1, 2))
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_within_bounds_but_for_what_is_wrong(self):
        seen = collections.Counter()
        for one in self.draw(3):
            seen[one.wrong is not None] += 1
            for name, value in one.options.items():
                seen[name] += 1
                if name in (one.wrong, "sheet"):
                    continue
                option = next((option for option in OPTIONS if option["name"] == name), {})
                for part in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]):
                    if "minimum" in option:
                        self.assertTrue(option["minimum"] <= part <= option["maximum"], one.describe())
                    elif "enum" in option:
                        self.assertIn(part, option["enum"])
        self.assertTrue(all(seen[option["name"]] > 15 for option in OPTIONS))
        self.assertTrue(10 < seen[True] < 60)

    def test_sheets(self):
        sheets = [one.options["sheet"] for one in self.draw(4) if isinstance(one.options.get("sheet"), dict) and not one.wrong]
        self.assertEqual({len(sheet) for sheet in sheets}, {1, 2})
        self.assertTrue(all(isinstance(values, list) and values for sheet in sheets for values in sheet.values()))

    def test_an_unknown_type_is_told(self):
        with self.assertRaises(ValueError):
            for index in range(20):
                combinations.draw(1, index, [*OPTIONS, {"name": "new", "type": "tensor", "default": 0}], IMAGES)


class Weights(unittest.TestCase):
    def test_files(self):
        header, data = weights.read(weights.OURS)
        with tempfile.TemporaryDirectory() as folder:
            other_header, other = weights.read(weights.make("random", folder))
        self.assertEqual((header, len(data)), (other_header, len(other)))
        _, shape, raw = weights.tensors(header, data)[-2 if header["features.28.bias"]["data_offsets"][1] == len(data) else -1]
        self.assertEqual(len(raw), 2 * shape[0] * shape[1] * 9)
        values = struct.unpack("<1000e", other[:2000])
        self.assertTrue(any(value > 0 for value in values) and any(value < 0 for value in values))
        self.assertTrue(max(map(abs, values)) <= 2 * min(map(abs, values)))


class Judging(unittest.TestCase):
    def judge(self, data, losses=(4.0, 3.9), options=None, **names):
        figures = {"of one colour, as they began": 0}
        job = {**JOB, "options": {**JOB["options"], **(options or {})}}
        wrong = robust.check_picture(combination(**names), job, list(losses), data, figures)
        return wrong, figures["of one colour, as they began"]

    def test_pictures(self):
        good = combination().content.data
        grey = images.png(16, 16, images.RGB, lambda x, y: (5, 5, 5))
        self.assertEqual(self.judge(good), (None, 0))
        self.assertIn("decoded", self.judge(good[:99])[0])
        self.assertIn("one colour", self.judge(grey)[0])
        self.assertEqual(self.judge(grey, content="flat"), (None, 1))
        self.assertIn("one colour", self.judge(grey, content="flat", losses=(4.0, None, 1.0))[0])
        self.assertEqual(self.judge(grey, content="flat", style="flat", losses=(4.0, 1.0)), (None, 1))
        kept = {"init": "style", "preserve_colors": "histogram"}
        self.assertEqual(self.judge(grey, content="flat", options=kept), (None, 1))
        self.assertIn("one colour", self.judge(grey, options=kept)[0])
        self.assertEqual(self.judge(grey, options={"tv_weight": 1.0}), (None, 1))
        self.assertIn("16x16 for size 32", self.judge(good, options={"size": 32})[0])
        small = images.png(8, 16, images.RGB, images.waves)
        self.assertIn("8x16", self.judge(small)[0])

    def test_refusals(self):
        good = {"field": "size", "detail": "size must be an integer"}
        self.assertIsNone(robust.check_refusal(combination(), json.dumps(good)))
        self.assertIsNone(robust.check_refusal(combination(wrong="size"), json.dumps(good)))
        self.assertIsNotNone(robust.check_refusal(combination(wrong="history"), json.dumps(good)))
        for bad in ({"field": None}, {"field": ""}, {"detail": ""}, {"detail": "wrong"}):
            self.assertIsNotNone(robust.check_refusal(combination(), json.dumps({**good, **bad})), bad)
        self.assertIsNotNone(robust.check_refusal(combination(), "<html>"))

    def test_losses(self):
        self.assertIsNone(robust.check_losses({"loss": [2, None, 1.5]}))
        for losses in ([], [None, 1], [1, None], None):
            self.assertIsNotNone(robust.check_losses({"loss": losses}))


if __name__ == "__main__":
    unittest.main()
