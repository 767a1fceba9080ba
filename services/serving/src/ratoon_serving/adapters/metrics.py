"""Metrics of serving for Prometheus: its live engines by deployment, version and recorded state."""

from collections import Counter
from collections.abc import Iterator

from ratoon.service.metrics import Family, Sample, Source
from ratoon.storage.names import parent_of
from ratoon.storage.store import Store
from ratoon_serving.domain.engine import Engine

ENGINES = Family("ratoon_engines", "Engines that have not ended.", ("deployment", "version", "state"))


def engine_metrics(store: Store) -> Source:
    """Return the number of live engines by deployment, version and state; ended ones are not read."""

    def samples() -> Iterator[Sample]:
        with store.read() as tx:
            engines = tx.live(Engine)
        counts = Counter((parent_of(each.name), each.version, each.state.value) for each in engines)
        yield from (Sample(ENGINES, count, key) for key, count in counts.items())

    return samples
