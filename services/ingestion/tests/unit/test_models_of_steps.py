"""Steps that fit a model to sources of the project: perplexity and classifier."""

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.classical.estimators import Estimator
from ratoon.classical.fitting import Choice, Examples, fit_texts
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.classify import Classify
from ratoon.tasks.curation import BadStep, Step, settings_of
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.worker.references import sources_of_steps
from ratoon_ingestion.worker.stages import StageSettings
from ratoon_ingestion.worker.steps.ngrams import (
    BEGIN,
    END,
    BadArpa,
    Model,
    fitted,
    read_arpa,
    words_in,
)
from ratoon_ingestion.worker.steps.references import COUNTS, BadReference
from ratoon_ingestion.worker.steps.registry import PREPARED, function_of
from ratoon_ingestion.worker.steps.substrings import repeated_spans, without_spans
from ratoon_ingestion.worker.steps.tokens import word_pieces

ARPA = """
\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-1.0\t<unk>
-99\t<s>\t-0.5
-0.6\t</s>
-0.4\tferry\t-0.2
-0.9\tleaves\t-0.3

\\2-grams:
-0.1\t<s> ferry
-0.3\tferry leaves
-0.7\tleaves </s>

\\end\\
"""
PERSONS, VERBS, THINGS = (
    ("captain", "pilot", "cook"),
    ("sees", "paints", "sells"),
    ("boat", "island", "harbour"),
)


def sentence(seed: int) -> str:
    draw = random.Random(seed)
    return " ".join(
        f"The {draw.choice(PERSONS)} {draw.choice(VERBS)} the {draw.choice(THINGS)}." for _ in range(5)
    )


class Texts:
    """Sources of plain texts by ID."""

    def __init__(self, folder: Path, **sources: list[str] | str) -> None:
        self._folder, self._sources = folder, sources

    def texts(self, source: str) -> Iterator[str]:
        yield from self._sources[source]

    def labelled(self, source: str) -> Iterator[tuple[str, str]]:
        for row in self._sources[source]:
            text, _, label = row.partition("\t")
            yield text, label

    def opened(self, source: str) -> BinaryIO:
        path = self._folder / source
        path.write_text(str(self._sources[source]))
        return path.open("rb")


def batch(*texts: str) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.string())})


def prepared(step: Step, references: Texts, folder: Path) -> Path:
    directory = folder / step.name
    directory.mkdir(parents=True)
    PREPARED[step.name](settings_of(step), references, directory)
    return directory


def test_probabilities_of_all_words_after_any_context_sum_to_one():
    texts = [sentence(seed).lower().split() for seed in range(30)]
    vocabulary = sorted({word for text in texts for word in text} | {END, "never seen"})
    for order in (1, 2, 3):
        model = fitted(texts, order)
        for context in ([], ["the"], ["the", "captain"], ["boat.", "the"], ["unknown", "words"]):
            total = 0.0
            for word in vocabulary:
                # the score of a text is that of its words and its end
                text = [*context, word] if word != END else list(context)
                scores = _word_scores(model, text)
                total += math.exp(scores[len(context)])
            assert total == pytest.approx(1, abs=1e-6), (order, context)


def _word_scores(model: Model, text: list[str]) -> list[float]:
    """Logarithms of the probabilities of the words and of the end, from perplexities of the beginnings of a text."""
    import ratoon_ingestion.worker.steps.ngrams as ngrams

    words = ngrams._Sequences([text])
    return list(model._scores(words)[1:])


def test_an_arpa_model_backs_off_as_its_format_says():
    model = read_arpa(ARPA.splitlines(), 100)
    (known, unknown) = model.perplexities([["ferry", "leaves"], ["ferry", "sinks"]])
    assert known == pytest.approx(10 ** ((0.1 + 0.3 + 0.7) / 3))
    # <unk> after `ferry`: back-off of ferry and <unk>; the end after an unknown word: its own probability
    assert unknown == pytest.approx(10 ** ((0.1 + 0.2 + 1.0 + 0.6) / 3))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hello", "no section"),
        ("\\1-grams:\nx ferry\n\\end\\", "no probability"),
        ("\\1-grams:\n-1 a b c\n\\end\\", "4 fields"),
        ("\\2-grams:\n-1 a b\n\\end\\", "not in its place"),
        ("\\1-grams:\n-1 a\n", "ends without"),
        ("\\1-grams:\n-1 a\n-1 b\n-1 c\n\\end\\", "more than 2"),
    ],
)
def test_a_file_that_is_no_arpa_model_is_refused(text, problem):
    with pytest.raises(BadArpa, match=problem):
        read_arpa(text.splitlines(), 2)


def test_a_model_is_stored_and_read_again(tmp_path):
    texts = [sentence(seed).split() for seed in range(9)]
    model = fitted(texts, 3)
    model.save(tmp_path / "model.npz")
    assert Model.load(tmp_path / "model.npz").perplexities(texts) == model.perplexities(texts)


def test_texts_that_the_reference_does_not_predict_are_removed(tmp_path):
    step = Step("perplexity", {"reference": "good", "max_percentile": "1", "max_perplexity": "30"})
    prepared(step, Texts(tmp_path, good=[sentence(seed) for seed in range(40)]), tmp_path)
    texts = (
        sentence(99),
        "boat the sells captain the. island " * 4,
        "quarterly earnings rose by 4 % in Peru",
    )
    result = function_of(step, str(tmp_path))(batch(*texts))
    assert result.removed.to_pylist() == [None, *["PERPLEXITY_HIGH"] * 2]
    values = [float(dict(row)["perplexity"]) for row in result.attributes.to_pylist()]
    assert values[0] < 10 < values[1] < values[2]


def test_percentiles_are_those_of_texts_that_the_model_did_not_see(tmp_path):
    step = Step("perplexity", {"reference": "good", "max_percentile": "0.8"})
    prepared(step, Texts(tmp_path, good=[sentence(seed) for seed in range(200)]), tmp_path)
    new = [sentence(seed) for seed in range(1_000, 1_200)]
    removed = function_of(step, str(tmp_path))(batch(*new)).removed.to_pylist()
    assert 4 <= removed.count("PERPLEXITY_HIGH") <= 60


def test_an_arpa_file_of_the_project_is_used(tmp_path):
    step = Step("perplexity", {"arpa": "model", "max_perplexity": "5"})
    prepared(step, Texts(tmp_path, model=ARPA), tmp_path)
    result = function_of(step, str(tmp_path))(batch("ferry leaves", "no word of it"))
    assert result.removed.to_pylist() == [None, "PERPLEXITY_HIGH"]
    with pytest.raises(BadReference, match="The source model is no language model in the ARPA format"):
        prepared(step, Texts(tmp_path, model="x"), tmp_path / "other")
    with pytest.raises(BadReference, match="The source few has 1 texts"):
        prepared(Step("perplexity", {"reference": "few"}), Texts(tmp_path, few=["a"]), tmp_path / "third")


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({}, "Set reference or arpa"),
        ({"arpa": "a", "max_percentile": "0.5"}, "Set reference, with which percentiles"),
    ],
)
def test_perplexity_needs_something_to_compare_with(params, problem):
    with pytest.raises(BadStep, match=problem):
        settings_of(Step("perplexity", params))


def test_characters_are_units_for_scripts_without_spaces():
    assert words_in("你好 ab", by_characters=True) == ["你", "好", "a", "b"]
    assert words_in("It's, A test", by_characters=False) == ["it", "'", "s", ",", "a", "test"]
    assert BEGIN not in words_in("<s>", by_characters=False)


def test_a_classifier_learns_from_two_sources_and_says_how_well(tmp_path):
    step = Step("classifier", {"good": "good", "bad": "bad", "min_score": "0.5"})
    spam = [f"Buy cheap pills now, offer {number} ends today!" for number in range(30)]
    references = Texts(tmp_path, good=[sentence(seed) for seed in range(30)], bad=spam)
    directory = prepared(step, references, tmp_path)
    assert (directory / COUNTS).read_text() == '{"held_out": 60, "held_out_right": 60}'
    result = function_of(step, str(tmp_path))(batch(sentence(77), "Cheap offer today, buy now", ""))
    assert result.removed.to_pylist()[:2] == [None, "LOW_QUALITY_SCORE"]
    scores = [float(dict(row)["quality_score"]) for row in result.attributes.to_pylist()]
    assert scores[0] > 0.8 > 0.2 > scores[1]
    again = prepared(step, references, tmp_path / "again")
    with np.load(directory / "weights.npz") as one, np.load(again / "weights.npz") as other:
        assert (one["weights"] == other["weights"]).all()
    with pytest.raises(BadReference, match="The source few has 2 texts"):
        prepared(
            Step("classifier", {"good": "few", "bad": "few"}), Texts(tmp_path, few=["a", "b"]), tmp_path / "x"
        )


LISTS = {"harsh": "# of the operator\nnasty\tstrong\nvery bad\n", "women": "she\nher", "men": "he\nhim"}


def test_lists_of_the_operator_are_counted_and_remove_mark_or_mask(tmp_path):
    references = Texts(tmp_path, **{name: [text] for name, text in LISTS.items()})
    texts = ("A nasty, VERY bad day", "the nastiest", "She saw him and her dog")
    removes = Step("toxic_words", {"lists": "harsh", "min_matches": "2"})
    prepared(removes, references, tmp_path)
    result = function_of(removes, str(tmp_path))(batch(*texts))
    assert result.removed.to_pylist() == ["LISTED_WORDS", None, None]
    assert result.attributes.to_pylist()[0] == [("toxic_words", "harsh:2")]
    assert result.counts == {"harsh": 1}
    marks = Step("bias_words", {"lists": "women, men"})
    prepared(marks, references, tmp_path)
    result = function_of(marks, str(tmp_path))(batch(*texts))
    assert result.removed.to_pylist() == [None] * 3
    assert result.attributes.to_pylist()[2] == [("bias_words", "women:2, men:1")]
    masks = Step("toxic_words", {"lists": "harsh", "action": "mask", "max_share": "0.5"})
    prepared(masks, references, tmp_path / "masks")
    masked = function_of(masks, str(tmp_path / "masks"))(batch("a very bad and nasty day", "nasty nasty day"))
    assert masked.texts.to_pylist() == ["a very bad and nasty day", "*** *** day"]
    with pytest.raises(BadReference, match="The source empty has 0 words"):
        prepared(Step("toxic_words", {"lists": "empty"}), Texts(tmp_path, empty=["#"]), tmp_path / "x")


def test_topics_by_a_table_of_keywords(tmp_path):
    table = ["ferry, harbour\tsea", "赌博\tgambling", "bet\tgambling"]
    step = Step("topic", {"keywords": "table", "drop": "gambling"})
    prepared(step, Texts(tmp_path, table=table), tmp_path)
    result = function_of(step, str(tmp_path))(batch("The Ferry leaves.", "网上赌博平台", "A better day"))
    assert result.removed.to_pylist() == [None, "UNWANTED_TOPIC", None]
    assert result.counts == {"sea": 1, "gambling": 1, "none": 1}
    with pytest.raises(BadReference, match="no keywords with a topic"):
        prepared(step, Texts(tmp_path, table=["ferry"]), tmp_path / "x")


def test_topics_are_found_in_a_source_and_named_by_their_words(tmp_path):
    recipe = "Boil pasta, pasta and more pasta, add salt and sauce, serve dish {} warm"
    cooking = [recipe.format(number) for number in range(15)]
    texts = cooking + [sentence(seed) for seed in range(15)]
    step = Step("topic", {"reference": "all", "topics": "2", "keep": "pasta"})
    prepared(step, Texts(tmp_path, all=texts), tmp_path)
    result = function_of(step, str(tmp_path))(batch("Salt the pasta", "The captain sells the boat", "???"))
    assert result.removed.to_pylist() == [None, "UNWANTED_TOPIC", "UNWANTED_TOPIC"]
    first, second, third = (dict(row)["topic"] for row in result.attributes.to_pylist())
    assert "pasta" in first.split() and second != first and third == "none"
    with pytest.raises(BadStep, match="Set either keywords or reference"):
        settings_of(Step("topic", {"keywords": "a", "reference": "b"}))


def _spans_by_hand(texts: list[str], size: int) -> list[list[tuple[int, int]]]:
    """The spans that windows cover which stand, without overlap, at an earlier place."""
    seen: dict[str, tuple[int, int]] = {}
    result = []
    for number, text in enumerate(texts):
        covered: set[int] = set()
        for start in range(len(text) - size + 1):
            first = seen.setdefault(text[start : start + size], (number, start))
            if first[0] < number or first[1] + size <= start:
                covered |= {*range(start, start + size)}
        spans: list[tuple[int, int]] = []
        for place in sorted(covered):
            if spans and spans[-1][1] == place:
                spans[-1] = (spans[-1][0], place + 1)
            else:
                spans.append((place, place + 1))
        result.append(spans)
    return result


@given(
    texts=st.lists(st.text("ab中 ", max_size=40), max_size=8), size=st.integers(1, 9), held=st.integers(1, 50)
)
def test_repeated_substrings_are_all_those_that_a_search_by_hand_finds(texts, size, held):
    assert repeated_spans(texts, size, held) == _spans_by_hand(texts, size)


def test_cut_spans_leave_whole_words():
    copied = "This page is copyright of the harbour office and of its boats."
    texts = [f"One. {copied} Two.", f"Three {copied} four"]
    (none, spans) = repeated_spans(texts, 30)
    assert none == []
    assert without_spans(texts[1], spans).split() == ["Three", "four"]
    ((start, end),) = repeated_spans(["abcd" * 100], 50)[0]
    assert start >= 50 and end == 400


class Artifacts:
    """An artifact whose files a step reads."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def artifact(self, digest: str) -> Iterator[tuple[str, bytes]]:
        yield from self.files.items()


VERSION = Step("classifier", {"version_digest": "a" * 64, "label": "spam", "min_score": "0.5"})


def test_a_version_of_the_project_scores_texts(tmp_path):
    words = [f"{word} number {place}" for place in range(12) for word in ("meeting notes", "win money now")]
    model = fit_texts(
        Classify(("ham", "spam")),
        Examples(words, ["ham", "spam"] * 12),
        Choice(estimators=(Estimator.LINEAR,)),
    )
    folder = tmp_path / "classifier"
    folder.mkdir()
    PREPARED["classifier"](settings_of(VERSION), Artifacts(model.files()), folder)
    batch = pa.RecordBatch.from_pydict({"text": ["win money today", "notes of the meeting"]})
    result = function_of(VERSION, str(tmp_path))(batch)
    expected = np.exp(model.answer(batch.column("text").to_pylist()).logprobs[:, 1])
    assert [float(dict(each)["quality_score"]) for each in result.attributes.to_pylist()] == pytest.approx(
        expected, abs=1e-4
    )
    assert result.removed.to_pylist() == [None, "LOW_QUALITY_SCORE"]


def test_an_artifact_that_is_no_classical_model_or_lacks_the_label_is_refused(tmp_path):
    with pytest.raises(BadReference, match="cannot score texts"):
        PREPARED["classifier"](settings_of(VERSION), Artifacts({"config.json": b"{}"}), tmp_path)
    with pytest.raises(BadStep, match="Set either good and bad, or version_digest and label"):
        settings_of(Step("classifier", {"version_digest": "a" * 64}))
    with pytest.raises(BadStep):
        settings_of(Step("classifier", {"version_digest": "abc", "label": "spam"}))


def test_steps_read_no_artifacts_of_other_projects(tmp_path):
    store = ArtifactStore(str(tmp_path / "artifacts"))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_bytes(b"{}")
    digest = store.put_tree(tmp_path / "model")
    store.grant("owner", digest)
    settings = StageSettings(b"key", CurationConfig())
    owner, other = (sources_of_steps(settings, [], store, project) for project in ("owner", "other"))
    assert dict(owner.artifact(digest)) == {"config.json": b"{}"}
    with pytest.raises(BadReference, match=f"projects/other has no artifact {digest}"):
        next(other.artifact(digest))
    with pytest.raises(BadReference, match=f"projects/owner has no artifact {'b' * 64}"):
        next(owner.artifact("b" * 64))


def test_bert_pieces_are_those_of_transformers(tmp_path):
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "un",
        "##aff",
        "##able",
        "runn",
        "##ing",
        "中",
        "文",
        "cafe",
        ",",
    ]
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(pieces) + "\n")
    bert = pytest.importorskip("transformers").BertTokenizer(vocab=str(vocabulary))
    texts = ["Unaffable, running", "中文 Café", "unknown word", ""]
    ours = word_pieces(vocabulary.read_text())
    for text in texts:
        encoded = ours.encode(text, add_special_tokens=False)
        assert encoded.tokens == bert.tokenize(text), text
    assert ours.encode("Unaffable").offsets == [(0, 2), (2, 5), (5, 9)]
    with pytest.raises(ValueError, match="no line"):
        word_pieces("a\nb\n")
