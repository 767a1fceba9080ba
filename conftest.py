"""What all tests share: no test fails because a machine is busy, CI draws the same examples every time, and what
keeps state can be run on another database.
"""

import faulthandler
import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from ratoon.testkit import kubernetes, postgresql
from ratoon.testkit.kubernetes import ControlPlane
from ratoon.testkit.postgresql import Databases

settings.register_profile(
    "ratoon",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ratoon")

_STRICT_TIERS = {"unit", "contract"}
_STRICT_DIRECTORIES = (
    "libs/operations/tests/integration",
    "libs/service/tests/integration",
    "libs/storage/tests/integration",
    "libs/events/tests/conformance",
    "libs/events/tests/integration",
    "libs/testkit/tests/integration",
    "services/*/tests/integration",
)
"""Patterns of directories whose tests are strict too, except those that start engines, Ray or Kafka."""
_LENIENT_DIRECTORY = "services/serving/tests/integration"
_HEAVY = ("engine", "ray", "kafka")
_WARNINGS = (
    "error",
    # kafka-python reads its message schemas by functions that the standard library deprecates.
    "ignore:read_text is deprecated:DeprecationWarning:kafka.protocol.schemas.load_json",
    "ignore:open_text is deprecated:DeprecationWarning:importlib.resources._legacy",
    # jieba imports pkg_resources.
    "ignore:pkg_resources is deprecated:DeprecationWarning:jieba._compat",
)
"""A warning fails a strict test, except these of other projects."""
_INTEGRATION_WARNINGS = (*_WARNINGS, "ignore:subprocess .* is still running:ResourceWarning")
"""Jobs and warm processes outlive the object that started them."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the choice of the database."""
    parser.addoption(
        "--database",
        choices=("sqlite", "postgresql"),
        default="sqlite",
        help="Where rooms in tests keep their state; with postgresql only tests that keep some are run.",
    )


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Write the stack of a process that dies where `scripts/test.py` reads it."""
    if path := os.environ.get("RATOON_TESTS_CRASH"):
        faulthandler.enable(open(path, "w"))  # noqa: SIM115 - open for as long as the process lives


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Make warnings errors in strict tests; with another database keep only the tests that use one."""
    for item in items:
        if filters := _warning_filters(item, item.path.relative_to(config.rootpath)):
            item.add_marker(pytest.mark.filterwarnings(*filters))
    if config.getoption("--database") == "sqlite":
        return
    chosen, others = [], []
    for item in items:
        (chosen if "databases" in getattr(item, "fixturenames", ()) else others).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = chosen


def _warning_filters(item: pytest.Item, path: Path) -> tuple[str, ...]:
    """Return the filters of a strict test; none for others."""
    if _STRICT_TIERS.intersection(path.parts):
        return _WARNINGS
    heavy = any(item.get_closest_marker(name) for name in _HEAVY)
    directories = [each.as_posix() for each in path.parents]
    strict = not heavy and any(fnmatch.filter(directories, each) for each in _STRICT_DIRECTORIES)
    return _INTEGRATION_WARNINGS if strict and _LENIENT_DIRECTORY not in directories else ()


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """Where rooms keep their state in this test run."""
    if request.config.getoption("--database") == "sqlite":
        yield Databases()
        return
    if reason := postgresql.missing():
        pytest.skip(reason)
    with postgresql.running_server() as server:
        yield Databases(server)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """The one Kubernetes of this test run, without nodes; tests keep apart by namespaces."""
    if reason := kubernetes.missing():
        pytest.skip(reason)
    with kubernetes.running_control_plane() as plane:
        yield plane
