"""Clients: connections, credentials, and the resources of the API as attributes."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import httpx

from ratoon.client._config import DEFAULT_MAX_RETRIES, DEFAULT_TIMEOUT_S, Config, load_config
from ratoon.client._generated.clients import AsyncResources, SyncResources
from ratoon.client._transport import AsyncTransport, SyncTransport

if TYPE_CHECKING:
    from ratoon.client._chat import AsyncChat, Chat
    from ratoon.client._uploads import AsyncBlobs, Blobs


class Ratoon(SyncResources):
    """Synchronous client. It is safe to use from several threads.

    Args:
        base_url: Address of the gateway. Default: RATOON_ENDPOINT, RATOON_URL, else the local installation.
        api_key: API key. Default: RATOON_API_KEY, else, for the local installation, its operator key.
        timeout: Seconds that one attempt of a call may take.
        max_retries: Maximum number of further attempts of a read, or of a call with a request ID.
        http_client: Client of httpx to use, for proxies or certificates of your own. You close it.
        state: State directory of a local installation, whose address and operator key are used.
    """

    def __init__(
        self,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,
        max_retries: int = DEFAULT_MAX_RETRIES,
        http_client: httpx.Client | None = None,
        state: str | Path | None = None,
    ) -> None:
        config = load_config(base_url, api_key, timeout, max_retries, state)
        self._owns_http = http_client is None
        self._transport = SyncTransport(http_client or httpx.Client(), config)

    @property
    def base_url(self) -> str:
        """Address of the gateway."""
        return self._transport.config.base_url

    @property
    def api_key(self) -> str:
        """API key of the calls. Empty: none."""
        return self._transport.config.api_key

    @cached_property
    def chat(self) -> "Chat":
        """Chat completions of deployments, and feedback on them."""
        from ratoon.client._chat import Chat

        return Chat(self._transport)

    @cached_property
    def blobs(self) -> "Blobs":
        """Files in the artifact store."""
        from ratoon.client._uploads import Blobs

        return Blobs(self._transport)

    def with_options(
        self, *, api_key: str | None = None, timeout: float | None = None, max_retries: int | None = None
    ) -> "Ratoon":
        """Return a client with other options over the same connections, which this client closes."""
        config = self._transport.config
        copy = Ratoon.__new__(Ratoon)
        copy._owns_http = False
        copy._transport = SyncTransport(
            self._transport.http, _with_options(config, api_key, timeout, max_retries)
        )
        return copy

    def close(self) -> None:
        """Close the connections."""
        if self._owns_http:
            self._transport.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncRatoon(AsyncResources):
    """Asynchronous client for asyncio. The arguments are those of `Ratoon`."""

    def __init__(
        self,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,
        max_retries: int = DEFAULT_MAX_RETRIES,
        http_client: httpx.AsyncClient | None = None,
        state: str | Path | None = None,
    ) -> None:
        config = load_config(base_url, api_key, timeout, max_retries, state)
        self._owns_http = http_client is None
        self._transport = AsyncTransport(http_client or httpx.AsyncClient(), config)

    @property
    def base_url(self) -> str:
        """Address of the gateway."""
        return self._transport.config.base_url

    @property
    def api_key(self) -> str:
        """API key of the calls. Empty: none."""
        return self._transport.config.api_key

    @cached_property
    def chat(self) -> "AsyncChat":
        """Chat completions of deployments, and feedback on them."""
        from ratoon.client._chat import AsyncChat

        return AsyncChat(self._transport)

    @cached_property
    def blobs(self) -> "AsyncBlobs":
        """Files in the artifact store."""
        from ratoon.client._uploads import AsyncBlobs

        return AsyncBlobs(self._transport)

    def with_options(
        self, *, api_key: str | None = None, timeout: float | None = None, max_retries: int | None = None
    ) -> "AsyncRatoon":
        """Return a client with other options over the same connections, which this client closes."""
        config = self._transport.config
        copy = AsyncRatoon.__new__(AsyncRatoon)
        copy._owns_http = False
        copy._transport = AsyncTransport(
            self._transport.http, _with_options(config, api_key, timeout, max_retries)
        )
        return copy

    async def close(self) -> None:
        """Close the connections."""
        if self._owns_http:
            await self._transport.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _with_options(
    config: Config, api_key: str | None, timeout: float | None, max_retries: int | None
) -> Config:
    return Config(
        config.base_url,
        config.api_key if api_key is None else api_key,
        config.timeout_s if timeout is None else timeout,
        config.max_retries if max_retries is None else max_retries,
    )
