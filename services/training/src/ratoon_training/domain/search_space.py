"""Space of a sweep: parameters of a recipe, their values, and random and grid settings. It knows no sweep.

Values are texts, as callers write them: `0.001`, `16`, `DTYPE_BFLOAT16`. A number is written so that it reads back as
the same number.
"""

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_VALUES = 1_000
MAX_GRID = 500
"""Maximum settings of a grid: a sweep has no more trials."""
_MAX_DRAWS = 100
Settings = dict[str, str]
"""Values of parameters by name."""


@dataclass(frozen=True)
class Parameter:
    """A setting of the recipe with a range or a list of values."""

    name: str
    min: float = 0.0
    max: float = 0.0
    log: bool = False
    step: float = 0.0
    values: tuple[str, ...] = ()
    is_integer: bool = False
    """True if the field of the recipe is an integer."""

    @property
    def spacing(self) -> float:
        """Distance of neighbouring values of a range; 0: any value."""
        return self.step or (1.0 if self.is_integer and not self.log else 0.0)

    def fault(self) -> str:
        """Return what is wrong with the parameter, as the end of a sentence; empty if nothing is."""
        if self.values:
            return self._fault_of_values()
        if not (math.isfinite(self.min) and math.isfinite(self.max) and self.min < self.max):
            return "needs min below max, or values"
        if self.log and (self.min <= 0 or self.step):
            return "needs min above 0 and no step, with log"
        if self.step < 0 or self.step > self.max - self.min:
            return "needs a step of at most the width of the range"
        if self.is_integer and any(not float(each).is_integer() for each in (self.min, self.max, self.step)):
            return "is an integer: min, max and step must be integers"
        return ""

    def _fault_of_values(self) -> str:
        if self.min or self.max or self.step or self.log:
            return "has both a range and values: choose one"
        if len(self.values) > MAX_VALUES:
            return f"has more than {MAX_VALUES:,} values"
        return "names a value twice" if len(set(self.values)) < len(self.values) else ""

    def text(self, value: float) -> str:
        """Return a number as a value of the parameter."""
        return str(round(value)) if self.is_integer else repr(float(value))

    def listed(self) -> tuple[str, ...] | None:
        """Return all values; None if there are more than MAX_VALUES."""
        if self.values:
            return self.values
        spacing = self.spacing or (1.0 if self.is_integer else 0.0)
        if not spacing:
            return None
        count = math.floor((self.max - self.min) / spacing + 1e-9) + 1
        if count > MAX_VALUES:
            return None
        return tuple(self.text(self.min + number * spacing) for number in range(count))

    def draw(self, rng: random.Random) -> str:
        """Return a random value, uniform in the range or in its logarithm."""
        if self.values:
            return rng.choice(self.values)
        if self.log:
            drawn = math.exp(rng.uniform(math.log(self.min), math.log(self.max)))
            return self.text(min(max(drawn, self.min), self.max))
        if listed := self.listed():
            return rng.choice(listed)
        if spacing := self.spacing:
            count = math.floor((self.max - self.min) / spacing + 1e-9)
            return self.text(self.min + rng.randint(0, count) * spacing)
        return self.text(rng.uniform(self.min, self.max))


def size_of(parameters: Sequence[Parameter]) -> float:
    """Return the number of settings of a space; infinite if a parameter has too many values to list."""
    listed = [each.listed() for each in parameters]
    return math.prod(math.inf if each is None else len(each) for each in listed)


def grid(parameters: Sequence[Parameter]) -> Iterator[Settings]:
    """Yield every combination of the values; the last parameter changes first."""
    names = [each.name for each in parameters]
    listed = [each.listed() or () for each in parameters]
    for values in itertools.product(*listed):
        yield dict(zip(names, values, strict=True))


def drawn(
    parameters: Sequence[Parameter], seed: int, number: int, tried: Sequence[Settings]
) -> Settings | None:
    """Return random settings for the trial of this number that are not among the `tried` ones.

    They are a function of seed and number, so that a sweep that resumes goes on with the same settings. None if the
    space has no other settings.
    """
    rng = random.Random(f"{seed}:{number}")
    for _ in range(_MAX_DRAWS):
        settings = {each.name: each.draw(rng) for each in parameters}
        if settings not in tried:
            return settings
    if size_of(parameters) > MAX_VALUES:
        return None
    return next((settings for settings in grid(parameters) if settings not in tried), None)
