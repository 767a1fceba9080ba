"""Steps of curation that a project lists: their names, their typed parameters, and presets.

A step is stored as its name and its parameters as text. `ingestion` runs it; `flywheel` checks it when a project is
written. A step of another package has a dot in its name, such as `acme.signatures`; its own code checks its parameters.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_STEPS = 50
PRESET = "preset"
"""Name of the step that stands for those of a preset; its parameter is `name`."""
DECONTAMINATION = "decontamination"
"""Name of the step that removes texts of test parts and benchmarks; its parameter `benchmarks` names sources."""
SEGMENT = "segment"
"""Name of the step that cuts long texts into windows."""
SUBSTRING_DUPLICATES, SEMANTIC_DUPLICATES = "substring_duplicates", "semantic_duplicates"
"""Names of the steps that compare all records of a version, after the others."""
AUGMENT = "augment"
"""Name of the step that a split runs for its training part."""
NAMED_ENTITIES = "named_entities"
"""Name of the step that replaces names and addresses."""
ENTITY_KINDS = ("person", "address", "organization")
"""Kinds of entities that the step `named_entities` knows."""
DEFAULT_STEPS = ("personal_data", "language", "length", "garbage")
"""Steps that always run, in this order unless a list names them; their settings are those of the curation."""
PERSONAL_DATA_KINDS = ("url", "email", "ip", "iban", "national_id", "passport", "card", "phone")
"""Kinds of personal data that the step `personal_data` knows."""
ACTIONS = ("mask", "hash", "drop", "keep")
"""What the step `personal_data` does with a kind: replace it by its name or a keyed hash, drop the record, nothing."""


class BadStep(ValueError):
    """A step or a parameter is not valid; the sentence says what is."""


@dataclass(frozen=True)
class Step:
    """A step and its parameters as text."""

    name: str
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_external(self) -> bool:
        """Return whether another package provides the step."""
        return "." in self.name


@dataclass(frozen=True)
class Parameter:
    """A parameter of a step: its default, and how its text is read (ValueError says what is valid)."""

    default: Any
    read: Callable[[str], Any]
    names_sources: bool = False
    """The values are IDs of sources of the project, which the step reads."""


def sources_of(steps: Iterable[Step]) -> tuple[str, ...]:
    """Return the IDs of the sources that built-in steps read, but for benchmarks of `decontamination`, in order."""
    named: list[str] = []
    for step in steps:
        for name, parameter in STEPS.get(step.name, {}).items():
            if parameter.names_sources:
                value = settings_of(step)[name]
                named += (value,) if isinstance(value, str) else value
    return tuple(dict.fromkeys(filter(None, named)))


def settings_of(step: Step) -> dict[str, Any]:
    """Return the values of all parameters of a built-in step; BadStep names what is not valid."""
    if step.name not in STEPS and step.name != "personal_data":
        names = ", ".join((*DEFAULT_STEPS, *STEPS))
        raise BadStep(
            f"{step.name!r} is not one of the steps of curation: {names}. Steps of other packages have a dot in "
            "their names."
        )
    parameters = STEPS.get(step.name, PERSONAL_DATA)
    if unknown := sorted(step.params.keys() - parameters.keys()):
        known = ", ".join(parameters) or "none"
        raise BadStep(f"The step {step.name} has no parameter {unknown[0]!r}; it has {known}.")
    values = {name: _value(step, name, parameter) for name, parameter in parameters.items()}
    if missing := [name for name, value in values.items() if value is None]:
        raise BadStep(f"Set {missing[0]} of the step {step.name}.")
    if problem := _CHECKS.get(step.name, _no_problem)(values):
        raise BadStep(f"{problem} of the step {step.name}.")
    return values


def _no_problem(values: Mapping[str, Any]) -> str:
    return ""


def parsed_steps(texts: Iterable[str]) -> tuple[Step, ...]:
    """Return the steps, and those of presets, that `NAME:PARAMETER=VALUE;…` name; BadStep if one is not valid."""
    steps = with_presets(tuple(map(_parsed, texts)))
    check_steps(steps)
    return steps


def _parsed(text: str) -> Step:
    name, _, params = text.partition(":")
    pairs = [pair.partition("=") for pair in params.split(";") if pair.strip()]
    if bad := [key for key, equals, _ in pairs if not equals]:
        raise BadStep(f"{bad[0][:50]!r} of the step {name[:50]} is not PARAMETER=VALUE.")
    return Step(name.strip(), {key.strip(): value.strip() for key, _, value in pairs})


def with_presets(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return the steps with those of a preset in place of `preset`; BadStep for an unknown one."""
    return tuple(each for step in steps for each in _preset(step))


def _preset(step: Step) -> tuple[Step, ...]:
    if step.name != PRESET:
        return (step,)
    name = step.params.get("name", "")
    if name not in PRESETS or len(step.params) > 1:
        raise BadStep(f"Set name of the step {PRESET}, and nothing else, to one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def check_steps(steps: Sequence[Step]) -> None:
    """Raise BadStep unless every step is valid and none but those of other packages is listed twice."""
    if len(steps) > MAX_STEPS:
        raise BadStep(f"A curation takes up to {MAX_STEPS} steps, not {len(steps)}.")
    names = [step.name for step in steps]
    for step in steps:
        if step.is_external:
            continue
        if names.count(step.name) > 1:
            raise BadStep(f"The step {step.name} is listed twice.")
        if step.name not in DEFAULT_STEPS or step.name == "personal_data":
            settings_of(step)
        elif step.params:
            raise BadStep(
                f"The step {step.name} takes no parameters here; they are settings of the curation."
            )


def complete(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return the steps in the order in which they run: default steps that are not listed follow, in their own order."""
    listed = {step.name for step in steps}
    return (*steps, *(Step(name) for name in DEFAULT_STEPS if name not in listed))


def _value(step: Step, name: str, parameter: Parameter) -> Any:
    if name not in step.params:
        return parameter.default
    text = step.params[name].strip()
    try:
        return parameter.read(text)
    except ValueError as error:
        raise BadStep(f"{step.name}.{name} must be {error}, not {text[:50]!r}.") from None


def _integer(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) < 12 and low <= int(text) <= high):
            raise ValueError(f"a whole number from {low:,} to {high:,}")
        return int(text)

    return read


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ValueError("a number from 0 to 1")
    return value


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1e9:
        raise ValueError("a number from 0 to 1,000,000,000")
    return value


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("true or false")
    return text == "true"


def _words(text: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))
    if not words or len(words) > 10_000:
        raise ValueError("1 to 10,000 entries separated by commas")
    return words


def _source_ids(text: str) -> tuple[str, ...]:
    ids = _words(text)
    if not all(_ID.fullmatch(each) for each in ids):
        raise ValueError("IDs of sources of the project, separated by commas")
    return ids


def _text(text: str) -> str:
    if not text or len(text) > 200:
        raise ValueError("1 to 200 characters")
    return text


def _source_id(text: str) -> str:
    if text and not _ID.fullmatch(text):
        raise ValueError("the ID of a source of the project")
    return text


def _digest(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("the digest of the artifact of a version, 64 hexadecimal digits")
    return text


def _regions(text: str) -> tuple[str, ...]:
    regions = _words(text)
    if not all(len(region) == 2 and region.isascii() and region.isupper() for region in regions):
        raise ValueError("ISO 3166 codes such as `CN, US`")
    return regions


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(" or ".join(choices))
        return text

    return read


_ID = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62})")
_COUNT = _integer(0, 10_000_000)
_TOP = {2: 0.20, 3: 0.18, 4: 0.16}
_DUPLICATED = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}


def _word_lists(action: str) -> Mapping[str, Parameter]:
    return {
        "lists": Parameter(None, _source_ids, names_sources=True),
        "action": Parameter(action, _one_of("drop", "mask", "mark")),
        "min_matches": Parameter(1, _integer(1, 10_000)),
        "max_share": Parameter(0.0, _share),
    }


_TOKENIZER = Parameter("", _source_id, names_sources=True)

STEPS: Mapping[str, Mapping[str, Parameter]] = {
    "fix_text": {
        "html_entities": Parameter(True, _flag),
        "quotes": Parameter(False, _flag),
        "ligatures": Parameter(False, _flag),
        "width": Parameter(False, _flag),
    },
    "simplify_chinese": {},
    "chinese_words": {"dictionary": Parameter("", _source_id, names_sources=True)},
    "normalize": {
        "form": Parameter("NFKC", _one_of("NFKC", "NFC", "none")),
        "width": Parameter(True, _flag),
        "whitespace": Parameter(True, _flag),
    },
    "html_boilerplate": {},
    "segment": {
        "max_tokens": Parameter(512, _integer(8, 1_000_000)),
        "overlap": Parameter(0, _integer(0, 100_000)),
        "unit": Parameter("sentences", _one_of("sentences", "tokens")),
        "tokenizer": _TOKENIZER,
    },
    "token_count": {
        "min_tokens": Parameter(0, _COUNT),
        "max_tokens": Parameter(0, _COUNT),
        "tokenizer": _TOKENIZER,
    },
    "gopher_quality": {
        "min_words": Parameter(50, _COUNT),
        "max_words": Parameter(100_000, _COUNT),
        "min_mean_word_chars": Parameter(3, _COUNT),
        "max_mean_word_chars": Parameter(10, _COUNT),
        "max_symbol_share": Parameter(0.1, _share),
        "max_bullet_share": Parameter(0.9, _share),
        "max_ellipsis_share": Parameter(0.3, _share),
        "min_letter_word_share": Parameter(0.8, _share),
        "min_stop_words": Parameter(2, _COUNT),
    },
    "gopher_repetition": {
        "max_duplicate_line_share": Parameter(0.3, _share),
        "max_duplicate_paragraph_share": Parameter(0.3, _share),
        "max_duplicate_line_char_share": Parameter(0.2, _share),
        "max_duplicate_paragraph_char_share": Parameter(0.2, _share),
        **{f"max_top_{size}_gram_share": Parameter(share, _share) for size, share in _TOP.items()},
        **{
            f"max_duplicate_{size}_gram_share": Parameter(share, _share)
            for size, share in _DUPLICATED.items()
        },
    },
    "c4": {
        "min_sentences": Parameter(5, _COUNT),
        "min_words_per_line": Parameter(3, _COUNT),
        "max_word_chars": Parameter(1_000, _COUNT),
        "end_punctuation": Parameter(True, _flag),
    },
    "fineweb": {
        "min_end_punctuation_share": Parameter(0.12, _share),
        "short_line_chars": Parameter(30, _COUNT),
        "max_short_line_share": Parameter(0.67, _share),
        "max_duplicate_char_share": Parameter(0.01, _share),
        "max_line_breaks_per_word": Parameter(0.3, _share),
    },
    "perplexity": {
        "reference": Parameter("", _source_id, names_sources=True),
        "arpa": Parameter("", _source_id, names_sources=True),
        "order": Parameter(3, _integer(1, 5)),
        "unit": Parameter("words", _one_of("words", "characters")),
        "min_perplexity": Parameter(0.0, _number),
        "max_perplexity": Parameter(0.0, _number),
        "min_percentile": Parameter(0.0, _share),
        "max_percentile": Parameter(1.0, _share),
    },
    "classifier": {
        "good": Parameter("", _source_id, names_sources=True),
        "bad": Parameter("", _source_id, names_sources=True),
        "version_digest": Parameter("", _digest),
        "label": Parameter("", _text),
        "min_score": Parameter(0.5, _share),
    },
    "url_blocklist": {"block": Parameter(None, _words)},
    "word_list": {"block": Parameter(None, _words), "min_matches": Parameter(1, _integer(1, 10_000))},
    "toxic_words": _word_lists("drop"),
    "bias_words": _word_lists("mark"),
    "topic": {
        "keywords": Parameter("", _source_id, names_sources=True),
        "reference": Parameter("", _source_id, names_sources=True),
        "topics": Parameter(10, _integer(2, 200)),
        "keep": Parameter((), _words),
        "drop": Parameter((), _words),
        "min_matches": Parameter(1, _integer(1, 10_000)),
    },
    "license": {"allow": Parameter(None, _words)},
    NAMED_ENTITIES: {
        "model": Parameter(None, _text),
        **{
            kind: Parameter("keep" if kind == "organization" else "mask", _one_of(*ACTIONS))
            for kind in ENTITY_KINDS
        },
    },
    SUBSTRING_DUPLICATES: {
        "min_chars": Parameter(200, _integer(20, 10_000)),
        "action": Parameter("cut", _one_of("cut", "drop")),
        "max_share": Parameter(0.5, _share),
    },
    SEMANTIC_DUPLICATES: {"threshold": Parameter(0.95, _share)},
    AUGMENT: {
        "copies": Parameter(1, _integer(1, 20)),
        "character_noise": Parameter(0.0, _share),
        "synonyms": Parameter("", _source_id, names_sources=True),
        "synonym_share": Parameter(0.1, _share),
    },
    DECONTAMINATION: {
        "benchmarks": Parameter((), _source_ids),
        "test_parts": Parameter(True, _flag),
        "gram_words": Parameter(13, _integer(8, 50)),
        "min_item_words": Parameter(5, _integer(2, 50)),
    },
}
"""Parameters of each built-in step; a default of None means that the parameter must be set."""


def _segment_problem(values: Mapping[str, Any]) -> str:
    return "" if values["overlap"] < values["max_tokens"] else "Set overlap below max_tokens"


def _perplexity_problem(values: Mapping[str, Any]) -> str:
    if not values["reference"] and not values["arpa"]:
        return "Set reference or arpa"
    has_percentile = values["min_percentile"] > 0 or values["max_percentile"] < 1
    return (
        "Set reference, with which percentiles are compared,"
        if has_percentile and not values["reference"]
        else ""
    )


def _topic_problem(values: Mapping[str, Any]) -> str:
    return "" if bool(values["keywords"]) != bool(values["reference"]) else "Set either keywords or reference"


def _classifier_problem(values: Mapping[str, Any]) -> str:
    by_texts, by_version = (values["good"], values["bad"]), (values["version_digest"], values["label"])
    is_set = (all(by_texts) and not any(by_version)) or (all(by_version) and not any(by_texts))
    return "" if is_set else "Set either good and bad, or version_digest and label"


def _augment_problem(values: Mapping[str, Any]) -> str:
    return "" if values["character_noise"] or values["synonyms"] else "Set character_noise or synonyms"


_CHECKS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "topic": _topic_problem,
    AUGMENT: _augment_problem,
    "classifier": _classifier_problem,
    "segment": _segment_problem,
    "perplexity": _perplexity_problem,
}
"""Problems of parameters together, as the beginning of a sentence; empty: none."""

PERSONAL_DATA: Mapping[str, Parameter] = {
    **{kind: Parameter("", _one_of(*ACTIONS)) for kind in PERSONAL_DATA_KINDS},
    "regions": Parameter((), _regions),
    "look_alikes": Parameter("keep", _one_of("keep", "mask")),
    "spans": Parameter(False, _flag),
}
"""Parameters of the step `personal_data`; a kind without an action is masked if the curation masks it."""

PRESETS: Mapping[str, tuple[Step, ...]] = {
    "classification": (Step("normalize", {"form": "NFC", "width": "false", "whitespace": "false"}),),
    "chat": (Step("normalize", {"form": "NFC", "width": "false", "whitespace": "false"}),),
    "mail": (Step("normalize", {"form": "NFC", "width": "false"}),),
    "web": (
        Step("normalize", {"form": "NFC", "width": "false"}),
        Step("language"),
        Step("gopher_repetition"),
        Step("gopher_quality"),
        Step("c4", {"end_punctuation": "false"}),
        Step("fineweb"),
    ),
    "zh": (
        Step("normalize", {"form": "NFC", "width": "true"}),
        Step("language"),
    ),
}
"""Lists of steps by the kind of text that they suit."""
