"""The records that stay, in record id order, without holding all of them: an external sort by known positions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from ratoon_ingestion.worker.arrays import Arrays
from ratoon_ingestion.worker.arrays import blocks as slices_of
from ratoon_ingestion.worker.batches import RECORDS, VOTES, with_attributes
from ratoon_ingestion.worker.curated import Curated
from ratoon_ingestion.worker.deduplicate import Vote
from ratoon_ingestion.worker.names import Names, Numbers, hexadecimals, order_of

_PART = 20_000
"""Records that are sorted at a time."""
_PART_BYTES = 32 << 20
"""Size of the records that are sorted at a time."""
_PARTS = 200
"""Files that are written at a time; of more than 4,000,000 records, or 6 GiB, the parts grow."""


@dataclass(frozen=True)
class Staying:
    """Rows of curated records that stay, and what they get: ids, rows that name their clusters, votes, attributes."""

    rows: Numbers
    ids: Names
    clusters: Numbers
    votes: Mapping[int, Sequence[Vote]]
    marks: Mapping[int, Mapping[str, str]] = field(default_factory=dict)


def in_id_order(records: Curated, staying: Staying, folder: Path) -> Iterator[pa.Table]:
    """Yield the records, schema RECORDS, in the order of their ids, in tables of limited size."""
    count, arrays = len(staying.rows), records.arrays
    positions = positions_of(staying.ids, arrays)
    place_of = arrays(len(records), np.int64)
    for part in slices_of(count):
        place_of[staying.rows[part]] = np.arange(part.start, part.stop)

    def blocks() -> Iterator[tuple[Numbers, pa.Table]]:
        for rows, block in records.blocks(staying.rows, _PART):
            places = place_of[rows]
            yield positions[places], _completed(records, block, staying, rows, places)

    yield from in_order(blocks(), count, RECORDS, folder, records.bytes_of_records)


def positions_of(ids: Names, arrays: Arrays | None = None) -> Numbers:
    """Return the place of each row in the order of the ids."""
    positions: Numbers = (arrays or Arrays())(len(ids), np.int64)
    order = order_of(ids, arrays=arrays)
    for part in slices_of(len(ids)):
        positions[order[part]] = np.arange(part.start, part.stop)
    return positions


def in_order(
    blocks: Iterable[tuple[Numbers, pa.Table]], count: int, schema: pa.Schema, folder: Path, size_bytes: int
) -> Iterator[pa.Table]:
    """Yield rows in the order of their positions, which are 0 to `count`, in tables of limited size.

    `blocks`: positions and their rows. `folder`: for files of parts, which are removed as they are read. `size_bytes`:
    size of all rows together.
    """
    size = max(1, min(_PART, _PART_BYTES * count // max(size_bytes, 1)), -(-count // _PARTS))
    positioned = schema.append(pa.field("position", pa.int64()))
    paths = [folder / f"part{number:03d}.arrow" for number in range(-(-count // size))]
    pool = pa.default_memory_pool()
    writers = [pa.ipc.new_stream(str(path), positioned) for path in paths]
    for positions, block in blocks:
        table = block.append_column("position", pa.array(positions))
        order = np.argsort(positions)
        parts = positions[order] // size
        for part in np.unique(parts).tolist():
            chosen = order[np.searchsorted(parts, part) : np.searchsorted(parts, part, "right")]
            writers[part].write_table(table.take(pa.array(chosen)).combine_chunks())
        pool.release_unused()
    for writer in writers:
        writer.close()
    for path in paths:
        with pa.OSFile(str(path)) as source:
            table = pa.ipc.open_stream(source).read_all().combine_chunks()
        path.unlink()
        pool.release_unused()
        yield table.take(pc.sort_indices(table.column("position"))).select(schema.names)


def _completed(
    records: Curated, block: pa.Table, staying: Staying, rows: Numbers, places: Numbers
) -> pa.Table:
    """The records with their ids and clusters; those in conflict have votes, and no label of their own."""
    votes = [staying.votes.get(row) for row in rows.tolist()]
    disputed = pa.array([each is not None for each in votes], pa.bool_())
    columns = {name: block.column(name) for name in block.column_names if name in RECORDS.names}
    columns["record_id"] = pa.array(hexadecimals(staying.ids[places]), pa.string())
    columns["cluster"] = pa.array(hexadecimals(records.ids[staying.clusters[places]]), pa.string())
    columns["source_label"] = pc.if_else(disputed, pa.scalar(None, pa.string()), columns["source_label"])
    columns["label_votes"] = pa.array(votes, VOTES)
    table = pa.table({name: columns[name] for name in RECORDS.names}).cast(RECORDS)
    if not staying.marks:
        return table
    marks = [staying.marks.get(row, {}) for row in rows.tolist()]
    return pa.Table.from_batches([with_attributes(table.combine_chunks().to_batches()[0], marks)]).cast(
        RECORDS
    )
