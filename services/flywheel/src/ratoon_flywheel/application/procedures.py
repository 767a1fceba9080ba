"""The flywheel's procedures: pipeline runs, policies and the monitor of traffic. Domains decide."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ratoon.operations.operations import Claim, Operations, Step
from ratoon.operations.wakeups import SAFETY_NET_S
from ratoon.process.clock import Clock
from ratoon.process.errors import Description
from ratoon.storage.names import parent_of, uuid7
from ratoon.storage.store import Store
from ratoon.tasks import kinds
from ratoon_flywheel.application.budgets import spent_budget
from ratoon_flywheel.application.devices import check_devices
from ratoon_flywheel.application.examples import Export, export_feedback
from ratoon_flywheel.application.external_events import started_by, take, waiting_events
from ratoon_flywheel.application.intake import read_again
from ratoon_flywheel.application.judges import check_judges
from ratoon_flywheel.application.ports import (
    AnswerIndex,
    Baselines,
    Devices,
    FeedbackData,
    Judges,
    Lineage,
    QualityReporter,
    Rollouts,
    RunIndex,
    Segments,
    Sources,
    Stages,
    Suites,
)
from ratoon_flywheel.application.recipes import chosen_recipe, fed_recipes, learned_data
from ratoon_flywheel.application.scores import loss_of_rollout
from ratoon_flywheel.application.shadows import ShadowScores, report_shadows
from ratoon_flywheel.application.signals import Deferred, SignalReader
from ratoon_flywheel.application.suites import check_suites
from ratoon_flywheel.application.watched import WatchedRuns
from ratoon_flywheel.domain.errors import NothingToLearn
from ratoon_flywheel.domain.pipelines.actions import BuildDataset, CancelChild, RollBack, StageRequest
from ratoon_flywheel.domain.pipelines.budget import Rates, check_rates
from ratoon_flywheel.domain.pipelines.policies import (
    Decision,
    History,
    Policy,
    Signals,
    Verb,
    decide,
    decided,
    history_of,
    next_check,
    sources_of,
    starting_events,
    window_begin,
)
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, Stage, StageId, State, Trigger, Window
from ratoon_flywheel.domain.pipelines.steps import (
    CANCEL_RETRY_INTERVAL,
    Child,
    ChildState,
    Create,
    Observation,
    Transition,
    fail,
    noted,
    roll_out_source,
    step,
)
from ratoon_flywheel.domain.pipelines.support import (
    ALONE,
    DEFAULT_RECIPE,
    chain_of,
    check_supported,
    recipe_of,
)
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals import monitor as watch
from ratoon_flywheel.domain.signals.monitor import DriftDetected, DriftReport, Monitor
from ratoon_flywheel.domain.signals.shadows import ShadowMark

_WATCHED_S = 1.0
"""Seconds between two observations of a run that a caller watches. The end of a stage wakes any run."""
_RETRY_S = 20.0
"""Seconds until a policy or a monitor is observed again after an error."""
_UNAVAILABLE = "UNAVAILABLE"
_ROLLOUT_ACTIVE = "ROLLOUT_ACTIVE"
_NOT_SERVABLE = "WEIGHTS_NOT_SERVABLE"
_UNAVAILABLE_RETRY_S = 10.0
_PRUNED_AT_ONCE = 1000
_MENDABLE = {
    "NO_TEXT": "on an empty answer, or on one whose text is gone",
    "CONSENT": "without consent to training",
}
"""Reasons why feedback becomes no record that a run states."""
_NOUNS = {
    FeedbackData.ANSWERS: "right answer",
    FeedbackData.PREFERENCES: "preference",
    FeedbackData.UNPAIRED_PREFERENCES: "unpaired preference",
}
_TRIGGERS = uuid.UUID("0c5d2a38-9d5e-4f7e-8a44-6f4f3b1f5f0e")


@dataclass(frozen=True)
class StartRun:
    """Start the retraining of a trigger window."""

    decision: Decision
    history: History


@dataclass(frozen=True)
class PolicyObservation:
    """Observation of a policy: its project, its history of runs, and the signals since the last trigger window."""

    project: Project
    history: History
    signals: Signals
    deferred_s: float = 0.0
    """Seconds until the signals are gathered again, if gathering them is costly; 0: they are here."""


class RunProcedure:
    """The long work behind a pipeline run."""

    kind = PipelineRun

    def __init__(
        self,
        store: Store,
        runs: RunIndex,
        stages: Stages,
        lineage: Lineage,
        suites: Suites,
        judges: Judges,
        sources: Sources,
        answers: AnswerIndex,
        segments: Segments,
        watched: WatchedRuns,
        clock: Clock,
    ) -> None:
        self._store, self._runs, self._stages, self._lineage = store, runs, stages, lineage
        self._suites, self._judges, self._sources = suites, judges, sources
        self._answers, self._segments = answers, segments
        self._watched, self._clock = watched, clock

    def observe(self, run: PipelineRun, claim: Claim) -> Observation:
        """What serves, before the run begins; later the resource in work.

        Suites and judges that evaluation cannot apply end the run.
        """
        if run.state is State.QUEUED and not run.cancel_requested:
            check_suites(run.project, self._suites)
            check_judges(run.project, self._judges)
            return Observation(self._lineage.production(run.project))
        stage = run.current
        if stage is None or not stage.resource:
            return Observation()
        child = self._stages.of(stage.id).observe(stage.resource)
        return Observation(child=child, loss=self._loss(run, stage, child))

    def _loss(self, run: PipelineRun, stage: Stage, child: Child) -> str:
        """Return which loss users' corrections show while a version is rolled out; empty if none."""
        if stage.id is not StageId.ROLLOUT or child.state is not ChildState.WORKING:
            return ""
        return loss_of_rollout(run, self._clock.now(), self._store, self._answers, self._segments)

    def step(self, run: PipelineRun, observation: Observation, now: datetime) -> Step[PipelineRun]:
        """What follows from it."""
        return _as_step(step(run, observation, now), self._pause_s(run))

    def act(self, run: PipelineRun, action: Create | CancelChild | RollBack, claim: Claim) -> None:
        """Create the resource of a stage and note its name, cancel it, or roll it back."""
        if isinstance(action, RollBack):
            self._stages.rollout.roll_back(action.resource, action.reason)
            return
        if isinstance(action, CancelChild):
            self._stages.of(action.stage).cancel(action.resource)
            return
        run, spec = self._complete(run, action.request, claim)
        resource = self._stages.create(spec, claim.action_id(action.stage.value, _attempt(run, action.stage)))
        with self._store.write() as tx:
            tx.save(noted(run, action.stage, resource))
            self._runs.note_child(tx, resource, run.name)

    def failed(self, run: PipelineRun, error: Description, now: datetime) -> Step[PipelineRun]:
        """Wait for a service that is unavailable or busy with a rollout; any other error ends the run.

        If engines cannot compute the weights of a compressed version, its source is rolled out.
        """
        if error.code == _UNAVAILABLE or error.reason == _ROLLOUT_ACTIVE:
            waiting = replace(run, progress=replace(run.progress, message=f"waiting: {error.message}"))
            return Step(waiting, wake_after=_UNAVAILABLE_RETRY_S)
        if error.reason == _NOT_SERVABLE and run.products.source_version and not run.cancel_requested:
            return _as_step(roll_out_source(run, error.message, now), SAFETY_NET_S)
        return _as_step(fail(run, error.reason, error.message, now), SAFETY_NET_S)

    def _pause_s(self, run: PipelineRun) -> float:
        """Return the seconds until the next observation, unless the end of the stage wakes the run sooner."""
        if run.name in self._watched:
            return _WATCHED_S
        return CANCEL_RETRY_INTERVAL.total_seconds() if run.cancel_requested else SAFETY_NET_S

    def _complete(
        self, run: PipelineRun, spec: StageRequest, claim: Claim
    ) -> tuple[PipelineRun, StageRequest]:
        """Return the run with its recipe and a sentence about its data, and the request with its sources.

        If it is for corrected traffic, export the traffic into sources first: one for each kind of feedback. The
        dataset is built from those that the recipe learns from; the others are kept.
        """
        if not isinstance(spec, BuildDataset) or spec.sources or spec.window is None:
            return run, spec
        export = export_feedback(spec.project, spec.window, self._store, self._answers, self._segments)
        first = chosen_recipe(run.recipe, export.counts, bool(run.project.tuning.rewards))
        recipes = fed_recipes((first, *run.following_recipes), export.counts)
        learned = learned_data(recipes)
        others = _counted(export, [data for data in FeedbackData if data not in learned])
        if not recipes:
            reason = _nothing(spec.project, (first, *run.following_recipes), others)
            raise NothingToLearn(f"{reason} {_without_record(export)}".strip())
        sources = {
            data: self._sources.create(spec.project, data, digest, claim.action_id(_source_action(data)))
            for data in FeedbackData
            if (digest := getattr(export, data))
        }
        named = " and ".join(recipes)
        note = f"Kept as sources for other recipes than {named}: {others}." if others else ""
        if unfed := [each for each in (first, *run.following_recipes) if each not in recipes]:
            note = f"Without feedback for {' and '.join(unfed)}: the run trains by {named}. {note}".strip()
        note = f"{_without_record(export)} {note}".strip()
        taken = tuple(sources[data] for data in learned if data in sources)
        run = replace(run, recipe=recipes[0], following_recipes=recipes[1:], data_note=note or run.data_note)
        return run, replace(spec, sources=taken)


def _attempt(run: PipelineRun, stage: StageId) -> int:
    """Return the number of a stage's resource: each training of a chain, and each export, is one of its own.

    The rollout of a source follows that of its compressed form.
    """
    if stage is StageId.TRAINING:
        return len(run.trained) + 1
    if stage is StageId.EXPORT:
        return len(run.exports) + 1
    is_second = run.compression_outcome is not None and not run.compression_outcome.accepted
    return 2 if stage is StageId.ROLLOUT and is_second else 1


def _source_action(data: FeedbackData) -> str:
    return "source" if data is FeedbackData.ANSWERS else f"source-{data}"


def _nothing(project: Project, recipes: Sequence[str], others: str) -> str:
    """Return why a retraining has no data, and what there is for other recipes."""
    if recipes[0] in (DEFAULT_RECIPE, *ALONE) and len(recipes) == 1:
        return (
            f"No answer of {project.name} was corrected or confirmed since the last retraining, so there are no "
            "labelled examples to train on: give feedback, or start a run with sources."
            f"{f' There are {others}, which the recipes dpo and kto learn from.' if others else ''}"
        )
    nouns = " or ".join(f"{_NOUNS[data]}s" for data in learned_data(recipes))
    learns = f"recipe {recipes[0]} learns" if len(recipes) == 1 else f"recipes {' and '.join(recipes)} learn"
    return (
        f"{project.name} has no {nouns} since the last retraining, from which the {learns}: give "
        f"feedback, or choose another recipe.{f' There are {others}.' if others else ''}"
    )


def _without_record(export: Export) -> str:
    """Return how much feedback became no record for a reason that a project can mend, as a sentence; empty if none."""
    counts = [
        f"{export.left_out[reason]} {says}"
        for reason, says in _MENDABLE.items()
        if export.left_out.get(reason)
    ]
    return f"Feedback that became no record: {' and '.join(counts)}." if counts else ""


def _counted(export: Export, kinds: Sequence[FeedbackData]) -> str:
    """Return how many records there are of some kinds, as a part of a sentence; empty if none."""
    counts = {_NOUNS[data]: export.counts.get(data, 0) for data in kinds}
    return " and ".join(f"{count} {noun}{'s' * (count != 1)}" for noun, count in counts.items() if count)


class PolicyProcedure:
    """Procedure of a policy: it observes, decides and starts runs for as long as it exists."""

    kind = Policy

    def __init__(
        self,
        store: Store,
        runs: RunIndex,
        signal_reader: SignalReader,
        operations: Operations,
        devices: Devices,
        rates: Rates,
        clock: Clock,
    ) -> None:
        """`operations` is only used to begin runs in."""
        self._rates = rates
        self._store, self._runs, self._signal_reader = store, runs, signal_reader
        self._operations, self._devices, self._clock = operations, devices, clock

    def observe(self, policy: Policy, claim: Claim) -> PolicyObservation:
        """Return the history of runs, the signals since the last trigger window, and the events that wait."""
        now = self._clock.now()
        with self._store.read() as tx:
            project = tx.get(Project, parent_of(policy.name))
            history = history_of(self._runs.recent(tx, project.name), now)
            history = replace(history, budget_spent=spent_budget(project, self._runs, self._rates, tx, now))
            waiting = waiting_events(tx, policy, now)
        events = starting_events(policy, waiting)
        if policy.paused or history.open_run:
            return PolicyObservation(project, history, Signals())
        check_supported(project)
        check_devices(project, self._devices)
        check_rates(project, self._rates)
        if sources_of(policy, events):
            return PolicyObservation(project, history, Signals(events=events))
        since = window_begin(policy, history)
        signals = self._signal_reader.of_window(
            project, since, history.learned_until, policy.burst_answers, self._store
        )
        if isinstance(signals, Deferred):
            return PolicyObservation(project, history, Signals(), signals.seconds)
        new_records = sum(event.record_count for event in waiting if event not in events)
        return PolicyObservation(project, history, replace(signals, events=events, new_records=new_records))

    def step(self, policy: Policy, observation: PolicyObservation, now: datetime) -> Step[Policy]:
        """Decide, or observe again when the signals are gathered."""
        if observation.deferred_s:
            return Step(policy, wake_after=observation.deferred_s, causes=())
        decision = decide(policy, observation.signals, observation.history, now)
        after = decided(policy, decision, now)
        actions = (StartRun(decision, observation.history),) if decision.verb is Verb.START else ()
        pause = next_check(policy, decision, observation.signals, observation.history, now)
        return Step(after, actions, wake_after=pause.total_seconds(), causes=observation.signals.traces)

    def act(self, policy: Policy, action: StartRun, claim: Claim) -> None:
        """Start the run, once even if several replicas decide: a trigger window is named by the run before it.

        The events that it takes are marked in the transaction that creates it.
        """
        project_name = parent_of(policy.name)
        request_id = str(uuid.uuid5(_TRIGGERS, f"{project_name} after {action.history.last_retraining}"))
        now = self._clock.now()
        with self._store.write() as tx:
            history = history_of(self._runs.recent(tx, project_name), now)
            if history.open_run or history.last_retraining != action.history.last_retraining:
                return
            waiting = waiting_events(tx, policy, now) if action.decision.takes_events else ()
            events = starting_events(policy, waiting)
            if action.decision.trigger is not Trigger.EVENT and not action.decision.from_sources:
                events = tuple(event for event in events if not event.ingestion_source)
            elif not events:
                return
            project = tx.get(Project, project_name)
            sources = sources_of(policy, events)
            run = PipelineRun(
                f"{project_name}/pipelineRuns/{uuid7()}",
                now,
                now,
                project,
                sources,
                None if sources else Window(history.learned_until, now),
                trigger=action.decision.trigger,
                trigger_reason=action.decision.reason,
                policy=policy.name,
                recipe=recipe_of(project, retrains=not sources),
                following_recipes=chain_of(project, retrains=not sources),
                drift=action.decision.drift,
                error_share=action.decision.error_share,
                examples=action.decision.examples,
            )
            run, new = tx.create(started_by(run, events), request_id)
            if new:
                take(events, run, tx)
                self._operations.begin(tx, run)

    def failed(self, policy: Policy, error: Description, now: datetime) -> Step[Policy]:
        """Store the error as the last decision and observe again later."""
        message = f"Could not decide: {error.message}"
        known = message == policy.last_decision
        updated = policy if known else replace(policy, last_decision=message, last_decision_time=now)
        return Step(updated, wake_after=_RETRY_S)


class MonitorProcedure:
    """The watch over a project's traffic, for as long as the project exists."""

    kind = Monitor

    def __init__(
        self,
        store: Store,
        signal_reader: SignalReader,
        baselines: Baselines,
        answers: AnswerIndex,
        segments: Segments,
        quality: QualityReporter,
        rollouts: Rollouts,
        clock: Clock,
    ) -> None:
        self._store, self._signal_reader, self._baselines = store, signal_reader, baselines
        self._answers, self._segments, self._quality, self._clock = answers, segments, quality, clock
        self._rollouts, self._scores = rollouts, ShadowScores(store, answers, segments)

    def observe(self, monitor: Monitor, claim: Claim) -> watch.Observation:
        """Return the observation of the traffic."""
        reported_until = monitor.reported_until or monitor.create_time
        return self._signal_reader.observe(
            self._project(monitor), reported_until, self._clock.now(), self._store, monitor.shadows
        )

    def step(self, monitor: Monitor, observation: watch.Observation, now: datetime) -> Step[Monitor]:
        """What to do about it."""
        after, actions = watch.step(monitor, observation, now)
        return Step(after, actions, wake_after=watch.next_check(observation, now).total_seconds(), causes=())

    def act(self, monitor: Monitor, action: watch.Action, claim: Claim) -> None:
        """Profile, measure, report or prune."""
        project = self._project(monitor)
        match action:
            case watch.ProfileTraining(version):
                self._baselines.start(self._signal_reader.profile(project, version))
            case watch.ProfilePromotion(version):
                self._signal_reader.profile_promotion(project, version, self._store)
            case watch.ForgetProfile(version):
                self._baselines.forget(self._signal_reader.profile(project, version))
            case watch.MeasureDrift(version, answers):
                what = f"{version} {answers} {action.sketch}".strip()
                request_id = claim.action_id(what, claim.fence)
                self._report_drift(monitor.name, project, action, request_id)
            case watch.SketchTexts():
                self._signal_reader.start_sketches(project, self._store)
            case watch.ReportQuality(start, end):
                self._report_quality(monitor.name, project, start, end)
            case watch.ReportShadows(mark):
                self._report_shadows(monitor.name, project, mark)
            case watch.Prune():
                self._prune(project)
            case watch.ReadAgain():
                shown = self._signal_reader.profile(project, "").max_chars
                read_again(project, self._store, self._answers, self._segments, shown)

    def failed(self, monitor: Monitor, error: Description, now: datetime) -> Step[Monitor]:
        """The watch goes on; what could not be done is tried again later."""
        return Step(monitor, wake_after=_RETRY_S)

    def _project(self, monitor: Monitor) -> Project:
        with self._store.read() as tx:
            return tx.get(Project, parent_of(monitor.name))

    def _report_drift(self, name: str, project: Project, action: watch.MeasureDrift, request_id: str) -> None:
        """Measure drift, store the report if it has news, and note what was measured."""
        now = self._clock.now()
        with self._store.read() as tx:
            measures, texts, votes = self._signal_reader.measured(tx, project)
        report = DriftReport(
            f"{project.name}/driftReports/{uuid7()}",
            now,
            now,
            action.version,
            texts,
            measures,
            votes.total,
            votes.negative,
            votes.tally.share,
        )
        with self._store.write() as tx:
            newest = tx.page(DriftReport, project.name, 1, order_by="create_time desc").items
            if watch.is_news(report, newest[0] if newest else None):
                report, new = tx.create(report, request_id)
                if new and report.drifted:
                    tx.publish(DriftDetected(report.name), report)
            tx.save(watch.measured(tx.get(Monitor, name), action))

    def _report_quality(self, name: str, project: Project, start: datetime, end: datetime) -> None:
        """Report to serving first, then note it: a report may be repeated, but none is lost.

        Users rewrite most texts that they correct a little: corrections of texts are judged by the primary metric, and
        are no votes.
        """
        counted = not kinds.kind_of(project.task).FREE_TEXT
        with self._store.read() as tx:
            votes = self._answers.votes(tx, project.name, start, end, project.task, corrections=counted)
        self._quality.report([replace(v, deployment=v.deployment or project.deployment) for v in votes])
        with self._store.write() as tx:
            tx.save(replace(tx.get(Monitor, name), reported_until=end))

    def _report_shadows(self, name: str, project: Project, mark: ShadowMark) -> None:
        """Report to serving first, then note it; what was left to score is reported later."""
        now = self._clock.now()
        if not report_shadows(project, self._scores, self._store, self._answers, self._rollouts, now):
            return
        with self._store.write() as tx:
            tx.save(replace(tx.get(Monitor, name), shadows=mark))

    def _prune(self, project: Project) -> None:
        before = self._clock.now() - timedelta(days=project.traffic_retention_days)
        more = True
        while more:  # a batch a transaction: other writers can write in between
            with self._store.write() as tx:
                digests, more = self._answers.prune(tx, project.name, before, _PRUNED_AT_ONCE)
            for digest in digests:
                self._segments.delete(digest)


def _as_step(transition: Transition, pause_s: float) -> Step[PipelineRun]:
    run = transition.run
    return Step(run, transition.actions, transition.events, wake_after=pause_s, done=run.state.ended)
