"""Drift: what is alike stays within the noise band, what differs does not, and the masks of a text do not count."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_flywheel.domain.signals.drift import (
    SAMPLE_SIZES,
    Baseline,
    Feature,
    baseline,
    divergence,
    measure,
    noise_band,
)
from ratoon_flywheel.domain.signals.features import TextFeatures, features


def texts(kind: str, count: int, seed: int) -> list[TextFeatures]:
    """Texts of 20 to 40 words out of 200, the frequent ones far more often."""
    draws = random.Random(seed)
    names = [f"{kind}{'abcdefghij'[i // 20]}{'abcdefghijklmnopqrst'[i % 20]}" for i in range(200)]
    weights = [1 / (i + 1) for i in range(200)]
    drawn = (" ".join(draws.choices(names, weights, k=draws.randint(20, 40))) for _ in range(count))
    return [features(text, 0) for text in drawn]


@pytest.fixture(scope="module")
def base() -> Baseline:
    return baseline(texts("x", 400, 1), seed=7)


@pytest.mark.parametrize("size", [60, 150, 700])
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_a_fresh_sample_of_the_same_kind_stays_within_the_threshold(base, size, seed):
    """1.5 bands: the default threshold of a policy."""
    assert all(m.ratio < 1.5 for m in measure(base, texts("x", size, seed)))


@pytest.mark.parametrize("size", [60, 700])
def test_another_kind_lies_far_beyond_it(base, size):
    ratios = {m.feature: m.ratio for m in measure(base, texts("y", size, 2))}
    assert ratios[Feature.WORDS] > 5


def test_a_mixture_shows(base):
    mixed = texts("x", 400, 5) + texts("y", 200, 6)
    assert {m.feature: m.ratio for m in measure(base, mixed)}[Feature.WORDS] > 2


def test_the_same_seed_draws_the_same_bands(base):
    assert baseline(texts("x", 400, 1), seed=7) == base


def test_bands_shrink_with_the_sample(base):
    for bands in base.noise_bands.values():
        assert list(bands) == sorted(bands, reverse=True)
        between = [noise_band(bands, size) for size in range(20, 2000, 20)]
        assert between == sorted(between, reverse=True)
        assert noise_band(bands, SAMPLE_SIZES[2]) == pytest.approx(bands[2])


def test_drift_needs_training_data():
    with pytest.raises(ValueError, match="no training data"):
        baseline([], seed=1)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=2), st.integers(0, 50), min_size=1))
def test_divergence_is_zero_from_itself_and_never_negative(counts):
    assert divergence(counts, counts) == pytest.approx(0.0)
    assert divergence(counts, {"z": 3.0}) >= -1e-12


def test_texts_that_curation_masks_do_not_count():
    raw = features("Write to ann@example.org or call 555-1234, see https://example.org/x today", 0)
    curated = features("Write to <EMAIL> or call [PHONE NUMBER], see today", 0)
    assert raw.words == curated.words


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("This is the one that you will have, and they are not from here.", "en"),
        ("Das ist nicht der Weg, den wir mit den anderen gehen.", "de"),
        ("今天的天气很好，我们去公园吧。", "zh"),
        ("これはとても良い本です。", "ja"),
        ("Привет, как дела сегодня?", "cyrillic"),
        ("xyzzy plugh", "other"),
        ("", "other"),
    ],
)
def test_languages_are_detected_by_script_and_function_words(text, language):
    assert features(text, 0).language == language


def test_only_the_text_that_the_model_gets_counts():
    assert features("alpha beta gamma", 5) == features("alpha", 0)
    assert features("价值 value", 0).words == features("值 价 value", 0).words


@given(st.text(max_size=300), st.integers(0, 100))
def test_any_text_has_features(text, shown):
    result = features(text, shown)
    assert list(result.words) == sorted(set(result.words))
    assert all(0 <= word < 2**32 for word in result.words)


def test_only_the_compared_features_are_measured(base):
    measured = measure(base, texts("x", 100, 2), ("tokens", "predicted_labels"))
    assert [each.feature for each in measured] == [Feature.WORDS]
