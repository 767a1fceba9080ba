"""The kinds of task: what each accepts, how it reads answers, and that its table is complete."""

from dataclasses import replace

import pytest

from ratoon.tasks import kinds
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Form, Generate, Sampling
from ratoon.tasks.kind import (
    BadTask,
    Direction,
    DriftInput,
    Kind,
    Metric,
    Record,
    SplitMode,
    TaskNotSupported,
    Turn,
    Verdict,
)
from ratoon.tasks.kinds import KINDS, SPECS, parse, right_answer, supported
from ratoon.tasks.regress import Regress, format_number, number

MAIL = Classify(("ham", "spam"))
TOPICS = Classify(("sport", "news", "art"), multi_label=True)
TEXT = Generate()
JSON = Generate(Form.JSON)
SCORE = Regress("points", -4, 4, tolerance=0.5)
PROMPT = (Turn("user", "What is it?"),)
each_kind = pytest.mark.parametrize("kind", Kind)


@each_kind
def test_every_kind_says_what_it_decides(kind):
    of_kind = KINDS[kind]
    assert SPECS[kind]().kind == kind
    assert of_kind.METRICS[of_kind.PRIMARY].is_judge
    assert all(metric.name == name for name, metric in of_kind.METRICS.items())
    assert of_kind.BASELINES and of_kind.RECIPES
    assert DriftInput.TOKENS in of_kind.DRIFT_INPUTS
    assert isinstance(of_kind.DEFAULT_SPLIT, SplitMode)


def test_the_primary_metrics_and_their_directions():
    primary = {kind: each.METRICS[each.PRIMARY] for kind, each in KINDS.items()}
    assert {kind: (m.name, m.direction) for kind, m in primary.items()} == {
        Kind.CLASSIFY: ("macro_f1", Direction.HIGHER),
        Kind.GENERATE: ("rouge_l", Direction.HIGHER),
        Kind.REGRESS: ("mae", Direction.LOWER),
    }
    assert Metric("mae", Direction.LOWER).gain(0.4, 0.5) == pytest.approx(0.1)
    assert Metric("f1").gain(0.4, 0.5) == pytest.approx(-0.1)


def test_a_table_without_the_kind_names_the_service_and_what_it_supports():
    table = {Kind.CLASSIFY: "module", Kind.GENERATE: None, Kind.REGRESS: None}
    assert supported(table, MAIL, "Training") == "module"
    with pytest.raises(TaskNotSupported) as refused:
        supported(table, TEXT, "Training")
    assert str(refused.value) == (
        "Training does not support tasks of the kind `generate` yet, only `classify`."
    )
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "TASK_NOT_SUPPORTED")


@pytest.mark.parametrize(
    ("task", "text", "answer"),
    [
        (MAIL, " SPAM ", "spam"),
        (MAIL, "eggs", None),
        (MAIL, "ham\nspam", None),
        (TOPICS, "Art\nsport\n", "sport\nart"),
        (TOPICS, "art\neggs", None),
        (TOPICS, "\n", None),
        (TOPICS, "Art; sport", "sport\nart"),
        (TOPICS, "art|sport|", "sport\nart"),
        (TOPICS, "art, eggs", None),
        (TOPICS, '["Art", "sport", "ART"]', "sport\nart"),
        (TOPICS, "[]", None),
        (TOPICS, '["art", 1]', None),
        (TOPICS, "[" * 100_000, None),
        (Classify(("a;b", "a", "c"), multi_label=True), "a;b\nC", "a;b\nc"),
        (TEXT, "  Dear Ann \n", "Dear Ann"),
        (TEXT, " ", None),
        (TEXT, "a\ud800", None),
        (JSON, '{"b": 1, "a": "é"}', '{"a":"é","b":1}'),
        (JSON, "{'a': 1}", None),
        (JSON, '{"a": NaN}', None),
        (JSON, "[" * 100_000, None),
        (SCORE, "3.50", "3.5"),
        (SCORE, "+3 points", "3"),
        (SCORE, "\u22122", "-2"),
        (SCORE, "-0", "0"),
        (SCORE, "1e0", "1"),
        (SCORE, "4.01", None),
        (SCORE, "3,5", None),
        (SCORE, "1_0", None),
        (SCORE, "nan", None),
        (SCORE, "٣", None),
        (SCORE, "three", None),
        (SCORE, "3 or 4", None),
        (Regress(), "1e999", None),
        (Regress(), "1e22", "1e+22"),
        (Regress("%"), "12%", "12"),
    ],
)
def test_the_canonical_form_of_an_answer(task, text, answer):
    assert parse(task, text) == answer
    assert answer is None or parse(task, answer) == answer


def test_a_number_is_written_as_short_as_it_can_be_read_back():
    for value in (0.1 + 0.2, 3.0, -1e-7, 12345678901234.5):
        assert number(Regress(), format_number(value)) == value


@pytest.mark.parametrize(
    ("task", "answered", "expected", "wrong"),
    [
        (MAIL, "HAM", "ham", False),
        (MAIL, "ham", "spam", True),
        (MAIL, "", "ham", True),
        (TOPICS, "art\nsport", "Sport\nART", False),
        (TOPICS, "art", "art\nsport", True),
        (TOPICS, '["sport", "art"]', "art;sport", False),
        (TOPICS, "gone", "Gone", False),
        (TEXT, "Yes. ", "Yes.", False),
        (TEXT, "yes.", "Yes.", True),
        (JSON, '{"a": 1, "b": 2}', '{"b":2,"a":1}', False),
        (JSON, "no JSON", "no JSON", True),
        (SCORE, "3.0", "3.5", False),
        (SCORE, "3.0", "3.51", True),
        (Regress(tolerance=0.3), "0.6", "0.9", False),
        (SCORE, "3.0", "none", True),
    ],
)
def test_which_answers_are_wrong(task, answered, expected, wrong):
    assert kinds.is_wrong(task, answered, expected) is wrong


@pytest.mark.parametrize(
    ("task", "answered", "verdict", "correction", "right"),
    [
        (MAIL, "ham", Verdict.NEGATIVE, "Spam", "spam"),
        (MAIL, "ham", Verdict.POSITIVE, "", "ham"),
        (MAIL, "ham", Verdict.NEGATIVE, "", "spam"),
        (MAIL, "ham", Verdict.NEUTRAL, "", None),
        (MAIL, "eggs", Verdict.NEGATIVE, "", None),
        (Classify(("a", "b", "c")), "a", Verdict.NEGATIVE, "", None),
        (TEXT, "Dear Ann", Verdict.POSITIVE, "", "Dear Ann"),
        (TEXT, "Dear Ann", Verdict.NEGATIVE, "", None),
        (TEXT, "Dear Ann", Verdict.NEGATIVE, "Dear Bob", "Dear Bob"),
        (SCORE, "3", Verdict.POSITIVE, "", "3"),
        (SCORE, "3", Verdict.NEGATIVE, "", None),
        (SCORE, "3", Verdict.NEGATIVE, "1.50", "1.5"),
    ],
)
def test_the_right_answer_by_feedback(task, answered, verdict, correction, right):
    assert right_answer(task, answered, verdict, correction) == right


def test_a_correction_that_repeats_the_answer_confirms_it():
    assert not kinds.is_negative(MAIL, "HAM", Verdict.NEGATIVE, "ham")
    assert not kinds.is_negative(SCORE, "3", Verdict.NEGATIVE, "3.2")
    assert kinds.is_negative(SCORE, "3", Verdict.NEGATIVE, "1")
    assert kinds.is_negative(TEXT, "x", Verdict.NEGATIVE, "")
    assert not kinds.is_negative(TEXT, "x", Verdict.NEUTRAL, "")


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        (MAIL, "one of ham, spam"),
        (TOPICS, "one or more of sport, news, art"),
        (TEXT, "a text"),
        (JSON, "a JSON document"),
        (SCORE, "a number from -4 to 4 (points)"),
        (Regress(min=0), "a number of 0 or more"),
        (Regress(max=1), "a number of 1 or less"),
        (Regress(), "a number"),
    ],
)
def test_what_a_valid_answer_is(task, sentence):
    assert kinds.valid_answers(task) == sentence


def test_labels_of_several_words_are_named_by_their_words():
    task = Classify(("not spam", "很 好", "très bien"), multi_label=True)
    kinds.check(task)
    assert kinds.parse(task, "NOT  spam\n很 好") == "not spam\n很 好"
    assert kinds.parse(task, '["Not spam"]') == "not spam"
    assert kinds.parse(task, "not spam; 很 好") == "not spam\n很 好"
    assert kinds.parse(task, "not") is None


@pytest.mark.parametrize(
    ("task", "field"),
    [
        (Classify(("ham",)), "labels"),
        (Classify(("ham", "HAM")), "labels"),
        (Classify(("ham", "two  spaces")), "labels"),
        (Classify(("ham", " padded")), "labels"),
        (Classify(("ham", "two\nlines")), "labels"),
        (Classify(("ham", "a\ttab")), "labels"),
        (Classify(("ham", "no\xa0break")), "labels"),
        (Generate(json_schema="{}"), "json_schema"),
        (Generate(Form.JSON, "[]"), "json_schema"),
        (Generate(Form.JSON, "{"), "json_schema"),
        (Generate(Form.JSON, '{"a": "' + "x" * 65_536 + '"}'), "json_schema"),
        (Generate(defaults=Sampling(temperature=-1)), "defaults.temperature"),
        (Generate(defaults=Sampling(temperature=float("nan"))), "defaults.temperature"),
        (Generate(defaults=Sampling(top_p=0)), "defaults.top_p"),
        (Generate(defaults=Sampling(max_tokens=0)), "defaults.max_tokens"),
        (Generate(stop=("",)), "stop"),
        (Generate(stop=("a", "b", "c", "d", "e")), "stop"),
        (Regress(min=1, max=1), "max"),
        (Regress(min=float("inf")), "min"),
        (Regress(tolerance=-1), "tolerance"),
        (Regress("x" * 33), "unit"),
        (Regress("5 stars"), "unit"),
    ],
)
def test_what_a_task_cannot_be(task, field):
    with pytest.raises(BadTask) as refused:
        kinds.check(task)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "task",
    [MAIL, TOPICS, TEXT, SCORE, Generate(Form.JSON, '{"type": "object"}', defaults=Sampling(0.0, 0.9))],
)
def test_what_a_task_can_be(task):
    kinds.check(task)


@pytest.mark.parametrize(
    ("task", "record"),
    [
        (MAIL, Record(PROMPT, ("Spam",))),
        (TOPICS, Record(PROMPT, ("art", "news"))),
        (TOPICS, Record(PROMPT, ("art\nnews",))),
        (TEXT, Record(PROMPT)),
        (TEXT, Record(PROMPT, ("one", "two"))),
        (TEXT, Record((), ("A plain text.",))),
        (TEXT, Record(PROMPT, ("good",), rejected="bad")),
        (TEXT, Record(PROMPT, ("so so",), is_good=False)),
        (TEXT, Record((Turn("system", "Be brief."), *PROMPT, Turn("assistant", ""), Turn("tool", "4")), ("4!",))),
        (JSON, Record(PROMPT, ("{}",))),
        (SCORE, Record(PROMPT, ("2.5",))),
    ],
)  # fmt: skip
def test_valid_records(task, record):
    assert kinds.record_fault(task, record) == ""


@pytest.mark.parametrize(
    ("task", "record", "fault"),
    [
        (MAIL, Record(PROMPT), "The record has no label."),
        (MAIL, Record(PROMPT, ("ham", "spam")), "The record has 2 labels, not 1."),
        (MAIL, Record(PROMPT, ("eggs",)), "'eggs' is not one of the labels ham, spam."),
        (MAIL, Record((), ("ham",)), "The record has no message."),
        (TOPICS, Record(PROMPT, ("art\neggs",)), "'art\\neggs' is not one of the labels sport, news, art."),
        (TEXT, Record((Turn("users", "x"),)), "Message 1 has the role 'users', which is none of"),
        (TEXT, Record((Turn("system", "x"), Turn("user", " "))), "No message of the user has a text."),
        (TEXT, Record((Turn("user", "\ud800"),)), "half of a surrogate pair"),
        (TEXT, Record((), ()), "A record without a prompt needs one text."),
        (TEXT, Record((), ("a",), is_good=True), "need a prompt"),
        (TEXT, Record(PROMPT, (" ",)), "The answer ' ' is not a text."),
        (TEXT, Record(PROMPT, ("What is it? ",)), "The answer repeats the prompt."),
        (TEXT, Record(PROMPT, ("a",), rejected="a "), "The chosen and the rejected answer are the same."),
        (TEXT, Record(PROMPT, ("a", "b"), rejected="c"), "exactly one chosen"),
        (TEXT, Record(PROMPT, ("a",), rejected="b", is_good=True), "exactly one chosen"),
        (TEXT, Record(PROMPT, (), is_good=True), "A judged record has 1 answer, not 0."),
        (JSON, Record(PROMPT, ("{",)), "The answer '{' is not a JSON document."),
        (SCORE, Record(PROMPT, ()), "The record has 0 numbers, not 1."),
        (SCORE, Record(PROMPT, ("5",)), "'5' is not a number from -4 to 4 (points)."),
    ],
)
def test_records_that_are_refused(task, record, fault):
    assert fault in kinds.record_fault(task, record)


def test_the_labels_of_a_task_may_change_while_an_answer_stays_comparable():
    assert not kinds.is_wrong(replace(MAIL, labels=("a", "b")), "Ham", "ham")
