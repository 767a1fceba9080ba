"""`python trl_loop.py <config>`: TRL's SFTTrainer on the same records; writes seconds and tokens of each step."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer


class Clock(TrainerCallback):  # type: ignore[misc]
    """Notes when each step ended, and how many tokens were seen until then."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, int]] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note the end of a step."""
        self.ends.append((time.perf_counter(), int(state.num_input_tokens_seen)))


def main() -> None:
    """Train, and write what was measured."""
    config = json.loads(Path(sys.argv[1]).read_text())
    rows = [json.loads(line) for line in Path(config["records"]).read_text().splitlines()]
    options = SFTConfig(
        output_dir=config["output"],
        max_length=config["length"],
        packing=True,
        padding_free=config["device"] == "cuda" or None,
        per_device_train_batch_size=config["rows"],
        gradient_accumulation_steps=1,
        learning_rate=config["rate"],
        max_steps=config["steps"],
        save_strategy="no",
        report_to=[],
        logging_strategy="no",
        use_cpu=config["device"] == "cpu",
        bf16=config["dtype"] == "BFLOAT16",
        gradient_checkpointing=False,
        completion_only_loss=True,
        include_num_input_tokens_seen="non_padding",
        model_init_kwargs={"dtype": "float32", "attn_implementation": config["attention"]},
        dataset_num_proc=1,
    )
    clock = Clock()
    trainer = SFTTrainer(
        config["model"], args=options, train_dataset=Dataset.from_list(rows), callbacks=[clock]
    )
    trainer.train()
    Path(config["result"]).write_text(json.dumps(clock.ends))


if __name__ == "__main__":
    main()
