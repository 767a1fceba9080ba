"""The step `decontamination` of a job: the hashes of what it searches, and what it cannot search."""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ratoon.jobs.v1.ingestion_jobs_pb2 import DecontaminationSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.curation import DECONTAMINATION
from ratoon_ingestion.worker.contamination import Item, items_of, read_index, unchecked, write_index
from ratoon_ingestion.worker.reading import SourceReader
from ratoon_ingestion.worker.spec import source_of
from ratoon_ingestion.worker.stages import StageSettings, clean, contamination_sizes, decode_sources
from ratoon_ingestion.worker.steps.apply import Report


def with_contamination(
    settings: StageSettings, spec: DecontaminationSpec, store: ArtifactStore, folder: Path
) -> StageSettings:
    """Return the settings with the hashes of test parts and benchmarks, written below a directory."""
    if not spec.test_parts and not spec.benchmarks:
        return settings
    benchmarks = ((each.name, _items(settings, each, store)) for each in spec.benchmarks)
    place = folder / f"hashes-{secrets.token_hex(8)}"
    write_index(spec, benchmarks, store, contamination_sizes(settings.config.steps), place)
    return replace(settings, contamination=str(place))


def add_unchecked(reports: Iterable[Report], settings: StageSettings) -> None:
    """Add to the report of the step how many items are too short to be searched."""
    for report in reports:
        if report.name == DECONTAMINATION:
            report.counts.update(unchecked(read_index(settings.contamination)))


def _items(
    settings: StageSettings, benchmark: DecontaminationSpec.Benchmark, store: ArtifactStore
) -> Iterator[Item]:
    for batch in SourceReader((source_of(benchmark.source),), store).batches():
        decoded = clean(decode_sources(batch, settings).accepted, settings).accepted
        yield from items_of(decoded, "source_path")
