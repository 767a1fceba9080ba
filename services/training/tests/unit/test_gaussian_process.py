"""The Gaussian process of sweeps, against scikit-learn's and against random search."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

from ratoon_training.adapters.gaussian_process import GaussianProcessModel, expected_improvement, fitted
from ratoon_training.domain.search_space import Parameter, Settings
from ratoon_training.domain.sweeps import Direction, SweepBudget, Trial, TrialState, next_settings

from .test_sweeps import RATE, SWEEP

X = Parameter("x", -5.0, 10.0)
Y = Parameter("y", 0.0, 15.0)
BRANIN = replace(SWEEP, parameters=(X, Y), direction=Direction.MINIMIZE, budget=SweepBudget(max_trials=25))
MODEL = GaussianProcessModel()


def branin(settings: Settings) -> float:
    """The function of Branin, whose minimum is 0.398."""
    x, y = float(settings["x"]), float(settings["y"])
    curve = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return curve**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def searched(propose, seed: int, trials: int):
    sweep = replace(BRANIN, seed=seed)
    for number in range(1, trials + 1):
        settings = propose(sweep, number)
        trial = Trial(number, settings, TrialState.COMPLETED, value=branin(settings))
        sweep = replace(sweep, trials=(*sweep.trials, trial))
    return sweep


def test_predictions_are_those_of_scikit_learn_with_the_same_kernel():
    rng = np.random.default_rng(3)
    points, values = rng.random((14, 3)), rng.random(14)
    process = fitted(points, values, random.Random(1))
    peer = GaussianProcessRegressor(
        Matern(process.lengths, nu=2.5), alpha=process.noise + 1e-9, optimizer=None
    ).fit(points, (values - process.mean) / process.scale)
    others = rng.random((9, 3))
    mean, deviation = process.predict(others)
    peer_mean, peer_deviation = peer.predict(others, return_std=True)
    assert mean == pytest.approx(process.mean + process.scale * peer_mean, abs=1e-8)
    assert deviation == pytest.approx(process.scale * peer_deviation, abs=1e-6)


def test_the_lengths_distinguish_parameters_that_matter_from_others():
    rng = np.random.default_rng(4)
    points = rng.random((40, 3))
    process = fitted(points, np.sin(6 * points[:, 1]), random.Random(2))
    assert process.lengths[1] < min(process.lengths[0], process.lengths[2])
    assert process.noise < 0.01


def test_the_expected_improvement_is_the_mean_of_what_exceeds_the_incumbent():
    draws = np.random.default_rng(5).normal(0.2, 0.7, 400_000)
    value = expected_improvement(np.array([0.2]), np.array([0.7]), 0.5)[0]
    assert value == pytest.approx(np.clip(draws - 0.5, 0, None).mean(), rel=0.02)


def test_it_finds_a_lower_minimum_than_random_search_with_as_many_trials():
    modelled = [searched(MODEL.propose, seed, trials=25).best.value for seed in range(2)]
    drawn = [searched(next_settings, seed, trials=25).best.value for seed in range(2)]
    assert max(modelled) < 0.6 < sum(drawn) / 2, (modelled, drawn)


def test_proposals_are_a_function_of_the_trials_and_the_seed():
    sweep = searched(MODEL.propose, 1, trials=12)
    again = [MODEL.propose(replace(sweep, trials=sweep.trials[:at]), at + 1) for at in range(12)]
    assert again == [trial.settings for trial in sweep.trials]


def test_numbers_words_and_steps_are_searched_together_and_nothing_is_tried_twice():
    space = (
        Parameter("network", values=("NETWORK_CNN", "NETWORK_GRU", "NETWORK_MLP")),
        Parameter("batch_size", values=("8", "16", "32")),
        Parameter("layers", 1, 2, is_integer=True),
    )
    sweep = replace(SWEEP, parameters=space)
    for number in range(1, 19):
        settings = MODEL.propose(sweep, number)
        value = (settings["network"] == "NETWORK_GRU") + int(settings["batch_size"]) / 64
        trial = Trial(number, settings, TrialState.COMPLETED, value=value)
        sweep = replace(sweep, trials=(*sweep.trials, trial))
    points = [tuple(trial.settings.values()) for trial in sweep.trials]
    assert len(set(points)) == 18, "the whole space"
    assert MODEL.propose(sweep, 19) is None
    assert sweep.best.number <= 13, "before most of the rest"


def test_a_rate_is_searched_by_its_logarithm_and_trials_in_progress_are_not_repeated():
    sweep = replace(SWEEP, parameters=(RATE,))
    trials = []
    for number in range(1, 13):
        settings = MODEL.propose(replace(sweep, trials=tuple(trials)), number)
        value = -abs(math.log10(float(settings["learning_rate"])) + 2)
        trial = Trial(number, settings)
        trials.append(trial if number > 10 else replace(trial, state=TrialState.COMPLETED, value=value))
    rates = [float(trial.settings["learning_rate"]) for trial in trials]
    assert len(set(rates)) == 12
    assert 1e-3 < rates[10] < 1e-1
