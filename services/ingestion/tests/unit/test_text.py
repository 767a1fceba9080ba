"""From decoded text to curated text: markup, normal form, quality, words and sketches."""

import re
from itertools import pairwise
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker import shingles
from ratoon_ingestion.worker.duplicates import bands_for
from ratoon_ingestion.worker.language import language_of
from ratoon_ingestion.worker.markup import text_of
from ratoon_ingestion.worker.normalise import cleaned, comparable, narrow
from ratoon_ingestion.worker.quality import garbage
from ratoon_ingestion.worker.shingles import Hashes, shingled, signatures, simhashes, similarity
from ratoon_ingestion.worker.words import spaced_text, words_of

SENTENCE = "The ferry to the northern islands leaves every morning at eight from the old stone pier."
TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=300)


def test_html_loses_its_tags_scripts_and_styles_and_keeps_its_lines():
    page = "<html><head><style>p{}</style><script>x()</script></head><body><h1>Ferries</h1><p>One<br>two</p></body>"
    text = comparable(text_of(page))
    assert text.split("\n") == ["Ferries", "One", "two"]
    assert "x()" not in text


def test_a_page_of_which_the_extractor_takes_too_little_is_walked_whole():
    cells = "".join(f"<tr><td>Offer {n}</td><td>only {n} dollars</td></tr>" for n in range(40))
    text = text_of(f"<body><div>Dear customer</div><table>{cells}</table></body>")
    assert all(f"Offer {n}" in text for n in range(40))


@pytest.mark.parametrize(
    "page", ["", " ", "<", "<html", "<!-- only -->", "\x00", "<p>" * 5000, "<table><tr><td>x"]
)
def test_broken_pages_do_not_break_the_walk(page):
    assert isinstance(text_of(page), str)


@given(TEXTS)
def test_any_text_passes_as_a_page(text):
    text_of(f"<p>{text}").encode()


@pytest.mark.parametrize(
    "text",
    [
        "质量非常好，物流也快！（下次还来）：１００分",
        "Cafe\u0301 and caf\u00e9, \ufb01ne",
        "a\u00a0b\tc  d\n\n\n\ne ",
        "👩‍👩‍👧 zero\u200bwidth \u2028line",
    ],
)
def test_a_text_is_stored_as_it_was_written(text):
    assert cleaned(text) == text


def test_only_what_no_tokenizer_should_see_is_taken_out():
    assert cleaned("one\r\ntwo\rthree\x00 \x07bell\ud800\x7f\x9b") == "one\ntwo\nthree bell"


def test_personal_data_in_full_width_digits_is_masked():
    assert narrow("电话：１３９ ０１０１ ９７１１，ａ＠ｂ．example") == "电话：139 0101 9711，a@b.example"


def test_the_comparable_form_folds_width_and_drops_what_is_invisible():
    assert (
        comparable("Ｆｕｌｌ　ｗｉｄｔｈ\u200b \u202eﬁne\x07\r\n\r\n\r\n\r\nnext\t line ")
        == "Full width fine\n\nnext line"
    )


@given(TEXTS)
def test_the_comparable_form_is_stable(text):
    once = comparable(text)
    assert comparable(once) == once


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (SENTENCE, None),
        ("短信息：会议改到明天下午三点，地点不变，请大家准时参加，谢谢各位。", None),
        ("=" * 80 + SENTENCE + "=" * 80, None),
        (
            "aGVsbG8gd29ybGQsIHRoaXMgaXMgZW5jb2RlZCBkYXRhIHRoYXQgbm9ib2R5IHJlYWRzIGhlcmU=" * 3,
            Rejected.LONG_WORDS,
        ),
        ("\ufffd" * 10 + SENTENCE, Rejected.BROKEN_CHARACTERS),
        ("12 34 56 78 90 12 34 56 78 90 11 22 33", Rejected.FEW_LETTERS),
        ("a" * 40 + " b", Rejected.REPETITION),
        ("ok", None),
        ('{"a": 2024.25, "b": 17, "c": -3.125, "d": 401}', None),
        ('{"a": 2024.25, "b": 17, "c": -3.125, "d": 401', Rejected.FEW_LETTERS),
    ],
)
def test_garbage_is_distinguished_from_text(text, reason):
    assert garbage(text) is reason


@pytest.mark.parametrize("start", ["<a ", "<a b='>' ", '<a b="x>" '])
@pytest.mark.parametrize("form", ["a{}=1", "a{}"])
def test_a_tag_with_very_many_attributes_is_no_work_without_end(start, form):
    attributes = " ".join(form.format(number) for number in range(200_000))
    assert "text" in text_of(f"<p>A text</p>{start}{attributes}>more</a>")


def test_a_large_image_within_a_page_does_not_keep_it_from_being_parsed():
    image = "\n".join(["QUJD" * 19] * 10_000)
    assert text_of(f'<p>Before &amp;</p><img src="data:image/png;base64,{image}"><p>after</p>').split() == [
        *("Before", "&", "after")
    ]


def test_languages():
    assert language_of(SENTENCE) == "en"
    assert language_of("这是一封关于明天会议安排的邮件，请查收。") == "zh"
    assert language_of("12345 !!") == "und"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("开会。", "zh"),
        ("污水", "zh"),
        ("USB端口少", "zh"),
        ("随手拿起来翻翻，每次都感觉童年那些美好的事被唤醒。", "zh"),
        ("2、房间设施陈旧、毫无住宾馆的感觉。", "zh"),
        ("機身有點厚，鍵盤不錯", "zh"),
        ("我要去の店", "zh"),
        ("東京の電力", "ja"),
        ("日本経済新聞", "ja"),
        ("会議資料送付の件", "ja"),
        ("東京都渋谷区", "ja"),
        ("大韓民國 만세, 우리 나라", "ko"),
        ("I read 红楼梦 last year and liked it", "en"),
        ("[EMAIL:ABCDEFGHIJKLMNOP] [NATIONAL_ID]", "und"),
        ("Öffentliche Bekanntmachung\n" + SENTENCE * 3, "en"),
    ],
)
def test_the_script_of_a_short_text_decides_before_the_model(text, language):
    assert {language_of(comparable(text)) for _ in range(20)} == {language}


@pytest.mark.parametrize(
    "text", ["THE TRAIN IS LATE", "WE MUST GO NOW", "PLEASE CLOSE THE DOOR", "IT IS RAINING"]
)
def test_upper_and_lower_case_are_one_language(text):
    assert language_of(text) == language_of(text.lower()) == "en"


def test_chinese_is_cut_into_words_and_the_rest_at_white_space():
    assert words_of("two words") == ["two", "words"]
    assert "北京大学" in words_of("我来到北京大学读书")


def test_scripts_without_spaces_have_words():
    assert words_of("สินค้าดี OK") == [*"สินค้าดี", "OK"]
    assert words_of("ありがとう") == list("ありがとう")
    text = "สินค้าดีมากและส่งเร็วมากขอบคุณครับ" * 3
    before, after = shingles_of(spaced_text(text)), shingles_of(spaced_text(text + "ค่ะ"))
    assert similarity(before, after) > 0.7


def shingles_of(text: str) -> Hashes:
    return shingled([text])[0]


def simhash(shingles: Hashes) -> int:
    return int(simhashes(shingles, np.array([0, len(shingles)]))[0])


def test_a_small_change_keeps_most_shingles_and_the_simhash_close():
    text = " ".join(f"{SENTENCE} Number {n} waits." for n in range(30))
    before, after = shingles_of(text), shingles_of(text.replace("Number 7", "Number seven"))
    assert similarity(before, after) > 0.8
    assert (simhash(before) ^ simhash(after)).bit_count() <= 8
    other = shingles_of(" ".join(f"{n} quite another story about gardens {n}" for n in range(60)))
    assert similarity(before, other) == 0
    assert (simhash(before) ^ simhash(other)).bit_count() > 8


def test_shingles_see_neither_case_nor_punctuation():
    assert (
        shingles_of("Hello, World! How ARE you?").tolist() == shingles_of("hello world how are you").tolist()
    )


def sets_of(texts: list[str]) -> list[set[str]]:
    """The shingles of each text, one at a time, as text."""
    sets = []
    for text in texts:
        words = re.findall(r"[^\W_]+", text.lower()) or text.split()
        sets.append(
            {" ".join(words[at : at + 5]) for at in range(max(len(words) - 5, 0) + 1)} if words else set()
        )
    return sets


WORDS = st.lists(
    st.sampled_from(["a", "B", "ä", "Σ", "Σας", "i̇İ", "١٢", "汉", "𝒳y", "_", "...", "\u00a0", "x_y", "é"])
)


@settings(deadline=None)
@given(st.lists(WORDS.map(" ".join) | TEXTS, max_size=12), st.integers(1, 200))
def test_shingles_of_many_texts_are_those_of_each(texts, block):
    with mock.patch.object(shingles, "_BLOCK_CHARS", block):
        flat, offsets = shingled(texts)
    expected = sets_of(texts)
    assert np.diff(offsets).tolist() == list(map(len, expected))
    for row, (start, end) in enumerate(pairwise(offsets)):
        assert (np.diff(flat[start:end].astype(object)) > 0).all()
        alone = shingles_of(texts[row])
        assert alone.tolist() == flat[start:end].tolist()
    names = {name: number for number, each in enumerate(expected) for name in each}
    assert len(set(flat.tolist())) == len(names)


@given(st.lists(st.sets(st.integers(0, 2**64 - 1), max_size=700), max_size=5))
def test_simhash_is_the_majority_of_bits(sets):
    flat = np.array([value for each in sets for value in sorted(each)], np.uint64)
    offsets = np.cumsum([0, *map(len, sets)])
    for each, hash_ in zip(sets, simhashes(flat, offsets).tolist(), strict=True):
        counts = [sum(value >> bit & 1 for value in each) for bit in range(64)]
        assert hash_ == sum(1 << bit for bit in range(64) if 2 * counts[bit] > len(each))


def test_signatures_estimate_the_similarity():
    rng = np.random.default_rng(3)
    sets = [np.sort(rng.integers(0, 2**64, 400, np.uint64)) for _ in range(60)]
    shared = [200 + 3 * number for number in range(60)]
    mixed = [
        np.sort(np.concatenate([each[:n], rng.integers(0, 2**64, 400 - n, np.uint64)]))
        for each, n in zip(sets, shared, strict=True)
    ]
    flat = np.concatenate([*sets, *mixed])
    computed = signatures(flat, np.arange(121) * 400)
    estimates = (computed[:, :60] == computed[:, 60:]).mean(axis=0)
    expected = np.array([similarity(one, other) for one, other in zip(sets, mixed, strict=True)])
    assert abs(estimates - expected).max() < 0.2
    assert abs((estimates - expected).mean()) < 0.02
    assert (signatures(np.empty(0, np.uint64), np.zeros(3, np.int64)) == 2**32 - 1).all()


@given(st.floats(0.3, 1))
def test_bands_find_what_reaches_the_threshold(threshold):
    bands, rows = bands_for(threshold)
    assert bands * rows <= 128
    assert 1 - (1 - threshold**rows) ** bands >= 0.999
