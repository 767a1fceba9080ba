"""What steps of a curation read: test parts and benchmarks of `decontamination`, sources of the others."""

from ratoon.storage.store import Transaction
from ratoon.tasks.curation import AUGMENT, DECONTAMINATION, Step, settings_of, sources_of
from ratoon_ingestion.application.joining import with_partner
from ratoon_ingestion.application.ports import HeldOutTexts
from ratoon_ingestion.domain.assignment import Part
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.datasets import Dataset
from ratoon_ingestion.domain.sources import Source
from ratoon_ingestion.domain.splits import Split


def held_out_texts(tx: Transaction, config: CurationConfig | None, project: str) -> HeldOutTexts:
    """Return the sealed test parts of a project (projects/{project}) and the benchmarks that a curation names.

    NotFound if a benchmark is no source of the project. Nothing if the curation does not list the step.
    """
    step = next((step for step in (config.steps if config else ()) if step.name == DECONTAMINATION), None)
    if step is None:
        return HeldOutTexts()
    params = settings_of(step)
    benchmarks = tuple(_source(tx, f"{project}/sources/{each}") for each in params["benchmarks"])
    if not params["test_parts"]:
        return HeldOutTexts(benchmarks=benchmarks)
    splits = (split for dataset in tx.all(Dataset, project) for split in tx.all(Split, dataset.name))
    digests = {split.parts[Part.TEST].readable_digest for split in splits if split.state.readable}
    return HeldOutTexts(tuple(sorted(digests)), benchmarks)


def augmentation_of(config: CurationConfig) -> Step | None:
    """Return the step that makes copies of training records, if a curation has it."""
    return next((step for step in config.steps if step.name == AUGMENT), None)


def step_sources(tx: Transaction, config: CurationConfig | None, project: str) -> tuple[Source, ...]:
    """Return the sources of a project (projects/{project}) that other steps name; NotFound if one does not exist."""
    steps = config.steps if config else ()
    return tuple(_source(tx, f"{project}/sources/{each}") for each in sources_of(steps))


def _source(tx: Transaction, name: str) -> Source:
    return with_partner(tx, tx.get(Source, name))
