"""`python trl_loop.py <config>`: one of TRL's trainers on the same records; writes when each step ended."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import AutoTokenizer, TrainerCallback


class Clock(TrainerCallback):  # type: ignore[misc]
    """Notes when each step ended: by the clock, and by the processor time of this process."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, float]] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note the end of a step."""
        self.ends.append((time.perf_counter(), time.process_time()))


def exact(completions: list[Any], answer: list[str], **_: Any) -> list[float]:
    """Return 1 for each answer that is the right one."""
    texts = (each[0]["content"] if isinstance(each, list) else each for each in completions)
    return [float(text.strip() == right) for text, right in zip(texts, answer, strict=True)]


def trainer_of(config: dict[str, Any], clock: Clock) -> Any:
    """Return the trainer of a method."""
    rows = Dataset.from_list(config["rows"])
    tokenizer = AutoTokenizer.from_pretrained(config["model"])
    usual: dict[str, Any] = {
        "output_dir": config["output"],
        "learning_rate": 1e-5,
        "max_steps": config["steps"],
        "per_device_train_batch_size": 16,
        "gradient_accumulation_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "logging_strategy": "no",
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
    }
    shared: dict[str, Any] = {
        "model": config["model"],
        "train_dataset": rows,
        "processing_class": tokenizer,
        "callbacks": [clock],
    }
    dtype = {"model_init_kwargs": {"dtype": "float32"}}
    if config["method"] == "dpo":
        from trl import DPOConfig, DPOTrainer

        options = DPOConfig(**usual, **dtype, max_length=config["length"], precompute_ref_log_probs=True)
        return DPOTrainer(args=options, **shared)
    if config["method"] == "kto":
        from trl import KTOConfig, KTOTrainer

        options = KTOConfig(**usual, **dtype, max_length=config["length"], precompute_ref_log_probs=True)
        return KTOTrainer(args=options, **shared)
    if config["method"] == "reward_model":
        from trl import RewardConfig, RewardTrainer

        return RewardTrainer(args=RewardConfig(**usual, **dtype, max_length=config["length"]), **shared)
    from trl import GRPOConfig, GRPOTrainer

    usual["per_device_train_batch_size"] = 64
    options = GRPOConfig(
        **usual, **dtype, num_generations=8, max_completion_length=4, beta=0.0, loss_type="dapo"
    )
    return GRPOTrainer(args=options, reward_funcs=exact, **shared)


def main() -> None:
    """Train, and write what was measured."""
    config = json.loads(Path(sys.argv[1]).read_text())
    clock = Clock()
    trainer_of(config, clock).train()
    Path(config["result"]).write_text(json.dumps(clock.ends))


if __name__ == "__main__":
    main()
