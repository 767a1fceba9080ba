"""What a run on AWS Trainium can be: the recipes that are written for XLA."""

from ratoon.tasks.regress import Regress
from ratoon_training.domain.errors import AcceleratorRefused
from ratoon_training.domain.optimization import Optimizer, Quantization
from ratoon_training.domain.recipes import Accelerator, Objective, Recipe, Resources

_OBJECTIVES = (Objective.SFT, Objective.PRETRAIN)


def checked(recipe: Recipe, resources: Resources) -> Resources:
    """Return these resources if they are of another accelerator, or if the recipe has a form for XLA.

    AcceleratorRefused otherwise, with all that stands in the way.
    """
    if resources.accelerator is not Accelerator.NEURON:
        return resources
    faults = [says for wrong, says in _limits(recipe, resources) if wrong]
    if faults:
        raise AcceleratorRefused(
            f"This run cannot be trained on neuron: {'; '.join(faults)}. Change that, or choose cpu or cuda."
        )
    return resources


def _limits(recipe: Recipe, resources: Resources) -> list[tuple[bool, str]]:
    """Return each limit as (True if it is broken, what it is)."""
    objectives = " and ".join(_OBJECTIVES)
    return [
        (
            resources.layout.divides or resources.parallelism.min_workers > 0,
            "each NeuronCore has a copy of the model (resources.parallelism)",
        ),
        (recipe.method.is_small, f"{recipe.method} models are trained on other devices (recipe.method)"),
        (recipe.objective not in _OBJECTIVES, f"it has {objectives} alone (recipe.objective)"),
        (recipe.taught_answers or recipe.taught_logits, "it has no distillation (recipe.distillation)"),
        (isinstance(recipe.task, Regress), "it has no numbers as answers (the task REGRESS)"),
        (recipe.packed, "batches of packed samples have no fixed shape (recipe.packed)"),
        (bool(recipe.sweep), "a search of the rate runs elsewhere (recipe.sweep)"),
        (recipe.architecture.family.has_experts, "it has no experts (recipe.architecture)"),
        (recipe.optimization.optimizer is Optimizer.MUON, "it has no MUON (recipe.optimization.optimizer)"),
        (
            recipe.lora.quantization is not Quantization.NONE,
            "it has no 4-bit base (recipe.lora.quantization)",
        ),
    ]
