"""How a pipeline run moves: a pure function of the run and of the observation of the resource in work."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ratoon_flywheel.domain.errors import NoDecisionPending, NoReason
from ratoon_flywheel.domain.pipelines.actions import (
    CancelChild,
    RollBack,
    StageRequest,
    split_request,
    stage_request,
)
from ratoon_flywheel.domain.pipelines.exports import ended_stage, with_outcome
from ratoon_flywheel.domain.pipelines.runs import (
    COMPRESSION_STAGES,
    Approval,
    Cancelled,
    Choice,
    CompressionOutcome,
    Event,
    Failed,
    PipelineRun,
    Production,
    Products,
    Progress,
    Refused,
    RolledBack,
    Stage,
    StageId,
    StageState,
    Started,
    State,
    Succeeded,
    TrainedRecipe,
)
from ratoon_flywheel.domain.pipelines.support import (
    ALONE,
    CLASSICAL,
    DEFAULT_RECIPE,
    check_base,
    check_supported,
    loop_kind,
)

LONGEST_REASON = 1000
"""Characters of the reason of a decision."""
CANCEL_RETRY_INTERVAL = timedelta(seconds=5)
"""Time between two requests to cancel a child that still works."""


class ChildState(StrEnum):
    """Where the resource that does a stage stands."""

    WORKING = "WORKING"
    SUCCEEDED = "SUCCEEDED"
    REFUSED = "REFUSED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    ROLLED_BACK = "ROLLED_BACK"


@dataclass(frozen=True)
class Child:
    """Observation of the resource: its state, products, progress, and the reason of its end."""

    state: ChildState
    products: Products = Products()
    progress: Progress = Progress()
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class Observation:
    """What a step needs to know: what serves (before the run begins), and the child of the stage in work."""

    production: Production | None = None
    child: Child | None = None
    loss: str = ""
    """Sentence about a loss that users' corrections show of the version that is rolled out; empty: none is shown."""


@dataclass(frozen=True)
class Create:
    """Create the resource of a stage; the run notes its name."""

    stage: StageId
    request: StageRequest


@dataclass(frozen=True)
class Transition:
    """What follows from an observation."""

    run: PipelineRun
    actions: tuple[Create | CancelChild | RollBack, ...] = ()
    events: tuple[Event, ...] = ()


_ENDS = {
    ChildState.REFUSED: (State.REFUSED, StageState.REFUSED),
    ChildState.FAILED: (State.FAILED, StageState.FAILED),
    ChildState.CANCELLED: (State.FAILED, StageState.CANCELLED),
    ChildState.ROLLED_BACK: (State.ROLLED_BACK, StageState.ROLLED_BACK),
}


def step(run: PipelineRun, observation: Observation, now: datetime) -> Transition:
    """Return the next state of a run with its actions and events."""
    if run.state.ended:
        return Transition(run)
    if run.cancel_requested:
        return _cancelling(run, observation.child, now)
    if run.state is State.QUEUED:
        return _begin(run, observation.production, now)
    stage = run.current
    if stage is None:
        return _succeed(run, now)
    if stage.id is StageId.APPROVAL and stage.state is StageState.RUNNING:
        return _apply_decision(run, stage, now)
    if stage.state is StageState.PENDING or observation.child is None:
        return _start(run, stage, now)
    if observation.loss and observation.child.state is ChildState.WORKING:
        return _roll_back(run, stage, observation.loss, now)
    return _follow(run, stage, observation.child, now)


def fail(run: PipelineRun, reason: str, message: str, now: datetime) -> Transition:
    """The run as one that cannot go on; one that is being cancelled has ended by this."""
    if run.state.ended:
        return Transition(run)
    stage = run.current
    if stage is not None and stage.id is StageId.EXPORT:
        return _export_next(run, stage, False, message, now)
    if run.cancel_requested:
        return _cancelled(run, now)
    return _end(run, State.FAILED, StageState.FAILED, reason, message, now)


def noted(run: PipelineRun, stage: StageId, resource: str) -> PipelineRun:
    """The run, knowing which resource does a stage."""
    return _with_stage(run, replace(run.stage(stage), resource=resource))


def decided(run: PipelineRun, approval: Approval) -> PipelineRun:
    """Return the run with a decision; NoDecisionPending if none is pending, NoReason without a reason."""
    if not run.awaits_decision:
        earlier = run.approval
        why = f"{earlier.decider} has decided" if earlier else f"it is {run.state}"
        raise NoDecisionPending(f"{run.name} does not wait for a decision: {why}.")
    if not approval.reason.strip() or len(approval.reason) > LONGEST_REASON:
        raise NoReason(
            f"Give a reason of 1 to {LONGEST_REASON} characters: it is stored with the run.", "reason"
        )
    return replace(run, approval=approval)


def _begin(run: PipelineRun, production: Production | None, now: datetime) -> Transition:
    check_supported(run.project)
    if run.retrains and production is None:
        message = "There is no version in production yet, so there is no traffic to train on: give sources."
        return fail(run, "NOTHING_TO_RETRAIN", message, now)
    if production is None or production.is_small:
        check_base(run.project)
    stages = tuple(
        replace(s, state=StageState.SKIPPED) if s.id is StageId.ROLLOUT and run.skip_rollout else s
        for s in run.stages
    )
    if run.project.label_queue.min_labels and not run.retrains:
        stages = (stages[0], Stage(StageId.QUEUE), *stages[1:])
    if run.project.gate.classical_challenger and run.recipe != CLASSICAL:
        place = next(at for at, each in enumerate(stages) if each.id is StageId.EVALUATION)
        challenge = (Stage(StageId.CHALLENGER), Stage(StageId.COMPARISON))
        stages = (*stages[:place], *challenge, *stages[place:])
    if run.project.compression.method and run.recipe not in ALONE:
        place = next(at for at, each in enumerate(stages) if each.id is StageId.REGISTRATION) + 1
        stages = (*stages[:place], *map(Stage, COMPRESSION_STAGES), *stages[place:])
    if run.project.require_approval and not run.skip_rollout:
        stages = (*stages[:-1], Stage(StageId.APPROVAL), stages[-1])
    if run.project.exports and run.recipe not in ALONE and not run.skip_rollout:
        stages = (*stages, Stage(StageId.EXPORT))
    running = replace(run, state=State.RUNNING, production=production, stages=stages)
    begun = _start(running, running.stages[0], now)
    return replace(begun, events=(Started(run.trigger),))


def _start(run: PipelineRun, stage: Stage, now: datetime) -> Transition:
    """Start a stage, or repeat the request if the response was lost: the request id makes both the same."""
    if stage.state is StageState.PENDING:
        run = _with_stage(run, replace(stage, state=StageState.RUNNING, start_time=now))
        run = replace(run, progress=Progress(_done(run), f"{stage.id.value} begins"))
    if stage.id is StageId.APPROVAL:
        waits = f"waits for a person to approve or reject {run.products.model_version}"
        return Transition(replace(run, progress=replace(run.progress, message=waits)))
    return Transition(run, (Create(stage.id, stage_request(run, stage.id)),))


def _follow(run: PipelineRun, stage: Stage, child: Child, now: datetime) -> Transition:
    if child.state is ChildState.WORKING and (late := _waited_too_long(run, stage, child, now)):
        return _end(run, State.FAILED, StageState.FAILED, "LABELS_MISSING", late, now)
    if child.state is ChildState.WORKING:
        fraction = _done(run) + child.progress.fraction / len(run.stages)
        message = f"{stage.id.value}: {child.progress.message}" if child.progress.message else stage.id.value
        progress = replace(child.progress, fraction=fraction, message=message)
        return Transition(replace(run, progress=_without_end_of_stage(run, stage, progress)))
    run = replace(run, products=run.products.with_more(child.products))
    if (detour := _detour(run, stage, child, now)) is not None:
        return detour
    if child.state is not ChildState.SUCCEEDED:
        state, of_stage = _ENDS[child.state]
        reason = child.reason or f"{stage.id.name}_{child.state.value}"
        message = child.message or f"{stage.resource} ended as {child.state.value}."
        return _end(run, state, of_stage, reason, message, now)
    if stage.id is StageId.COMPRESSION_REGISTRATION:
        run = _accept_compressed(run)
    finished = replace(
        stage, state=StageState.SUCCEEDED, message=_stage_message(run, stage, child), end_time=now
    )
    run = _with_stage(run, finished)
    at_stage = _with_stage(run, stage)
    if lack := _missing_fields(run, stage.id):
        return _end(at_stage, State.FAILED, StageState.FAILED, "FIELDS_MISSING", lack, now)
    if lack := _lack(run, stage.id):
        return _end(at_stage, State.FAILED, StageState.FAILED, "TOO_FEW_RECORDS", lack, now)
    return _go_on(run, now)


def _detour(run: PipelineRun, stage: Stage, child: Child, now: datetime) -> Transition | None:
    """Return how a run goes on where the end of a child neither ends it nor begins the next stage; None: it does."""
    match stage.id, child.state:
        case StageId.CHALLENGER, ChildState.FAILED:
            return _go_on_without_challenger(run, stage, child, now)
        case StageId.COMPARISON, ChildState.SUCCEEDED | ChildState.REFUSED:
            return _choose(run, stage, child, now)
        case StageId.TRAINING, ChildState.SUCCEEDED if run.following_recipes:
            return _train_on(run, stage, now)
        case StageId.ROLLOUT, ChildState.FAILED if run.products.source_version:
            return roll_out_source(run, child.message or f"{stage.resource} failed.", now)
        case StageId.EXPORT, _:
            return _export_next(run, stage, child.state is ChildState.SUCCEEDED, child.message, now)
        case id, end if id in COMPRESSION_STAGES and end is not ChildState.SUCCEEDED:
            return _go_on_with_source(run, stage, child, now)
        case _:
            return None


def _go_on(run: PipelineRun, now: datetime) -> Transition:
    """Start the next stage, or end the run after the last one. A classical model is not compressed."""
    following = run.current
    if following is None:
        return _succeed(run, now)
    if run.choice is not None and run.choice.is_challenger:
        if following.id is StageId.COMPRESSION:
            reason = "The candidate is a classical model, which is not compressed."
            return _go_on(_uncompressed(run, reason), now)
        if following.id is StageId.EXPORT:
            reason = "The version is a classical model, which is not exported."
            run = _with_stage(run, replace(following, state=StageState.SKIPPED, message=reason))
            return _succeed(run, now)
    return _start(run, following, now)


def _uncompressed(run: PipelineRun, reason: str) -> PipelineRun:
    """Return the run without the stages of compression that are left, and with the reason."""
    stages = tuple(
        replace(each, state=StageState.SKIPPED, message=reason)
        if each.id in COMPRESSION_STAGES and each.state is StageState.PENDING
        else each
        for each in run.stages
    )
    return replace(run, stages=stages, compression_outcome=CompressionOutcome(False, reason))


def _go_on_with_source(run: PipelineRun, stage: Stage, child: Child, now: datetime) -> Transition:
    """Let the uncompressed version go on, because the compressed one was not made, or its gate refused it."""
    _, of_stage = _ENDS[child.state]
    why = child.message or f"{stage.resource} ended as {child.state.value}."
    run = _with_stage(run, replace(stage, state=of_stage, message=why, end_time=now))
    return _go_on(_uncompressed(run, f"{run.products.model_version} is not replaced: {why}"), now)


def _accept_compressed(run: PipelineRun) -> PipelineRun:
    """Return the run whose version is the compressed form of the one before."""
    source, compressed = run.products.model_version, run.products.compressed_version
    reason = f"{compressed} takes the place of {source}: {run.products.compression_verdict}"
    return replace(
        run,
        products=replace(run.products, model_version=compressed, source_version=source),
        compression_outcome=CompressionOutcome(True, reason),
    )


def roll_out_source(run: PipelineRun, message: str, now: datetime) -> Transition:
    """Roll out the source of a compressed version that engines cannot serve."""
    compressed, source = run.products.model_version, run.products.source_version
    reason = f"{source} is rolled out in the place of {compressed}, which could not be served: {message}"
    run = replace(
        run,
        products=replace(run.products, model_version=source, source_version="", rollout=""),
        compression_outcome=CompressionOutcome(False, reason),
    )
    stage = replace(run.stage(StageId.ROLLOUT), resource="", message=reason)
    return _start(_with_stage(run, stage), stage, now)


def _export_next(run: PipelineRun, stage: Stage, succeeded: bool, message: str, now: datetime) -> Transition:
    """Note how an export ended, and begin the next one; the run succeeds after the last one, however they ended."""
    run = with_outcome(run, stage, succeeded, message)
    ended = ended_stage(run, stage, now)
    if ended is None and run.cancel_requested:
        ended = replace(stage, state=StageState.CANCELLED, end_time=now)
    if ended is not None:
        return _go_on(_with_stage(run, ended), now)
    stage = replace(stage, resource="")
    return _start(_with_stage(run, stage), stage, now)


def _go_on_without_challenger(run: PipelineRun, stage: Stage, child: Child, now: datetime) -> Transition:
    """Let the trained model be the candidate, because the data give no challenger."""
    why = f"Not compared with a classical model: {child.message}"
    run = _with_stage(run, replace(stage, state=StageState.SKIPPED, message=why, end_time=now))
    run = _with_stage(run, Stage(StageId.COMPARISON, StageState.SKIPPED, message=why))
    return _start(run, run.stage(StageId.EVALUATION), now)


def _choose(run: PipelineRun, stage: Stage, child: Child, now: datetime) -> Transition:
    """Let the challenger be the candidate unless the trained model is shown to be better, then go on."""
    is_challenger = child.state is ChildState.REFUSED
    recipe, threshold = run.recipe or DEFAULT_RECIPE, run.project.gate.challenger_threshold
    outcome = (
        f"The classical challenger is chosen, because the model of the recipe {recipe} is not shown to be better "
        f"by more than {threshold:g}"
        if is_challenger
        else f"The model of the recipe {recipe} is chosen, because it is better than the classical challenger by "
        f"more than {threshold:g}"
    )
    reason = f"{outcome}: {child.message}"
    products = run.products
    if is_challenger:
        products = replace(
            products, training_run=products.challenger_run, candidate_digest=products.challenger_digest
        )
    run = replace(run, products=products, choice=Choice(is_challenger, reason))
    run = _with_stage(run, replace(stage, state=StageState.SUCCEEDED, message=reason, end_time=now))
    return _start(run, run.stage(StageId.EVALUATION), now)


def _train_on(run: PipelineRun, stage: Stage, now: datetime) -> Transition:
    """Begin the next training of a chain with the artifact of the one that has ended."""
    products = run.products
    ended = TrainedRecipe(run.recipe, products.training_run, products.candidate_digest)
    recipe, *following = run.following_recipes
    run = replace(run, recipe=recipe, following_recipes=tuple(following), trained=(*run.trained, ended))
    run = _with_stage(run, replace(stage, resource=""))
    run = replace(run, progress=replace(run.progress, message=f"{stage.id.value}: {recipe} begins"))
    return _start(run, run.stage(stage.id), now)


def _waited_too_long(run: PipelineRun, stage: Stage, child: Child, now: datetime) -> str:
    """Return why a run no longer waits for people, as a sentence; empty while it does."""
    bound = run.project.label_queue.max_wait_hours
    if stage.id is not StageId.QUEUE or stage.start_time is None:
        return ""
    if now - stage.start_time < timedelta(hours=bound):
        return ""
    return (
        f"People have not labelled enough records within {bound:g} hours (label_queue.max_wait_hours): "
        f"{child.progress.message}. Their answers are kept: label the rest of {stage.resource}, then start a run."
    )


def _roll_back(run: PipelineRun, stage: Stage, loss: str, now: datetime) -> Transition:
    """Request the rollback of a rollout; the run ends with it."""
    run = replace(run, progress=replace(run.progress, message=f"rolls back: {loss}"))
    requested = run.rollback_requested
    if requested is not None and now - requested < CANCEL_RETRY_INTERVAL:
        return Transition(run)
    return Transition(replace(run, rollback_requested=now), (RollBack(stage.resource, loss),))


def _stage_message(run: PipelineRun, stage: Stage, child: Child) -> str:
    note = data_note(run, stage.id)
    return f"{child.message}. {note}" if note else child.message


_MEDIA = ("images", "audios", "videos", "files")


def data_note(run: PipelineRun, stage: StageId) -> str:
    """Return what a stage says of the data in addition."""
    if stage is StageId.DATASET:
        return run.data_note
    counts = {name: run.products.field_counts.get(name, 0) for name in _MEDIA}
    if stage is not StageId.TRAINING or not any(counts.values()):
        return ""
    listed = ", ".join(f"{count} have {name}" for name, count in counts.items() if count)
    return f"Of {run.products.record_count} records {listed}: training reads their texts alone."


def _without_end_of_stage(run: PipelineRun, stage: Stage, progress: Progress) -> Progress:
    """The progress of a run: a stage's time left is the run's in the last stage alone, else named as the stage's."""
    if not progress.remaining_seconds or stage.id is run.stages[-1].id:
        return progress
    message = f"{progress.message} (about {progress.remaining_seconds:.0f} s of {stage.id.value} left)"
    return replace(progress, message=message, remaining_seconds=0.0)


def _missing_fields(run: PipelineRun, stage: StageId) -> str:
    """Return which required fields records lack after a stage, as a sentence; empty: none.

    Corrected traffic has the fields of feedback alone, so a retraining requires none.
    """
    total, counts = run.products.record_count, _field_counts(run.products, stage)
    if run.retrains or not total or not counts:
        return ""
    requirements = run.project.data_requirements
    if sentence := _incomplete_fields(run, stage, counts):
        return sentence
    lacking = {
        name: total - counts.get(name, 0)
        for name in requirements.required_fields
        if (name == _LABEL) is (stage is StageId.LABELS) and counts.get(name, 0) < total
    }
    if not lacking:
        return ""
    listed = ", ".join(f"{count} of {total} lack {name!r}" for name, count in lacking.items())
    return (
        f"Records of {run.products.dataset_version} have not all fields that the project requires "
        f"(data_requirements.required_fields): {listed}. Add them to the sources and name their columns, or drop the "
        "requirement."
    )


def _incomplete_fields(run: PipelineRun, stage: StageId, counts: Mapping[str, int]) -> str:
    """Return which fields too few records have after a stage, as a sentence; empty: none."""
    total = run.products.record_count
    shares = {
        name: (counts.get(name, 0) / total, minimum)
        for name, minimum in run.project.data_requirements.min_completeness.items()
        if (name == _LABEL) is (stage is StageId.LABELS)
    }
    lacking = {name: pair for name, pair in shares.items() if pair[0] < pair[1]}
    if not lacking:
        return ""
    listed = ", ".join(
        f"{share:.1%} have {name!r}, {minimum:.1%} must" for name, (share, minimum) in lacking.items()
    )
    return (
        f"Too few records of {run.products.dataset_version} have a field that the project requires "
        f"(data_requirements.min_completeness): of {total} records, {listed}. Complete the sources and name their "
        "columns, or lower the share."
    )


_LABEL = "label"


def _field_counts(products: Products, stage: StageId) -> Mapping[str, int]:
    """Return the records that have each field, of those that are known after a stage."""
    match stage:
        case StageId.DATASET:
            return {"text": products.record_count, **products.field_counts}
        case StageId.LABELS:
            return {_LABEL: products.labelled_count}
        case _:
            return {}


def _lack(run: PipelineRun, stage: StageId) -> str:
    """Return which records are missing after a stage, as a sentence; empty: there are enough."""
    match stage:
        case StageId.LABELS:
            return _lack_of_labels(run)
        case StageId.SPLIT:
            return _empty_part(run)
        case _:
            return ""


def _lack_of_labels(run: PipelineRun) -> str:
    products = run.products
    total = products.labelled_count or sum(products.label_counts.values())
    if not total:
        return ""
    split, project = split_request(run), run.project
    kind = loop_kind(project)
    counts = products.label_counts
    return kind.lack(project.task, counts, total, split.ratios, split.by_time, project.data_requirements)


def _empty_part(run: PipelineRun) -> str:
    counts = run.products.part_counts
    empty = [part for part in ("train", "test") if counts and not counts.get(part)]
    if not empty:
        return ""
    attribute = split_request(run).group_attribute
    groups = f", or too many share one value of {attribute!r} (group_attribute)" if attribute else ""
    return (
        f"The {empty[0]} part of {run.products.split} is empty: too few records differ enough from each other and from "
        f"earlier test parts{groups}. Add records with answers."
    )


def _apply_decision(run: PipelineRun, stage: Stage, now: datetime) -> Transition:
    """Go on as a person decided; wait where none has."""
    approval = run.approval
    if approval is None:
        return Transition(run)
    if not approval.approved:
        message = f"Rejected by {approval.decider}: {approval.reason}"
        return _end(run, State.REFUSED, StageState.REFUSED, "REJECTED", message, now)
    message = f"Approved by {approval.decider}: {approval.reason}"
    return _go_on(
        _with_stage(run, replace(stage, state=StageState.SUCCEEDED, message=message, end_time=now)), now
    )


def _cancelling(run: PipelineRun, child: Child | None, now: datetime) -> Transition:
    """Cancel the child in work, and wait until it has ended."""
    stage = run.current
    run = replace(run, state=State.CANCELLING)
    if stage is None or stage.state is StageState.PENDING or stage.id is StageId.APPROVAL:
        return _cancelled(run, now)
    if child is None:
        return Transition(run, (Create(stage.id, stage_request(run, stage.id)),))
    if child.state is ChildState.WORKING:
        if run.cancel_asked is not None and now - run.cancel_asked < CANCEL_RETRY_INTERVAL:
            return Transition(run)
        return Transition(replace(run, cancel_asked=now), (CancelChild(stage.id, stage.resource),))
    run = replace(run, products=run.products.with_more(child.products))
    if stage.id is StageId.EXPORT:
        return _export_next(run, stage, child.state is ChildState.SUCCEEDED, child.message, now)
    if stage.id is StageId.ROLLOUT and child.state is ChildState.SUCCEEDED:
        return _succeed(_with_stage(run, replace(stage, state=StageState.SUCCEEDED, end_time=now)), now)
    return _cancelled(run, now)


def _cancelled(run: PipelineRun, now: datetime) -> Transition:
    return _end(run, State.CANCELLED, StageState.CANCELLED, "", "", now)


def _succeed(run: PipelineRun, now: datetime) -> Transition:
    version = run.products.model_version
    outcome = "is registered" if run.skip_rollout else "serves"
    ended = replace(
        run,
        state=State.SUCCEEDED,
        stages=_without_pending(run.stages),
        end_time=now,
        progress=Progress(1.0, f"{version} {outcome}"),
    )
    return Transition(ended, events=(Succeeded(version),))


def _end(
    run: PipelineRun, state: State, of_stage: StageState, reason: str, message: str, now: datetime
) -> Transition:
    """End a run at the stage in work; the stages after it are skipped."""
    at = run.current
    stages = tuple(
        replace(s, state=of_stage, message=message, end_time=now)
        if s == at
        else replace(s, state=StageState.SKIPPED)
        if s.state is StageState.PENDING
        else s
        for s in run.stages
    )
    ended = replace(
        run,
        state=state,
        stages=stages,
        failure_reason=reason,
        failure_message=message,
        end_time=now,
        progress=replace(run.progress, message=message or state.value.lower(), remaining_seconds=0.0),
    )
    return Transition(ended, events=(_final_event(ended),))


def _without_pending(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    return tuple(
        replace(each, state=StageState.SKIPPED) if each.state is StageState.PENDING else each
        for each in stages
    )


def _final_event(run: PipelineRun) -> Event:
    match run.state:
        case State.REFUSED:
            return Refused(run.products.evaluation_run)
        case State.ROLLED_BACK:
            return RolledBack(run.products.model_version)
        case State.CANCELLED:
            return Cancelled()
        case _:
            return Failed(run.failure_reason)


def _with_stage(run: PipelineRun, stage: Stage) -> PipelineRun:
    return replace(run, stages=tuple(stage if s.id is stage.id else s for s in run.stages))


def _done(run: PipelineRun) -> float:
    """The share of stages that are behind."""
    ahead = (StageState.PENDING, StageState.RUNNING)
    return sum(stage.state not in ahead for stage in run.stages) / len(run.stages)
