"""Estimates of runs: steps, tokens, time and cost from a sample, and what deserves attention."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ratoon_training.domain.classical import Classical
from ratoon_training.domain.diagnosis import Diagnosis
from ratoon_training.domain.estimates import (
    STARTING_S,
    DataSample,
    Problem,
    estimated,
    problems_of,
    speed_of,
)
from ratoon_training.domain.neural import Network, Neural
from ratoon_training.domain.plan import ResourcePlan
from ratoon_training.domain.recipes import Accelerator, Architecture, Method, Recipe, Resources
from ratoon_training.domain.runs import State, Trained, TrainingRun
from ratoon_training.domain.shapes import ModelShape

NOW = datetime(2026, 11, 29, tzinfo=UTC)
RECIPE = Recipe(labels=("ham", "spam"), batch_size=16, epochs=2.0)
RUN = TrainingRun("projects/p/trainingRuns/r", NOW, NOW, "t", "v", RECIPE)
SAMPLE = DataSample(
    records=10_000, validation_records=1_000, sampled_records=1_000, samples=1_000, tokens=64_000
)
FITS = ResourcePlan(1, 1, 2, admitted=True)


def ended(rate: float, parameters: int, **changes: object) -> TrainingRun:
    """A run that succeeded at this many tokens a second."""
    metrics = {"tokens_per_second": rate}
    trained = Trained("a" * 64, "c" * 64, parameters, Diagnosis("healthy", ""), metrics)
    return replace(RUN, state=State.SUCCEEDED, trained=trained, **changes)


def test_a_sample_is_scaled_to_the_whole_part():
    estimate = estimated(RUN, SAMPLE, speed_of([], RUN), 0.5)
    assert (estimate.samples, estimate.steps, estimate.epochs) == (10_000, 1250, 2.0)
    assert (estimate.tokens_per_epoch, estimate.tokens) == (640_000, 1_280_000)
    assert estimate.parameters == estimate.trained_parameters == Architecture().parameters
    assert estimate.seconds > STARTING_S
    assert estimate.device_hours == pytest.approx(estimate.seconds / 3600)
    assert estimate.cost == pytest.approx(0.5 * estimate.device_hours)
    assert estimate.device == "1 worker on cpu"


def test_without_epochs_they_follow_from_the_data():
    chosen = estimated(replace(RUN, recipe=replace(RECIPE, epochs=0.0)), SAMPLE, speed_of([], RUN), 0.0)
    assert chosen.epochs == 3


def test_the_time_of_a_classical_model_is_not_estimated():
    run = replace(RUN, recipe=replace(RECIPE, method=Method.CLASSICAL, classical=Classical()))
    estimate = estimated(run, SAMPLE, speed_of([], run), 1.0)
    assert (estimate.records, estimate.samples, estimate.seconds, estimate.steps) == (10_000, 10_000, 0.0, 0)
    assert problems_of(run, FITS, estimate, SAMPLE) == ()


def test_a_small_neural_model_is_estimated_by_its_own_size_and_by_runs_of_its_network():
    neural = Neural(Network.GRU).complete()
    recipe = replace(RECIPE, method=Method.NEURAL, neural=neural, epochs=0.0)
    run = replace(RUN, recipe=recipe)
    estimate = estimated(run, SAMPLE, speed_of([], run), 0.0)
    assert estimate.parameters == estimate.trained_parameters == neural.parameters
    assert estimate.epochs == 3 and estimate.steps == 1875
    cnn = replace(run, recipe=replace(recipe, neural=Neural(Network.CNN).complete()))
    runs = [
        replace(ended(1000.0, neural.parameters), recipe=recipe),
        replace(ended(9e9, neural.parameters), recipe=cnn.recipe),
        ended(9e9, neural.parameters),
    ]
    speed = speed_of(runs, run)
    assert "1 earlier run" in speed.basis
    assert estimated(run, SAMPLE, speed, 0.0).seconds == pytest.approx(
        STARTING_S + estimate.tokens / 1000 * (1 + 1000 / 30_000)
    )
    cut = replace(SAMPLE, cut_samples=900)
    problems = problems_of(run, FITS, estimated(run, cut, speed, 0.0), cut)
    assert [each.reason for each in problems] == ["SAMPLES_CUT"]
    assert problems[0].message.endswith("raise recipe.neural.max_tokens.")


def test_an_adapter_trains_its_own_parameters():
    shape = ModelShape.of(Architecture())
    run = replace(RUN, recipe=replace(RECIPE, method=Method.LORA), base_shape=shape)
    estimate = estimated(run, SAMPLE, speed_of([], run), 0.0)
    assert estimate.trained_parameters == shape.adapter_parameters(RECIPE.lora_rank)
    assert estimate.parameters == shape.parameters + estimate.trained_parameters


def test_the_speed_of_earlier_runs_of_a_similar_size_counts_first():
    parameters = Architecture().parameters
    runs = [
        ended(1000.0, parameters),
        ended(1.0, 100 * parameters),
        replace(ended(9e9, parameters), state=State.FAILED),
    ]
    speed = speed_of(runs, RUN)
    assert speed.flops == pytest.approx(6 * parameters * 1000)
    assert speed.basis.startswith("Measured in 1 earlier run")
    assert "of other sizes" in speed_of(runs[1:], RUN).basis
    on_gpu = replace(RUN, resources=Resources(Accelerator.CUDA, 2))
    assert "guess" in speed_of(runs, on_gpu).basis
    assert speed_of([], replace(RUN, resources=Resources(workers=2))).flops == 2 * speed_of([], RUN).flops


@pytest.mark.parametrize(
    ("recipe", "sample", "reasons"),
    [
        ({}, {}, []),
        ({"batch_size": 1}, {}, ["BATCH_OF_ONE"]),
        ({"epochs": 0.01}, {}, ["FEW_STEPS"]),
        ({}, {"cut_samples": 300}, ["SAMPLES_CUT"]),
        ({}, {"problems": (Problem("ONE_LABEL", "m"),)}, ["ONE_LABEL"]),
    ],
)
def test_what_deserves_attention_is_named(recipe, sample, reasons):
    run, data = replace(RUN, recipe=replace(RECIPE, **recipe)), replace(SAMPLE, **sample)
    problems = problems_of(run, FITS, estimated(run, data, speed_of([], run), 0.0), data)
    assert [each.reason for each in problems] == reasons
    assert not any(each.blocking for each in problems)


def test_what_would_end_the_run_comes_first():
    data = replace(SAMPLE, problems=(Problem("LABEL_RARE", "m"), Problem("DATA_EMPTY", "m", blocking=True)))
    plan = ResourcePlan(reason="Too large.")
    problems = problems_of(RUN, plan, estimated(RUN, data, speed_of([], RUN), 0.0), data)
    assert [(each.reason, each.blocking) for each in problems] == [
        ("OUT_OF_MEMORY", True),
        ("DATA_EMPTY", True),
        ("LABEL_RARE", False),
    ]


def test_data_that_cannot_be_read_give_no_numbers():
    estimate = estimated(RUN, DataSample(), speed_of([], RUN), 1.0)
    assert (estimate.steps, estimate.tokens, estimate.samples, estimate.seconds) == (0, 0, 0, 0.0)
