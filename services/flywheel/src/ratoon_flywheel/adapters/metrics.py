"""The flywheel's own metrics for Prometheus: captured traffic that could not be read, and external events."""

from collections.abc import Callable, Iterator, Mapping

from ratoon.service.metrics import Family, Sample, Source
from ratoon.storage.store import Store
from ratoon_flywheel.adapters.answers import AnswerTables

SET_ASIDE = Family(
    "ratoon_traffic_rows_set_aside",
    "Rows of captured traffic that could not be read, by fault.",
    ("fault",),
)
EVENTS = Family(
    "ratoon_external_events",
    "External events received since the start, by topic (empty: HTTP and gRPC) and outcome: `accepted`, `repeated`, or "
    "the reason of the refusal.",
    ("topic", "outcome"),
    True,
)


def event_metrics(totals: Callable[[], Mapping[tuple[str, str], int]]) -> Source:
    """Return a source of the counts of external events."""

    def samples() -> Iterator[Sample]:
        yield from (Sample(EVENTS, count, labels) for labels, count in totals().items())

    return samples


def traffic_metrics(store: Store, answers: AnswerTables) -> Source:
    """Return a source of the rows that are set aside; a fault without rows has no sample."""

    def samples() -> Iterator[Sample]:
        with store.read() as tx:
            counts = answers.set_aside(tx)
        yield from (Sample(SET_ASIDE, count, (fault,)) for fault, count in counts.items())

    return samples
