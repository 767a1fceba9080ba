"""Choice of a retraining's recipe by the feedback that there is."""

import pytest

from ratoon_flywheel.application.recipes import chosen_recipe


@pytest.mark.parametrize(
    ("answers", "preferences", "unpaired", "recipe"),
    [
        (3, 1, 1, "sft"),
        (1, 3, 1, "dpo"),
        (1, 1, 3, "kto"),
        (2, 2, 2, "sft"),
        (0, 2, 2, "dpo"),
        (0, 0, 0, "sft"),
    ],
)
def test_auto_is_the_recipe_with_the_most_records(answers, preferences, unpaired, recipe):
    counts = {"answers": answers, "preferences": preferences, "unpaired_preferences": unpaired}
    assert chosen_recipe("auto", counts) == recipe
    assert chosen_recipe("kto", counts) == "kto"
    assert chosen_recipe("", counts) == "sft", "a run of an earlier release"
