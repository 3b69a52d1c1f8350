"""docs/quality.svg: loss against computing, a panel for each pair, both axes logarithmic. Readable on light and on dark."""
import math
from xml.sax.saxutils import escape

COLOURS = {"gatys": "#888888", "fast": "#e07a1f", "balanced": "#2f8fdd", "quality": "#2ca05a"}
WIDTH, HEIGHT = 380, 270  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 30, 40
COLUMNS = 2
LEGEND = 28
STYLE = """<style>
text { font: 11px sans-serif; fill: #444 }
.title { font-size: 13px; font-weight: bold }
.grid { stroke: #8884; stroke-width: 1 }
.frame { fill: none; stroke: #888 }
polyline { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #ccc } }
</style>"""


def ticks(low, high):
    """1, 2 and 5 times powers of ten within the bounds."""
    values = [factor * 10.0 ** power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
              for factor in (1, 2, 5)]
    return [value for value in values if low <= value <= high]


def bounds(values):
    """With room of a tenth at both ends, as factors, and never empty."""
    low, high = min(values), max(values)
    margin = max((high / low) ** 0.06, 1.05)
    return low / margin, high * margin


def show(value):
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


class Axis:
    def __init__(self, values, start, end):
        (self.low, self.high), self.start, self.end = bounds(values), start, end

    def at(self, value):
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)


def panel(pair, rows):
    x = Axis([row["computing"] for row in rows], LEFT, WIDTH - RIGHT)
    y = Axis([row["loss"] for row in rows], HEIGHT - BOTTOM, TOP)
    parts = [f'<text class="title" x="{LEFT}" y="{TOP - 10}">{escape(pair)}</text>']
    for value in ticks(x.low, x.high):
        at = x.at(value)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
                     f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{show(value)}</text>')
    for value in ticks(y.low, y.high):
        at = y.at(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
                     f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{show(value)}</text>')
    parts.append(f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - TOP - BOTTOM}"/>'
                 f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
                 'computing (evaluations at the full size)</text>'
                 f'<text transform="translate(14 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">loss</text>')
    for preset, colour in COLOURS.items():
        points = sorted((row["computing"], row["loss"], row["part"]) for row in rows if row["preset"] == preset)
        if len(points) > 1:
            line = " ".join(f"{x.at(cost):.1f},{y.at(loss):.1f}" for cost, loss, _ in points)
            parts.append(f'<polyline stroke="{colour}" points="{line}"/>')
        parts += [f'<circle cx="{x.at(cost):.1f}" cy="{y.at(loss):.1f}" r="{4.5 if part == 1 else 2.5}" fill="{colour}">'
                  f"<title>{preset}: {loss:.0f} for {cost:.1f}</title></circle>" for cost, loss, part in points]
    return "\n".join(parts)


def legend():
    return "\n".join(f'<circle cx="{LEFT + 6 + i * 76}" cy="{LEGEND / 2}" r="4.5" fill="{colour}"/>'
                     f'<text x="{LEFT + 16 + i * 76}" y="{LEGEND / 2 + 4}">{preset}</text>'
                     for i, (preset, colour) in enumerate(COLOURS.items()))


def plot(rows):
    pairs = list(dict.fromkeys(row["pair"] for row in rows))
    columns = min(COLUMNS, len(pairs))
    width, height = columns * WIDTH, LEGEND + -(-len(pairs) // columns) * HEIGHT
    panels = [f'<g transform="translate({i % columns * WIDTH} {LEGEND + i // columns * HEIGHT})">\n'
              f'{panel(pair, [row for row in rows if row["pair"] == pair])}\n</g>' for i, pair in enumerate(pairs)]
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
                      f'height="{height}">', STYLE, legend(), *panels, "</svg>"]) + "\n"
