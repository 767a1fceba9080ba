"""Spans and boxes: what an answer may be, and how far two answers agree. D33 is a case of the field data."""

import json

import pytest

from ratoon_labeling.domain.characters import splits_character
from ratoon_labeling.domain.errors import BadAnswer, BadLabels, UnknownLabel
from ratoon_labeling.domain.kinds.table import parsed, rules_of
from ratoon_labeling.domain.marks import Boxes, Overlap, Spans, model_task

SPANS = Spans(("NAME", "PLACE"))
BOXES = Boxes(("cat", "dog"))


def spans(*marks: tuple[int, int, str]) -> str:
    return json.dumps([{"start": start, "end": end, "label": label} for start, end, label in marks])


def answer(text: str, *marks: tuple[int, int, str], task: Spans = SPANS) -> list[dict[str, object]]:
    rules = rules_of(task)
    return json.loads(rules.with_text(task, rules.checked_answer(task, spans(*marks)), text))


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("💩 Here is a label.", 12, 17),
        ("👨‍👩‍👧 and Zoë", 6, 9),
        ("cafe\u0301 Praha", 6, 11),
        ("one\r\ntwo", 5, 8),
        ("今天我在北京大学学习。", 4, 8),
        ("ירושלים is old", 0, 7),
        (" leading space", 0, 8),
        ("🇩🇪🇫🇷", 2, 4),
        ("한국 여행", 0, 2),
    ],
)
def test_d33_the_text_of_a_span_is_that_of_its_code_points(text, start, end):
    (span,) = answer(text, (start, end, "place"))
    assert span == {"start": start, "end": end, "label": "PLACE", "text": text[start:end]}
    stored = parsed(model_task(SPANS), json.dumps([span]))
    assert stored is not None
    assert json.loads(stored)[0]["text"] == text[start:end]
    stored.encode()


@pytest.mark.parametrize(
    ("text", "start", "end", "message"),
    [
        ("💩 Here is a label.", 13, 19, "code points"),
        ("short", 2, 9, "has 5 code points"),
        ("👨‍👩‍👧 family", 0, 1, "splits the character '👨‍👩‍👧' at 1"),
        ("👍🏽", 0, 1, "splits"),
        ("🇩🇪🇫🇷", 1, 3, "splits"),
        ("cafe\u0301", 0, 4, "splits"),
        ("a\r\nb", 0, 2, "splits"),
    ],
)
def test_d33_a_span_outside_of_the_text_or_across_a_character_is_refused(text, start, end, message):
    with pytest.raises(BadAnswer, match=message):
        answer(text, (start, end, "NAME"))


def test_d33_offsets_in_utf_16_units_are_recognised_by_the_text_that_comes_with_them():
    rules = rules_of(SPANS)
    raw = '[{"start": 13, "end": 18, "label": "NAME", "text": "label"}]'
    with pytest.raises(BadAnswer, match=r"'abel.' from 13 to 18, not 'label'.*UTF-16"):
        rules.with_text(SPANS, rules.checked_answer(SPANS, raw), "💩 Here is a label.")


@pytest.mark.parametrize(
    ("overlap", "marks", "accepted"),
    [
        (Overlap.NONE, [(0, 4, "NAME"), (4, 6, "PLACE")], True),
        (Overlap.NONE, [(0, 4, "NAME"), (3, 6, "PLACE")], False),
        (Overlap.NESTED, [(0, 6, "NAME"), (2, 4, "PLACE")], True),
        (Overlap.NESTED, [(0, 4, "NAME"), (2, 6, "PLACE")], False),
        (Overlap.ANY, [(0, 4, "NAME"), (2, 6, "PLACE")], True),
        (Overlap.ANY, [(0, 4, "NAME"), (0, 4, "NAME")], False),
    ],
)
def test_spans_share_characters_as_the_guideline_allows(overlap, marks, accepted):
    task = Spans(("NAME", "PLACE"), overlap)
    if accepted:
        assert len(answer("abcdefgh", *marks, task=task)) == len(marks)
    else:
        with pytest.raises(BadAnswer, match="share characters"):
            answer("abcdefgh", *marks, task=task)


@pytest.mark.parametrize(
    "text",
    [
        "NAME",
        "{}",
        "[1]",
        '[{"start": 0, "end": 1}]',
        '[{"start": "0", "end": 1, "label": "NAME"}]',
        '[{"start": true, "end": 2, "label": "NAME"}]',
        '[{"start": 2, "end": 2, "label": "NAME"}]',
        '[{"start": -1, "end": 2, "label": "NAME"}]',
        '[{"start": 0, "end": 2, "label": "FOOD"}]',
        '[{"start": 0, "end": 2, "label": "NAME", "colour": "red"}]',
    ],
)
def test_what_is_no_list_of_spans_is_refused_with_a_sentence(text):
    with pytest.raises((BadAnswer, UnknownLabel), match=r"\w+ .*\."):
        rules_of(SPANS).checked_answer(SPANS, text)
    assert parsed(SPANS, text) is None


def test_a_list_without_spans_is_an_answer():
    assert rules_of(SPANS).checked_answer(SPANS, " [] ") == "[]"


def test_agreement_of_spans_counts_equal_and_overlapping_ones():
    first = spans((0, 5, "NAME"), (10, 15, "PLACE"))
    second = spans((0, 5, "NAME"), (11, 15, "PLACE"), (20, 22, "NAME"))
    agreement = rules_of(SPANS).agreement([[first, second], ["[]", "[]"], [first]])
    assert agreement.exact_f1 == pytest.approx((2 / 5 + 1) / 2)
    assert agreement.overlap_f1 == pytest.approx((4 / 5 + 1) / 2)
    assert rules_of(SPANS).agreement([[first]]).exact_f1 is None


def test_boxes_lie_within_the_image_and_agree_by_their_common_area():
    rules = rules_of(BOXES)
    one = rules.checked_answer(BOXES, '[{"x": 0, "y": 0, "width": 0.5, "height": 0.5, "label": "CAT"}]')
    near = rules.checked_answer(BOXES, '[{"x": 0.1, "y": 0, "width": 0.5, "height": 0.5, "label": "cat"}]')
    assert json.loads(one)[0]["label"] == "cat"
    assert not rules.differ(BOXES, [one, one])
    agreement = rules.agreement([[one, near]])
    assert (agreement.exact_f1, agreement.overlap_f1) == (0, 1)
    for bad in (
        '"x": 0.9, "width": 0.2',
        '"x": -0.1, "width": 0.2',
        '"x": 0, "width": 0',
        '"x": 0, "width": NaN',
    ):
        with pytest.raises(BadAnswer, match="Box 1"):
            rules.checked_answer(BOXES, f'[{{{bad}, "y": 0, "height": 0.1, "label": "cat"}}]')
    with pytest.raises(BadLabels):
        rules.check(Boxes(()))


def test_characters_of_several_code_points_are_those_of_unicode():
    """The module `regex` implements the clusters of Unicode; emoji, accents, flags and syllables come from it."""
    regex = pytest.importorskip("regex")
    people = [*range(0x1F46E, 0x1F479), *range(0x1F645, 0x1F648), 0x1F926, 0x1F937, 0x1F9D1]
    texts = [
        "👩🏿‍🚀👨‍👩‍👧‍👦🏴󠁧󠁢󠁳󠁣󠁴󠁿🇦🇺🇩🇪x",
        "Z̸͑̾a l g o e\u0301 A\u030a",
        "각한국\u1100\u1161\u11a8",
        "\u0e01\u0e33 ไทย",
        "שָׁלוֹם مُحَمَّد",
        "a\r\n\tb\u200dc",
        *(chr(each) + "🏽" + "\u200d♂\ufe0f" for each in people),
    ]
    for text in texts:
        starts, position = set[int](), 0
        for cluster in regex.findall(r"\X", text):
            starts.add(position)
            position += len(cluster)
        ours = {n for n in range(len(text)) if not splits_character(text, n)}
        assert ours == starts, text
