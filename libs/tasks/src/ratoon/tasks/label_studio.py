"""Exchange with Label Studio: labeling configs, tasks with annotations and predictions, in both directions.

Answers have the form in which annotators enter them here: labels one a line, a text, a number, or a JSON list of marks.
Offsets of marks count code points here. Label Studio's pages count UTF-16 units, so both readings of an offset are
tried against the text that comes with it. It knows no service and reads no file.
"""

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.kind import BadTask
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.regress import Regress, format_number

_OBJECTS = (
    "Text",
    "HyperText",
    "Paragraphs",
    "Image",
    "Audio",
    "Video",
    "Table",
    "PDF",
    "TimeSeries",
    "Chat",
)
_VALUES = {
    "choices": "Choices",
    "labels": "Labels",
    "textarea": "TextArea",
    "rating": "Rating",
    "number": "Number",
    "pairwise": "Pairwise",
    "rectanglelabels": "RectangleLabels",
}
"""Type of a result, and the tag that enters it."""
_LAYOUT = ("View", "Header", "Style", "Choice", "Label", "Collapse", "Panel", "Filter", "Shortcut", "Item")
_MAX_CONFIG_CHARS = 1 << 20
_MAX_RATING = 5
_ANNOTATOR = "annotator"
"""Name in the metadata of a result under which an annotator is kept that has no account there."""
_SIDES = {"left": "PREFERENCE_FIRST", "right": "PREFERENCE_SECOND"}
_PAIR = ("first", "second")
"""Fields of a task that hold the two answers of a comparison, as they are written here."""
_FULL = 100
"""Label Studio gives coordinates of boxes in hundredths of the image."""


class BadConfig(BadTask):
    """A labeling config that cannot be read, or that asks for nothing that Ratoon has."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "label_config")


class Fault(StrEnum):
    """Reason for which an annotation, or a part of one, is left out."""

    CANCELLED = "CANCELLED"
    """The annotator skipped the task."""
    DRAFT = "DRAFT"
    """It was never submitted."""
    EMPTY = "EMPTY"
    """It has no result."""
    UNKNOWN_CONTROL = "UNKNOWN_CONTROL"
    """Its control has no counterpart, or is another one than the chosen one."""
    OUT_OF_TEXT = "OUT_OF_TEXT"
    """A span does not lie in the text, or is not the text that comes with it."""
    OUT_OF_IMAGE = "OUT_OF_IMAGE"
    """A box does not lie in the image, or is rotated."""
    MALFORMED = "MALFORMED"
    """It has not the form of a result."""


@dataclass(frozen=True)
class Marks:
    """Spans of a text, or boxes on an image, with their labels."""

    labels: tuple[str, ...]
    are_boxes: bool = False


@dataclass(frozen=True)
class Control:
    """A control of a config: its name, tag, the object that it is about, and its choices."""

    name: str
    tag: str
    to_name: str = ""
    choices: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Config:
    """A labeling config. `unknown` holds the tags of controls without a counterpart here."""

    controls: tuple[Control, ...]
    objects: Mapping[str, str] = field(default_factory=dict)
    """Name of an object to the field of a task that holds it."""
    instructions: str = ""
    unknown: tuple[str, ...] = ()

    def control(self, name: str = "") -> Control:
        """Return the control with a name, else the first; BadConfig without one."""
        chosen = next((each for each in self.controls if name in ("", each.name)), None)
        if chosen is None:
            tags = f" It has {', '.join(self.unknown)}." if self.unknown else ""
            names = (
                f" Its controls are {', '.join(each.name for each in self.controls)}."
                if self.controls
                else ""
            )
            raise BadConfig(
                f"The config has no control{f' {name!r}' if name else ''} that Ratoon has: "
                f"{', '.join(sorted(_VALUES.values()))}.{names}{tags}"
            )
        return chosen


@dataclass(frozen=True)
class Response:
    """Answer of one annotator, or of a model (`is_prediction`), to a task."""

    answer: str
    annotator: str
    time: str = ""
    is_prediction: bool = False
    score: float | None = None
    is_gold: bool = False


@dataclass(frozen=True)
class Left:
    """Annotation, or a part of one, that is left out."""

    fault: Fault
    detail: str = ""


def parsed_config(xml: str) -> Config:
    """Return the controls of a labeling config; BadConfig if it is none."""
    if len(xml) > _MAX_CONFIG_CHARS or "<!DOCTYPE" in xml.upper() or "<!ENTITY" in xml.upper():
        raise BadConfig("The config is longer than 1 MiB, or declares a document type: remove it.")
    try:
        root = ET.fromstring(xml)
    except ET.ParseError as error:
        raise BadConfig(f"The config is no XML: {error}.") from None
    controls, objects, unknown, headers = list[Control](), dict[str, str](), dict[str, None](), list[str]()
    for element in root.iter():
        tag = str(element.tag)
        if tag in _VALUES.values():
            controls.append(_control(element))
        elif tag in _OBJECTS:
            objects[element.get("name", "")] = (element.get("value") or "").lstrip("$")
        elif tag == "Header" and (element.get("value") or "").strip("$") == (element.get("value") or ""):
            headers.append(element.get("value") or "")
        elif tag not in _LAYOUT and element.get("toName"):
            unknown[tag] = None
    return Config(tuple(controls), objects, "\n".join(filter(None, headers)), tuple(unknown))


def _control(element: ET.Element) -> Control:
    items = [each for each in element.iter() if each.tag in ("Choice", "Label")]
    names = [each.get("alias") or each.get("value") or "" for each in items]
    return Control(
        element.get("name", ""),
        str(element.tag),
        element.get("toName", ""),
        tuple(dict.fromkeys(filter(None, names))),
        {key: value for key, value in element.attrib.items() if key not in ("name", "toName")},
    )


def task_of(control: Control) -> tuple[TaskSpec, Marks | None]:
    """Return what annotators enter by a control; `Pairwise` chooses between texts."""
    if control.tag == "Choices":
        return Classify(control.choices, control.settings.get("choice") == "multiple"), None
    if control.tag == "Rating":
        return Regress(min=1, max=_float(control.settings.get("maxRating")) or _MAX_RATING), None
    if control.tag == "Number":
        return Regress(min=_float(control.settings.get("min")), max=_float(control.settings.get("max"))), None
    if control.tag in ("Labels", "RectangleLabels"):
        return Generate(), Marks(control.choices, control.tag == "RectangleLabels")
    return Generate(), None


def config_of(task: TaskSpec, instructions: str = "", marks: Marks | None = None) -> str:
    """Return the labeling config by which Label Studio's annotators enter the same answers."""
    view = ET.Element("View")
    for line in filter(None, (line.strip() for line in instructions.splitlines())):
        ET.SubElement(view, "Header", value=line)
    if marks and marks.are_boxes:
        ET.SubElement(view, "Image", name="image", value="$image")
        boxes = ET.SubElement(view, "RectangleLabels", name="answer", toName="image")
        for label in marks.labels:
            ET.SubElement(boxes, "Label", value=label)
        return _xml(view)
    if marks:
        spans = ET.SubElement(view, "Labels", name="answer", toName="text")
        for label in marks.labels:
            ET.SubElement(spans, "Label", value=label)
    ET.SubElement(view, "Text", name="text", value="$text")
    if marks is None:
        _add_control(view, task)
    return _xml(view)


def config_of_comparison(instructions: str = "") -> str:
    """Return the labeling config by which Label Studio's annotators choose the better of two answers."""
    view = ET.Element("View")
    for line in filter(None, (line.strip() for line in instructions.splitlines())):
        ET.SubElement(view, "Header", value=line)
    ET.SubElement(view, "Text", name="text", value="$text")
    ET.SubElement(view, "Pairwise", name="answer", toName=",".join(_PAIR))
    for name in _PAIR:
        ET.SubElement(view, "Text", name=name, value=f"${name}")
    return _xml(view)


def comparison_with(
    data: Mapping[str, str], answers: tuple[str, str], preferences: Sequence[Response]
) -> dict[str, Any]:
    """Return a task of a JSON import that compares two answers, the left one first, with its annotations.

    `answer` of a preference is `PREFERENCE_FIRST` or `PREFERENCE_SECOND`. `Pairwise` has no tie: ties are left out.
    """
    sides = {preference: side for side, preference in _SIDES.items()}
    annotations = [
        {
            "result": [
                {
                    "id": "a",
                    "from_name": "answer",
                    "to_name": ",".join(_PAIR),
                    "type": "pairwise",
                    "value": {"selected": sides[each.answer]},
                    "meta": {_ANNOTATOR: [each.annotator]},
                }
            ]
        }
        for each in preferences
        if each.answer in sides
    ]
    pair = dict(zip(_PAIR, answers, strict=True))
    return {"data": {**data, **pair}, "annotations": annotations, "predictions": []}


def compared_fields(task: Mapping[str, Any], fields: Sequence[str]) -> tuple[str, str] | None:
    """Return the two of these fields of a task between which its annotations choose, the left one first.

    They are those that the results name, or that `comparison_with` writes. None if neither are fields of the task.
    """
    named = [tuple(str(each.get("to_name")).split(",")) for each in _comparisons(task)]
    pairs = (pair for pair in (*named, _PAIR) if len(pair) == len(_PAIR) and set(pair) <= set(fields))
    return next(((left, right) for left, right in pairs), None)


def is_comparison(task: Mapping[str, Any]) -> bool:
    """Return whether an annotation of a task chooses between two texts."""
    return bool(_comparisons(task))


def _comparisons(task: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [
        result
        for each in _list(task.get("annotations"))
        if isinstance(each, Mapping)
        for result in _list(each.get("result"))
        if isinstance(result, Mapping) and result.get("type") == "pairwise"
    ]


def _add_control(view: ET.Element, task: TaskSpec) -> None:
    common = {"name": "answer", "toName": "text"}
    if isinstance(task, Classify):
        several = "multiple" if task.multi_label else "single"
        choices = ET.SubElement(view, "Choices", {**common, "choice": several})
        for label in task.labels:
            ET.SubElement(choices, "Choice", value=label)
    elif isinstance(task, Regress):
        bounds = {name: getattr(task, name) for name in ("min", "max") if getattr(task, name) is not None}
        ET.SubElement(
            view, "Number", {**common, **{name: format_number(value) for name, value in bounds.items()}}
        )
    else:
        ET.SubElement(view, "TextArea", {**common, "rows": "8", "maxSubmissions": "1", "editable": "true"})


def _xml(view: ET.Element) -> str:
    ET.indent(view)
    return ET.tostring(view, encoding="unicode") + "\n"


def whole(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a task of the export JSON; a row of the export JSON_MIN becomes one with a single annotation.

    JSON_MIN writes the data of a task, its `id`, one field a control, and then `annotator`.
    """
    names = list(row)
    if "data" in row or not {"id", "annotator"} <= row.keys() or names.index("annotator") < names.index("id"):
        return row
    controls = names[names.index("id") + 1 : names.index("annotator")]
    results = [
        {"from_name": name, "type": _type_of(value), "value": value}
        for name in controls
        for value in (
            {"choices": [each]} if isinstance(each, str) else each
            for each in (row[name] if isinstance(row[name], list) else [row[name]])
        )
    ]
    annotation = {
        "result": results,
        "completed_by": row["annotator"],
        **{name: row.get(name) for name in ("created_at", "updated_at")},
    }
    data = {name: row[name] for name in names[: names.index("id")]}
    return {"id": row["id"], "data": data, "annotations": [annotation]}


_MINIMAL = ("rectanglelabels", "labels", "choices", "number", "rating")


def _type_of(value: Any) -> str:
    """Return the type of a result of JSON_MIN, which is not stated."""
    if not isinstance(value, Mapping):
        return "unknown"
    if "selected" in value:
        return "pairwise"
    return next((each for each in _MINIMAL if each in value), "textarea" if "text" in value else "unknown")


def given(task: Mapping[str, Any], text: str, control: str = "") -> Iterator[Response | Left]:
    """Yield the answers to a task of a JSON export with this text, and what is left out of them.

    `control` names the control whose results count; empty: that of the first result that Ratoon has.
    """
    for _ in _list(task.get("drafts")):
        yield Left(Fault.DRAFT)
    for each in _list(task.get("annotations")):
        if not isinstance(each, Mapping):
            yield Left(Fault.MALFORMED, "an annotation is no object")
        elif each.get("was_cancelled"):
            yield Left(Fault.CANCELLED)
        else:
            time = str(each.get("updated_at") or each.get("created_at") or "")
            gold = bool(each.get("ground_truth"))
            yield from _answer(each, text, control, Response("", _annotator(each), time, is_gold=gold))
    for each in _list(task.get("predictions")):
        if not isinstance(each, Mapping):
            yield Left(Fault.MALFORMED, "a prediction is no object")
            continue
        score = each.get("score")
        model = Response("", str(each.get("model_version") or ""), is_prediction=True, score=_float(score))
        yield from _answer(each, text, control, model)


def _answer(entry: Mapping[str, Any], text: str, control: str, known: Response) -> Iterator[Response | Left]:
    results = _list(entry.get("result"))
    chosen = [each for each in results if _is_of(each, control)]
    name = chosen[0].get("from_name") if chosen else None
    values = [each for each in chosen if each.get("from_name") == name]
    for each in results:
        if each not in values and not (isinstance(each, Mapping) and each.get("type") == "relation"):
            kind = each.get("type") if isinstance(each, Mapping) else each
            yield Left(Fault.UNKNOWN_CONTROL, f"a result of the type {str(kind)[:50]}")
    if not values:
        if not results:
            yield Left(Fault.EMPTY)
        return
    parts, faults = list[Any](), list[Left]()
    for value in values:
        part = _value(value, text)
        (faults if isinstance(part, Left) else parts).append(part)
    yield from faults
    if not faults or parts:
        answer = _joined(str(values[0].get("type")), parts)
        if answer:
            yield Response(
                answer, known.annotator, known.time, known.is_prediction, known.score, known.is_gold
            )


def _is_of(result: Any, control: str) -> bool:
    if not isinstance(result, Mapping) or result.get("type") not in _VALUES:
        return False
    return control in ("", result.get("from_name"))


def _value(result: Mapping[str, Any], text: str) -> Any:
    kind, value = str(result["type"]), result.get("value")
    if not isinstance(value, Mapping):
        return Left(Fault.MALFORMED, f"a result of the type {kind} without a value")
    if kind == "labels":
        return _span(value, text)
    if kind == "rectanglelabels":
        return _box(value)
    if kind == "pairwise":
        return _SIDES.get(str(value.get("selected")), "PREFERENCE_TIE")
    if kind in ("rating", "number"):
        number = _float(value.get(kind))
        return format_number(number) if number is not None else Left(Fault.MALFORMED, f"{kind} is no number")
    listing = value.get("choices" if kind == "choices" else "text")
    listed = [listing] if isinstance(listing, str) else _list(listing)
    return [_choice(each) for each in listed]


def _choice(value: Any) -> str:
    """Return a choice; of a taxonomy-like path the last part."""
    return str(value[-1]) if isinstance(value, list) and value else str(value)


def _joined(kind: str, parts: Sequence[Any]) -> str:
    if kind in ("labels", "rectanglelabels"):
        return json.dumps(parts, ensure_ascii=False)
    if kind in ("choices", "textarea"):
        return "\n".join(dict.fromkeys(each for part in parts for each in part))
    return str(parts[-1]) if parts else ""


def _span(value: Mapping[str, Any], text: str) -> dict[str, Any] | Left:
    """Return a span in code points: the reading of its offsets at which the text stands that comes with it."""
    labels = [each for each in _list(value.get("labels")) if isinstance(each, str)]
    start, end = value.get("start"), value.get("end")
    offsets = value.get("globalOffsets")
    if isinstance(offsets, Mapping):
        start, end = offsets.get("start"), offsets.get("end")
    if not isinstance(start, int) or not isinstance(end, int) or not labels:
        return Left(Fault.MALFORMED, "a span without start, end and label")
    stated = value.get("text")
    readings = [(start, end), (_code_points(text, start), _code_points(text, end))]
    for first, last in readings if isinstance(stated, str) else readings[1:]:
        inside = 0 <= first < last <= len(text)
        if inside and (
            not isinstance(stated, str)
            or text[first:last].replace("\n", "\\n") == stated.replace("\n", "\\n")
        ):
            return {"start": first, "end": last, "label": labels[0], "text": text[first:last]}
    return Left(Fault.OUT_OF_TEXT, f"a span from {start} to {end}")


def _box(value: Mapping[str, Any]) -> dict[str, Any] | Left:
    labels = [each for each in _list(value.get("rectanglelabels")) if isinstance(each, str)]
    sides = [_float(value.get(name)) for name in ("x", "y", "width", "height")]
    if not labels or any(side is None for side in sides):
        return Left(Fault.MALFORMED, "a box without sides or label")
    x, y, width, height = (round((side or 0.0) / _FULL, 6) for side in sides)
    if value.get("rotation") or not (
        x >= 0 and y >= 0 and 0 < width <= 1 - x + 1e-6 and 0 < height <= 1 - y + 1e-6
    ):
        return Left(Fault.OUT_OF_IMAGE, f"a box at {x}, {y} of {width} × {height}")
    return {"x": x, "y": y, "width": min(width, 1 - x), "height": min(height, 1 - y), "label": labels[0]}


def task_with(
    data: Mapping[str, str],
    answers: Sequence[Response],
    task: TaskSpec,
    marks: Marks | None = None,
) -> dict[str, Any]:
    """Return a task of a JSON import with its annotations and predictions; `data["text"]` is what spans are of.

    An import refuses annotators without an account: their names are kept in the metadata of the results.
    """
    written: dict[str, Any] = {"data": dict(data), "annotations": [], "predictions": []}
    for each in answers:
        result = result_of(each.answer, task, marks, data.get("text", ""))
        if each.is_prediction:
            score = {} if each.score is None else {"score": each.score}
            written["predictions"].append({"model_version": each.annotator, **score, "result": result})
            continue
        for part in result:
            part["meta"] = {_ANNOTATOR: [each.annotator]}
        gold = {"ground_truth": True} if each.is_gold else {}
        written["annotations"].append({**gold, "result": result})
    return written


def result_of(
    answer: str, task: TaskSpec, marks: Marks | None = None, text: str = ""
) -> list[dict[str, Any]]:
    """Return an answer as the result of an annotation or a prediction of `config_of`."""
    common = {"from_name": "answer", "to_name": "image" if marks and marks.are_boxes else "text"}
    if marks is not None:
        kind = "rectanglelabels" if marks.are_boxes else "labels"
        return [
            {**common, "id": f"m{number}", "type": kind, "value": _mark(mark, kind, text)}
            for number, mark in enumerate(json.loads(answer) if answer.strip() else [])
        ]
    if isinstance(task, Classify):
        return [{**common, "id": "a", "type": "choices", "value": {"choices": answer.split("\n")}}]
    if isinstance(task, Regress):
        return [{**common, "id": "a", "type": "number", "value": {"number": float(answer)}}]
    return [{**common, "id": "a", "type": "textarea", "value": {"text": [answer]}}]


def _mark(mark: Mapping[str, Any], kind: str, text: str) -> dict[str, Any]:
    if kind == "rectanglelabels":
        sides = {name: float(mark[name]) * _FULL for name in ("x", "y", "width", "height")}
        return {**sides, "rotation": 0, "rectanglelabels": [mark["label"]]}
    start, end = int(mark["start"]), int(mark["end"])
    return {
        "start": _utf16(text, start),
        "end": _utf16(text, end),
        "text": text[start:end],
        "labels": [mark["label"]],
    }


def _utf16(text: str, offset: int) -> int:
    """Return the number of UTF-16 units before a code point."""
    return len(text[:offset].encode("utf-16-le")) // 2


def _code_points(text: str, units: int) -> int:
    """Return the number of code points before a UTF-16 unit; -1 if it lies inside of one or beyond the text."""
    raw = text.encode("utf-16-le")
    if not 0 <= units * 2 <= len(raw):
        return -1
    try:
        return len(raw[: units * 2].decode("utf-16-le"))
    except UnicodeDecodeError:
        return -1


def _annotator(annotation: Mapping[str, Any]) -> str:
    for each in _list(annotation.get("result"))[:1]:
        noted = each.get("meta") if isinstance(each, Mapping) else None
        if isinstance(noted, Mapping) and (names := _list(noted.get(_ANNOTATOR))):
            return str(names[0])
    who = annotation.get("completed_by")
    if isinstance(who, Mapping):
        return str(who.get("email") or who.get("id") or "")
    return str(who) if who is not None else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _float(value: Any) -> float | None:
    try:
        return None if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
