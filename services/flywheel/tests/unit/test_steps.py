"""A pipeline run moves stage by stage, ends whatever its children do, and never leaves one working behind it."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ratoon.tasks.classify import Classify
from ratoon.tasks.compute import Accelerator, Compute, Dtype
from ratoon.tasks.generate import Generate
from ratoon.tasks.kind import Kind, SplitMode
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.regress import Regress
from ratoon_flywheel.domain.errors import NoBaseModel, NoDecisionPending, NoReason
from ratoon_flywheel.domain.kinds.classify import lack
from ratoon_flywheel.domain.pipelines.actions import (
    BuildDataset,
    CancelChild,
    Compare,
    CompareCompressed,
    Compress,
    Evaluate,
    MakeSplit,
    Register,
    RegisterCompressed,
    RollBack,
    RollOut,
    RuleKind,
    Train,
    TrainChallenger,
    split_request,
    stage_request,
)
from ratoon_flywheel.domain.pipelines.exports import Export, export_request
from ratoon_flywheel.domain.pipelines.runs import (
    COMPRESSION_STAGES,
    OPTIONAL_STAGES,
    Approval,
    Cancelled,
    CompressionOutcome,
    Failed,
    PipelineRun,
    Production,
    Products,
    Progress,
    Refused,
    StageId,
    StageState,
    Started,
    State,
    Window,
)
from ratoon_flywheel.domain.pipelines.steps import (
    Child,
    ChildState,
    Create,
    Observation,
    decided,
    fail,
    noted,
    roll_out_source,
    step,
)
from ratoon_flywheel.domain.project_settings import (
    CompressionSettings,
    DataRequirements,
    ExportSettings,
    LabelQueue,
    StageCompute,
)
from ratoon_flywheel.domain.projects import (
    Gate,
    Method,
    Project,
    SplitDefaults,
    SplitRule,
    TrainingDefaults,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PROJECT = Project(
    "projects/mail",
    NOW,
    NOW,
    Classify(("ham", "spam")),
    training=TrainingDefaults(epochs=2.0, continue_epochs=1.0),
)
V1 = Production("projects/mail/models/mail/versions/v1.1", "a" * 64, "second-split", ("first-split",))
PRODUCTS = {
    StageId.DATASET: Products(dataset_version="v2"),
    StageId.LABELS: Products(label_set="labels", label_set_digest="l"),
    StageId.SPLIT: Products(split="third-split", train_digest="t", validation_digest="v"),
    StageId.TRAINING: Products(training_run="run", candidate_digest="c"),
    StageId.CHALLENGER: Products(challenger_run="challenger", challenger_digest="k"),
    StageId.COMPARISON: Products(comparison_run="comparison"),
    StageId.EVALUATION: Products(
        evaluation_run="eval", verdict="Better by 0.11.", scores={"new.macro_f1": 0.8}
    ),
    StageId.REGISTRATION: Products(model_version="v1.2"),
    StageId.COMPRESSION: Products(compression="compression", compressed_digest="small"),
    StageId.COMPRESSION_GATE: Products(
        compression_evaluation_run="small-eval",
        compression_verdict="Worse by 0.01.",
        compression_scores={"new.macro_f1": 0.79},
    ),
    StageId.COMPRESSION_REGISTRATION: Products(compressed_version="v1.3"),
    StageId.ROLLOUT: Products(rollout="rollout"),
    StageId.EXPORT: Products(),
}


EXPORTS = (ExportSettings("GGUF", "Q8_0"), ExportSettings("HUGGING_FACE"))
EXPORTED = replace(PROJECT, exports=EXPORTS)
COMPRESSED = replace(PROJECT, compression=CompressionSettings("INT8", max_quality_loss=0.03))
CAREFUL = replace(PROJECT, require_approval=True)
TASKS = (Classify(("ham", "spam")), Generate(), Regress("points", 0, 5))
BASE = "b" * 64


def of_kind(task: TaskSpec) -> Project:
    return replace(
        PROJECT, task=task, training=TrainingDefaults(method=Method.DEFAULT, base_artifact_digest=BASE)
    )


def run(**more: object) -> PipelineRun:
    fields = {"project": PROJECT, "sources": ("s",), **more}
    return PipelineRun("projects/mail/pipelineRuns/r", NOW, NOW, **fields)


def retraining(**more: object) -> PipelineRun:
    return run(sources=(), window=Window(None, NOW), **more)


def driven(value: PipelineRun, production: Production | None = None, **ends: ChildState) -> PipelineRun:
    """To its end, each child ending at the first observation."""
    observation = Observation(production)
    for _ in range(40):
        moved = step(value, observation, NOW)
        value = moved.run
        for action in moved.actions:
            assert isinstance(action, Create)
            value = noted(value, action.stage, f"child-{action.stage.value}")
        if value.state.ended:
            return value
        stage = value.current
        end = ends.get(stage.id.value, ChildState.SUCCEEDED)
        observation = Observation(child=Child(end, PRODUCTS[stage.id], message=f"{stage.id.value} ended"))
    raise AssertionError("it did not end")


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
@pytest.mark.parametrize("serves", [False, True])
def test_a_run_of_any_kind_passes_every_stage_in_order(monkeypatch, task, serves):
    answers = {"ham": 40, "spam": 40} if task.kind is Kind.CLASSIFY else {}
    labels = Products(label_set="labels", label_counts=answers, labelled_count=80)
    monkeypatch.setitem(PRODUCTS, StageId.LABELS, labels)
    ended = driven(run(project=of_kind(task)), V1 if serves else None)
    assert ended.state is State.SUCCEEDED
    assert [stage.state for stage in ended.stages] == [StageState.SUCCEEDED] * 7
    assert ended.products.labelled_count == 80


CHALLENGED = replace(PROJECT, gate=Gate(classical_challenger=True))


@pytest.mark.parametrize(
    ("end", "candidate", "training"),
    [(ChildState.REFUSED, "k", "challenger"), (ChildState.SUCCEEDED, "c", "run")],
)
@pytest.mark.parametrize("production", [None, V1])
def test_the_classical_challenger_is_the_candidate_unless_the_other_model_is_better(
    end, candidate, training, production
):
    ended = driven(run(project=CHALLENGED), production, comparison=end)
    assert ended.state is State.SUCCEEDED
    assert [stage.id.value for stage in ended.stages][3:6] == ["training", "challenger", "comparison"]
    assert {stage.state for stage in ended.stages} == {StageState.SUCCEEDED}
    assert (ended.products.candidate_digest, ended.products.training_run) == (candidate, training)
    is_challenger = end is ChildState.REFUSED
    assert ended.choice is not None and ended.choice.is_challenger is is_challenger
    assert ended.choice.reason.endswith("by more than 0: comparison ended")
    register = stage_request(ended, StageId.REGISTRATION)
    assert isinstance(register, Register) and ended.choice.reason in register.changelog
    assert ("Classical model" in register.changelog) is is_challenger
    evaluate = stage_request(ended, StageId.EVALUATION)
    assert isinstance(evaluate, Evaluate)
    assert (evaluate.candidate_digest, evaluate.candidate_note) == (candidate, ended.choice.reason)


def test_the_comparison_is_by_the_rule_of_the_gate_and_its_own_threshold():
    project = replace(PROJECT, gate=Gate(classical_challenger=True, challenger_threshold=0.01))
    products = Products(
        split="s", train_digest="t", validation_digest="v", candidate_digest="c", challenger_digest="k"
    )
    value = run(project=project, products=products, production=V1)
    train = stage_request(value, StageId.CHALLENGER)
    assert isinstance(train, TrainChallenger)
    assert (train.recipe, train.train_digest, train.base_artifact_digest) == ("classical", "t", "")
    compare = stage_request(value, StageId.COMPARISON)
    assert isinstance(compare, Compare)
    assert (compare.candidate_digest, compare.reference_digest) == ("c", "k")
    (domain,) = compare.domains
    assert (domain.split, domain.rule, domain.threshold) == ("s", RuleKind.BETTER, 0.01)


def test_data_that_give_no_challenger_leave_the_trained_model():
    ended = driven(run(project=CHALLENGED), challenger=ChildState.FAILED)
    assert (ended.state, ended.choice) == (State.SUCCEEDED, None)
    assert ended.products.candidate_digest == "c"
    for id in (StageId.CHALLENGER, StageId.COMPARISON):
        assert ended.stage(id).state is StageState.SKIPPED
        assert ended.stage(id).message == "Not compared with a classical model: challenger ended"


def test_a_classical_recipe_has_no_challenger():
    ended = driven(run(project=CHALLENGED, recipe="classical"))
    assert not {StageId.CHALLENGER, StageId.COMPARISON} & {stage.id for stage in ended.stages}


@pytest.mark.parametrize(
    ("recipe", "base", "epochs"),
    [("sft", BASE, 2.0), ("classical", "a" * 64, 1.0), ("neural", "a" * 64, 1.0)],
)
def test_a_language_model_starts_from_its_base_if_a_small_model_is_in_production(recipe, base, epochs):
    """A language model continues no small model; a gate compares the two as any others."""
    training = replace(PROJECT.training, base_artifact_digest=BASE)
    small = replace(V1, is_small=True)
    value = run(project=replace(PROJECT, training=training), recipe=recipe, production=small)
    train, evaluate = stage_request(value, StageId.TRAINING), stage_request(value, StageId.EVALUATION)
    assert isinstance(train, Train) and isinstance(evaluate, Evaluate)
    assert (train.base_artifact_digest, train.epochs) == (base, epochs)
    assert evaluate.reference_digest == small.artifact_digest


def test_each_training_of_a_chain_begins_with_the_artifact_of_the_one_before(monkeypatch):
    """One artifact a recipe; the last one is the candidate, and the stage ends with it."""
    chain = run(project=of_kind(Generate()), recipe="pretrain", following_recipes=("sft", "dpo"))
    observation, value, trained = Observation(), chain, list[Train]()
    while not value.state.ended:
        moved = step(value, observation, NOW)
        value = moved.run
        for action in moved.actions:
            value = noted(value, action.stage, f"child-{action.stage.value}")
            if isinstance(action.request, Train):
                trained.append(action.request)
                name = f"run-{len(trained)}", f"artifact-{len(trained)}"
                monkeypatch.setitem(
                    PRODUCTS, StageId.TRAINING, Products(training_run=name[0], candidate_digest=name[1])
                )
        if value.current:
            observation = Observation(child=Child(ChildState.SUCCEEDED, PRODUCTS[value.current.id]))
    assert [(each.recipe, each.base_artifact_digest) for each in trained] == [
        ("pretrain", BASE),
        ("sft", "artifact-1"),
        ("dpo", "artifact-2"),
    ]
    assert [(each.recipe, each.artifact_digest) for each in value.trained] == [
        ("pretrain", "artifact-1"),
        ("sft", "artifact-2"),
    ]
    assert (value.products.candidate_digest, value.state) == ("artifact-3", State.SUCCEEDED)


def test_a_chain_ends_with_the_first_training_that_fails():
    chain = run(project=of_kind(Generate()), recipe="pretrain", following_recipes=("sft",))
    ended = driven(chain, training=ChildState.FAILED)
    assert (ended.state, ended.recipe, ended.trained) == (State.FAILED, "pretrain", ())


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_too_few_records_of_any_kind_end_a_run_before_it_splits(monkeypatch, task):
    monkeypatch.setitem(PRODUCTS, StageId.LABELS, Products(label_set="labels", labelled_count=3))
    ended = driven(run(project=of_kind(task)))
    assert (ended.state, ended.failure_reason) == (State.FAILED, "TOO_FEW_RECORDS")
    assert ended.failure_message.startswith("3 ")
    assert ended.stage(StageId.SPLIT).state is StageState.SKIPPED


@pytest.mark.parametrize(
    ("fields", "lacks", "stage"),
    [
        (("text", "time", "author"), "", None),
        (("label",), "2 of 80 lack 'label'", StageId.LABELS),
        (("author", "year"), "5 of 80 lack 'year'", StageId.DATASET),
        (("source", "year"), "80 of 80 lack 'source', 5 of 80 lack 'year'", StageId.DATASET),
    ],
)
def test_records_without_a_required_field_end_a_run_before_it_trains(monkeypatch, fields, lacks, stage):
    counts = {"time": 80, "author": 80, "year": 75}
    version = Products(dataset_version="version", record_count=80, field_counts=counts)
    monkeypatch.setitem(PRODUCTS, StageId.DATASET, version)
    labels = Products(label_set="labels", label_counts={"ham": 39, "spam": 39}, labelled_count=78)
    monkeypatch.setitem(PRODUCTS, StageId.LABELS, labels)
    project = replace(PROJECT, data_requirements=DataRequirements(required_fields=fields))
    ended = driven(run(project=project))
    assert ended.failure_reason == ("FIELDS_MISSING" if lacks else "")
    assert lacks in ended.failure_message
    if stage is not None:
        assert ended.stage(stage).state is StageState.FAILED
    window = Window(None, NOW)
    assert driven(replace(run(project=project), sources=(), window=window), V1).state is State.SUCCEEDED


@pytest.mark.parametrize(
    ("task", "counts", "says"),
    [
        (Generate(), {"train": 80, "validation": 0, "test": 0}, "The test part of third-split is empty"),
        (
            Generate(),
            {"train": 80, "validation": 0, "test": 0},
            "one value of 'conversation' (group_attribute)",
        ),
        (Regress(), {"train": 0, "validation": 4, "test": 4}, "The train part of third-split is empty"),
        (Generate(), {"train": 80, "validation": 0, "test": 20}, ""),
        (Generate(), {}, ""),
    ],
)
def test_an_empty_part_ends_a_run_before_it_trains(monkeypatch, task, counts, says):
    split = replace(PRODUCTS[StageId.SPLIT], part_counts=counts)
    monkeypatch.setitem(PRODUCTS, StageId.SPLIT, split)
    ended = driven(run(project=of_kind(task)))
    assert ended.failure_reason == ("TOO_FEW_RECORDS" if says else "")
    assert says in ended.failure_message
    assert (ended.stage(StageId.TRAINING).state is StageState.SKIPPED) is bool(says)


def test_a_first_version_without_the_base_model_that_its_kind_starts_from_is_refused():
    without = replace(of_kind(Generate()), training=TrainingDefaults(method=Method.DEFAULT))
    with pytest.raises(NoBaseModel):
        step(run(project=without), Observation(), NOW)
    assert step(run(project=without), Observation(V1), NOW).run.state is State.RUNNING


@pytest.mark.parametrize(
    ("task", "mode", "attribute"),
    [
        (Classify(("ham", "spam")), SplitMode.STRATIFIED, ""),
        (Generate(), SplitMode.GROUPED, "conversation"),
        (Regress(), SplitMode.QUANTILES, ""),
    ],
)
def test_sources_are_split_as_the_kind_divides_them(task, mode, attribute):
    split = split_request(run(project=of_kind(task)))
    assert (split.mode, split.group_attribute, split.by_time) == (mode, attribute, False)
    by_user = replace(of_kind(task), group_attribute="user")
    assert split_request(run(project=by_user)).group_attribute == ("user" if attribute else "")
    assert split_request(retraining(project=of_kind(task))).group_attribute == ""


def test_a_project_divides_its_sources_in_its_own_way_and_corrected_traffic_by_time():
    split = SplitDefaults(mode=SplitRule.GROUPED, fold_count=5, fold=2)
    project = replace(PROJECT, split=split, group_attribute="user")
    request = split_request(run(project=project))
    assert (request.mode, request.group_attribute) == (SplitRule.GROUPED, "user")
    assert (request.by_time, request.fold_count, request.fold) == (False, 5, 2)
    later = split_request(retraining(project=project))
    assert (later.by_time, later.group_attribute, later.fold_count) == (True, "", 0)
    by_time = split_request(run(project=replace(PROJECT, split=SplitDefaults(mode=SplitRule.TIME))))
    assert by_time.mode == "TIME"


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_training_and_evaluation_get_the_task_and_the_metric_of_the_project(task):
    project = replace(of_kind(task), primary_metric="chrf" if task.kind is Kind.GENERATE else "")
    training = stage_request(run(project=project), StageId.TRAINING)
    evaluation = stage_request(run(project=project), StageId.EVALUATION)
    assert isinstance(training, Train)
    assert isinstance(evaluation, Evaluate)
    assert training.task == evaluation.task == task
    assert evaluation.metric == project.primary_metric
    assert evaluation.base_digest == (BASE if task.kind is Kind.GENERATE else "")
    (domain,) = evaluation.domains
    rule = RuleKind.BEATS_MAJORITY if task.kind is Kind.CLASSIFY else RuleKind.MEASURED
    assert (domain.rule, domain.threshold, domain.baseline_margin) == (rule, 0.0, 0.02)


@pytest.mark.parametrize(("task", "margin"), [(Generate(), None), (Regress(), 1.0)])
def test_a_margin_as_wide_as_the_metric_turns_the_comparison_with_baselines_off(task, margin):
    wide = replace(of_kind(task), gate=Gate(baseline_margin=1.0))
    evaluation = stage_request(run(project=wide), StageId.EVALUATION)
    assert isinstance(evaluation, Evaluate)
    assert evaluation.domains[0].baseline_margin == margin


def test_a_run_passes_every_stage_in_order_and_keeps_its_products():
    ended = driven(run())
    assert ended.state is State.SUCCEEDED
    assert [stage.state for stage in ended.stages] == [StageState.SUCCEEDED] * 7
    assert ended.products.model_version == "v1.2"
    assert ended.products.scores == {"new.macro_f1": 0.8}
    assert ended.stage(StageId.EVALUATION).message == "evaluation ended"


@pytest.mark.parametrize(
    ("stage", "end", "state"),
    [
        ("evaluation", ChildState.REFUSED, State.REFUSED),
        ("rollout", ChildState.ROLLED_BACK, State.ROLLED_BACK),
        ("training", ChildState.FAILED, State.FAILED),
        ("split", ChildState.CANCELLED, State.FAILED),
    ],
)
def test_a_stage_that_does_not_succeed_ends_the_run(stage, end, state):
    ended = driven(run(), **{stage: end})
    assert (ended.state, ended.failure_message) == (state, f"{stage} ended")
    after = [s.state for s in ended.stages[[each.id for each in ended.stages].index(StageId(stage)) + 1 :]]
    assert set(after) <= {StageState.SKIPPED}


def test_a_refusal_carries_its_numbers():
    begun = driven(run(), evaluation=ChildState.REFUSED)
    assert begun.products.verdict == "Better by 0.11."
    moved = step(replace(begun, state=State.RUNNING), Observation(), NOW)
    assert moved.run.state is not State.REFUSED
    waiting = step(run(), Observation(), NOW)
    assert waiting.events == (Started(waiting.run.trigger),)
    assert fail(run(), "NO_DISK", "full", NOW).events == (Failed("NO_DISK"),)
    assert Refused(begun.products.evaluation_run) == Refused("eval")


def test_an_accepted_compression_is_registered_as_a_form_of_its_source_and_rolled_out():
    ended = driven(run(project=COMPRESSED), V1)
    assert ended.state is State.SUCCEEDED
    assert [stage.state for stage in ended.stages] == [StageState.SUCCEEDED] * 10
    assert (ended.products.model_version, ended.products.source_version) == ("v1.3", "v1.2")
    assert ended.compression_outcome == CompressionOutcome(
        True, "v1.3 takes the place of v1.2: Worse by 0.01."
    )
    compress = stage_request(replace(ended, products=before_compression(ended)), StageId.COMPRESSION)
    assert isinstance(compress, Compress)
    assert (compress.version, compress.artifact_digest, compress.dtype) == ("v1.2", "c", Dtype.BFLOAT16)
    gate = stage_request(ended, StageId.COMPRESSION_GATE)
    assert isinstance(gate, CompareCompressed)
    (domain,) = gate.domains
    assert (gate.candidate_digest, gate.reference_digest) == ("small", "c")
    assert (domain.split, domain.rule, domain.threshold) == ("third-split", RuleKind.NOT_WORSE, -0.03)
    registered = stage_request(ended, StageId.COMPRESSION_REGISTRATION)
    assert isinstance(registered, RegisterCompressed)
    assert registered.changelog.endswith("with its weights in int8. Gate: Worse by 0.01.")


def before_compression(value: PipelineRun) -> Products:
    return replace(value.products, model_version="v1.2", source_version="")


@pytest.mark.parametrize(
    ("stage", "end", "of_stage"),
    [
        ("compression", ChildState.FAILED, StageState.FAILED),
        ("compression", ChildState.CANCELLED, StageState.CANCELLED),
        ("compression_gate", ChildState.REFUSED, StageState.REFUSED),
        ("compression_registration", ChildState.FAILED, StageState.FAILED),
    ],
)
def test_a_compression_without_success_lets_its_source_serve(stage, end, of_stage):
    ended = driven(run(project=COMPRESSED), **{stage: end})
    assert ended.state is State.SUCCEEDED
    assert (ended.products.model_version, ended.products.source_version) == ("v1.2", "")
    assert ended.stage(StageId(stage)).state is of_stage
    later = COMPRESSION_STAGES[COMPRESSION_STAGES.index(StageId(stage)) + 1 :]
    assert {ended.stage(each).state for each in later} <= {StageState.SKIPPED}
    assert ended.compression_outcome == CompressionOutcome(False, f"v1.2 is not replaced: {stage} ended")
    assert ended.stage(StageId.ROLLOUT).state is StageState.SUCCEEDED


def test_engines_that_cannot_compute_a_compressed_version_get_its_source():
    served = replace(COMPRESSED, compute=StageCompute(serving=Compute(Accelerator.CUDA)))
    value = driven(run(project=served), rollout=ChildState.ROLLED_BACK)
    assert (value.state, value.products.model_version) == (State.ROLLED_BACK, "v1.3")
    request = stage_request(value, StageId.ROLLOUT)
    assert isinstance(request, RollOut)
    assert request.compute == Compute(Accelerator.CUDA, dtype=Dtype.BFLOAT16)
    at_rollout = tuple(
        replace(each, state=StageState.RUNNING) if each.id is StageId.ROLLOUT else each
        for each in value.stages
    )
    running = replace(value, state=State.RUNNING, stages=at_rollout)
    failed = Child(ChildState.FAILED, message="No engine became ready.")
    for moved in (
        roll_out_source(running, "No engine became ready.", NOW),
        step(running, Observation(child=failed), NOW),
    ):
        (action,) = moved.actions
        assert isinstance(action, Create) and isinstance(action.request, RollOut)
        assert (action.request.version, action.request.compute) == ("v1.2", Compute(Accelerator.CUDA))
        assert moved.run.state is State.RUNNING and not moved.run.stage(StageId.ROLLOUT).resource
        assert "No engine became ready." in moved.run.compression_outcome.reason


def test_a_classical_candidate_is_not_compressed():
    both = replace(COMPRESSED, gate=Gate(classical_challenger=True))
    ended = driven(run(project=both), comparison=ChildState.REFUSED)
    assert ended.state is State.SUCCEEDED
    assert {ended.stage(each).state for each in COMPRESSION_STAGES} == {StageState.SKIPPED}
    assert "classical" in ended.compression_outcome.reason
    small = driven(run(project=COMPRESSED, recipe="neural"))
    assert not {each.id for each in small.stages} & {*COMPRESSION_STAGES}


def test_a_version_is_exported_in_each_format_after_its_rollout():
    compressed = replace(COMPRESSED, exports=EXPORTS)
    ended = driven(run(project=compressed), V1)
    assert (ended.state, ended.stages[-1].id) == (State.SUCCEEDED, StageId.EXPORT)
    assert ended.stages[-1].state is StageState.SUCCEEDED
    assert ended.stages[-1].message == "gguf q8_0: export ended; hugging-face: export ended"
    assert [each.settings for each in ended.exports] == [*EXPORTS]
    assert {each.model_export for each in ended.exports} == {"child-export"}
    request = export_request(replace(ended, exports=ended.exports[:1]))
    assert request == Export("projects/mail", "v1.2", "c", EXPORTS[1])


@pytest.mark.parametrize("end", [ChildState.FAILED, ChildState.CANCELLED])
def test_an_export_that_fails_does_not_change_how_a_run_ends(end):
    ended = driven(run(project=EXPORTED), V1, export=end)
    assert (ended.state, ended.failure_reason) == (State.SUCCEEDED, "")
    assert ended.stage(StageId.EXPORT).state is StageState.FAILED
    assert [(each.succeeded, each.message) for each in ended.exports] == [(False, "export ended")] * 2


def at_export() -> PipelineRun:
    """A run whose first export works."""
    ended = driven(run(project=EXPORTED), V1)
    stage = replace(ended.stage(StageId.EXPORT), state=StageState.RUNNING, resource="first", message="")
    return replace(ended, state=State.RUNNING, exports=(), stages=(*ended.stages[:-1], stage), end_time=None)


def test_an_export_that_is_refused_is_noted_and_the_next_one_begins():
    moved = fail(at_export(), "BAD_MODEL_EXPORT", "It has no adapter.", NOW)
    (outcome,) = moved.run.exports
    assert (outcome.succeeded, outcome.message) == (False, "It has no adapter.")
    (action,) = moved.actions
    assert isinstance(action, Create) and action.request.settings == EXPORTS[1]
    ended = fail(moved.run, "BAD_MODEL_EXPORT", "Nor that.", NOW)
    assert (ended.run.state, len(ended.run.exports), ended.actions) == (State.SUCCEEDED, 2, ())


def test_a_run_that_is_cancelled_while_it_exports_has_succeeded():
    cancelling = replace(at_export(), cancel_requested=True)
    moved = step(cancelling, Observation(child=Child(ChildState.WORKING)), NOW)
    assert moved.actions == (CancelChild(StageId.EXPORT, "first"),)
    ended = step(moved.run, Observation(child=Child(ChildState.CANCELLED)), NOW)
    assert (ended.run.state, ended.run.stages[-1].state) == (State.SUCCEEDED, StageState.CANCELLED)
    assert len(ended.run.exports) == 1
    rolling = replace(driven(run(project=EXPORTED), V1), state=State.CANCELLING, cancel_requested=True)
    stages = tuple(
        replace(each, state={StageId.ROLLOUT: StageState.RUNNING}.get(each.id, each.state))
        if each.id is not StageId.EXPORT
        else replace(each, state=StageState.PENDING)
        for each in rolling.stages
    )
    done = step(replace(rolling, stages=stages), Observation(child=Child(ChildState.SUCCEEDED)), NOW)
    assert (done.run.state, done.run.stages[-1].state) == (State.SUCCEEDED, StageState.SKIPPED)


@pytest.mark.parametrize("more", [{"recipe": "neural"}, {"skip_rollout": True}])
def test_small_models_and_versions_that_are_not_rolled_out_are_not_exported(more):
    assert StageId.EXPORT not in {each.id for each in driven(run(project=EXPORTED, **more)).stages}
    challenged = replace(EXPORTED, gate=Gate(classical_challenger=True))
    classical = driven(run(project=challenged), comparison=ChildState.REFUSED)
    assert (classical.state, classical.stages[-1].state) == (State.SUCCEEDED, StageState.SKIPPED)


def test_training_continues_the_source_of_a_compressed_version_and_is_held_against_what_serves():
    compressed = replace(V1, source_digest="d" * 64)
    begun = replace(run(), production=compressed)
    assert stage_request(begun, StageId.TRAINING).base_artifact_digest == "d" * 64
    assert stage_request(begun, StageId.EVALUATION).reference_digest == "a" * 64


def test_a_retraining_splits_by_time_replays_continues_and_is_held_against_every_age():
    value = replace(
        retraining(), production=V1, products=PRODUCTS[StageId.SPLIT].with_more(PRODUCTS[StageId.TRAINING])
    )
    assert stage_request(value, StageId.DATASET) == BuildDataset(PROJECT, (), Window(None, NOW))
    split = stage_request(value, StageId.SPLIT)
    assert isinstance(split, MakeSplit)
    assert (split.by_time, split.ratios[2], split.replay_split, split.replay_count) == (
        True,
        0.5,
        "second-split",
        2000,
    )
    training = stage_request(value, StageId.TRAINING)
    assert isinstance(training, Train)
    assert (training.base_artifact_digest, training.epochs) == ("a" * 64, 1.0)
    evaluation = stage_request(value, StageId.EVALUATION)
    assert isinstance(evaluation, Evaluate)
    assert [(d.name, d.split, d.rule, d.threshold) for d in evaluation.domains] == [
        ("new", "third-split", RuleKind.BETTER, 0.0),
        ("old", "second-split", RuleKind.NOT_WORSE, -0.08),
        ("old-2", "first-split", RuleKind.NOT_WORSE, -0.08),
    ]
    registration = stage_request(replace(value, trigger_reason="it drifted."), StageId.REGISTRATION)
    assert isinstance(registration, Register)
    assert registration.changelog.startswith(f"Continues {V1.version} on corrected traffic")


@pytest.mark.parametrize(
    ("counts", "enough"),
    [
        ({"ham": 4, "spam": 4}, False),
        ({"ham": 5, "spam": 500}, False),
        ({"ham": 6, "spam": 6}, True),
        ({"ham": 10, "spam": 10}, True),
        ({"ham": 120, "spam": 120, "other": 1}, True),
        ({"ham": 100}, False),
        ({}, True),
    ],
)
def test_too_few_records_end_a_run_before_it_splits_or_trains(monkeypatch, counts, enough):
    monkeypatch.setitem(PRODUCTS, StageId.LABELS, Products(label_set="labels", label_counts=counts))
    ended = driven(run())
    assert (ended.state is State.SUCCEEDED) is enough
    if not enough:
        assert (ended.state, ended.failure_reason) == (State.FAILED, "TOO_FEW_RECORDS")
        assert ended.stage(StageId.LABELS).state is StageState.FAILED
        assert ended.stage(StageId.SPLIT).state is StageState.SKIPPED


@pytest.mark.parametrize("share", [0.1, 0.001, 1e-5, 1e-9])
def test_a_share_of_any_size_says_how_many_records_it_needs(share):
    ratios = (1 - 2 * share, share, share)
    sentence = lack(PROJECT.task, {"ham": 1, "spam": 1}, 2, ratios, False, DataRequirements())
    (needed,) = (int(digits) for digits in re.findall(r"need (\d+) records", sentence))
    assert round(needed * share) == 1
    enough = {"ham": needed, "spam": needed}
    assert lack(PROJECT.task, enough, 2 * needed, ratios, False, DataRequirements()) == ""


def test_too_few_records_are_reported_with_the_counts_and_what_is_needed(monkeypatch):
    monkeypatch.setitem(PRODUCTS, StageId.LABELS, Products(label_counts={"ham": 4, "spam": 4}))
    assert driven(run()).failure_message == (
        "8 labelled records are too few (4 ham, 4 spam): for training, validation and test, at least two labels need "
        "6 records or more each. Add labelled records; 200 or more of each label are advised."
    )
    monkeypatch.setitem(PRODUCTS, StageId.LABELS, Products(label_counts={"ham": 1}))
    message = driven(retraining(), V1).failure_message
    assert message.startswith("1 labelled record is too few (1 ham, 0 spam)")


def test_a_retraining_needs_a_version_in_production():
    moved = step(retraining(), Observation(None), NOW)
    assert (moved.run.state, moved.run.failure_reason) == (State.FAILED, "NOTHING_TO_RETRAIN")


def test_progress_counts_finished_stages_and_the_one_in_work():
    begun = step(run(), Observation(), NOW).run
    at_work = Child(ChildState.WORKING, progress=Progress(0.5, "halfway", 12.0, {"records": 7.0}))
    running = step(begun, Observation(child=at_work), NOW).run
    assert running.progress.fraction == pytest.approx(0.5 / 7)
    assert (running.progress.message, running.progress.remaining_seconds) == (
        "dataset: halfway (about 12 s of dataset left)",
        0.0,
    ), "the run takes longer than its first stage"


def test_a_loss_that_users_show_rolls_the_rollout_back_and_is_the_reason():
    ended = driven(run(), V1, rollout=ChildState.ROLLED_BACK)
    stages = tuple(
        replace(s, state=StageState.RUNNING, resource="rollout") if s.id is StageId.ROLLOUT else s
        for s in ended.stages
    )
    value = replace(ended, state=State.RUNNING, stages=stages, end_time=None)
    shown = Observation(child=Child(ChildState.WORKING), loss="MAE is 0.9, worse than 0.4.")
    moved = step(value, shown, NOW)
    assert moved.actions == (RollBack("rollout", "MAE is 0.9, worse than 0.4."),)
    assert moved.run.progress.message == "rolls back: MAE is 0.9, worse than 0.4."
    assert step(moved.run, shown, NOW + timedelta(seconds=1)).actions == ()
    assert step(moved.run, shown, NOW + timedelta(seconds=6)).actions == moved.actions
    rolled = Child(ChildState.ROLLED_BACK, message="MAE is 0.9, worse than 0.4.")
    last = step(moved.run, Observation(child=rolled), NOW).run
    assert (last.state, last.failure_message) == (State.ROLLED_BACK, "MAE is 0.9, worse than 0.4.")


def test_a_rollout_that_succeeded_before_the_cancel_reached_it_counts():
    value = driven(run(), rollout=ChildState.ROLLED_BACK)
    stages = tuple(
        replace(s, state=StageState.RUNNING) if s.id is StageId.ROLLOUT else s for s in value.stages
    )
    value = replace(value, state=State.CANCELLING, cancel_requested=True, stages=stages)
    moved = step(value, Observation(child=Child(ChildState.SUCCEEDED)), NOW)
    assert moved.run.state is State.SUCCEEDED


def waiting() -> PipelineRun:
    """A run whose version is registered and that waits for a person."""
    observation, value = Observation(), run(project=CAREFUL)
    while not value.awaits_decision:
        moved = step(value, observation, NOW)
        value = moved.run
        for action in moved.actions:
            value = noted(value, action.stage, f"child-{action.stage.value}")
        stage = value.current.id
        if stage is not StageId.APPROVAL:
            observation = Observation(child=Child(ChildState.SUCCEEDED, PRODUCTS[stage]))
    return value


def test_a_careful_project_rolls_nothing_out_before_a_person_approves():
    value = waiting()
    assert value.products.model_version == "v1.2"
    assert step(value, Observation(), NOW).run == value
    approved = decided(value, Approval(True, "projects/mail/apiKeys/ann", NOW, "It reads well."))
    moved = step(approved, Observation(), NOW)
    assert [action.stage for action in moved.actions] == [StageId.ROLLOUT]
    stage = moved.run.stage(StageId.APPROVAL)
    assert (stage.state, stage.message) == (
        StageState.SUCCEEDED,
        "Approved by projects/mail/apiKeys/ann: It reads well.",
    )


def test_a_rejected_version_is_refused_with_the_reason():
    moved = step(decided(waiting(), Approval(False, "ann", NOW, "It is rude.")), Observation(), NOW)
    assert (moved.run.state, moved.run.failure_reason) == (State.REFUSED, "REJECTED")
    assert moved.run.failure_message == "Rejected by ann: It is rude."
    assert moved.run.stage(StageId.ROLLOUT).state is StageState.SKIPPED
    assert moved.actions == ()


def test_a_decision_needs_a_reason_and_a_run_that_waits_for_it():
    value = waiting()
    for reason in ("", "  ", "x" * 1001):
        with pytest.raises(NoReason):
            decided(value, Approval(True, "ann", NOW, reason))
    approved = decided(value, Approval(True, "ann", NOW, "It reads well."))
    for other in (run(), approved, replace(value, state=State.CANCELLING)):
        with pytest.raises(NoDecisionPending):
            decided(other, Approval(False, "bob", NOW, "I am late."))


def test_a_run_that_waits_for_a_person_can_be_cancelled():
    moved = step(replace(waiting(), cancel_requested=True), Observation(), NOW)
    assert (moved.run.state, moved.actions) == (State.CANCELLED, ())


@dataclass
class Resource:
    """A child in another service."""

    stage: StageId
    state: ChildState = ChildState.WORKING
    cancel_requests: int = 0


class PipelineRunMachine(RuleBasedStateMachine):
    """Any order of ticks, crashes between a request and its note, ends of children, and a cancel."""

    @initialize(
        task=st.sampled_from(TASKS),
        retrains=st.booleans(),
        serves=st.booleans(),
        skips=st.booleans(),
        careful=st.booleans(),
        compression=st.sampled_from((CompressionSettings(), CompressionSettings("INT8"))),
        exports=st.sampled_from(((), EXPORTS)),
    )
    def begin(
        self,
        task: TaskSpec,
        retrains: bool,
        serves: bool,
        skips: bool,
        careful: bool,
        compression: CompressionSettings,
        exports: tuple[ExportSettings, ...],
    ) -> None:
        project = replace(of_kind(task), require_approval=careful, compression=compression, exports=exports)
        options = {"skip_rollout": skips, "project": project}
        self.run = retraining(**options) if retrains else run(**options)
        self.production = V1 if serves else None
        self.children: dict[StageId, Resource] = {}
        self.now = NOW
        self.ended: PipelineRun | None = None
        self.events: list[object] = []

    @rule(crashes=st.booleans(), loses=st.booleans())
    def tick(self, crashes: bool, loses: bool) -> None:
        """One tick; a crash loses the responses of the services. Users' corrections may show a loss."""
        self.now += timedelta(seconds=1)
        observation = self._observation()
        rolls_out = self.run.current is not None and self.run.current.id is StageId.ROLLOUT
        if loses and rolls_out:
            observation = replace(observation, loss="It is worse.")
        moved = step(self.run, observation, self.now)
        self.run = moved.run
        self.events += moved.events
        for action in moved.actions:
            if isinstance(action, CancelChild):
                self.children[action.stage].cancel_requests += 1
                continue
            if isinstance(action, RollBack):
                assert self.children[StageId.ROLLOUT].state is ChildState.WORKING
                continue
            self.children.setdefault(action.stage, Resource(action.stage))
            if not crashes:
                self.run = noted(self.run, action.stage, action.stage.value)

    @precondition(lambda self: any(c.state is ChildState.WORKING for c in self.children.values()))
    @rule(end=st.sampled_from(ChildState))
    def end_child(self, end: ChildState) -> None:
        working = next(c for c in self.children.values() if c.state is ChildState.WORKING)
        working.state = end

    @precondition(lambda self: self.run.awaits_decision and not self.run.cancel_requested)
    @rule(approved=st.booleans())
    def decide(self, approved: bool) -> None:
        self.run = decided(self.run, Approval(approved, "ann", self.now, "because"))

    @precondition(lambda self: not self.run.state.ended)
    @rule()
    def cancel(self) -> None:
        self.run = replace(self.run, cancel_requested=True)

    @invariant()
    def nothing_works_behind_a_run_that_ended(self) -> None:
        if self.run.state.ended:
            assert all(child.state is not ChildState.WORKING for child in self.children.values())

    @invariant()
    def what_ended_stays_as_it_is(self) -> None:
        if self.ended is not None:
            assert self.run == self.ended
        elif self.run.state.ended:
            self.ended = self.run

    @invariant()
    def stages_begin_in_order(self) -> None:
        optional = {*COMPRESSION_STAGES, StageId.EXPORT} & set(self.children)
        expected = [stage for stage in StageId if stage not in OPTIONAL_STAGES or stage in optional]
        assert list(self.children) == expected[: len(self.children)]

    @invariant()
    def what_needs_a_person_is_not_rolled_out_without_one(self) -> None:
        if self.run.project.require_approval and StageId.ROLLOUT in self.children:
            assert self.run.approval is not None
            assert self.run.approval.approved

    def teardown(self) -> None:
        """From any state: when children end, and stop on request, the run ends with one final event."""
        for _ in range(32):
            for child in self.children.values():
                if child.state is ChildState.WORKING:
                    child.state = ChildState.CANCELLED if child.cancel_requests else ChildState.SUCCEEDED
            if self.run.awaits_decision:
                self.run = decided(self.run, Approval(True, "ann", self.now, "because"))
            self.tick(False, False)
        assert self.run.state.ended
        closing = [event for event in self.events if not isinstance(event, Started)]
        assert len(closing) == 1
        if isinstance(closing[0], Cancelled):
            assert self.run.cancel_requested

    def _observation(self) -> Observation:
        stage = self.run.current
        if self.run.state is State.QUEUED or stage is None or not stage.resource:
            return Observation(self.production)
        child = self.children[stage.id]
        return Observation(child=Child(child.state, PRODUCTS[stage.id]))


TestPipelineRunMachine = PipelineRunMachine.TestCase
TestPipelineRunMachine.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


LABELLED = replace(PROJECT, label_queue=LabelQueue(min_labels=50, max_wait_hours=24))


def at_the_queue() -> PipelineRun:
    value = step(run(project=LABELLED), Observation(None), NOW).run
    value = noted(value, StageId.DATASET, "version")
    done = Child(ChildState.SUCCEEDED, PRODUCTS[StageId.DATASET])
    moved = step(value, Observation(child=done), NOW)
    assert moved.actions == (Create(StageId.QUEUE, stage_request(moved.run, StageId.QUEUE)),)
    return noted(moved.run, StageId.QUEUE, "projects/mail/queues/pipeline")


def test_a_run_waits_for_people_within_a_bound():
    waiting = Child(ChildState.WORKING, progress=Progress(0.2, "40 of 50 tasks wait for people"))
    value = at_the_queue()
    later = step(value, Observation(child=waiting), NOW + timedelta(hours=23)).run
    assert (later.state, later.current.id) == (State.RUNNING, StageId.QUEUE)
    late = step(later, Observation(child=waiting), NOW + timedelta(hours=24)).run
    assert (late.state, late.failure_reason) == (State.FAILED, "LABELS_MISSING")
    assert "40 of 50" in late.failure_message
    done = step(later, Observation(child=Child(ChildState.SUCCEEDED)), NOW + timedelta(hours=23)).run
    assert done.current.id is StageId.LABELS
    assert done.waited_for_people(NOW + timedelta(hours=90)) == timedelta(hours=23)


def test_a_retraining_on_feedback_and_a_project_without_a_queue_do_not_wait():
    for value in (run(), retraining(project=LABELLED)):
        begun = step(value, Observation(V1), NOW).run
        assert StageId.QUEUE not in [each.id for each in begun.stages]
