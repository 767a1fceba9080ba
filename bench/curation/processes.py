"""Measure a whole curation of texts, from files to curated records, in a number of processes.

    python bench/curation/processes.py TEXTS.jsonl PROCESSES MB

Prints the seconds and the CPU seconds of all processes. The texts are repeated up to a number of MB. The start of the
processes counts. The duplicate search, which always runs in one process, is left out.
"""

import os
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
from texts import read

from ratoon.tasks.curation import PRESETS
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.sources import Format
from ratoon_ingestion.worker.batches import items_batch
from ratoon_ingestion.worker.pool import mapped
from ratoon_ingestion.worker.readers import Item, Kind, SourceSpec
from ratoon_ingestion.worker.stages import StageSettings, curate_batch

_ITEMS = 256


def batches(texts: list[str], size: float) -> Iterator[pa.RecordBatch]:
    """Yield the texts as batches of files."""
    source = SourceSpec("projects/bench/sources/texts", "", Format.TEXT_ARCHIVE)
    items = [Item(f"{row}.txt", Kind.TEXT, text.encode()) for row, text in enumerate(texts)]
    done = 0
    while done < size * 1e6:
        for start in range(0, len(items), _ITEMS):
            part = items[start : start + _ITEMS]
            done += sum(len(item.payload) for item in part)
            yield items_batch(source, part)


def main(path: str, processes: str, size: str) -> None:
    """Measure."""
    settings = StageSettings(bytes(32), CurationConfig(steps=PRESETS["web"]))
    data = list(batches(read(Path(path)), float(size)))
    curate_batch(data[0], settings)
    began, cpu = time.perf_counter(), sum(os.times()[:4])
    for _ in mapped(partial(curate_batch, settings=settings), data, int(processes)):
        pass
    print(time.perf_counter() - began, sum(os.times()[:4]) - cpu)


if __name__ == "__main__":
    main(*sys.argv[1:])
