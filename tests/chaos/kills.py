"""Kills the platform at random points while the loop runs on it, brings it up again, and counts afterwards.

`python -m tests.chaos.kills --loops 10 --kills 50 --seed 7 --results FILE` runs loop after loop, each in a new state
folder, and adds one JSON line a loop to the file. A loop in the file is not run again, so an interrupted run
continues where it was. The victims and the pauses follow from the seed; where exactly a kill hits does not.
"""

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ratoon.client import Ratoon
from ratoon.local.installation import Installation

from .checker import Ledger, check
from .loop import Loop, Slice, slice_of
from .victims import Census, Victim

DATA = Path(__file__).parents[2] / ".data" / "spam-assassin"
SHORTEST_S, LONGEST_S = 1.0, 50.0
"""Seconds between two kills. Use more on a slow machine, or no kill comes late in the loop."""
_GONE_S = 30.0
_SETTLED_S = 60.0
_CENSUS_S = 1.0


@dataclass
class Kill:
    """One kill: what, when (seconds since the loop began), where the loop was, how long until all was up again."""

    victim: str
    at_s: float
    stage: str
    processes: int
    back_s: float = 0.0


@dataclass
class Outcome:
    """Result of one loop."""

    loop: int
    seed: int
    kills: list[Kill] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    acknowledged: dict[str, int] = field(default_factory=dict)


class Killer:
    """Kills on a thread of its own while the loop runs on another."""

    def __init__(
        self,
        installation: Installation,
        port: int,
        census: Census,
        rng: random.Random,
        earlier: Counter[str],
        longest_s: float,
    ) -> None:
        """`earlier`: how often each kind was killed in loops before this one."""
        self._installation, self._port, self._census = installation, port, census
        self._rng, self._earlier, self._longest_s = rng, earlier, longest_s
        self._began = time.monotonic()
        self._stopping = threading.Event()
        self.kills: list[Kill] = []
        self.error = ""

    def start(self, loop: Loop, count: int) -> None:
        """Begin to kill while this loop runs."""
        self._loop = loop
        self._thread = threading.Thread(target=self._kill_all, args=(count,), name="killer")
        self._thread.start()

    def stop(self) -> None:
        """Kill no more."""
        self._stopping.set()
        self._thread.join()

    def _kill_all(self, count: int) -> None:
        try:
            for _ in range(count):
                if self._stopping.wait(self._rng.uniform(SHORTEST_S, self._longest_s)):
                    return
                self._kill()
        except Exception as error:
            self.error = f"the platform did not come up again: {error}"

    def _kill(self) -> None:
        victim = self._choose()
        kill = Kill(victim, time.monotonic() - self._began, self._loop.stage, len(self._census.kill(victim)))
        self.kills.append(kill)
        killed = time.monotonic()
        self._installation.up(isolated=False, host="127.0.0.1", port=self._port, say=lambda _line: None)
        kill.back_s = time.monotonic() - killed
        print(f"  {kill.at_s:6.1f} s  killed {victim} ({kill.processes}) at {kill.stage}", flush=True)

    def _choose(self) -> Victim:
        """Return the running kind that was killed least often; of several, a random one."""
        running = [victim for victim in Victim if self._census.of(victim)]
        so_far = self._earlier + Counter(kill.victim for kill in self.kills)
        fewest = min(so_far[victim] for victim in running)
        return self._rng.choice([victim for victim in running if so_far[victim] == fewest])


def run_loop(
    outcome: Outcome,
    kills: int,
    mails: Slice,
    port: int,
    folder: Path,
    earlier: Counter[str],
    longest_s: float = LONGEST_S,
) -> Outcome:
    """One loop under fire; its findings are empty when nothing was lost and nothing happened twice."""
    began, ledger = time.monotonic(), folder / "ledger.jsonl"
    ledger.touch()
    installation = Installation(folder / "state")
    census = Census(installation.state)
    rng = random.Random(f"{outcome.seed}/{outcome.loop}")
    killer = Killer(installation, port, census, rng, earlier, longest_s)
    watching = _Watching(census)
    try:
        installation.up(isolated=False, host="127.0.0.1", port=port, say=lambda _line: None)
        loop = Loop(Ratoon(state=installation.state, timeout=30.0, max_retries=0), mails, ledger)
        killer.start(loop, kills)
        outcome.findings = _finished(loop, killer) or _settled(installation, ledger)
        outcome.findings += _down(installation, census)
    finally:
        watching.stop()
        census.kill_all()
    outcome.kills, outcome.seconds = killer.kills, time.monotonic() - began
    outcome.acknowledged = _counts(Ledger.read(ledger))
    return outcome


def _finished(loop: Loop, killer: Killer) -> list[str]:
    """Run the loop to its end; why it did not come there."""
    try:
        loop.run()
        failed = []
    except Exception as error:
        failed = [f"the loop did not finish ({loop.stage}): {error}"]
    killer.stop()
    return [*failed, *filter(None, [killer.error])]


def _counts(ledger: Ledger) -> dict[str, int]:
    return {
        "runs": len(ledger.runs),
        "feedback": len(ledger.feedback),
        "annotations": len(ledger.annotations),
        "items": sum(items for _, items in ledger.sources),
    }


class _Watching:
    """Counts the processes every second, so that none that lives that long is missed."""

    def __init__(self, census: Census) -> None:
        self._census, self._stopping = census, threading.Event()
        self._thread = threading.Thread(target=self._watch, name="census", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopping.wait(_CENSUS_S):
            self._census.take()


def _settled(installation: Installation, ledger: Path) -> list[str]:
    """Return the checker's findings after the platform had time to finish its background work."""
    until = time.monotonic() + _SETTLED_S
    while (findings := check(installation.state, Ledger.read(ledger))) and time.monotonic() < until:
        time.sleep(1.0)
    return findings


def _down(installation: Installation, census: Census) -> list[str]:
    """Bring it down; what is left over."""
    installation.down(keep_workers=False, say=lambda _line: None)
    until = time.monotonic() + _GONE_S
    while (left := census.left()) and time.monotonic() < until:
        time.sleep(0.2)
    return [f"left over: {line}" for line in left]


def main(arguments: Sequence[str]) -> int:
    """Run the loops that are not in the results yet; return 0 if no loop, now or earlier, has findings."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.kills", description=__doc__)
    parser.add_argument("--loops", type=int, default=10)
    parser.add_argument("--kills", type=int, default=50, help="in all loops together")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--longest-s", type=float, default=LONGEST_S, help="between two kills")
    parser.add_argument("--port", type=int, default=9400)
    parser.add_argument("--results", type=Path, default=Path("chaos-kills.jsonl"))
    parser.add_argument("--keep", action="store_true", help="keep the state folders of loops with findings")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    mails = slice_of(DATA)
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    done = {line["loop"]: line for line in map(json.loads, lines) if line["seed"] == options.seed}
    for number in range(1, options.loops + 1):
        if number in done:
            continue
        share = options.kills * number // options.loops - options.kills * (number - 1) // options.loops
        folder = Path(tempfile.mkdtemp(prefix="ratoon-chaos-"))
        earlier = Counter(kill["victim"] for each in done.values() for kill in each["kills"])
        begun = Outcome(number, options.seed)
        outcome = run_loop(begun, share, mails, options.port, folder, earlier, options.longest_s)
        done[number] = asdict(outcome)
        with options.results.open("a") as results:
            results.write(json.dumps(done[number]) + "\n")
        print(_line(done[number]), flush=True)
        if outcome.findings and options.keep:
            print(f"  kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return _verdict(list(done.values()))


def _line(done: dict) -> str:
    victims = ", ".join(
        f"{count} {victim}" for victim, count in Counter(k["victim"] for k in done["kills"]).items()
    )
    findings = "; ".join(done["findings"]) or "everything exists exactly once"
    return f"loop {done['loop']}: {done['seconds']:.0f} s, {len(done['kills'])} kills ({victims}): {findings}"


def _verdict(done: list[dict]) -> int:
    kills = [kill for each in done for kill in each["kills"]]
    bad = [each for each in done if each["findings"]]
    acknowledged = Counter()
    for each in done:
        acknowledged.update(each["acknowledged"])
    print(
        f"{len(done)} loops, {len(kills)} kills, {len(bad)} loops with findings; acknowledged: {dict(acknowledged)}"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
