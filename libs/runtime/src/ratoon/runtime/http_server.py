"""An HTTP server of an ASGI application: bounded connections, and a drain that loses no request. It knows no route."""

import asyncio
import resource
import time
from dataclasses import replace
from typing import Any

import uvicorn

from ratoon.runtime.connections import BoundedProtocol, ConnectionLimits, Connections, bounded_protocol

_RESERVED_FILES = 2500
"""File descriptors for everything that is no HTTP connection of a caller, gRPC connections among them."""
_MANY_FILES = 1 << 18
_POLL_S = 0.02


class Server(uvicorn.Server):
    """Uvicorn with bounded connections. `shutdown` lets callers leave before idle connections are closed."""

    def __init__(self, app: Any, limits: ConnectionLimits, drain_s: float, backlog: int = 2048) -> None:
        limits = replace(
            limits,
            max_connections=min(limits.max_connections, _places(file_limit())),
            leave_s=min(limits.leave_s, drain_s / 2),
        )
        self.shared = Connections(limits)
        super().__init__(
            uvicorn.Config(
                app,
                http=bounded_protocol(self.shared),
                interface="asgi3",
                ws="none",
                lifespan="off",
                access_log=False,
                proxy_headers=False,
                log_config=None,
                server_header=False,
                date_header=False,
                backlog=backlog,
                timeout_keep_alive=limits.idle_s,  # type: ignore[arg-type]
                timeout_graceful_shutdown=drain_s - limits.leave_s,  # type: ignore[arg-type]
            )
        )

    async def shutdown(self, sockets: Any = None) -> None:
        """Answer on, each answer the last of its connection, until callers had time to leave; then close."""
        self.shared.draining = True
        for connection in self._connections():
            connection.drain()
        deadline = time.monotonic() + self.shared.limits.leave_s
        while self.server_state.connections and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_S)
        await super().shutdown(sockets)
        for connection in self._connections():
            connection.transport.abort()

    def _connections(self) -> list[BoundedProtocol]:
        return [each for each in self.server_state.connections if isinstance(each, BoundedProtocol)]


def _places(files: int) -> int:
    """Return how many connections this number of file descriptors allows."""
    return max(files - _RESERVED_FILES, files // 2)


def file_limit() -> int:
    """Raise the process's limit of open files as far as it may, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = _MANY_FILES if hard == resource.RLIM_INFINITY else min(hard, _MANY_FILES)
    if 0 <= soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        return target
    return _MANY_FILES if soft < 0 else soft
