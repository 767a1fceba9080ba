"""What each kind of task decides in the loop: enough records, consequences of a change, metrics of the gate."""

import pytest

from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Form, Generate, Sampling
from ratoon.tasks.kinds import KINDS as LIBRARY
from ratoon.tasks.regress import Regress
from ratoon_flywheel.domain.errors import LabelServed
from ratoon_flywheel.domain.kinds import classify, generate, regress
from ratoon_flywheel.domain.kinds.table import KINDS
from ratoon_flywheel.domain.project_settings import DataRequirements
from ratoon_flywheel.domain.shares import fills_parts, records_in_all, records_per_class

RATIOS = (0.8, 0.1, 0.1)
V1 = "projects/p/models/p/versions/v1.0"
ANY = DataRequirements()


SEVERAL = Classify(("billing", "urgent", "other"), multi_label=True)


@pytest.mark.parametrize("task", [Classify(("ham", "spam")), SEVERAL, Generate(), Regress()])
def test_the_metrics_of_a_task_are_those_of_the_library(task):
    module, known = KINDS[task.kind], LIBRARY[task.kind].METRICS
    assert module is not None
    gated, compared = module.gated_metrics(task), module.compared_metrics(task)
    assert set(gated) | set(module.reported_metrics(task)) <= set(known)
    assert LIBRARY[task.kind].PRIMARY in compared
    assert set(compared) <= set(gated)
    assert all(known[name].is_judge for name in compared)
    assert set(module.SCORED_METRICS) <= set(compared)


def test_a_record_with_several_labels_counts_for_each_of_them_and_once_in_all():
    counts = {"billing": 10, "urgent": 10, "other": 0}
    assert classify.lack(SEVERAL, counts, 12, RATIOS, False, ANY) == ""
    sentence = classify.lack(SEVERAL, counts, 12, RATIOS, False, DataRequirements(13))
    assert sentence.startswith("12 labelled records are too few (10 billing, 10 urgent, 0 other)")


def test_the_consequences_of_a_change_between_one_label_and_several_are_said():
    one = Classify(SEVERAL.labels)
    assert (classify.narrows(one, SEVERAL), classify.narrows(SEVERAL, one)) == (False, True)
    (several,), (single,) = (
        classify.change_notices(before, after, V1, False)
        for before, after in ((one, SEVERAL), (SEVERAL, one))
    )
    assert several.startswith("A record may have several labels now")
    assert single.startswith("A record has one label now")


@pytest.mark.parametrize("ratios", [RATIOS, (0.45, 0.05, 0.5), (0.98, 0.01, 0.01), (1 - 2e-6, 1e-6, 1e-6)])
def test_the_needed_number_of_records_fills_each_part(ratios):
    assert fills_parts(records_in_all(ratios), ratios)
    assert all(round(records_per_class(ratios) * share) >= 1 for share in ratios)


@pytest.mark.parametrize(
    ("count", "requirements", "lacks"),
    [
        (2, ANY, "2 records with an answer: 8 or more are needed for training, validation and test."),
        (8, ANY, ""),
        (99, DataRequirements(100), "99 records with an answer: the project requires 100."),
        (100, DataRequirements(100), ""),
        (1, ANY, "1 record with an answer:"),
    ],
)
def test_generation_needs_a_number_of_records_with_an_answer(count, requirements, lacks):
    sentence = generate.lack(Generate(), {}, count, RATIOS, False, requirements)
    assert sentence.startswith(lacks)
    assert bool(sentence) is bool(lacks)


@pytest.mark.parametrize(
    ("counts", "requirements", "lacks"),
    [
        ({"1": 1, "2": 1}, ANY, "8 or more are needed"),
        ({"1": 40, "2": 1}, ANY, ""),
        ({"3": 41}, ANY, "all numbers are 3, so that there is nothing to learn"),
        ({"3 points": 20, "3.0": 20}, ANY, "all numbers are 3"),
        ({"": 41}, ANY, ""),
        ({"1": 20, "2": 20}, DataRequirements(41), "the project requires 41"),
    ],
)
def test_regression_needs_numbers_that_differ(counts, requirements, lacks):
    sentence = regress.lack(Regress("points"), counts, sum(counts.values()), RATIOS, False, requirements)
    assert (lacks in sentence) and bool(sentence) is bool(lacks)


@pytest.mark.parametrize(
    ("before", "after", "narrows", "says"),
    [
        (Generate(), Generate(), False, ()),
        (Generate(), Generate(Form.CHAT), False, ("The form of answers is CHAT now, not TEXT",)),
        (
            Generate(),
            Generate(Form.JSON, '{"type":"object"}'),
            True,
            (
                "The form of answers is JSON",
                "The schema of answers is another one",
                f"{V1} was trained on other",
            ),
        ),
        (Generate(Form.JSON), Generate(Form.TEXT), False, ("The form of answers is TEXT",)),
        (
            Generate(),
            Generate(defaults=Sampling(0.7), stop=("\n",)),
            False,
            ("Evaluations use the new sampling",),
        ),
    ],
)
def test_the_consequences_of_a_change_of_generation_are_said(before, after, narrows, says):
    assert generate.narrows(before, after) is narrows
    notices = generate.change_notices(before, after, V1 if narrows else "", False)
    assert len(notices) == len(says)
    assert all(notice.startswith(begin) for notice, begin in zip(notices, says, strict=True))


@pytest.mark.parametrize(
    ("before", "after", "narrows", "says"),
    [
        (Regress(), Regress(), False, ()),
        (Regress(max=5), Regress(max=10), False, ("Valid numbers are 10 or less now",)),
        (
            Regress(),
            Regress(min=0, max=5),
            True,
            ("Valid numbers are from 0 to 5 now", f"{V1} still answers"),
        ),
        (
            Regress(),
            Regress(tolerance=0.5),
            False,
            ("An answer counts as wrong from now on if it is more than 0.5",),
        ),
    ],
)
def test_the_consequences_of_a_change_of_range_are_said(before, after, narrows, says):
    assert regress.narrows(before, after) is narrows
    notices = regress.change_notices(before, after, V1 if narrows else "", False)
    assert len(notices) == len(says)
    assert all(notice.startswith(begin) for notice, begin in zip(notices, says, strict=True))


def test_the_unit_of_a_served_version_changes_only_if_that_is_allowed():
    before, after = Regress("USD"), Regress("EUR")
    assert regress.narrows(before, after)
    with pytest.raises(LabelServed, match="answers in 'USD': numbers in 'EUR'"):
        regress.change_notices(before, after, V1, False)
    assert "existing numbers are not converted" in regress.change_notices(before, after, V1, True)[0]
    assert len(regress.change_notices(before, after, "", False)) == 1


@pytest.mark.parametrize(
    ("metric", "answered", "expected", "value"),
    [
        ("mae", "3.5", "3", 0.5),
        ("mse", "3.5", "3", 0.25),
        ("mae", "no idea", "1", 4.0),
        ("mae", "no idea", "4", 4.0),
        ("mae", "3", "", None),
    ],
)
def test_the_error_of_one_number(metric, answered, expected, value):
    assert regress.score(Regress(min=0, max=5), metric, answered, expected) == value
    if answered == "no idea":
        assert regress.score(Regress(), metric, answered, expected) is None


@pytest.mark.parametrize(
    ("metric", "answered", "expected", "value"),
    [
        ("rouge_l", "budget of may", "budget of june", 2 / 3),
        ("exact_match", "The budget", "budget", 1.0),
        ("json_field_f1", '{"a": 1}', '{"a": 1, "b": 2}', 2 / 3),
        ("chrf", "budget", "budget", 1.0),
    ],
)
def test_the_score_of_one_text(metric, answered, expected, value):
    assert metric in generate.SCORED_METRICS
    assert generate.score(Generate(), metric, answered, expected) == pytest.approx(value)


def test_answers_of_free_text_and_numbers_are_never_rewritten():
    assert generate.respelled(Generate(), Generate(Form.CHAT)) == {}
    assert regress.respelled(Regress("USD"), Regress("EUR")) == {}
    module = KINDS[Classify().kind]
    assert module is not None
    assert module.respelled(Classify(("ham", "spam")), Classify(("Ham", "spam"))) == {"ham": "Ham"}
