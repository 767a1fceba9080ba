"""API keys in memory: found by selector, their limits by name."""

from collections.abc import Sequence

from ratoon.storage.store import Store
from ratoon_gateway.adapters.mirror import Mirror
from ratoon_gateway.adapters.tables import RESOURCES
from ratoon_gateway.domain.keys import ApiKey
from ratoon_gateway.domain.limits import Limits

_NONE = Limits()


class KeyRing:
    """All keys of the installation."""

    def __init__(self, store: Store) -> None:
        self._keys: dict[str, ApiKey] = {}
        self._named: dict[str, ApiKey] = {}
        self._mirror = Mirror(store, ApiKey, RESOURCES[ApiKey], self._take)

    def find(self, selector: str) -> ApiKey | None:
        """The key with this selector."""
        return self._keys.get(selector)

    def named(self, name: str) -> ApiKey | None:
        """The key of this name."""
        return self._named.get(name)

    def limits(self, name: str) -> Limits:
        """Return the limits of the key of this name; no limit set where there is none."""
        key = self._named.get(name)
        return key.limits if key else _NONE

    def start(self) -> None:
        """Read the keys, and keep reading them."""
        self._mirror.start()

    def stop(self) -> None:
        """Stop reading."""
        self._mirror.stop()

    def refresh(self) -> None:
        """Read the keys now, if any has changed."""
        self._mirror.refresh()

    def _take(self, keys: Sequence[ApiKey]) -> None:
        self._named = {key.name: key for key in keys}
        self._keys = {key.selector: key for key in keys}
