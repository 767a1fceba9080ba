"""Retention of pipeline runs that ended and of external events. Drift reports go with the project's traffic."""

from ratoon.storage.retention import Retention
from ratoon_flywheel.adapters.runs import MAX_RECENT_RUNS
from ratoon_flywheel.adapters.tables import CHILDREN, RESOURCES
from ratoon_flywheel.domain.pipelines.external_events import ExternalEvent, has_ended
from ratoon_flywheel.domain.pipelines.runs import PipelineRun
from ratoon_flywheel.settings import Settings


def retentions(settings: Settings) -> list[Retention]:
    """Return how long each kind is kept; the runs that policies look back on stay."""
    return [
        Retention(
            PipelineRun,
            RESOURCES[PipelineRun],
            settings.pipeline_run_days,
            lambda run: run.state.ended,
            newest=MAX_RECENT_RUNS,
            mentions=(CHILDREN.c.run,),
        ),
        Retention(ExternalEvent, RESOURCES[ExternalEvent], settings.external_event_days, has_ended),
    ]
