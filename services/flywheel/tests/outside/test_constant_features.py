"""Drift of a feature that never varied in the training data, and of texts in scripts without spaces."""

import random

import pytest

from ratoon_flywheel.domain.bands import widths
from ratoon_flywheel.domain.pipelines.policies import Divergence
from ratoon_flywheel.domain.signals.drift import (
    Baseline,
    Feature,
    Histograms,
    Measure,
    baseline,
    measure,
)
from ratoon_flywheel.domain.signals.features import TextFeatures, features

WORDS = [
    "your",
    "order",
    "is",
    "on",
    "the",
    "way",
    "and",
    "you",
    "will",
    "have",
    "this",
    "from",
    "us",
    "when",
    "the",
    "bill",
    "was",
    "paid",
]
PHRASES = ["我想退款", "密码忘了", "软件打不开", "请查一下物流", "谢谢你们", "屏幕一直黑", "发票开错了"]
OTHER_PHRASES = [
    "天气很好",
    "我们去公园",
    "孩子喜欢狗",
    "电影真好看",
    "晚饭吃面条",
    "火车晚点了",
    "花开在山上",
]


def english(count: int, seed: int, characters: int = 160) -> list[TextFeatures]:
    """Texts of one language and one length class."""
    draws = random.Random(seed)
    drawn = (" ".join(draws.choices(WORDS, k=characters)) for _ in range(count))
    return [features(text[:characters], 1000) for text in drawn]


def chinese(count: int, seed: int, phrases: list[str] = PHRASES) -> list[TextFeatures]:
    draws = random.Random(seed)
    return [features("，".join(draws.choices(phrases, k=24)) + f"。第{i}次了。", 1000) for i in range(count)]


@pytest.fixture(scope="module")
def base() -> Baseline:
    return baseline(english(660, 1), seed=7)


def measured(base: Baseline, *windows: list[TextFeatures]) -> dict[Feature, Measure]:
    return {each.feature: each for each in measure(base, [text for window in windows for text in window])}


def test_the_features_are_constant(base):
    assert max(base.noise_bands[Feature.LENGTH]) == max(base.noise_bands[Feature.LANGUAGE]) == 0.0


@pytest.mark.parametrize("size", [50, 220, 1000])
def test_traffic_like_the_training_data_does_not_drift(base, size):
    for seed in range(2, 6):
        assert all(each.ratio < 1.5 for each in measured(base, english(size, seed)).values())


def test_a_single_stray_text_is_no_drift(base):
    measures = measured(base, english(219, 2), chinese(1, 3))
    assert measures[Feature.LANGUAGE].ratio <= 1
    assert measures[Feature.LENGTH].ratio <= 1


def test_texts_of_twice_the_length_drift_in_length(base):
    measures = measured(base, english(220, 2), english(220, 3, 340))
    assert 5 < measures[Feature.LENGTH].ratio < 1e6
    assert measures[Feature.LANGUAGE].ratio <= 1


def test_chinese_texts_drift_in_language_and_words(base):
    measures = measured(base, english(220, 2), english(220, 3, 340), chinese(220, 4))
    assert 5 < measures[Feature.LANGUAGE].ratio < 1e6
    assert 5 < measures[Feature.WORDS].ratio < 1e6
    assert all(each.null_band > 0 for each in measures.values())


def test_texts_that_are_all_alike_drift_when_they_change():
    base = baseline([features("always the same words", 0)] * 300, seed=1)
    assert all(
        each.ratio <= 1 for each in measured(base, [features("always the same words", 0)] * 100).values()
    )
    assert measured(base, [features("something else comes now", 0)] * 100)[Feature.WORDS].ratio > 5


def test_chinese_training_data_know_other_chinese_texts_from_their_own():
    base = baseline(chinese(400, 1), seed=3)
    assert measured(base, chinese(200, 2))[Feature.WORDS].ratio < 1.5
    assert measured(base, chinese(200, 2, OTHER_PHRASES))[Feature.WORDS].ratio > 5


def test_a_profile_that_was_stored_before_bands_had_a_floor_measures_too():
    counts = {Feature.WORDS: {"1": 9.0}, Feature.LENGTH: {"14": 100.0}, Feature.LANGUAGE: {"en": 100.0}}
    old = Baseline(Histograms(counts, 100), dict.fromkeys(Feature, (0.0,) * 5))
    assert measured(old, chinese(60, 1))[Feature.LANGUAGE].ratio > 5


def test_a_band_of_zero_in_a_stored_report_or_policy_hides_nothing():
    assert (
        widths(1.69, 0.0)
        == Divergence("language", 1.69, 0.0).ratio
        == Measure(Feature.LANGUAGE, 1.69, 0.0).ratio
        > 5
    )
    assert widths(0.0, 0.0) == 0.0


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("第0次了，软件打不开", 8),
        ("请联系a@b.com谢谢你们", 7),
        ("看http://a.cn/x好", 2),
        ("ウェブサイトが2回も落ちた", 11),
        ("ระบบล่มมาแล้ว3ครั้ง", 14),
        ("ລະບົບລົ້ມ2ຄັ້ງ", 11),
        ("ប្រព័ន្ធគាំង3ដង", 12),
        ("စနစ်ပျက်နေတယ်", 12),
        ("가격이 3만원 올랐다", 2),
        ("कीमत ३०० रुपये बढ़ी", 3),
        ("the value 価値 3 up", 5),
    ],
)
def test_texts_without_spaces_have_words_and_a_number_takes_only_itself(text, count):
    assert abs(len(features(text, 0).words) - count) <= 2
    assert len(features(text, 0).words) >= 2


def test_indic_words_stay_whole():
    assert len(features("हिन्दी", 0).words) == 1
    assert features("हिन्दी भाषा", 0).words != features("हिन्दू भाषा", 0).words
