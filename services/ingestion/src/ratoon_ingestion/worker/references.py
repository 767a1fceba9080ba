"""What steps make of sources of the project before the first batch: tokenizers, word lists, fitted models."""

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.process.errors import RatoonError
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.names import project_of
from ratoon.tasks.curation import NAMED_ENTITIES, SEMANTIC_DUPLICATES, Step, settings_of, sources_of
from ratoon_ingestion.worker import embeddings, entities
from ratoon_ingestion.worker.batches import values
from ratoon_ingestion.worker.readers.items import SourceSpec
from ratoon_ingestion.worker.reading import SourceReader
from ratoon_ingestion.worker.rows import records_of
from ratoon_ingestion.worker.spec import source_of
from ratoon_ingestion.worker.stages import StageSettings, clean, decode_sources, drop_erased
from ratoon_ingestion.worker.steps.apply import Report, all_texts
from ratoon_ingestion.worker.steps.references import COUNTS, BadReference
from ratoon_ingestion.worker.steps.registry import PREPARED, check_installed, directory_of

_MAX_MODEL_BYTES = 1 << 30


def with_models(
    settings: StageSettings, name: str, sources: Iterable[pb.SourceSpec], store: ArtifactStore, folder: Path
) -> StageSettings:
    """Return the settings with a directory, below `folder`, of what the steps made of the sources that they name.

    `name`: a resource of the project, whose artifacts steps may read.
    """
    steps = [step for step in settings.config.steps if step.name in PREPARED]
    if not steps:
        return settings
    place = folder / f"models-{secrets.token_hex(8)}"
    prepare(steps, sources_of_steps(settings, sources, store, project_of(name)), place)
    return replace(settings, models=str(place))


def prepare(steps: Iterable[Step], references: "SourcesOfSteps", place: Path) -> None:
    """Write what steps need into directories of their own below `place`."""
    for step in steps:
        references.check(step)
        directory = directory_of(step.name, str(place))
        directory.mkdir(parents=True)
        PREPARED[step.name](settings_of(step), references, directory)


def check_ready(steps: Sequence[Step], embedding_model: str) -> None:
    """Raise StepNotInstalled or RegionUnknown unless every step of a curation can run here."""
    check_installed(steps)
    for step in steps:
        if step.name == NAMED_ENTITIES:
            entities.check_model(step)
        if step.name == SEMANTIC_DUPLICATES:
            embeddings.check_model(embedding_model)


def add_model_counts(reports: Iterable[Report], settings: StageSettings) -> None:
    """Add to the reports of steps what they counted before the first batch."""
    for report in reports:
        if settings.models and (path := directory_of(report.name, settings.models) / COUNTS).is_file():
            report.counts.update(json.loads(path.read_text()))


def sources_of_steps(
    settings: StageSettings, sources: Iterable[pb.SourceSpec], store: ArtifactStore, project: str = ""
) -> "SourcesOfSteps":
    """Return the sources of a job that its steps read, and the artifacts of a project."""
    return SourcesOfSteps(
        settings, {each.name.rpartition("/")[2]: source_of(each) for each in sources}, store, project
    )


@dataclass(frozen=True)
class SourcesOfSteps:
    """Sources of the project that steps read, as curation decodes them; without erased records."""

    settings: StageSettings
    sources: Mapping[str, SourceSpec]
    store: ArtifactStore
    project: str = ""
    """ID of the project whose artifacts steps may read; empty: none."""

    def check(self, step: Step) -> None:
        """Raise BadReference if the job has not been given a source that a step names."""
        if missing := [each for each in sources_of((step,)) if each not in self.sources]:
            raise BadReference(
                f"The source {missing[0]!r} that the step {step.name} names was not found. Import it, or change the "
                "step."
            )

    def texts(self, source: str) -> Iterator[str]:
        """Yield the texts of a source; of conversations, all messages and answers."""
        for batch in self._batches(source):
            rows = zip(values(batch, "text"), records_of(batch), strict=True)
            yield from (text if record is None else all_texts(record) for text, record in rows)

    def labelled(self, source: str) -> Iterator[tuple[str, str]]:
        """Yield the texts of a source with their labels; an empty label stands for none."""
        for batch in self._batches(source):
            labels = (label or "" for label in values(batch, "source_label"))
            yield from zip(values(batch, "text"), labels, strict=True)

    def artifact(self, digest: str) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of each file of an artifact tree; BadReference unless the project owns it."""
        if not self.store.owned(self.project, digest):
            raise BadReference(
                f"projects/{self.project} has no artifact {digest}. Name the artifact digest of a model of the project."
            )
        try:
            files = self.store.tree(digest)
        except RatoonError as error:
            raise BadReference(f"The artifact {digest} cannot be read: {error}") from None
        if sum(file.size for file in files) > _MAX_MODEL_BYTES:
            raise BadReference(f"The artifact {digest} is larger than {_MAX_MODEL_BYTES:,} bytes.")
        for file in files:
            yield file.path, self.store.read(file.sha256)

    def opened(self, source: str) -> BinaryIO:
        """Return the file of a source as it was imported."""
        return self.store.open(self.sources[source].digest)

    def _batches(self, source: str) -> Iterator[pa.RecordBatch]:
        for batch in SourceReader((self.sources[source],), self.store).batches():
            for stage in (decode_sources, drop_erased, clean):
                batch = stage(batch, self.settings).accepted
            yield batch
