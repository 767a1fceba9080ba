"""Situations that users of other tools report about texts: language, characters, filters, duplicates, personal data.

Each test is named by the situation and holds the smallest input that shows it.
"""

import pyarrow as pa
import pytest

from ratoon.tasks.curation import Step, with_presets
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.pii import DEFAULT_MASKS, Action, Mask, Redaction, masked, masking, redacted
from ratoon_ingestion.domain.sources import Format
from ratoon_ingestion.worker.batches import CURATED, items_batch, values
from ratoon_ingestion.worker.contamination import Sizes, benchmark_of, matches, unchecked
from ratoon_ingestion.worker.deduplicate import deduplicate
from ratoon_ingestion.worker.language import language_of
from ratoon_ingestion.worker.readers import Item, Kind, SourceSpec
from ratoon_ingestion.worker.stages import CuratedBatch, StageSettings, curate_batch

SOURCE = SourceSpec("projects/p/sources/s", "", Format.TEXT)
CAPITALS = (
    "THE TRAIN IS LATE",
    "PLEASE CALL ME BACK",
    "WE ARE OPEN ON SUNDAY",
    "THIS IS NOT A DRILL",
    "DO NOT ENTER THE ROOM",
    "THANK YOU FOR YOUR ORDER",
    "THE MEETING STARTS AT NOON",
    "YOUR INVOICE IS ATTACHED",
    "I LOST MY PASSWORD AGAIN",
    "THE PRINTER IS OUT OF PAPER",
)
CHINESE = (
    "渡轮每天早上八点从老石码头出发，前往北边的岛屿。",
    "船长知道，船上的大多数人都有一整天的工作要做。",
    "冬天海浪很大，所以航程要多花一个小时，但没有人介意！",
    "第一个岛的港口在一堵墙后面，那里有商店、学校和小教堂。",
    "你知道船在那之后会开往哪里吗？",
    "船长回答说：“向西，一直向西。”",
)
ENGLISH = (
    "The ferry to the northern islands leaves every morning at eight from the old stone pier.",
    "The captain knows that most of the people on board have a long day of work ahead of them.",
    "In winter the sea is rough, so the crossing takes an hour more and nobody minds!",
    "The harbour of the first island lies behind a wall, with a shop, a school and a small church.",
    "Do you know where the boat turns to after that?",
    "The captain answered: “To the west, and always to the west.”",
)


def curated(*texts: str, **config: object) -> CuratedBatch:
    items = [Item(f"row-{number}", Kind.CELL, text.encode()) for number, text in enumerate(texts, 1)]
    settings = StageSettings(b"key", CurationConfig(**{"min_chars": 0, **config}))  # type: ignore[arg-type]
    return curate_batch(items_batch(SOURCE, items), settings)


@pytest.mark.parametrize("text", CAPITALS)
def test_d21_capitals_are_the_language_of_their_words(text):
    assert {language_of(each) for each in (text, text.lower(), text.capitalize())} == {"en"}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("开会。", "zh"),
        ("污水", "zh"),
        ("400 error", "und"),
        ("ok", "und"),
        ("", "und"),
        ("12345", "und"),
        ("Die kleine Stadt am Fluss\n" + "\n".join(ENGLISH), "en"),
    ],
)
def test_d21_one_text_has_one_language_and_too_few_letters_have_none(text, language):
    assert {language_of(text) for _ in range(100)} == {language}


def test_d21_texts_without_a_language_are_kept_or_counted_by_a_rule():
    outcome = curated("400 error", ENGLISH[0])
    assert values(outcome.accepted, "language") == ["und", "en"]
    outcome = curated("400 error", ENGLISH[0], languages=("en",))
    assert [(row["reason"], row["detail"]) for row in outcome.rejected.to_pylist()] == [
        ("UNWANTED_LANGUAGE", "und")
    ]


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        ("松原市乾安县", "松原市乾安县"),
        ("乾隆", "乾隆"),
        ("乾清宫", "乾清宫"),
        ("看著 著急 著數", "看着 着急 着数"),
        ("看著", "看着"),
        ("他着急，看著我，看著名演员", "他着急，看着我，看著名演员"),
        ("顯著", "显著"),
        ("著作", "著作"),
        ("鲁迅著《呐喊》，钱钟书等著", "鲁迅著《呐喊》，钱钟书等著"),
        ("看著乾隆的著作，他很著急，也有顯著的進步", "看着乾隆的著作，他很着急，也有显著的进步"),
    ],
)
def test_d22_characters_are_simplified_once_and_names_keep_theirs(text, simple):
    outcome = curated(text, steps=(Step("simplify_chinese"),))
    assert values(outcome.accepted, "text") == [simple]
    assert outcome.reports[0].changed == (text != simple)
    assert values(curated(simple, steps=(Step("simplify_chinese"),)).accepted, "text") == [simple]


def test_d22_japanese_keeps_its_characters():
    text = "経済の発展について、東京電力は新しい計画を発表した。"
    steps = (Step("language"), Step("simplify_chinese"))
    assert values(curated(text, "経済", steps=steps).accepted, "text") == [text, "経済"]


@pytest.mark.parametrize("preset", ["web", "zh"])
def test_d23_good_chinese_passes_the_filters_that_good_english_passes(preset):
    steps = with_presets((Step("preset", {"name": preset}),))
    accepted = curated("\n".join(CHINESE), "\n".join(ENGLISH), steps=steps).accepted
    assert values(accepted, "language") == ["zh", "en"]


@pytest.mark.parametrize("name", ["gopher_quality", "gopher_repetition", "c4", "fineweb"])
def test_d23_no_line_of_chinese_is_lost_to_a_filter(name):
    text = "\n".join(CHINESE)
    assert values(curated(text, steps=(Step("language"), Step(name))).accepted, "text") == [text]


def test_d24_texts_shorter_than_a_shingle_are_duplicates_only_of_themselves():
    batch = curated("cat", "dog", "cat", "", "", "你好").accepted
    table = pa.Table.from_batches([batch.select(CURATED.names)])
    unique = deduplicate(table, CurationConfig(min_chars=0))
    assert sorted(values(batch, "text")[row] for row in unique.rows) == ["cat", "dog", "你好"]
    assert values(unique.rejected, "reason") == ["EXACT_DUPLICATE"]


def test_d24_empty_texts_have_a_reason_of_their_own():
    rejected = curated("", "  \n", "a text").rejected.to_pylist()
    assert [row["reason"] for row in rejected] == ["NO_TEXT", "NO_TEXT"]


QUESTION = (
    "A robe takes two bolts of blue fiber and half that much white fiber, so how many bolts does it take now?"
)
SHORT = "How many legs have spiders?"


def test_d27_a_test_item_is_found_in_every_form_and_short_texts_stay():
    items = [("q1", QUESTION), ("q2", SHORT), ("q3", "Why?")]
    benchmark = benchmark_of("bench", items, Sizes())
    wrapped = "\n".join(" ".join(QUESTION.split()[start : start + 8]) for start in range(0, 24, 8))
    punctuated = QUESTION.upper().replace(",", " –").replace("?", "!!")
    for text in (QUESTION, wrapped, " ".join(ENGLISH * 3) + QUESTION + " ".join(ENGLISH), punctuated):
        assert [match.item for match in matches(text, [benchmark], Sizes())] == ["q1"]
    for text in ("A.", "...", "", "This text has five words.", "Why?"):
        assert matches(text, [benchmark], Sizes()) == []
    assert [match.item for match in matches(SHORT, [benchmark], Sizes())] == ["q2"]
    assert unchecked([benchmark]) == {"bench.unchecked": 1}


NUMBERS = (*DEFAULT_MASKS, Mask.NATIONAL_ID)


def test_d28_numbers_between_chinese_characters_are_found():
    text = "身份证号11010519491231002X，手机13800138000请写user@example.com谢谢"
    result, counts = masked(text, NUMBERS)
    assert result == "身份证号[NATIONAL_ID]，手机[PHONE]请写[EMAIL]谢谢"
    assert counts == {Mask.EMAIL: 1, Mask.NATIONAL_ID: 1, Mask.PHONE: 1}


@pytest.mark.parametrize(
    "text",
    [
        "身份证号110105194912310021，谢谢",
        "1700000000129",
        "buildId = 7719930983584221L",
        "9999999941111111111111119999999",
    ],
)
def test_d28_numbers_that_look_like_those_of_people_stay(text):
    assert masked(text, NUMBERS) == (text, {})


def test_d28_cards_of_the_two_series_are_cards():
    assert masked("2720990000000007", NUMBERS)[0] == "[CARD]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one@example.com two@example.org three@example.net", "[EMAIL] [EMAIL] [EMAIL]"),
        ("4111 1111 1111 1111.com", "[CARD].com"),
        ("see 4111 1111 1111 1111, www.example.com", "see [CARD], [URL]"),
        ("tel 13800138000,11010519491231002X,4111111111111111", "tel [PHONE],[NATIONAL_ID],[CARD]"),
        ("i@a.example;a-much-longer-address-than-its-mark@example.org.", "[EMAIL];[EMAIL]."),
    ],
)
def test_d29_hits_side_by_side_leave_all_else_in_its_order(text, expected):
    once, _ = masked(text, tuple(Mask))
    assert once == expected
    assert masked(once, tuple(Mask))[0] == once


def test_d29_three_kinds_that_find_one_number_leave_one_mark():
    redaction = Redaction(dict.fromkeys(Mask, Action.HASH), key=b"key")
    result = redacted("a 4111111111111111 b", redaction)
    assert result.text.startswith("a [CARD:") and result.text.endswith("] b")
    assert result.counts == {Mask.CARD: 1}


@pytest.mark.parametrize(
    "text", ["user(AT)example.com", "user (at) example.com", "user[At]example.com", "user {AT} example.com"]
)
def test_d29_addresses_written_against_robots_are_addresses(text):
    assert redacted(f"write to {text} soon", masking((Mask.EMAIL,))).text == "write to [EMAIL] soon"


def test_d23_a_step_that_removes_nearly_all_of_a_language_says_so():
    steps = (Step("language"), Step("word_list", {"block": "渡轮"}))
    texts = [f"{CHINESE[0]}第{number}次。" for number in range(20)] + [ENGLISH[0], CHINESE[1]]
    report = curated(*texts, steps=steps).reports[1]
    assert report.stated_counts == {"removed.zh": 20, "removed_nearly_all.zh": 20}
    report = curated(*texts[:5], ENGLISH[0], steps=steps).reports[1]
    assert report.stated_counts == {"removed.zh": 5}
    report = curated(*texts, steps=steps[::-1]).reports[0]
    assert report.stated_counts == {}  # the language is not known yet
