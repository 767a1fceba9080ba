"""When a pipeline run starts automatically: a pure decision from a policy, the signals, and the history of runs.

All signals until a run ends, plus the cool-down, are one *trigger window*: they start at most that one run. Later
signals are a new window. A run waits until its window has settled, so that it learns from the whole of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import isfinite

from ratoon.tasks.votes import Tally, Votes
from ratoon_flywheel.domain.bands import widths
from ratoon_flywheel.domain.errors import BadPolicy
from ratoon_flywheel.domain.etags import etag_of
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, State, Trigger

BUDGET_PERIOD = timedelta(days=30)
SETTLE_TIMEOUT_FACTOR = 60
"""Traffic that never pauses, or that stops short of `burst_answers`, is waited for this many `settle_seconds`."""


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

    @property
    def etag(self) -> str:
        """The mark of what a person can change."""
        return etag_of(*(getattr(self, field) for field in CHANGEABLE))


CHANGEABLE = (
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
}
"""The largest values: a duration beyond them is a slip, and dates beyond the year 9999 cannot be computed."""


def checked(policy: Policy) -> Policy:
    """Return the policy when its settings can be; BadPolicy names the field that cannot."""
    for field, max_value in _BOUNDS.items():
        value = getattr(policy, field)
        if not isfinite(value) or not 0 <= value <= max_value:
            raise BadPolicy(f"{field} may not be {value:g}; give 0 to {max_value:,.0f}.", field)
    if not 0 < policy.error_rate_threshold <= 1:
        raise BadPolicy("error_rate_threshold is a share: more than 0, at most 1.", "error_rate_threshold")
    for field in ("drift_threshold", "min_answers", "min_feedback"):
        if getattr(policy, field) == 0:
            raise BadPolicy(f"{field} must be more than 0.", field)
    return policy


def changed(policy: Policy, update: Policy, fields: Sequence[str]) -> Policy:
    """Return the policy with these fields of the update; no fields means all that can be changed."""
    unknown = sorted(set(fields) - set(CHANGEABLE))
    if unknown:
        raise BadPolicy(f"These fields cannot be changed: {', '.join(unknown)}.", "update_mask")
    return checked(replace(policy, **{field: getattr(update, field) for field in fields or CHANGEABLE}))


@dataclass(frozen=True)
class Divergence:
    """How far one feature of the traffic is from the training data, and what chance would do, in nats."""

    feature: str
    divergence: float
    noise_band: float

    @property
    def ratio(self) -> float:
        """Return the divergence in widths of the noise band."""
        return widths(self.divergence, self.noise_band)


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


@dataclass(frozen=True)
class History:
    """The retrainings and other runs of a project, as far as they bear on a decision."""

    open_run: str = ""
    last_retraining: str = ""
    last_end: datetime | None = None
    started_recently: int = 0
    """Runs that policies started in the last 30 days."""
    learned_until: datetime | None = None
    """The end of the traffic window that the last successful retraining learned from."""
    budget_spent: str = ""
    """Which limit of the project's budget is reached; empty: none."""


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


@dataclass(frozen=True)
class _Reason:
    trigger: Trigger
    sentence: str


def history_of(runs: Sequence[PipelineRun], now: datetime) -> History:
    """What a decision needs to know of the runs of a project, oldest first."""
    open_runs = [run.name for run in runs if not run.state.ended]
    retrainings = [run for run in runs if run.retrains and run.state.ended]
    learned = [run.window.end for run in retrainings if run.state is State.SUCCEEDED and run.window]
    return History(
        open_runs[0] if open_runs else "",
        retrainings[-1].name if retrainings else "",
        retrainings[-1].end_time if retrainings else None,
        sum(1 for run in runs if run.policy and run.create_time > now - BUDGET_PERIOD),
        max(learned, default=None),
    )


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
        return Decision(Verb.NOTHING, _no_signal(policy, signals))
    trigger, because = reasons[0].trigger, "; ".join(reason.sentence for reason in reasons)
    if spent := _spent(policy, history):
        return Decision(Verb.NOTHING, f"Would have started, because {because}; but {spent}.", trigger)
    if missing := _unsettled(policy, signals, now):
        return Decision(Verb.WAIT, f"Will start, because {because}; waits for {missing}.", trigger)
    if policy.dry_run:
        return Decision(Verb.NOTHING, f"Dry run: would have started, because {because}.", trigger)
    return Decision(Verb.START, f"{because[0].upper()}{because[1:]}.", trigger)


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
    candidates = [_drift(policy, signals), _errors(policy, signals), _schedule(policy, signals, history, now)]
    return [reason for reason in candidates if reason is not None]


def _drift(policy: Policy, signals: Signals) -> _Reason | None:
    beyond = [d for d in signals.divergences if d.ratio > policy.drift_threshold]
    if signals.answers < policy.min_answers or not beyond:
        return None
    divergences = ", ".join(
        f"{d.feature} {d.divergence:.4f} nats, {d.ratio:.1f} times the noise band of {d.noise_band:.4f}"
        for d in beyond
    )
    return _Reason(
        Trigger.DRIFT,
        f"the traffic has drifted from the training data of {signals.version}: {divergences} (threshold"
        f" {policy.drift_threshold:g}, {signals.answers} distinct texts)",
    )


def _errors(policy: Policy, signals: Signals) -> _Reason | None:
    def complain(tally: Tally) -> bool:
        return tally.votes >= policy.min_feedback and tally.share >= policy.error_rate_threshold

    votes, tally = signals.votes, signals.votes.tally
    if not votes.support(complain):
        return None
    return _Reason(
        Trigger.FEEDBACK,
        f"users found {tally.share:.1%} of {signals.version}'s answers wrong ({votes.negative} of {votes.total} with "
        f"feedback, each of {tally.callers} callers counted once, threshold {policy.error_rate_threshold:.1%})",
    )


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


def _no_signal(policy: Policy, signals: Signals) -> str:
    """Return the reason why nothing starts, with the numbers."""
    if not signals.version:
        return "No answers since the last trigger window."
    if signals.answers < policy.min_answers:
        drift = f"{signals.answers} of {policy.min_answers} distinct texts that a drift measurement needs"
    elif not signals.divergences:
        drift = "drift is not measured yet"
    else:
        widest = max(signals.divergences, key=lambda d: d.ratio)
        drift = f"the widest divergence ({widest.feature}) is {widest.ratio:.2f} times the noise band"
    share = f"{signals.votes.negative} of {signals.votes.total} answers with feedback were wrong"
    return f"No signal from {signals.version}: {drift}; {share}."
