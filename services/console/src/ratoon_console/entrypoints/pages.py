"""The pages: path, view, minimum role."""

from ratoon_console.application.showing import (
    collection,
    compressions,
    curation,
    data,
    differences,
    evaluations,
    exports,
    judges,
    labels,
    mixtures,
    model_exports,
    models,
    plans,
    playground,
    profiles,
    rollouts,
    signals,
    suites,
    sweeps,
)
from ratoon_console.application.showing.loop import Loop
from ratoon_console.application.showing.training import Training
from ratoon_console.domain.people import Role
from ratoon_console.entrypoints.http import Page


def pages() -> list[Page]:
    """All pages."""
    loop, training = Loop(), Training()
    return [
        Page("/", loop.projects, Role.CALLER),
        Page("/p/{project}", loop.page),
        Page("/p/{project}/pipeline-runs/{run}", loop.pipeline_run),
        Page("/p/{project}/data", data.data_page),
        Page("/p/{project}/curation", curation.curation_page),
        Page("/p/{project}/sources/{source}", data.source_page),
        Page("/p/{project}/connections", collection.connections_page),
        Page("/p/{project}/connections/{connection}", collection.connection_page),
        Page("/p/{project}/streams", collection.streams_page),
        Page("/p/{project}/streams/{stream}", collection.stream_page),
        Page("/p/{project}/crawls", collection.crawls_page),
        Page("/p/{project}/crawls/{crawl}", collection.crawl_page),
        Page("/p/{project}/data/{dataset}/{version}", data.version_page),
        Page("/p/{project}/data/{dataset}/{version}/difference", differences.difference_page),
        Page("/p/{project}/data/{dataset}/{version}/records/{record}", data.record_page),
        Page("/p/{project}/mixtures", mixtures.mixture_page),
        Page("/p/{project}/exports/{dataset}", exports.exports_page),
        Page("/p/{project}/profiles/{dataset}", profiles.profiles_page),
        Page("/p/{project}/profiles/{dataset}/{profile}", profiles.profile_page),
        Page("/p/{project}/labels", labels.labels_page),
        Page("/p/{project}/labels/review", labels.review_page),
        Page("/p/{project}/queues/{queue}", labels.queue_page),
        Page("/p/{project}/queues/{queue}/own-work", labels.own_work_page),
        Page("/p/{project}/training", training.all),
        Page("/p/{project}/training/compare", training.side_by_side),
        Page("/p/{project}/training/{run}", training.one),
        Page("/p/{project}/plans", plans.plans_page),
        Page("/p/{project}/sweeps", sweeps.sweeps_page),
        Page("/p/{project}/sweeps/{sweep}", sweeps.sweep_page),
        Page("/p/{project}/evaluations", evaluations.evaluations_page),
        Page("/p/{project}/evaluations/compare", evaluations.side_by_side),
        Page("/p/{project}/evaluations/{run}", evaluations.evaluation_page),
        Page("/p/{project}/suites", suites.suites_page),
        Page("/p/{project}/suites/{suite}", suites.suite_page),
        Page("/p/{project}/judges", judges.judges_page),
        Page("/p/{project}/judges/{judge}", judges.judge_page),
        Page("/p/{project}/models", models.models_page),
        Page("/p/{project}/models/{version}", models.version_page),
        Page("/p/{project}/models/{version}/weights", models.weights_page),
        Page("/p/{project}/models/{version}/exports", model_exports.model_exports_page),
        Page("/p/{project}/compressions", compressions.compressions_page),
        Page("/p/{project}/rollouts", rollouts.rollouts_page),
        Page("/p/{project}/rollouts/{rollout}", rollouts.rollout_page),
        Page("/p/{project}/signals", signals.signals_page),
        Page("/p/{project}/playground", playground.playground_page, Role.CALLER),
    ]
