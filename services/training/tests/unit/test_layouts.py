"""Layouts of workers: what goes with which recipe, and what a run gets that requests none."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.tasks.regress import Regress
from ratoon_training import resource_messages
from ratoon_training.adapters.drivers import _parallelism
from ratoon_training.domain import layouts
from ratoon_training.domain.architectures import Architecture
from ratoon_training.domain.errors import BadRecipe
from ratoon_training.domain.optimization import Optimization, Optimizer
from ratoon_training.domain.parallelism import (
    GroupSize,
    Layout,
    Parallelism,
    PipelineSchedule,
    Strategy,
    stage_layers,
)
from ratoon_training.domain.recipes import Method, Objective, Recipe, Resources

RECIPE = Recipe(labels=("ham", "spam"), architecture=Architecture(layers=4, heads=4))
FSDP = Parallelism(strategy=Strategy.FSDP)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_every_worker_has_a_place_of_its_own(data, tensor, pipeline):
    layout = Layout(data, tensor, pipeline)
    places = {layout.place(rank) for rank in range(layout.workers)}
    assert len(places) == layout.workers
    assert max(places) == (pipeline - 1, data - 1, tensor - 1)


@given(st.integers(1, 80), st.integers(1, 8))
def test_stages_have_all_layers_once(layers, stages):
    parts = [stage_layers(layers, stages, stage) for stage in range(stages)]
    assert [layer for part in parts for layer in part] == list(range(layers))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_without_a_request_each_worker_has_a_copy():
    layout = Resources(workers=4).checked().layout
    assert (layout, str(layout)) == (Layout(4), "4 data (DDP)")
    assert not layout.divides
    assert str(Layout()) == "1 worker"


def test_what_is_left_out_follows_from_the_number_of_workers():
    resources = Resources(workers=8, parallelism=Parallelism(tensor=2, strategy=Strategy.FSDP)).checked()
    assert resources.layout == Layout(4, 2, 1, Strategy.FSDP)
    assert str(resources.layout) == "4 data (FSDP) x 2 tensor"
    assert resources.layout.weight_share() == 1 / 8


@pytest.mark.parametrize(
    ("parallelism", "field"),
    [
        (Parallelism(tensor=3), "tensor"),
        (Parallelism(data=3), "data"),
        (Parallelism(pipeline=65), "pipeline"),
        (Parallelism(pipeline=2, strategy=Strategy.FSDP), "strategy"),
        (Parallelism(min_workers=5), "min_workers"),
        (Parallelism(tensor=2, min_workers=1), "min_workers"),
    ],
)
def test_a_layout_that_cannot_be_is_refused_by_its_field(parallelism, field):
    with pytest.raises(BadRecipe) as refused:
        Resources(workers=4, parallelism=parallelism).checked()
    assert refused.value.field == f"resources.parallelism.{field}"


@pytest.mark.parametrize(
    ("recipe", "parallelism", "field"),
    [
        (replace(RECIPE, objective=Objective.DPO), Parallelism(pipeline=2), "pipeline"),
        (replace(RECIPE, objective=Objective.GRPO), Parallelism(tensor=2), "tensor"),
        (replace(RECIPE, sweep="lr-procedure"), FSDP, "strategy"),
        (replace(RECIPE, optimization=Optimization(Optimizer.MUON)), Parallelism(tensor=2), "tensor"),
        (replace(RECIPE, method=Method.LORA), Parallelism(tensor=2), "tensor"),
        (replace(RECIPE, packed=True), Parallelism(pipeline=2), "pipeline"),
        (replace(RECIPE, task=Regress(min=0.0, max=1.0)), Parallelism(pipeline=2), "pipeline"),
        (replace(RECIPE, architecture=Architecture(layers=1)), Parallelism(pipeline=2), "pipeline"),
        (replace(RECIPE, architecture=Architecture(heads=3)), Parallelism(tensor=2), "tensor"),
    ],
)
def test_a_layout_that_does_not_go_with_the_recipe_is_refused_by_its_field(recipe, parallelism, field):
    with pytest.raises(BadRecipe) as refused:
        layouts.checked(recipe, Resources(workers=2, parallelism=parallelism))
    assert refused.value.field == f"resources.parallelism.{field}"


@pytest.mark.parametrize("objective", list(Objective))
def test_each_objective_goes_with_fsdp(objective):
    resources = Resources(workers=2, parallelism=FSDP)
    assert layouts.checked(replace(RECIPE, objective=objective), resources) == resources


def test_an_adapter_and_packed_rows_go_with_fsdp():
    resources = Resources(workers=2, parallelism=FSDP)
    assert layouts.checked(replace(RECIPE, method=Method.LORA, packed=True), resources) == resources


def test_weights_are_divided_where_copies_do_not_fit():
    workers = Resources(workers=4)
    assert layouts.chosen(RECIPE, workers, lambda _: True) == workers
    chosen = layouts.chosen(RECIPE, workers, lambda each: each.layout.is_fully_sharded)
    assert chosen.layout == Layout(4, 1, 1, Strategy.FSDP)
    copies = Resources(workers=4, parallelism=Parallelism(strategy=Strategy.DDP))
    assert layouts.chosen(RECIPE, copies, lambda _: False) == copies, "what is requested stays"
    dpo = replace(RECIPE, objective=Objective.DPO)
    assert layouts.chosen(dpo, workers, lambda _: False).layout == chosen.layout
    sweep = replace(RECIPE, sweep="lr-procedure")
    assert layouts.chosen(sweep, workers, lambda _: False) == workers


@pytest.mark.parametrize(
    ("size", "capacity", "workers"),
    [
        (GroupSize(4), 9, 4),
        (GroupSize(4), 3, 0),
        (GroupSize(4, 2), 3, 3),
        (GroupSize(4, 2), 1, 0),
        (GroupSize(8, 2, 2), 5, 4),
        (GroupSize(8, 4, 4), 7, 4),
        (GroupSize(8, 4, 4), 3, 0),
    ],
)
def test_a_group_has_the_workers_that_there_are_from_its_minimum_on(size, capacity, workers):
    assert size.of(capacity) == workers


def test_layouts_survive_messages_and_specs():
    parallelism = Parallelism(2, 1, 2, Strategy.DDP, PipelineSchedule.GPIPE, 2)
    resources = Resources(workers=4, threads=3, parallelism=parallelism)
    message = resource_messages.resources_message(resources)
    assert resource_messages.requested_resources(message).layout == resources.layout
    assert message.parallelism.min_workers == 2
    spec = _parallelism(resources)
    assert spec is not None
    stored = {name.name: value for name, value in spec.ListFields()}
    assert Parallelism.parse(stored).layout(4) == resources.layout


def test_copies_of_the_model_are_a_spec_that_earlier_workers_read():
    assert _parallelism(Resources(workers=4)) is None
    assert not resource_messages.resources_message(Resources()).HasField("parallelism")
