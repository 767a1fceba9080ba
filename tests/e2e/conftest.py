"""One installation that the loops share: its warm processes and the fork server of its engines start once."""

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ratoon.client import Ratoon
from ratoon.local.installation import Installation
from ratoon.testkit.ports import free_ports
from ratoon_examples.demo import steps
from ratoon_examples.demo.following import Loop
from ratoon_examples.demo.mails import read_corpus
from ratoon_examples.demo.measure import Measured
from ratoon_examples.demo.steps import Demo
from ratoon_examples.demo.tiers import Mails, Tier

MAILS = Path(__file__).parents[2] / ".data" / "spam-assassin"
SLICE = Tier(
    "slice",
    {
        "split": {"testShare": 0.2},
        "training": {"epochs": 3, "continueEpochs": 2, "replayCount": 150, "maxChars": 240, "layers": 2},
        "gate": {"baselineMargin": 1},
        "rollout": {"bakeSeconds": 5},
    },
    mails=Mails(training=300, held_out=100, arriving=120),
    min_signals=120,
)
"""As many mails as a first version learns to separate and drift is seen in; too few to compare it with TF-IDF."""


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Return an installation that runs until the last test. Its own gateway may propose answers of tasks."""
    installation = Installation(tmp_path_factory.mktemp("loops") / "state")
    port = free_ports(2)[0]
    key = f"rtn_{secrets.token_hex(8)}_{secrets.token_urlsafe(32)}"
    (installation.state / "keys").mkdir(parents=True)
    (installation.state / "keys" / "operator.key").write_text(key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RATOON_LABELING_ENDPOINTS", json.dumps({f"http://127.0.0.1:{port}/v1": "E2E_KEY"}))
        patch.setenv("E2E_KEY", key)
        # Ray gives way to all else, and training on a busy machine would hardly go on.
        patch.setenv("RAY_worker_niceness", "0")
        try:
            installation.up(isolated=False, host="127.0.0.1", port=port, say=print)
            yield installation
        finally:
            installation.down(keep_workers=False, say=print)


@pytest.fixture(scope="session")
def mails() -> Path:
    """Return the directory of the mails; skip where there is none."""
    if not MAILS.exists():
        pytest.skip("the mails are not here; run: make data")
    return MAILS


@pytest.fixture(scope="session")
def first_loop(installation: Installation, mails: Path) -> Demo:
    """Return a project whose first version serves, trained from scratch on a slice of the mails."""
    demo = Demo(
        client=Ratoon(state=installation.state),
        project="mail",
        measured=Measured(installation.processes),
        say=print,
        corpus=read_corpus(mails, 1.0, SLICE.mails),
        tier=SLICE,
    )
    steps.create_project(demo)
    steps.first_version(demo)
    return demo


@pytest.fixture(scope="module")
def ended() -> Iterator[Callable[[Loop], None]]:
    """End the engines of a project after the tests of a module."""
    loops: list[Loop] = []
    yield loops.append
    for loop in loops:
        loop.client.deployments.delete(loop.deployment, force=True, allow_missing=True)
