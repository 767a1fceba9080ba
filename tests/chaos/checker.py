"""Counts, from the databases of an installation alone, whether anything was lost or happened twice.

`python -m tests.chaos.checker STATE LEDGER` prints what is wrong, one line each, and ends with 1 if anything is.
The ledger holds what callers were told is kept, one JSON object a line: `{"kind": …, "name": …, "items": …}`, where
kind is `run` (a pipeline run that was asked for), `feedback` (an answer's id), `annotation`, or `source` (with the
number of its items). Databases are those of the state folder, or of the `RATOON_<ROOM>_DATABASE_URL` in the
environment. It knows the rooms' tables, and nothing of how the loop was driven.
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

from ratoon.sdk.local.installation import Installation

JSON = dict[str, Any]
ROOMS = ("ingestion", "labeling", "training", "evaluation", "registry", "serving", "flywheel", "gateway")
STEPS = {
    "dataset": ("ingestion", "dataset_versions"),
    "labels": ("labeling", "label_sets"),
    "split": ("ingestion", "splits"),
    "training": ("training", "training_runs"),
    "evaluation": ("evaluation", "evaluation_runs"),
    "registration": ("registry", "model_versions"),
    "rollout": ("serving", "rollouts"),
}
"""Where the resources lie that do the stages of a pipeline run."""
ENDED = {"READY", "SUCCEEDED", "FAILED", "REFUSED", "CANCELLED", "ROLLED_BACK"}
STANDING = {"Monitor", "Policy", "Deployment"}
"""Work that never ends."""


@dataclass(frozen=True)
class Ledger:
    """What callers were told is kept."""

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
    """The rooms' databases of an installation, read only."""

    def __init__(self, state: Path) -> None:
        self._installation = Installation(state)

    def rows(self, room: str, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        engine = create_engine(_read_only(self._url(room)), poolclass=NullPool)
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def is_file(self, room: str) -> bool:
        """Whether the room's database is a file of this machine."""
        return make_url(self._url(room)).get_backend_name() == "sqlite"

    def _url(self, room: str) -> str:
        return self._installation.settings(room).database_url

    def resources(self, room: str, table: str) -> list[JSON]:
        """The resources of a table, oldest first."""
        return [
            json.loads(row[0])
            for row in self.rows(room, f"SELECT body FROM {table} ORDER BY create_time, name")
        ]


Check = Callable[[Databases, Ledger], Iterator[str]]


def check(state: Path, ledger: Ledger) -> list[str]:
    """What is wrong, one sentence each; nothing when all is there, once."""
    found = Databases(state)
    return [sentence for each in CHECKS for sentence in each(found, ledger)]


def sound_files(found: Databases, _ledger: Ledger) -> Iterator[str]:
    """Every database file is intact; a server sees to its own."""
    for room in filter(found.is_file, ROOMS):
        said = [row[0] for row in found.rows(room, "PRAGMA integrity_check")]
        if said != ["ok"]:
            yield f"{room}: the database is damaged: {said[0]}"


def one_run_a_trigger(found: Databases, ledger: Ledger) -> Iterator[str]:
    """Each request made one pipeline run, and each burst of signals at most one."""
    runs = found.resources("flywheel", "pipeline_runs")
    asked = [run["name"] for run in runs if run["trigger"] == "MANUAL"]
    yield from (f"{name} was asked for and is not there" for name in ledger.runs if name not in asked)
    yield from (f"{name} was made and nobody asked for it" for name in asked if name not in ledger.runs)
    policies = {policy["name"]: policy for policy in found.resources("flywheel", "policies")}
    for policy in policies.values():
        own = [run for run in runs if run["policy"] == policy["name"]]
        for before, after in itertools.pairwise(own):
            calm = timedelta(seconds=policy["cooldown_seconds"])
            if before["end_time"] is None or _time(after["create_time"]) < _time(before["end_time"]) + calm:
                yield f"{after['name']} was started for the burst that {before['name']} was started for"


def everything_has_ended(found: Databases, _ledger: Ledger) -> Iterator[str]:
    """No run hangs, no work is left, and every event is in the log."""
    for run in found.resources("flywheel", "pipeline_runs"):
        if run["state"] not in ENDED:
            yield f"{run['name']} has not ended: {run['state']}"
    for room in ROOMS:
        for name, kind in found.rows(room, "SELECT name, kind FROM operations"):
            if kind not in STANDING:
                yield f"{room}: work on {name} is left"
        [(waiting,)] = found.rows(room, "SELECT count(*) FROM outbox")
        if waiting:
            yield f"{room}: {waiting} events were never published"


def one_resource_a_step(found: Databases, _ledger: Ledger) -> Iterator[str]:
    """Each stage of each run has one resource, and no room made one that no run knows."""
    runs = found.resources("flywheel", "pipeline_runs")
    for stage, (room, table) in STEPS.items():
        known = Counter(
            each["resource"]
            for run in runs
            for each in run["stages"]
            if each["id"] == stage and each["resource"]
        )
        made = {resource["name"] for resource in found.resources(room, table)}
        yield from (f"{name} does the {stage} of {count} runs" for name, count in known.items() if count > 1)
        yield from (f"{name} ({stage}) is not in {room}" for name in sorted(known.keys() - made))
        yield from (f"{name} ({stage}) was made and no run knows it" for name in sorted(made - known.keys()))


def one_version_a_run(found: Databases, _ledger: Ledger) -> Iterator[str]:
    """Each version has its own artifact, and each run that registered has its own version."""
    versions = found.resources("registry", "model_versions")
    artifacts = Counter((_parent(each["name"]), each["artifact_digest"]) for each in versions)
    for (model, digest), count in artifacts.items():
        if count > 1:
            yield f"{model} has {count} versions of the artifact {digest[:12]}"
    runs = found.resources("flywheel", "pipeline_runs")
    used = Counter(run["products"]["model_version"] for run in runs if run["products"]["model_version"])
    yield from (f"{version} came from {count} runs" for version, count in used.items() if count > 1)


def one_move_a_rollout(found: Databases, _ledger: Ledger) -> Iterator[str]:
    """`production` moved once for each rollout that succeeded, and for no other."""
    moves = found.resources("registry", "alias_changes")
    rollouts = found.resources("serving", "rollouts")
    wanted = Counter(each["to_version"] for each in rollouts if each["phase"] == "SUCCEEDED")
    done = Counter(move["to_version"] for move in moves if move["alias"].endswith("/aliases/production"))
    for version in sorted(wanted.keys() | done.keys()):
        if wanted[version] != done[version]:
            yield f"{wanted[version]} rollouts to {version} succeeded, production moved there {done[version]} times"


def feedback_is_there(found: Databases, ledger: Ledger) -> Iterator[str]:
    """Feedback that was acknowledged is kept and counts once."""
    kept = {each["answer_id"] for each in found.resources("flywheel", "feedback")}
    judged = Counter(row[0] for row in found.rows("flywheel", "SELECT answer_id FROM judgements"))
    for answer in ledger.feedback:
        if answer not in kept:
            yield f"the feedback on answer {answer} was acknowledged and is not there"
        elif judged[answer] != 1:
            yield f"the feedback on answer {answer} counts {judged[answer]} times"


def annotations_are_there(found: Databases, ledger: Ledger) -> Iterator[str]:
    """Annotations that were acknowledged are kept."""
    kept = {row[0] for row in found.rows("labeling", "SELECT name FROM annotations")}
    yield from (
        f"{name} was acknowledged and is not there" for name in ledger.annotations if name not in kept
    )


def records_are_there(found: Databases, ledger: Ledger) -> Iterator[str]:
    """Every item of every acknowledged source is a record or a rejected item of each version made of it."""
    items, names = dict(ledger.sources), {each["name"] for each in found.resources("ingestion", "sources")}
    yield from (f"{name} was acknowledged and is not there" for name in items if name not in names)
    for version in found.resources("ingestion", "dataset_versions"):
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
    feedback_is_there,
    annotations_are_there,
    records_are_there,
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
    print("\n".join(findings) or "all is there, once")
    sys.exit(1 if findings else 0)
