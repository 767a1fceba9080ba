"""Measure a whole curation of texts, from files to curated records, in a number of processes.

    python bench/curation/processes.py TEXTS.jsonl PROCESSES MB

Prints, as JSON, of a first curation and of a second one in the same processes: the seconds, the CPU seconds of all
processes, those of the busiest one, which on idle cores is the least time that it takes, and the seconds in which the
main thread of any process neither computed nor waited for a processor, of the process with most of them. The texts are
repeated up to a number of MB. The start of the processes counts for the first. The duplicate search, which always runs
in one process, is left out.
"""

import json
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
    result = {}
    for name in ("first", "second"):
        began, before, waiting = time.perf_counter(), cpu_seconds(), scheduled()
        for _ in mapped(partial(curate_batch, settings=settings), data, int(processes)):
            pass
        seconds = time.perf_counter() - began
        used = [after - before.get(pid, 0.0) for pid, after in cpu_seconds().items()]
        idle = [seconds - (after - waiting.get(pid, 0.0)) for pid, after in scheduled().items()]
        result[name] = {"seconds": seconds, "cpu": sum(used), "busiest": max(used), "idle": max(idle)}
    print(json.dumps(result))


def cpu_seconds() -> dict[int, float]:
    """Return the CPU seconds of this process and of each that it started."""
    ticks, result = os.sysconf("SC_CLK_TCK"), {}
    for pid in processes():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        result[pid] = (int(fields[11]) + int(fields[12])) / ticks
    return result


def scheduled() -> dict[int, float]:
    """Return the seconds in which the main thread of each process computed or waited for a processor."""
    result = {}
    for pid in processes():
        computed, waited, _ = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()
        result[pid] = (int(computed) + int(waited)) / 1e9
    return result


def processes() -> list[int]:
    """Return this process and those that it started, without the one that tracks resources."""
    children = map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
    return [os.getpid(), *(each for each in children if b"resource_tracker" not in command(each))]


def command(pid: int) -> bytes:
    """Return the command line of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


if __name__ == "__main__":
    main(*sys.argv[1:])
