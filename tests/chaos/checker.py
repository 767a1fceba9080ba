"""Counts, from the databases of an installation alone, whether anything was lost or happened twice.

`python -m tests.chaos.checker STATE LEDGER` prints what is wrong, one line each, and ends with 1 if anything is.
The ledger holds what was acknowledged to callers, one JSON object per line: `{"kind": …, "name": …, "items": …}`, where
kind is `run` (a requested pipeline run), `feedback` (an answer's id), `annotation`, or `source` (with the
number of its items). Databases are those of the state folder, or of the `RATOON_<SERVICE>_DATABASE_URL` in the
environment. It knows the services' tables, and nothing of how the loop was driven.
"""

import itertools
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from ratoon.local.installation import Installation

JSON = dict[str, Any]
SERVICES = ("ingestion", "labeling", "training", "evaluation", "registry", "serving", "flywheel", "gateway")
STEPS = {
    "dataset": ("ingestion", "dataset_versions"),
    "labels": ("labeling", "label_sets"),
    "split": ("ingestion", "splits"),
    "training": ("training", "training_runs"),
    "evaluation": ("evaluation", "evaluation_runs"),
    "registration": ("registry", "model_versions"),
    "rollout": ("serving", "rollouts"),
}
"""Service and table of the resource of each stage of a pipeline run."""
ENDED = {"READY", "SUCCEEDED", "FAILED", "REFUSED", "CANCELLED", "ROLLED_BACK"}
PERPETUAL = {"Monitor", "Policy", "Deployment"}
"""Work that never ends."""


@dataclass(frozen=True)
class Ledger:
    """What was acknowledged to callers."""

    runs: tuple[str, ...] = ()
    feedback: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    sources: tuple[tuple[str, int], ...] = ()
    """Name and number of items."""

    @staticmethod
    def read(path: Path) -> "Ledger":
        """The ledger in a file of JSON lines."""
        lines = [json.loads(line) for line in path.read_text().splitlines()]

        def of(kind: str) -> tuple[str, ...]:
            return tuple(dict.fromkeys(line["name"] for line in lines if line["kind"] == kind))

        sources = {line["name"]: int(line["items"]) for line in lines if line["kind"] == "source"}
        return Ledger(of("run"), of("feedback"), of("annotation"), tuple(sources.items()))


class Databases:
    """The services' databases of an installation, read only."""

    def __init__(self, state: Path) -> None:
        self._installation = Installation(state)

    def rows(self, service: str, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        engine = create_engine(_read_only(self._url(service)), poolclass=NullPool)
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def is_file(self, service: str) -> bool:
        """Return True if the service's database is a file of this machine."""
        return make_url(self._url(service)).get_backend_name() == "sqlite"

    def _url(self, service: str) -> str:
        return self._installation.settings(service).database_url

    def resources(self, service: str, table: str) -> list[JSON]:
        """The resources of a table, oldest first."""
        return [
            json.loads(row[0])
            for row in self.rows(service, f"SELECT body FROM {table} ORDER BY create_time, name")
        ]


Check = Callable[[Databases, Ledger], Iterator[str]]


def check(state: Path, ledger: Ledger) -> list[str]:
    """Return what is wrong, one sentence each; empty if everything exists exactly once."""
    databases = Databases(state)
    return [sentence for each in CHECKS for sentence in each(databases, ledger)]


def sound_files(databases: Databases, _ledger: Ledger) -> Iterator[str]:
    """Every database file is intact; a server sees to its own."""
    for service in filter(databases.is_file, SERVICES):
        messages = [row[0] for row in databases.rows(service, "PRAGMA integrity_check")]
        if messages != ["ok"]:
            yield f"{service}: the database is damaged: {messages[0]}"


def one_run_a_trigger(databases: Databases, ledger: Ledger) -> Iterator[str]:
    """Each request created one pipeline run, and each trigger window at most one."""
    runs = databases.resources("flywheel", "pipeline_runs")
    requested = [run["name"] for run in runs if run["trigger"] == "MANUAL"]
    yield from (f"{name} was requested and does not exist" for name in ledger.runs if name not in requested)
    yield from (f"{name} was created without a request" for name in requested if name not in ledger.runs)
    policies = {policy["name"]: policy for policy in databases.resources("flywheel", "policies")}
    for policy in policies.values():
        own = [run for run in runs if run["policy"] == policy["name"]]
        for before, after in itertools.pairwise(own):
            cooldown = timedelta(seconds=policy["cooldown_seconds"])
            if (
                before["end_time"] is None
                or _time(after["create_time"]) < _time(before["end_time"]) + cooldown
            ):
                yield f"{after['name']} was started in the trigger window of {before['name']}"


def everything_has_ended(databases: Databases, _ledger: Ledger) -> Iterator[str]:
    """No run hangs, no work is left, and every event is in the log."""
    for run in databases.resources("flywheel", "pipeline_runs"):
        if run["state"] not in ENDED:
            yield f"{run['name']} has not ended: {run['state']}"
    for service in SERVICES:
        for name, kind in databases.rows(service, "SELECT name, kind FROM operations"):
            if kind not in PERPETUAL:
                yield f"{service}: work on {name} is left"
        [(waiting,)] = databases.rows(service, "SELECT count(*) FROM outbox")
        if waiting:
            yield f"{service}: {waiting} events were never published"


def one_resource_a_step(databases: Databases, _ledger: Ledger) -> Iterator[str]:
    """Each stage of each run has one resource, and no service has one that no run knows."""
    runs = databases.resources("flywheel", "pipeline_runs")
    for stage, (service, table) in STEPS.items():
        known = Counter(
            each["resource"]
            for run in runs
            for each in run["stages"]
            if each["id"] == stage and each["resource"]
        )
        existing = {resource["name"] for resource in databases.resources(service, table)}
        yield from (f"{name} does the {stage} of {count} runs" for name, count in known.items() if count > 1)
        yield from (f"{name} ({stage}) is not in {service}" for name in sorted(known.keys() - existing))
        yield from (
            f"{name} ({stage}) exists and no run knows it" for name in sorted(existing - known.keys())
        )


def one_version_a_run(databases: Databases, _ledger: Ledger) -> Iterator[str]:
    """Each version has its own artifact, and each run that registered has its own version."""
    versions = databases.resources("registry", "model_versions")
    artifacts = Counter((_parent(each["name"]), each["artifact_digest"]) for each in versions)
    for (model, digest), count in artifacts.items():
        if count > 1:
            yield f"{model} has {count} versions of the artifact {digest[:12]}"
    runs = databases.resources("flywheel", "pipeline_runs")
    used = Counter(run["products"]["model_version"] for run in runs if run["products"]["model_version"])
    yield from (f"{version} came from {count} runs" for version, count in used.items() if count > 1)


def one_move_a_rollout(databases: Databases, _ledger: Ledger) -> Iterator[str]:
    """`production` moved once for each rollout that succeeded, and for no other."""
    moves = databases.resources("registry", "alias_changes")
    rollouts = databases.resources("serving", "rollouts")
    expected = Counter(each["to_version"] for each in rollouts if each["phase"] == "SUCCEEDED")
    done = Counter(move["to_version"] for move in moves if move["alias"].endswith("/aliases/production"))
    for version in sorted(expected.keys() | done.keys()):
        if expected[version] != done[version]:
            yield f"{expected[version]} rollouts to {version} succeeded, production moved there {done[version]} times"


def feedback_is_present(databases: Databases, ledger: Ledger) -> Iterator[str]:
    """Acknowledged feedback is stored and counts once."""
    stored = {each["answer_id"] for each in databases.resources("flywheel", "feedback")}
    counts = Counter(row[0] for row in databases.rows("flywheel", "SELECT answer_id FROM judgements"))
    for answer in ledger.feedback:
        if answer not in stored:
            yield f"the feedback on answer {answer} was acknowledged and does not exist"
        elif counts[answer] != 1:
            yield f"the feedback on answer {answer} counts {counts[answer]} times"


def annotations_are_present(databases: Databases, ledger: Ledger) -> Iterator[str]:
    """Acknowledged annotations are stored."""
    stored = {row[0] for row in databases.rows("labeling", "SELECT name FROM annotations")}
    yield from (
        f"{name} was acknowledged and does not exist" for name in ledger.annotations if name not in stored
    )


def records_are_present(databases: Databases, ledger: Ledger) -> Iterator[str]:
    """Every item of every acknowledged source is a record or a rejected item of each version made of it."""
    items, names = (
        dict(ledger.sources),
        {each["name"] for each in databases.resources("ingestion", "sources")},
    )
    yield from (f"{name} was acknowledged and does not exist" for name in items if name not in names)
    for version in databases.resources("ingestion", "dataset_versions"):
        if version["state"] != "READY":
            continue
        counted = version["record_count"] + version["rejected_count"]
        expected = sum(items.get(source, 0) for source in version["sources"])
        if counted != version["item_count"] or (
            set(version["sources"]) <= items.keys() and counted != expected
        ):
            yield f"{version['name']} counts {counted} of {expected or version['item_count']} items"


CHECKS: tuple[Check, ...] = (
    sound_files,
    one_run_a_trigger,
    everything_has_ended,
    one_resource_a_step,
    one_version_a_run,
    one_move_a_rollout,
    feedback_is_present,
    annotations_are_present,
    records_are_present,
)


def _read_only(url: str) -> str:
    """The URL, of a file as one that is only read."""
    path = make_url(url).database
    return f"sqlite:///file:{path}?mode=ro&uri=true" if url.startswith("sqlite") else url


def _parent(name: str) -> str:
    return name.rsplit("/", 2)[0]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


if __name__ == "__main__":
    findings = check(Path(sys.argv[1]), Ledger.read(Path(sys.argv[2])))
    print("\n".join(findings) or "everything exists exactly once")
    sys.exit(1 if findings else 0)
