"""What each recipe of a retraining learns from, and which one fits the feedback that there is."""

from collections.abc import Mapping, Sequence

from ratoon_flywheel.application.ports import FeedbackData
from ratoon_flywheel.domain.pipelines.support import CLASSICAL, DEFAULT_RECIPE, NEURAL
from ratoon_flywheel.domain.project_settings import AUTO, DISTILLATION, REWARD_MODEL
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.records import RIGHT_ANSWERS, Form

LEARNED: Mapping[str, tuple[FeedbackData, ...]] = {
    DEFAULT_RECIPE: (FeedbackData.ANSWERS,),
    CLASSICAL: (FeedbackData.ANSWERS,),
    NEURAL: (FeedbackData.ANSWERS,),
    "dpo": (FeedbackData.PREFERENCES,),
    "grpo": (FeedbackData.ANSWERS,),
    "kto": (FeedbackData.UNPAIRED_PREFERENCES, FeedbackData.PREFERENCES),
    REWARD_MODEL: (FeedbackData.PREFERENCES,),
    DISTILLATION: (FeedbackData.ANSWERS,),
}
"""Records of feedback that a recipe learns from, those that only it learns from first."""


_FORMS: Mapping[FeedbackData, tuple[Form, ...]] = {
    FeedbackData.ANSWERS: RIGHT_ANSWERS,
    FeedbackData.PREFERENCES: (Form.PREFERENCE,),
    FeedbackData.UNPAIRED_PREFERENCES: (Form.UNPAIRED_PREFERENCE,),
}


def learned_forms(project: Project) -> frozenset[Form]:
    """Return the forms of feedback that the retrainings of a project can learn from."""
    recipes = project.retraining_recipes or (DEFAULT_RECIPE,)
    learned = tuple(FeedbackData) if AUTO in recipes else learned_data(recipes)
    return frozenset(form for data in learned for form in _FORMS[data])


def learned_data(recipes: Sequence[str]) -> tuple[FeedbackData, ...]:
    """Return the records of feedback that recipes learn from, those of the first recipe first."""
    names = (name for recipe in recipes for name in LEARNED.get(recipe, LEARNED[DEFAULT_RECIPE]))
    return tuple(dict.fromkeys(names))


def fed_recipes(recipes: Sequence[str], counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return the recipes of a chain that there is feedback for; none ends with a model that writes nothing."""
    fed = [recipe for recipe in recipes if any(counts.get(data, 0) for data in learned_data((recipe,)))]
    while fed[-1:] == [REWARD_MODEL]:
        fed.pop()
    return tuple(fed)


def chosen_recipe(recipe: str, counts: Mapping[str, int], checkable: bool = False) -> str:
    """Return the recipe of a retraining; `counts` are the records of each kind of feedback.

    `auto` is the one with the most records that only it learns from; of equals, the first of LEARNED. If these are
    right answers of a task that is `checkable`, the model writes answers of its own and learns by their rewards.
    """
    if recipe != AUTO:
        return recipe or DEFAULT_RECIPE
    chosen = max(LEARNED, key=lambda name: counts.get(LEARNED[name][0], 0))
    return "grpo" if chosen == DEFAULT_RECIPE and checkable else chosen
