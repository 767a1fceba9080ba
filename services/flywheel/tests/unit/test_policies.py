"""A policy decides with numbers, and starts exactly one run a trigger window, even if several replicas decide."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ratoon.operations.operations import Claim, Operations
from ratoon.process.clock import Clock
from ratoon.process.errors import FailedPrecondition, described
from ratoon.service.compute import JobDevices
from ratoon.storage.database import Database
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store
from ratoon.tasks.classify import Classify
from ratoon.tasks.compute import Accelerator, Compute
from ratoon.tasks.votes import Votes, count_votes
from ratoon.testkit.clock import FakeClock
from ratoon_flywheel import mapping
from ratoon_flywheel.adapters import tables
from ratoon_flywheel.adapters.runs import RunTables
from ratoon_flywheel.application.procedures import PolicyObservation, PolicyProcedure
from ratoon_flywheel.domain.errors import BadPolicy
from ratoon_flywheel.domain.pipelines.budget import Rates
from ratoon_flywheel.domain.pipelines.policies import (
    Divergence,
    History,
    Policy,
    Response,
    Signals,
    Treatment,
    Verb,
    changed,
    checked,
    decide,
    decided,
    history_of,
    next_check,
)
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, Production, Products, State, Trigger
from ratoon_flywheel.domain.project_settings import StageCompute
from ratoon_flywheel.domain.projects import Project

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
POLICY = Policy("projects/mail/policies/default", NOW - timedelta(days=1), NOW)
LONG_AGO = NOW - timedelta(minutes=2)
V1 = "projects/mail/models/mail/versions/v1.0"
NO_SIGNAL = Signals(
    V1,
    600,
    1000,
    Votes(297, 3),
    LONG_AGO,
    (Divergence("tokens", 0.0152, 0.0209),),
    examples=Votes(297, 3),
)
DRIFTED = replace(
    NO_SIGNAL, divergences=(Divergence("tokens", 0.1939, 0.0141), Divergence("length", 0.01, 0.02))
)
FAILING = replace(NO_SIGNAL, votes=Votes(210, 90))


def test_no_signal_no_run_and_the_numbers_say_why():
    decision = decide(POLICY, NO_SIGNAL, History(), NOW)
    assert decision.verb is Verb.NOTHING
    assert "0.73 times the noise band" in decision.reason
    assert "3 of 300 answers with feedback were wrong" in decision.reason


def test_drift_beyond_the_threshold_starts_with_the_numbers():
    decision = decide(POLICY, DRIFTED, History(), NOW)
    assert (decision.verb, decision.trigger) == (Verb.START, Trigger.DRIFT)
    assert (
        "tokens 0.1939 nats, 13.8 times the noise band of 0.0141 (threshold 1.5, 600 distinct texts)"
        in decision.reason
    )
    assert "length" not in decision.reason


PROJECT = Project("projects/mail", NOW, NOW, Classify(("ham", "spam")))
V2 = "projects/mail/models/mail/versions/v1.1"
TREATMENT = Treatment("projects/mail/pipelineRuns/r", (V2,), {"tokens": 13.8})


def drifted_to(ratio: float, since_promotion: float | None = None, version: str = V2) -> Signals:
    """Signals of a version whose tokens are this many widths of the noise band away."""
    return replace(
        NO_SIGNAL,
        version=version,
        divergences=(Divergence("tokens", ratio * 0.01, 0.01, since_promotion),),
    )


@pytest.mark.parametrize(
    ("since_promotion", "verb", "says"),
    [
        (None, Verb.START, "8.2 times the noise band"),
        (
            5.0,
            Verb.START,
            "8.2 times the noise band of 0.0100 and 5.0 times that of the traffic at its promotion",
        ),
        (
            1.4,
            Verb.NOTHING,
            "is 8.20 times the noise band, and 1.40 times that of the traffic at its promotion",
        ),
    ],
)
def test_traffic_like_that_at_the_promotion_of_the_version_has_not_drifted(since_promotion, verb, says):
    decision = decide(POLICY, drifted_to(8.2, since_promotion), History(), NOW)
    assert decision.verb is verb
    assert says in decision.reason


@pytest.mark.parametrize(
    ("signals", "verb"),
    [
        (drifted_to(13.8), Verb.NOTHING),
        (drifted_to(12.5), Verb.NOTHING),
        (drifted_to(17.0), Verb.NOTHING),
        (drifted_to(8.2), Verb.START),
        (drifted_to(20.0), Verb.START),
        (drifted_to(13.8, version=V1), Verb.START),
        (replace(drifted_to(13.8), votes=Votes(210, 90)), Verb.START),
        (replace(drifted_to(13.8), divergences=(Divergence("length", 0.2, 0.01),)), Verb.START),
    ],
    ids=["same", "about", "more", "lessened", "grown", "older-version", "wrong-answers", "another-feature"],
)
def test_a_retraining_that_did_not_lessen_its_drift_is_not_repeated(signals, verb):
    decision = decide(POLICY, signals, History(treatment=TREATMENT), NOW)
    assert decision.verb is verb
    if verb is Verb.NOTHING:
        assert (
            "projects/mail/pipelineRuns/r was started for this drift and did not lessen it" in decision.reason
        )
        assert "(tokens 13.8 before), so it is not repeated" in decision.reason


RESPONSE = Response("projects/mail/pipelineRuns/f", (V2,), 0.3)
REFUSED = Response("projects/mail/pipelineRuns/g", (V1,), 0.3, examples=300)


def failing(share: float, version: str = V2, examples: int = 300, **signals: object) -> Signals:
    """Signals of a version of whose answers users find this share wrong."""
    negative = round(1000 * share)
    known = Votes(examples, 0)
    return replace(
        NO_SIGNAL, version=version, votes=Votes(1000 - negative, negative), examples=known, **signals
    )


@pytest.mark.parametrize(
    ("signals", "response", "verb"),
    [
        (failing(0.3), RESPONSE, Verb.NOTHING),
        (failing(0.28), RESPONSE, Verb.NOTHING),
        (failing(0.36), RESPONSE, Verb.NOTHING),
        (failing(0.2), RESPONSE, Verb.START),
        (failing(0.4), RESPONSE, Verb.START),
        (failing(0.3, examples=3000), RESPONSE, Verb.NOTHING),
        (failing(0.3, V1), RESPONSE, Verb.START),
        (replace(DRIFTED, version=V2, votes=failing(0.3).votes), RESPONSE, Verb.START),
        (failing(0.3, V1), REFUSED, Verb.NOTHING),
        (failing(0.3, V1, 599), REFUSED, Verb.NOTHING),
        (failing(0.3, V1, 600), REFUSED, Verb.START),
        (failing(0.4, V1), REFUSED, Verb.START),
    ],
    ids=[
        *("same", "about", "more", "lessened", "grown", "more-examples", "older-version", "drift"),
        *("refused", "few-more-examples", "twice-the-examples", "refused-and-grown"),
    ],
)
def test_a_retraining_that_did_not_help_against_wrong_answers_is_not_repeated(signals, response, verb):
    decision = decide(POLICY, signals, History(response=response), NOW)
    assert decision.verb is verb
    if verb is Verb.NOTHING:
        assert f"{response.run} was started for this and" in decision.reason
        assert "is not repeated" in decision.reason
        assert ("before there are 600 corrected" in decision.reason) is (response is REFUSED)


def test_all_that_was_tried_is_said():
    signals = failing(0.3, divergences=DRIFTED.divergences)
    decision = decide(POLICY, signals, History(treatment=TREATMENT, response=RESPONSE), NOW)
    assert decision.verb is Verb.NOTHING
    assert decision.reason.count("so it is not repeated") == 2


def test_a_start_says_how_many_found_answers_wrong_and_history_finds_it_again():
    decision = decide(POLICY, FAILING, History(), NOW)
    assert (decision.error_share, decision.examples) == (0.3, 300)
    both = decide(POLICY, replace(FAILING, divergences=DRIFTED.divergences), History(), NOW)
    assert (both.trigger, both.error_share) == (Trigger.DRIFT, 0.3)
    assert decide(POLICY, DRIFTED, History(), NOW).error_share == 0.0

    def ran(number: int, state: State, error_share: float) -> PipelineRun:
        products = Products(model_version=f"v1.{number}")
        production = Production(f"v1.{number - 1}", "a" * 64, "projects/mail/datasets/d/splits/s")
        return PipelineRun(
            f"projects/mail/pipelineRuns/{number}",
            NOW,
            NOW,
            PROJECT,
            state=state,
            products=products,
            production=production,
            error_share=error_share,
            examples=300,
        )

    runs = [
        ran(1, State.SUCCEEDED, 0.5),
        ran(2, State.SUCCEEDED, 0.4),
        ran(3, State.FAILED, 0.3),
        ran(4, State.SUCCEEDED, 0.0),
    ]
    response = history_of(runs, NOW).response
    assert response == Response("projects/mail/pipelineRuns/2", ("v1.2", "v1.4"), 0.4)
    for state in (State.REFUSED, State.ROLLED_BACK):
        refused = history_of([*runs, ran(5, state, 0.3)], NOW).response
        assert refused == Response("projects/mail/pipelineRuns/5", ("v1.4",), 0.3, 300)
    assert history_of(runs[2:], NOW).response is None


def test_a_start_says_how_large_the_drift_is_and_history_finds_it_again():
    decision = decide(POLICY, DRIFTED, History(), NOW)
    assert decision.drift == {"tokens": pytest.approx(13.75, abs=0.01)}
    assert decide(POLICY, FAILING, History(), NOW).drift == {}

    def ran(number: int, state: State, drift: dict[str, float]) -> PipelineRun:
        products = Products(model_version=f"v1.{number}")
        name = f"projects/mail/pipelineRuns/{number}"
        return PipelineRun(name, NOW, NOW, PROJECT, state=state, products=products, drift=drift)

    runs = [
        ran(1, State.SUCCEEDED, {"tokens": 9.0}),
        ran(2, State.SUCCEEDED, {"tokens": 7.0}),
        ran(3, State.REFUSED, {"tokens": 5.0}),
        ran(4, State.SUCCEEDED, {}),
    ]
    treatment = history_of(runs, NOW).treatment
    assert treatment == Treatment("projects/mail/pipelineRuns/2", ("v1.2", "v1.4"), {"tokens": 7.0})
    assert history_of(runs[2:], NOW).treatment is None


def test_many_wrong_answers_start_by_themselves():
    decision = decide(POLICY, FAILING, History(), NOW)
    assert (decision.verb, decision.trigger) == (Verb.START, Trigger.FEEDBACK)
    assert "30.0%" in decision.reason
    assert "90 of 300 with feedback" in decision.reason


@pytest.mark.parametrize(
    ("policy", "signals", "history", "verb", "says"),
    [
        (replace(POLICY, paused=True), DRIFTED, History(), Verb.NOTHING, "paused"),
        (POLICY, DRIFTED, History(open_run="r"), Verb.NOTHING, "r is under way"),
        (
            POLICY,
            DRIFTED,
            History(last_retraining="r", last_end=NOW),
            Verb.NOTHING,
            "Cooling down after r until",
        ),
        (
            POLICY,
            DRIFTED,
            History(started_recently=30),
            Verb.NOTHING,
            "the budget of 30 runs in 30 days is spent",
        ),
        (
            replace(POLICY, dry_run=True),
            DRIFTED,
            History(),
            Verb.NOTHING,
            "Dry run: would have started, because",
        ),
        (POLICY, replace(DRIFTED, answers=199), History(), Verb.NOTHING, "199 of 200 distinct texts"),
        (
            POLICY,
            replace(DRIFTED, examples=Votes(10)),
            History(),
            Verb.WAIT,
            "200 corrected or confirmed answers, 10 so far",
        ),
        (POLICY, replace(DRIFTED, last_time=NOW), History(), Verb.WAIT, "10 s without new answers"),
        (POLICY, replace(FAILING, profiling=True), History(), Verb.WAIT, "the profile of the training data"),
        (
            replace(POLICY, burst_answers=2000),
            replace(DRIFTED, last_time=NOW),
            History(),
            Verb.WAIT,
            "2000 answers",
        ),
        (
            replace(POLICY, burst_answers=2000),
            replace(DRIFTED, last_time=NOW - timedelta(hours=1)),
            History(),
            Verb.START,
            "",
        ),
        (
            replace(POLICY, burst_since=NOW - timedelta(hours=1)),
            replace(DRIFTED, last_time=NOW),
            History(),
            Verb.START,
            "",
        ),
        (
            replace(POLICY, drift_threshold=14.0),
            DRIFTED,
            History(),
            Verb.NOTHING,
            "13.75 times the noise band",
        ),
        (replace(POLICY, error_rate_threshold=0.4), FAILING, History(), Verb.NOTHING, "90 of 300"),
    ],
)
def test_the_reason_names_what_holds_a_run_back(policy, signals, history, verb, says):
    decision = decide(policy, signals, history, NOW)
    assert decision.verb is verb
    assert says in decision.reason


def feedback_of(callers: int, votes: int) -> Votes:
    return count_votes((f"caller {number}", 0, votes) for number in range(callers))


@pytest.mark.parametrize("others", [Votes(), Votes(3), Votes(0, 3), Votes(60)])
def test_one_caller_starts_nothing_however_often_it_votes(others):
    policy = replace(POLICY, min_feedback=50)
    votes = count_votes([*feedback_of(1, 50).rows, *others.rows])
    assert decide(policy, replace(NO_SIGNAL, votes=votes), History(), NOW).verb is Verb.NOTHING


def test_ten_callers_start_a_retraining():
    policy = replace(POLICY, min_feedback=50)
    decision = decide(policy, replace(NO_SIGNAL, votes=feedback_of(10, 50)), History(), NOW)
    assert (decision.verb, decision.trigger) == (Verb.START, Trigger.FEEDBACK)
    assert "500 of 500 with feedback, each of 10 callers counted once" in decision.reason


def test_one_callers_corrections_start_no_scheduled_retraining():
    history = History(last_retraining="r", last_end=NOW - timedelta(days=8))
    corrected = count_votes([("loud", 0, 300), ("", 300, 0)])
    assert decide(POLICY, replace(NO_SIGNAL, examples=corrected), history, NOW).verb is Verb.NOTHING
    corrected = count_votes([*corrected.rows, ("", 0, 1)])
    assert decide(POLICY, replace(NO_SIGNAL, examples=corrected), history, NOW).verb is Verb.START


def test_the_schedule_starts_only_what_has_something_to_learn():
    history = History(last_retraining="r", last_end=NOW - timedelta(days=8))
    decision = decide(POLICY, NO_SIGNAL, history, NOW)
    assert (decision.verb, decision.trigger) == (Verb.START, Trigger.SCHEDULE)
    assert decision.reason.startswith("8 days have passed and 3 of 300 labelled answers were wrong")
    for signals in (replace(NO_SIGNAL, examples=Votes(300)), replace(NO_SIGNAL, examples=Votes(196, 3))):
        assert decide(POLICY, signals, history, NOW).verb is Verb.NOTHING
    assert decide(replace(POLICY, schedule_seconds=0.0), NO_SIGNAL, history, NOW).verb is Verb.NOTHING


def test_a_trigger_window_is_as_old_as_its_first_signal():
    first = decided(POLICY, decide(POLICY, DRIFTED, History(), NOW), NOW)
    later = decided(first, decide(first, DRIFTED, History(), NOW), NOW + timedelta(seconds=5))
    assert later.burst_since == NOW
    assert later.last_decision_time == NOW
    assert decided(later, decide(later, NO_SIGNAL, History(), NOW), NOW).burst_since is None


@pytest.mark.parametrize(
    "settings_of",
    [{"drift_threshold": 0.0}, {"error_rate_threshold": 1.5}, {"settle_seconds": -1.0}, {"min_answers": 0}],
)
def test_settings_that_cannot_be_are_refused(settings_of):
    with pytest.raises(BadPolicy) as refused:
        checked(replace(POLICY, **settings_of))
    assert refused.value.field == next(iter(settings_of))


def test_only_what_is_named_is_changed():
    update = replace(POLICY, cooldown_seconds=0.0, min_answers=7)
    assert changed(POLICY, update, ("cooldown_seconds",)) == replace(POLICY, cooldown_seconds=0.0)
    with pytest.raises(BadPolicy):
        changed(POLICY, update, ("last_decision",))


NO_RUNS = History()


def pause_of(policy: Policy, signals: Signals, history: History = NO_RUNS) -> float:
    return next_check(policy, decide(policy, signals, history, NOW), signals, history, NOW).total_seconds()


def test_a_policy_without_traffic_sleeps_until_something_wakes_it_or_is_due():
    idle = replace(POLICY, create_time=NOW, schedule_seconds=0.0)
    old = replace(NO_SIGNAL, last_time=NOW - timedelta(minutes=6))
    assert pause_of(idle, old) == pause_of(idle, Signals()) == 3600.0
    assert pause_of(replace(idle, paused=True), old) == 3600.0
    assert pause_of(replace(idle, schedule_seconds=600.0), old) == 600.0
    ended = History(last_retraining="r", last_end=NOW - timedelta(seconds=idle.cooldown_seconds - 60))
    assert pause_of(idle, Signals(), ended) == 60.0
    assert pause_of(idle, Signals(), History(open_run="r")) == 15.0


def test_nothing_starts_while_the_budget_of_the_project_is_spent():
    decision = decide(POLICY, DRIFTED, History(budget_spent="the project's budget is spent"), NOW)
    assert decision.verb is Verb.NOTHING
    assert decision.reason.endswith("; but the project's budget is spent.")


def test_a_policy_looks_often_while_it_waits_or_traffic_flows():
    idle = replace(POLICY, create_time=NOW, schedule_seconds=0.0)
    assert pause_of(idle, replace(NO_SIGNAL, last_time=NOW)) == 1.0
    unsettled = replace(DRIFTED, last_time=NOW)
    assert decide(idle, unsettled, History(), NOW).verb is Verb.WAIT
    assert pause_of(idle, unsettled) == 1.0
    old = NOW - timedelta(minutes=6)
    assert pause_of(idle, replace(NO_SIGNAL, last_time=old, profiling=True)) == 20.0
    assert pause_of(replace(idle, dry_run=True), replace(DRIFTED, last_time=old)) == 20.0


def test_an_observation_without_signals_decides_nothing_and_is_repeated():
    procedure = PolicyProcedure(None, None, None, None, None, None, None)
    observation = PolicyObservation(
        Project("projects/mail", NOW, NOW, Classify(("ham", "spam"))), History(), Signals(), deferred_s=4.0
    )
    step = procedure.step(POLICY, observation, NOW)
    assert (step.resource, step.actions, step.wake_after) == (POLICY, (), 4.0)


LEARNING = replace(POLICY, new_data_count=300)


def test_new_data_start_a_run_without_drift_or_errors():
    assert decide(POLICY, NO_SIGNAL, History(), NOW).verb is Verb.NOTHING
    decision = decide(LEARNING, NO_SIGNAL, History(), NOW)
    assert (decision.verb, decision.trigger, decision.examples) == (Verb.START, Trigger.NEW_DATA, 300)
    assert "300 answers were corrected or confirmed since the last version (threshold 300)" in decision.reason


def test_too_few_new_data_start_nothing_and_are_counted():
    decision = decide(replace(LEARNING, new_data_count=301), NO_SIGNAL, History(), NOW)
    assert decision.verb is Verb.NOTHING
    assert "300 of 301 new answers" in decision.reason


def test_no_single_caller_decides_by_new_data():
    examples = count_votes([("a", 200, 0), ("b", 60, 0), ("c", 40, 0)])
    assert decide(LEARNING, replace(NO_SIGNAL, examples=examples), History(), NOW).verb is Verb.NOTHING


def test_new_data_that_did_not_suffice_are_not_new():
    tried = History(last_retraining="r", last_end=NOW - timedelta(days=1), insufficient_examples=250)
    assert decide(LEARNING, NO_SIGNAL, tried, NOW).verb is Verb.NOTHING
    more = replace(NO_SIGNAL, examples=Votes(540, 10))
    assert decide(LEARNING, more, tried, NOW).trigger is Trigger.NEW_DATA


def test_a_history_knows_the_examples_that_did_not_suffice():
    project = Project("projects/mail", NOW, NOW, Classify(("ham", "spam")))
    run = PipelineRun("projects/mail/pipelineRuns/r", NOW, NOW, project, state=State.REFUSED, examples=250)
    assert history_of([run], NOW).insufficient_examples == 250
    assert history_of([run, replace(run, state=State.FAILED, examples=9)], NOW).insufficient_examples == 250
    assert history_of([run, replace(run, state=State.SUCCEEDED)], NOW).insufficient_examples == 0
    assert history_of([replace(run, sources=("projects/mail/sources/s",))], NOW).insufficient_examples == 0


def opened_store(clock: Clock) -> Store:
    database = Database("sqlite://")
    with database.write() as connection:
        tables.METADATA.create_all(connection)
    append = lambda connection, record: None  # noqa: E731
    return Store(database, tables.RESOURCES, mapping.event, append, PageTokens(b"s"), clock)


def test_a_policy_of_a_project_whose_accelerator_is_missing_starts_nothing_and_says_so(tmp_path):
    clock = FakeClock()
    store = opened_store(clock)
    compute = StageCompute(evaluation=Compute(Accelerator.CUDA))
    project = Project("projects/mail", NOW, NOW, Classify(("ham", "spam")), compute=compute)
    with store.write() as tx:
        tx.create(project)
    devices = JobDevices(is_local=True, root=tmp_path)
    procedure = PolicyProcedure(store, RunTables(), FakeSignalReader(clock), None, devices, Rates(), clock)
    with pytest.raises(FailedPrecondition, match="no NVIDIA GPU") as missing:
        procedure.observe(POLICY, Claim(POLICY.name, 1))
    step = procedure.failed(POLICY, described(missing.value), NOW)
    assert "no NVIDIA GPU" in step.resource.last_decision
    assert step.actions == ()


class FakeSignalReader:
    """Counts answers since a trigger window began: one drifted answer a second while traffic flows."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.times: list[datetime] = []

    def of_window(
        self,
        project: Project,
        since: datetime | None,
        learned: datetime | None,
        min_answers: int,
        store: Store,
    ):
        ours = [time for time in self.times if since is None or time > since]
        count = 10 * len(ours)
        last = max(ours, default=None)
        return Signals(
            V1, count, count, Votes(), last, (Divergence("tokens", 0.2, 0.01),), examples=Votes(count)
        )


class TriggerWindows(RuleBasedStateMachine):
    """Two processes decide on the same policy; runs end as they like; traffic comes and goes."""

    COOLDOWN = timedelta(seconds=100)

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.store = opened_store(self.clock)
        self.signal_reader, self.runs = FakeSignalReader(self.clock), RunTables()
        now = self.clock.now()
        policy = replace(POLICY, min_answers=20, min_feedback=20, settle_seconds=5.0, cooldown_seconds=100.0)
        with self.store.write() as tx:
            tx.create(Project("projects/mail", now, now, Classify(("ham", "spam"))))
            tx.create(policy)
        operations = Operations(self.store, tables.METADATA.tables["operations"], [], self.clock)
        self.deciders = [
            PolicyProcedure(
                self.store,
                self.runs,
                self.signal_reader,
                operations,
                JobDevices(is_local=False),
                Rates(),
                self.clock,
            )
            for _ in range(2)
        ]
        self.intents: list[tuple[int, object]] = []

    @rule(seconds=st.integers(1, 60))
    def traffic(self, seconds: int) -> None:
        for _ in range(min(seconds, 4)):
            self.signal_reader.times.append(self.clock.now())
            self.clock.advance(seconds / 4)

    @rule(seconds=st.integers(1, 200))
    def silence(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(who=st.integers(0, 1))
    def decide(self, who: int) -> None:
        """Observe and decide; the action stays to be done, maybe much later."""
        procedure = self.deciders[who]
        policy = self._policy()
        step = procedure.step(policy, procedure.observe(policy, Claim(policy.name, 1)), self.clock.now())
        if step.resource != policy:
            with self.store.write() as tx:
                tx.save(step.resource)
        self.intents += [(who, action) for action in step.actions]

    @precondition(lambda self: self.intents)
    @rule(again=st.booleans())
    def act(self, again: bool) -> None:
        """Do what was decided, perhaps twice, as after a crash."""
        who, action = self.intents[0] if again else self.intents.pop(0)
        self.deciders[who].act(self._policy(), action, Claim(POLICY.name, 1))

    @precondition(lambda self: self._open())
    @rule(
        state=st.sampled_from(
            [State.SUCCEEDED, State.REFUSED, State.FAILED, State.ROLLED_BACK, State.CANCELLED]
        )
    )
    def end(self, state: State) -> None:
        for run in self._open():
            self._end(run, state)

    @invariant()
    def one_run_at_a_time(self) -> None:
        assert len(self._open()) <= 1

    @invariant()
    def one_run_a_trigger_window(self) -> None:
        """Between the cool-down of a run and the start of the next there was new traffic that called for it."""
        runs = self._all()
        for before, after in pairwise(runs):
            begin = before.end_time + self.COOLDOWN
            assert after.create_time >= begin
            assert sum(begin < time <= after.create_time for time in self.signal_reader.times) >= 2

    def teardown(self) -> None:
        """A trigger window that has settled starts its run."""
        self.intents.clear()
        for run in self._open():
            self._end(run, State.FAILED)
        before = len(self._all())
        self.clock.advance(1000)
        for _ in range(3):
            self.traffic(4)
        self.clock.advance(10)
        for _ in range(3):
            self.decide(0)
            while self.intents:
                self.act(False)
        assert len(self._all()) == before + 1

    def _end(self, run: PipelineRun, state: State) -> None:
        with self.store.write() as tx:
            tx.save(replace(run, state=state, end_time=self.clock.now()))

    def _policy(self) -> Policy:
        with self.store.read() as tx:
            return tx.get(Policy, POLICY.name)

    def _all(self) -> list[PipelineRun]:
        with self.store.read() as tx:
            return self.runs.recent(tx, "projects/mail")

    def _open(self) -> list[PipelineRun]:
        return [run for run in self._all() if not run.state.ended]


TestTriggerWindows = TriggerWindows.TestCase
TestTriggerWindows.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
