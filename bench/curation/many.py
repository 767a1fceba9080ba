"""Memory of a curation on a Ray cluster: two nodes of one CPU each, sources and version on an S3 server.

    python bench/curation/many.py [--mb 8,32] [--texts FILE] [--executor ray|pool]

Each size is a job of its own, whose source are texts with their words in another order, so that none is a duplicate.
The table has the seconds, the MB a second, and the highest memory (RssAnon, MiB, looked at five times a second) of the
job with its node, while batches are curated and after that, and of each worker node. The digest of the version is the
same for both executors.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import fsspec
from texts import read, write

from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec, SourceSpec
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_limits import memory_of
from ratoon.operations.job_messages import spec_json
from ratoon.operations.jobs import JobState, LocalJobs
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.kubernetes.tools import tool
from ratoon.testkit.object_store import BUCKET, DirectoryStore, MemoryStore
from ratoon.testkit.ray_cluster import RayCluster, ray_cluster

_NODES = 2
_LOOK_S = 0.2


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", default="8,32", help="sizes of the sources in MB [8,32]")
    parser.add_argument("--texts", type=Path, help='texts of your own, one {"text": …} a line')
    parser.add_argument("--executor", choices=("ray", "pool"), default="ray")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if options.texts is None:
            write(folder / "texts.jsonl", 4)
        texts = read(options.texts or folder / "texts.jsonl")
        program = tool("versitygw")
        server = DirectoryStore(folder, program) if program else MemoryStore(folder)
        os.environ.update(server.environment)
        stack.callback(server.close)
        server.start()
        fsspec.filesystem("s3").mkdir(BUCKET)
        cluster = None
        if options.executor == "ray":
            cluster = stack.enter_context(ray_cluster())
            for _ in range(_NODES):
                cluster.start_workers(1)
        jobs = LocalJobs(folder / "jobs", cluster.driver_environment if cluster else {})
        print("MB      seconds  MB/s  curate MiB rest MiB  nodes MiB  digest")
        for size in map(float, options.mb.split(",")):
            print(measured(jobs, ArtifactStore(server.url), texts, size, cluster), flush=True)


def measured(
    jobs: LocalJobs, store: ArtifactStore, texts: list[str], size: float, cluster: RayCluster | None
) -> str:
    """Run one job; return its line of the table."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.writelines(lines(texts, size))
        file.flush()
        source = SourceSpec(
            name="projects/bench/sources/texts", digest=store.put_file(Path(file.name)), format="JSONL"
        )
    spec = CurationSpec(
        version="projects/bench/datasets/d/versions/v1",
        sources=[source],
        record_key="00" * 32,
        processes=_NODES,
        executor="ray" if cluster else "",
    )
    name, began = f"size-{size:g}", time.monotonic()
    environment = JobEnvironment(task="curate", artifacts=store.url)
    jobs.start(name, "ratoon_ingestion.worker", spec_json(environment, spec))
    pid = int(json.loads((jobs.folder(name) / "process.json").read_text())["pid"])
    own, others = dict.fromkeys(("curate", "rest"), 0), [0 for _ in cluster.pids] if cluster else []
    while (status := jobs.observe(name)).state is JobState.RUNNING:
        phase = "curate" if status.progress.fraction <= 0.8 else "rest"
        own[phase] = max(own[phase], memory_of(pid))
        if cluster:
            others = [max(peak, memory_of(node)) for peak, node in zip(others, cluster.pids, strict=True)]
        time.sleep(_LOOK_S)
    if status.state is not JobState.SUCCEEDED:
        sys.exit(f"{status.reason}: {status.message}\n{(jobs.folder(name) / 'log.txt').read_text()[-2000:]}")
    seconds = time.monotonic() - began
    nodes = " ".join(f"{each >> 20}" for each in others[1:])
    digest = str(status.result["artifact_digest"])[:12]
    peaks = f"{own['curate'] >> 20:10} {own['rest'] >> 20:8}"
    return f"{size:<7g} {seconds:7.1f} {size / seconds:5.2f} {peaks} {nodes:>10}  {digest}"


def lines(texts: list[str], size: float) -> Iterator[str]:
    """Yield texts as lines of JSON, up to a number of MB, each with its words in an order of its own."""
    shuffle, done = random.Random(7), 0
    while done < size * 1e6:
        words = shuffle.choice(texts)[:20_000].split()
        shuffle.shuffle(words)
        line = json.dumps({"text": " ".join(words)}) + "\n"
        done += len(line)
        yield line


if __name__ == "__main__":
    main()
