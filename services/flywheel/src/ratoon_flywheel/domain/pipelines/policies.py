"""When a pipeline run starts automatically: a pure decision from a policy, the signals, and the history of runs.

All signals until a run ends, plus the cool-down, are one *trigger window*: they start at most that one run. Later
signals are a new window. A run waits until its window has settled, so that it learns from the whole of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import isfinite

from ratoon.tasks.votes import Tally, Votes
from ratoon_flywheel.domain.bands import widths
from ratoon_flywheel.domain.errors import BadPolicy
from ratoon_flywheel.domain.etags import etag_of
from ratoon_flywheel.domain.pipelines.external_events import (
    MAX_SOURCES,
    EventFilter,
    ExternalEvent,
    check_filters,
)
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, State, Trigger

BUDGET_PERIOD = timedelta(days=30)
SETTLE_TIMEOUT_FACTOR = 60
"""Traffic that never pauses, or that stops short of `burst_answers`, is waited for this many `settle_seconds`."""

LESSENED_TO, GROWN_TO = 0.9, 1.25
"""Drift or share of wrong answers after a retraining for it, relative to that before: below the first it was lessened,
above the second it is another one. In between, the retraining did not help, and is not repeated."""
MORE_EXAMPLES = 2
"""Factor by which the examples must grow before a retraining whose version was refused or rolled back is repeated."""


ACTIVE_INTERVAL = timedelta(seconds=1)
RETRY_INTERVAL = timedelta(seconds=20)
RUN_INTERVAL = timedelta(seconds=15)
IDLE_INTERVAL = timedelta(hours=1)
"""Times between two observations: while traffic flows, while a signal or a profile waits, during a run, and else.
Traffic, feedback, a change of the project or of the policy, and the end of a run wake a policy."""
ACTIVE_FOR = timedelta(minutes=5)
"""Time for which traffic counts as flowing after the latest answer or feedback."""


@dataclass(frozen=True)
class Policy:
    """When a pipeline run starts automatically."""

    name: str
    create_time: datetime
    update_time: datetime
    drift_threshold: float = 1.5
    """In widths of the noise band. A band is the 99th percentile of one measurement, and a window is measured often."""
    error_rate_threshold: float = 0.1
    min_answers: int = 200
    min_feedback: int = 200
    burst_answers: int = 0
    settle_seconds: float = 10.0
    cooldown_seconds: float = 3600.0
    schedule_seconds: float = 604_800.0
    """0: never."""
    budget_runs: int = 30
    paused: bool = False
    dry_run: bool = False
    burst_since: datetime | None = None
    """Time of the first signal of the current trigger window."""
    last_decision: str = ""
    last_decision_time: datetime | None = None
    revision: int = 0
    event_filters: tuple[EventFilter, ...] = ()
    """Conditions on external events, of which one suffices; empty: no event starts a run."""
    sources: tuple[str, ...] = ()
    """Ingestion sources that a run builds from if an event starts it, in addition to those that events name."""
    new_data_count: int = 0
    """New corrected or confirmed answers, or new records of connections, that start a run; 0: none do."""

    @property
    def etag(self) -> str:
        """The mark of what a person can change. Later settings count only if they are set."""
        more = [(name, getattr(self, name)) for name in _LATER if getattr(self, name)]
        return etag_of(*(getattr(self, name) for name in _OLDEST), *more)

    def expects(self, event: ExternalEvent) -> bool:
        """Return whether an event starts a run, or counts as new data for one."""
        return self.names(event) or bool(self.new_data_count and event.record_count)

    def names(self, event: ExternalEvent) -> bool:
        """Return whether a filter names an event, so that it starts a run by itself."""
        return any(each.matches(event) for each in self.event_filters)


def starting_events(policy: Policy, waiting: Sequence[ExternalEvent]) -> tuple[ExternalEvent, ...]:
    """Return those of the waiting events that start a run: all, once connections have read enough new records.

    So many readings that a run has sources enough suffice too.
    """
    readings = [event for event in waiting if event.record_count]
    enough = sum(event.record_count for event in readings) >= policy.new_data_count
    if policy.new_data_count and readings and (enough or len(readings) >= MAX_SOURCES):
        return tuple(waiting)
    return tuple(event for event in waiting if policy.names(event))


def sources_of(policy: Policy, events: Sequence[ExternalEvent]) -> tuple[str, ...]:
    """Return the sources that a run builds from which takes these events; empty: corrected traffic."""
    named = (event.ingestion_source for event in events if event.ingestion_source)
    return tuple(dict.fromkeys((*policy.sources, *named))) if events else ()


_OLDEST = (
    "drift_threshold",
    "error_rate_threshold",
    "min_answers",
    "min_feedback",
    "burst_answers",
    "settle_seconds",
    "cooldown_seconds",
    "schedule_seconds",
    "budget_runs",
    "paused",
    "dry_run",
)
_LATER = ("event_filters", "sources", "new_data_count")
CHANGEABLE = (*_OLDEST, *_LATER)
"""The fields that a person can change."""


_YEAR_S = 366 * 86_400.0
_BOUNDS: dict[str, float] = {
    "drift_threshold": 1e6,
    "min_answers": 1_000_000,
    "min_feedback": 1_000_000,
    "burst_answers": 1_000_000,
    "settle_seconds": 86_400.0,
    "cooldown_seconds": _YEAR_S,
    "schedule_seconds": _YEAR_S,
    "budget_runs": 100_000,
    "new_data_count": 1_000_000,
}
"""The largest values: a duration beyond them is a slip, and dates beyond the year 9999 cannot be computed."""


def checked(policy: Policy) -> Policy:
    """Return the policy when its settings can be; BadPolicy names the field that cannot."""
    for name, max_value in _BOUNDS.items():
        value = getattr(policy, name)
        if not isfinite(value) or not 0 <= value <= max_value:
            raise BadPolicy(f"{name} may not be {value:g}; give 0 to {max_value:,.0f}.", name)
    if not 0 < policy.error_rate_threshold <= 1:
        raise BadPolicy("error_rate_threshold is a share: more than 0, at most 1.", "error_rate_threshold")
    for name in ("drift_threshold", "min_answers", "min_feedback"):
        if getattr(policy, name) == 0:
            raise BadPolicy(f"{name} must be more than 0.", name)
    check_filters(policy.event_filters)
    if len(policy.sources) > MAX_SOURCES:
        raise BadPolicy(f"{len(policy.sources)} sources are too many; at most {MAX_SOURCES}.", "sources")
    return policy


def changed(policy: Policy, update: Policy, fields: Sequence[str]) -> Policy:
    """Return the policy with these fields of the update; no fields means all that can be changed."""
    unknown = sorted(set(fields) - set(CHANGEABLE))
    if unknown:
        raise BadPolicy(f"These fields cannot be changed: {', '.join(unknown)}.", "update_mask")
    return checked(replace(policy, **{name: getattr(update, name) for name in fields or CHANGEABLE}))


@dataclass(frozen=True)
class Divergence:
    """How far one feature of the traffic is from the training data, and what chance would do, in nats."""

    feature: str
    divergence: float
    noise_band: float
    since_promotion: float | None = None
    """Divergence from the traffic at the promotion of the version, in widths of its noise band; None: not known."""

    @property
    def ratio(self) -> float:
        """Return the divergence in widths of the noise band."""
        return widths(self.divergence, self.noise_band)

    @property
    def drift(self) -> float:
        """Return by how much the feature drifted, in widths: from the training data and since the promotion alike.

        A version that was promoted on traffic that differs from its training data has not drifted from it.
        """
        return self.ratio if self.since_promotion is None else min(self.ratio, self.since_promotion)


@dataclass(frozen=True)
class Signals:
    """Signals of the version that answers now, since the last trigger window."""

    version: str = ""
    answers: int = 0
    """Distinct texts, each once."""
    exchanges: int = 0
    """Answers, repeated texts included."""
    votes: Votes = Votes()
    """Feedback on the answers."""
    last_time: datetime | None = None
    """Of the latest answer or feedback."""
    divergences: tuple[Divergence, ...] = ()
    profiling: bool = False
    """Whether the training data are still being profiled, so that there are no divergences yet."""
    examples: Votes = Votes()
    """Answers whose right label is known and that no version in production has learned from: confirmed or corrected."""
    traces: tuple[str, ...] = ()
    """Trace contexts of the feedback, the newest first."""
    events: tuple[ExternalEvent, ...] = ()
    """External events that start a run, the oldest first."""
    new_records: int = 0
    """Records of connections that wait and do not suffice for a run yet."""


@dataclass(frozen=True)
class History:
    """The retrainings and other runs of a project, as far as they bear on a decision."""

    open_run: str = ""
    last_retraining: str = ""
    """The last retraining, or run of a policy, that has ended."""
    last_end: datetime | None = None
    started_recently: int = 0
    """Runs that policies started in the last 30 days."""
    learned_until: datetime | None = None
    """The end of the traffic window that the last successful retraining learned from."""
    budget_spent: str = ""
    """Which limit of the project's budget is reached; empty: none."""
    treatment: "Treatment | None" = None
    """The last retraining that drift started and that gave a version."""
    response: "Response | None" = None
    """The last retraining that wrong answers started and that ended with a version or with its refusal."""
    insufficient_examples: int = 0
    """Examples of the last retraining since the last success, if its version was refused or rolled back; 0: none."""


@dataclass(frozen=True)
class Treatment:
    """Retraining for drift, and how large the drift was."""

    run: str
    versions: tuple[str, ...]
    """Versions that have learned from its traffic: its own, and those of later runs."""
    drift: Mapping[str, float]
    """Drift by feature, in widths of the noise band."""

    def failed_to_lessen(self, divergence: Divergence) -> bool:
        """Return whether the drift of a feature is about what it was before the retraining."""
        before = self.drift.get(divergence.feature)
        return before is not None and LESSENED_TO * before <= divergence.drift <= GROWN_TO * before


@dataclass(frozen=True)
class Response:
    """Retraining for wrong answers, and how many there were."""

    run: str
    versions: tuple[str, ...]
    """Versions that it is the answer for: those that have learned from its traffic, or the one that stayed."""
    error_share: float
    """Share of unhappy callers before."""
    examples: int = 0
    """Examples that it needed and that did not suffice; 0: its version was promoted."""

    def failed_to_help(self, error_share: float, examples: int) -> bool:
        """Return whether the share is about what it was, and a retraining has not much more to learn from."""
        same = LESSENED_TO * self.error_share <= error_share <= GROWN_TO * self.error_share
        return same and (not self.examples or examples < MORE_EXAMPLES * self.examples)


class Verb(StrEnum):
    """What is decided."""

    START = "START"
    WAIT = "WAIT"
    NOTHING = "NOTHING"


@dataclass(frozen=True)
class Decision:
    """What is decided and why, one sentence with the numbers."""

    verb: Verb
    reason: str
    trigger: Trigger = Trigger.MANUAL
    drift: Mapping[str, float] = field(default_factory=dict)
    """Drift that starts a run, by feature, in widths of the noise band."""
    error_share: float = 0.0
    """Share of unhappy callers that starts a run; 0: it does not."""
    examples: int = 0
    """Examples that a run starts with."""
    takes_events: bool = False
    """Whether the run takes the events that wait for the policy."""
    from_sources: bool = False
    """Whether the run builds from the sources that these events name."""


@dataclass(frozen=True)
class _Reason:
    trigger: Trigger
    sentence: str
    drift: Mapping[str, float] = field(default_factory=dict)
    error_share: float = 0.0


def history_of(runs: Sequence[PipelineRun], now: datetime) -> History:
    """What a decision needs to know of the runs of a project, oldest first."""
    open_runs = [run.name for run in runs if not run.state.ended]
    retrainings = [run for run in runs if (run.retrains or run.policy) and run.state.ended]
    learned = [run.window.end for run in retrainings if run.state is State.SUCCEEDED and run.window]
    return History(
        open_runs[0] if open_runs else "",
        retrainings[-1].name if retrainings else "",
        retrainings[-1].end_time if retrainings else None,
        sum(1 for run in runs if run.policy and run.create_time > now - BUDGET_PERIOD),
        max(learned, default=None),
        insufficient_examples=_insufficient(runs),
        treatment=_treatment(runs),
        response=_response(runs),
    )


def _insufficient(runs: Sequence[PipelineRun]) -> int:
    """Return the examples of the last retraining that gave no version in production, unless a later one did."""
    answered = [run for run in runs if run.retrains and run.state in _ANSWERED]
    return answered[-1].examples if answered and answered[-1].state is not State.SUCCEEDED else 0


def _treatment(runs: Sequence[PipelineRun]) -> Treatment | None:
    """Return the last retraining that drift started and that gave a version; `runs` are oldest first."""
    succeeded = [run for run in runs if run.state is State.SUCCEEDED]
    last = next((number for number in reversed(range(len(succeeded))) if succeeded[number].drift), None)
    if last is None:
        return None
    versions = tuple(run.products.model_version for run in succeeded[last:])
    return Treatment(succeeded[last].name, versions, succeeded[last].drift)


def _response(runs: Sequence[PipelineRun]) -> Response | None:
    """Return the last retraining for wrong answers that gave a version, or one that was refused; oldest run first."""
    places = [number for number, run in enumerate(runs) if run.error_share and run.state in _ANSWERED]
    if not places:
        return None
    run = runs[places[-1]]
    if run.state is not State.SUCCEEDED:
        stayed = run.production.version if run.production else ""
        return Response(run.name, (stayed,), run.error_share, run.examples)
    later = [each for each in runs[places[-1] :] if each.state is State.SUCCEEDED]
    return Response(run.name, tuple(each.products.model_version for each in later), run.error_share)


_ANSWERED = (State.SUCCEEDED, State.REFUSED, State.ROLLED_BACK)


def window_begin(policy: Policy, history: History) -> datetime | None:
    """Return the time from which signals belong to a new trigger window: the last retraining's end plus cool-down."""
    return history.last_end + timedelta(seconds=policy.cooldown_seconds) if history.last_end else None


def decide(policy: Policy, signals: Signals, history: History, now: datetime) -> Decision:
    """Start a run, wait for the trigger window to settle, or do nothing."""
    if policy.paused:
        return Decision(Verb.NOTHING, "The policy is paused.")
    if history.open_run:
        return Decision(
            Verb.NOTHING,
            f"{history.open_run} is under way; signals that arrive before it ends belong "
            "to its trigger window.",
        )
    begin = window_begin(policy, history)
    if begin is not None and now < begin:
        until = begin.isoformat(timespec="seconds")
        return Decision(Verb.NOTHING, f"Cooling down after {history.last_retraining} until {until}.")
    reasons = _reasons(policy, signals, history, now)
    if not reasons:
        return Decision(Verb.NOTHING, _no_signal(policy, signals, history))
    trigger, because = reasons[0].trigger, "; ".join(reason.sentence for reason in reasons)
    if spent := _spent(policy, history):
        return Decision(Verb.NOTHING, f"Would have started, because {because}; but {spent}.", trigger)
    if missing := _unsettled(policy, signals, now):
        return Decision(Verb.WAIT, f"Will start, because {because}; waits for {missing}.", trigger)
    if policy.dry_run:
        return Decision(Verb.NOTHING, f"Dry run: would have started, because {because}.", trigger)
    return Decision(
        Verb.START,
        f"{because[0].upper()}{because[1:]}.",
        trigger,
        reasons[0].drift,
        max(reason.error_share for reason in reasons),
        signals.examples.total,
        bool(signals.events),
        _builds_from_sources(policy, signals),
    )


def _spent(policy: Policy, history: History) -> str:
    if history.started_recently >= policy.budget_runs:
        return f"the budget of {policy.budget_runs} runs in 30 days is spent"
    return history.budget_spent


def next_check(
    policy: Policy, decision: Decision, signals: Signals, history: History, now: datetime
) -> timedelta:
    """Return the time until the next decision if nothing wakes the policy before."""
    if decision.verb is Verb.WAIT:
        return ACTIVE_INTERVAL
    if policy.paused:
        return IDLE_INTERVAL
    if history.open_run:
        return RUN_INTERVAL
    if signals.last_time is not None and now - signals.last_time < ACTIVE_FOR:
        return ACTIVE_INTERVAL
    if decision.trigger is not Trigger.MANUAL or signals.profiling:
        return RETRY_INTERVAL
    schedule = (history.last_end or policy.create_time) + timedelta(seconds=policy.schedule_seconds)
    times = [time for time in (window_begin(policy, history), schedule) if time is not None and time > now]
    return min([IDLE_INTERVAL, *(time - now for time in times)])


def decided(policy: Policy, decision: Decision, now: datetime) -> Policy:
    """Return the policy after a decision: the begin of its trigger window, and the sentence for people if it is new."""
    signalled = decision.trigger is not Trigger.MANUAL
    after = replace(policy, burst_since=(policy.burst_since or now) if signalled else None)
    if decision.reason == policy.last_decision:
        return after
    return replace(after, last_decision=decision.reason, last_decision_time=now)


def _reasons(policy: Policy, signals: Signals, history: History, now: datetime) -> list[_Reason]:
    """Return the reasons for a run, strongest first."""
    if _builds_from_sources(policy, signals):
        return [_event(policy, signals.events)]
    candidates = [
        _drift(policy, signals, history),
        _errors(policy, signals, history),
        _event(policy, signals.events) if signals.events else None,
        _new_data(policy, signals, history),
        _schedule(policy, signals, history, now),
    ]
    return [reason for reason in candidates if reason is not None]


def _builds_from_sources(policy: Policy, signals: Signals) -> bool:
    """Return whether a run would build from sources, and not from corrected traffic."""
    return bool(sources_of(policy, signals.events))


def _event(policy: Policy, events: Sequence[ExternalEvent]) -> _Reason:
    named = [event for event in events if policy.names(event)]
    if not named:
        return _new_records(policy, events)
    first = named[0]
    time = first.time.isoformat(timespec="seconds")
    more = f", and {len(events) - 1} more" if len(events) > 1 else ""
    return _Reason(
        Trigger.EVENT,
        f"the event {first.type:.100} {first.event_id:.100} of {first.source:.100} ({time}) was received{more}",
    )


def _new_records(policy: Policy, readings: Sequence[ExternalEvent]) -> _Reason:
    records = sum(event.record_count for event in readings)
    places = {event.source for event in readings}
    kinds = {place.split("/")[2].removesuffix("s") for place in places}
    kind = kinds.pop() if len(kinds) == 1 else "place"
    return _Reason(
        Trigger.NEW_DATA,
        f"{records:,} records were read from {len(places)} {kind}{'s' * (len(places) != 1)} in {len(readings)} "
        f"source{'s' * (len(readings) != 1)} (threshold {policy.new_data_count:,})",
    )


def _drift(policy: Policy, signals: Signals, history: History) -> _Reason | None:
    beyond = [d for d in _beyond(policy, signals) if not _is_untreatable(d, signals, history)]
    if not beyond:
        return None
    return _Reason(
        Trigger.DRIFT,
        f"the traffic has drifted from the training data of {signals.version}: "
        f"{', '.join(map(_measurement, beyond))} (threshold {policy.drift_threshold:g}, {signals.answers} distinct "
        "texts)",
        {d.feature: d.drift for d in beyond},
    )


def _beyond(policy: Policy, signals: Signals) -> list[Divergence]:
    """Return the features that drifted beyond the threshold, if there are enough texts to say so."""
    if signals.answers < policy.min_answers:
        return []
    return [d for d in signals.divergences if d.drift > policy.drift_threshold]


def _is_untreatable(divergence: Divergence, signals: Signals, history: History) -> bool:
    """Return whether the version that answers was retrained for this drift, which did not lessen it."""
    treatment = history.treatment
    if treatment is None or signals.version not in treatment.versions:
        return False
    return treatment.failed_to_lessen(divergence)


def _measurement(divergence: Divergence) -> str:
    since = divergence.since_promotion
    return (
        f"{divergence.feature} {divergence.divergence:.4f} nats, {divergence.ratio:.1f} times the noise band of "
        f"{divergence.noise_band:.4f}"
        + ("" if since is None else f" and {since:.1f} times that of the traffic at its promotion")
    )


def _errors(policy: Policy, signals: Signals, history: History) -> _Reason | None:
    votes, tally = signals.votes, signals.votes.tally
    if not _is_failing(policy, signals) or _is_answered(signals, history):
        return None
    return _Reason(
        Trigger.FEEDBACK,
        f"users found {tally.share:.1%} of {signals.version}'s answers wrong ({votes.negative} of {votes.total} with "
        f"feedback, each of {tally.callers} callers counted once, threshold {policy.error_rate_threshold:.1%})",
        error_share=tally.share,
    )


def _is_failing(policy: Policy, signals: Signals) -> bool:
    """Return whether enough callers found answers wrong, none of whom decides alone."""

    def complain(tally: Tally) -> bool:
        return tally.votes >= policy.min_feedback and tally.share >= policy.error_rate_threshold

    return signals.votes.support(complain)


def _is_answered(signals: Signals, history: History) -> bool:
    """Return whether there was a retraining for wrong answers as these, which did not help."""
    response = history.response
    if response is None or signals.version not in response.versions:
        return False
    return response.failed_to_help(signals.votes.tally.share, signals.examples.total)


def _new_data(policy: Policy, signals: Signals, history: History) -> _Reason | None:
    """New examples alone start a run if there are enough of them, from several callers."""
    required = policy.new_data_count + history.insufficient_examples

    def suffice(tally: Tally) -> bool:
        return tally.votes >= required

    if not policy.new_data_count or not signals.examples.support(suffice):
        return None
    return _Reason(
        Trigger.NEW_DATA,
        f"{_new_answers(signals, history)} answers were corrected or confirmed since the last version (threshold "
        f"{policy.new_data_count})",
    )


def _new_answers(signals: Signals, history: History) -> int:
    """Return how many corrected or confirmed answers no run has tried to learn from."""
    return max(0, signals.examples.total - history.insufficient_examples)


def _schedule(policy: Policy, signals: Signals, history: History, now: datetime) -> _Reason | None:
    """The schedule only starts a run when there is something to learn: enough labels, and corrections among them."""
    since = history.last_end or policy.create_time
    due = policy.schedule_seconds > 0 and now - since >= timedelta(seconds=policy.schedule_seconds)

    def complain(tally: Tally) -> bool:
        return tally.votes >= policy.min_feedback and tally.unhappy > 0

    if not due or not signals.examples.support(complain):
        return None
    return _Reason(
        Trigger.SCHEDULE,
        f"{(now - since).days} days have passed and {signals.examples.negative} of {signals.examples.total} "
        "labelled answers were wrong",
    )


def _unsettled(policy: Policy, signals: Signals, now: datetime) -> str:
    """Return what the trigger window still lacks; empty when it has settled."""
    if _builds_from_sources(policy, signals):
        return ""
    if signals.examples.total < policy.min_feedback:
        return f"{policy.min_feedback} corrected or confirmed answers, {signals.examples.total} so far"
    silence = (now - signals.last_time).total_seconds() if signals.last_time else float("inf")
    waited = (now - policy.burst_since).total_seconds() if policy.burst_since else 0.0
    settle_timeout_s = SETTLE_TIMEOUT_FACTOR * policy.settle_seconds
    if signals.exchanges < policy.burst_answers and silence < settle_timeout_s:
        return f"{policy.burst_answers} answers, {signals.exchanges} so far"
    if signals.profiling and waited < settle_timeout_s:
        return "the profile of the training data, against which drift is measured"
    if silence < policy.settle_seconds and waited < settle_timeout_s:
        return f"{policy.settle_seconds:g} s without new answers"
    return ""


def _no_signal(policy: Policy, signals: Signals, history: History) -> str:
    """Return the reason why nothing starts, with the numbers."""
    records = (
        f" {signals.new_records:,} of {policy.new_data_count:,} new records." if signals.new_records else ""
    )
    if not signals.version:
        return f"No answers since the last trigger window.{records}"
    if tried := _untreatable(policy, signals, history) + _answered(policy, signals, history):
        return " ".join(tried)
    if signals.answers < policy.min_answers:
        drift = f"{signals.answers} of {policy.min_answers} distinct texts that a drift measurement needs"
    elif not signals.divergences:
        drift = "drift is not measured yet"
    else:
        widest = max(signals.divergences, key=lambda d: d.ratio)
        drift = f"the widest divergence ({widest.feature}) is {widest.ratio:.2f} times the noise band"
        if widest.since_promotion is not None:
            drift += f", and {widest.since_promotion:.2f} times that of the traffic at its promotion"
    share = f"{signals.votes.negative} of {signals.votes.total} answers with feedback were wrong"
    data = (
        f"; {_new_answers(signals, history)} of {policy.new_data_count} new answers"
        if policy.new_data_count
        else ""
    )
    return f"No signal from {signals.version}: {drift}; {share}{data}.{records}"


def _untreatable(policy: Policy, signals: Signals, history: History) -> list[str]:
    """Return a sentence on drift that a retraining did not lessen, if there is some."""
    beyond = _beyond(policy, signals)
    if history.treatment is None or not beyond:
        return []
    before = ", ".join(f"{d.feature} {history.treatment.drift[d.feature]:.1f}" for d in beyond)
    return [
        f"The traffic still differs from the training data of {signals.version}: "
        f"{', '.join(map(_measurement, beyond))}. {history.treatment.run} was started for this drift and did "
        f"not lessen it ({before} before), so it is not repeated. Change the data or the recipe and start a run, "
        "or raise drift_threshold."
    ]


def _answered(policy: Policy, signals: Signals, history: History) -> list[str]:
    """Return a sentence on wrong answers that a retraining did not lessen, if there are some."""
    response = history.response
    if response is None or not _is_failing(policy, signals):
        return []
    outcome, until = f"did not lessen it ({response.error_share:.1%} before)", ""
    if response.examples:
        outcome = "gave no version that was promoted"
        until = (
            f" before there are {MORE_EXAMPLES * response.examples} corrected or confirmed answers, "
            f"{signals.examples.total} so far"
        )
    return [
        f"Users find {signals.votes.tally.share:.1%} of {signals.version}'s answers wrong. {response.run} was started "
        f"for this and {outcome}, so it is not repeated{until}. Change the data or the recipe and start a run, or "
        "raise error_rate_threshold."
    ]
