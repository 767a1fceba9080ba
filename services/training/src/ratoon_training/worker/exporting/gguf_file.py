"""A GGUF file, written by the converter of llama.cpp, quantised and scored by its library, each in its own process."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import gguf

from ratoon.neural.parity.inputs import TEXTS, Rendered, compare_rendered, rendered
from ratoon.tasks.parity import Finding, Reason, Scored
from ratoon_training.domain.errors import ExportFailed
from ratoon_training.domain.model_exports import GgufType
from ratoon_training.worker.exporting.exporter import Written, missing
from ratoon_training.worker.exporting.source import Source

_MODULE = "ratoon_training.worker.exporting.llama_cpp"
_TIMEOUT_S = 6 * 3600.0
FORMATS = {GgufType.F16: "gguf_f16", GgufType.Q8_0: "gguf_q8_0", GgufType.Q4_K_M: "gguf_q4_k"}
_ENVIRONMENT = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "OMP_NUM_THREADS")
FILE = "model.gguf"


class GgufExporter:
    """Writes one GGUF file."""

    def __init__(self, kind: GgufType, llama_cpp: Path) -> None:
        self._kind, self._llama_cpp = kind, llama_cpp

    def export(self, source: Source, folder: Path) -> Written:
        """Convert to float16, quantise that, and compare vocabulary, tokens and log-probabilities."""
        if not (self._llama_cpp / "convert_hf_to_gguf.py").exists():
            raise missing(
                "llama.cpp",
                "GGUF",
                "run `scripts/llama-cpp`, and set RATOON_TRAINING_LLAMA_CPP to its directory.",
            )
        whole, result = source.work / "whole.gguf", folder / FILE
        self._run("convert", {"model": str(source.directory), "file": str(whole)})
        if self._kind is GgufType.F16:
            shutil.move(whole, result)
        else:
            self._run("quantize", {"file": str(whole), "result": str(result), "kind": self._kind.value})
            whole.unlink()
        reader = gguf.GGUFReader(result)
        counts = Counter(tensor.tensor_type.name for tensor in reader.tensors)
        written = Written(
            FORMATS[self._kind], "", tensor_counts=dict(sorted(counts.items())), notes=self._notes(counts)
        )
        written.finding = vocabulary_difference(source, reader)
        if written.finding is None:
            self._score(source, result, written)
        return written

    def _score(self, source: Source, file: Path, written: Written) -> None:
        prompts = rendered(source.tokenizer)
        chats, plain = prompts[: -len(TEXTS)], prompts[-len(TEXTS) :]
        answer = self._run(
            "score",
            {
                "file": str(file),
                "chats": [each.text for each in chats],
                "texts": list(TEXTS),
                "rows": [[*each.prompt, *each.tokens[:-1]] for each in source.reference],
                "starts": [len(each.prompt) - 1 for each in source.reference],
                "answers": [each.tokens for each in source.reference],
            },
        )
        written.runtime = f"llama.cpp {answer['release']}"
        written.scores = [
            Scored(tuple(each["choices"]), tuple(each["logprobs"])) for each in answer["scores"]
        ]
        written.finding = compare_rendered(
            [Rendered(each.ids) for each in (*chats, *plain)],
            [Rendered(tuple(ids)) for ids in (*answer["chats"], *answer["texts"])],
            source.tokenizer.bos_token_id,
            source.tokenizer.bos_token or "",
        )

    def _notes(self, counts: Counter[str]) -> list[str]:
        """Return what the name of the number format leaves open."""
        others = sum(counts[name] for name in ("Q4_0", "Q5_0", "Q5_1", "Q8_0"))
        if self._kind is not GgufType.Q4_K_M or not others:
            return []
        return [
            f"{others} tensors have a type without K, as the length of their rows is no multiple of 256: the file is "
            "larger than a Q4_K_M file usually is."
        ]

    def _run(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Run one command of llama.cpp in a process of its own; ExportFailed with its own words."""
        answer = Path(arguments["file"]).with_name(f"{command}.json")
        spec = json.dumps({**arguments, "answer": str(answer), "threads": os.cpu_count() or 1})
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        done = subprocess.run(
            [sys.executable, "-m", _MODULE, str(self._llama_cpp), command],
            input=spec,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            env={**environment, "HF_HUB_OFFLINE": "1", "NO_LOCAL_GGUF": "1"},
        )
        if not answer.exists():
            last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            raise ExportFailed(f"llama.cpp could not {command} the model: {last[:300]}")
        result: dict[str, Any] = json.loads(answer.read_text())
        answer.unlink()
        if "errno" in result:
            raise OSError(result["errno"], result["error"])
        if "error" in result:
            raise ExportFailed(
                f"llama.cpp could not {command} the model: {result['error']}", result["reason"]
            )
        return result


def vocabulary_difference(source: Source, reader: gguf.GGUFReader) -> Finding | None:
    """Return a difference between the tokenizer and the vocabulary of the file: rows, types of tokens, end token."""
    fields = reader.fields
    types = fields["tokenizer.ggml.token_type"].contents()
    rows = int(source.model.get_input_embeddings().weight.shape[0])
    if len(types) != rows:
        return Finding(
            Reason.TOKENIZER_DIFFERS,
            f"The file has {len(types):,} tokens, the embeddings have {rows:,} rows.",
        )
    for number, token in source.tokenizer.added_tokens_decoder.items():
        kind = int(types[number])
        if token.special and kind != gguf.TokenType.CONTROL:
            return Finding(
                Reason.TOKENIZER_DIFFERS,
                f"The special token {token.content!r} is no control token in the file.",
            )
        if kind not in (gguf.TokenType.CONTROL, gguf.TokenType.USER_DEFINED, gguf.TokenType.UNKNOWN):
            return Finding(
                Reason.TOKENIZER_DIFFERS,
                f"The added token {token.content!r} is an ordinary token in the file.",
            )
    stated = fields.get("tokenizer.ggml.eos_token_id")
    ends = source.end_ids
    if stated is not None and ends and int(stated.contents()) not in ends:
        return Finding(
            Reason.STOP_TOKENS_DIFFER,
            f"The file ends answers at token {stated.contents()}, the model at {', '.join(map(str, ends))}.",
        )
    template = fields.get("tokenizer.chat_template")
    if source.tokenizer.chat_template and (
        template is None or template.contents() != source.tokenizer.chat_template
    ):
        return Finding(Reason.TEMPLATE_DIFFERS, "The file holds another chat template.")
    return None
