"""Generated texts as they are: without a chat template, and with the white space around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ratoon_evaluation.worker.decoding import Decoding
from ratoon_evaluation.worker.generator import Completions, Generator, Prompt, Row
from ratoon_evaluation.worker.models import LoadedModel
from ratoon_evaluation.worker.suites.failures import TestFailed
from ratoon_evaluation.worker.suites.likelihood import Texts


class RawGenerator(Generator):
    """Continues texts. Answers end before the first stop text, even if they begin with it."""

    def __init__(self, loaded: LoadedModel, decoding: Decoding) -> None:
        super().__init__(loaded, decoding)
        self._ends |= {int(loaded.tokenizer.eos_token_id)}

    def continued(self, texts: Sequence[str], advance: Callable[[int], None]) -> Completions:
        """Return the continuation of each text; one that is too long is cut on the left."""
        context_limit = self._loaded.max_positions - self._decoding.max_tokens
        if context_limit <= 0:
            raise TestFailed(
                f"An answer may have {self._decoding.max_tokens} tokens, but the model reads "
                f"{self._loaded.max_positions} in all: lower the number of tokens."
            )
        encoder = Texts(self._loaded.tokenizer)
        return self.answer([Prompt(encoder.encode(text)[-context_limit:]) for text in texts], advance)

    def _goes_on(self, row: Row, token: int) -> bool:
        row.chosen.append(token)
        if token in self._ends:
            row.text, row.finish = cut(self._decoded(row.chosen[:-1]), self._decoding.stop), "stop"
            return False
        text = self._decoded(row.chosen)
        row.text = cut(text, self._decoding.stop)
        if len(row.text) < len(text):
            row.finish = "stop"
            return False
        row.finish = "length"
        return len(row.chosen) < row.limit


def cut(text: str, stop: Sequence[str]) -> str:
    """Return the text before the first of the stop texts."""
    for each in stop:
        text = text.split(each, 1)[0]
    return text
