# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Charts as SVG: panels of bars and of lines, with axes, units and a legend. Python's standard library only."""
import math
from xml.sax.saxutils import escape, quoteattr

FONT = "font-family='DejaVu Sans, Helvetica, Arial, sans-serif'"
INK, GRID, PALE = "#222", "#ddd", "#666"
LEFT, RIGHT, TOP, BOTTOM = 74, 14, 46, 46  # of a panel, around its plot


def short(value):
    """A number as people say it: 0.45, 12, 3.4k, 120k, 1.2M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            scaled = value / size
            return (f"{scaled:.1f}" if abs(scaled) < 9.95 else f"{scaled:.0f}").replace(".0", "") + letter
    if value == 0:
        return "0"
    text = f"{value:.2f}" if abs(value) < 1 else f"{value:.1f}" if abs(value) < 9.95 else f"{value:.0f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def ticks(most):
    """From 0 to most or a little more, in steps of 1, 2 or 5 times a power of ten."""
    most = most or 1
    step = 10 ** math.floor(math.log10(most / 4))
    step = next(step * m for m in (1, 2, 5, 10) if most <= 5 * step * m)
    return [step * n for n in range(math.ceil(most / step - 1e-9) + 1)]


def log_ticks(least, most):
    """Powers of ten around; between them 2 and 5 where there are few."""
    low, high = math.floor(math.log10(least) + 1e-9), math.ceil(math.log10(most) - 1e-9)
    high = max(high, low + 1)
    marks = (1, 2, 5) if high - low < 3 else (1,)
    return [10.0 ** e * m for e in range(low, high) for m in marks] + [10.0 ** high]


class Svg:
    """A drawing of a title, panels side by side or below each other, and a legend."""

    def __init__(self, title, width, height, note=""):
        self.width, self.height = width, height
        self.parts = []
        self.text(16, 26, title, size=17, weight="bold")
        if note:
            self.text(16, 45, note, size=11, color=PALE)

    def text(self, x, y, text, size=12, anchor="start", weight="normal", color=INK, turn=0):
        turned = f" transform='rotate({turn} {x:.1f} {y:.1f})'" if turn else ""
        self.parts.append(f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='{anchor}' "
                          f"font-weight='{weight}' fill='{color}'{turned}>{escape(str(text))}</text>")

    def line(self, x1, y1, x2, y2, color=INK, width=1.0):
        self.parts.append(f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{color}' "
                          f"stroke-width='{width}'/>")

    def bar(self, x, y, width, height, color, title):
        self.parts.append(f"<rect x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{max(height, 0.5):.1f}' "
                          f"fill='{color}'><title>{escape(title)}</title></rect>")

    def path(self, points, color):
        self.parts.append(f"<polyline fill='none' stroke='{color}' stroke-width='2' points="
                          + quoteattr(" ".join(f"{x:.1f},{y:.1f}" for x, y in points)) + "/>")

    def dot(self, x, y, color, title):
        self.parts.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3.5' fill='{color}'>"
                          f"<title>{escape(title)}</title></circle>")

    def legend(self, x, y, entries):
        """entries: (text, color), in one line."""
        for text, color in entries:
            self.parts.append(f"<rect x='{x:.1f}' y='{y - 10:.1f}' width='12' height='12' fill='{color}'/>")
            self.text(x + 17, y, text)
            x += 36 + 7.2 * len(text)

    def __str__(self):
        return (f"<svg xmlns='http://www.w3.org/2000/svg' width='{self.width}' height='{self.height}' "
                f"viewBox='0 0 {self.width} {self.height}' {FONT}>\n"
                f"<rect width='{self.width}' height='{self.height}' fill='white'/>\n" + "\n".join(self.parts) + "\n</svg>\n")


class Panel:
    """A plot in a rectangle of a drawing: title, y axis from 0 or logarithmic."""

    def __init__(self, svg, box, title, x_title, y_title):
        self.svg = svg
        x, y, width, height = box
        self.left, self.top = x + LEFT, y + TOP
        self.width, self.height = width - LEFT - RIGHT, height - TOP - BOTTOM
        svg.text(x + LEFT, y + TOP - 16, title, size=13, weight="bold")
        svg.text(self.left + self.width / 2, self.top + self.height + 38, x_title, size=11, anchor="middle", color=PALE)
        svg.text(x + 16, self.top + self.height / 2, y_title, size=11, anchor="middle", color=PALE, turn=-90)
        self.y = None

    def y_axis(self, values, log=False):
        values = [v for v in values if v is not None and (v > 0 or not log)] or [1]
        if log:
            marks = log_ticks(min(values), max(values))
            low, high = math.log10(marks[0]), math.log10(marks[-1])
            self.y = lambda v: self.top + self.height * (1 - (math.log10(max(v, marks[0])) - low) / (high - low))
        else:
            marks = ticks(max(values))
            self.y = lambda v: self.top + self.height * (1 - v / marks[-1])
        for mark in marks:
            at = self.y(mark)
            self.svg.line(self.left, at, self.left + self.width, at, GRID)
            self.svg.text(self.left - 6, at + 4, short(mark), size=11, anchor="end")
        self.svg.line(self.left, self.top, self.left, self.top + self.height)

    def bars(self, groups, series, log=False):
        """groups: texts; series: (name, color, a value or None for each group)."""
        self.y_axis([v for _, _, values in series for v in values], log)
        bottom = self.top + self.height
        room = self.width / len(groups)
        each = room * 0.84 / max(len(series), 1)
        for g, group in enumerate(groups):
            self.svg.text(self.left + room * (g + 0.5), bottom + 18, group, anchor="middle")
            for s, (name, color, values) in enumerate(series):
                if values[g] is None:
                    continue
                x, y = self.left + room * (g + 0.08) + each * s, self.y(values[g])
                self.svg.bar(x + 1, y, each - 2, bottom - y, color, f"{name}, {group}: {values[g]:,.6g}")
                self.svg.text(x + each / 2, y - 4, short(values[g]), size=9 if each < 30 else 10, anchor="middle")
        self.svg.line(self.left, bottom, self.left + self.width, bottom)

    def lines(self, xs, series, log=False):
        """xs: rising numbers, drawn logarithmically; series: (name, color, a value or None for each)."""
        self.y_axis([v for _, _, values in series for v in values], log)
        bottom = self.top + self.height
        low, high = math.log10(xs[0]), math.log10(xs[-1])
        at = {x: self.left + self.width * (0.05 + 0.9 * (math.log10(x) - low) / ((high - low) or 1)) for x in xs}
        for x in xs:
            self.svg.text(at[x], bottom + 18, f"{x:,}", anchor="middle")
            self.svg.line(at[x], bottom, at[x], bottom + 4)
        for name, color, values in series:
            points = [(at[x], self.y(v), v, x) for x, v in zip(xs, values) if v is not None]
            self.svg.path([p[:2] for p in points], color)
            for px, py, value, x in points:
                self.svg.dot(px, py, color, f"{name}, {x:,}: {value:,.6g}")
        self.svg.line(self.left, bottom, self.left + self.width, bottom)
