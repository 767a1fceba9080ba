"""Early ends, held against Optuna's successive halving and scipy's signed-rank test."""

import random

import pytest

from ratoon_training.domain.optimism import fold_optimism
from ratoon_training.domain.pruning import rung_epochs, rung_value, survives, worse_probability


@pytest.mark.parametrize("maximize", [True, False])
def test_trials_end_where_optuna_ends_them(maximize):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rng, factor = random.Random(3), 3
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=factor)
    direction = "maximize" if maximize else "minimize"
    study = optuna.create_study(direction=direction, pruner=pruner, sampler=optuna.samplers.RandomSampler(1))
    reached: dict[int, list[float]] = {}
    ended = []
    for _ in range(30):
        trial, rung = study.ask(), 0
        for epoch in range(1, 10):
            value = rng.random()
            trial.report(value, epoch)
            ours = True
            if epoch == rung_epochs(rung, 1, factor):
                ours = survives(value, reached.get(rung, []), factor, maximize=maximize)
                reached.setdefault(rung, []).append(value)
                rung += 1
            assert trial.should_prune() is not ours
            if not ours:
                break
        ended.append(epoch)
        study.tell(trial, value)
    assert min(ended) == 1 and max(ended) == 9


def test_the_value_at_a_rung_is_the_first_report_after_it():
    assert [rung_epochs(rung, 2, 3) for rung in range(3)] == [2, 6, 18]
    assert rung_value([(1, 0.5), (3, 0.7)], 2) == 0.7
    assert rung_value([(1, 0.5)], 2) is None


@pytest.mark.parametrize("seed", range(5))
def test_the_signed_rank_test_is_scipys(seed):
    from scipy.stats import wilcoxon

    rng = random.Random(seed)
    values, best = ([rng.random() for _ in range(8)] for _ in range(2))
    expected = wilcoxon(values, best, alternative="less", method="exact").pvalue
    assert worse_probability(values, best, maximize=True) == pytest.approx(expected)
    mirrored = worse_probability([-v for v in values], [-b for b in best], maximize=False)
    assert mirrored == pytest.approx(expected)


def test_equal_trials_are_not_worse():
    assert worse_probability([0.5, 0.6], [0.5, 0.6], maximize=True) == 1.0
    assert worse_probability([], [], maximize=True) == 1.0


def test_the_optimism_of_folds_is_what_the_best_of_each_fold_gains():
    trials = [[0.8, 0.6], [0.7, 0.9]]
    assert fold_optimism(trials, 1, maximize=True) == pytest.approx(0.05)
    assert fold_optimism(trials, 0, maximize=False) == pytest.approx(0.05)
    assert fold_optimism([[0.5, 0.5]], 0, maximize=True) == 0
