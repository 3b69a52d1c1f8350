"""Random jobs. The options, their types and bounds are those that the service tells of, so that new ones take part at once."""
import json
import math
import random

from images import mask

KINDS_OF_WEIGHTS = ("ours", "scaled", "random")
# What keeps a job fast; all else is drawn from its whole range.
SMALL = {"size": (16, 144), "iterations": (1, 10), "scale_iterations": (1, 6), "style_scale": (0.25, 2)}
LEAST_SCALED = 64  # pixels: no scale is smaller
WRONG = 0.1        # share of the combinations that have one value that must be refused
SHEETS = 0.1       # share of the combinations that ask for several pictures at once
GIVEN = 0.4        # share of the options that a combination gives
MASKED = 0.15      # share of the combinations with a mask of the photo, and with masks of the paintings


class Combination:
    """`options` as JSON; `wrong` is the option that must be refused, or None."""

    def __init__(self, number, weights, content, styles, options, wrong, masks=()):
        self.masks = masks  # ("content_mask" or "style_mask", bytes of a PNG)
        self.number, self.weights, self.content, self.styles = number, weights, content, styles
        self.options, self.wrong = options, wrong

    def describe(self):
        masked = f" by {'+'.join(name for name, _ in self.masks)}" if self.masks else ""
        return (f"{self.number}: {self.content.name}{masked} with {'+'.join(style.name for style in self.styles)}, "
                f"{self.weights} weights, {json.dumps(self.options)}")


def bounds(option):
    low, high = option["minimum"], option["maximum"]
    least, most = SMALL.get(option["name"], (low, high))
    return max(low, least), min(high, most)


def number(rng, low, high):
    """Half of them evenly, half by orders of magnitude; and the bounds themselves are likely."""
    if rng.random() < 0.15:
        return rng.choice((low, high))
    if rng.random() < 0.5 and low >= 0 and high > 100 * max(low, 1e-6):
        least = low if low > 0 else high * 1e-12
        return min(high, max(low, math.exp(rng.uniform(math.log(least), math.log(high)))))
    return rng.uniform(low, high)


def is_variants(option):
    """Several values for one or two other options, each of which is a job."""
    return option["type"] == "object" and "enum" not in option


def variants(rng, options):
    others = [option for option in options if option["type"] not in ("array", "object")]
    return {option["name"]: [value(rng, option, 1) for _ in range(rng.randint(1, 3))]
            for option in rng.sample(others, rng.choice((1, 2)))}


def value(rng, option, style_count):
    kind = option["type"]
    if kind == "boolean":
        return rng.random() < 0.5
    if kind == "string":
        return rng.choice(option["enum"]) if option.get("enum") else option["default"]
    if kind in ("integer", "number"):
        drawn = number(rng, *bounds(option))
        return round(drawn) if kind == "integer" else drawn
    if kind == "array":  # one number for each style
        return [number(rng, *bounds(option)) for _ in range(min(style_count, option.get("max_items", style_count)))]
    if kind == "object":  # numbers given to some names
        names = rng.sample(option["enum"], rng.randint(1, len(option["enum"])))
        drawn = {name: number(rng, *bounds(option)) for name in names}
        return drawn if any(share > 0 for share in drawn.values()) else {names[0]: 1}
    raise ValueError(f"nothing is known of options of type {kind} ({option['name']})")


def wrong_value(rng, option):
    kind = option["type"]
    if kind in ("integer", "number"):
        return rng.choice((option["maximum"] * 2 + 1, option["minimum"] - 1, "many", True, [], {}))
    if kind == "boolean":
        return rng.choice(("perhaps", 2, [], {}))
    if kind == "string":
        return rng.choice((7, False, [], {}) + (("none of them",) if option.get("enum") else ()))
    return rng.choice(("?", 7, False, [{}], {"nobody": 1}))


def draw_masks(rng, content, styles):
    files = []
    if rng.random() < MASKED:
        files.append(("content_mask", mask(rng, content)))
    if rng.random() < MASKED:
        files += [("style_mask", mask(rng, style)) for style in styles]
    return files


def draw(seed, index, options, images):
    """The combination of this seed and number: it depends on nothing that came before."""
    rng = random.Random(f"{seed}/{index}")
    content, styles = rng.choice(images), [rng.choice(images) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    given = {}
    for option in options:
        name = option["name"]
        if name in ("size", "iterations", "scale_iterations") or rng.random() < (SHEETS if is_variants(option) else GIVEN):
            given[name] = variants(rng, options) if is_variants(option) else value(rng, option, len(styles))
    if given.get("scales", 1) > 1:
        given["size"] = max(given["size"], LEAST_SCALED * rng.choice((1, 2, 2)))
    if rng.random() < 0.7:  # mostly no hurry
        given.pop("deadline_seconds", None)
    if any(image.long for image in (content, *styles)) and rng.random() < 0.7:  # else most of them are too thin
        given["resize"] = "stretch"
    wrong = None
    if rng.random() < WRONG:
        option = rng.choice(options)
        given = {name: one for name, one in given.items() if not isinstance(one, dict)}  # they would be refused in its place
        wrong, given[option["name"]] = option["name"], wrong_value(rng, option)
    weights = rng.choices(KINDS_OF_WEIGHTS, (4, 1, 1))[0]
    return Combination(index, weights, content, styles, given, wrong, draw_masks(rng, content, styles))
