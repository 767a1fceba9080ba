"""Rows that the previous release stored are read as tasks that classify, and it reads what this one saves."""

import json
from dataclasses import replace

import pytest

from ratoon.storage.store import codec_of
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Form, Generate, Sampling
from ratoon.tasks.regress import Regress
from ratoon_labeling import mapping
from ratoon_labeling.adapters.tables import RESOURCES
from ratoon_labeling.domain.guidelines import Guideline
from ratoon_labeling.domain.label_sets import LabelSet
from ratoon_labeling.domain.tasks import Answer, Task

TIMES = '"create_time":"2026-01-01T00:00:00Z","update_time":"2026-01-01T00:00:00Z",'
ROWS = {
    Guideline: (
        '{"schema_version":1,"name":"projects/p/guidelines/g",' + TIMES + '"instructions":"Which?",'
        '"labels":["ham","spam"],"conflict_policy":"MAJORITY","revision":2}'
    ),
    LabelSet: (
        '{"schema_version":1,"name":"projects/p/labelSets/s",' + TIMES + '"dataset_version":'
        '"projects/p/datasets/d/versions/v","dataset_digest":"d","guideline":"projects/p/guidelines/g",'
        '"labels":["ham","spam"],"conflict_policy":"HUMAN_FIRST","import_as":"IMPORT","review_sample_size":5,'
        '"state":"SUCCEEDED","progress":{"fraction":1.0,"message":"3 labels are frozen.","done":3,"total":3,"unit":""},'
        '"failure_reason":"","failure_message":"","digest":"e","class_counts":{"ham":2,"spam":1},'
        '"unlabelled_count":1,"unknown_label_count":0,"conflict_count":0,"agreement_alpha":0.5,'
        '"unknown_labels":{},"attempts":1,"cancel_requested":false,"revision":4}'
    ),
    Task: (
        '{"schema_version":1,"name":"projects/p/tasks/t",' + TIMES + '"record_id":"r","content_digest":"c",'
        '"dataset_version":"projects/p/datasets/d/versions/v","labels":["ham","spam"],"proposed_label":"ham",'
        '"reason":"conflict","state":"DONE","label":"spam","annotator":"ann","lease_holder":"",'
        '"lease_expire_time":null,"revision":3}'
    ),
}
"""Literal rows of version 1."""
OTHERS = [
    Classify(("ham", "spam"), multi_label=True),
    Generate(Form.JSON, '{"type":"object"}', defaults=Sampling(max_tokens=9), stop=("\n",)),
    Regress("stars", 1.0, 5.0, 0.5),
]

each_kind = pytest.mark.parametrize("kind", ROWS)


@each_kind
def test_a_row_of_version_1_classifies_into_its_labels(kind):
    assert codec_of(kind, RESOURCES[kind]).load(ROWS[kind]).task == Classify(("ham", "spam"))


@each_kind
def test_a_save_writes_all_that_version_1_reads(kind):
    codec = codec_of(kind, RESOURCES[kind])
    saved, before = json.loads(codec.dump(codec.load(ROWS[kind]))), json.loads(ROWS[kind])
    assert saved == saved | before | {"schema_version": 2}
    assert codec.load(json.dumps(saved)) == codec.load(ROWS[kind])


@each_kind
@pytest.mark.parametrize("task", OTHERS)
def test_a_task_of_any_kind_is_read_as_it_was_saved(kind, task):
    codec = codec_of(kind, RESOURCES[kind])
    resource = replace(codec.load(ROWS[kind]), task=task)
    assert codec.load(codec.dump(resource)) == resource


def test_labels_that_version_1_changed_are_those_of_the_task():
    codec = codec_of(Guideline, RESOURCES[Guideline])
    saved = json.loads(codec.dump(codec.load(ROWS[Guideline]))) | {"labels": ["ham", "spam", "bulk"]}
    assert codec.load(json.dumps(saved)).task == Classify(("ham", "spam", "bulk"))


def test_the_records_of_a_label_set_of_version_1_are_counted_by_their_labels():
    assert mapping.label_set(codec_of(LabelSet, RESOURCES[LabelSet]).load(ROWS[LabelSet])).label_count == 3


def test_the_answer_of_a_task_of_version_1_is_its_only_one():
    task = codec_of(Task, RESOURCES[Task]).load(ROWS[Task])
    assert task.given == (Answer("ann", "spam"),)
    assert task.overlap == 1
