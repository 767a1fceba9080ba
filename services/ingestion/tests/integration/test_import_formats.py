"""Each import format against rows as people have them: what is accepted is what was written, all else is counted."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.records import from_json
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.domain.sources import Format
from ratoon_ingestion.worker.readers import (
    Item,
    Kind,
    Limits,
    Rejection,
    SourceSpec,
    SourceUnreadable,
    read_source,
)
from ratoon_ingestion.worker.readers.values import cell_line
from services.ingestion.tests.integration.test_examples import Bench, story

SYSTEM, WORSE = "Be brief.", "I do not know."


@dataclass(frozen=True)
class ImportFormat:
    """How people write a prompt with its answer, and the record that it is."""

    row: Callable[[Any, Any], dict[str, Any]]
    record: Callable[[str, str], Record]


def user(prompt: str, *before: Turn) -> tuple[Turn, ...]:
    return (*before, Turn(Role.USER, prompt))


def messages(prompt: Any, answer: Any, author: str, content: str, roles: str) -> list[dict[str, Any]]:
    pairs = zip(roles.split(), (SYSTEM, prompt, answer), strict=True)
    return [{author: role, content: text} for role, text in pairs]


FORMATS = {
    "openai": ImportFormat(
        lambda p, a: {"messages": messages(p, a, "role", "content", "system user assistant")},
        lambda p, a: Record(user(p, Turn(Role.SYSTEM, SYSTEM)), (a,)),
    ),
    "sharegpt": ImportFormat(
        lambda p, a: {"conversations": messages(p, a, "from", "value", "system human gpt")},
        lambda p, a: Record(user(p, Turn(Role.SYSTEM, SYSTEM)), (a,)),
    ),
    "alpaca": ImportFormat(
        lambda p, a: {"instruction": p, "input": "", "output": a}, lambda p, a: Record(user(p), (a,))
    ),
    "completion": ImportFormat(
        lambda p, a: {"prompt": p, "completion": a}, lambda p, a: Record(user(p), (a,))
    ),
    "dpo": ImportFormat(
        lambda p, a: {"prompt": p, "chosen": a, "rejected": WORSE},
        lambda p, a: Record(user(p), (a,), rejected=WORSE),
    ),
    "kto": ImportFormat(
        lambda p, a: {"prompt": p, "completion": a, "label": False},
        lambda p, a: Record(user(p), (a,), is_good=False),
    ),
    "text": ImportFormat(lambda p, a: {"text": p, "label": a}, lambda p, a: Record(user(p), (a,))),
}
OF_ANSWERS = sorted(set(FORMATS) - {"text"})
QUESTION, ANSWER = "What is the capital of France?", "It is Paris."
FIRST = {"messages": [{"role": "user", "content": "first"}]}
"""A row that stands before all others, so that no file is empty."""


def read(store: ArtifactStore, data: bytes, format: Format = Format.JSONL) -> list[Item | Rejection]:
    source = SourceSpec("projects/p/sources/s", store.put_bytes(data), format)
    return list(read_source(source, store, Limits()))


def record(entry: Item | Rejection) -> Record:
    assert isinstance(entry, Item), entry
    text = entry.payload.decode()
    if entry.kind.is_example:
        return from_json(text)
    return Record((Turn(Role.USER, text),), () if entry.label is None else (entry.label,))


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


HALF = "half of a pair \ud83d"
BAD_CONTENTS = {
    "empty": "",
    "half a character": HALF,
    "an object": {"a": 1},
    "a list in a list": [["a"]],
    "a part of an unknown type": [{"type": "hologram"}],
    "a part without a text": [{"type": "text", "content": "a"}],
    "NaN": float("nan"),
    "infinity": float("inf"),
}


def bad_prompts() -> list[tuple[str, str]]:
    """All but a text that an export cut in two, which stays with U+FFFD in that place."""
    each = [(name, content) for name in FORMATS for content in BAD_CONTENTS]
    return [pair for pair in each if pair != ("text", "half a character")]


@pytest.mark.parametrize(("name", "content"), bad_prompts())
def test_a_prompt_that_is_none_is_a_rejection_with_its_line(store, name, content):
    make = FORMATS[name]
    rows = [make.row(QUESTION, ANSWER), make.row(BAD_CONTENTS[content], ANSWER), make.row("Next?", ANSWER)]
    entries = read(store, "\n".join(map(json.dumps, rows)).encode())
    assert [entry.path for entry in entries] == ["line-1", "line-2", "line-3"]
    assert isinstance(entries[1], Rejection)
    assert entries[1].detail
    assert [record(entries[place]) for place in (0, 2)] == [
        make.record(QUESTION, ANSWER),
        make.record("Next?", ANSWER),
    ]


@pytest.mark.parametrize("content", sorted(set(BAD_CONTENTS) - {"empty"}))
@pytest.mark.parametrize("name", OF_ANSWERS)
def test_an_answer_that_is_none_is_a_rejection(store, name, content):
    (entry,) = read(store, json.dumps(FORMATS[name].row(QUESTION, BAD_CONTENTS[content])).encode())
    assert isinstance(entry, Rejection)
    assert (entry.path, entry.reason) == ("line-1", Rejected.BAD_ROW)


@pytest.mark.parametrize("name", ["openai", "sharegpt", "dpo", "kto"])
def test_an_empty_answer_is_a_rejection(store, name):
    (entry,) = read(store, json.dumps(FORMATS[name].row(QUESTION, "")).encode())
    assert isinstance(entry, Rejection)


@pytest.mark.parametrize("name", ["alpaca", "completion"])
def test_an_instruction_without_an_answer_is_a_prompt(store, name):
    (entry,) = read(store, json.dumps(FORMATS[name].row(QUESTION, "")).encode())
    assert record(entry) == Record(user(QUESTION))


@pytest.mark.parametrize("name", OF_ANSWERS)
def test_an_answer_that_repeats_the_prompt_is_a_rejection(store, name):
    (entry,) = read(store, json.dumps(FORMATS[name].row(QUESTION, f" {QUESTION}\n")).encode())
    assert isinstance(entry, Rejection)
    assert "repeats the prompt" in entry.detail


MIXED = "你好 مرحبا שלום Grüße 👩‍👩‍👧 e\u0301 क्षि \u200f\u2028\x00\x85 \ufeff end"
NUMBERS = [(42, "42"), (-0.5, "-0.5"), (1e300, "1e+300"), (10**30, str(10**30)), (True, "true")]


@pytest.mark.parametrize("name", FORMATS)
def test_texts_of_any_script_stay_as_they_are(store, name):
    (entry,) = read(store, json.dumps(FORMATS[name].row(MIXED, "Paris")).encode())
    assert record(entry) == FORMATS[name].record(MIXED, "Paris")
    if name != "text":
        (entry,) = read(store, json.dumps(FORMATS[name].row(QUESTION, MIXED), ensure_ascii=False).encode())
        assert record(entry) == FORMATS[name].record(QUESTION, MIXED)


@pytest.mark.parametrize(("number", "text"), NUMBERS)
@pytest.mark.parametrize("name", FORMATS)
def test_a_number_is_its_digits(store, name, number, text):
    (entry,) = read(store, json.dumps(FORMATS[name].row(number, "Paris")).encode())
    assert record(entry) == FORMATS[name].record(text, "Paris")


@pytest.mark.parametrize("name", FORMATS)
def test_a_hundred_thousand_tokens_are_a_prompt_but_no_answer(store, name):
    long = "word " * 100_000 + "end"
    (entry,) = read(store, json.dumps(FORMATS[name].row(long, "Paris")).encode())
    assert record(entry) == FORMATS[name].record(long, "Paris")
    if name != "text":
        (entry,) = read(store, json.dumps(FORMATS[name].row(QUESTION, long)).encode())
        assert isinstance(entry, Rejection)
        assert "500,003 characters" in entry.detail


@pytest.mark.parametrize("name", FORMATS)
def test_a_line_beyond_the_bound_is_a_rejection(store, name):
    rows = [FORMATS[name].row(prompt, ANSWER) for prompt in (QUESTION, "x" * (9 << 20), QUESTION)]
    entries = read(store, "\n".join(map(json.dumps, rows)).encode())
    assert [record(entries[place]) for place in (0, 2)] == [FORMATS[name].record(QUESTION, ANSWER)] * 2
    assert isinstance(entries[1], Rejection)
    assert (entries[1].path, entries[1].reason) == ("line-2", Rejected.TOO_LARGE)


@pytest.mark.parametrize("name", FORMATS)
def test_a_key_that_stands_twice_is_a_rejection(store, name):
    text = json.dumps(FORMATS[name].row(QUESTION, ANSWER))
    twice = text[:-1] + ", " + text[1:]
    (_, entry) = read(store, f"{text}\n{twice}".encode())
    assert isinstance(entry, Rejection)
    assert "a key stands twice" in entry.detail


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("end", ["", ",", "\n", ",\n", ',\n{"a', ',\n{"prompt": "a"'])
def test_a_list_that_never_closes_is_refused(store, name, end):
    text = json.dumps(FORMATS[name].row(QUESTION, ANSWER))
    with pytest.raises(SourceUnreadable, match="is not closed") as refused:
        read(store, f"[{text},\n{text}{end}".encode())
    assert refused.value.reason == "JSON_DAMAGED"


@pytest.mark.parametrize(
    "end", ["[", "[[", '{"a": [', '["open', "]", "}", "}{", '"', "nul", "\x00", "\ufeff"]
)
@pytest.mark.parametrize("name", FORMATS)
def test_what_follows_a_whole_row_does_not_change_it(store, name, end):
    text = json.dumps(FORMATS[name].row(QUESTION, ANSWER))
    first, *others = read(store, f"{text}\n{end}".encode())
    assert record(first) == FORMATS[name].record(QUESTION, ANSWER)
    assert all(isinstance(entry, Rejection) for entry in others)
    assert others or end.strip("\ufeff") == ""


def breaks(name: str) -> dict[str, Callable[[str, str], Any]]:
    """What may be wrong with a row of a format; a text is the row as it is written."""
    make = FORMATS[name].row
    rows: dict[str, Callable[[str, str], Any]] = {
        "no JSON": lambda p, a: '{"prompt": nothing}',
        "no object": lambda p, a: "7",
        "a key twice": lambda p, a: '{"prompt": "a", "prompt": "b", "completion": "c"}',
        "an object as prompt": lambda p, a: make({"a": p}, a),
        "no prompt": lambda p, a: make("", a),
    }
    if name != "text":
        rows |= {
            "half a character": lambda p, a: make(p + "\udc00", a),
            "the prompt as answer": lambda p, a: make(p, p),
            "an object as answer": lambda p, a: make(p, {"a": a}),
        }
    return rows


MARKED = st.text(max_size=12)
"""Any characters but halves of some."""


@st.composite
def labelled_rows(draw: st.DrawFn) -> tuple[Any, Record | None]:
    """Return a row, and the record that it is; None if something is wrong with it."""
    name = draw(st.sampled_from(sorted(FORMATS)))
    prompt = f"{draw(MARKED)} p {draw(MARKED)}"
    answer = f"{draw(MARKED)} a {draw(MARKED)}"
    if draw(st.booleans()):
        wrong = breaks(name)
        return wrong[draw(st.sampled_from(sorted(wrong)))](prompt, answer), None
    expected = FORMATS[name].record(prompt, answer if name != "text" else cell_line(answer) or "")
    return FORMATS[name].row(prompt, answer), expected


def written(row: Any, **style: Any) -> str:
    return row if isinstance(row, str) else json.dumps(row, **style)


LAYOUTS: dict[str, Callable[[list[Any], str], str]] = {
    "lines": lambda rows, end: end.join(map(written, rows)),
    "list": lambda rows, end: f"[{end}" + f",{end}".join(map(written, rows)) + f"{end}]{end}",
    "pretty": lambda rows, end: end.join(written(row, indent=1) for row in rows),
    "list in one line": lambda rows, end: f"[{','.join(map(written, rows))}]",
}


@given(
    rows=st.lists(labelled_rows(), max_size=6),
    layout=st.sampled_from(sorted(LAYOUTS)),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
    codec=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    packed=st.booleans(),
)
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_row_is_what_was_written_or_a_rejection(store, rows, layout, end, codec, packed):
    data = LAYOUTS[layout]([FIRST, *(row for row, _ in rows)], end).encode(codec)
    first, *entries = read(store, gzip.compress(data) if packed else data)
    assert record(first).turns == (Turn(Role.USER, "first"),)
    assert len(entries) == len(rows)
    for entry, (_, expected) in zip(entries, rows, strict=True):
        if expected is None:
            assert isinstance(entry, Rejection)
            assert entry.path.startswith(("line-", "item-"))
            assert entry.detail
        else:
            assert record(entry) == expected


CELLS = MARKED


@given(
    name=st.sampled_from(sorted(FORMATS)),
    pairs=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    codec=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cells_of_tables_are_what_was_written(store, name, pairs, delimiter, end, codec):
    texts = [(f"p {prompt} p", f"a {answer} a") for prompt, answer in pairs]
    rows = [FORMATS[name].row(*pair) for pair in texts]
    sink = io.StringIO()
    writer = csv.writer(sink, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow(value if isinstance(value, str) else json.dumps(value) for value in row.values())
    table = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), table)
    expected = [
        FORMATS[name].record(prompt, answer if name != "text" else cell_line(answer) or "")
        for prompt, answer in texts
    ]
    assert [record(entry) for entry in read(store, sink.getvalue().encode(codec), Format.CSV)] == expected
    assert [record(entry) for entry in read(store, table.getvalue(), Format.PARQUET)] == expected


def test_a_delimiter_by_which_the_header_cannot_be_read_is_none(store):
    data = b'"prompt"\t"completion"\n"q"\t"a \r; b"\n'
    (entry,) = read(store, data, Format.CSV)
    assert record(entry) == Record(user("q"), ("a \r; b",))


@pytest.mark.parametrize(
    ("prompt", "codec"), [("q \x00a\x00b q", "utf-8"), ("q", "utf-16-le"), ("你好吗", "utf-16-be")]
)
def test_a_few_nul_characters_do_not_make_a_table_wide(store, prompt, codec):
    (entry,) = read(store, f'prompt,completion\r\n"{prompt}","a"\r\n'.encode(codec), Format.CSV)
    assert record(entry) == Record(user(prompt), ("a",))


@pytest.mark.parametrize("name", FORMATS)
def test_text_of_parquet_that_is_not_utf8_is_never_replaced_in_silence(store, name):
    table = io.BytesIO()
    rows = [FORMATS[name].row(prompt, ANSWER) for prompt in ("a whole prompt", "a broken prompt")]
    pq.write_table(pa.Table.from_pylist(rows), table, use_dictionary=False, compression="none")
    data = table.getvalue().replace(b"a broken prompt", b"a br\xff\xfeen prompt")
    first, second = read(store, data, Format.PARQUET)
    assert record(first) == FORMATS[name].record("a whole prompt", ANSWER)
    if name == "text":
        assert isinstance(second, Item)
        assert (second.kind, second.payload) == (Kind.TEXT, b"a br\xff\xfeen prompt"), (
            "its charset is guessed"
        )
    else:
        assert isinstance(second, Rejection)
        assert second.path == "row-2"


def test_a_value_of_parquet_that_cannot_be_read_is_a_rejection(store):
    table = io.BytesIO()
    times = pa.array([2**52, 0], pa.timestamp("ms"))
    pq.write_table(pa.table({"text": times, "label": ["a", "b"]}), table)
    first, second = read(store, table.getvalue(), Format.PARQUET)
    assert isinstance(first, Rejection)
    assert "cannot be read" in first.detail
    assert record(second) == Record(user("1970-01-01T00:00:00"), ("b",))


def test_the_books_of_a_version_balance(tmp_path):
    bench = Bench(tmp_path)
    rows: list[Any] = []
    for number, name in enumerate(FORMATS):
        rows.append(FORMATS[name].row(story(number), story(number + 1000, 9)))
        rows += [wrong(story(number + 100), story(number + 200, 9)) for wrong in breaks(name).values()]
    result = bench.version(bench.source("\n".join(map(written, rows)).encode()))
    assert result["items"] == len(rows) == result["records"] + result["rejected"]
    assert result["records"] == len(FORMATS)
    assert bench.table("rejected.parquet").num_rows == result["rejected"]
