"""Parts of a split as texts with their answers, for small models. It imports neither torch nor scikit-learn."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.classical.records import text_of
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.records import BadRecord, record_of
from ratoon_training.domain.errors import DataEmpty, DataMalformed

_COLUMNS = ("record_id", "text", "label")


@dataclass(frozen=True)
class Part:
    """A part of the split; several labels of a record are separated by line ends."""

    texts: Sequence[str]
    answers: Sequence[str]
    groups: Sequence[str] = ()
    """Name of the group of near-duplicates of each record; empty: it has none."""
    ids: tuple[str, ...] = ()


def read_part(store: ArtifactStore, digest: str, part: str) -> Part:
    """Return the records of a part in the order of their ids; DataMalformed or DataEmpty if there are none."""
    try:
        table = pq.read_table(BytesIO(store.read(digest)))
        table = table.sort_by("record_id")
        ids, texts, labels = (table.column(name).to_pylist() for name in _COLUMNS)
    except (pa.ArrowInvalid, KeyError) as error:
        first = str(error).splitlines()[0]
        raise DataMalformed(
            f"The {part} part is not a Parquet file with the columns {', '.join(_COLUMNS)}: {first}"
        ) from None
    if not ids:
        raise DataEmpty(
            f"The {part} part of the split has no record: the labelled records are too few for its share. Add labelled "
            "records (6 or more of at least two labels at shares of 0.1), or raise the share."
        )
    names = set(table.column_names)
    examples = table.column("example").to_pylist() if "example" in names else [None] * len(ids)
    clusters = table.column("cluster").to_pylist() if "cluster" in names else []
    try:
        records = [record_of(t or "", y, e) for t, y, e in zip(texts, labels, examples, strict=True)]
    except BadRecord as error:
        raise DataMalformed(f"A record of the {part} part cannot be read: {error}") from None
    answers = ["\n".join(record.answers) for record in records]
    own = [text_of(record.turns) for record in records]
    return Part(own, answers, [each or "" for each in clusters], tuple(ids))


def check_disjoint(train: Part, validation: Part) -> None:
    """Raise DataMalformed if a record is in both parts: the validation part would measure what was learned by heart."""
    if shared := set(train.ids) & set(validation.ids):
        raise DataMalformed(
            f"{len(shared):,} records are in the training part and in the validation part, such as "
            f"{min(shared)[:12]}: make a split of the dataset, whose parts share none."
        )
