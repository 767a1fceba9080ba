"""Kinds of task in labeling."""

import pytest

from ratoon.process.clock import SystemClock
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Form, Generate
from ratoon.tasks.kind import BadTask
from ratoon.tasks.regress import Regress
from ratoon_labeling.application.commands import CreateGuideline
from ratoon_labeling.application.handlers import create_guideline
from ratoon_labeling.domain.annotations import MAX_ANSWER_CHARS
from ratoon_labeling.domain.errors import BadAnswer, BadConflictPolicy, BadLabels, UnknownLabel
from ratoon_labeling.domain.guidelines import ConflictPolicy
from ratoon_labeling.domain.kinds.table import labels_of, rules_of

SEVERAL = Classify(("billing", "shipping", "other"), multi_label=True)
JSON = Generate(Form.JSON)
STARS = Regress("stars", 1.0, 5.0, tolerance=0.5)


@pytest.mark.parametrize(
    ("task", "error"),
    [
        (Classify(("a",)), BadLabels),
        (Classify(("a", "A"), multi_label=True), BadLabels),
        (Classify(("two  spaces", "b"), multi_label=True), BadTask),
        (Generate(json_schema="{}"), BadTask),
        (Regress(min=1.0, max=0.0), BadTask),
    ],
)
def test_a_task_that_cannot_be_answered_is_refused_before_anything_is_stored(task, error):
    with pytest.raises(error):
        create_guideline(CreateGuideline("projects/p", "", "", task), None, SystemClock())


@pytest.mark.parametrize(
    ("task", "policy"),
    [
        (SEVERAL, ConflictPolicy.MEAN),
        (Generate(), ConflictPolicy.MEDIAN),
        (STARS, ConflictPolicy.MAJORITY),
    ],
)
def test_a_conflict_policy_of_another_kind_is_refused_with_those_there_are(task, policy):
    command = CreateGuideline("projects/p", "", "", task, policy)
    with pytest.raises(BadConflictPolicy, match=f"{policy} .*choose [A-Z_]+, "):
        create_guideline(command, None, SystemClock())


@pytest.mark.parametrize(
    ("task", "text", "canonical"),
    [
        (Classify(("ham", "spam")), "SPAM\u00a0", "spam"),
        (SEVERAL, "Other\nbilling", "billing\nother"),
        (Generate(), "  two\n lines \n", "two\n lines"),
        (JSON, '{"b": 1, "a": [2]}', '{"a":[2],"b":1}'),
        (STARS, "4.50 stars", "4.5"),
        (STARS, "+3", "3"),
    ],
)
def test_an_answer_is_stored_in_its_canonical_form(task, text, canonical):
    assert rules_of(task).checked_answer(task, text) == canonical


@pytest.mark.parametrize(
    ("task", "text", "error", "sentence"),
    [
        (SEVERAL, "billing\njunk", UnknownLabel, "one or more of the guideline's labels"),
        (Generate(), " \n", BadAnswer, "is not a text"),
        (Generate(), "half \ud800", BadAnswer, "is not a text"),
        (Generate(), "x" * (MAX_ANSWER_CHARS + 1), BadAnswer, "has 65,537 characters; it may have 65,536"),
        (Generate(), "a\0b", BadAnswer, "and not NUL"),
        (JSON, "{", BadAnswer, "is not a JSON document"),
        (
            Generate(Form.JSON, '{"required": ["due"]}'),
            "{}",
            BadAnswer,
            'that fits the schema of the project: "due" is a required property.',
        ),
        (STARS, "5.5", BadAnswer, r"is not a number from 1 to 5 \(stars\)"),
        (STARS, "nan", BadAnswer, "is not a number"),
    ],
)
def test_what_is_no_answer_is_refused_with_what_would_be_one(task, text, error, sentence):
    with pytest.raises(error, match=sentence):
        rules_of(task).checked_answer(task, text)


def test_the_longest_answer_is_accepted():
    text = "é" * MAX_ANSWER_CHARS
    assert rules_of(Generate()).checked_answer(Generate(), text) == text


def test_only_labels_are_listed_and_counted():
    assert [labels_of(task) for task in (SEVERAL, JSON, STARS)] == [SEVERAL.labels, (), ()]
    assert rules_of(SEVERAL).classes(SEVERAL, "billing\nother") == ("billing", "other")
    assert rules_of(JSON).classes(JSON, "{}") == rules_of(STARS).classes(STARS, "3") == ()


@pytest.mark.parametrize(
    ("task", "answers", "differ"),
    [
        (Generate(), ["Hello", "hello"], True),
        (SEVERAL, ["billing\nother", "billing\nother"], False),
        (STARS, ["3", "3.5", "3.2"], False),
        (STARS, ["3", "3.5", "3.6"], True),
        (Regress(), ["10", "9"], True),
        (Regress(tolerance=0.3), ["0.1", "0.4"], False),
    ],
)
def test_numbers_differ_beyond_the_tolerance_and_other_answers_at_once(task, answers, differ):
    assert rules_of(task).differ(task, answers) is differ


@pytest.mark.parametrize(
    ("policy", "answers", "number"),
    [
        (ConflictPolicy.MEAN, ["1", "2", "2"], "1.667"),
        (ConflictPolicy.MEAN, ["0.1", "0.2"], "0.15"),
        (ConflictPolicy.MEAN, ["1e+308", "1e+308"], "1e+308"),
        (ConflictPolicy.MEAN, ["-0.5", "0.5"], "0"),
        (ConflictPolicy.MEAN, ["1e-09", "3e-09"], "2e-09"),
        (ConflictPolicy.MEDIAN, ["5", "1", "1.5"], "1.5"),
        (ConflictPolicy.MEDIAN, ["1", "2"], "1.5"),
        (ConflictPolicy.MEDIAN, ["4"], "4"),
    ],
)
def test_a_computed_number_has_digits_that_a_model_can_learn(policy, answers, number):
    assert rules_of(STARS).COMBINED[policy](answers) == number
