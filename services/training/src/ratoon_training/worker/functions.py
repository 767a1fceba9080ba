"""Reward functions of users: they run in a sandbox, and what they fail at has no reward. It knows no torch.

One process scores the answers of a step, one after another. An answer at which the function hangs ends that process;
the answers after it are scored by another one, at most `MAX_STARTS` for a step.
"""

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ratoon.process.sandbox.sandbox import Limits, Outcome, SandboxMissing, run_program
from ratoon_training.domain.errors import RewardFailed
from ratoon_training.worker.prompts import Prompt

TIMEOUT_S = 2.0
"""Seconds of a function for one answer."""
MAX_STARTS = 4
"""Starts of the sandbox for the answers of a step."""
_BASE_S = 5.0
_OUTPUT = 8 << 20
_RUNNER = """
import contextlib, io, json, signal, sys

class _Late(BaseException):
    pass

def _late(*_):
    raise _Late

_cases, _timeout, _source = json.loads({cases!r}), {timeout}, {source!r}
signal.signal(signal.SIGALRM, _late)
_names, _output = {{"__name__": "reward"}}, sys.stdout

def _said(value):
    _output.write(json.dumps(value) + "\\n")
    _output.flush()

with contextlib.redirect_stdout(io.StringIO()):
    exec(compile(_source, "<reward>", "exec"), _names)
for _number, _case in _cases:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            signal.setitimer(signal.ITIMER_REAL, _timeout)
            try:
                _value = _names["reward"](**_case)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        if _value is None or (isinstance(_value, (int, float)) and not isinstance(_value, complex)):
            _said([_number, None if _value is None else repr(float(_value)), ""])
        else:
            _said([_number, None, "returned a " + type(_value).__name__])
    except _Late:
        _said([_number, None, "took longer than " + str(_timeout) + " s"])
    except BaseException as _error:
        _said([_number, None, "raised " + type(_error).__name__ + ": " + str(_error)[:200]])
"""


def checked(source: str) -> None:
    """Raise RewardFailed if the machine allows no sandbox, or if the source cannot be run."""
    try:
        ended = run_program(_RUNNER.format(cases="[]", timeout=TIMEOUT_S, source=source), Limits(_BASE_S))
    except SandboxMissing as error:
        raise RewardFailed(str(error)) from error
    if ended.outcome is not Outcome.PASSED:
        raise RewardFailed(
            f"The source of a reward function in recipe.grpo.rewards {ended.outcome}: "
            f"{ended.error or 'it does not end'}. Correct it, and start the run again."
        )


def scores(
    source: str, prompts: Sequence[Prompt], completions: Sequence[str], faults: Counter[str]
) -> list[float | None]:
    """Return the reward of each answer; None if it has none. `faults` counts the sentences on why not."""
    values: list[float | None] = [None] * len(completions)
    left = list(range(len(completions)))
    for _ in range(MAX_STARTS):
        if not left:
            return values
        cases = [(number, _case(prompts[number], completions[number])) for number in left]
        program = _RUNNER.format(cases=json.dumps(cases), timeout=TIMEOUT_S, source=source)
        limits = Limits(timeout_s=_BASE_S + TIMEOUT_S * len(left), output_bytes=_OUTPUT)
        ended = run_program(program, limits)
        left = left[_taken(ended.output, values, faults) :]
        if left and ended.outcome is not Outcome.PASSED:
            faults[f"The function {_why(ended.outcome, ended.error)}."] += 1
            left = left[1:]
    if left:
        faults["The function was not called again, after it had ended its process too often."] += len(left)
    return values


def _case(prompt: Prompt, completion: str) -> dict[str, Any]:
    return {"messages": prompt.messages, "completion": completion, "references": prompt.references}


def _taken(output: str, values: list[float | None], faults: Counter[str]) -> int:
    """Take over the whole lines of a process; return their number."""
    lines = output.split("\n")[:-1]
    for line in lines:
        number, value, fault = json.loads(line)
        reward = None if value is None else float(value)
        if reward is not None and not math.isfinite(reward):
            fault, reward = f"returned {value}", None
        if fault:
            faults[f"The function {fault}."] += 1
        values[number] = reward
    return len(lines)


def _why(outcome: Outcome, error: str) -> str:
    return (
        "hung and could not be interrupted"
        if outcome is Outcome.TIMED_OUT
        else f"ended its process ({error or outcome})"
    )
