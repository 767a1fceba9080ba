"""One gateway for the tests of a module that need the same settings: its start takes longer than most of them."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest


@pytest.fixture(scope="module")
def shared_stacks(running_stack):
    """Return the module's running gateway with these settings, started when a test needs it first."""
    stacks: dict[str, object] = {}
    with ExitStack() as running:

        def shared(settings: dict[str, object]):
            key = repr(sorted(settings.items()))
            if key not in stacks:
                stacks[key] = running.enter_context(running_stack(settings))
            return stacks[key]

        yield shared


@pytest.fixture
def stack(request: pytest.FixtureRequest, shared_stacks) -> Iterator[object]:
    """A running gateway without engines and routes, with the settings that are the fixture's parameter.

    Tests of a module share it: they create keys of their own, and compare counters with those before.
    """
    shared = shared_stacks(getattr(request, "param", {}))
    yield shared
    shared.clear()
