"""The whole HTTP API, fuzzed from its own OpenAPI document over all eight rooms: whatever is sent, no five-hundred.

`RATOON_FUZZ_EXAMPLES` says how many requests each operation gets.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from ratoon.chassis.identity import Principal, Role
from ratoon.chassis.services import service_names
from ratoon.chassis.settings import run_folder, settings_class
from ratoon.testkit.services import State, running
from ratoon_gateway.entrypoints import openapi
from ratoon_gateway.entrypoints.transcoding import Transcoder

EXAMPLES = int(os.environ.get("RATOON_FUZZ_EXAMPLES", "4"))
ENDLESS = {"GET /v1/routeTable:watch"}
"""Streams that have a first state and no end."""
SCHEMA = schemathesis.openapi.from_dict(openapi.document(Transcoder.of_contracts().bindings, "1"))
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]


@dataclass(frozen=True)
class Installation:
    """Where it listens, and what opens every door of it."""

    url: str
    headers: dict[str, str]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """All rooms in this process, with a project; called as a service, which may do everything."""
    folder = tmp_path_factory.mktemp("house")
    state = State(folder)
    run_folder(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    given = {"gateway": {"port": 0, "grpc": "off"}}
    rooms = [settings_class(name)(state=folder, **given.get(name, {})) for name in service_names()]
    token = state.signer("flywheel").token_for(Principal("flywheel", Role.SERVICE), 3600)
    headers = {"authorization": f"Bearer {token}"}
    try:
        with running(rooms) as apps:
            gateway = next(app for app in apps if app.settings.service == "gateway")
            house = Installation(f"http://127.0.0.1:{gateway.listeners[-1].port}", headers)
            made = httpx.post(
                f"{house.url}/v1/projects?projectId=p", json={"labels": ["ham", "spam"]}, headers=headers
            )
            assert made.status_code == 200, made.text
            yield house
    finally:
        _end_jobs(folder)


def _end_jobs(folder: Path) -> None:
    """End what was begun below this folder and outlives its rooms."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(folder).encode() in entry.read_bytes():
                os.kill(int(entry.parent.name), signal.SIGKILL)


def _cases(operation: schemathesis.APIOperation) -> st.SearchStrategy:
    """Requests as the document has them, and such as it has not."""
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    return st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_no_five_hundred(operation, installation):
    if operation.label in ENDLESS:
        pytest.skip("it has no end")

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=_cases(operation), here=st.booleans())
    def ask(case, here):
        if here:  # names that can be: what lies behind them is reached, too
            case.path_parameters.update(dict.fromkeys(case.path_parameters.keys() - {"sha256"}, "p"))
        answer = case.call(base_url=installation.url, headers=installation.headers, timeout=60)
        assert answer.status_code < 500, f"{case.as_curl_command()}\n{answer.text}"

    ask()
