"""Serving's figures for Prometheus: its engines by what is written down of them."""

from collections import Counter
from collections.abc import Iterator

from ratoon.chassis.figures import Family, Sample, Source
from ratoon.chassis.names import parent_of
from ratoon.chassis.store import Store
from ratoon_serving.domain.engine import Engine, EngineState

ENGINES = Family("ratoon_engines", "Engines that have not ended.", ("deployment", "version", "state"))


def engine_figures(store: Store) -> Source:
    """How many engines there are of each deployment and version, in which state."""

    def figures() -> Iterator[Sample]:
        with store.read() as tx:
            engines = tx.every(Engine)
        there = [each for each in engines if each.state is not EngineState.ABSENT]
        counted = Counter((parent_of(each.name), each.version, each.state.value) for each in there)
        yield from (Sample(ENGINES, count, key) for key, count in counted.items())

    return figures
