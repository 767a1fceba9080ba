"""Tree-structured Parzen estimator by Optuna, over the trials that are stored with a sweep.

The study is built again for each proposal: what is stored is all that a restart needs, and settings are a function of
the trials and the seed. Optuna is imported with the first proposal; it takes a second and some 50 MB.
"""

import logging
import math
from typing import Any

from ratoon_training.domain.search_space import Parameter, Settings, drawn
from ratoon_training.domain.sweeps import Sweep, Trial, TrialState

_RANDOM_TRIALS = 10
"""Random trials before the first proposal of the model, as Optuna's default."""


class TpeModel:
    """Proposes settings by Optuna's `TPESampler`, multivariate; trials in progress count as bad ones."""

    def propose(self, sweep: Sweep, number: int) -> Settings | None:
        """Return settings for the trial of this number: random ones at first; None: every setting was tried."""
        tried = [trial.settings for trial in sweep.trials]
        useful = sum(trial.value is not None for trial in sweep.trials)
        if number <= _RANDOM_TRIALS or not useful:
            return drawn(sweep.parameters, sweep.seed, number, tried)
        return self._modelled(sweep, number)

    def _modelled(self, sweep: Sweep, number: int) -> Settings:
        import optuna

        optuna.logging.set_verbosity(logging.WARNING)
        sampler = optuna.samplers.TPESampler(
            seed=(sweep.seed * 1_000_003 + number) % 2**31,
            n_startup_trials=0,
            multivariate=True,
            constant_liar=True,
        )
        directions = optuna.study.StudyDirection
        direction = directions.MAXIMIZE if sweep.maximizes else directions.MINIMIZE
        study = optuna.create_study(sampler=sampler, direction=direction)
        space = {each.name: _distribution(optuna, each) for each in sweep.parameters}
        study.add_trials([_frozen(optuna, space, sweep, trial) for trial in sweep.trials])
        proposal = study.ask(space)
        return {each.name: _text(each, proposal.params[each.name]) for each in sweep.parameters}


def _distribution(optuna: Any, parameter: Parameter) -> Any:
    kinds = optuna.distributions
    if parameter.values:
        return kinds.CategoricalDistribution(parameter.values)
    if parameter.is_integer:
        step = 1 if parameter.log else round(parameter.spacing)
        return kinds.IntDistribution(round(parameter.min), round(parameter.max), log=parameter.log, step=step)
    spacing = parameter.step or None
    return kinds.FloatDistribution(parameter.min, parameter.max, log=parameter.log, step=spacing)


def _frozen(optuna: Any, space: dict[str, Any], sweep: Sweep, trial: Trial) -> Any:
    """Return a trial as Optuna keeps it."""
    states = optuna.trial.TrialState
    state = {
        TrialState.COMPLETED: states.COMPLETE,
        TrialState.PRUNED: states.PRUNED,
        TrialState.FAILED: states.FAIL,
    }.get(trial.state, states.RUNNING)
    params = {each.name: _value(each, trial.settings[each.name]) for each in sweep.parameters}
    reports = {each.step: each.value for each in trial.reports if math.isfinite(each.value)}
    return optuna.trial.create_trial(
        state=state,
        value=trial.value if state is states.COMPLETE else None,
        params=params,
        distributions=space,
        intermediate_values=reports,
    )


def _value(parameter: Parameter, text: str) -> Any:
    if parameter.values:
        return text
    return int(text) if parameter.is_integer else float(text)


def _text(parameter: Parameter, value: Any) -> str:
    return str(value) if parameter.values else parameter.text(value)
