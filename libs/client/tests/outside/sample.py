"""Uses every resource of the client, for type checkers. Nothing of it runs."""

from datetime import UTC, datetime
from typing import assert_type

from ratoon.client import AsyncPage, AsyncRatoon, ChatCompletion, NotFoundError, Ratoon, SyncPage, omit, types

P = "projects/mail"


def gateway(client: Ratoon) -> None:
    key = client.api_keys.create(P, role=types.Role.CALLER, limits=types.KeyLimits(requests_per_minute=10))
    assert_type(key, types.ApiKey)
    assert_type(client.api_keys.update(key.name, expire_time=None, display_name=omit), types.ApiKey)
    assert_type(client.api_keys.usage(key.name, days=3).total, types.KeyUsage | None)
    assert_type(client.safety_filter.update(f"{P}/safetyFilter", input_words=["x"]), types.SafetyFilter)
    assert_type(client.token.issue(api_key=key.secret), types.Token)
    client.api_keys.delete(key.name)
    client.api_keys.create(P, role="ROLE_CALLER")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.api_keys.create(P, colour="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def ingestion(client: Ratoon) -> None:
    source = client.sources.create(
        P,
        format=types.SourceFormat.CSV,
        digest=client.blobs.upload(b"text,label\n"),
        columns=types.SourceColumns(text="body", attributes=["queue"]),
        labels_by_folder={"a": "b"},
    )
    assert_type(client.sources.preview(P, digest=source.digest).records, list[types.PreviewedRecord])
    client.datasets.create(P, dataset_id="d")
    version = client.dataset_versions.create(f"{P}/datasets/d", sources=[source.name])
    version = client.dataset_versions.wait(
        version.name, timeout=60, on_state=lambda state: print(state.state)
    )
    assert_type(version.create_time, datetime | None)
    assert_type(version.state, types.DatasetVersionState)
    assert_type(client.records.list(version.name), SyncPage[types.Record])
    for record in client.records.list(version.name):
        assert_type(client.records.lineage(P, record.record_id), types.RecordLineage)
    for rejected in client.rejections.list(version.name):
        assert_type(rejected, types.RejectedItem)
    split = client.splits.create(f"{P}/datasets/d", dataset_version=version.name, seed=3)
    assert_type(client.splits.open(split.name, purpose="report"), types.OpenSplitResponse)
    assert_type(next(iter(client.split_readings.list(split.name))), types.SplitReading)
    for erasure in client.erasures.watch(client.erasures.create(P, record_ids=["r"], reason="asked").name):
        assert_type(erasure, types.Erasure)


def labeling(client: Ratoon) -> None:
    guideline = client.guidelines.create(P, labels=["ham", "spam"])
    labels = client.label_sets.create(P, dataset_version="v", guideline=guideline.name)
    assert_type(labels.class_counts, dict[str, int])
    assert_type(labels.agreement_alpha, float | None)
    annotation = client.annotations.create(P, record_id="r", label="ham")
    assert_type(annotation.source, types.AnnotationSource)
    assert_type(client.tasks.summarize(P), types.SummarizeTasksResponse)
    assert_type(client.tasks.claim(P).task, types.Task | None)
    client.tasks.complete(f"{P}/tasks/t", label="ham")


def training(client: Ratoon) -> None:
    recipe = types.Recipe(method=types.RecipeMethod.LORA, seed=1, label_smoothing=None)
    plan = client.training_runs.plan(P, training_run=types.TrainingRun(recipe=recipe))
    assert_type(plan.measured_bytes, int)
    run = client.training_runs.create(P, recipe=recipe, request_id="once")
    assert_type(run.curve[0].metrics, dict[str, float])
    types.Recipe(seed="many")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    for bad in client.bad_cases.list(
        client.evaluation_runs.create(P, candidate_digest=run.artifact_digest).name
    ):
        assert_type(bad, types.BadCase)


def registry(client: Ratoon) -> None:
    model = client.models.create(P, display_name="Mail")
    version = client.model_versions.create(model.name, artifact_digest="0", scores={"f1": 0.9})
    alias = client.aliases.set(f"{model.name}/aliases/production", version=version.name, reason="first")
    assert_type(alias, types.Alias)
    assert_type(client.alias_changes.list(model.name).items, list[types.AliasChange])


def serving(client: Ratoon) -> None:
    deployment = client.deployments.scale(f"{P}/deployments/d", min_replicas=0, max_replicas=2)
    rollout = client.rollouts.create(deployment.name, bake=types.RolloutBake(seconds=60.0), shares=[10, 50])
    assert_type(client.rollouts.undo(rollout.name).strategy, types.RolloutStrategy)
    assert_type(client.engines.list(deployment.name).items[0].state, types.EngineState)


def flywheel(client: Ratoon) -> None:
    project = client.projects.update(P, gate=types.ProjectGate(baseline_margin=0.1), allow_label_removal=True)
    assert_type(project.gate, types.ProjectGate | None)
    policy = client.policies.create(P, min_feedback=10)
    assert_type(client.policies.update(policy.name, paused=True, schedule_seconds=None), types.Policy)
    assert_type(client.pipeline_runs.approve(f"{P}/pipelineRuns/r", reason="fine"), types.PipelineRun)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert_type(
        client.feedback.compare(P, version="a", other_version="b", start_time=start), types.Comparison
    )
    for segment in client.traffic_segments.list(P, order_by="create_time desc"):
        assert_type(segment.answer_count, int)
    assert_type(client.drift_reports.get(f"{P}/driftReports/d"), types.DriftReport)


def chat(client: Ratoon) -> str:
    answer = client.chat.completions.create("mail", "Win a prize!", temperature=0)
    assert_type(answer, ChatCompletion)
    client.chat.feedback(answer.answer_id, thumb="up")
    client.chat.feedback(answer.answer_id, thumb="sideways")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with client.with_options(timeout=5).chat.completions.stream("mail", "?") as chunks:
        return "".join(chunk.text for chunk in chunks)


async def asynchronous() -> None:
    async with AsyncRatoon(base_url="http://server", api_key="key", max_retries=0) as client:
        assert_type(await client.datasets.list(P), AsyncPage[types.Dataset])
        async for dataset in client.datasets.list(P):
            assert_type(dataset, types.Dataset)
        async with client.training_runs.watch(f"{P}/trainingRuns/r", revision=3) as states:
            async for state in states:
                assert_type(state, types.TrainingRun)
        assert_type(await client.rollouts.wait("r"), types.Rollout)
        async with client.chat.completions.stream("mail", "?") as chunks:
            assert_type([chunk.text async for chunk in chunks], list[str])
        try:
            await client.deployments.delete(f"{P}/deployments/d", force=True)
        except NotFoundError as error:
            assert_type(error.reason, str)
