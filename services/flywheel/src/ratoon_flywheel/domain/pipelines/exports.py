"""Exports of the version that a run rolled out: one format after the other, none of which decides how the run ends."""

from dataclasses import dataclass, replace
from datetime import datetime

from ratoon_flywheel.domain.pipelines.runs import ExportOutcome, PipelineRun, Stage, StageState
from ratoon_flywheel.domain.project_settings import ExportSettings


@dataclass(frozen=True)
class Export:
    """Export a version in one format."""

    project: str
    version: str
    artifact_digest: str
    settings: ExportSettings


def export_request(run: PipelineRun) -> Export:
    """Return the request of the next format. Of a compressed version its source is exported."""
    products = run.products
    return Export(
        run.project.name,
        products.source_version or products.model_version,
        products.candidate_digest,
        run.project.exports[len(run.exports)],
    )


def with_outcome(run: PipelineRun, stage: Stage, succeeded: bool, message: str) -> PipelineRun:
    """Return the run with the outcome of the format in work."""
    settings = run.project.exports[len(run.exports)]
    outcome = ExportOutcome(settings, stage.resource, succeeded, message)
    return replace(run, exports=(*run.exports, outcome))


def ended_stage(run: PipelineRun, stage: Stage, now: datetime) -> Stage | None:
    """Return the stage as it ended after the last format; None while a format is left."""
    if len(run.exports) < len(run.project.exports):
        return None
    failed = [each for each in run.exports if not each.succeeded]
    listed = "; ".join(f"{each.settings.name}: {each.message or 'exported'}" for each in run.exports)
    state = StageState.FAILED if failed else StageState.SUCCEEDED
    return replace(stage, state=state, message=listed, end_time=now)
