"""One function a use case: the message first, the ports after."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.storage.names import checked_id, matched, parent_of
from ratoon.storage.store import Store, Transaction
from ratoon_flywheel.application.budgets import spent_budget
from ratoon_flywheel.application.commands import (
    CreatePolicy,
    CreateProject,
    CreateRun,
    CreateSegment,
    DecideRun,
    Delete,
    UpdatePolicy,
    UpdateProject,
)
from ratoon_flywheel.application.devices import check_devices
from ratoon_flywheel.application.intake import log_set_aside, read_segment
from ratoon_flywheel.application.judges import check_changed_judges, check_judges
from ratoon_flywheel.application.ports import (
    AnswerIndex,
    Deployments,
    Devices,
    Judges,
    Lineage,
    RunIndex,
    Segments,
    Suites,
)
from ratoon_flywheel.application.suites import check_changed_suites, check_suites
from ratoon_flywheel.domain import projects
from ratoon_flywheel.domain.errors import (
    BadSource,
    BudgetSpent,
    InUse,
    RunEnded,
)
from ratoon_flywheel.domain.etags import check_etag
from ratoon_flywheel.domain.kinds.table import KINDS
from ratoon_flywheel.domain.pipelines import policies, steps
from ratoon_flywheel.domain.pipelines.budget import Rates, check_rates
from ratoon_flywheel.domain.pipelines.policies import Policy, history_of
from ratoon_flywheel.domain.pipelines.runs import Approval, PipelineRun, Window
from ratoon_flywheel.domain.pipelines.support import chain_of, check_supported, recipe_of
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals import traffic
from ratoon_flywheel.domain.signals.monitor import DriftReport, Monitor
from ratoon_flywheel.domain.signals.traffic import SegmentReceived, TrafficSegment

PROJECT = "projects/*"
POLICY = f"{PROJECT}/policies/*"
PIPELINE_RUN = f"{PROJECT}/pipelineRuns/*"
FEEDBACK = f"{PROJECT}/feedback/*"
EXTERNAL_EVENT = f"{PROJECT}/externalEvents/*"
SEGMENT = f"{PROJECT}/trafficSegments/*"
DRIFT_REPORT = f"{PROJECT}/driftReports/*"
FEEDBACK_S = 1.0
"""Seconds within which feedback is processed, all of it at once."""


def create_project(
    command: CreateProject,
    store: Store,
    operations: Operations,
    suites: Suites,
    judges: Judges,
    clock: Clock,
) -> Project:
    """Begin a project; from the commit on its traffic is watched."""
    now = clock.now()
    name = f"projects/{checked_id(command.project_id, 'project_id')}"
    desired = projects.checked(replace(command.project, name=name, create_time=now, update_time=now))
    check_suites(desired, suites)
    check_judges(desired, judges)
    with store.write() as tx:
        project, new = tx.create(desired, command.request_id)
        if new:
            monitor, _ = tx.create(Monitor(monitor_of(project.name), now, now))
            operations.begin(tx, monitor)
    return project


def update_project(
    command: UpdateProject,
    store: Store,
    operations: Operations,
    answers: AnswerIndex,
    lineage: Lineage,
    suites: Suites,
    judges: Judges,
) -> tuple[Project, tuple[str, ...]]:
    """Change a project; open pipeline runs keep the one they began with. Returns it and what the change means."""
    matched(command.project.name, PROJECT, "project.name")
    with store.read() as tx:
        before = tx.get(Project, command.project.name)
    intended = _updated(before, command)
    check_changed_suites(before, intended, suites)
    check_changed_judges(before, intended, judges)
    served = _served(before, intended, lineage)
    with store.write() as tx:
        project = tx.get(Project, command.project.name)
        check_etag(project.name, project.etag, command.etag)
        after = _updated(project, command)
        kind = KINDS[project.task.kind]
        allowed = command.allow_label_removal
        notices = kind.change_notices(project.task, after.task, served, allowed) if kind else ()
        if after == project:
            return project, notices
        respelled = kind.respelled(project.task, after.task) if kind else {}
        for old, new in respelled.items():
            answers.respell(tx, project.name, old, new)
        wake_signals(tx, operations, project.name)
        return tx.save(after), notices


def _updated(before: Project, command: UpdateProject) -> Project:
    """Return a project with the changes of a command."""
    task = projects.merged_task(before.task, command.task, command.labels)
    return projects.changed(before, replace(command.project, task=task), command.fields)


def _served(before: Project, after: Project, lineage: Lineage) -> str:
    """Return the version in production if a change makes answers invalid that it may give."""
    kind = KINDS[before.task.kind]
    if kind is None or not kind.narrows(before.task, after.task):
        return ""
    production = lineage.production(before)
    return production.version if production else ""


def delete_project(
    command: Delete,
    store: Store,
    operations: Operations,
    runs: RunIndex,
    answers: AnswerIndex,
    segments: Segments,
    deployments: Deployments,
) -> None:
    """Delete a project with its deployments, policies, pipeline runs and traffic; InUse names what still uses it.

    The blobs of its segments go after the commit; garbage collection takes what a crash leaves of them.
    """
    matched(command.name, PROJECT)
    store.get(Project, command.name)
    if busy := deployments.busy(command.name):
        raise InUse(
            f"{command.name} is served by {', '.join(busy)}. Delete the deployment, or scale it to 0 replicas; "
            "wait for open rollouts."
        )
    with store.read() as tx:
        _deletable(command, tx, runs)
    deployments.delete(command.name)
    with store.write() as tx:
        project = _deletable(command, tx, runs)
        for policy in tx.all(Policy, project.name):
            _remove(policy, tx, operations)
        for run in tx.all(PipelineRun, project.name):
            runs.forget(tx, run.name)
            tx.retire(run)
        runs.forget_events(tx, project.name)
        if (monitor := tx.find(Monitor, monitor_of(project.name))) is not None:
            _remove(monitor, tx, operations)
        digests = answers.forget_all(tx, project.name)
        tx.delete(project)
    for digest in digests:
        segments.delete(digest)


def _deletable(command: Delete, tx: Transaction, runs: RunIndex) -> Project:
    """Return the project to delete; InUse while a pipeline run of it is under way."""
    project = tx.get(Project, command.name)
    check_etag(project.name, project.etag, command.etag)
    if open_run := next((run.name for run in runs.recent(tx, project.name) if not run.state.ended), ""):
        raise InUse(f"{open_run} is under way. Cancel it, or wait for its end.")
    return project


def _remove(resource: Policy | Monitor, tx: Transaction, operations: Operations) -> None:
    operations.end(tx, resource.name)
    tx.delete(resource)


def create_policy(command: CreatePolicy, store: Store, operations: Operations, clock: Clock) -> Policy:
    """Begin a policy; from the commit on it decides."""
    matched(command.parent, PROJECT, "parent")
    now = clock.now()
    name = f"{command.parent}/policies/{checked_id(command.policy_id, 'policy_id')}"
    desired = policies.checked(replace(command.policy, name=name, create_time=now, update_time=now))
    _check_sources(desired.sources, command.parent, "policy.sources")
    with store.write() as tx:
        check_supported(tx.get(Project, command.parent))
        policy, new = tx.create(desired, command.request_id)
        if new:
            operations.begin(tx, policy)
    return policy


def update_policy(command: UpdatePolicy, store: Store, operations: Operations) -> Policy:
    """Change a policy; it decides again at once."""
    matched(command.policy.name, POLICY, "policy.name")
    with store.write() as tx:
        policy = tx.get(Policy, command.policy.name)
        check_etag(policy.name, policy.etag, command.etag)
        after = policies.changed(policy, command.policy, command.fields)
        _check_sources(after.sources, parent_of(policy.name), "policy.sources")
        operations.wake(tx, policy.name)
        return policy if after == policy else tx.save(after)


def delete_policy(command: Delete, store: Store, operations: Operations, runs: RunIndex) -> None:
    """Delete a policy; InUse while a run that it started is under way."""
    matched(command.name, POLICY)
    with store.write() as tx:
        policy = tx.get(Policy, command.name)
        check_etag(policy.name, policy.etag, command.etag)
        theirs = (run for run in runs.recent(tx, parent_of(policy.name)) if run.policy == policy.name)
        if open_run := next((run.name for run in theirs if not run.state.ended), ""):
            raise InUse(
                f"{policy.name} started {open_run}, which is under way. Cancel it, or wait for its end."
            )
        _remove(policy, tx, operations)


def create_run(
    command: CreateRun,
    store: Store,
    operations: Operations,
    runs: RunIndex,
    devices: Devices,
    rates: Rates,
    clock: Clock,
) -> PipelineRun:
    """Start a pipeline run by hand; a device that is known to be missing is refused before anything is trained."""
    matched(command.parent, PROJECT, "parent")
    _check_sources(command.sources, command.parent, "pipeline_run.sources")
    now = clock.now()
    name = f"{command.parent}/pipelineRuns/{checked_id(command.run_id, 'pipeline_run_id')}"
    with store.write() as tx:
        project = tx.get(Project, command.parent)
        check_supported(project)
        check_devices(project, devices)
        check_rates(project, rates)
        _check_budget(project, runs, rates, tx, now)
        learned = history_of(runs.recent(tx, project.name), now).learned_until
        run = PipelineRun(
            name,
            now,
            now,
            project,
            command.sources,
            None if command.sources else Window(learned, now),
            trigger_reason="Started by a person.",
            skip_rollout=command.skip_rollout,
            recipe=recipe_of(project, not command.sources, command.recipe),
            following_recipes=chain_of(project, not command.sources, command.recipe),
        )
        run, new = tx.create(run, command.request_id)
        if new:
            operations.begin(tx, run)
    return run


def _check_sources(sources: Sequence[str], project: str, field: str) -> None:
    """Raise BadSource if a source belongs to another project."""
    for source in sources:
        matched(source, f"{PROJECT}/sources/*", field)
        if parent_of(source) != project:
            raise BadSource(f"{source} belongs to another project than {project}.", field)


def _check_budget(project: Project, runs: RunIndex, rates: Rates, tx: Transaction, now: datetime) -> None:
    if spent := spent_budget(project, runs, rates, tx, now):
        raise BudgetSpent(
            f"No run starts: {spent}. Raise the limit in the budget of {project.name}, or wait."
        )


def refresh_run(name: str, store: Store, operations: Operations) -> None:
    """Have the progress of a run read from the resource of its stage at once."""
    matched(name, PIPELINE_RUN)
    if store.get(PipelineRun, name).state.ended:
        return
    with store.write() as tx:
        operations.wake(tx, name)


def cancel_run(name: str, store: Store, operations: Operations) -> PipelineRun:
    """Cancel a run, and with it the resource in work."""
    matched(name, PIPELINE_RUN)
    run = store.get(PipelineRun, name)
    if run.state.ended:
        raise RunEnded(f"{name} has ended as {run.state}; there is nothing to cancel.")
    return operations.cancel(PipelineRun, name, lambda current: current.state.ended)


def delete_run(run: PipelineRun, tx: Transaction, runs: RunIndex, clock: Clock) -> None:
    """Delete a run that has ended; InUse while it is under way, and while policies decide by it."""
    if not run.state.ended:
        raise InUse(f"{run.name} is under way. Cancel it, or wait for its end.")
    _check_policies(run, tx, runs, clock)
    runs.forget(tx, run.name)
    tx.retire(run)


def _check_policies(run: PipelineRun, tx: Transaction, runs: RunIndex, clock: Clock) -> None:
    """InUse if a policy of the project would decide otherwise without this run."""
    recent, now = runs.recent(tx, parent_of(run.name)), clock.now()
    others = [other for other in recent if other.name != run.name]
    deciding = tx.all(Policy, parent_of(run.name))
    if deciding and history_of(others, now) != history_of(recent, now):
        raise InUse(
            f"{deciding[0].name} decides by {run.name}: by the time range of its traffic, its end, its drift or its "
            "place in the budget. Delete the policy, or wait until a newer run has ended."
        )


def decide_run(
    command: DecideRun, decider: str, store: Store, operations: Operations, clock: Clock
) -> PipelineRun:
    """Keep what a person decided about a run's version; the run goes on by it at once."""
    matched(command.name, PIPELINE_RUN)
    with store.write() as tx:
        run = tx.get(PipelineRun, command.name)
        approval = Approval(command.approved, decider, clock.now(), command.reason)
        operations.wake(tx, run.name)
        return tx.save(steps.decided(run, approval))


def create_segment(
    command: CreateSegment,
    store: Store,
    operations: Operations,
    answers: AnswerIndex,
    segments: Segments,
    max_chars: int,
    clock: Clock,
) -> TrafficSegment:
    """Store a segment: its answers are counted and indexed, `max_chars` of each text, before this returns."""
    matched(command.parent, PROJECT)
    project = store.get(Project, command.parent)
    now = clock.now()
    name = f"{command.parent}/trafficSegments/{checked_id(command.segment_id, 'traffic_segment_id')}"
    segment = traffic.checked(
        TrafficSegment(
            name,
            now,
            now,
            command.deployment,
            command.digest,
            command.answer_count,
            command.start_time,
            command.end_time,
            command.lost_count,
        )
    )
    taken = read_segment(name, command.digest, project, segments, max_chars)
    segment = replace(segment, set_aside=taken.set_aside)
    with store.write() as tx:
        known = tx.find(TrafficSegment, name)
        if known is not None and known.digest == segment.digest:
            return known
        segment, new = tx.create(segment, command.request_id)
        if new:
            answers.add(tx, project.name, taken.answers)
            answers.add_shadows(tx, project.name, taken.shadows)
            answers.note(tx, project.name, name, taken.texts)
            tx.publish(SegmentReceived(name, len(taken.answers)), segment)
            wake_signals(tx, operations, project.name)
    if new:
        log_set_aside(name, taken)
    return segment


def delete_drift_report(report: DriftReport, tx: Transaction) -> None:
    """Delete a drift report; nothing refers to one."""
    tx.delete(report)


def monitor_of(project: str) -> str:
    """The name of the watch over a project's traffic."""
    return f"{project}/monitors/traffic"


def wake_signals(tx: Transaction, operations: Operations, project: str, within_s: float = 0.0) -> None:
    """Wake the monitor and the policies of a project within this many seconds."""
    operations.wake(tx, monitor_of(project), within_s)
    for policy in tx.all(Policy, project):
        operations.wake(tx, policy.name, within_s)
