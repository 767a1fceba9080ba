"""Settings of the gateway that were renamed: their old variables are read for one release."""

import pytest

from ratoon.runtime.settings import old_names
from ratoon_gateway.settings import Settings


@pytest.mark.parametrize(("old", "name"), old_names(Settings).items())
def test_an_old_variable_is_read_unless_the_present_one_is_set(monkeypatch, old, name):
    monkeypatch.setenv(f"RATOON_GATEWAY_{old.upper()}", "5")
    assert getattr(Settings(), name) == 5
    monkeypatch.setenv(f"RATOON_GATEWAY_{name.upper()}", "7")
    assert getattr(Settings(), name) == 7
    assert getattr(Settings(**{name: 9}), name) == 9


def test_the_limits_have_old_names():
    names = ("body_bytes", "blob_bytes", "open_per_key", "connections", "held")
    assert old_names(Settings) == {f"most_{name}": f"max_{name}" for name in names}
