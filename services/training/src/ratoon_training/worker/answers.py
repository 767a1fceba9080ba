"""Answers of the trained model before its files are read again, with which registration compares the reloaded one."""

from dataclasses import asdict
from typing import Any

from ratoon.neural.parity import read
from ratoon_training.domain.recipes import Objective
from ratoon_training.worker.session import Session

_TEXTS, _TOKENS = 4, 64
_OF_TEXTS = (Objective.SFT, Objective.DISTILLATION, Objective.PRETRAIN)
"""Objectives whose validation part is texts, not comparisons of answers."""


def answers_of(session: Session) -> dict[str, Any]:
    """Return the scores of some texts of the validation part; nothing if it holds none, or with several workers."""
    if session.workers > 1 or session.recipe.objective not in _OF_TEXTS:
        return {}
    validation = session.data.validation
    step = max(1, len(validation) // _TEXTS)
    samples = [
        list(map(int, validation.tokens(index)))[:_TOKENS] for index in range(0, len(validation), step)
    ]
    texts = [sample for sample in samples[:_TEXTS] if len(sample) > 1]
    scores = [asdict(each) for each in read(session.model.eval(), texts)]
    return {"answers": {"dtype": _number_format(session), "texts": scores}}


def _number_format(session: Session) -> str:
    """Return the number format of the computation, whose tolerance applies to the comparison."""
    is_rounded = session.recipe.method.adapts and bool(session.recipe.lora.quantization)
    return "int4" if is_rounded else session.recipe.dtype.lower()
