"""Delay of training by a checkpoint: saved in the background, compared with saved before the next step."""

import statistics
import time
from pathlib import Path

import torch
from torch import Tensor

from ratoon_training.worker.checkpoints import Checkpoints

_MIB = 1 << 20


def stall(folder: Path, mebibytes: int, rounds: int, device: torch.device) -> dict[str, float]:
    """Median seconds that training waits for a checkpoint of this size, both ways, interleaved; and their ratio."""
    tensors = {name: tensor.to(device) for name, tensor in _state(mebibytes).items()}
    saving = Checkpoints(folder / "checkpoints", fence=1)
    saving.claim()
    saving.save_later(0, tensors, {"step": 0})
    saving.wait()
    blocked, background = [], []
    for step in range(1, rounds + 1):
        blocked.append(_timed(lambda step=step: saving.save(f"blocking-{step}", tensors, {"step": step})))
        background.append(_timed(lambda step=step: saving.save_later(step, tensors, {"step": step})))
        saving.wait()
    saving.close()
    later, at_once = statistics.median(background), statistics.median(blocked)
    return {"mib": float(mebibytes), "later_s": later, "at_once_s": at_once, "ratio": later / at_once}


def _state(mebibytes: int) -> dict[str, Tensor]:
    """Tensors of 4 MiB each, as weights and moments are."""
    generator = torch.Generator().manual_seed(0)
    return {f"weight.{n}": torch.randn(_MIB, generator=generator) for n in range(mebibytes // 4)}


def _timed(save: object) -> float:
    began = time.perf_counter()
    save()  # type: ignore[operator]
    return time.perf_counter() - began
