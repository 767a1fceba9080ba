"""Reading order of a page with two columns whose lines are drawn across both of them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_GLYPH = 0.5
"""Mean width of a character in units of the font's size."""
_WIDE_GLYPH = 1.0
_MIN_ROWS = 3
"""Rows that must have text in both columns."""
_SAME_LINE = 0.4
"""Distance of baselines on one line, in units of the font's size."""


@dataclass(frozen=True)
class Fragment:
    """A piece of text with the place where it begins, in the units of the page; y increases upwards."""

    text: str
    x: float
    y: float
    size: float

    @classmethod
    def of(cls, text: str, matrix: Sequence[float], place: Sequence[float], size: float) -> "Fragment":
        """Return a fragment from the transformation of the page and the matrix of the text."""
        x = place[4] * matrix[0] + place[5] * matrix[2] + matrix[4]
        y = place[4] * matrix[1] + place[5] * matrix[3] + matrix[5]
        scale = abs(place[3] * matrix[3]) or 1.0
        return cls(text.strip("\n"), float(x), float(y), abs(float(size)) * scale or 1.0)

    @property
    def end(self) -> float:
        """Return where the text ends, approximately."""
        width = sum(_WIDE_GLYPH if ord(each) >= 0x2E80 else _GLYPH for each in self.text.rstrip())
        return self.x + width * self.size


def in_columns(fragments: Sequence[Fragment]) -> str:
    """Return the text of a page column by column; empty if it has no two columns or is drawn in their order."""
    if any("\n" in fragment.text for fragment in fragments):
        return ""
    lines = _lines(fragments)
    gutter = _gutter(lines)
    if gutter is None or not _is_drawn_across(fragments, gutter):
        return ""
    left, right, text = list[str](), list[str](), list[str]()
    for line in lines:
        before = [each for each in line if each.x < gutter]
        after = [each for each in line if each.x >= gutter]
        if any(each.end > gutter + each.size for each in before):
            text += [*left, *right, _joined(line)]
            left, right = [], []
            continue
        left += [_joined(before)] if before else []
        right += [_joined(after)] if after else []
    return "\n".join([*text, *left, *right])


def _lines(fragments: Sequence[Fragment]) -> list[list[Fragment]]:
    """Return fragments by line from the top, each line from the left."""
    lines = list[list[Fragment]]()
    for fragment in sorted(fragments, key=lambda each: -each.y):
        if lines and lines[-1][0].y - fragment.y <= _SAME_LINE * fragment.size:
            lines[-1].append(fragment)
        else:
            lines.append([fragment])
    return [sorted(line, key=lambda each: each.x) for line in lines]


def _gutter(lines: Sequence[Sequence[Fragment]]) -> float | None:
    """Return where the right one of two columns begins: the place at which most lines have a second piece."""
    starts = defaultdict[int, int](int)
    for line in lines:
        if len(line) == 2 and line[0].end <= line[1].x:
            starts[round(line[1].x)] += 1
    if not starts:
        return None
    place, count = max(starts.items(), key=lambda each: each[1])
    wide = sum(len(line) > 2 for line in lines)
    return place - 1.0 if count >= max(_MIN_ROWS, len(lines) * 0.5) and not wide else None


def _is_drawn_across(fragments: Sequence[Fragment], gutter: float) -> bool:
    """Return whether pieces of both columns alternate in the order in which they are drawn."""
    sides = [fragment.x >= gutter for fragment in fragments]
    changes = sum(before != after for before, after in pairwise(sides))
    return changes > _MIN_ROWS


def _joined(line: Sequence[Fragment]) -> str:
    return " ".join(fragment.text.strip() for fragment in line)
