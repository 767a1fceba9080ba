"""The lineage of a model's versions as a picture: boxes in columns, lines from each input to its product."""

from collections.abc import Sequence
from dataclasses import dataclass

from ratoon_console.domain.loop import link_of
from ratoon_console.domain.words import JSON, last_part, short

_COLUMNS = (
    ("dataset version", "datasetVersion"),
    ("label set", "labelSet"),
    ("split", "split"),
    ("training run", "trainingRun"),
    ("evaluation", "evaluationRun"),
)
_BOX_WIDTH, _BOX_HEIGHT = 132, 46
_STEP_X, _STEP_Y = 168, 92
_MARGIN = 8
_TRAINING = 3


@dataclass(frozen=True)
class Box:
    """A resource: what kind it is, its short name, its page, its corner."""

    kind: str
    text: str
    link: str
    x: int
    y: int
    tone: str = ""


@dataclass(frozen=True)
class Picture:
    """Boxes and the paths of the lines between them; the same in words."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[str, ...]
    continued: tuple[str, ...]
    """Lines from a version to the training run that continued it."""
    words: tuple[str, ...]

    box_width: int = _BOX_WIDTH
    box_height: int = _BOX_HEIGHT


def picture(versions: Sequence[JSON], project: str, production: str = "") -> Picture:
    """Draw versions, oldest first; `production` is the name of the one that serves."""
    drawing = _Drawing(project)
    for row, version in enumerate(versions):
        drawing.add(row, version, version["name"] == production)
    width = _MARGIN * 2 + _STEP_X * len(_COLUMNS) + _BOX_WIDTH
    height = _MARGIN * 2 + _STEP_Y * max(len(versions) - 1, 0) + _BOX_HEIGHT
    return Picture(
        width,
        height,
        tuple(drawing.boxes.values()),
        tuple(drawing.lines),
        tuple(drawing.continued),
        tuple(_in_words(version) for version in versions),
    )


class _Drawing:
    """Boxes by name: what several versions share stands once."""

    def __init__(self, project: str) -> None:
        self._project = project
        self.boxes: dict[str, Box] = {}
        self.lines: list[str] = []
        self.continued: list[str] = []

    def add(self, row: int, version: JSON, serves: bool) -> None:
        """Add a version with its inputs."""
        lineage = version.get("lineage", {})
        before: Box | None = None
        for column, (kind, key) in enumerate(_COLUMNS):
            name = lineage.get(key, "")
            if name:
                box = self._box(name, kind, column, row)
                self._line(before, box)
                before = box
        box = self._box(version["name"], "in production" if serves else "version", len(_COLUMNS), row,
                         "good" if serves else "strong")  # fmt: skip
        self._line(before, box)
        parent, training = self.boxes.get(lineage.get("parentVersion", "")), lineage.get("trainingRun", "")
        if parent is not None and training in self.boxes:
            self.continued.append(_back(parent, self.boxes[training]))

    def _box(self, name: str, kind: str, column: int, row: int, tone: str = "") -> Box:
        if name not in self.boxes:
            place = (_MARGIN + column * _STEP_X, _MARGIN + row * _STEP_Y)
            self.boxes[name] = Box(kind, short(name), link_of(name, self._project), *place, tone)
        return self.boxes[name]

    def _line(self, start: Box | None, end: Box) -> None:
        if start is not None:
            line = _across(start, end)
            if line not in self.lines:
                self.lines.append(line)


def _across(start: Box, end: Box) -> str:
    x1, y1 = start.x + _BOX_WIDTH, start.y + _BOX_HEIGHT // 2
    x2, y2 = end.x, end.y + _BOX_HEIGHT // 2
    middle = (x1 + x2) // 2
    return f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"


def _back(version: Box, training: Box) -> str:
    """From under a version back to over the training run that continued it."""
    x1, y1 = version.x + _BOX_WIDTH // 2, version.y + _BOX_HEIGHT
    x2, y2 = training.x + _BOX_WIDTH // 2, training.y
    middle = (y1 + y2) // 2
    return f"M{x1} {y1}C{x1} {middle} {x2} {middle} {x2} {y2}"


def _in_words(version: JSON) -> str:
    lineage = version.get("lineage", {})
    parts = [f"{kind} {short(lineage[key])}" for kind, key in _COLUMNS if lineage.get(key)]
    parent = lineage.get("parentVersion", "")
    start = f"continues {last_part(parent)}" if parent else "from scratch"
    return f"{last_part(version['name'])}: {start}; {', '.join(parts)}"
