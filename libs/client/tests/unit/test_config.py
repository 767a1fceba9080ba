"""Endpoint and API key: arguments, environment, the installation on this machine."""

from pathlib import Path

import pytest

from ratoon.client import InvalidConfigError
from ratoon.client._config import load_config


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Directory of a local installation; the environment says nothing else."""
    for name in ("RATOON_ENDPOINT", "RATOON_URL", "RATOON_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RATOON_STATE", str(tmp_path))
    (tmp_path / "run").mkdir()
    (tmp_path / "keys").mkdir()
    (tmp_path / "run" / "gateway.url").write_text("http://127.0.0.1:9999\n")
    (tmp_path / "keys" / "operator.key").write_text("operator\n")
    return tmp_path


def test_the_local_installation_is_the_default():
    config = load_config()
    assert (config.base_url, config.api_key) == ("http://127.0.0.1:9999", "operator")


def test_the_environment_comes_before_it_and_arguments_before_both(monkeypatch):
    monkeypatch.setenv("RATOON_URL", "http://url")
    assert load_config().base_url == "http://url"
    monkeypatch.setenv("RATOON_ENDPOINT", "http://endpoint/")
    monkeypatch.setenv("RATOON_API_KEY", "environment")
    assert (load_config().base_url, load_config().api_key) == ("http://endpoint", "environment")
    config = load_config("http://argument/", "argument")
    assert (config.base_url, config.api_key) == ("http://argument", "argument")


def test_the_key_of_the_local_installation_is_sent_nowhere_else():
    assert load_config("http://elsewhere").api_key == ""
    assert "authorization" not in load_config("http://elsewhere").headers()
    assert load_config("http://127.0.0.1:9999/").api_key == "operator"
    assert load_config("http://localhost:9999").api_key == "operator"


def test_a_state_directory_that_is_passed_comes_before_the_environment(monkeypatch, state):
    monkeypatch.setenv("RATOON_STATE", "elsewhere")
    monkeypatch.setenv("RATOON_URL", "http://url")
    monkeypatch.setenv("RATOON_API_KEY", "environment")
    config = load_config(state=state)
    assert (config.base_url, config.api_key) == ("http://127.0.0.1:9999", "operator")
    config = load_config("http://argument", state=state)
    assert (config.base_url, config.api_key) == ("http://argument", "environment")


def test_without_an_installation_there_is_the_usual_port_and_no_key(monkeypatch, tmp_path):
    monkeypatch.setenv("RATOON_STATE", str(tmp_path / "none"))
    assert (load_config().base_url, load_config().api_key) == ("http://127.0.0.1:8080", "")


def test_the_key_is_not_shown():
    assert "secret" not in repr(load_config("http://x", "secret"))


@pytest.mark.parametrize("url", ["elsewhere", "http://", "http:///v1", "ftp://elsewhere", "127.0.0.1:8080"])
def test_an_endpoint_that_is_no_url_is_refused(url):
    with pytest.raises(InvalidConfigError, match="is not a URL such as http://127"):
        load_config(url)


@pytest.mark.parametrize("key", ["rtn_ü", "rtn_a\nb", "rtn_a b", "rtn_a\x00"])
def test_a_key_that_cannot_be_a_header_is_refused_and_not_shown(key):
    with pytest.raises(InvalidConfigError, match="API key contains a character") as refused:
        load_config("http://elsewhere", key)
    assert key not in str(refused.value)
