"""One function a use case: the message first, the ports after."""

from collections.abc import Collection

from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.process.errors import InvalidArgument
from ratoon.storage.names import checked_id, matched
from ratoon.storage.store import Store
from ratoon_training.application.commands import CreateRun, RunSpec, neural_recipe, recipe_of
from ratoon_training.application.planning import EARLIER_RUNS, planned
from ratoon_training.application.ports import BaseModels, Drivers, Machine, Parts, References
from ratoon_training.domain import layouts, trainium
from ratoon_training.domain.distillation import Level, check_endpoint
from ratoon_training.domain.errors import BadBaseModel, RunInUse
from ratoon_training.domain.plan import ResourcePlan
from ratoon_training.domain.recipes import Method, Recipe, Resources
from ratoon_training.domain.runs import TrainingRun
from ratoon_training.domain.shapes import ModelShape

RUN = "projects/*/trainingRuns/*"


def create_run(
    command: CreateRun,
    store: Store,
    operations: Operations,
    clock: Clock,
    bases: BaseModels,
    parts: Parts,
    endpoints: Collection[str] = (),
) -> TrainingRun:
    """Queue a run; work begins with the commit. Parts that held erased records are refused.

    So is a teacher behind an endpoint that is not one of `endpoints`.
    """
    run = new_run(command, clock, bases, parts, endpoints)
    with store.write() as tx:
        run, new = tx.create(run, command.request_id)
        if new:
            operations.begin(tx, run)
    return run


def new_run(
    command: CreateRun, clock: Clock, bases: BaseModels, parts: Parts, endpoints: Collection[str] = ()
) -> TrainingRun:
    """Return the run of a command, which is not stored; raise what it is refused for."""
    matched(command.parent, "projects/*", "parent")
    spec, now = command.spec, clock.now()
    recipe, shape = _checked(spec, bases, parts, endpoints)
    return TrainingRun(
        name=f"{command.parent}/trainingRuns/{checked_id(command.run_id, 'training_run_id')}",
        create_time=now,
        update_time=now,
        train_digest=spec.train_digest,
        validation_digest=spec.validation_digest,
        base_artifact_digest=spec.base_artifact_digest,
        recipe=recipe,
        resources=_resources(recipe, spec),
        base_shape=shape,
        origin=command.origin,
        sweep=command.sweep,
        trial=command.trial,
    )


def checked_recipe(spec: RunSpec, bases: BaseModels, parts: Parts, endpoints: Collection[str] = ()) -> Recipe:
    """Return the complete recipe of a run; raise what `create_run` would refuse it for."""
    recipe = _checked(spec, bases, parts, endpoints)[0]
    _resources(recipe, spec)
    return recipe


def _checked(
    spec: RunSpec, bases: BaseModels, parts: Parts, endpoints: Collection[str]
) -> tuple[Recipe, ModelShape | None]:
    for field in ("train_digest", "validation_digest"):
        if not getattr(spec, field):
            raise InvalidArgument(
                f"{field} is missing: name a part of a split.", reason="DIGEST_MISSING", field=field
            )
        parts.check_not_erased(getattr(spec, field))
    recipe, shape = _recipe(spec, bases)
    check_endpoint(recipe.distillation, endpoints)
    return recipe, shape


def delete_run(
    name: str, allow_missing: bool, store: Store, references: References, drivers: Drivers
) -> None:
    """Delete a run that has ended, with the checkpoints that it kept.

    RunInUse if it is in progress, or if it succeeded and other resources name it.
    """
    matched(name, RUN)
    with store.read() as tx:
        run = tx.find(TrainingRun, name) if allow_missing else tx.get(TrainingRun, name)
    if run is None:
        return
    if not run.state.ended:
        raise RunInUse(f"{name} is in progress. Cancel it, or wait for its end.")
    if not run.state.without_result and (users := references.referrers(name)):
        raise RunInUse(f"{name} is used by {', '.join(users)}. Delete what uses it first.")
    with store.write() as tx:
        tx.retire(run)
    drivers.clean(run)


def plan_run(parent: str, spec: RunSpec, machine: Machine, bases: BaseModels, store: Store) -> ResourcePlan:
    """Return the plan of a run without starting it."""
    matched(parent, "projects/*", "parent")
    recipe, shape = _recipe(spec, bases)
    resources = _resources(recipe, spec)
    earlier = store.page(TrainingRun, parent, EARLIER_RUNS, "", "create_time desc").items
    return planned(recipe, resources, shape, machine, earlier)


def _resources(recipe: Recipe, spec: RunSpec) -> Resources:
    """Return the resources of a run if its recipe can be trained with them."""
    return layouts.checked(recipe, trainium.checked(recipe, spec.resources.checked()))


def _recipe(spec: RunSpec, bases: BaseModels) -> tuple[Recipe, ModelShape | None]:
    """Return the complete recipe and the base model's shape.

    A method that needs a base model is refused without one, and the reverse.
    """
    method, base = spec.recipe.method, spec.base_artifact_digest
    if method in (Method.CONTINUE, Method.LORA, Method.MERGE) and not base:
        raise InvalidArgument(
            f"{method} needs base_artifact_digest: name the model to start from.",
            reason="BASE_MISSING",
            field="base_artifact_digest",
        )
    if method in (Method.FROM_SCRATCH, Method.CLASSICAL) and base:
        raise InvalidArgument(
            "A model from scratch or a classical one has no base: leave base_artifact_digest out, or choose another "
            "method.",
            reason="BASE_NOT_WANTED",
            field="base_artifact_digest",
        )
    if method is Method.NEURAL:
        any_base = spec.recipe.neural is not None and spec.recipe.neural.any_base
        return neural_recipe(spec.recipe, bases.describe_neural(base, any_base) if base else None), None
    described = bases.describe(base) if base else None
    distillation = spec.recipe.distillation
    teacher = bases.describe(distillation.teacher) if distillation and distillation.teacher else None
    if distillation is not None and distillation.level is not Level.LOGITS:
        teacher = None
    layers = spec.recipe.base_layers
    shape = described.shape_with(len(spec.recipe.new_tokens), layers) if described else None
    growth = spec.recipe.expert_growth
    if shape is not None and growth.experts:
        if not shape.expert_parameters:
            raise BadBaseModel(
                f"The base model ({base[:12]}) has no experts to add to: leave recipe.expert_growth out, or name a "
                "model with experts (mixtral, qwen3_moe, olmoe).",
                "NO_EXPERTS",
            )
        shape = shape.grown(growth.experts)
    return recipe_of(spec.recipe, described, teacher), shape
