"""Cause of a failed start of an engine, from its log: one sentence, without stack frames and paths.

A log holds every start of its engine; `LOG_START` begins each. Known causes are explained; of others the first line is
quoted. The log itself stays complete.
"""

import re
from pathlib import Path

from ratoon.engine.contract import LOG_START

KILLED = "its log does not show the cause: it was killed, perhaps because memory ran out"
_TAIL = 256 << 10
_MAX_LENGTH = 300
_PREFIX = re.compile(
    r"^\((?:APIServer|EngineCore|Worker)[^)]*\)\s*|^(?:ERROR|WARNING|INFO)\s+\d\d-\d\d [\d:]+\s*|^\[[\w.]+:\d+\]\s*"
)
_EXCEPTION = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Mismatch|Invalid|Refused): *(.*)$")
_PYDANTIC = re.compile(r"Value error, (.*?)(?:\s*\[type=.*)?$")
_CONSEQUENCE = re.compile(
    r"Engine core initialization failed|See root cause|validation errors? for|EngineCore encountered an issue|"
    r"EngineDeadError|For further information visit"
)
_PATH = re.compile(r"(?<![\w:])(?:/[\w.@+~-]+){2,}/?")
_KNOWN = (
    (
        re.compile(r"max_model_len \((\d+)\) is greater than the derived max_model_len \(.*?=(\d+)"),
        "the model has {1} positions, and the engine is configured for {0}",
    ),
    (
        re.compile(r"(KV cache is needed|No available memory for the cache blocks|KV cache memory)"),
        "the key-value cache is too small for one request of full length: raise RATOON_SERVING_KV_CACHE_MIB, or "
        "lower RATOON_SERVING_MAX_MODEL_LEN",
    ),
    (
        re.compile(r"(\w+) does not support LoRA"),
        "engines support no adapters for the architecture {0}: merge the adapter into its base and "
        "register the whole model",
    ),
    (
        re.compile(r"Model architectures? \[?'?(\w+)'?\]? (?:are|is|failed)"),
        "engines do not know the architecture {0}",
    ),
    (
        re.compile(r"(out of memory|[Cc]annot allocate memory|can't allocate memory|DefaultCPUAllocator)"),
        "the machine does not have enough memory for it",
    ),
    (
        re.compile(r"[Uu]nsupported modules_to_save: \[([^\]]*)\]"),
        "engines cannot load an adapter that contains whole layers ({0}): merge it into its base and "
        "register the whole model",
    ),
    (
        re.compile(r"does not (?:yet )?support (DoRA|LoRA bias|Activated LoRA|layer_replication|QALoRA)"),
        "engines cannot load the adapter ({0}): merge it into its base and register the whole model",
    ),
    (
        re.compile(r"LoRA rank (\d+) is greater than max_lora_rank (\d+)"),
        "the adapter's rank is {0}, and the engine was started for {1}",
    ),
    (
        re.compile(r"expected target modules in .*? but received \[?'?([\w.]+)"),
        "engines cannot adapt the layer {0}: merge the adapter into its base and register the whole model",
    ),
)


def cause_of_end(log: Path) -> str:
    """Return why the last start in this log ended; empty if the log does not show it, for example after a kill."""
    if not log.exists():
        return ""
    with log.open("rb") as source:
        source.seek(max(0, log.stat().st_size - _TAIL))
        text = source.read().decode(errors="replace")
    return root_cause(text.rpartition(LOG_START)[2])


def root_cause(text: str) -> str:
    """Return the last exception in a log that is not a consequence of another one; empty if there is none."""
    causes = [cause for line in text.splitlines() if (cause := _cause(_bare(line)))]
    return explain(causes[-1]) if causes else ""


def explain(cause: str) -> str:
    """Return an explanation of a known error that a user can act on, or an unknown error without its paths."""
    for pattern, sentence in _KNOWN:
        if match := pattern.search(cause):
            return sentence.format(*(group.replace("'", "") for group in match.groups()))
    return _PATH.sub("…", cause).strip().rstrip(".")[:_MAX_LENGTH]


def _bare(line: str) -> str:
    """Return a line without its prefix of process, level, time and place."""
    while (shorter := _PREFIX.sub("", line)) != line:
        line = shorter
    return line.strip()


def _cause(line: str) -> str:
    """Return the cause in the line of an exception; empty for other lines and for consequences of other exceptions."""
    if match := _PYDANTIC.search(line):
        return match.group(1)
    match = _EXCEPTION.match(line)
    if match is None or _CONSEQUENCE.search(line):
        return ""
    return match.group(1)
