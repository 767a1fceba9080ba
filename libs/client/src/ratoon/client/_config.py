"""Endpoint and API key: from the arguments, else from the environment, else of the installation on this machine."""

import os
import re
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ratoon.client._errors import InvalidConfigError

DEFAULT_BASE_URL = "http://127.0.0.1:8080"
DEFAULT_TIMEOUT_S = 60.0
DEFAULT_MAX_RETRIES = 2


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of a client. `timeout_s` applies to each attempt of a call."""

    base_url: str
    api_key: str = field(repr=False)
    timeout_s: float = DEFAULT_TIMEOUT_S
    max_retries: int = DEFAULT_MAX_RETRIES

    def headers(self) -> dict[str, str]:
        """Return the headers of every call."""
        credentials = {"authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        return {"user-agent": f"ratoon-client/{_version()}", **credentials}


def load_config(
    base_url: str | None = None,
    api_key: str | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_retries: int = DEFAULT_MAX_RETRIES,
    state: str | Path | None = None,
) -> Config:
    """Return the settings of a client.

    The endpoint is `base_url`, the address of the installation in `state`, RATOON_ENDPOINT, RATOON_URL, or the address
    of the installation in RATOON_STATE (`.ratoon`). The key is `api_key`, RATOON_API_KEY, or, for the endpoint of that
    installation only, its operator key, which takes precedence for `state`. Raise InvalidConfigError if the endpoint is
    not a URL, or the key cannot be one.
    """
    directory = Path(state or os.environ.get("RATOON_STATE") or ".ratoon")
    local_url = _read(directory / "run" / "gateway.url") or DEFAULT_BASE_URL
    operator_key = _read(directory / "keys" / "operator.key")
    configured = local_url if state else os.environ.get("RATOON_ENDPOINT") or os.environ.get("RATOON_URL")
    chosen = base_url or configured or local_url
    is_local = _address(chosen) == _address(local_url)
    key = api_key or (operator_key if state and is_local else "") or os.environ.get("RATOON_API_KEY") or ""
    if not key and is_local:
        key = operator_key
    if not re.match(r"(?i)https?://[^/]", chosen):
        raise InvalidConfigError(f"The endpoint {chosen!r} is not a URL such as {DEFAULT_BASE_URL}.")
    if not re.fullmatch(r"[!-~]*", key):
        raise InvalidConfigError("The API key contains a character that no key has: copy it again.")
    return Config(chosen.rstrip("/"), key, timeout_s, max_retries)


def _address(url: str) -> str:
    """Return a URL in the form in which URLs of one address on this machine are equal."""
    return url.rstrip("/").replace("://localhost", "://127.0.0.1")


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _version() -> str:
    try:
        return version("ratoon-client")
    except PackageNotFoundError:
        return "0"
