"""Inspection of a model's files before anything loads them: which belong to a model, and what does not fit together.

It reads JSON files and the headers of safetensors files, never a tensor. A whole model needs `config.json`, a
tokenizer, a chat template and safetensors; an adapter needs `adapter_config.json` and `adapter_model.safetensors`, and
takes the rest from its base. A classical model needs `classical.json` and `estimator.skops`, a small neural model
`neural.json`, `model.safetensors` and `tokenizer.json`; what is in them is checked where they are loaded. It does not
know who asks, and whether transformers knows the architecture.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from ratoon.storage.adapter_rules import adapter_problems, fit_problems
from ratoon.storage.model_problem import Problem
from ratoon.storage.models import ADAPTER_CONFIG, CLASSICAL_CONFIG, NEURAL_CONFIG
from ratoon.storage.safetensors_header import LFS_POINTER, DamagedFile, Tensor, read_header

if TYPE_CHECKING:
    from ratoon.storage.artifacts import ArtifactStore

JSON = dict[str, Any]

WEIGHTS = re.compile(r"(adapter_)?model(-\d{5}-of-\d{5})?\.safetensors")
TEMPLATE = "chat_template.jinja"
INDEX = "model.safetensors.index.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
ENCODERS = ("bert", "distilbert", "modernbert")
"""Kinds of encoders that a small neural model is trained on from, as `config.json` names them."""
KNOWN = frozenset(
    {
        "README.md",
        ADAPTER_CONFIG,
        "added_tokens.json",
        TEMPLATE,
        "config.json",
        "generation_config.json",
        "merges.txt",
        INDEX,
        "ratoon.json",
        "recipe.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "training.json",
        "vocab.json",
    }
)
"""Files of a model besides its weights; every other file is left out."""
ESTIMATOR = "estimator.skops"
CLASSICAL = frozenset(
    {
        CLASSICAL_CONFIG,
        ESTIMATOR,
        "README.md",
        "recipe.json",
        "table.json",
        "table.skops",
        "training.json",
        "vocabulary.json",
        "model.safetensors",
    }
)
"""Files of a classical model; every other file is left out."""
NEURAL = frozenset(
    {NEURAL_CONFIG, "README.md", "recipe.json", "tokenizer.json", "training.json", "model.safetensors"}
)
"""Files of a small neural model; every other file is left out."""
_DOCUMENTS = re.compile(
    r"(.*\.(md|txt|png|jpe?g|gif|svg|pdf)|licen[cs]e|notice|use_policy|\.git.*)", re.IGNORECASE
)
_PICKLED = frozenset(
    {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".h5", ".msgpack"}
)
_OBJECTS = ("config.json", "tokenizer_config.json", "generation_config.json", "recipe.json", "ratoon.json")
_EMBEDDINGS = (
    "embed_tokens.weight",
    "wte.weight",
    "word_embeddings.weight",
    "embed_in.weight",
    "tok_embeddings.weight",
)
_POSITIONS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "max_sequence_length",
    "max_seq_length",
)
_LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
_WIDTHS = (("hidden_size", "embed_tokens.weight", 1), ("intermediate_size", ".mlp.up_proj.weight", 0))
"""Keys of config.json, and the tensor and axis that show them."""
_CAUSAL = re.compile(r"ForCausalLM|LMHeadModel|ForConditionalGeneration")
"""Classes of transformers that write text."""
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.")
_MAX_POSITIONS = 1 << 24
_MAX_JSON = 128 << 20
_MAX_TEXT = 1 << 20
_SOME = 5
"""Names that a sentence lists."""


class ModelFiles(Protocol):
    """The files of a model, wherever they lie."""

    def sizes(self) -> Mapping[str, int]:
        """Bytes of each file, by its relative POSIX path."""
        ...

    def open(self, path: str) -> BinaryIO:
        """A reader of one file."""
        ...


class FolderFiles:
    """The files below a directory of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sizes(self) -> Mapping[str, int]:
        """Bytes of each file."""
        files = (path for path in sorted(self._folder.rglob("*")) if path.is_file())
        return {path.relative_to(self._folder).as_posix(): path.stat().st_size for path in files}

    def open(self, path: str) -> BinaryIO:
        """A reader of one file."""
        return (self._folder / path).open("rb")


class StoredFiles:
    """The files of a tree in the artifact store."""

    def __init__(self, store: "ArtifactStore", digest: str) -> None:
        self._store = store
        self._files = {file.path: file for file in store.tree(digest)}

    def sizes(self) -> Mapping[str, int]:
        """Bytes of each file, as the store has them, whatever the manifest states."""
        return {path: self._store.size(file.sha256) for path, file in self._files.items()}

    def open(self, path: str) -> BinaryIO:
        """A reader of one file."""
        return self._store.open_as_it_is(self._files[path].sha256)


@dataclass(frozen=True)
class Inspection:
    """Statements of a model's files, and every reason why they make no model."""

    problems: tuple[Problem, ...] = ()
    left_out: tuple[str, ...] = ()
    """Files that belong to no model, such as `optimizer.pt`; nothing reads them."""
    is_adapter: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    tokens: int = 0
    """One more than the highest token id of the tokenizer; 0: it has none."""
    has_template: bool = False
    rank: int = 0
    """An adapter's rank."""
    is_classical: bool = False
    is_neural: bool = False

    @property
    def positions(self) -> int:
        """Tokens that the model can hold, prompt and answer together; 0: not stated."""
        return positions(self.config)

    @property
    def vocabulary(self) -> int:
        """Rows of the embeddings: token ids that the model knows; 0: not known."""
        return embedding_rows(self.tensors) or _whole_number(_text_config(self.config).get("vocab_size"))

    @property
    def base_problems(self) -> tuple[Problem, ...]:
        """Problems of a tree that is used unchanged, as a base model is: documents next to the model are allowed."""
        strange = [name for name in self.left_out if not _DOCUMENTS.fullmatch(name.rpartition("/")[2])]
        if self.is_classical:
            message = "It is a classical model, which no training continues: train a new one with the recipe classical."
            return (*self.problems, Problem("CLASSICAL_MODEL", message))
        if self.is_neural:
            message = "It is a small neural model, which the recipe neural alone continues: train with it."
            return (*self.problems, Problem("NEURAL_MODEL", message))
        if weight_format(self.config):
            message = (
                f"Its weights are {weight_format(self.config)}, which no training continues: name its source."
            )
            return (*self.problems, Problem("DTYPE_UNSUPPORTED", message))
        if not strange:
            return self.problems
        message = (
            f"{_named(strange)} {'is no file' if len(strange) == 1 else 'are no files'} of a model: "
            "`ratoon models upload` leaves such files out."
        )
        return (*self.problems, Problem("UNKNOWN_FILE", message))


def inspect_model_tree(files: ModelFiles, base: Inspection | None = None) -> Inspection:
    """Inspect a whole model, or an adapter, with its base if that is known."""
    sizes = files.sizes()
    if CLASSICAL_CONFIG in sizes:
        return _classical(files, sizes)
    return _neural(files, sizes) if NEURAL_CONFIG in sizes else _Inspector(files, base).inspection()


def _classical(files: ModelFiles, sizes: Mapping[str, int]) -> Inspection:
    """Return the inspection of a classical model."""
    problems = _small_problems(files, sizes, CLASSICAL_CONFIG, (ESTIMATOR,))
    return Inspection(problems, tuple(partition_files(sizes)[1]), is_classical=True)


def _neural(files: ModelFiles, sizes: Mapping[str, int]) -> Inspection:
    """Return the inspection of a small neural model."""
    problems = _small_problems(files, sizes, NEURAL_CONFIG, ("model.safetensors", "tokenizer.json"))
    return Inspection(problems, tuple(partition_files(sizes)[1]), is_neural=True)


def _small_problems(
    files: ModelFiles, sizes: Mapping[str, int], config: str, needed: Iterable[str]
) -> tuple[Problem, ...]:
    missing = [
        Problem("FILE_MISSING", f"{name} is missing: train the model again, or copy all of its files.")
        for name in needed
        if not sizes.get(name)
    ]
    if _object_or_none(files, config) is None:
        missing.append(Problem("JSON_DAMAGED", f"{config} holds no JSON object: copy it again."))
    return tuple(missing)


def inspect_stored_model(store: "ArtifactStore", digest: str) -> Inspection:
    """Inspect a tree of the artifact store; the problems of the base that an adapter names are among its own."""
    files = StoredFiles(store, digest)
    recipe = _object_or_none(files, "recipe.json") or {}
    named = str(recipe.get("base_artifact_digest") or "")
    if ADAPTER_CONFIG not in files.sizes() or not named:
        return inspect_model_tree(files)
    base = inspect_model_tree(StoredFiles(store, named))
    of_base = tuple(Problem(p.reason, f"Its base model: {p.message}") for p in base.base_problems)
    inspection = inspect_model_tree(files, base)
    return Inspection(**{**vars(inspection), "problems": (*of_base, *inspection.problems)})


def model_positions(files: ModelFiles) -> int:
    """Tokens that the model of these files holds, prompt and answer together; 0: not stated."""
    return positions(_object_or_none(files, "config.json") or {})


def partition_files(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Files of a model, and the others."""
    ordered = sorted(names)
    for config, own in ((CLASSICAL_CONFIG, CLASSICAL), (NEURAL_CONFIG, NEURAL)):
        if config in ordered:
            return [name for name in ordered if name in own], [name for name in ordered if name not in own]
    known = [name for name in ordered if name in KNOWN or WEIGHTS.fullmatch(name)]
    return known, [name for name in ordered if name not in set(known)]


def weight_format(config: Mapping[str, Any]) -> str:
    """Return `int8` (W8A8) or `int4` (W4A16) for weights of compressed-tensors in one of these; empty for others."""
    stated = config.get("quantization_config")
    if not isinstance(stated, dict) or stated.get("quant_method") != "compressed-tensors":
        return ""
    groups = stated.get("config_groups")
    schemes = list(groups.values()) if isinstance(groups, dict) else []
    formats = {_scheme_format(scheme) for scheme in schemes} or {""}
    return formats.pop() if len(formats) == 1 else ""


def _scheme_format(scheme: Any) -> str:
    if not isinstance(scheme, dict) or not isinstance(weights := scheme.get("weights"), dict):
        return ""
    inputs = scheme.get("input_activations")
    bits = _whole_number(weights.get("num_bits")) if weights.get("type") == "int" else 0
    input_bits = _whole_number(inputs.get("num_bits")) if isinstance(inputs, dict) else 0
    return {(8, 8): "int8", (4, 0): "int4"}.get((bits, input_bits), "")


def is_encoder(config: Mapping[str, Any]) -> bool:
    """Return whether `config.json` describes an encoder from which small neural models begin."""
    return config.get("model_type") in ENCODERS


def positions(config: Mapping[str, Any]) -> int:
    """Positions that a model's config.json states; 0: none."""
    stated = [_whole_number(_text_config(config).get(name)) for name in _POSITIONS]
    return min((number for number in stated if number), default=0)


def embedding_rows(tensors: Mapping[str, Tensor]) -> int:
    """Rows of the input embeddings; 0: they are under no name that is known."""
    shapes = [tensor.shape for name, tensor in tensors.items() if name.endswith(_EMBEDDINGS)]
    return max((shape[0] for shape in shapes if len(shape) == 2), default=0)


class _Inspector:
    """One inspection: reads each file once, and collects problems."""

    def __init__(self, files: ModelFiles, base: Inspection | None) -> None:
        self._files, self._base = files, base
        self._sizes = files.sizes()
        self._known, self._left_out = partition_files(self._sizes)
        self._problems: list[Problem] = []
        self._unsound: set[str] = set()
        """Files without bytes of their own."""

    def inspection(self) -> Inspection:
        """All that can be stated without loading."""
        self._check_bytes()
        self._check_present()
        config, tensors = self._config, self._tensors()
        self._check_config(config)
        tokens, template = self._tokens(), self._has_template()
        rank = self._check_adapter(tensors) if self._is_adapter else 0
        if not self._is_adapter:
            self._check_fit(config, tensors, tokens)
        elif self._base is not None and tokens:
            self._check_tokens(tokens, self._base.vocabulary)
        if not template and not (self._is_adapter and self._base is None):
            self._add(
                "CHAT_TEMPLATE_MISSING", "The model has no chat template: add one as chat_template.jinja."
            )
        return Inspection(
            tuple(self._problems),
            tuple(self._left_out),
            self._is_adapter,
            config,
            tensors,
            tokens,
            template,
            rank,
        )

    @cached_property
    def _is_adapter(self) -> bool:
        return ADAPTER_CONFIG in self._known

    @cached_property
    def _config(self) -> JSON:
        return self._object("config.json") or (dict(self._base.config) if self._base else {})

    @cached_property
    def _weights(self) -> list[str]:
        prefix = "adapter_model" if self._is_adapter else "model"
        return [name for name in self._known if WEIGHTS.fullmatch(name) and name.startswith(prefix)]

    def _add(self, reason: str, message: str) -> None:
        message = message.encode(errors="replace").decode()
        if all(problem.message != message for problem in self._problems):
            self._problems.append(Problem(reason, message))

    def _check_bytes(self) -> None:
        """Empty files, and the pointers that git-lfs leaves where it was not installed."""
        for name in self._known:
            if not self._sizes[name] and name not in ("README.md", "merges.txt"):
                self._unsound.add(name)
                self._add("FILE_EMPTY", f"{name} is empty: copy or save it again.")
            elif self._sizes[name] < 1024 and self._head(name).startswith(LFS_POINTER):
                self._unsound.add(name)
                self._add(
                    "LFS_POINTER",
                    f"{name} is a pointer of git-lfs, not the file itself: run `git lfs pull` where you cloned the "
                    "model, or download it again.",
                )

    def _head(self, name: str) -> bytes:
        with self._files.open(name) as source:
            return source.read(len(LFS_POINTER))

    def _sound(self, name: str) -> bool:
        """Return whether the file is there, with bytes of its own."""
        return name in self._known and name not in self._unsound

    def _check_present(self) -> None:
        if not self._sizes:
            self._add(
                "MODEL_EMPTY",
                "There is no file: name a directory with config.json, a tokenizer and safetensors.",
            )
            return
        needed = () if self._is_adapter else ("config.json", "tokenizer.json", "tokenizer_config.json")
        for name in needed:
            if name not in self._known:
                self._add("FILE_MISSING", f"{name} is missing. {_REMEDIES[name]}")
        if self._is_adapter:
            self._check_weights_present([ADAPTER_WEIGHTS])
        elif INDEX in self._known:
            self._check_weights_present(self._shards())
        else:
            self._check_weights_present(self._weights or ["model.safetensors"])
            self._check_no_index()

    def _check_no_index(self) -> None:
        if self._weights and "model.safetensors" not in self._weights:
            self._add("FILE_MISSING", f"{INDEX} is missing: the weights are in parts, and it names them.")

    def _shards(self) -> list[str]:
        """The files that the index names."""
        index = self._object(INDEX) or {}
        named = index.get("weight_map")
        if not isinstance(named, dict) or not named:
            self._add("JSON_DAMAGED", f"{INDEX} has no weight_map: save the model again.")
            return []
        return sorted({str(name) for name in named.values()})

    def _check_weights_present(self, needed: list[str]) -> None:
        missing = [name for name in needed if name not in self._sizes]
        if not missing:
            return
        pickled = [name for name in self._left_out if Path(name).suffix.lower() in _PICKLED]
        if pickled and not self._weights:
            self._add(
                "PICKLE_FOUND",
                f"The weights are pickled ({_named(pickled)}), and to load them would run whatever code they hold: "
                "save the model as safetensors, with `model.save_pretrained(folder, safe_serialization=True)`.",
            )
            return
        self._add(
            "WEIGHTS_MISSING",
            f"{_named(missing)} {'is' if len(missing) == 1 else 'are'} missing: copy the weights again, or save them "
            "as safetensors.",
        )

    def _object(self, name: str) -> JSON | None:
        """A JSON object among the files; None, with a problem, when it is none."""
        if not self._sound(name):
            return None
        value = _object_or_none(self._files, name)
        if value is None:
            self._add("JSON_DAMAGED", f"{name} holds no JSON object in UTF-8: copy or save it again.")
        return value

    def _tensors(self) -> dict[str, Tensor]:
        tensors: dict[str, Tensor] = {}
        for name in self._weights:
            if not self._sound(name):
                continue
            try:
                with self._files.open(name) as source:
                    tensors |= read_header(source, self._sizes[name])
            except DamagedFile as error:
                self._add("WEIGHTS_DAMAGED", f"{name} {error}.")
        if not tensors and self._weights and not self._problems:
            self._add("WEIGHTS_MISSING", f"{_named(self._weights)} holds no tensor: save the weights again.")
        quantised = sorted({tensor.dtype for tensor in tensors.values() if _quantised(tensor)})
        if quantised and not weight_format(self._config):
            self._add(
                "DTYPE_UNSUPPORTED", f"The weights are of type {', '.join(quantised)}. {_PLAIN_WEIGHTS}"
            )
        return tensors

    def _check_config(self, config: JSON) -> None:
        for name in _OBJECTS:
            stated = self._object(name) or {}
            if "auto_map" in stated:
                self._add(
                    "CODE_FOUND",
                    f"{name} asks for code of its own (auto_map), which is never run: the architecture must be one "
                    "that transformers has.",
                )
        self._check_limits(self._object("ratoon.json") or {})
        if config and not config.get("model_type"):
            self._add("CONFIG_INCOMPLETE", "config.json has no model_type: save the model with transformers.")
        if (stated_names := _architectures(config)) and not any(map(_CAUSAL.search, stated_names)):
            self._add(
                "NOT_CAUSAL_LM",
                f"config.json names {_named(stated_names)}, which is no causal language model: choose a model that "
                "writes text (…ForCausalLM).",
            )
        if config.get("quantization_config") and not weight_format(config):
            self._add(
                "DTYPE_UNSUPPORTED",
                "The weights are quantised, and not as int8 (W8A8) or int4 (W4A16) of compressed-tensors. "
                f"{_PLAIN_WEIGHTS}",
            )
        if (limit := positions(config)) > _MAX_POSITIONS:
            self._add(
                "CONFIG_IMPLAUSIBLE", f"config.json states {limit:,} positions; at most {_MAX_POSITIONS:,}."
            )

    def _check_limits(self, stated: JSON) -> None:
        """Check that the statements of the model on its prompts are numbers."""
        for key, value in stated.items():
            if key.startswith("max_prompt_") and value != 0 and not _whole_number(value):
                self._add(
                    "JSON_DAMAGED",
                    f"ratoon.json states {key}, but no whole number: correct it, or leave it out.",
                )

    def _check_fit(self, config: JSON, tensors: Mapping[str, Tensor], tokens: int) -> None:
        """Check that config.json, weights and tokenizer belong to one model."""
        rows, stated = embedding_rows(tensors), _whole_number(_text_config(config).get("vocab_size"))
        if rows and stated and rows != stated:
            self._add(
                "WEIGHTS_MISMATCH",
                f"config.json states a vocabulary of {stated:,}, the embeddings have {rows:,} rows: they belong to "
                "different models.",
            )
        layers = {int(match.group(1)) for name in tensors if (match := _LAYER.search(name))}
        stated_layers = max((_whole_number(_text_config(config).get(name)) for name in _LAYERS), default=0)
        if layers and stated_layers and len(layers) < stated_layers:
            self._add(
                "WEIGHTS_MISMATCH",
                f"config.json states {stated_layers:,} layers, the weights have {len(layers):,}.",
            )
        self._check_widths(config, tensors)
        self._check_tokens(tokens, rows or stated)
        self._check_index(tensors)

    def _check_widths(self, config: JSON, tensors: Mapping[str, Tensor]) -> None:
        """The two widths that decide what a model takes to be built."""
        stated = _text_config(config)
        projected = any(stated.get(name) for name in ("word_embed_proj_dim", "embedding_size"))
        for name, ending, place in () if projected else _WIDTHS:
            stated_width = _whole_number(stated.get(name))
            widths = {
                t.shape[place] for key, t in tensors.items() if key.endswith(ending) and len(t.shape) == 2
            }
            if stated_width and widths and stated_width not in widths:
                self._add(
                    "WEIGHTS_MISMATCH",
                    f"config.json states a {name} of {stated_width:,}, the weights {max(widths):,}.",
                )

    def _check_tokens(self, tokens: int, rows: int) -> None:
        if tokens and rows and tokens > rows:
            self._add(
                "TOKENIZER_MISMATCH",
                f"The tokenizer has {tokens:,} tokens, the model's embeddings only {rows:,} rows: resize the "
                "embeddings (`model.resize_token_embeddings`) and save the model again, or take its own tokenizer.",
            )

    def _check_index(self, tensors: Mapping[str, Tensor]) -> None:
        if INDEX not in self._known or any(p.reason.startswith("WEIGHTS_") for p in self._problems):
            return
        stated = (self._object(INDEX) or {}).get("weight_map")
        named = stated if isinstance(stated, dict) else {}
        if lacking := sorted(set(map(str, named)) - set(tensors)):
            self._add("WEIGHTS_MISSING", f"{INDEX} names tensors that no file has: {_named(lacking)}.")

    def _tokens(self) -> int:
        tokenizer = self._object("tokenizer.json")
        return 0 if tokenizer is None else token_count(tokenizer)

    def _has_template(self) -> bool:
        if self._sound(TEMPLATE):
            self._check_text(TEMPLATE)
            return True
        stated = self._object("tokenizer_config.json") or {}
        return bool(stated.get("chat_template")) or bool(self._base and self._base.has_template)

    def _check_text(self, name: str) -> None:
        with self._files.open(name) as source:
            text = source.read(_MAX_TEXT + 1)
        if len(text) > _MAX_TEXT:
            self._add("CHAT_TEMPLATE_FAILS", f"{name} has more than {_MAX_TEXT:,} bytes.")
            return
        try:
            text.decode()
        except UnicodeDecodeError:
            self._add("CHAT_TEMPLATE_FAILS", f"{name} is no text in UTF-8: save it as UTF-8.")

    def _check_adapter(self, tensors: Mapping[str, Tensor]) -> int:
        config = self._object(ADAPTER_CONFIG)
        if config is None:
            return 0
        for problem in adapter_problems(config, tensors):
            self._add(problem.reason, problem.message)
        for problem in fit_problems(tensors, self._base.tensors) if self._base is not None else ():
            self._add(problem.reason, problem.message)
        return _whole_number(config.get("r"))


def token_count(tokenizer: Mapping[str, Any]) -> int:
    """One more than the highest id in a tokenizer.json; 0 when it states none."""
    model = tokenizer.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    highest = -1
    if isinstance(vocabulary, dict):
        highest = max((_whole_number(number) for number in vocabulary.values()), default=-1)
    elif isinstance(vocabulary, list):
        highest = len(vocabulary) - 1
    added = tokenizer.get("added_tokens")
    rows = added if isinstance(added, list) else []
    return max([highest, *(_whole_number(row.get("id")) for row in rows if isinstance(row, dict))]) + 1


_PLAIN_WEIGHTS = "Save the model with float32, float16 or bfloat16 weights."
_REMEDIES = {
    "config.json": "A model's directory holds it with the weights: name that directory.",
    "tokenizer.json": "Write it with `AutoTokenizer.from_pretrained(name).save_pretrained(folder)`.",
    "tokenizer_config.json": "Write it with `AutoTokenizer.from_pretrained(name).save_pretrained(folder)`.",
}


def _object_or_none(files: ModelFiles, name: str) -> JSON | None:
    """A JSON object among the files; None when it is not there, too large, or anything else."""
    size = files.sizes().get(name)
    if size is None or size > _MAX_JSON:
        return None
    with files.open(name) as source:
        try:
            value = json.loads(source.read().decode())
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def _text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a config.json that describes the language model."""
    nested = config.get("text_config")
    return {**config, **nested} if isinstance(nested, dict) else config


def _quantised(tensor: Tensor) -> bool:
    """Return True for weights of eight bits and less; masks and tables of whole numbers have other shapes."""
    whole_numbers = tensor.dtype.startswith(("I", "U")) and len(tensor.shape) == 2
    return whole_numbers or tensor.dtype.startswith(("F8", "F4", "F6"))


def _architectures(config: Mapping[str, Any]) -> list[str]:
    """Return the classes of transformers that config.json names."""
    stated = config.get("architectures")
    return [name for name in stated if isinstance(name, str)] if isinstance(stated, list) else []


def _whole_number(value: Any) -> int:
    """A whole number above 0, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _named(names: list[str]) -> str:
    """Some names, and how many more there are."""
    more = len(names) - _SOME
    return ", ".join(names[:_SOME]) + (f" and {more} more" if more > 0 else "")
