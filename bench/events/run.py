"""Commit → effect: latency from one service's commit to its effect in another service, on both logs.

    python bench/events/run.py [--events N] [--json FILE]

Each log carries the same load in the same run: a writer commits changes with their events to its outbox, the relay
publishes them, a consumer applies each in a transaction of its own service. Latency is measured with one change at a
time, the rate with changes committed as fast as they go, one by one and twenty to a transaction. Kafka is a real
broker on loopback (fetched with Maven); where Java or Maven is missing its rows say so.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

from ratoon.events.cloudevents import Event
from ratoon.events.embedded import EmbeddedLog
from ratoon.events.kafka import KafkaLog, KafkaSettings
from ratoon.events.ports import EventLog, Topic, with_dead_letters
from ratoon.process.clock import SystemClock
from ratoon.storage.database import Database
from ratoon.testkit.events import SampleService
from ratoon.testkit.kafka import Broker, missing

TOPIC = "ratoon.bench.v1.things"
KEYS = 50


class Effects:
    """Times at which events took effect; the consumer's database has the effect itself."""

    def __init__(self, service: SampleService) -> None:
        self._service = service
        self._applied = 0
        self._changed = threading.Condition()
        self.times: list[float] = []

    def apply(self, event: Event, connection: Connection) -> None:
        """The consumer's handler."""
        self._service.apply(event, connection)
        self._applied += 1

    def committed(self) -> None:
        """Stamp what is committed by now; called after each commit of the consumer's service."""
        now = time.perf_counter()
        with self._changed:
            self.times += [now] * (self._applied - len(self.times))
            self._changed.notify_all()

    def wait(self, count: int) -> None:
        """Wait until `count` events have taken effect."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.times) >= count, timeout=300):
                raise SystemExit(f"only {len(self.times)} of {count} events took effect in 300 s")


@contextmanager
def services(log: EventLog, folder: Path) -> Iterator[tuple[SampleService, Effects]]:
    """Run a service that writes and one that applies, with relay and consumer."""
    log.create_topics(with_dead_letters([Topic(TOPIC)]))
    folder.mkdir(parents=True, exist_ok=True)
    writer, reader = (
        SampleService(Database(f"sqlite:///{folder}/{name}.db"), log, TOPIC) for name in ("writer", "reader")
    )
    effects = Effects(reader)
    reader.database.on_commit(effects.committed)
    relay, consumer = writer.relay(), reader.consumer(effects.apply, batch=100)
    relay.start()
    consumer.start()
    yield writer, effects
    consumer.stop()
    relay.stop()
    log.close()


def measure(log: EventLog, folder: Path, events: int) -> dict[str, float]:
    """Latency and rates of one log."""
    with services(log, folder) as (writer, effects):
        writer.change("things/warm")
        effects.wait(1)
        latencies = [one(writer, effects, number) for number in range(200)]
        singly = rate(writer, effects, events, 1)
        batched = rate(writer, effects, events, 20)
    ordered = sorted(latencies)
    return {
        "p50_ms": round(statistics.median(ordered) * 1000, 2),
        "p99_ms": round(ordered[int(len(ordered) * 0.99) - 1] * 1000, 2),
        "events_per_s_one_a_commit": round(singly),
        "events_per_s_twenty_a_commit": round(batched),
    }


def one(writer: SampleService, effects: Effects, number: int) -> float:
    """Seconds from a commit to its effect, nothing else going on."""
    before = len(effects.times)
    writer.change(f"things/{number % KEYS}")
    committed = time.perf_counter()
    effects.wait(before + 1)
    return effects.times[-1] - committed


def rate(writer: SampleService, effects: Effects, events: int, per_commit: int) -> float:
    """Events per second from the first commit to the last effect."""
    before, start = len(effects.times), time.perf_counter()
    for first in range(0, events, per_commit):
        with writer.database.write() as connection:
            for number in range(first, first + per_commit):
                writer.change_in(connection, f"things/{number % KEYS}")
    effects.wait(before + events)
    return events / (time.perf_counter() - start)


def main() -> None:
    """Measure both logs, print the table and write the JSON."""
    parser = argparse.ArgumentParser(description="Commit → effect, embedded log and Kafka.")
    parser.add_argument("--events", type=int, default=4000, help="events of each rate measurement")
    parser.add_argument("--json", type=Path, help="JSON file of the results")
    options = parser.parse_args()
    results: dict[str, dict[str, float] | str] = {}
    with tempfile.TemporaryDirectory(prefix="ratoon-bench-events-") as name:
        folder = Path(name)
        embedded = EmbeddedLog(folder / "log", SystemClock())
        results["embedded"] = measure(embedded, folder / "embedded", options.events)
        results["kafka"] = missing() or on_kafka(folder, options.events)
    report = {
        "date": datetime.now(UTC).isoformat(),
        "machine": machine(),
        "events": options.events,
        **results,
    }
    print_table(results)
    print(json.dumps(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def on_kafka(folder: Path, events: int) -> dict[str, float]:
    """The same on a broker of its own."""
    (folder / "broker").mkdir()
    broker = Broker(folder / "broker")
    try:
        broker.start()
        return measure(KafkaLog(KafkaSettings(bootstrap=broker.direct)), folder / "kafka", events)
    finally:
        broker.close()


def machine() -> str:
    """Return a description of the machine."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}, Python {sys.version.split()[0]}"


def print_table(results: dict[str, dict[str, float] | str]) -> None:
    """One row a log."""
    print(f"{'log':10}{'p50 ms':>10}{'p99 ms':>10}{'events/s':>12}{'events/s, 20 a commit':>24}")
    for name, row in results.items():
        if isinstance(row, str):
            print(f"{name:10}{row}")
            continue
        p50, p99, singly, batched = row.values()
        print(f"{name:10}{p50:>10}{p99:>10}{singly:>12}{batched:>24}")


if __name__ == "__main__":
    main()
