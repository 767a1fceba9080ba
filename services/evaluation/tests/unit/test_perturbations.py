"""Errors in prompts by a seed."""

import pytest

from ratoon_evaluation.domain.perturbations import Noise, Perturbation, perturbed

TEXT = "The meeting is moved to Monday, bring your notes and 3 copies. 今天天气很好我们去公园散步吧"
EACH = list(Perturbation)


@pytest.mark.parametrize("each", EACH)
def test_the_same_seed_and_record_give_the_same_errors(each):
    noise = Noise((each,), 0.1, 5)
    assert perturbed(TEXT, noise, "r1") == perturbed(TEXT, noise, "r1") != TEXT
    if each is not Perturbation.TRUNCATION:
        assert perturbed(TEXT, noise, "r2") != perturbed(TEXT, noise, "r1")
        assert perturbed(TEXT, Noise((each,), 0.1, 6), "r1") != perturbed(TEXT, noise, "r1")


def test_each_kind_changes_what_it_says():
    assert perturbed(TEXT, Noise((Perturbation.CASE,), 0.2), "r").lower() == TEXT.lower()
    spaced = perturbed(TEXT, Noise((Perturbation.WHITE_SPACE,), 0.2), "r")
    assert "".join(spaced.split()) == "".join(TEXT.split())
    cut = perturbed(TEXT, Noise((Perturbation.TRUNCATION,), 0.3), "r")
    assert TEXT.startswith(cut)
    assert len(cut) == pytest.approx(0.7 * len(TEXT), abs=2)
    typos = perturbed(TEXT, Noise((Perturbation.TYPOS,), 0.1), "r")
    assert "3" in typos
    assert abs(len(typos) - len(TEXT)) <= 0.1 * len(TEXT) + 1


def test_the_rate_is_the_share_of_letters():
    changed = perturbed("a" * 1000, Noise((Perturbation.CASE,), 0.05), "r")
    assert changed.count("A") == 50


@pytest.mark.parametrize("text", ["", " ", "1", "x", "😀", "ß"])
@pytest.mark.parametrize("each", EACH)
def test_short_texts_stay_texts(text, each):
    changed = perturbed(text, Noise((each,), 0.5), "r")
    assert bool(changed) or not text or each is not Perturbation.TRUNCATION


def test_several_kinds_come_one_after_another():
    both = perturbed(TEXT, Noise((Perturbation.TRUNCATION, Perturbation.CASE), 0.2), "r")
    assert len(both) < len(TEXT)
    assert both.lower() == perturbed(TEXT, Noise((Perturbation.TRUNCATION,), 0.2), "r").lower()
