"""Puts evaluation together: the only file that knows concrete adapters."""

from ratoon.evaluation.v1.evaluation_service_pb2_grpc import add_EvaluationServiceServicer_to_server
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.runtime.lifecycle import App, Rpc
from ratoon.service.app import Platform, ServiceRuntime
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.paging import PageTokens
from ratoon_evaluation import mapping
from ratoon_evaluation.adapters import tables
from ratoon_evaluation.adapters.agreements import JsonCases, agreement_jobs
from ratoon_evaluation.adapters.answers import ParquetAnswers
from ratoon_evaluation.adapters.exports import JsonLinesExports
from ratoon_evaluation.adapters.models import StoredModels
from ratoon_evaluation.adapters.people import LabelingPeople, LabelingTasks
from ratoon_evaluation.adapters.scoring import Effort, scoring_jobs
from ratoon_evaluation.adapters.splits import IngestionSplits
from ratoon_evaluation.application.judges import judge_procedure
from ratoon_evaluation.application.procedures import run_procedure
from ratoon_evaluation.domain.costs import Rates
from ratoon_evaluation.domain.judges import normalized_url
from ratoon_evaluation.entrypoints.grpc import EvaluationServicer, Ports
from ratoon_evaluation.settings import Settings


def build(settings: Settings, platform: Platform) -> App:
    """Evaluation, ready to run."""
    base = ServiceRuntime(settings, platform, tables.METADATA)
    store = base.store(tables.RESOURCES, mapping.event)
    splits = IngestionSplits(base.peer("ingestion"))
    environment = JobEnvironment(
        artifacts=settings.artifacts_url,
        warm=str(settings.model_loading_folder),
        time_limit_s=settings.job_time_limit_s,
        memory_share=settings.job_memory_share,
    )
    endpoints = {normalized_url(url): variable for url, variable in settings.judge_endpoints.items()}
    jobs, artifacts = base.jobs(), ArtifactStore(settings.artifacts_url)
    rates, models = Rates(settings.costs, settings.currency), StoredModels(artifacts)
    effort = Effort(settings.threads, settings.resamples, rates)
    scoring = scoring_jobs(jobs, environment, effort, endpoints)
    labeling = base.peer("labeling")
    people = LabelingPeople(labeling, base.peer("ingestion"))
    agreements = agreement_jobs(jobs, environment, endpoints)
    operations = base.operations(
        store,
        [
            run_procedure(store, splits, scoring, people, models),
            judge_procedure(store, people, JsonCases(artifacts), agreements),
        ],
    )
    ports = Ports(
        store=store,
        operations=operations,
        changes=base.changes(store),
        threads=base.threads,
        clock=base.clock,
        splits=splits,
        answers=ParquetAnswers(artifacts),
        exports=JsonLinesExports(artifacts),
        tokens=PageTokens(base.signer.sign(b"bad case pages")),
        devices=base.job_devices(),
        rating_tasks=LabelingTasks(labeling),
        judge_endpoints=endpoints,
        models=models,
        rates=rates,
    )
    rpc = Rpc(
        "ratoon.evaluation.v1.EvaluationService",
        add_EvaluationServiceServicer_to_server,
        EvaluationServicer(ports),
    )
    return base.app([rpc], [operations])
