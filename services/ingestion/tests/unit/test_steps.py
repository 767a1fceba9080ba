"""Steps of curation: each against the rule of its source, conversations, records on which a step fails."""

import re
from functools import partial

import pyarrow as pa
import pytest

from ratoon.tasks.curation import (
    DEFAULT_STEPS,
    PRESETS,
    STEPS,
    BadStep,
    Step,
    check_steps,
    complete,
    parsed_steps,
    settings_of,
)
from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.records import from_json, to_json
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.errors import BadCuration
from ratoon_ingestion.worker.stages import STAGES, StageSettings, mask_personal_data
from ratoon_ingestion.worker.steps import StepResult, apply
from ratoon_ingestion.worker.steps.apply import reported, run_step
from ratoon_ingestion.worker.steps.registry import function_of

PROSE = (
    "The ferry to the northern islands leaves every morning at eight from the old stone pier, and the captain knows "
    "that most of the people on board have a long day of work ahead of them. He waits for those who are late. "
    "In winter the sea is rough, so the crossing takes an hour more and nobody minds. The harbour of the first "
    "island lies behind a wall, with a shop, a school and a small church. After that the boat turns to the west."
)


def batch(*texts: str, **columns: list[object]) -> pa.RecordBatch:
    count = len(texts)
    names = {"record_id": pa.string(), "source": pa.string(), "source_path": pa.string(), "source_label": pa.string(),
             "licence": pa.string(), "language": pa.string(), "example": pa.string(), "steps": pa.list_(pa.string()),
             "attributes": pa.map_(pa.string(), pa.string())}  # fmt: skip
    empty: dict[str, list[object]] = {name: [None] * count for name in names}
    empty |= {
        "record_id": [str(row) for row in range(count)],
        "steps": [[]] * count,
        "attributes": [[]] * count,
    }
    values = {"text": pa.array(texts, pa.string())}
    values |= {name: pa.array(columns.get(name, empty[name]), kind) for name, kind in names.items()}
    return pa.RecordBatch.from_pydict(values)


def removed(step: Step, *texts: str, **columns: list[object]) -> list[str | None]:
    result = function_of(step)(batch(*texts, **columns)).removed
    return [None] * len(texts) if result is None else result.to_pylist()


def _needs_more(name: str) -> bool:
    """A step with required parameters."""
    try:
        settings_of(Step(name))
    except BadStep:
        return True
    return False


def changed(step: Step, *texts: str) -> list[str]:
    return list(run_step(step, batch(*texts)).accepted.column("text").to_pylist())


@pytest.mark.parametrize(
    "step", [Step(name) for name in ("gopher_quality", "gopher_repetition", "c4", "fineweb")]
)
def test_prose_passes_every_filter(step):
    assert removed(step, PROSE) == [None]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Too few words here.", "GOPHER_FEW_WORDS"),
        ("of a to be the " * 20, "GOPHER_SHORT_WORDS"),
        ("incomprehensibilities of the " * 40 + "incomprehensibilities " * 40, "GOPHER_LONG_WORDS"),
        (PROSE.replace("the ", "the ## "), "GOPHER_HASHES"),
        (PROSE.replace("the ", "the … … "), "GOPHER_ELLIPSES"),
        ("\n".join(f"- {line}" for line in [PROSE] * 3), "GOPHER_BULLETS"),
        ("\n".join(f"{PROSE[:-1]} ..." for _ in range(3)), "GOPHER_LINE_ENDS"),
        ("the captain 1234 5678 and 2222 3333 4444 " * 20, "GOPHER_FEW_LETTERS"),
        ("les bateaux partent tous les matins depuis le vieux port de pierre " * 6, "GOPHER_STOP_WORDS"),
        ("质量非常好，物流也快，下次还来。" * 20, None),
    ],
)
def test_gopher_quality(text, reason):
    assert removed(Step("gopher_quality"), PROSE, text) == [None, reason]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\n\n".join([PROSE[:150]] * 2 + ["One more."]), "GOPHER_DUPLICATE_PARAGRAPHS"),
        ("\n".join([*[PROSE[:50]] * 2, "One more line.", "And another."]) , "GOPHER_DUPLICATE_LINE_CHARS"),
        (f"{PROSE} " + "buy now " * 20, "GOPHER_TOP_2_GRAM"),
        (f"{PROSE} {PROSE}", "GOPHER_DUPLICATE_5_GRAMS"),
        ("one two three four", None),
    ],
)  # fmt: skip
def test_gopher_repetition(text, reason):
    assert removed(Step("gopher_repetition"), PROSE, text)[1] == reason


def test_c4_keeps_lines_that_are_sentences():
    page = "\n".join(["Home", "Menu and more", *PROSE.replace(". ", ".\n").split("\n"),
                      "Please enable JavaScript to read this page.", "We have a privacy policy for this."])  # fmt: skip
    assert changed(Step("c4"), page) == [PROSE.replace(". ", ".\n")]
    assert removed(
        Step("c4"), "Lorem ipsum dolor sit amet.", "if (x) { return y is fine; }.", "One line only."
    ) == [
        "C4_LOREM_IPSUM",
        "C4_CURLY_BRACKET",
        "C4_FEW_SENTENCES",
    ]


def test_c4_judges_lines_of_each_script_by_their_own_words():
    lines = (
        "One two three.",
        "One two.",
        "你好吗朋友。",
        "你好。",
        "See this one.[12]",
        "And this one [3]",
        "…",
        "",
    )
    step = Step("c4", {"min_sentences": "1"})
    assert changed(step, "\n".join(lines)) == ["One two three.\n你好吗朋友。\nSee this one."]
    assert changed(step, "One two.\nNo end") == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\n \n", "FINEWEB_NO_LINES"),
        ("\n".join(f"{PROSE[:60]} {n}" for n in range(9)), "FINEWEB_LINE_ENDS"),
        ("\n".join([PROSE, *(f"Short one {n}." for n in range(9))]), "FINEWEB_SHORT_LINES"),
        (f"{PROSE}\n{PROSE}", "FINEWEB_DUPLICATE_LINES"),
        ("\n\n\n".join([f"This is a sentence about number {n}, as it is." for n in range(9)]) , None),
    ],
)  # fmt: skip
def test_fineweb(text, reason):
    assert removed(Step("fineweb"), text) == [reason]


def test_normal_forms():
    assert changed(Step("normalize"), "Ｆｕｌｌ　１２３  ﬁne\n\n\n\nend ") == ["Full 123 fine\n\nend"]
    narrow = Step("normalize", {"form": "NFC", "whitespace": "false"})
    assert changed(narrow, "质量好！１２３　Ａ  e\u0301") == ["质量好！123 A  \u00e9"]


def test_main_text_of_html():
    page = "<html><body><p>One of the ferries.</p><script>x()</script></body></html>"
    assert changed(Step("html_boilerplate"), page, "a < b, <br> c") == [
        "One of the ferries.",
        "a < b, <br> c",
    ]


def test_lists():
    block = Step("url_blocklist", {"block": "bad.example, news.example/ads"})
    urls = ["https://www.bad.example/x", "http://a.bad.example", "https://news.example/ads/1", "https://news.example/",
            "https://notbad.example/", "http://[broken"]  # fmt: skip
    texts = ["t"] * len(urls)
    attributes = [[("url", url)] for url in urls]
    blocked = "BLOCKED_URL"
    expected = [blocked, blocked, blocked, None, None, None]
    assert removed(block, *texts, attributes=attributes) == expected
    assert removed(block, *texts, source_path=urls) == expected
    words = Step("word_list", {"block": "casino, 赌博, c++"})
    assert removed(words, "A CASINO.", "casinos", "网上赌博平台", "fine") == [
        "BLOCKED_WORD",
        None,
        "BLOCKED_WORD",
        None,
    ]
    allowed = Step("license", {"allow": "CC0-1.0, Apache-2.0"})
    assert removed(allowed, "a", "b", "c", licence=["CC0-1.0", "GPL-3.0", ""]) == [
        None,
        *["LICENSE_NOT_ALLOWED"] * 2,
    ]


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("schÃ¶n, itâ€™s", "schön, it’s"),
        ("a &amp; b &lt; c", "a & b < c"),
        ("<b>a &amp; b</b>", "<b>a &amp; b</b>"),
        ("“quoted”，全角符号！（测试）ﬁne Ｆｕｌｌ", "“quoted”，全角符号！（测试）ﬁne Ｆｕｌｌ"),
        ("é decomposed: e\u0301", "é decomposed: e\u0301"),
    ],
)
def test_wrongly_decoded_texts_are_repaired_and_others_stay(text, repaired):
    assert changed(Step("fix_text"), text) == [repaired]


def test_quotes_and_width_are_repaired_on_request():
    step = Step(
        "fix_text", {"quotes": "true", "width": "true", "ligatures": "true", "html_entities": "false"}
    )
    assert changed(step, "“ﬁne” Ｆｕｌｌ &amp;") == ['"fine" Full &amp;']


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        ("經濟乾燥，餅乾好吃", "经济干燥，饼干好吃"),
        ("看著 著急 著數，顯著的著作，土著與名著", "看着 着急 着数，显著的著作，土著与名著"),
        ("他笑著說乾隆皇帝住在乾清宮", "他笑着说乾隆皇帝住在乾清宫"),
        ("松原市乾安县，乾隆，乾清宫，著名的人", "松原市乾安县，乾隆，乾清宫，著名的人"),
        ("経済の発展、東京電力", "経済の発展、東京電力"),
        ("软件 mixed 與繁體", "软件 mixed 与繁体"),
        ("plain text", "plain text"),
    ],
)
def test_traditional_characters_become_simplified_and_a_second_time_changes_nothing(text, simple):
    assert changed(Step("simplify_chinese"), text) == [simple]
    assert changed(Step("simplify_chinese"), simple) == [simple]


def test_texts_of_other_languages_are_not_simplified():
    function = function_of(Step("simplify_chinese"))
    assert function(batch("東京電力", language=["ja"])).texts.to_pylist() == [None]


def test_each_text_of_a_conversation_is_changed_and_filters_read_all_of_them():
    record = Record((Turn(Role.USER, "Ｗｈｙ?"),), ("Ｂｅｃａｕｓｅ of the casino.",))
    rows = batch("Ｗｈｙ?", example=[to_json(record)], source_label=[record.answers[0]])
    accepted = run_step(Step("normalize"), rows).accepted
    assert from_json(accepted.column("example")[0].as_py()).answers == ("Because of the casino.",)
    assert accepted.column("text").to_pylist() == ["Why?"]
    assert accepted.column("steps").to_pylist() == [["normalize"]]
    assert run_step(Step("word_list", {"block": "casino"}), rows).accepted.num_rows == 0


def _fragile(rows: pa.RecordBatch) -> StepResult:
    texts = rows.column("text").to_pylist()
    if "bad" in texts:
        raise KeyError("secret text")
    return StepResult(texts=pa.array([text.upper() for text in texts]))


def test_a_record_on_which_a_step_raises_is_set_aside_and_the_rest_goes_on(monkeypatch):
    monkeypatch.setattr(apply, "function_of", lambda step, models: _fragile)
    outcome = run_step(Step("acme.upper"), batch("one", "bad", "two"))
    assert outcome.accepted.column("text").to_pylist() == ["ONE", "TWO"]
    (rejected,) = outcome.rejected.to_pylist()
    assert (rejected["step"], rejected["reason"], rejected["detail"]) == (
        "acme.upper",
        "STEP_FAILED",
        "KeyError",
    )


def test_a_step_that_returns_other_than_one_value_a_row_fails_on_every_record(monkeypatch):
    monkeypatch.setattr(
        apply, "function_of", lambda step, models: lambda rows: StepResult(removed=pa.array(["X", "Y"]))
    )
    outcome = run_step(Step("acme.wrong"), batch("one"))
    assert outcome.rejected.to_pylist()[0]["reason"] == "STEP_FAILED"


def test_a_text_of_which_nothing_is_left_is_no_record(monkeypatch):
    monkeypatch.setattr(
        apply, "function_of", lambda step, models: lambda rows: StepResult(texts=pa.array(["", "x"]))
    )
    outcome = run_step(Step("acme.empty"), batch("one", "two"))
    assert outcome.rejected.to_pylist()[0]["reason"] == "NO_TEXT"


@pytest.mark.parametrize(
    "name",
    [name for name in STEPS if name not in STAGES and not _needs_more(name)],
)
def test_every_step_takes_its_defaults_empty_batches_and_odd_texts(name):
    function = function_of(Step(name))
    for texts in ((), ("",), ("\n", "\ud7ff", "…", "a" * 5_000, "{", "🙂 " * 300, "。\n。")):
        result = function(batch(*texts))
        for column in (result.texts, result.removed):
            assert column is None or len(column) == len(texts)


def test_each_kind_of_personal_data_has_its_action_and_look_alikes_are_reported():
    actions = Step("personal_data", {"card": "drop", "email": "hash", "phone": "keep", "iban": "mask"})
    settings = StageSettings(b"key", CurationConfig(steps=(actions,)))
    rows = batch(
        "pay by 4111 1111 1111 1111",
        "a@b.example, 13812345678, GB82WEST12345698765432",
        "DE88 3704 0044 0532 0130 00",
    )
    outcome, report = reported("personal_data", rows, partial(mask_personal_data, settings=settings))
    hashed, alike = outcome.accepted.column("text").to_pylist()
    assert re.fullmatch(r"\[EMAIL:[A-P]{16}\], 13812345678, \[IBAN\]", hashed)
    assert alike == "DE88 3704 0044 0532 0130 00"
    (rejected,) = outcome.rejected.to_pylist()
    assert (rejected["step"], rejected["reason"], rejected["detail"]) == (
        "personal_data",
        "PERSONAL_DATA",
        "card",
    )
    assert rejected["text_start"] == "pay by [CARD]"
    assert (report.counts, report.removed) == ({"card": 1, "iban": 1}, {"PERSONAL_DATA": 1})


def test_default_steps_always_run_after_those_listed():
    steps = complete((Step("c4"), Step("language"), Step("fineweb")))
    assert [step.name for step in steps] == [
        "c4",
        "language",
        "fineweb",
        "personal_data",
        "length",
        "garbage",
    ]
    assert [step.name for step in complete(())] == list(DEFAULT_STEPS)


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (Step("gopher"), "'gopher' is not one of the steps of curation: personal_data"),
        (Step("fineweb", {"shares": "1"}), "no parameter 'shares'; it has min_end_punctuation_share"),
        (Step("fineweb", {"max_short_line_share": "nan"}), "must be a number from 0 to 1, not 'nan'"),
        (Step("word_list"), "Set block of the step word_list"),
        (Step("word_list", {"block": " , "}), "1 to 10,000 entries"),
        (Step("normalize", {"form": "NFD"}), "NFKC or NFC or none"),
        (Step("length", {"min_chars": "1"}), "takes no parameters here"),
        (Step("personal_data", {"iban": "shred"}), "personal_data.iban must be mask or hash or drop or keep"),
    ],
)
def test_a_step_that_is_not_valid_is_refused(step, sentence):
    with pytest.raises(BadCuration, match=sentence):
        CurationConfig(steps=(step,))


def test_steps_are_listed_once():
    with pytest.raises(BadStep, match="c4 is listed twice"):
        check_steps((Step("c4"), Step("c4")))
    check_steps((Step("acme.x", {"a": "1"}), Step("acme.x", {"a": "2"})))
    assert settings_of(Step("word_list", {"block": "a,b"})) == {"block": ("a", "b"), "min_matches": 1}


def test_steps_of_a_request_are_read_with_their_parameters():
    texts = ("preset:name=zh", "word_list:block=赌博, casino;min_matches=2", "acme.x")
    assert parsed_steps(texts) == (
        *PRESETS["zh"],
        Step("word_list", {"block": "赌博, casino", "min_matches": "2"}),
        Step("acme.x"),
    )


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_valid(name):
    check_steps(PRESETS[name])
