"""Records as samples: each is learned exactly as it was written, or counted with the reason."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratoon.tasks.generate import Generate
from ratoon.tasks.kind import Record, Role, Turn
from ratoon_training.domain.errors import DataEmpty
from ratoon_training.domain.recipes import Recipe, TrainOn, Truncation
from ratoon_training.worker import text
from ratoon_training.worker.corpus import Corpus
from ratoon_training.worker.samples import save_samples
from ratoon_training.worker.text import Speech

from .conftest import TINY
from .templates import CORPUS

RECIPE = Recipe(task=Generate(), architecture=TINY, max_tokens=160, train_on=TrainOn.LAST_ANSWER)
SPECIAL = ("<|", "|>", "<s>", "</s>", "<think>", "</think>", "<unk>", "<pad>")


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Speech:
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    text.save(text.for_conversations(CORPUS, 400), folder, 256)
    return text.of_base(folder)


TEXTS = st.text(max_size=10).filter(lambda value: not any(mark in value for mark in SPECIAL))
BROKEN = st.sampled_from(["", "  \n", "half \ud800", "word " * 200])


@st.composite
def records(draw: st.DrawFn) -> Record:
    prompt = draw(TEXTS.map("q {}".format) | BROKEN)
    answer = draw(TEXTS.map("a {}".format) | BROKEN | st.just(prompt))
    before = draw(st.sampled_from([(), (Turn(Role.SYSTEM, "Be brief."),), (Turn(Role.TOOL, "42"),)]))
    return Record(
        (*before, Turn(Role.USER, prompt)),
        draw(st.sampled_from([(answer,), (answer,), ()])),
        rejected=draw(st.sampled_from([None, None, "worse", ""])),
        is_good=draw(st.sampled_from([None, None, True, False])),
        weight=draw(st.sampled_from([1.0, 1.0, 2.5, 0.0, -1.0, float("nan"), float("inf")])),
    )


def is_fine(record: Record) -> bool:
    """Return whether nothing is wrong with a record of a right answer."""
    prompt = record.turns[-1].content
    return (
        prompt.startswith("q ")
        and bool(record.answers)
        and record.answers[0].startswith("a ")
        and (record.rejected, record.is_good) == (None, None)
        and record.weight in (1.0, 2.5)
    )


@given(rows=st.lists(records(), max_size=8))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_record_is_learned_as_it_was_written_or_counted(
    speech: Speech, tmp_path: Path, rows: list[Record]
) -> None:
    recipe = replace(RECIPE, truncation=Truncation.RIGHT)
    path = tmp_path / "train.npz"
    named = [(f"{number:03d}", record) for number, record in enumerate(rows)]
    try:
        counts = save_samples(path, speech, recipe, named, "training")
    except DataEmpty as refused:
        assert f"of its {len(rows)} records" in str(refused)
        return
    corpus = Corpus(path)
    assert counts.records == len(rows)
    assert len(rows) == (
        len(corpus.record_ids) + counts.invalid_records + counts.bad_answers + counts.samples_without_targets
    )
    assert {record_id for record_id, record in named if is_fine(record)} <= set(corpus.record_ids)
    for place, record_id in enumerate(corpus.record_ids):
        record, batch = rows[int(record_id)], corpus.batch([place])
        learned = speech.decode(batch.targets[0][batch.answer[0]].tolist())
        whole = f"{record.answers[0]}</s>"
        assert learned == whole or (len(batch.ids[0]) == recipe.max_tokens and whole.startswith(learned))
        assert float(corpus._weights[place]) == record.weight
    assert counts.learned_tokens == sum(int(corpus.batch([n]).answer.sum()) for n in range(len(corpus)))
