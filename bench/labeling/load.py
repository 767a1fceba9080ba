"""Claim and answer tasks, and list them, by the HTTP API, next to Label Studio: many annotators at once at one queue.

    python bench/labeling/load.py [--quick] [--tasks 100000] [--annotators 50] [--seconds 20] [--json FILE]

Each annotator has a key and a connection of its own, takes the next task, and answers it. Ratoon runs as the gateway
and the labeling service on SQLite, Label Studio by its own command on SQLite; the tasks are written into both databases
before. Then one page of 100 tasks is listed, without and with a filter.
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from sqlalchemy import insert

from bench import label_studio
from ratoon.process.clock import SystemClock
from ratoon.runtime.services import service_names
from ratoon.security.identity import make_keys
from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.migrations import migrate
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store, codec_of
from ratoon.tasks.classify import Classify
from ratoon.tasks.label_studio import config_of, result_of
from ratoon.testkit.ports import free_ports
from ratoon_labeling import mapping
from ratoon_labeling.adapters import tables
from ratoon_labeling.domain.guidelines import ConflictPolicy, Guideline
from ratoon_labeling.domain.queues import Queue
from ratoon_labeling.domain.tasks import Reason, Task

_PROJECT = "projects/mail"
_TASK = Classify(("ham", "spam"))
_TEXT = "You have won a prize. Click here to see which one it is, and send your address. Text"
_SERVICES = ("ingestion", "labeling", "gateway")
"""Ingestion is called when tasks are listed: those of sealed records are left out."""
_START_S, _WARM_S = 60.0, 1.0
_BATCH = 5_000
_PAGES = 15


@dataclass(frozen=True)
class Work:
    """One answered task, by a connection and a key."""

    url: str
    keys: Sequence[str]
    answer: Callable[["Connection", str], tuple[str, str]]
    """Answers a task, or claims one before if none is given; returns its id and the next claimed one, if any."""
    pages: Sequence[tuple[str, str]]
    """Name and address of listings."""
    processes: Sequence[int]
    """Processes that serve."""


class ServerError(RuntimeError):
    """The server failed a call."""


class Connection:
    """HTTP connection that stays open, with the key of one caller."""

    def __init__(self, url: str, authorization: str) -> None:
        self._http = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
        self._headers = {"authorization": authorization, "content-type": "application/json"}

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Call an API; returns the JSON of the answer."""
        data = None if body is None else json.dumps(body)
        try:
            self._http.request(method, path, data, self._headers)
            response = self._http.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError):
            self._http.close()
            self._http.request(method, path, data, self._headers)
            response = self._http.getresponse()
        text = response.read()
        if response.status >= 500:
            raise ServerError(f"{method} {path}: {response.status}")
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {text[:300]!r}")
        return json.loads(text) if text else None


@dataclass(frozen=True)
class Measured:
    """Answers a second, milliseconds of an answer, and milliseconds of the pages by name."""

    per_s: float
    cpu_ms: float
    """Time of the processor that the serving processes take for an answer."""
    median_ms: float
    p95_ms: float
    twice: int
    """Tasks that two annotators answered."""
    errors: int
    """Calls that the server failed, for example because its database was locked."""
    pages_ms: dict[str, float]
    pages_cpu_ms: dict[str, float]
    """Time of the processor that the serving processes take for a page."""


def measured(work: Work, seconds: float) -> Measured:
    """Let all annotators work for some time."""
    taken: list[list[tuple[float, str]]] = [[] for _ in work.keys]
    failures: list[BaseException] = []
    errors = [0] * len(work.keys)
    begin = time.perf_counter() + _WARM_S

    def annotate(number: int, key: str) -> None:
        connection, following = Connection(work.url, key), ""
        try:
            while (start := time.perf_counter()) < begin + seconds:
                try:
                    name, following = work.answer(connection, following)
                except ServerError:
                    errors[number] += 1
                    continue
                taken[number].append((time.perf_counter() - start, name))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=annotate, args=(number, key)) for number, key in enumerate(work.keys)]
    started, cpu = time.perf_counter(), _cpu_s(work.processes)
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    elapsed, cpu = time.perf_counter() - started, _cpu_s(work.processes) - cpu
    if failures:
        raise failures[0]
    answers = [each for some in taken for each in some]
    times = sorted(1000 * duration for duration, _ in answers)
    names = [name for _, name in answers]
    connection = Connection(work.url, work.keys[0])
    pages = {name: _page_ms(connection, path, work.processes) for name, path in work.pages}
    return Measured(
        len(answers) / elapsed,
        1000 * cpu / len(answers),
        statistics.median(times),
        times[int(0.95 * (len(times) - 1))],
        len(names) - len(set(names)),
        sum(errors),
        {name: wall for name, (wall, _) in pages.items()},
        {name: cpu for name, (_, cpu) in pages.items()},
    )


def _cpu_s(processes: Sequence[int]) -> float:
    """Return the seconds of processor time that these processes have used."""
    ticks = 0
    for pid in processes:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _page_ms(connection: Connection, path: str, processes: Sequence[int]) -> tuple[float, float]:
    """Return the median milliseconds of a page, and those of the processor."""
    times, cpu = [], _cpu_s(processes)
    for _ in range(_PAGES):
        start = time.perf_counter()
        connection.call("GET", path)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times), 1000 * (_cpu_s(processes) - cpu) / _PAGES


@contextmanager
def ratoon(folder: Path, tasks: int, annotators: int) -> Iterator[Work]:
    """Run the gateway and the labeling service over a queue with tasks."""
    make_keys(folder / "keys", service_names())
    http_port, proxy = free_ports(2)
    environment = {
        **os.environ,
        **{f"RATOON_{name}_STATE": str(folder) for name in map(str.upper, _SERVICES)},
        "RATOON_GATEWAY_PORT": str(http_port),
        "RATOON_GATEWAY_GRPC": f"127.0.0.1:{proxy}",
    }
    url = f"http://127.0.0.1:{http_port}"
    with ExitStack() as stack:
        for service in _SERVICES:
            migrate(service, f"sqlite:///{folder}/{service}/{service}.db")
        processes = []
        _fill(Database(f"sqlite:///{folder}/labeling/labeling.db"), tasks)
        for service in _SERVICES:
            log = stack.enter_context((folder / f"{service}.log").open("wb"))
            command = [sys.executable, "-m", f"ratoon_{service}"]
            process = stack.enter_context(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
            stack.callback(process.terminate)
            processes.append(process.pid)
        operator = _operator(folder / "keys" / "operator.key", url)
        keys = [_key(operator, number) for number in range(annotators)]
        listing = f"/v1/{_PROJECT}/tasks?pageSize=100"
        pages = [("list", listing), ("filter", f"{listing}&filter={quote('state = OPEN')}")]
        yield Work(url, keys, _answer_ratoon, pages, processes)


def _answer_ratoon(connection: Connection, name: str) -> tuple[str, str]:
    if not name:
        claimed = connection.call("POST", f"/v1/{_PROJECT}/tasks:claim", {"queue": f"{_PROJECT}/queues/q"})
        name = str(claimed["task"]["name"])
    submitted = connection.call("POST", f"/v1/{name}:submit", {"label": "spam", "claimCount": 1})
    return name, str(submitted["nextTasks"][0]["name"])


def _fill(database: Database, count: int) -> None:
    clock = SystemClock()
    store = Store(database, tables.RESOURCES, mapping.event, outbox.append, PageTokens(b"s"), clock)
    now, version = clock.now(), f"{_PROJECT}/datasets/d/versions/v1"
    guideline = f"{_PROJECT}/guidelines/g"
    with store.write() as tx:
        tx.create(Guideline(guideline, now, now, "Is it spam?", _TASK, ConflictPolicy.HUMAN_FIRST))
        tx.create(Queue(f"{_PROJECT}/queues/q", now, now, version, guideline, _TASK, open_count=count))
    table = tables.RESOURCES[Task]
    codec = codec_of(Task, table)
    for start in range(0, count, _BATCH):
        rows = []
        for number in range(start, min(start + _BATCH, count)):
            task = Task(
                f"{_PROJECT}/tasks/t{number:07}", now, now, f"{number:064x}", "", version, _TASK, "",
                Reason.QUEUE, queue=f"{_PROJECT}/queues/q", guideline=guideline, revision=1,
            )  # fmt: skip
            common = {"name": task.name, "parent": _PROJECT, "create_time": now.isoformat(), "revision": 1}
            rows.append({**common, "body": codec.dump(task)})
        with database.write() as connection:
            connection.execute(insert(table), rows)
    database.close()


def _operator(path: Path, url: str) -> Connection:
    until = time.monotonic() + _START_S
    while True:
        try:
            connection = Connection(url, f"Bearer {path.read_text().strip()}")
            connection.call("GET", f"/v1/{_PROJECT}/queues")
            return connection
        except (OSError, RuntimeError):
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def _key(operator: Connection, number: int) -> str:
    path = f"/v1/{_PROJECT}/apiKeys?requestId=a{number}"
    # Listing tasks of queues needs an engineer; so that one key does all, each has this role.
    return f"Bearer {operator.call('POST', path, {'role': 'ROLE_ENGINEER'})['secret']}"


@contextmanager
def peer(folder: Path, tasks: int, annotators: int) -> Iterator[Work]:
    """Run Label Studio over a project with the same tasks."""
    with label_studio.running(folder) as server:
        project = server.create_project("Spam", config_of(_TASK))
        tokens = server.add(project, tasks, annotators, _TEXT)
        result = result_of("spam", _TASK)

        def answer(connection: Connection, _name: str) -> tuple[str, str]:
            task = connection.call("GET", f"/api/projects/{project}/next")
            connection.call("POST", f"/api/tasks/{task['id']}/annotations/", {"result": result})
            return str(task["id"]), ""

        listing = f"/api/tasks?project={project}&page_size=100"
        query = {"filters": {"conjunction": "and", "items": [
            {"filter": "filter:tasks:completed_at", "operator": "empty", "value": True, "type": "Datetime"}
        ]}}  # fmt: skip
        pages = [("list", listing), ("filter", f"{listing}&query={quote(json.dumps(query))}")]
        yield Work(server.url, [f"Token {token}" for token in tokens], answer, pages, [server.pid])


def main() -> None:
    """Measure both and print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 tasks, 10 annotators, 5 s")
    parser.add_argument("--tasks", type=int, default=100_000, help="tasks of the queue [100,000]")
    parser.add_argument("--annotators", type=int, default=50, help="annotators at once [50]")
    parser.add_argument("--seconds", type=float, default=20.0, help="time that each is measured [20]")
    parser.add_argument("--alone", action="store_true", help="measure Ratoon alone")
    parser.add_argument("--json", type=Path, help="where to write the results")
    options = parser.parse_args()
    tasks, annotators, seconds = (
        (2_000, 10, 5.0) if options.quick else (options.tasks, options.annotators, options.seconds)
    )
    results = {}
    for name, start in (("Ratoon", ratoon), ("Label Studio", peer)):
        if options.alone and start is peer:
            continue
        with (
            tempfile.TemporaryDirectory(prefix="ratoon-bench-labeling-") as folder,
            start(Path(folder), tasks, annotators) as work,
        ):
            results[name] = vars(measured(work, seconds))
    print(f"{tasks:,} tasks, {annotators} annotators at once, {seconds:g} s each")
    print(
        f"{'':14}{'answers/s':>11}{'CPU ms':>9}{'median ms':>11}{'p95 ms':>9}{'twice':>7}{'errors':>8}"
        f"{'list ms':>9}{'CPU':>6}{'filter ms':>11}{'CPU':>6}"
    )
    for name, row in results.items():
        pages: Any = row["pages_ms"]
        cpu: Any = row["pages_cpu_ms"]
        print(
            f"{name:14}{row['per_s']:>11.1f}{row['cpu_ms']:>9.1f}{row['median_ms']:>11.1f}{row['p95_ms']:>9.1f}"
            f"{row['twice']:>7}{row['errors']:>8}"
            f"{pages['list']:>9.1f}{cpu['list']:>6.0f}{pages['filter']:>11.1f}{cpu['filter']:>6.0f}"
        )
    if len(results) == 2:
        print(
            f"Ratio of answers a second: {results['Ratoon']['per_s'] / results['Label Studio']['per_s']:.1f}"
        )
    print(json.dumps(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
