"""The freezing job for texts, numbers and several labels, on real Parquet and a real artifact store."""

import pytest

from ratoon.operations.job_messages import to_json
from ratoon.operations.jobs import JobFolder
from ratoon.service.tasks import message_of
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Form, Generate
from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.records import to_json as example_of
from ratoon.tasks.regress import Regress
from ratoon_labeling.worker import job, records
from services.labeling.tests.integration.test_worker import annotation, rows

SPEC = {
    "name": "projects/p/labelSets/s",
    "conflict_policy": "HUMAN_FIRST",
    "import_as": "IMPORT",
    "review_sample_size": 2,
}
STARS = Regress("stars", 0.0, 5.0, tolerance=0.5)
SEVERAL = Classify(("billing", "shipping", "other"), multi_label=True)


@pytest.fixture
def freeze(artifacts, put_dataset, tmp_path):
    def run(task, came, annotations=(), examples=None, **changes):
        digest = records.put_lines(artifacts, annotations)
        digests = {
            "dataset_digest": put_dataset(came, examples=examples),
            "annotations_digest": digest,
            "task_spec": to_json(message_of(task)),
        }
        return job.run(SPEC | digests | {"artifacts": artifacts.url} | changes, JobFolder(tmp_path))

    return run


def answers(artifacts, result):
    return {row["record_id"]: row["label"] for row in rows(artifacts, result["digest"])}


def test_texts_are_frozen_whole_and_never_counted_or_named(artifacts, freeze):
    long = "word " * 13_000
    result = freeze(Generate(), ["  Re: Lunch \n", long, None, "Re: Lunch"])
    assert answers(artifacts, result) == {"r0": "Re: Lunch", "r1": long.strip(), "r3": "Re: Lunch"}
    assert (result["class_counts"], result["label_count"], result["unlabelled_count"]) == ({}, 3, 1)
    assert (result["unknown_label_count"], result["unknown_labels"]) == (0, {})
    assert (result["agreement_alpha"], result["agreement_token_f1"]) == (None, None)
    tasks = list(records.read_lines(artifacts, result["tasks_digest"]))
    assert len(tasks) == 2
    assert {task["proposed_label"] for task in tasks} <= {"Re: Lunch", long.strip(), ""}


def test_a_rewritten_answer_takes_the_place_of_the_one_that_came(artifacts, freeze):
    result = freeze(
        Generate(),
        ["the cat sat", "same"],
        [annotation("r0", "the cat sat down"), annotation("r1", " same ")],
    )
    assert answers(artifacts, result) == {"r0": "the cat sat down", "r1": "same"}
    assert result["conflict_count"] == 1
    assert result["agreement_token_f1"] == pytest.approx((2 * 2 / 5 + 1) / 2)


def test_equally_new_texts_that_differ_are_for_people_to_decide(artifacts, freeze):
    both = [annotation("r0", "yes", "ann"), annotation("r0", "no", "bob")]
    result = freeze(Generate(), ["maybe", "fine"], both, review_sample_size=0)
    assert answers(artifacts, result) == {"r1": "fine"}
    (task,) = records.read_lines(artifacts, result["tasks_digest"])
    assert (task["record_id"], task["reason"], task["proposed_label"]) == ("r0", "conflict", "")


def test_json_documents_are_equal_by_content(artifacts, freeze):
    result = freeze(Generate(Form.JSON), ['{"a": 1, "b": 2}', "no JSON"], [annotation("r0", '{"b":2,"a":1}')])
    assert answers(artifacts, result) == {"r0": '{"a":1,"b":2}'}
    assert (result["conflict_count"], result["agreement_token_f1"]) == (0, 1)
    assert (result["unknown_label_count"], result["unknown_labels"]) == (1, {})


def test_the_answer_of_a_conversation_is_its_first_reference(artifacts, freeze):
    turns = (Turn(Role.SYSTEM, "Be brief."), Turn(Role.USER, "Capital of Peru?"))
    example = example_of(Record(turns, ("Lima", "It is Lima.")))
    preference = example_of(Record(turns, ("Lima",), rejected="Cusco"))
    result = freeze(
        Generate(Form.CHAT), [None, "Quito", None, None], examples=[example, example, preference, "broken"]
    )
    assert answers(artifacts, result) == {"r0": "Lima", "r1": "Quito", "r2": "Lima"}
    assert result["unlabelled_count"] == 1


@pytest.mark.parametrize(
    ("task", "came", "reviewed"),
    [
        (Generate(), ["a", None, "b", None], ["", "", "a", "b"]),
        (STARS, ["1", None, None], ["", "", "1"]),
        (SEVERAL, ["other", None, None], ["other"]),
    ],
)
def test_texts_and_numbers_that_are_missing_are_reviewed_too(artifacts, freeze, task, came, reviewed):
    result = freeze(task, came, review_sample_size=9)
    tasks = records.read_lines(artifacts, result["tasks_digest"])
    assert sorted(task["proposed_label"] for task in tasks) == reviewed


def test_answers_that_no_annotator_replaces_are_not_reviewed(artifacts, freeze):
    turns = (Turn(Role.USER, "Capital of Peru?"),)
    examples = [
        example_of(Record(turns, ("Lima",), rejected="Cusco")),
        example_of(Record(turns, ("Cusco",), is_good=False)),
        example_of(Record(turns, ("Lima", "It is Lima."))),
        None,
    ]
    result = freeze(Generate(), ["Lima", "Cusco", "Lima", "Quito"], examples=examples, review_sample_size=9)
    assert result["label_count"] == 4
    tasks = records.read_lines(artifacts, result["tasks_digest"])
    assert sorted(task["record_id"] for task in tasks) == ["r2", "r3"]


def test_numbers_are_frozen_in_one_spelling_and_those_out_of_range_are_named(artifacts, freeze):
    result = freeze(STARS, ["4.0", "3 stars", "7", "7", "four", None])
    assert answers(artifacts, result) == {"r0": "4", "r1": "3"}
    assert (result["class_counts"], result["label_count"]) == ({}, 2)
    assert result["unknown_labels"] == {"7": 2, "four": 1}


@pytest.mark.parametrize(
    ("policy", "number"), [("MEAN", "2"), ("MEDIAN", "2"), ("LATEST", "1"), ("HUMAN_FIRST", "1")]
)
def test_several_numbers_become_one_by_the_policy(artifacts, freeze, policy, number):
    given = [annotation("r0", "3", "ann"), annotation("r0", "1", "bob", time="2026-02-02T00:00:00+00:00")]
    result = freeze(STARS, ["4", None], given, conflict_policy=policy)
    (row,) = rows(artifacts, result["digest"])
    assert (row["label"], row["source"]) == (number, "HUMAN")
    assert row["annotator"] == ("" if policy.startswith("ME") else "bob")
    assert result["conflict_count"] == 1
    assert [task["record_id"] for task in records.read_lines(artifacts, result["tasks_digest"])] == ["r1"]


@pytest.mark.parametrize(("policy", "number"), [("MEAN", "2.667"), ("MEDIAN", "3")])
def test_numbers_that_no_person_gave_count_all(artifacts, freeze, policy, number):
    given = [annotation("r0", "3", "traffic", "FEEDBACK"), annotation("r0", "1", "rater", "IMPORT")]
    result = freeze(STARS, ["4", None], given, conflict_policy=policy)
    (row,) = rows(artifacts, result["digest"])
    assert (row["label"], row["annotator"], row["source"]) == (number, "", "FEEDBACK")


def test_numbers_within_the_tolerance_are_no_conflict(freeze):
    result = freeze(STARS, ["4", "2"], [annotation("r0", "4.5"), annotation("r1", "3")])
    assert result["conflict_count"] == 1
    assert result["agreement_alpha"] == pytest.approx(1 - 3 * (0.5 + 2) / 29.5, abs=1e-9)


def test_several_labels_count_each(artifacts, freeze):
    result = freeze(
        SEVERAL, ["Other\nbilling", "shipping", "billing\njunk", None], [annotation("r3", "billing")]
    )
    assert answers(artifacts, result) == {"r0": "billing\nother", "r1": "shipping", "r3": "billing"}
    assert result["class_counts"] == {"billing": 2, "other": 1, "shipping": 1}
    assert (result["label_count"], result["unlabelled_count"], result["unknown_label_count"]) == (3, 1, 1)


def test_all_labels_of_a_record_with_several_answers_count(artifacts, freeze):
    example = example_of(Record((Turn(Role.USER, "Where is my parcel?"),), ("shipping", "billing")))
    result = freeze(SEVERAL, ["shipping", None], examples=[example, example])
    assert set(answers(artifacts, result).values()) == {"billing\nshipping"}
    one = freeze(Classify(("shipping", "billing")), ["shipping", None], examples=[example, example])
    assert set(answers(artifacts, one).values()) == {"shipping"}


@pytest.mark.parametrize(
    ("task", "came", "sentence"),
    [
        (Generate(), [None], "None of 1 record has an answer that is a text: name the column of the answers"),
        (Generate(Form.JSON), ["x"], "JSON document; 1 record came with other answers. Name the column"),
        (STARS, ["9", "9"], r"a number from 0 to 5 \(stars\); 2 records came with other answers: '9' \(2\)"),
        (STARS, [None], "none has any answer: name the column of the numbers"),
        (SEVERAL, ["junk"], "has one or more of the labels billing, shipping, other; 1 record came with"),
    ],
)
def test_no_answer_at_all_is_an_error_that_says_what_came(freeze, task, came, sentence):
    with pytest.raises(job.NoLabels, match=sentence):
        freeze(task, came)


def test_the_same_input_gives_the_same_digests(freeze):
    for task, came in (
        (Generate(), ["a", "b", "c"]),
        (STARS, ["1", "2", "3"]),
        (SEVERAL, ["other", "billing"]),
    ):
        assert freeze(task, came) == freeze(task, came)
