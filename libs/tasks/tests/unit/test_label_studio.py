"""Configs, answers and marks of Label Studio, read and written."""

import pytest

from ratoon.tasks import label_studio as ls
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.label_studio import BadConfig, Config, Fault, Left, Marks, Response
from ratoon.tasks.regress import Regress

SENTIMENT = """<View><Header value="Is the review good?"/><Text name="text" value="$review"/>
<Choices name="mood" toName="text" choice="multiple"><Choice value="good"/><Choice alias="bad" value="Bad one"/>
</Choices><Taxonomy name="topic" toName="text"><Choice value="x"/></Taxonomy></View>"""
TEXT = "😀 Zoë lives in 北京. مرحبا"


def annotation(*results, **fields):
    return {"id": 1, "completed_by": {"email": "ann@example.com"}, "result": list(results), **fields}


def result(kind: str, name: str = "answer", **value):
    return {"from_name": name, "to_name": "text", "type": kind, "value": value}


def answers(task, text: str = TEXT, control: str = ""):
    return [each if isinstance(each, Left) else each.answer for each in ls.given(task, text, control)]


def test_a_config_gives_what_annotators_enter_and_names_what_is_unknown():
    config = ls.parsed_config(SENTIMENT)
    assert (config.objects, config.instructions, config.unknown) == (
        {"text": "review"},
        "Is the review good?",
        ("Taxonomy",),
    )
    assert ls.task_of(config.control()) == (Classify(("good", "bad"), multi_label=True), None)
    with pytest.raises(BadConfig, match="no control 'topic'"):
        config.control("topic")


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ('<Rating name="a" toName="t" maxRating="7"/>', (Regress(min=1, max=7), None)),
        ('<Number name="a" toName="t" min="-1" max="2.5"/>', (Regress(min=-1, max=2.5), None)),
        ('<TextArea name="a" toName="t"/>', (Generate(), None)),
        ('<Pairwise name="a" toName="t"/>', (Generate(), None)),
        ('<Labels name="a" toName="t"><Label value="PER"/></Labels>', (Generate(), Marks(("PER",)))),
        (
            '<RectangleLabels name="a" toName="t"><Label value="car"/></RectangleLabels>',
            (Generate(), Marks(("car",), are_boxes=True)),
        ),
    ],
)
def test_each_control_has_its_task(xml, expected):
    assert ls.task_of(ls.parsed_config(f"<View>{xml}</View>").control()) == expected


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("<View>", "no XML"),
        ("<View/>", "no control that Ratoon has"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><View>&a;</View>", "document type"),
    ],
)
def test_what_is_no_config_is_refused(xml, message):
    with pytest.raises(BadConfig, match=message):
        ls.parsed_config(xml).control()


@pytest.mark.parametrize(
    ("task", "marks", "answer"),
    [
        (Classify(("ham", "spam")), None, "spam"),
        (Classify(("a", "b", "c"), multi_label=True), None, "a\nc"),
        (Regress(min=0, max=5), None, "2.5"),
        (Generate(), None, "two\nlines"),
        (Generate(), Marks(("PER", "LOC")), '[{"start": 2, "end": 5, "label": "PER", "text": "Zoë"}]'),
        (Generate(), Marks(("PER",)), '[{"start": 19, "end": 24, "label": "PER", "text": "مرحبا"}]'),
        (
            Generate(),
            Marks(("car",), are_boxes=True),
            '[{"x": 0.1, "y": 0.25, "width": 0.5, "height": 0.3, "label": "car"}]',
        ),
    ],
)
def test_an_answer_comes_back_from_what_is_written_for_label_studio(task, marks, answer):
    config = ls.parsed_config(ls.config_of(task, "Read it.\nDecide.", marks))
    assert ls.task_of(config.control()) == (task, marks)
    assert config.instructions == "Read it.\nDecide."
    written = ls.result_of(answer, task, marks, TEXT)
    assert answers({"annotations": [annotation(*written)]}) == [answer]


def test_offsets_are_read_as_the_text_that_comes_with_them_says():
    utf16, points = (
        result("labels", start=3, end=6, text="Zoë", labels=["P"]),
        result("labels", start=2, end=5, text="Zoë", labels=["P"]),
    )
    expected = '[{"start": 2, "end": 5, "label": "P", "text": "Zoë"}]'
    assert answers({"annotations": [annotation(utf16)]}) == [expected]
    assert answers({"annotations": [annotation(points)]}) == [expected]


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (result("labels", start=90, end=99, labels=["P"]), Fault.OUT_OF_TEXT),
        (result("labels", start=1, end=3, labels=["P"]), Fault.OUT_OF_TEXT),
        (result("labels", start=3, end=6, text="Max", labels=["P"]), Fault.OUT_OF_TEXT),
        (result("labels", start="3", end=6, labels=["P"]), Fault.MALFORMED),
        (result("rectanglelabels", x=90, y=0, width=20, height=5, rectanglelabels=["c"]), Fault.OUT_OF_IMAGE),
        (result("taxonomy", taxonomy=[["a"]]), Fault.UNKNOWN_CONTROL),
        ({"type": "number", "from_name": "answer"}, Fault.MALFORMED),
        (7, Fault.UNKNOWN_CONTROL),
    ],
)
def test_what_cannot_be_an_answer_is_left_out_with_the_reason(bad, fault):
    (left,) = answers({"annotations": [annotation(bad)]})
    assert left.fault is fault


def test_every_annotation_and_prediction_is_accounted_for():
    good = result("choices", choices=["spam"])
    task = {
        "annotations": [
            annotation(good, ground_truth=True, updated_at="2026-01-02T03:04:05Z"),
            annotation(result("textarea", "why", text=["no"]), good),
            annotation(good, was_cancelled=True),
            annotation(),
            "nothing",
        ],
        "drafts": [{"result": [good]}],
        "predictions": [{"model_version": "m1", "score": 0.9, "result": [good]}],
    }
    read = list(ls.given(task, TEXT, "answer"))
    assert [each.fault for each in read if isinstance(each, Left)] == [
        Fault.DRAFT,
        Fault.UNKNOWN_CONTROL,
        Fault.CANCELLED,
        Fault.EMPTY,
        Fault.MALFORMED,
    ]
    assert [each for each in read if isinstance(each, Response)] == [
        Response("spam", "ann@example.com", "2026-01-02T03:04:05Z", is_gold=True),
        Response("spam", "ann@example.com"),
        Response("spam", "m1", is_prediction=True, score=0.9),
    ]


def test_a_config_without_controls_is_a_config():
    assert ls.parsed_config("<View><Text name='t' value='$t'/></View>") == Config((), {"t": "t"})


def test_a_task_is_written_with_the_names_of_annotators_and_what_models_propose():
    given = [Response("spam", "ann", is_gold=True), Response("ham", "rules", is_prediction=True, score=0.5)]
    task = ls.task_with({"text": TEXT, "record_id": "r1"}, given, Classify(("ham", "spam")))
    assert task["data"] == {"text": TEXT, "record_id": "r1"}
    assert list(ls.given(task, TEXT)) == given
