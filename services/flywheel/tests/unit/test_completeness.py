"""A project requires a share of the records to have a field; training says that it does not read attachments."""

from dataclasses import replace

import pytest

from ratoon.flywheel.v1 import project_pb2
from ratoon_flywheel import mapping
from ratoon_flywheel.domain.errors import BadProject
from ratoon_flywheel.domain.pipelines.runs import Products, StageId
from ratoon_flywheel.domain.pipelines.steps import data_note
from ratoon_flywheel.domain.project_settings import DataRequirements, check_data
from services.flywheel.tests.unit.test_steps import PRODUCTS, PROJECT, driven, run


@pytest.mark.parametrize(
    ("required", "says"),
    [
        ({"year": 0.9, "time": 1.0}, ""),
        ({"year": 0.95}, "of 80 records, 93.8% have 'year', 95.0% must"),
        ({"label": 0.99, "year": 0.5}, "97.5% have 'label', 99.0% must"),
        ({"source": 0.01}, "0.0% have 'source', 1.0% must"),
    ],
)
def test_a_run_with_too_few_complete_records_ends_before_it_trains(monkeypatch, required, says):
    version = Products(dataset_version="version", record_count=80, field_counts={"time": 80, "year": 75})
    monkeypatch.setitem(PRODUCTS, StageId.DATASET, version)
    labels = Products(label_set="labels", label_counts={"ham": 39, "spam": 39}, labelled_count=78)
    monkeypatch.setitem(PRODUCTS, StageId.LABELS, labels)
    project = replace(PROJECT, data_requirements=DataRequirements(min_completeness=required))
    ended = driven(run(project=project))
    assert ended.failure_reason == ("FIELDS_MISSING" if says else "")
    assert says in ended.failure_message


@pytest.mark.parametrize("share", [0.0, -1.0, 1.01, float("nan")])
def test_a_share_is_above_0_and_at_most_1(share):
    with pytest.raises(BadProject, match="above 0 and at most 1"):
        check_data(DataRequirements(min_completeness={"year": share}), True)


def test_the_requirement_survives_the_api():
    message = mapping.project(
        replace(PROJECT, data_requirements=DataRequirements(min_completeness={"year": 0.9}))
    )
    assert message.data_requirements == project_pb2.Project.DataRequirements(min_completeness={"year": 0.9})


def test_training_says_that_attachments_are_not_read():
    products = Products(record_count=80, field_counts={"images": 12, "audios": 1, "year": 80})
    shown = replace(run(), products=products)
    assert data_note(shown, StageId.TRAINING) == (
        "Of 80 records 12 have images, 1 have audios: training reads their texts alone."
    )
    assert data_note(run(), StageId.TRAINING) == data_note(shown, StageId.SPLIT) == ""
