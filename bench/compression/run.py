"""Size, memory, speed and quality of each smaller form of a model beside the model itself.

    python bench/compression/run.py                       # SmolLM2-135M on 40 instructions of other people
    python bench/compression/run.py --model DIRECTORY     # another chat model
    python bench/compression/run.py --methods int8 int4:gptq --records 100
    python bench/compression/run.py --tiny                # a Llama of 3 million random parameters: seconds

The records are `alpaca_en_demo` of the package llamafactory: the first three quarters calibrate, the rest is answered.
vLLM answers where it can, else transformers, with the reason. The source computes in float32.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.operations.job_messages import to_json
from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.generate import Generate, Sampling
from ratoon_training import compression_messages
from ratoon_training.domain.compressions import CompressionSpec, Method, Rounding

_ROOT = Path(__file__).resolve().parents[2]
_MODEL = _ROOT / ".data/smollm2-135m-instruct"
_INSTRUCTIONS = _ROOT / ".data/zoo/llamafactory/data/alpaca_en_demo.json"
_METHODS = ("bfloat16", "float16", "int8", "int4", "int4:gptq", "pruned")
_MAX_CHARS = 400
"""Longer instructions are left out."""
JSON = dict[str, Any]


def main() -> int:
    """Compress and measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=_MODEL)
    parser.add_argument("--methods", nargs="+", default=_METHODS, help="of %(default)s")
    parser.add_argument("--records", type=int, default=40, help="instructions to answer [%(default)s]")
    parser.add_argument("--answer-tokens", type=int, default=48)
    parser.add_argument(
        "--tiny", action="store_true", help="a small Llama at random with the tokenizer of --model"
    )
    parser.add_argument("--json", type=Path, help="write the rows to this file, too")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="ratoon-bench-compression-") as name:
        folder = Path(name)
        store = ArtifactStore(str(folder / "artifacts"))
        source = store.put_tree(_tiny(options.model, folder / "tiny") if options.tiny else options.model)
        parts = _parts(store, folder)
        for method in options.methods:
            begun = time.process_time()
            result = _compressed(store, folder / method.replace(":", "-"), source, parts, method, options)
            rows.append({"method": method, **result, "seconds": time.process_time() - begun})
            _show(rows[-1], first=len(rows) == 1)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    return 0


def _parts(store: ArtifactStore, folder: Path) -> tuple[str, str]:
    """Store the instructions as a training and a validation part."""
    rows = [
        (f"{number:06d}", f"{each['instruction']}\n{each['input']}".strip(), each["output"])
        for number, each in enumerate(json.loads(_INSTRUCTIONS.read_text(encoding="utf-8")))
    ]
    short = [row for row in rows if len(row[1]) <= _MAX_CHARS and row[2].strip()]
    cut = 3 * len(short) // 4
    digests = []
    for name, part in (("train", short[:cut]), ("validation", short[cut:])):
        columns = dict(zip(("record_id", "text", "label"), zip(*part, strict=True), strict=True))
        pq.write_table(pa.table({key: list(values) for key, values in columns.items()}), folder / name)
        digests.append(store.put_file(folder / name))
    return digests[0], digests[1]


def _compressed(
    store: ArtifactStore,
    job: Path,
    source: str,
    parts: tuple[str, str],
    method: str,
    options: argparse.Namespace,
) -> JSON:
    # Only here: it imports torch.
    from ratoon_training.worker.compression.job import run

    name, _, rounding = method.partition(":")
    spec = CompressionSpec(
        source,
        Method[name.upper()],
        rounding=Rounding[(rounding or "nearest").upper()],
        train_digest=parts[0],
        validation_digest=parts[1],
        task=Generate(defaults=Sampling(max_tokens=options.answer_tokens)),
        calibration_records=32,
        quality_records=options.records,
        dtype=Method[name.upper()].serving_dtype,
    )
    message = to_json(compression_messages.spec_message(spec))
    known = {key: value for key, value in message.items() if value is not None}
    job.mkdir()
    return run({"artifacts": store.url, "compression": known, "compress": True}, JobFolder(job))


def _show(row: JSON, *, first: bool) -> None:
    if first:
        print(
            "| form | MB on disk | MB in memory | tokens/s, 1 | tokens/s, 8 | ROUGE-L | same answers | by |"
        )
        print("|---|---|---|---|---|---|---|---|")
        _print("source", row["source"], 1.0)
    _print(row["method"], row["compressed"], row["difference"]["same_answers"])
    difference = row["difference"]
    print(
        f"<!-- {row['method']}: ROUGE-L {difference['value']:+.3f} ({difference['low']:+.3f} to "
        f"{difference['high']:+.3f}) {row['compressed']['note']} -->",
        flush=True,
    )


def _print(name: str, measured: JSON, same: float) -> None:
    sizes = (measured[key] / 1e6 for key in ("size_bytes", "weight_memory_bytes"))
    speeds = (measured[key] for key in ("tokens_per_second", "batch_tokens_per_second"))
    dtype = measured["dtype"].removeprefix("DTYPE_").lower()
    columns = [name, *(f"{size:.0f}" for size in sizes), *(f"{speed:.1f}" for speed in speeds)]
    columns += [f"{measured['metrics']['rouge_l']:.3f}", f"{same:.2f}", f"{measured['runtime']}, {dtype}"]
    print(f"| {' | '.join(columns)} |", flush=True)


def _tiny(model: Path, folder: Path) -> Path:
    """Write a small Llama at random with the tokenizer and template of a model."""
    import shutil

    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.from_pretrained(model)
    config.update(
        {
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 32,
        }
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder, safe_serialization=True)
    for path in model.iterdir():
        if path.name.startswith(("tokenizer", "chat_template", "generation_config")):
            shutil.copyfile(path, folder / path.name)
    return folder


if __name__ == "__main__":
    sys.exit(main())
