"""Parts of a run are read and written a few records at a time: the arrays are those of the whole part in memory."""

import random
from dataclasses import replace
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.tasks.generate import Generate
from ratoon.tasks.kind import Record, Role, Turn
from ratoon_training.domain.errors import DataMalformed
from ratoon_training.domain.recipes import Objective, Recipe
from ratoon_training.worker import comparisons, part_files, rows, spill, text
from ratoon_training.worker.comparisons import save_comparisons
from ratoon_training.worker.corpus import Corpus
from ratoon_training.worker.part_files import PartWriter
from ratoon_training.worker.rows import Rows

from .conftest import TINY, Task, write_part
from .conftest import rows as mails
from .templates import CORPUS

RECIPE = Recipe(task=Generate(), architecture=TINY, max_tokens=64)


@pytest.mark.parametrize("waiting", [1 << 16, 7])
def test_a_part_has_the_bytes_that_numpy_writes(tmp_path, monkeypatch, waiting):
    monkeypatch.setattr(part_files, "_FLUSH", waiting)
    rng = np.random.default_rng(0)
    samples = [rng.integers(0, 400, size).tolist() for size in (3, 1, 9, 5, 4)]
    names = ["a", "bb\n", "ä" * 5, "d", ""]
    more = {"number_tokens": np.arange(3, dtype=np.int32)}
    with PartWriter(tmp_path / "own.npz", ("tokens", "targets", "offsets", "weights", "record_ids")) as file:
        for name, ids in zip(names, samples, strict=True):
            file.add(name, ids, targets=[token > 200 for token in ids], weights=0.3)
        file.save(more)
    tokens = np.concatenate([np.asarray(ids, np.int32) for ids in samples])
    offsets = np.cumsum([0, *map(len, samples)], dtype=np.int64)
    weights = np.full(5, 0.3, np.float32)
    arrays = {"tokens": tokens, "targets": tokens > 200, "offsets": offsets, "weights": weights}
    np.savez(tmp_path / "numpy.npz", **arrays, record_ids=np.asarray(names), **more)
    assert (tmp_path / "own.npz").read_bytes() == (tmp_path / "numpy.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["numpy.npz", "own.npz"]


def test_rows_that_do_not_fit_into_memory_are_sorted_in_files(tmp_path, monkeypatch):
    monkeypatch.setattr(spill, "_RUN_ROWS", 16)
    monkeypatch.setattr(spill, "_BATCH_BYTES", 64)
    rng = random.Random(0)
    drawn = [(f"{rng.randint(0, 40):02d}", rng.choice([None, "text"]), str(at)) for at in range(100)]
    schema = pa.schema([(name, pa.string()) for name in "abc"])
    assert list(spill.in_order(drawn, schema, tmp_path)) == sorted(drawn, key=lambda row: row[0])
    assert len(list(tmp_path.iterdir())) == 6


def test_a_part_is_read_in_the_order_of_its_ids(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "_AT_ONCE", 8)
    ordered = sorted(mails(40, seed=1))
    shuffled = random.Random(1).sample(ordered, len(ordered))
    parts = [
        Rows(write_part(tmp_path / f"{number}.parquet", part), "training", Generate())
        for number, part in enumerate((ordered, shuffled))
    ]
    assert [list(part) for part in parts] == [[(*row, None) for row in ordered]] * 2
    for part in parts:
        assert (len(part), part.labels) == (40, {"ham", "spam"})
        assert list(part.texts) == [text for _, text, _ in ordered]
        assert [record.answers for _, record in part.records()] == [(label,) for *_, label in ordered]
        assert len(part.corpus) == 80


def test_a_damaged_part_is_named(tmp_path):
    path = write_part(tmp_path / "part.parquet", mails(3000, seed=1))
    data = path.read_bytes()
    first, last = len(data) // 4, len(data) // 2
    path.write_bytes(data[:first] + b"\0" * (last - first) + data[last:])
    with pytest.raises(DataMalformed, match="The training part is not a Parquet file"):
        list(Rows(path, "training", Generate()))
    pq.write_table(pa.table({"record_id": ["a"], "text": ["b"]}), path)
    with pytest.raises(DataMalformed, match="record_id, text"):
        Rows(path, "training", Generate())


def test_scored_answers_are_paired_as_if_all_were_in_memory(tmp_path):
    """The other answer is that to the next other prompt; the first follows the last."""
    prompts = ["1+1=", "1+1=", "2+2=", "3+3=", "3+3=", "1+1="]
    recipe = replace(RECIPE, objective=Objective.KTO)
    named = [
        (f"{at}", Record((Turn(Role.USER, prompt),), (f"a{at}",), is_good=at % 2 == 0))
        for at, prompt in enumerate(prompts)
    ]
    speech = text.for_conversations([*CORPUS, *prompts], 400)
    save_comparisons(tmp_path / "part.npz", speech, recipe, named, "training")
    part = Corpus(tmp_path / "part.npz")
    written = [speech.decode(part.tokens(at)) for at in range(len(part))]
    answers = [each.partition("<|assistant|>")[2] for each in written]
    assert answers[::2] == [f"a{at}</s>" for at in range(6)]
    assert answers[1::2] == [f"a{at}</s>" for at in (2, 2, 3, 5, 5, 2)]
    units = list(islice(comparisons._with_others(iter([]), recipe, None), 1))
    assert units == []


def test_a_shuffled_part_is_prepared_to_the_same_arrays(task: Task, tmp_path):
    from ratoon_training.worker.prepare import prepare

    from .conftest import RECIPE as LABELS

    drawn = mails(240, seed=1)
    digest = task.part("shuffled", random.Random(2).sample(drawn, len(drawn)))
    folders = [
        prepare(task.spec(name, LABELS, train=part), LABELS, tmp_path / name, lambda _: None)
        for name, part in (("ordered", task.train), ("shuffled", digest))
    ]
    files = [
        {path.name: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()} for folder in folders
    ]
    assert files[0] == files[1]
    assert set(files[0]) >= {"train.npz", "validation.npz", "tokenizer.json"}
