"""The whole HTTP API, fuzzed from its own OpenAPI document over all eight services: no request causes a 5xx status.

`RATOON_FUZZ_EXAMPLES` says how many requests each operation gets. The quick form takes every other operation: most of
the time goes into schemas, and requests to every method of the services are in `tests/outside/test_requests.py`.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from operator import methodcaller
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from ratoon.runtime.services import service_names
from ratoon.runtime.settings import run_folder, settings_class
from ratoon.security.identity import Principal, Role
from ratoon.testkit.services import State, running
from ratoon_gateway.entrypoints.app import create_api
from ratoon_gateway.entrypoints.asgi import Readiness
from ratoon_gateway.entrypoints.bindings import bindings_of_contracts, services_of
from ratoon_gateway.entrypoints.blobs import Blobs
from ratoon_gateway.entrypoints.feedback import FeedbackRoute
from ratoon_gateway.entrypoints.models import Models
from ratoon_gateway.entrypoints.rest import rest_router

EXAMPLES = int(os.environ.get("RATOON_FUZZ_EXAMPLES", "4"))
ENDLESS = {"GET /v1/routeTable:watch"}
"""Streams that have a first state and no end."""


def _document() -> dict[str, object]:
    """The document of the whole API, without anything behind its routes."""
    bindings = bindings_of_contracts()
    routers = (
        rest_router(bindings, None),
        Models(None, None).router(),
        FeedbackRoute(None, None, None, None).router(),
        Blobs(None, None, None).router(),
    )
    return create_api(*routers, services=services_of(bindings), metrics=None, readiness=Readiness()).openapi()


SCHEMA = schemathesis.openapi.from_dict(_document())
OPERATIONS = [
    each for each in map(methodcaller("ok"), SCHEMA.get_all_operations()) if each.label not in ENDLESS
]


@dataclass(frozen=True)
class Installation:
    """Its URL, and headers with all rights."""

    url: str
    headers: dict[str, str]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """All services in this process, with a project; called as a service, which has all rights."""
    folder = tmp_path_factory.mktemp("installation")
    state = State(folder)
    run_folder(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    options = {"gateway": {"port": 0, "grpc": "off"}}
    settings = [settings_class(name)(state=folder, **options.get(name, {})) for name in service_names()]
    token = state.signer("flywheel").token_for(Principal("flywheel", Role.SERVICE), 3600)
    headers = {"authorization": f"Bearer {token}"}
    try:
        with running(settings) as apps:
            gateway = next(app for app in apps if app.settings.service == "gateway")
            installation = Installation(f"http://127.0.0.1:{gateway.listeners[-1].port}", headers)
            created = httpx.post(
                f"{installation.url}/v1/projects?projectId=p",
                json={"labels": ["ham", "spam"]},
                headers=headers,
            )
            assert created.status_code == 200, created.text
            yield installation
    finally:
        _end_jobs(folder)


def _end_jobs(folder: Path) -> None:
    """End processes of this directory that outlive its services."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(folder).encode() in entry.read_bytes():
                os.kill(int(entry.parent.name), signal.SIGKILL)


def _cases(operation: schemathesis.APIOperation) -> st.SearchStrategy:
    """Generate requests that follow the document, and others."""
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    return st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(each, id=each.label, marks=pytest.mark.thorough if place % 2 else ())
        for place, each in enumerate(OPERATIONS)
    ],
)
def test_no_five_hundred(operation, installation):
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=_cases(operation), here=st.booleans())
    def ask(case, here):
        if here:  # valid names, so that the code behind them is reached, too
            case.path_parameters.update(dict.fromkeys(case.path_parameters.keys() - {"sha256"}, "p"))
        answer = case.call(base_url=installation.url, headers=installation.headers, timeout=60)
        assert answer.status_code < 500, f"{case.as_curl_command()}\n{answer.text}"

    ask()
