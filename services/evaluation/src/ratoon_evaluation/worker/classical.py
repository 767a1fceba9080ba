"""Small models in an evaluation, classical or neural, as candidate and as reference.

They have no tokens: a prompt is the bytes of its text, the text has no likelihood, and none is too long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ratoon.classical.errors import BadArtifact
from ratoon.classical.model import SmallModel
from ratoon.classical.records import text_of
from ratoon.classical.tokens import decode, encode
from ratoon.neural import small
from ratoon.storage.models import ModelFolder
from ratoon.tasks.classify import Classify
from ratoon.tasks.kind import Record
from ratoon_evaluation.domain.kinds.classify import OTHER
from ratoon_evaluation.worker.generator import Completions, Prompt
from ratoon_evaluation.worker.parts import UnusablePart
from ratoon_evaluation.worker.scorer import Answers

_BATCH = 256


def load(folder: ModelFolder) -> SmallModel:
    """Return the model of a directory, its libraries loaded by a first answer; UnusablePart if it may not be loaded."""
    try:
        model = small.load(folder.path)
    except BadArtifact as error:
        raise UnusablePart(str(error)) from error
    model.answer([""])
    return model


class ClassicalScorer:
    """Answers with labels, in place of `Scorer`."""

    def __init__(self, folder: ModelFolder, labels: Sequence[str]) -> None:
        self._model, self._labels = load(folder), tuple(labels)

    def score(
        self, texts: Sequence[str], advance: Callable[[int], None], openings: Sequence[str] = ()
    ) -> Answers:
        """Answer every text; the openings of answers mean nothing to it."""
        task = self._model.task
        known = (
            {label: place for place, label in enumerate(task.labels)} if isinstance(task, Classify) else {}
        )
        predicted: list[str] = []
        logprobs = np.full((len(texts), len(self._labels)), np.log(1e-12))
        for start in range(0, len(texts), _BATCH):
            answers = self._model.answer(texts[start : start + _BATCH])
            predicted += [text if text in self._labels else OTHER for text in answers.texts]
            for column, label in enumerate(self._labels):
                if label in known and answers.logprobs is not None:
                    logprobs[start : start + _BATCH, column] = answers.logprobs[:, known[label]]
            advance(len(predicted))
        none = np.zeros(len(texts))
        return Answers(tuple(predicted), logprobs, none, none.astype(np.int64), none.astype(np.bool_))


class ClassicalWriter:
    """Answers with labels or numbers as texts, in place of `Generator`."""

    def __init__(self, folder: ModelFolder) -> None:
        self._model = load(folder)

    def prompts(self, shots: Sequence[Record] = ()) -> ClassicalWriter:
        """Return itself: it renders prompts without a template."""
        return self

    def opened(self, record: Record, opening: str) -> list[int]:
        """Return the tokens of a prompt: the bytes of its text."""
        return encode(text_of(record.turns))

    def answer(self, prompts: Sequence[Prompt], advance: Callable[[int], None]) -> Completions:
        """Answer every prompt; `advance` gets the number of finished prompts."""
        texts: list[str] = []
        for start in range(0, len(prompts), _BATCH):
            batch = [decode(prompt.tokens)[0] for prompt in prompts[start : start + _BATCH]]
            texts += self._model.answer(batch).texts
            advance(len(texts))
        none = np.zeros(len(texts))
        return Completions(
            tuple(texts),
            np.array([text.count("\n") + 1 for text in texts], dtype=np.int64),
            ("stop",) * len(texts),
            none,
            none.astype(np.int64),
        )
