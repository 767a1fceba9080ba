"""Gaussian process over the trials that are stored with a sweep, and its expected improvement (Jones et al. 1998).

The kernel is Matérn 5/2 with a length for each coordinate (Rasmussen and Williams 2006, equation 4.17). Lengths and
noise are those of the highest posterior density among seeded draws. Optuna has a Gaussian process as well, but it needs
PyTorch, which a control process does not import; numpy suffices for the few hundred trials of a sweep. NumPy is
imported with the first proposal.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ratoon_training.domain.search_space import Parameter, Settings, drawn
from ratoon_training.domain.sweeps import Sweep, TrialState

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Array = NDArray[float64]

_RANDOM_TRIALS = 10
"""Random trials before the first proposal of the model, as the estimator of Parzen has them."""
_DRAWS, _ROUNDS, _VARIANTS = 96, 3, 48
"""Draws of lengths and noise, and rounds of variants of the best of them."""
_CANDIDATES, _BEST = 1_000, 5
"""Random settings that are compared, and as many variants of the best trials."""
_JITTER = 1e-9


@dataclass(frozen=True)
class Process:
    """Gaussian process that has seen values; `lengths` by coordinate, `noise` as a share of the variance."""

    points: "Array"
    lengths: "Array"
    noise: float
    mean: float
    scale: float
    """Standard deviation of the process."""
    factor: "Array"
    """Cholesky factor of the correlations with noise."""
    weights: "Array"

    def predict(self, points: "Array") -> "tuple[Array, Array]":
        """Return mean and standard deviation at these points, without the noise of a measurement."""
        import numpy as np

        across = _correlations(points, self.points, self.lengths)
        solved = np.linalg.solve(self.factor, across.T)
        variance = np.clip(1.0 - (solved**2).sum(axis=0), 1e-12, None)
        return self.mean + across @ self.weights, self.scale * np.sqrt(variance)


class GaussianProcessModel:
    """Proposes the settings of the highest expected improvement; trials in progress count as average ones."""

    def propose(self, sweep: Sweep, number: int) -> Settings | None:
        """Return settings for the trial of this number: random ones at first; None: every setting was tried."""
        import numpy as np

        tried = [trial.settings for trial in sweep.trials]
        sign = 1.0 if sweep.maximizes else -1.0
        values = {
            trial.number: sign * trial.value
            for trial in sweep.trials
            if trial.state is TrialState.COMPLETED and trial.value is not None
        }
        if number <= _RANDOM_TRIALS or len(values) < 2:
            return drawn(sweep.parameters, sweep.seed, number, tried)
        rng = random.Random(f"{sweep.seed}:gaussian-process:{number}")
        known = [trial for trial in sweep.trials if trial.number in values or trial.is_open]
        average = math.fsum(values.values()) / len(values)
        observed = np.array([values.get(trial.number, average) for trial in known])
        process = fitted(_points(sweep.parameters, [trial.settings for trial in known]), observed, rng)
        ranked = sorted(known, key=lambda trial: (-values.get(trial.number, -math.inf), trial.number))
        best = [trial.settings for trial in ranked[:_BEST]]
        incumbent = float(process.predict(process.points)[0].max())
        for _ in range(2):  # the second time around the best candidates of the first
            candidates = _candidates(sweep.parameters, best, tried, rng)
            if not candidates:
                return drawn(sweep.parameters, sweep.seed, number, tried)
            mean, deviation = process.predict(_points(sweep.parameters, candidates))
            order = np.lexsort((mean + deviation, expected_improvement(mean, deviation, incumbent)))[::-1]
            best = [candidates[at] for at in order[:_BEST]]
        return best[0]


def expected_improvement(mean: "Array", deviation: "Array", incumbent: float) -> "Array":
    """Return by how much a normal value is expected to exceed the incumbent; values below it count 0."""
    import numpy as np

    gain = (mean - incumbent) / deviation
    density = np.exp(-0.5 * gain**2) / math.sqrt(2 * math.pi)
    above = np.array([0.5 * math.erfc(-each / math.sqrt(2)) for each in gain])
    improvement: Array = deviation * (gain * above + density)
    return improvement


def fitted(points: "Array", values: "Array", rng: random.Random) -> Process:
    """Return the process of the most probable lengths and noise among draws of their prior and variants of the best."""
    dimensions = points.shape[1]
    centre = [math.log(0.5 * math.sqrt(dimensions))] * dimensions + [math.log(1e-2)]
    spread = [0.75] * dimensions + [1.5]

    def draw() -> list[float]:
        shared = rng.gauss(0, 1)
        return [
            c + s * (shared + rng.gauss(0, 1)) / math.sqrt(2) for c, s in zip(centre, spread, strict=True)
        ]

    def prior(theta: Sequence[float]) -> float:
        return -0.5 * math.fsum(((t - c) / s) ** 2 for t, c, s in zip(theta, centre, spread, strict=True))

    def weighed(theta: list[float]) -> tuple[float, list[float]]:
        return _posterior(points, values, theta)[0] + prior(theta), theta

    top = max(weighed(theta) for theta in [centre, *(draw() for _ in range(_DRAWS))])
    for turn in range(_ROUNDS):
        width = 0.5**turn
        variants = [
            [t + width * s * rng.gauss(0, 1) for t, s in zip(top[1], spread, strict=True)]
            for _ in range(_VARIANTS)
        ]
        top = max(top, *map(weighed, variants))
    return _posterior(points, values, top[1])[1]


def _posterior(points: "Array", values: "Array", theta: Sequence[float]) -> tuple[float, Process]:
    """Return the logarithm of the likelihood, at the best mean and variance, and the process."""
    import numpy as np

    count = len(values)
    lengths = np.exp(np.clip(theta[:-1], -5.0, 5.0))
    noise = math.exp(min(max(theta[-1], -14.0), 2.0))
    correlations = _correlations(points, points, lengths) + (noise + _JITTER) * np.eye(count)
    factor = np.asarray(np.linalg.cholesky(correlations), np.float64)

    def solve(right: "Array") -> "Array":
        return np.linalg.solve(factor.T, np.linalg.solve(factor, right))

    ones = solve(np.ones(count))
    mean = float(ones @ values / ones.sum())
    weights = solve(values - mean)
    variance = max(float((values - mean) @ weights) / count, 1e-18)
    likelihood = -0.5 * count * math.log(variance) - float(np.log(np.diag(factor)).sum())
    return likelihood, Process(points, lengths, noise, mean, math.sqrt(variance), factor, weights)


def _correlations(left: "Array", right: "Array", lengths: "Array") -> "Array":
    import numpy as np

    scaled, others = left / lengths, right / lengths
    squares = (scaled**2).sum(1)[:, None] + (others**2).sum(1)[None] - 2 * scaled @ others.T
    distance = np.sqrt(5 * np.clip(squares, 0.0, None))
    correlations: Array = (1 + distance + distance**2 / 3) * np.exp(-distance)
    return correlations


def _candidates(
    parameters: Sequence[Parameter], best: Sequence[Settings], tried: Sequence[Settings], rng: random.Random
) -> list[Settings]:
    """Return random settings, and variants of the best ones that differ in few parameters; none was tried."""
    changed = max(0.2, 1 / len(parameters))

    def variant(settings: Settings) -> Settings:
        always = rng.randrange(len(parameters))
        return {
            each.name: each.draw(rng) if at == always or rng.random() < changed else settings[each.name]
            for at, each in enumerate(parameters)
        }

    settings = [{each.name: each.draw(rng) for each in parameters} for _ in range(_CANDIDATES)]
    settings += [variant(rng.choice(best)) for _ in range(_CANDIDATES)]
    before = {tuple(each.values()) for each in tried}
    unique = {tuple(each.values()): each for each in settings}
    return [each for key, each in unique.items() if key not in before]


def _points(parameters: Sequence[Parameter], settings: Sequence[Settings]) -> "Array":
    import numpy as np

    return np.array(
        [[x for each in parameters for x in _coordinates(each, own[each.name])] for own in settings]
    )


def _coordinates(parameter: Parameter, text: str) -> list[float]:
    """Return a value as coordinates from 0 to 1: one of a number or of a list of numbers, else one for each value."""
    if not parameter.values:
        low, high, value = parameter.min, parameter.max, float(text)
        if parameter.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return [(value - low) / (high - low)]
    try:
        ordered = sorted(parameter.values, key=float)
    except ValueError:
        return [float(text == each) * math.sqrt(0.5) for each in parameter.values]
    return [ordered.index(text) / max(1, len(ordered) - 1)]
