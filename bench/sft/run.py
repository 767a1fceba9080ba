"""Supervised fine-tuning of a chat model next to TRL's SFTTrainer: the same records, as many tokens a step, in one run.

    python bench/sft/run.py                       # SmolLM2, all weights, packed: about ten minutes on two cores
    python bench/sft/run.py --steps 8 --pairs 1
    python bench/sft/run.py --accelerator cuda --dtype BFLOAT16 --attention flash_attention_2

Both pack whole samples and learn the answers' tokens alone. TRL's rows have `--length` tokens; Ratoon's steps hold as
many samples as fill them on average. On a processor TRL's packed rows attend across samples (it warns of it); with
`--accelerator cuda` it takes its padding-free path. Tokens a second are those of samples, padding left out, over steady
steps. Goal: at least 1.0 of TRL's.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from transformers import AutoTokenizer

from ratoon.operations.job_messages import to_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.generate import Generate
from ratoon_training.adapters.drivers import recipe_message
from ratoon_training.domain.recipes import Architecture, Dtype, Method, Recipe

_ROOT = Path(__file__).resolve().parents[2]
_MODEL = _ROOT / ".data/smollm2-135m-instruct"
_RECORDS = _ROOT / ".data/zoo/llamafactory/data/alpaca_en_demo.json"
_HERE = Path(__file__).parent
_SKIPPED = 3
"""First steps, in which memory is taken."""
_RATE = 2e-5
JSON = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """What both train: a folder for files, records as prompt and answer, steps, and the shape of a step."""

    folder: Path
    records: list[tuple[str, str]]
    steps: int
    length: int
    samples: int
    """Samples a step of Ratoon, which have `length` tokens on average."""
    device: str
    dtype: Dtype
    attention: str
    threads: int


def main() -> int:
    """Measure pair by pair, and print tokens a second and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=15, help="steps of each run [%(default)s]")
    parser.add_argument("--pairs", type=int, default=3, help="runs of each, in turn [%(default)s]")
    parser.add_argument("--length", type=int, default=1024, help="tokens of a step [%(default)s]")
    parser.add_argument("--accelerator", type=str.lower, choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", type=Dtype, choices=list(Dtype), default=Dtype.FLOAT32)
    parser.add_argument("--attention", default="sdpa", help="attention of TRL's model [%(default)s]")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ratoon-bench-sft-") as name:
        records = known_records()
        setting = Setting(
            Path(name),
            records,
            options.steps,
            options.length,
            samples_of(records, options.length),
            options.accelerator,
            options.dtype,
            options.attention,
            options.threads,
        )
        prepare(setting)
        pairs = [(rate(ours(setting)), rate(theirs(setting))) for _ in range(options.pairs)]
    for mine, other in pairs:
        print(f"ratoon {mine:,.0f}, TRL {other:,.0f} tokens/s, ratio {mine / other:.2f}")
    print(f"median ratio {statistics.median(mine / other for mine, other in pairs):.2f} (goal 1.0)")
    return 0


def known_records() -> list[tuple[str, str]]:
    """Return Alpaca's instructions with their answers; `scripts/zoo.py llamafactory` fetches them."""
    rows = json.loads(_RECORDS.read_text())
    return [(f"{row['instruction']}\n{row['input']}".strip(), row["output"]) for row in rows]


def samples_of(records: list[tuple[str, str]], length: int) -> int:
    """Return the number of samples that have `length` tokens on average, the chat template's included."""
    tokenizer = AutoTokenizer.from_pretrained(_MODEL)
    chats = [_messages(*record) for record in records[:200]]
    counts = [len(tokenizer.apply_chat_template(chat, return_dict=False)) for chat in chats]
    return max(1, round(length / statistics.mean(counts)))


def prepare(setting: Setting) -> None:
    """Write the records in the form of each, and the model into Ratoon's store."""
    chats = [
        {"prompt": _messages(*record)[:1], "completion": _messages(*record)[1:]} for record in setting.records
    ]
    (setting.folder / "records.jsonl").write_text("".join(f"{json.dumps(chat)}\n" for chat in chats))
    prompts, answers = zip(*setting.records, strict=True)
    ids = [f"{number:06d}" for number in range(len(prompts))]
    pq.write_table(
        pa.table({"record_id": ids, "text": list(prompts), "label": list(answers)}),
        setting.folder / "train.parquet",
    )
    pq.write_table(
        pa.table({"record_id": ids[:2], "text": list(prompts[:2]), "label": list(answers[:2])}),
        setting.folder / "validation.parquet",
    )


def ours(setting: Setting) -> list[tuple[float, int]]:
    """Train by Ratoon; returns when each step ended, and the tokens until then."""
    store = ArtifactStore(str(setting.folder / "artifacts"))
    shape = json.loads((_MODEL / "config.json").read_text())
    recipe = Recipe(
        method=Method.CONTINUE,
        task=Generate(),
        learning_rate=_RATE,
        batch_size=setting.samples,
        epochs=setting.steps * setting.samples / len(setting.records),
        max_tokens=setting.length,
        language_model_weight=0.0,
        packed=True,
        dtype=setting.dtype,
        architecture=Architecture(
            shape["vocab_size"],
            shape["hidden_size"],
            shape["num_hidden_layers"],
            shape["num_attention_heads"],
            shape["max_position_embeddings"],
        ),
    )
    job = Path(tempfile.mkdtemp(dir=setting.folder))
    spec = {
        "artifacts": store.url,
        "work": str(job / "work"),
        "fence": 1,
        "train": store.put_file(setting.folder / "train.parquet"),
        "validation": store.put_file(setting.folder / "validation.parquet"),
        "base": store.put_tree(_MODEL),
        "recipe": to_json(recipe_message(recipe)),
        "resources": {"accelerator": setting.device.upper(), "workers": 1, "threads": setting.threads},
        "checkpoint_every_s": 3600.0,
    }
    _run("ratoon_loop.py", job, spec, setting)
    rows = [json.loads(line) for line in (job / "curve.jsonl").read_text().splitlines()]
    ends, tokens = list[tuple[float, int]](), 0
    for row in rows:
        if "tokens" in row:
            tokens += int(row["tokens"])
            ends.append((row["seconds"], tokens))
    return ends


def theirs(setting: Setting) -> list[tuple[float, int]]:
    """Train by TRL; returns when each step ended, and the tokens until then."""
    job = Path(tempfile.mkdtemp(dir=setting.folder))
    config = {
        "records": str(setting.folder / "records.jsonl"),
        "model": str(_MODEL),
        "output": str(job / "output"),
        "result": str(job / "result.json"),
        "length": setting.length,
        "rows": 1,
        "steps": setting.steps,
        "rate": _RATE,
        "device": setting.device,
        "dtype": setting.dtype,
        "attention": setting.attention,
    }
    _run("trl_loop.py", job, config, setting)
    ends: list[tuple[float, int]] = json.loads((job / "result.json").read_text())
    return ends


def rate(ends: list[tuple[float, int]]) -> float:
    """Return the tokens a second of the steady steps."""
    (begun, before), (ended, after) = ends[_SKIPPED - 1], ends[-1]
    return (after - before) / (ended - begun)


def _messages(prompt: str, answer: str) -> list[JSON]:
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]


def _run(script: str, job: Path, config: JSON, setting: Setting) -> None:
    path = job / "spec.json"
    path.write_text(json.dumps(config))
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(setting.threads),
        "OMP_WAIT_POLICY": "passive",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(setting.folder / "datasets"),
    }
    log = job / "log.txt"
    with log.open("wb") as sink:
        done = subprocess.run(
            [sys.executable, str(_HERE / script), str(path)], stdout=sink, stderr=sink, env=environment
        )
    if done.returncode:
        raise SystemExit(f"{script} failed:\n{log.read_text()[-2000:]}")


if __name__ == "__main__":
    sys.exit(main())
