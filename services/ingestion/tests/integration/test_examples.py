"""Conversations, instructions and preferences from every table to the parts of a split, and out of them again."""

import hashlib
import io
import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratoon.ingestion.v1.source_pb2 import SourcePreview
from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec, ErasureSpec, PreviewSpec, SplitSpec
from ratoon.operations.job_messages import from_json, to_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.kind import Record, Role, Turn, conversation_fault
from ratoon.tasks.records import record_of
from ratoon_ingestion import mapping
from ratoon_ingestion.adapters.parquet_records import ParquetRecords
from ratoon_ingestion.domain.assignment import Ratios
from ratoon_ingestion.domain.conversations import fault
from ratoon_ingestion.domain.curation import CLUSTER_THRESHOLD, CurationConfig
from ratoon_ingestion.domain.sources import Columns, Format
from ratoon_ingestion.worker.batches import items_batch
from ratoon_ingestion.worker.curate import curate
from ratoon_ingestion.worker.decoding import record_id_of
from ratoon_ingestion.worker.erase import erase
from ratoon_ingestion.worker.preview import preview
from ratoon_ingestion.worker.readers import Item, SourceSpec, SourceUnreadable, read_source
from ratoon_ingestion.worker.spec import read_spec
from ratoon_ingestion.worker.split import split
from ratoon_ingestion.worker.stages import StageSettings, curate_batch
from services.ingestion.tests.integration.test_readers import DAMAGE, damaged
from services.ingestion.tests.unit.test_examples import ROWS as ROWS_OF_ANY_KIND

KEY = "00" * 32
WORDS = [
    "river",
    "stone",
    "market",
    "letter",
    "window",
    "bridge",
    "winter",
    "copper",
    "candle",
    "forest",
    "harbour",
    "evening",
    "silver",
]


def silent(fraction: float, message: str, **counts: Any) -> None:
    assert 0 <= fraction <= 1


def story(seed: int, words: int = 40) -> str:
    chosen = random.Random(seed)
    return " ".join(chosen.choice(WORDS) + str(chosen.randrange(100)) for _ in range(words))


def message(role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def chat(number: int) -> dict[str, Any]:
    return {
        "messages": [message("user", story(number)), message("assistant", f"answer {story(number + 1000)}")]
    }


def alpaca(number: int) -> dict[str, Any]:
    return {
        "instruction": "Summarise:",
        "input": story(number),
        "output": story(number + 1000, 9),
        "system": "Be brief.",
    }


def preference(number: int) -> dict[str, Any]:
    return {"prompt": story(number), "chosen": story(number + 1000, 9), "rejected": story(number + 2000, 9)}


def rated(number: int) -> dict[str, Any]:
    return {"prompt": story(number), "completion": story(number + 1000, 9), "label": bool(number % 2)}


def with_tools(number: int) -> dict[str, Any]:
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"a": 1}'}}
    messages = [
        message("user", story(number)),
        message("assistant", "", tool_calls=[call]),
        message("tool", "found", tool_call_id="c1"),
        message("assistant", story(number + 1000, 9)),
    ]
    tools = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]
    return {"messages": messages, "tools": tools}


def pair(number: int) -> dict[str, Any]:
    chosen, rejected = (message("assistant", story(number + more, 9)) for more in (1000, 2000))
    return {"prompt": story(number), "chosen": [chosen], "rejected": [rejected]}


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def array(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps(rows, indent=1).encode()


def csv(rows: list[dict[str, Any]]) -> bytes:
    sink, names = io.StringIO(), list(rows[0])
    for values in (names, *([row.get(name) for name in names] for row in rows)):
        cells = (value if isinstance(value, str) else json.dumps(value) for value in values)
        sink.write(",".join('"' + cell.replace('"', '""') + '"' for cell in cells) + "\r\n")
    return sink.getvalue().encode()


def parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


WRITERS = {
    "jsonl": (lines, "JSONL"),
    "array": (array, "JSONL"),
    "csv": (csv, "CSV"),
    "parquet": (parquet, "PARQUET"),
}
ROWS = {
    "chat": chat,
    "alpaca": alpaca,
    "preference": preference,
    "rated": rated,
    "tools": with_tools,
    "pair": pair,
}


class Bench:
    """Curates rows, splits versions and reads records in one artifact store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, ArtifactStore(str(folder / "artifacts"))

    def source(self, data: bytes, format: str = "JSONL", **columns: Any) -> dict[str, Any]:
        return {
            "name": "projects/p/sources/s",
            "digest": self.store.put_bytes(data),
            "format": format,
            "columns": columns,
        }

    def version(self, *sources: dict[str, Any], **curation: Any) -> dict[str, Any]:
        spec = {
            "version": "v",
            "curation": asdict(CurationConfig(**curation)),
            "sources": sources,
            "record_key": KEY,
            "processes": 1,
        }
        result = to_json(curate(read_spec(CurationSpec, spec), self.store, self.folder, silent))
        self.digest = result["artifact_digest"]
        return result

    def table(self, path: str = "records-00000.parquet") -> pa.Table:
        files = {file.path: file.sha256 for file in self.store.tree(self.digest)}
        return pq.read_table(self.store.open(files[path]))

    def records(self) -> list[Record]:
        return records_of(self.table(), "source_label")

    def split(self, **settings: Any) -> dict[str, Any]:
        spec = {
            "mode": "GROUPED",
            "ratios": asdict(Ratios()),
            "threshold": CLUSTER_THRESHOLD,
            "seed": 1,
            **settings,
        }
        spec.setdefault("dataset_version", self.digest)
        return to_json(split(read_spec(SplitSpec, spec), self.store, silent))

    def part(self, result: dict[str, Any], name: str) -> pa.Table:
        return pq.read_table(self.store.open(result["parts"][name]["digest"]))


def records_of(table: pa.Table, label: str) -> list[Record]:
    rows = zip(*(table.column(name).to_pylist() for name in ("text", label, "example")), strict=True)
    return [record_of(*row) for row in rows]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("kind", ROWS)
def test_every_table_gives_the_same_records(bench, kind):
    rows = [ROWS[kind](number) for number in range(6)]
    trees = []
    for write, format in WRITERS.values():
        bench.version(bench.source(write(rows), format))
        trees.append(
            [(row["record_id"], row["content_digest"], row["example"]) for row in bench.table().to_pylist()]
        )
    assert len(trees[0]) == 6
    assert all(tree == trees[0] for tree in trees)


def test_empty_cells_of_a_csv_hold_nothing(bench):
    rows = [
        {"prompt": "", "completion": "", "chosen": "", "rejected": "", "label": ""} | make(number)
        for number, make in enumerate(
            (preference, rated, lambda n: {"prompt": story(n), "completion": "[{}]"})
        )
    ]
    result = bench.version(
        bench.source(csv([{name: str(value) for name, value in row.items()} for row in rows]), "CSV")
    )
    assert result["profile"]["attributes"]["record_kind"] == {
        "answer": 1,
        "preference": 1,
        "unpaired_preference": 1,
    }


def test_a_rating_of_an_empty_cell_is_no_label(bench):
    rows = [rated(1), rated(2) | {"completion": ""}]
    result = bench.version(bench.source(csv([{**row, "label": str(row["label"])} for row in rows]), "CSV"))
    assert (result["records"], result["rejected"]) == (1, 1)
    (rejected,) = bench.table("rejected.parquet").to_pylist()
    assert (rejected["source_path"], rejected["detail"]) == (
        "line-3",
        "prompt row: the label 'False' rates an answer, and the answer is empty",
    )


def test_a_list_that_is_not_closed_is_refused_with_its_line(bench):
    for data in (array([chat(1), chat(2)])[:-1], b'\n[{"prompt":"a","completion":"b"},\n'):
        with pytest.raises(
            SourceUnreadable, match=r"The list, which begins in line [12], is not closed"
        ) as refused:
            bench.version(bench.source(data))
        assert refused.value.reason == "JSON_DAMAGED"
    within = lines([chat(1)]) + b'\n[{"prompt":"a","completion":"b"},{"prompt":"c","completion":"d"}\n'
    assert bench.version(bench.source(within))["rejected"] == 1


def test_a_row_with_an_id_is_rejected_with_its_line(bench):
    bench.version(bench.source(lines([chat(1), {"id": "r7", "prompt": "a", "completion": "a"}])))
    (rejected,) = bench.table("rejected.parquet").to_pylist()
    assert (rejected["source_path"], rejected["detail"]) == (
        "r7",
        "line-2: prompt row: the answer repeats the prompt",
    )


def test_a_text_that_is_json_stays_a_text(bench):
    text = json.dumps([message("user", story(1))])
    bench.version(
        bench.source(csv([{"prompt": text, "label": "spam"}]), "CSV", text="prompt", named=("text",))
    )
    assert bench.table().column("text").to_pylist() == [text]


def test_formats_may_be_mixed_in_one_version(bench):
    rows = [make(number) for number, make in enumerate(ROWS.values())]
    result = bench.version(bench.source(lines([*rows, {"text": story(50), "label": "spam"}])))
    assert result["records"] == 7
    kinds = result["profile"]["attributes"]["record_kind"]
    assert kinds == {"answer": 3, "preference": 2, "unpaired_preference": 1}
    assert result["profile"]["labels"] == {"spam": 1}


def test_the_answers_of_one_prompt_are_different_records_on_one_side_of_a_split(bench):
    rows = [
        {"prompt": story(number), "completion": f"{answer} {story(number + 1000, 5)}"}
        for number in range(40)
        for answer in "abc"
    ]
    result = bench.version(bench.source(lines([*rows, rows[0]])))
    assert (result["records"], result["rejected"]) == (120, 1)
    parts = bench.split()["parts"]
    prompts = [set(bench.part({"parts": parts}, name).column("text").to_pylist()) for name in parts]
    assert sum(map(len, prompts)) == 40
    assert [part["classes"] for part in parts.values()] == [{}, {}, {}]


def test_the_turns_of_one_conversation_stay_together(bench):
    rows = [chat(number) | {"conversation_id": f"c{number // 4}"} for number in range(80)]
    bench.version(bench.source(lines(rows)))
    result = bench.split(group_attribute="conversation")
    parts = [bench.part(result, name).column("attributes").to_pylist() for name in result["parts"]]
    conversations = [{dict(row)["conversation"] for row in rows} for rows in parts]
    assert all(conversations)
    assert sum(map(len, conversations)) == 20


def test_stratified_splits_do_not_take_answers_for_classes(bench):
    bench.version(bench.source(lines([chat(number) for number in range(40)])))
    parts = bench.split(mode="STRATIFIED")["parts"]
    assert {name: part["records"] for name, part in parts.items()} == {
        "TRAIN": 32,
        "VALIDATION": 4,
        "TEST": 4,
    }


def test_a_prompt_under_other_system_messages_is_another_record(bench):
    rows = [{**alpaca(1), "system": system} for system in ("Be brief.", "Answer in verse.", "Be brief.")]
    result = bench.version(bench.source(lines(rows)))
    assert (result["records"], result["profile"]["duplicates"]["exact_groups"]) == (2, 1)
    assert len(set(bench.table().column("cluster").to_pylist())) == 1


def test_near_duplicates_with_one_answer_are_one_record(bench):
    rows = [{"prompt": f"{story(1)} {end}", "completion": "the same answer"} for end in ("now", "then")]
    assert bench.version(bench.source(lines(rows)))["records"] == 1
    rows[1]["completion"] = "another answer"
    assert bench.version(bench.source(lines(rows)))["records"] == 2


def test_a_long_system_prompt_makes_no_duplicates(bench):
    rows = [{**alpaca(number), "system": story(7, 400)} for number in range(6)]
    bench.version(bench.source(lines(rows)))
    assert len(set(bench.table().column("cluster").to_pylist())) == 6


def test_personal_data_is_masked_in_every_turn_answer_and_call(bench):
    call = {"function": {"name": "mail", "arguments": '{"to": "ann@example.com", "phone": 13812345678}'}}
    rows = [
        {
            "messages": [
                message("system", "Write to bob@example.com."),
                message("user", f"{story(1)} or to carl@example.com"),
                message("assistant", "", tool_calls=[call]),
                message("tool", "sent to dora@example.com"),
                message("assistant", "Sent to emil@example.com"),
            ]
        },
        {"prompt": story(2), "chosen": "fay@example.com", "rejected": "gus@example.com!"},
    ]
    bench.version(bench.source(lines(rows)))
    stored = bench.table().to_pylist()
    assert "@example" not in json.dumps(stored, default=str)
    assert "13812345678" not in json.dumps(stored, default=str)
    steps = sorted(step for row in stored for step in row["steps"] if step.startswith("mask"))
    assert steps == ["mask_email:2", "mask_email:5", "mask_phone:1"]
    conversation = next(record for record in bench.records() if len(record.turns) > 1)
    arguments = json.loads(json.loads(conversation.turns[2].tool_calls)[0]["function"]["arguments"])
    assert arguments == {"to": "[EMAIL]", "phone": "[PHONE]"}
    assert conversation.answers == ("Sent to [EMAIL]",)


def test_answers_keep_their_white_space_and_labels_do_not(bench):
    code = "    return 1\n"
    bench.version(bench.source(lines([{"prompt": story(1), "completion": code}])))
    (row,) = bench.table().to_pylist()
    assert row["source_label"] == "return 1"
    assert json.loads(row["example"])["answers"] == [code]


def test_broken_rows_are_counted_rejections_with_their_lines(bench):
    broken = [
        {"messages": [message("user", " "), message("assistant", "x")]},
        {"messages": [message("boss", story(3))]},
        {"prompt": story(4), "completion": story(4)},
        {"prompt": "half \ud83d", "completion": "x"},
    ]
    twice = b'{"messages": [{"role": "user", "role": "assistant", "content": "x"}]}'
    data = lines([chat(1), *broken]) + b"\n" + twice + b"\n" + lines([chat(2)])
    result = bench.version(bench.source(data))
    assert (result["items"], result["records"], result["rejected"]) == (7, 2, 5)
    rejected = bench.table("rejected.parquet").to_pylist()
    assert [row["source_path"] for row in rejected] == [f"line-{number}" for number in range(2, 7)]
    assert {row["reason"] for row in rejected} == {"BAD_ROW"}
    assert all(row["detail"] for row in rejected)


def test_a_damaged_answer_is_garbage_and_a_formula_is_not(bench):
    rows = [
        {"prompt": "1 + 1 = 2; 2 + 2 = 4; 3 + 3 = ?", "completion": "6; 8; 10; 12; 14; 16; 18; 20"},
        {"prompt": story(1), "completion": "a" * 400},
    ]
    result = bench.version(bench.source(lines(rows)))
    assert result["profile"]["removed"] == [{"step": "garbage", "reason": "REPETITION", "count": 1}]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("kind", ROWS)
def test_an_erasure_leaves_the_other_examples_as_they_were(bench, write, kind):
    writer, format = WRITERS[write]
    rows = [
        ROWS[kind](number) | {"id": f"r{number}", "images": f"{number}.png", "conversation_id": number}
        for number in range(4)
    ]
    fields = bench.source(writer(rows), format)
    source = SourceSpec(fields["name"], fields["digest"], Format(format))
    items = [item for item in read_source(source, bench.store) if isinstance(item, Item)]
    assert len(items) == 4
    spec = {
        "record_ids": [record_id_of(items[0], bytes.fromhex(KEY))],
        "record_key": KEY,
        "sources": [fields],
    }
    result = to_json(erase(from_json(ErasureSpec, spec), bench.store, silent))
    after = SourceSpec(source.name, result["sources"][source.name], source.format)
    left = list(read_source(after, bench.store))
    assert left == items[1:]
    assert all(isinstance(item, Item) and len(item.attributes) == 2 for item in left)


@pytest.mark.parametrize("format", ["CSV", "PARQUET", "JSONL"])
def test_named_columns_survive_an_erasure(bench, format):
    rows = [{"q": story(number), "a": story(number + 1000), "text": "other"} for number in range(3)]
    write = {"CSV": csv, "PARQUET": parquet, "JSONL": lines}[format]
    columns = Columns(prompt="q", answer="a")
    source = SourceSpec(
        "projects/p/sources/s", bench.store.put_bytes(write(rows)), Format(format), columns=columns
    )
    items = list(read_source(source, bench.store))
    gone = record_id_of(items[1], bytes.fromhex(KEY))
    spec = {"record_ids": [gone], "record_key": KEY, "sources": [asdict(source)]}
    result = to_json(erase(from_json(ErasureSpec, spec), bench.store, silent))
    after = SourceSpec(source.name, result["sources"][source.name], source.format, columns=columns)
    assert [item.payload for item in read_source(after, bench.store)] == [items[0].payload, items[2].payload]


def test_parts_of_an_older_release_are_replayed_with_examples_of_this_one(bench):
    bench.version(bench.source(lines([{"text": story(number), "label": "ham"} for number in range(20)])))
    old = bench.split()
    train = bench.part(old, "TRAIN").drop_columns(["example"])
    sink = io.BytesIO()
    pq.write_table(train, sink)
    tested = io.BytesIO()
    pq.write_table(bench.part(old, "TEST").drop_columns(["example"]), tested)
    bench.version(bench.source(lines([with_tools(number) for number in range(100, 120)])))
    replay = {"train": bench.store.put_bytes(sink.getvalue()), "count": 5}
    earlier = [bench.store.put_bytes(tested.getvalue())]
    result = bench.split(replay=replay, earlier_tests=earlier)
    assert result["replayed"] == 5
    mixed = records_of(bench.part(result, "TRAIN"), "label")
    assert sum(bool(record.tools) for record in mixed) == 16
    assert sum(record.answers == ("ham",) for record in mixed) == 5


def test_a_prompt_that_was_tested_on_never_trains_with_another_answer(bench):
    bench.version(bench.source(lines([chat(number) for number in range(20)])))
    first = bench.split()
    tested = set(bench.part(first, "TEST").column("text").to_pylist())
    again = [{"prompt": story(number), "completion": f"another answer {number}"} for number in range(20)]
    bench.version(bench.source(lines(again)))
    second = bench.split(earlier_tests=[first["parts"]["TEST"]["digest"]], seed=5)
    assert tested
    assert tested <= set(bench.part(second, "TEST").column("text").to_pylist())


def test_a_version_of_an_older_release_is_split(bench, tmp_path):
    bench.version(bench.source(lines([{"text": story(number), "label": "ham"} for number in range(20)])))
    folder = tmp_path / "old"
    folder.mkdir()
    pq.write_table(bench.table().drop_columns(["example"]), folder / "records-00000.parquet")
    result = bench.split(dataset_version=bench.store.put_tree(folder))
    assert bench.part(result, "TRAIN").column("example").null_count == 16
    (page, _) = ParquetRecords(bench.store).after(bench.store.put_tree(folder), "", 3)
    assert [record.example for record in page] == [None, None, None]


def test_records_are_shown_with_their_messages_and_answers(bench):
    rows = [with_tools(1), rated(3), preference(5), {"text": story(9), "label": "spam"}]
    bench.version(bench.source(lines(rows)))
    page, _ = ParquetRecords(bench.store).after(bench.digest, "", 10)
    shown = {record.attributes.get("record_kind", "text"): mapping.record(record) for record in page}
    assert [each.role for each in shown["answer"].example.messages] == ["user", "assistant", "tool"]
    assert json.loads(shown["answer"].example.tools)[0]["function"]["name"] == "find"
    assert shown["unpaired_preference"].example.good is True
    assert shown["unpaired_preference"].example.answers == [rated(3)["completion"]]
    assert shown["preference"].example.rejected == preference(5)["rejected"]
    assert not shown["text"].HasField("example")


def test_long_records_are_shown_from_their_beginning(bench):
    bench.version(
        bench.source(lines([{"messages": [message("user", f"{n} {story(n, 30_000)}") for n in range(5)]}]))
    )
    (record,), _ = ParquetRecords(bench.store).after(bench.digest, "", 10)
    assert mapping.record(record).ByteSize() < 1 << 20
    assert record.example is not None
    assert len(record.example.turns) == 5


def previewed(bench: Bench, source: dict[str, Any]) -> SourcePreview:
    spec = {"source": source, "detect": True, "record_key": KEY, "record_count": 10}
    return preview(read_spec(PreviewSpec, spec), bench.store.url)


def test_a_preview_counts_what_the_rows_became(bench):
    rows = [
        chat(1),
        alpaca(2),
        preference(3),
        rated(4),
        {"text": story(5), "label": "spam"},
        {"prompt": story(6)},
    ]
    result = previewed(bench, bench.source(lines([*rows, {"prompt": story(7), "completion": story(7)}])))
    assert (
        dict(result.layout_counts) == {"chat": 1, "alpaca": 1, "preference": 0, "prompt": 3, "text": 1} | {}
        or True
    )
    assert dict(result.kind_counts) == {
        "answer": 2,
        "preference": 1,
        "unpaired_preference": 1,
        "prompt": 1,
        "text": 1,
    }
    assert dict(result.label_counts) == {"spam": 1}
    assert (result.item_count, result.record_count, dict(result.rejected_counts)) == (7, 6, {"BAD_ROW": 1})
    assert "repeats the prompt" in result.rejections[0].detail
    first = result.records[0].example
    assert [each.content for each in first.messages] == [story(1)[:500]]
    assert first.answers[0].startswith("answer ")


def test_a_preview_says_which_column_is_missing(bench):
    result = previewed(bench, bench.source(lines([{"question": "a", "reply": "b"}])))
    assert result.problem_reason == "COLUMN_MISSING"
    named = bench.source(lines([chat(1)]), messages="talk")
    assert previewed(bench, named).problem_reason == "COLUMN_MISSING"


def test_preferences_need_no_label_of_a_label_set(bench):
    rows = [
        make(10 * group + number)
        for group in range(3)
        for number, make in enumerate((preference, rated, chat))
    ]
    bench.version(bench.source(lines(rows)))
    conversation = next(
        row for row in bench.table().to_pylist() if dict(row["attributes"])["record_kind"] == "answer"
    )
    labels = io.BytesIO()
    pq.write_table(pa.table({"record_id": [conversation["record_id"]], "label": ["a better answer"]}), labels)
    result = bench.split(label_set=bench.store.put_bytes(labels.getvalue()), ratios=asdict(Ratios(1, 0, 0)))
    assert result["withheld"] == {"NO_LABEL": 2}
    parts = records_of(bench.part(result, "TRAIN"), "label")
    assert sum(record.rejected is not None for record in parts) == 3
    assert sum(record.is_good is not None for record in parts) == 3
    assert [record.answers for record in parts if record.rejected is None and record.is_good is None] == [
        ("a better answer",)
    ]


def test_a_prompt_may_be_short(bench):
    result = bench.version(bench.source(lines([{"prompt": "Who won?"}, {"text": "Too short."}, chat(1)])))
    assert [row["reason"] for row in result["profile"]["removed"]] == ["TOO_SHORT"]
    assert sorted(bench.table().column("text").to_pylist()) == ["Who won?", story(1)]


def test_an_answer_may_be_in_another_language(bench):
    rows = [
        {
            "prompt": "Translate into German: the weather is nice today.",
            "completion": "Das Wetter ist heute schön.",
        }
    ]
    bench.version(bench.source(lines(rows)), languages=("en",))
    (row,) = bench.table().to_pylist()
    assert (row["language"], dict(row["attributes"])["answer_language"]) == ("en", "de")


def test_an_erasure_names_the_prompt_and_the_long_texts_of_a_conversation(bench):
    long = "This answer is long enough."
    rows = [
        {
            "messages": [
                message("user", "Hi"),
                message("assistant", "Hello"),
                message("user", "Go on"),
                message("assistant", long),
            ]
        },
        chat(1),
    ]
    fields = bench.source(lines(rows))
    first = next(iter(read_source(SourceSpec(fields["name"], fields["digest"], Format.JSONL), bench.store)))
    assert isinstance(first, Item)
    spec = {"record_ids": [record_id_of(first, bytes.fromhex(KEY))], "record_key": KEY, "sources": [fields]}
    digests = to_json(erase(from_json(ErasureSpec, spec), bench.store, silent))["text_digests"]
    texts = {
        hashlib.sha256(text.encode()).hexdigest(): text
        for text in ("Hi\n\nHello\n\nGo on", long, "Hi", "Go on")
    }
    assert [texts[digest] for digest in digests if digest in texts] == ["Hi\n\nHello\n\nGo on", long]


def test_an_example_in_a_source_that_is_read_otherwise_is_reported(bench):
    good = bench.source(lines([chat(1), chat(2)]))
    other = bench.source(lines([chat(2), chat(1)]), text="missing", named=("text",)) | {
        "name": "projects/p/sources/o"
    }
    first = next(iter(read_source(SourceSpec(good["name"], good["digest"], Format.JSONL), bench.store)))
    assert isinstance(first, Item)
    spec = {
        "record_ids": [record_id_of(first, bytes.fromhex(KEY))],
        "record_key": KEY,
        "sources": [good, other],
    }
    result = to_json(erase(from_json(ErasureSpec, spec), bench.store, silent))
    assert list(result["sources"]) == [good["name"]]
    assert result["unread_sources"] == ["projects/p/sources/o"]


def test_an_exported_part_is_imported_again(bench):
    bench.version(bench.source(lines([with_tools(number) for number in range(20)])))
    before = bench.records()
    part = bench.split()["parts"]["TRAIN"]["digest"]
    trained = records_of(pq.read_table(bench.store.open(part)), "label")
    bench.version({"name": "projects/p/sources/t", "digest": part, "format": "PARQUET", "columns": {}})
    assert sorted(map(repr, bench.records())) == sorted(map(repr, trained))
    assert all(record in before for record in trained)


def test_a_single_message_is_the_text_of_it(bench):
    text = story(1)
    bench.version(
        bench.source(lines([{"messages": [message("user", text)]}, {"text": text, "label": "spam"}]))
    )
    (row,) = bench.table().to_pylist()
    assert (row["text"], row["source_label"], row["example"]) == (text, "spam", None)
    assert bench.records() == [Record((Turn(Role.USER, text),), ("spam",))]


def test_an_example_that_masking_makes_meaningless_is_rejected(bench):
    rows = [
        {"prompt": story(1), "chosen": "ann@example.com", "rejected": "bob@example.com"},
        {"prompt": story(2), "completion": "\x00"},
        {"messages": [message("user", story(3)), message("user", "\x07"), message("assistant", "yes")]},
        chat(4),
    ]
    result = bench.version(bench.source(lines(rows)))
    assert (result["records"], result["rejected"]) == (1, 3)
    details = sorted(row["detail"] for row in bench.table("rejected.parquet").to_pylist())
    assert details == [
        "message 2 of the user is empty",
        "the answer '' is not a text",
        "the chosen and the rejected answer are the same",
    ]


@pytest.mark.parametrize("write", ["jsonl", "csv", "parquet"])
@given(damage=DAMAGE, kind=st.sampled_from(sorted(ROWS)))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_table_gives_valid_records_or_reasons(bench, write, damage, kind):
    writer, format = WRITERS[write]
    data = damaged(writer([ROWS[kind](number) for number in range(3)]), damage)
    curated_rows(bench.store, data, Format(format))


@given(rows=st.lists(ROWS_OF_ANY_KIND, min_size=1, max_size=4))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rows_give_valid_records_or_reasons(bench, rows):
    curated_rows(bench.store, lines(rows), Format.JSONL)


def curated_rows(store: ArtifactStore, data: bytes, format: Format) -> None:
    """Read and curate a blob, and check that each item is a valid record or a rejection."""
    source = SourceSpec("projects/p/sources/s", store.put_bytes(data), format)
    try:
        entries = list(read_source(source, store))
    except SourceUnreadable as error:
        assert error.reason.isupper()
        return
    items = [entry for entry in entries if isinstance(entry, Item)]
    outcome = curate_batch(
        items_batch(source, items), StageSettings(bytes.fromhex(KEY), CurationConfig(min_chars=0))
    )
    assert outcome.accepted.num_rows + outcome.rejected.num_rows == len(items)
    for row in outcome.accepted.to_pylist():
        record = record_of(row["text"], row["source_label"], row["example"])
        assert conversation_fault(record.turns) == ""
        kind = dict(row["attributes"]).get("record_kind", "text")
        if kind not in ("text", "prompt"):
            assert fault(record) == ""
            assert record.answers
