"""Which projects pipeline runs support. A project with other settings can be created; its runs are refused early."""

from ratoon.tasks.compute import SCORING_ACCELERATORS, Dtype
from ratoon.tasks.judges import COMPARED, HUMAN, METRICS
from ratoon.tasks.kinds import kind_of, supported
from ratoon_flywheel.domain.curation import is_known
from ratoon_flywheel.domain.errors import BadRecipe, NoBaseModel, SettingNotSupported
from ratoon_flywheel.domain.kinds.table import KINDS, LoopKind
from ratoon_flywheel.domain.project_settings import (
    DISTILLATION,
    REWARD_MODEL,
    MetricGate,
    check_teacher,
    retraining_recipes,
)
from ratoon_flywheel.domain.projects import Method, Project
from ratoon_flywheel.domain.suites import of_domains

DEFAULT_RECIPE = "sft"
CLASSICAL = "classical"
"""Recipe of a classical model, which starts from no base model."""
NEURAL = "neural"
"""Recipe of a small neural model, which starts from another one if that is in production."""
ALONE = (CLASSICAL, NEURAL)
"""Recipes that no other one follows or precedes."""
_PRETRAINING = ("pretrain", "continued_pretrain")
"""Recipes that learn every token of plain texts, which feedback has none of."""


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


def recipe_of(project: Project, retrains: bool, requested: str = "") -> str:
    """Return the recipe of a run: the requested one, the project's, else `sft`. `auto` is chosen with the data.

    BadRecipe if the kind of task has no such recipe, SettingNotSupported if runs do not support it yet.
    """
    configured = project.retraining_recipes if retrains else project.recipes
    recipe = requested or next(iter(configured), DEFAULT_RECIPE)
    known = retraining_recipes(kind_of(project.task)) if retrains else kind_of(project.task).RECIPES
    if recipe not in known:
        raise BadRecipe(
            f"{recipe[:64]!r} is not one of the recipes {', '.join(known)}.", "pipeline_run.recipe"
        )
    if requested == REWARD_MODEL:
        raise BadRecipe(
            f"{REWARD_MODEL} alone gives no version that answers: create a training run, or let dpo or grpo follow it "
            "in the recipes of the project.",
            "pipeline_run.recipe",
        )
    if requested == DISTILLATION:
        check_teacher((requested,), project.tuning, "pipeline_run.recipe")
    return recipe


def chain_of(project: Project, retrains: bool, requested: str = "") -> tuple[str, ...]:
    """Return the recipes that follow the first one: a run that names its recipe has no others."""
    configured = project.retraining_recipes if retrains else project.recipes
    return () if requested else configured[1:]


def check_base(project: Project) -> None:
    """Raise NoBaseModel if the first version starts from a base model, and the project has none."""
    training = project.training
    if training.method is Method.DEFAULT and not training.base_artifact_digest:
        raise NoBaseModel(
            f"{project.name} has no base model: upload one and give its digest as training.base_artifact_digest, or "
            "set training.method to METHOD_FULL to train a model from scratch.",
            "training.base_artifact_digest",
        )


def _gated(project: Project, gate: MetricGate) -> tuple[str, ...]:
    """Return the metrics that may have such a gate."""
    kind = loop_kind(project)
    if gate.max_loss is not None:
        return (*kind.compared_metrics(project.task), *COMPARED)
    of_judges = [name for name in METRICS if name not in HUMAN and project.judges]
    return (*kind.gated_metrics(project.task), *of_judges, *(HUMAN if project.human_ratings else ()))


def _unsupported(project: Project) -> dict[str, bool]:
    """Return whether each setting that runs do not apply has another value than its default."""
    kind, task = loop_kind(project), project.task
    return {
        "primary_metric": project.decisive_metric.name not in kind.compared_metrics(task),
        "metrics": not set(project.metrics) <= set(kind.reported_metrics(task)),
        **{
            f"metric_gates ({gate.metric})": gate.metric not in _gated(project, gate)
            for gate in of_domains(project.metric_gates)
        },
        "compute.training.dtype": project.compute.training.dtype is Dtype.FLOAT16,
        **{
            f"compute.{stage}.accelerator": getattr(project.compute, stage).accelerator
            not in SCORING_ACCELERATORS
            for stage in ("evaluation", "verification")
        },
        **{
            f"compute.{stage}.devices": getattr(project.compute, stage).devices > 1
            for stage in ("evaluation", "verification", "serving")
        },
        "recipes": bool({*ALONE} & {*project.recipes}) and len(project.recipes) > 1,
        "retraining_recipes": bool({*_PRETRAINING} & {*project.retraining_recipes})
        or (bool({*ALONE} & {*project.retraining_recipes}) and len(project.retraining_recipes) > 1),
        "curation": not is_known(project.curation),
    }
