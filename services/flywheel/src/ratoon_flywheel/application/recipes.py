"""What each recipe of a retraining learns from, and which one fits the feedback that there is."""

from collections.abc import Mapping

from ratoon_flywheel.application.ports import FeedbackData
from ratoon_flywheel.domain.pipelines.support import DEFAULT_RECIPE
from ratoon_flywheel.domain.project_settings import AUTO

LEARNED: Mapping[str, tuple[FeedbackData, ...]] = {
    DEFAULT_RECIPE: (FeedbackData.ANSWERS,),
    "dpo": (FeedbackData.PREFERENCES,),
    "kto": (FeedbackData.UNPAIRED_PREFERENCES, FeedbackData.PREFERENCES),
}
"""Records of feedback that a recipe learns from, those that only it learns from first."""


def chosen_recipe(recipe: str, counts: Mapping[str, int]) -> str:
    """Return the recipe of a retraining; `counts` are the records of each kind of feedback.

    `auto` is the one with the most records that only it learns from; of equals, the first of LEARNED.
    """
    if recipe != AUTO:
        return recipe or DEFAULT_RECIPE
    return max(LEARNED, key=lambda name: counts.get(LEARNED[name][0], 0))
