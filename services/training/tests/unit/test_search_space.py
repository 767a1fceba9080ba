"""Spaces of sweeps: values of parameters, random settings that do not repeat, grids."""

import random

import pytest

from ratoon_training.domain.search_space import Parameter, drawn, grid, size_of

RATE = Parameter("learning_rate", 1e-4, 1e-1, log=True)
BATCH = Parameter("batch_size", 8, 32, step=8, is_integer=True)
LOSS = Parameter("preference_loss", values=("SIGMOID", "IPO"))


@pytest.mark.parametrize(
    ("parameter", "fault"),
    [
        (RATE, ""),
        (BATCH, ""),
        (LOSS, ""),
        (Parameter("x"), "min below max"),
        (Parameter("x", 2, 1), "min below max"),
        (Parameter("x", 0, 1, log=True), "above 0"),
        (Parameter("x", 1, 2, log=True, step=0.1), "no step"),
        (Parameter("x", 1, 2, step=3), "width"),
        (Parameter("x", 1.5, 2.5, is_integer=True), "integers"),
        (Parameter("x", 1, 2, values=("1",)), "both"),
        (Parameter("x", values=("1", "1")), "twice"),
        (Parameter("x", float("nan"), 1), "min below max"),
    ],
)
def test_a_parameter_is_a_range_or_a_list(parameter, fault):
    assert fault in parameter.fault()
    assert bool(parameter.fault()) == bool(fault)


def test_values_are_in_range_and_read_back_as_numbers():
    rng = random.Random(1)
    rates = [float(RATE.draw(rng)) for _ in range(200)]
    assert min(rates) >= 1e-4 and max(rates) <= 1e-1
    assert sum(rate < 1e-2 for rate in rates) > 100  # two thirds of the logarithm are below
    assert {BATCH.draw(rng) for _ in range(100)} == {"8", "16", "24", "32"}


def test_random_settings_are_a_function_of_seed_and_number_and_do_not_repeat():
    tried = []
    for number in range(1, 9):
        settings = drawn((BATCH, LOSS), 7, number, tried)
        assert settings == drawn((BATCH, LOSS), 7, number, tried)
        tried.append(settings)
    assert len({tuple(each.items()) for each in tried}) == size_of((BATCH, LOSS)) == 8
    assert drawn((BATCH, LOSS), 7, 9, tried) is None
    assert drawn((RATE,), 7, 1, []) != drawn((RATE,), 7, 2, []) != drawn((RATE,), 8, 2, [])


def test_a_grid_has_every_combination():
    settings = list(grid((BATCH, LOSS)))
    assert settings[:3] == [
        {"batch_size": "8", "preference_loss": "SIGMOID"},
        {"batch_size": "8", "preference_loss": "IPO"},
        {"batch_size": "16", "preference_loss": "SIGMOID"},
    ]
    assert len(settings) == 8
    assert RATE.listed() is None
