"""The plain loop of the peers: Ratoon's model, batches, loss and optimiser, without what Ratoon does around them.

    torchrun --nproc-per-node 1 bench/training/loop.py <config.json>
    python bench/training/loop.py <config.json> --ray      # by a stock Ray TorchTrainer

The configuration names the prepared tokens, the recipe, the device, the number of steps and the file of step times.
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

Config = dict[str, Any]


def train(config: Config) -> None:
    """Take the steps, and write the wall-clock time at the end of each."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    recipe, times = Recipe.parse(config["recipe"]), []
    corpus = Corpus(Path(config["prepared"]) / "train.npz")
    model = models.build(recipe, Path(config["prepared"])).to(config["device"])
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.95), fused=True)
    plan = schedule.batches(corpus.record_ids, corpus.lengths, recipe.seed, 0, recipe.batch_size)
    for indices in plan[: config["steps"]]:
        step(model, optimiser, corpus, indices, recipe)
        times.append(time.time())
    Path(config["times"]).write_text(json.dumps(times))


def step(model: Any, optimiser: Any, corpus: Corpus, indices: list[int], recipe: Recipe) -> None:
    """Take one step on these samples."""
    text, _ = corpus.tokens_of(indices)
    sums = objective.losses(model, corpus.batch(indices).to(model.device), language=True)
    loss = sums.answer / len(indices) + recipe.language_model_weight * sums.language / text
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    loss.item()


def _by_ray(config: Config) -> None:
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    TorchTrainer(
        train,
        train_loop_config=config,
        scaling_config=ScalingConfig(num_workers=1, use_gpu=config["device"] == "cuda"),
        run_config=RunConfig(storage_path=str(Path(config["times"]).parent / "ray")),
    ).fit()


if __name__ == "__main__":
    config = json.loads(Path(sys.argv[1]).read_text())
    _by_ray(config) if "--ray" in sys.argv else train(config)
