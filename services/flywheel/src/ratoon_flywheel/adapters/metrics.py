"""The flywheel's own metrics for Prometheus: captured traffic that could not be read."""

from collections.abc import Iterator

from ratoon.service.metrics import Family, Sample, Source
from ratoon.storage.store import Store
from ratoon_flywheel.adapters.answers import AnswerTables

SET_ASIDE = Family(
    "ratoon_traffic_rows_set_aside",
    "Rows of captured traffic that could not be read, by fault.",
    ("fault",),
)


def traffic_metrics(store: Store, answers: AnswerTables) -> Source:
    """Return a source of the rows that are set aside; a fault without rows has no sample."""

    def samples() -> Iterator[Sample]:
        with store.read() as tx:
            counts = answers.set_aside(tx)
        yield from (Sample(SET_ASIDE, count, (fault,)) for fault, count in counts.items())

    return samples
