"""Answers of the published weights to each validation record, for the optimism of the best trial of a sweep."""

from typing import Any

import torch

from ratoon_training.worker import objective
from ratoon_training.worker.session import Session

_ROWS = 64


def record_scores(session: Session) -> dict[str, Any]:
    """Return the right and the predicted label of each validation record; empty for answers without labels.

    Every worker of the group calls it.
    """
    part, context = session.data.validation, session.context
    if not part.has_labels:
        return {}
    tokens = part.label_tokens.to(context.device)
    answered = torch.zeros(2, len(part), dtype=torch.float64, device=context.device)
    order = context.share(list(range(len(part))))
    session.model.eval()
    with torch.no_grad(), context.precision(session.recipe.dtype):
        for at in range(0, len(order), _ROWS):
            rows = order[at : at + _ROWS]
            batch = part.batch(rows).to(context.device)
            answered[0, rows] = batch.labels.double()
            answered[1, rows] = objective.answers(session.core, batch, tokens).double()
    session.model.train()
    right, predicted = context.sum(answered).long().tolist()
    return {"labels": len(tokens), "right": right, "predicted": predicted}
