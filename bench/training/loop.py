"""The plain loop of the peers: Ratoon's model, batches, loss and optimiser, without what Ratoon does around them.

    torchrun --nproc-per-node 1 bench/training/loop.py <order.json>
    python bench/training/loop.py <order.json> --ray      # by a stock Ray TorchTrainer

The order names the prepared tokens, the recipe, the device, how many steps to take and where the time of each step is
written.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch

from ratoon_training.domain import schedule
from ratoon_training.domain.recipes import Recipe
from ratoon_training.worker import models, objective
from ratoon_training.worker.corpus import Corpus

Order = dict[str, Any]


def train(order: Order) -> None:
    """Take the steps, and leave the wall-clock time at the end of each."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    recipe, times = Recipe.parse(order["recipe"]), []
    corpus = Corpus(Path(order["prepared"]) / "train.npz")
    model = models.build(recipe, Path(order["prepared"])).to(order["device"])
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.95), fused=True)
    plan = schedule.batches(corpus.record_ids, corpus.lengths, recipe.seed, 0, recipe.batch_size)
    for indices in plan[: order["steps"]]:
        _step(model, optimiser, corpus, indices, recipe)
        times.append(time.time())
    Path(order["times"]).write_text(json.dumps(times))


def _step(model: Any, optimiser: Any, corpus: Corpus, indices: list[int], recipe: Recipe) -> None:
    text, _ = corpus.tokens_of(indices)
    sums = objective.losses(model, corpus.batch(indices).to(model.device), language=True)
    loss = sums.answer / len(indices) + recipe.language_model_weight * sums.language / text
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    loss.item()


def _by_ray(order: Order) -> None:
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    TorchTrainer(
        train,
        train_loop_config=order,
        scaling_config=ScalingConfig(num_workers=1, use_gpu=order["device"] == "cuda"),
        run_config=RunConfig(storage_path=str(Path(order["times"]).parent / "ray")),
    ).fit()


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    _by_ray(given) if "--ray" in sys.argv else train(given)
