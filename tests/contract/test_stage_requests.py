"""The services of the stages accept what pipeline runs of each kind of task request of them."""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ratoon.tasks.classify import Classify
from ratoon.tasks.compute import Accelerator, Compute, Dtype
from ratoon.tasks.generate import Form, Generate, Sampling
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.regress import Regress
from ratoon.testkit.clock import FakeClock
from ratoon_evaluation import mapping as evaluation_mapping
from ratoon_evaluation.application import handlers as evaluation
from ratoon_evaluation.domain.kinds.table import KINDS as EVALUATION_KINDS
from ratoon_evaluation.domain.suites import RecordsTest, Suite, SuiteTest
from ratoon_flywheel.adapters.evaluation import CompressionGateStage, EvaluationStage
from ratoon_flywheel.adapters.exports import ExportStage
from ratoon_flywheel.adapters.ingestion import SplitStage
from ratoon_flywheel.adapters.labeling import LabelStage, QueueStage
from ratoon_flywheel.adapters.registry import CompressedRegistrationStage, RegistrationStage
from ratoon_flywheel.adapters.serving import RolloutStage
from ratoon_flywheel.adapters.training import CompressionStage, TrainingStage
from ratoon_flywheel.domain.kinds.table import KINDS as RUN_KINDS
from ratoon_flywheel.domain.pipelines.actions import stage_request
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, Production, Products, StageId, Window
from ratoon_flywheel.domain.pipelines.support import check_supported
from ratoon_flywheel.domain.project_settings import (
    CompressionSettings,
    ExportSettings,
    LabelQueue,
    MetricGate,
    StageCompute,
    TrainOn,
    Truncation,
    TuningDefaults,
)
from ratoon_flywheel.domain.projects import Gate, Method, Project, TrainingDefaults, checked
from ratoon_ingestion import mapping as ingestion_mapping
from ratoon_ingestion.domain.splits import check_grouping
from ratoon_labeling import mapping as labeling_mapping
from ratoon_labeling import queue_mapping
from ratoon_labeling.application import handlers as labeling
from ratoon_labeling.domain.queues import Origin, Queue, Strategy, checked_queue
from ratoon_registry import mapping as registry_mapping
from ratoon_serving import mapping as serving_mapping
from ratoon_training import compression_messages, model_export_messages
from ratoon_training import mapping as training_mapping
from ratoon_training.application.commands import recipe_of
from ratoon_training.domain import model_exports
from ratoon_training.domain.model_exports import ExportFormat

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SPLIT = "projects/p/datasets/p/splits/new"
PRODUCTS = Products(
    dataset_version="projects/p/datasets/p/versions/v1",
    label_set_digest="d" * 64,
    split=SPLIT,
    train_digest="1" * 64,
    validation_digest="2" * 64,
    candidate_digest="c" * 64,
)
V1 = Production("projects/p/models/p/versions/v1.0", "a" * 64, "projects/p/datasets/p/splits/old")
ADAPTER = TrainingDefaults(method=Method.DEFAULT, base_artifact_digest="b" * 64, epochs=2, lora_rank=16)
SCRATCH = TrainingDefaults(method=Method.FULL, hidden_size=128, layers=3, max_chars=400)
CLASSIFY = Classify(("ham", "spam"))
SEVERAL = Classify(("billing", "urgent", "other"), multi_label=True)
CHAT = Generate(Form.CHAT, defaults=Sampling(0.0, max_tokens=24), stop=("\n",))
JSON = Generate(Form.JSON, '{"type": "object"}')
NUMBER = Regress("points", 0, 5, 0.5)


def project(task: TaskSpec, training: TrainingDefaults, **settings: Any) -> Project:
    return checked(Project("projects/p", NOW, NOW, task, training=training, **settings))


PROJECTS = {
    "labels": project(
        CLASSIFY, SCRATCH, metric_gates=(MetricGate("accuracy", 0.8), MetricGate("macro_f1", max_loss=0.1))
    ),
    "labels, with suites": project(
        CLASSIFY,
        SCRATCH,
        suites=("hard", "v1.easy"),
        metric_gates=(
            MetricGate("accuracy", 0.8, max_loss=0.1),
            MetricGate("suite:hard.accuracy", 0.6, 0.99),
            MetricGate("suite:v1.easy/typos.macro_f1", 0.5),
        ),
    ),
    "labels, an architecture": project(
        CLASSIFY,
        TrainingDefaults(
            method=Method.FULL,
            layers=2,
            architecture='{"family": "FAMILY_QWEN3_MOE", "experts": 4, "tokenizer": "TOKENIZER_WORD"}',
            optimization='{"optimizer": "OPTIMIZER_MUON", "token_budget": "1000000", "dropout": 0.1}',
        ),
    ),
    "texts, an adapter of some layers": project(
        CHAT, replace(ADAPTER, lora='{"targets": ["q_proj"], "dora": true, "merge": true, "dropout": 0.1}')
    ),
    "several labels": project(
        SEVERAL,
        SCRATCH,
        primary_metric="micro_f1",
        metric_gates=(MetricGate("recall", 0.4), MetricGate("accuracy", max_loss=0.1)),
    ),
    "texts": project(
        CHAT, ADAPTER, metric_gates=(MetricGate("chrf", max_loss=0.05), MetricGate("bleu", 0.1))
    ),
    "texts, tuned": project(
        CHAT,
        ADAPTER,
        primary_metric="perplexity",
        gate=Gate(0, -3.5, 2.0),
        compute=StageCompute(
            training=Compute(dtype=Dtype.BFLOAT16),
            evaluation=Compute(Accelerator.CUDA, Dtype.BFLOAT16, 1),
            verification=Compute(Accelerator.CUDA),
            serving=Compute(Accelerator.CUDA, Dtype.FLOAT16),
        ),
        tuning=TuningDefaults(TrainOn.LAST_ANSWER, Truncation.LEFT, 256, True, 4, True),
    ),
    "JSON from scratch": project(JSON, SCRATCH, gate=Gate(baseline_margin=1), primary_metric="json_field_f1"),
    "numbers": project(
        NUMBER, SCRATCH, metric_gates=(MetricGate("mae", max_value=1.0), MetricGate("r2", max_loss=0.1))
    ),
    "numbers by an adapter": project(NUMBER, replace(ADAPTER, method=Method.LORA), primary_metric="spearman"),
}


@dataclass
class Requests:
    """A channel that keeps the requests and answers with what was created."""

    sent: dict[str, Any] = field(default_factory=dict)

    def unary_unary(
        self, method: str, response_deserializer: Callable[[bytes], Any], **_: object
    ) -> Callable[[Any], Any]:
        def call(request: Any) -> Any:
            self.sent[method.rpartition("/")[2]] = request
            return response_deserializer(b"")

        return call

    unary_stream = unary_unary


class Accepting:
    """A store and the operations of a service: each resource is new."""

    @contextmanager
    def write(self) -> Any:
        yield self

    @contextmanager
    def read(self) -> Any:
        yield self

    def get(self, kind: type[Suite], name: str) -> Suite:
        """Return a suite of this name with one test."""
        return kind(name, NOW, NOW, "", (SuiteTest("typos", RecordsTest("a" * 64)),), 3)

    def create(self, resource: Any, request_id: str = "") -> tuple[Any, bool]:
        return resource, True

    def begin(self, tx: object, resource: object) -> None:
        """Begin the work of a resource."""

    def check(self, compute: object) -> None:
        """Have every device."""


def runs(value: Project) -> list[PipelineRun]:
    """The first run of a project, one on new sources, and a retraining."""
    first = PipelineRun("projects/p/pipelineRuns/r", NOW, NOW, value, ("s",), products=PRODUCTS)
    later = replace(first, production=V1)
    return [first, later, replace(later, sources=(), window=Window(None, NOW))]


@pytest.fixture(params=PROJECTS)
def each_run(request: pytest.FixtureRequest) -> list[PipelineRun]:
    check_supported(PROJECTS[request.param])
    return runs(PROJECTS[request.param])


def test_labeling_accepts_the_guideline(each_run):
    for run in each_run:
        channel = Requests()
        LabelStage(channel).create(stage_request(run, StageId.LABELS), "id")
        command = labeling_mapping.create_guideline(channel.sent["CreateGuideline"])
        assert labeling.create_guideline(command, Accepting(), FakeClock()).task == run.project.task


def test_labeling_accepts_the_queue():
    settings = LabelQueue(min_labels=50, strategy="MARGIN", pre_labels=True)
    run = runs(project(CLASSIFY, SCRATCH, label_queue=settings))[0]
    channel = Requests()
    assert QueueStage(channel).create(stage_request(run, StageId.QUEUE), "id") == "projects/p/queues/pipeline"
    command = queue_mapping.create_queue(channel.sent["CreateQueue"])
    queue = Queue("projects/p/queues/pipeline", NOW, NOW, task=CLASSIFY, **command.settings)
    assert checked_queue(queue).refill_rule.strategy is Strategy.MARGIN
    assert queue.pre_labels.origin is Origin.CLASSICAL
    refill = queue_mapping.create_refill(channel.sent["CreateRefill"])
    assert (refill.size, refill.min_labelled, refill.request_id) == (50, 50, "id")


def test_ingestion_accepts_the_split(each_run):
    for run in each_run:
        channel = Requests()
        SplitStage(channel).create(stage_request(run, StageId.SPLIT), "id")
        command = ingestion_mapping.create_split(channel.sent["CreateSplit"])
        check_grouping(command.mode, command.group_attribute)


def test_training_accepts_the_recipe(each_run):
    for run in each_run:
        channel = Requests()
        TrainingStage(channel).create(stage_request(run, StageId.TRAINING), "id")
        command = training_mapping.create_run(channel.sent["CreateTrainingRun"])
        assert recipe_of(command.spec.recipe, None).spec == run.project.task


def test_evaluation_accepts_the_gate(each_run):
    for run in each_run:
        channel = Requests()
        EvaluationStage(channel).create(stage_request(run, StageId.EVALUATION), "id")
        command = evaluation_mapping.create_run(channel.sent["CreateEvaluationRun"])
        created = evaluation.create_run(command, Accepting(), Accepting(), Accepting(), (), FakeClock())
        assert created.question.task == run.project.task
        assert created.question.compute == run.project.compute.evaluation
        assert [suite.name for suite in created.question.suites] == list(run.project.suites)


def test_registry_accepts_the_devices_and_number_formats(each_run):
    for run in each_run:
        channel = Requests()
        RegistrationStage(channel, channel).create(stage_request(run, StageId.REGISTRATION), "id")
        command = registry_mapping.create_version(channel.sent["CreateModelVersion"])
        compute = run.project.compute
        assert command.compute == compute.verification
        served = compute.serving.dtype
        assert command.serving_dtypes == (() if served is Dtype.FLOAT32 else (served,))


def test_serving_accepts_the_devices_of_engines(each_run):
    for run in each_run:
        channel = Requests()
        RolloutStage(channel).create(stage_request(run, StageId.ROLLOUT), "id")
        command = serving_mapping.create_rollout(channel.sent["CreateRollout"])
        serving = run.project.compute.serving
        assert command.compute == (None if serving == Compute() else serving)
        assert not channel.sent["CreateDeployment"].deployment.HasField("compute")


@pytest.mark.parametrize(
    ("task", "settings", "dtype"),
    [
        (CLASSIFY, CompressionSettings("INT8"), Dtype.FLOAT16),
        (CHAT, CompressionSettings("INT4", "GPTQ", 64, 0.05), Dtype.FLOAT16),
        (NUMBER, CompressionSettings("BFLOAT16", max_quality_loss=0.5), Dtype.BFLOAT16),
    ],
)
def test_the_services_accept_the_stages_of_a_compression(task, settings, dtype):
    compute = StageCompute(serving=Compute(Accelerator.CUDA, Dtype.FLOAT16))
    value = project(task, ADAPTER, compression=settings, compute=compute)
    source, channel = "projects/p/models/p/versions/v1.1", Requests()
    products = replace(PRODUCTS, model_version=source, compressed_digest="e" * 64)
    run = replace(runs(value)[1], products=products)

    CompressionStage(channel).create(stage_request(run, StageId.COMPRESSION), "id")
    spec = compression_messages.create_compression(channel.sent["CreateCompression"]).spec.checked()
    assert (spec.method, spec.source_version, spec.dtype, spec.task) == (settings.method, source, dtype, task)
    assert (spec.group_size, spec.rounding) == (settings.group_size, settings.rounding or "NEAREST")

    CompressionGateStage(channel).create(stage_request(run, StageId.COMPRESSION_GATE), "id")
    command = evaluation_mapping.create_run(channel.sent["CreateEvaluationRun"])
    created = evaluation.create_run(command, Accepting(), Accepting(), Accepting(), (), FakeClock())
    assert created.question.task == task

    CompressedRegistrationStage(channel, channel).create(
        stage_request(run, StageId.COMPRESSION_REGISTRATION), "id"
    )
    version = registry_mapping.create_version(channel.sent["CreateModelVersion"])
    assert (version.lineage.derived_from, version.serving_dtypes) == (source, (dtype,))

    served = replace(run, products=replace(products, source_version=source))
    RolloutStage(channel).create(stage_request(served, StageId.ROLLOUT), "id")
    rollout = serving_mapping.create_rollout(channel.sent["CreateRollout"])
    assert rollout.compute == Compute(Accelerator.CUDA, dtype)


@pytest.mark.parametrize("task", [CLASSIFY, CHAT, NUMBER])
@pytest.mark.parametrize("format", ExportFormat)
def test_training_accepts_the_exports_of_a_run(task, format):
    settings = ExportSettings(format.value, "Q8_0" if format is ExportFormat.GGUF else "")
    adapts = replace(ADAPTER, method=Method.LORA)
    value, channel = project(task, adapts, exports=(settings,)), Requests()
    source = "projects/p/models/p/versions/v1.1"
    run = replace(runs(value)[1], products=replace(PRODUCTS, model_version=source))
    ExportStage(channel).create(stage_request(run, StageId.EXPORT), "id")
    export = model_export_messages.create_model_export(channel.sent["CreateModelExport"]).export
    assert model_exports.checked(export, is_adapter=True) == export
    assert (export.format, export.source_version, export.source_digest) == (format, source, "c" * 64)


@pytest.mark.parametrize("task", [CLASSIFY, SEVERAL, CHAT, NUMBER])
def test_runs_gate_what_evaluation_measures(task):
    of_runs, of_evaluation = RUN_KINDS[task.kind], EVALUATION_KINDS[task.kind]
    assert set(of_runs.gated_metrics(task)) == set(of_evaluation.gated_metrics(task))
    assert set(of_runs.compared_metrics(task)) == set(of_evaluation.compared_metrics(task))
