"""The loop of the task `regress` on a few words, over the public HTTP API: real Ray, real vLLM, every service.

The steps are those of the demo: ten people rate each word by the annotation API. The ratings are made up here, of the
letters of the word, so that no package has to be fetched; the gate lets every version pass.
"""

from collections.abc import Callable
from itertools import product

import pytest

from ratoon.client import Ratoon
from ratoon.local.installation import Installation
from ratoon_examples.demo.following import Loop, own_runs
from ratoon_examples.demo.measure import Measured
from ratoon_examples.sentiment import report, steps
from ratoon_examples.sentiment.ratings import Corpus, Item
from ratoon_examples.sentiment.sizes import QUICK
from ratoon_examples.sentiment.steps import RATERS, Demo

pytestmark = [pytest.mark.engine, pytest.mark.ray, pytest.mark.timeout(900)]
WORDS = ["".join(letters) for letters in product("bdg", "aeiou", "lmn", "aeiou", "st")]
SIGNS = [f"{eyes}{nose}{mouth}" for eyes, nose, mouth in product(":;=8", "-o^ ", "()[]|")]


def item(text: str) -> Item:
    """Return a text with ratings that lie around a number of its characters: raters differ by one at most."""
    strength = max(-3, min(3, sum(map(ord, text)) % 7 - 3))
    return Item(text, tuple(strength + number % 3 - 1 for number in range(RATERS)))


@pytest.fixture(scope="module")
def demo(installation: Installation, ended: Callable[[Loop], None]) -> Demo:
    words, signs = [item(word) for word in WORDS], [item(sign) for sign in SIGNS]
    demo = Demo(
        client=Ratoon(state=installation.state, timeout=120),
        project="sentiment",
        measured=Measured(installation.processes),
        say=print,
        corpus=Corpus(words[:240], words[240:270], signs[:80]),
        size=QUICK,
    )
    ended(demo)
    return demo


def test_the_ratings_of_ten_people_become_a_version_that_answers_with_numbers(demo: Demo) -> None:
    steps.create_project(demo)
    steps.rate(demo)
    steps.first_version(demo)
    assert demo.production().endswith("/versions/v1.0")
    assert 0.7 < demo.facts["agreementAlpha"] < 1
    [result] = demo.evaluations["v1.0"].results
    assert result.candidate is not None
    assert {"mae", "rmse", "r2"} <= result.candidate.metrics.keys()
    assert result.candidate.metrics["mae"].value <= 8


def test_corrected_numbers_start_a_retraining_that_rolls_out_without_a_lost_request(demo: Demo) -> None:
    steps.traffic(demo)
    steps.second_version(demo)
    assert demo.production().endswith("/versions/v1.1")
    assert len(own_runs(demo)) == 1
    assert report.complaints(demo) == []
