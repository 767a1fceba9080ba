"""Which projects pipeline runs support. A project with other settings can be created; its runs are refused early."""

from ratoon.tasks.kinds import supported
from ratoon_flywheel.domain.errors import SettingNotSupported
from ratoon_flywheel.domain.kinds.table import KINDS, LoopKind
from ratoon_flywheel.domain.project_settings import Accelerator, Compute, Dtype
from ratoon_flywheel.domain.projects import Project

_RECIPES = ((), ("sft",))


def loop_kind(project: Project) -> LoopKind[object]:
    """Return what the kind of a project's task decides in the loop; TaskNotSupported if runs do not support it."""
    return supported(KINDS, project.task, "A pipeline run")


def check_supported(project: Project) -> None:
    """Raise TaskNotSupported or SettingNotSupported if pipeline runs do not support the project yet."""
    loop_kind(project)
    if unsupported := [name for name, is_set in _unsupported(project).items() if is_set]:
        raise SettingNotSupported(
            f"Pipeline runs do not apply {', '.join(unsupported)} of {project.name} yet: clear "
            f"{'it' if len(unsupported) == 1 else 'them'} to start one.",
            unsupported[0].partition(" ")[0],
        )


def _unsupported(project: Project) -> dict[str, bool]:
    """Return whether each setting that runs do not apply has another value than its default."""
    return {
        "primary_metric": bool(project.primary_metric),
        "metrics": not set(project.metrics) <= set(loop_kind(project).REPORTED_METRICS),
        **{
            f"metric_gates ({gate.metric})": gate.max_loss is not None
            or gate.metric not in loop_kind(project).GATED_METRICS
            for gate in project.metric_gates
        },
        "data_requirements.required_fields": bool(project.data_requirements.required_fields),
        "budget.max_cost": bool(project.budget.max_cost),
        "budget.max_energy_kwh": bool(project.budget.max_energy_kwh),
        "compute.training.dtype": project.compute.training.dtype is not Dtype.FLOAT32,
        "compute.training.accelerator": project.compute.training.accelerator is Accelerator.NEURON,
        **{
            f"compute.{stage}": getattr(project.compute, stage) != Compute()
            for stage in ("evaluation", "verification", "serving")
        },
        "recipes": project.recipes not in _RECIPES,
        "retraining_recipes": project.retraining_recipes not in _RECIPES,
        "curation": bool(project.curation),
    }
