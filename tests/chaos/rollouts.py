"""Real rollouts with open streams and a fault in each: counts failures, cut streams and wrong answers.

`python -m tests.chaos.rollouts --seed 7 --results FILE` makes ten rollouts by second engine, twenty by adapter swap and
twenty in place; `--strategy IN_PLACE --rollouts 3` only these. It takes one installation a strategy from version to
version and back, and adds one JSON line a rollout to the file; a rollout in the file is not repeated. The death of an
engine may end its open streams, with a named error, and that of the gateway those that ran through it; every other
fault fails and cuts nothing.
"""

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ratoon.client import APIStatusError
from ratoon.testkit.waiting import until

from .checker import Databases, Ledger, one_move_a_rollout
from .served import Served, Traffic, adapter, excused, unexpected, whole_model
from .stack import Stack
from .victims import Victim

FULL = {"SECOND_ENGINE": 10, "ADAPTER_SWAP": 20, "IN_PLACE": 20}
"""Rollouts by strategy in the full form."""
STREAMS = 6
TOKENS = {"SECOND_ENGINE": 900, "ADAPTER_SWAP": 900, "IN_PLACE": 250}
"""Tokens of the open streams; in place, requests wait for their end, so they are short there."""
BAKE_S = 3.0
_SETTLED_S = 60.0


@dataclass
class Outcome:
    """Result of one rollout."""

    number: int
    fault: str
    strategy: str
    """The requested one."""
    taken: str = ""
    """The final strategy: in place becomes a second engine if streams last too long."""
    state: str = ""
    reason: str = ""
    """Reason of the final state, from the rollout."""
    seconds: float = 0.0
    answered: dict[str, int] = field(default_factory=dict)
    streams: int = 0
    cut: int = 0
    """Streams that the death of an engine, or of the gateway, had to end."""
    unheard: int = 0
    """Requests without an answer while the gateway was dead."""
    turned_away: int = 0
    """Requests that waited as long as they may for the only engine, which was killed, to come back."""
    findings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Fault:
    """Something that happens during a rollout, how the last rollout may end, and who dies through whom answers run."""

    happen: Callable[[Served, str], str]
    """Returns the name of the last rollout."""
    ends: tuple[str, ...]
    kills: Victim | None = None


WELL, BACK = ("STATE_SUCCEEDED",), ("STATE_ROLLED_BACK", "STATE_CANCELLED", "STATE_FAILED")


def nothing(served: Served, name: str) -> str:
    """Do nothing: the reference for the others."""
    return name


def kill_control(served: Served, name: str) -> str:
    """The control process dies during the attestation of the new version, and is started again."""
    served.reached(name, "ATTESTING")
    served.kill(Victim.CONTROL)
    return name


def kill_control_while_shifting(served: Served, name: str) -> str:
    """The control process dies as traffic moves."""
    served.reached(name, "SHIFTING")
    served.kill(Victim.CONTROL)
    return name


def kill_gateway(served: Served, name: str) -> str:
    """The gateway dies as traffic moves; what ran through it is lost, later requests are answered."""
    served.reached(name, "SHIFTING")
    served.kill(Victim.GATEWAY)
    return name


def abort(served: Served, name: str) -> str:
    """An operator aborts when all traffic is on the new version already."""
    served.reached(name, "BAKING")
    served.stack.client.rollouts.abort(name, reason="chaos")
    return name


def abort_early(served: Served, name: str) -> str:
    """An operator aborts before the new version has answered a request."""
    served.reached(name, "STARTING")
    served.stack.client.rollouts.abort(name, reason="chaos")
    return name


def roll_out_and_undo(served: Served, name: str) -> str:
    """A → B → A: undo the rollout as soon as it has succeeded, with earlier streams still open."""
    if served.end(name).state not in WELL:
        return name
    return served.stack.client.rollouts.undo(name, reason="chaos", request_id=name).name


def pause(served: Served, name: str) -> str:
    """An operator pauses before traffic moves, and resumes."""
    served.stack.client.rollouts.pause(name, reason="chaos")
    served.reached(name, "PROBING")
    time.sleep(2)
    served.stack.client.rollouts.resume(name, reason="chaos")
    return name


def pause_at_once(served: Served, name: str) -> str:
    """An operator pauses before an engine stops to accept requests, and resumes."""
    served.stack.client.rollouts.pause(name, reason="chaos")
    time.sleep(4)
    served.stack.client.rollouts.resume(name, reason="chaos")
    return name


def second_rollout(served: Served, name: str) -> str:
    """Another rollout of the deployment is requested meanwhile: it is refused, and changes nothing."""
    try:
        other = served.roll_out(served.other())
    except APIStatusError as refused:
        if refused.status_code in (400, 409, 412):
            return name
        raise
    raise AssertionError(f"{other} was begun beside {name}")


def kill_new_engine(served: Served, name: str) -> str:
    """The new engine becomes ready, and dies before traffic comes."""
    served.reached(name, "PROBING")
    served.kill_engine(old=False)
    return name


def kill_old_engine(served: Served, name: str) -> str:
    """The old engine dies with streams open, while the new one takes the traffic."""
    served.reached(name, "BAKING")
    served.kill_engine(old=True)
    return name


def kill_loading_engine(served: Served, name: str) -> str:
    """The warm engine, which holds the old version and loads the new one, dies."""
    served.reached(name, "STARTING")
    served.stack.census.kill(Victim.ENGINE)
    return name


def kill_ready_engine(served: Served, name: str) -> str:
    """The warm engine says that the new version is ready, and dies."""
    served.reached(name, "ATTESTING")
    served.stack.census.kill(Victim.ENGINE)
    return name


def kill_baking_engine(served: Served, name: str) -> str:
    """The warm engine dies while the new version bakes."""
    served.reached(name, "BAKING")
    served.stack.census.kill(Victim.ENGINE)
    return name


_ANY = {
    "nothing": Fault(nothing, WELL),
    "kill_control": Fault(kill_control, WELL),
    "abort": Fault(abort, BACK),
    "roll_out_and_undo": Fault(roll_out_and_undo, WELL),
    "kill_control_while_shifting": Fault(kill_control_while_shifting, WELL),
    "second_rollout": Fault(second_rollout, WELL),
    "abort_early": Fault(abort_early, BACK),
    "kill_gateway": Fault(kill_gateway, (*WELL, *BACK), Victim.GATEWAY),
}
_PAUSE = {"pause": Fault(pause, WELL)}
# In place, requests wait for the attestation of the new version, so that has a limit, which a slow restart exceeds.
_WAITING = {
    "kill_control": Fault(kill_control, (*WELL, *BACK)),
    "pause_at_once": Fault(pause_at_once, WELL),
}
_COLD = {
    "kill_old_engine": Fault(kill_old_engine, WELL, Victim.ENGINE),
    "kill_new_engine": Fault(kill_new_engine, (*WELL, *BACK), Victim.ENGINE),
}
_WARM = {
    name: Fault(happen, (*WELL, *BACK), Victim.ENGINE)
    for name, happen in {
        "kill_loading_engine": kill_loading_engine,
        "kill_ready_engine": kill_ready_engine,
        "kill_baking_engine": kill_baking_engine,
    }.items()
}
FAULTS = {
    "SECOND_ENGINE": _ANY | _PAUSE | _COLD,
    "ADAPTER_SWAP": _ANY | _PAUSE | _WARM,
    "IN_PLACE": _ANY | _WAITING | _WARM,
}
"""Faults by the strategy of the rollout."""


def roll_out(served: Served, number: int, name: str, strategy: str) -> Outcome:
    """One rollout under traffic, with a fault in it."""
    fault, outcome, began = FAULTS[strategy][name], Outcome(number, name, strategy), time.monotonic()
    serving, traffic = served.serving(), Traffic(served)
    traffic.start()
    traffic.open_streams(STREAMS, TOKENS[strategy])
    begun = served.roll_out(served.other(), strategy, BAKE_S)
    try:
        ended = served.end(fault.happen(served, begun))
        outcome.state, outcome.taken = str(ended.state), ended.strategy.removeprefix("STRATEGY_")
        outcome.reason = ended.reason
        serving = ended.to_version if outcome.state in WELL else ended.from_version
    except Exception as error:
        outcome.findings.append(f"{type(error).__name__}: {error}")
    time.sleep(1)
    traffic.stop()
    outcome.answered, outcome.streams = dict(traffic.answered), len(traffic.streams)
    outcome.unheard, outcome.turned_away = len(traffic.unheard), len(traffic.turned_away)
    outcome.cut = sum(excused(stream, fault.kills) for stream in traffic.cut())
    outcome.findings += unexpected(traffic, fault.kills)
    outcome.findings += _afterwards(served, outcome, serving)
    outcome.seconds = time.monotonic() - began
    return outcome


def _afterwards(served: Served, outcome: Outcome, expected: str) -> list[str]:
    """Return faults after the rollout: its state, the version that serves, the alias `production`, the engines."""
    findings = []
    if outcome.state not in FAULTS[outcome.strategy][outcome.fault].ends:
        findings.append(f"it ended as {outcome.state}")
    if served.serving() != expected:
        findings.append(f"production names {served.serving()}, {expected} should serve")
    answered = Traffic(served, callers=1)
    answered.start()
    until(lambda: answered.answered or answered.failed or answered.unheard or answered.turned_away, 120)
    answered.stop()
    if set(answered.answered) != {expected.rsplit("/", 1)[-1]}:
        errors = [*answered.failed, *answered.unheard, *answered.turned_away]
        findings.append(f"afterwards {dict(answered.answered)} answered: {errors[:1]}")
    findings += _engines(served)
    findings += one_move_a_rollout(Databases(served.stack.state), Ledger())
    return findings


def _engines(served: Served) -> list[str]:
    """One engine is left, after a while."""
    until_s = time.monotonic() + _SETTLED_S
    while len(left := served.stack.census.of(Victim.ENGINE)) != 1 and time.monotonic() < until_s:
        time.sleep(0.5)
    return [] if len(left) == 1 else [f"{len(left)} engines run afterwards"]


def main(arguments: Sequence[str]) -> int:
    """Roll out what is not in the results yet; 0 when nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.rollouts", description=__doc__)
    parser.add_argument("--strategy", choices=list(FULL), help="only this one")
    parser.add_argument("--rollouts", type=int, help="so many a strategy")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--results", type=Path, default=Path("chaos-rollouts.jsonl"))
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    strategies = [options.strategy] if options.strategy else list(FULL)
    for strategy in strategies:
        done = {each["number"] for each in _done(options.results, [strategy])}
        left = [number for number in range(1, (options.rollouts or FULL[strategy]) + 1) if number not in done]
        if left:
            _roll_on(strategy, left, options.seed, options.results)
    return _verdict(_done(options.results, strategies))


def _done(results: Path, strategies: Sequence[str]) -> list[dict]:
    lines = results.read_text().splitlines() if results.exists() else []
    return [each for each in map(json.loads, lines) if each["strategy"] in strategies]


def _roll_on(strategy: str, numbers: Sequence[int], seed: int, results: Path) -> None:
    """These rollouts, in an installation of their own."""
    folder = Path(tempfile.mkdtemp(prefix="ratoon-rollouts-"))
    stack = Stack(folder / "state")
    try:
        stack.up()
        served = Served(stack)
        served.set_up(folder, adapter if strategy == "ADAPTER_SWAP" else whole_model)
        for number in numbers:
            fault = drawn(list(FAULTS[strategy]), seed, number)
            done = asdict(roll_out(served, number, fault, strategy))
            with results.open("a") as sink:
                sink.write(json.dumps(done) + "\n")
            print(line(done), flush=True)
        stack.down()
    finally:
        stack.census.kill_all()
        shutil.rmtree(folder, ignore_errors=True)


def _verdict(done: Sequence[dict]) -> int:
    bad = [each for each in done if each["findings"]]
    answers = sum(sum(each["answered"].values()) for each in done)
    print(
        f"{len(done)} rollouts, {answers} answers, {sum(each['streams'] for each in done)} streams of which a death "
        f"ended {sum(each['cut'] for each in done)}, {sum(each['unheard'] for each in done)} requests not heard by a "
        f"dead gateway, {sum(each['turned_away'] for each in done)} that waited in vain for a killed engine, "
        f"{len(bad)} with findings"
    )
    return 1 if bad else 0


def drawn(faults: Sequence[str], seed: int, number: int) -> str:
    """The fault of a rollout: each once before any comes again, in an order that the seed gives."""
    lap, place = divmod(number - 1, len(faults))
    return random.Random(f"{seed}/{lap}").sample(list(faults), len(faults))[place]


def line(done: dict) -> str:
    """One rollout in a line."""
    findings = "; ".join(done["findings"]) or "nothing else failed, nothing else was cut"
    counts = f"{sum(done['answered'].values())} answers, {done['streams']} streams, {done['cut']} ended"
    how = f"{done['strategy']} {done['number']} ({done['fault']}): {done['state']} by {done['taken']}"
    return f"{how} in {done['seconds']:.0f} s; {counts}; {findings}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
