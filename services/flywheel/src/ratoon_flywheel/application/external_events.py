"""Receipt of external events: each is stored once by its source and id, and wakes the policies that expect it."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.process.errors import RatoonError
from ratoon.storage.names import matched, parent_of
from ratoon.storage.store import Store, Transaction
from ratoon_flywheel.application.commands import ReceiveEvent
from ratoon_flywheel.domain.errors import EventIdReused, EventNotExpected, FlywheelError, TooManyEvents
from ratoon_flywheel.domain.pipelines.external_events import (
    MAX_READINGS,
    MAX_WAITING,
    EventState,
    ExternalEvent,
    checked_event,
    event_name,
)
from ratoon_flywheel.domain.pipelines.policies import Policy
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, StartingEvent
from ratoon_flywheel.domain.projects import Project

API = ""
"""Stands for HTTP and gRPC where a topic is named."""
_PASSING = ("ABORTED", "UNAVAILABLE")
"""Codes of errors after which the events of a topic are read again."""
ACCEPTED, REPEATED = "accepted", "repeated"
"""Outcomes of events that are stored; the others are reasons of errors, in lower case."""


class EventCounts:
    """Counts of received events by topic and outcome since the process started; safe on any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, topic: str, outcome: str) -> None:
        """Count an event."""
        with self._lock:
            self._counts[topic, outcome.lower()] += 1

    def totals(self) -> Mapping[tuple[str, str], int]:
        """Return the counts by topic (empty: HTTP and gRPC) and outcome."""
        with self._lock:
            return dict(self._counts)


def receive_event(
    command: ReceiveEvent, store: Store, operations: Operations, counts: EventCounts, clock: Clock
) -> ExternalEvent:
    """Store an event of a project and wake the policies that expect it; a known one is returned as it is stored."""
    matched(command.parent, "projects/*", "parent")
    try:
        event = checked_event(_named(command.event, command.parent, clock.now()))
        with store.write() as tx:
            tx.get(Project, command.parent)
            policies = tx.all(Policy, command.parent)
            stored, new = receive(event, policies, tx, operations, command.request_id)
    except (FlywheelError, RatoonError) as error:
        counts.add(API, error.reason)
        raise
    counts.add(API, ACCEPTED if new else REPEATED)
    return stored


def receive_for_all(
    events: Iterable[ExternalEvent],
    tx: Transaction,
    operations: Operations,
    counts: EventCounts,
    now: datetime,
) -> None:
    """Store events of topics in each project that expects them; what a project refuses is counted."""
    policies = [policy for policy in tx.every(Policy) if policy.event_filters]
    for event in events:
        expecting: dict[str, list[Policy]] = {}
        for policy in policies:
            if policy.expects(event):
                expecting.setdefault(parent_of(policy.name), []).append(policy)
        if not expecting:
            counts.add(event.topic, EventNotExpected.reason)
        for project, theirs in expecting.items():
            counts.add(event.topic, _outcome(_named(event, project, now), theirs, tx, operations))


def receive_readings(
    readings: Sequence[ExternalEvent], tx: Transaction, operations: Operations, counts: EventCounts
) -> None:
    """Store readings of connections that count as new data for a policy of their project, each once."""
    for reading in readings:
        project = parent_of(reading.source)
        policies = [policy for policy in tx.all(Policy, project) if policy.expects(reading)]
        event = _named(reading, project, reading.create_time)
        if not policies or tx.find(ExternalEvent, event.name) is not None:
            continue
        waiting = sum(map(bool, (each.record_count for each in tx.live(ExternalEvent, project))))
        if waiting >= MAX_READINGS:
            counts.add(reading.topic, TooManyEvents.reason)
            continue
        tx.create(checked_event(event))
        counts.add(reading.topic, ACCEPTED)
        for policy in policies:
            operations.wake(tx, policy.name)


def _outcome(
    event: ExternalEvent, policies: Sequence[Policy], tx: Transaction, operations: Operations
) -> str:
    """Store an event of a topic; return the outcome, which is the reason if it is refused."""
    try:
        _, new = receive(checked_event(event), policies, tx, operations)
    except (FlywheelError, RatoonError) as error:
        if error.code in _PASSING:
            raise
        return error.reason
    return ACCEPTED if new else REPEATED


def receive(
    event: ExternalEvent,
    policies: Sequence[Policy],
    tx: Transaction,
    operations: Operations,
    request_id: str = "",
) -> tuple[ExternalEvent, bool]:
    """Store an event and wake those of these policies that expect it. Returns it, and whether it is new."""
    if (known := tx.find(ExternalEvent, event.name)) is not None:
        if not event.repeats(known):
            raise EventIdReused(
                f"{event.source:.100} has sent another event with the id {event.event_id:.100}. Give each event an id "
                "of its own."
            )
        return known, False
    expecting = [policy for policy in policies if policy.expects(event)]
    if not expecting:
        raise EventNotExpected(
            f"No policy of {parent_of(event.name)} expects events of the type {event.type:.100} from "
            f"{event.source:.100}. Add a filter to the event_filters of a policy."
        )
    _check_capacity(event, expecting, tx)
    stored, new = tx.create(event, request_id)
    for policy in expecting:
        operations.wake(tx, policy.name)
    return stored, new


def _check_capacity(event: ExternalEvent, expecting: Sequence[Policy], tx: Transaction) -> None:
    """Raise TooManyEvents if each of these policies has enough waiting events; expire those that waited too long."""
    waiting = tx.live(ExternalEvent, parent_of(event.name))
    for old in waiting:
        if not old.is_waiting(event.create_time):
            tx.save(replace(old, state=EventState.ENDED))
    waiting = [each for each in waiting if each.is_waiting(event.create_time)]
    if all(sum(map(policy.expects, waiting)) >= MAX_WAITING for policy in expecting):
        raise TooManyEvents(
            f"{MAX_WAITING} events wait for a run of {expecting[0].name}, which takes all of them. Send the event "
            "again after that run has started, if it is still news."
        )


def waiting_events(tx: Transaction, policy: Policy, now: datetime) -> tuple[ExternalEvent, ...]:
    """Return the events that wait for a run of a policy, the oldest first."""
    if not (policy.event_filters or policy.new_data_count):
        return ()
    waiting = tx.live(ExternalEvent, parent_of(policy.name))
    expected = [each for each in waiting if each.is_waiting(now) and policy.expects(each)]
    return tuple(sorted(expected, key=lambda each: (each.create_time, each.name)))


def started_by(run: PipelineRun, events: Sequence[ExternalEvent]) -> PipelineRun:
    """Return a run that these events, the oldest first, began."""
    if not events:
        return run
    first = events[0]
    starting = StartingEvent(first.name, first.event_id, first.source, first.type, first.time)
    return replace(run, starting_event=starting, event_count=len(events))


def take(events: Sequence[ExternalEvent], run: PipelineRun, tx: Transaction) -> None:
    """Note which run took these events, in the transaction that creates it."""
    for event in events:
        tx.save(replace(event, state=EventState.ENDED, pipeline_run=run.name))


def _named(event: ExternalEvent, project: str, now: datetime) -> ExternalEvent:
    name = event_name(project, event.source, event.event_id)
    return replace(event, name=name, create_time=now, update_time=now)
