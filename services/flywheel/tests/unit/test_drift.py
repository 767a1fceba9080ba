"""Drift: what is alike stays within the noise band, what differs does not, and the masks of a text do not count."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.tasks import generate, regress
from ratoon_flywheel.domain.signals.drift import (
    PROMPT_FEATURES,
    SAMPLE_SIZES,
    Baseline,
    Feature,
    Measure,
    Reference,
    baseline,
    divergence,
    divergences,
    measure,
    measure_slices,
    noise_band,
)
from ratoon_flywheel.domain.signals.features import (
    AnswerStatus,
    ExchangeFeatures,
    TextFeatures,
    answer_status,
    features,
    features_from_json,
    features_to_json,
)


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
    hashed = features("Write to [EMAIL:ABCDEFGHIJKLMNOP] or call [PHONE:PONMLKJIHGFEDCBA], see today", 0)
    assert raw.words == curated.words == hashed.words


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


def exchanges(count: int, answers: list[str], reply: str = "", seed: int = 1) -> list[ExchangeFeatures]:
    """Exchanges whose answers are drawn from a list, and perhaps a reply of words of a kind."""
    draws = random.Random(seed)
    prompts = texts("x", count, seed)
    replies = texts(reply, count, seed + 1) if reply else [None] * count
    return [
        ExchangeFeatures(each.words, each.length, each.language, draws.choice(answers), text)
        for each, text in zip(prompts, replies, strict=True)
    ]


@pytest.mark.parametrize(
    ("feature", "trained", "alike", "other"),
    [
        (Feature.LABELS, ["ham", "spam"], ["spam", "ham"], ["spam"]),
        (Feature.LABELS, ["ham\nnews", "spam"], ["spam", "ham\nnews"], ["ham", "news"]),
        (Feature.NUMBERS, ["1", "2.5", "-3"], ["2.5", "-3", "1"], ["2.5", "9"]),
        (Feature.NUMBERS, [str(n) for n in range(50)], [str(n + 0.5) for n in range(49)], ["7", "8"]),
    ],
)
def test_predicted_labels_and_numbers_drift(feature, trained, alike, other):
    base = baseline(exchanges(400, trained), 7, (feature.value,))
    (same,) = measure(base, exchanges(300, alike, seed=2))
    (shifted,) = measure(base, exchanges(300, other, seed=3))
    assert (same.feature, shifted.feature) == (feature, feature)
    assert same.ratio < 1.5
    assert shifted.ratio > 3


def test_answers_in_free_text_drift_by_their_own_words():
    compared = generate.DRIFT_INPUTS
    base = baseline(exchanges(300, [""], "x"), 7, compared)
    ratios = {m.feature: m.ratio for m in measure(base, exchanges(300, [""], "y", seed=5), compared)}
    assert ratios[Feature.ANSWER_WORDS] > 5
    assert ratios[Feature.WORDS] < 1.5
    assert set(ratios) == {
        *PROMPT_FEATURES,
        Feature.ANSWER_WORDS,
        Feature.ANSWER_LENGTH,
        Feature.ANSWER_LANGUAGE,
    }


def test_a_feature_that_one_side_lacks_is_not_measured():
    base = baseline(texts("x", 100, 1), 7, ("tokens", "predicted_labels"))
    assert [m.feature for m in measure(base, exchanges(80, ["ham"]))] == [Feature.WORDS]
    labelled = baseline(exchanges(100, ["ham", "spam"]), 7, ("predicted_labels",))
    assert measure(labelled, texts("x", 80, 1)) == ()


def test_divergences_have_the_values_of_their_definitions():
    """Counts so large that smoothing does not matter: (0.5, 0.5) and (0.9, 0.1)."""
    far = divergences({"a": 5e9, "b": 5e9}, {"a": 9e9, "b": 1e9})
    assert far.kl == pytest.approx(0.5108256, abs=1e-6)
    assert far.psi == pytest.approx(0.8788898, abs=1e-6)
    assert far.js == pytest.approx(0.1017492, abs=1e-6)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=2), st.integers(0, 50), min_size=1))
def test_js_is_bounded_and_symmetric_and_psi_is_not_negative(counts):
    other = {"z": 3.0, "a": 7.0}
    far, back = divergences(counts, other), divergences(other, counts)
    assert 0 <= far.js <= 0.6931472
    assert far.js == pytest.approx(back.js, abs=1e-9)
    assert far.psi == pytest.approx(back.psi, abs=1e-9)


def test_js_and_psi_have_a_noise_band_of_their_own(base):
    for each in measure(base, texts("x", 300, 9)):
        assert (each.js <= 2 * each.js_band, each.psi <= 2 * each.psi_band) == (True, True)
    words = measure(base, texts("y", 300, 9))[0]
    assert words.js > 3 * words.js_band
    assert words.psi > 3 * words.psi_band


def test_each_language_is_measured_for_itself():
    def documents(language: str, kind: str, count: int, seed: int) -> list[TextFeatures]:
        return [replace(each, language=language) for each in texts(kind, count, seed)]

    base = baseline(documents("en", "x", 250, 1) + documents("de", "y", 250, 2), 7)
    mixed = documents("en", "x", 100, 3) + documents("de", "z", 100, 4) + documents("fr", "z", 100, 5)
    ratios = {(m.slice, m.feature): m.ratio for m in measure_slices(base, mixed)}
    assert set(base.slices) == {"en", "de"}
    assert ratios["en", Feature.WORDS] < 1.5
    assert ratios["de", Feature.WORDS] > 5
    assert ("fr", Feature.WORDS) not in ratios


@given(st.lists(st.text(max_size=20), max_size=5), st.booleans())
def test_features_survive_json(words, has_reply):
    plain = [features(text, 0) for text in words]
    reply = features("a reply", 0) if has_reply else None
    documents = [*plain, *(ExchangeFeatures(*vars(each).values(), "ham", reply) for each in plain)]
    assert features_from_json(features_to_json(documents)) == documents


def of_tenants(kinds: dict[str, str], count: int, seed: int) -> list[ExchangeFeatures]:
    """Texts of a kind for each tenant."""
    return [
        ExchangeFeatures(*vars(each).values(), slices={"tenant": tenant})
        for place, (tenant, kind) in enumerate(kinds.items())
        for each in texts(kind, count, seed + place)
    ]


def test_each_value_of_an_attribute_is_measured_for_itself_and_rare_ones_together():
    rare = {f"r{n}": "x" for n in range(5)}
    base = baseline(
        of_tenants({"a": "x", "b": "x"}, 220, 1) + of_tenants(rare, 50, 20), 7, attributes=["tenant"]
    )
    assert set(base.slices) == {"tenant=a", "tenant=b", "tenant=(other)"}
    window = of_tenants({"a": "x", "b": "y", "r1": "x", "unknown": "y"}, 60, 40)
    words = {m.slice: m.ratio for m in measure_slices(base, window) if m.feature is Feature.WORDS}
    assert words["tenant=a"] < 1 < words["tenant=b"]
    assert words["tenant=(other)"] > 1, "values that the training data do not have count as other"
    assert words.keys() == base.slices.keys()


def test_slices_are_bounded_and_one_value_is_no_slice():
    many = baseline(
        of_tenants({f"t{n}": "x" for n in range(12)}, 200, 1), 7, ("length",), ["tenant", "region"]
    )
    assert len(many.slices) == 9
    assert "tenant=(other)" in many.slices
    assert not baseline(of_tenants({"a": "x"}, 300, 1), 7, ("length",), ["tenant"]).slices


def test_slices_are_measured_since_the_promotion_too():
    tenants = of_tenants({"a": "x", "b": "x"}, 220, 1)
    base = baseline(tenants, 7, ("tokens",), ["tenant"])
    promoted = baseline(of_tenants({"a": "y", "b": "x"}, 220, 9), 7, ("tokens",), ["tenant"])
    measured = measure_slices(base, of_tenants({"a": "y", "b": "x"}, 60, 30), promotion=promoted)
    ratios = {(m.reference, m.slice): m.ratio for m in measured}
    assert ratios[Reference.TRAINING, "tenant=a"] > 1 > ratios[Reference.PROMOTION, "tenant=a"]


def test_many_slices_raise_no_false_alarms():
    """500 windows without drift, six slices of three features each: at most 1 % of the reports have an alarm.

    Without the correction for their number, many more would.
    """
    draws = random.Random(5)
    pool = [
        replace(each, answer=draws.choice(("ham", "ham", "spam")), slices={"tenant": draws.choice("abcdef")})
        for each in of_tenants({"a": "x"}, 6000, 1)
    ]
    compared = ("tokens", "length", "predicted_labels")
    alarms = uncorrected = 0
    for seed in range(2):
        base = baseline(draws.sample(pool, 1620), seed, compared, ["tenant"])
        for _ in range(250):
            measured = measure_slices(base, draws.sample(pool, 540), compared)
            assert len(measured) == 18
            alarms += any(m.ratio > 1 for m in measured)
            uncorrected += any(m.divergence > _band(base, m, 90) for m in measured)
    assert alarms <= 5
    assert uncorrected > 3 * alarms
    assert uncorrected > 10


def _band(base: Baseline, measured: Measure, size: int) -> float:
    return noise_band(base.slices[measured.slice].noise_bands[measured.feature], size)


@pytest.mark.parametrize(
    ("answer", "is_valid", "is_free_text", "status"),
    [
        ("3.5", True, False, AnswerStatus.VALID),
        ("no idea", False, False, AnswerStatus.INVALID),
        ("I'm sorry, but I can't help with that.", False, False, AnswerStatus.REFUSAL),
        ("I'm sorry, but I can't help with that.", True, True, AnswerStatus.REFUSAL),
        ("Invoice of May", True, True, AnswerStatus.VALID),
        ("{broken", False, True, AnswerStatus.INVALID),
    ],
)
def test_answers_are_valid_or_not_or_refuse(answer, is_valid, is_free_text, status):
    assert answer_status(answer, is_valid, is_free_text) is status


@pytest.mark.parametrize("status", [AnswerStatus.INVALID, AnswerStatus.REFUSAL])
def test_a_share_of_invalid_answers_or_refusals_drifts(status):
    def answered(count: int, other: int, seed: int) -> list[ExchangeFeatures]:
        return [
            replace(each, answer="1", status=status if place < other else AnswerStatus.VALID)
            for place, each in enumerate(exchanges(count, ["1"], seed=seed))
        ]

    base = baseline(answered(400, 2, 1), 7, regress.DRIFT_INPUTS)
    ratios = [
        {m.feature: m.ratio for m in measure(base, answered(200, other, 2))}[Feature.ANSWER_STATUS]
        for other in (1, 20)
    ]
    assert ratios[0] < 1
    assert ratios[1] > 2
