"""The operator's first API key: made at the first start, or the one that was put there before it."""

import urllib.request
from pathlib import Path

import pytest

from ratoon.testkit.ports import free_ports
from ratoon.testkit.services import State, running
from ratoon_gateway.settings import Settings

CONFIGURED = "rtn_0123456789abcdef_given-by-whoever-installed-it"


def answer(state: Path, port: int, key: str) -> int:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/projects/p/apiKeys", headers={"authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(request, timeout=10) as got:
        return got.status


@pytest.mark.parametrize("configured", ["", CONFIGURED])
def test_the_first_key_opens_the_gateway(tmp_path, configured):
    state = State(tmp_path)
    path = state.folder / "keys/operator.key"
    if configured:
        path.write_text(configured + "\n")
        path.chmod(0o440)
    port = free_ports()[0]
    settings = Settings(state=state.folder, port=port, grpc="off")
    for _ in range(2):
        with running([settings]):
            assert answer(state.folder, port, configured or path.read_text().strip()) == 200
