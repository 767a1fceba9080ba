"""Puts the console together: the only file that knows concrete adapters."""

import gc
import logging
import socket
import time

import httpx
from starlette.applications import Starlette

from ratoon.runtime.connections import ConnectionLimits
from ratoon.runtime.http_server import Server
from ratoon_console.adapters.api import HttpApi, HttpKeys
from ratoon_console.adapters.pages import STATIC, Pages
from ratoon_console.application.sessions import Sessions
from ratoon_console.entrypoints.http import Site
from ratoon_console.entrypoints.pages import pages
from ratoon_console.entrypoints.request_context import RequestContext
from ratoon_console.settings import Settings

_LOG = logging.getLogger(__name__)
_DRAIN_S = 2
_LIMITS = ConnectionLimits(max_connections=1000)


class Console:
    """The console, ready to run."""

    def __init__(self, settings: Settings, app: Starlette) -> None:
        self._settings, self.app = settings, app

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit status."""
        try:
            listening = socket.create_server((self._settings.host, self._settings.port))
        except OSError as error:
            where = f"{self._settings.host}:{self._settings.port}"
            _LOG.error(
                "cannot listen on %s (%s); set RATOON_CONSOLE_PORT to a free port", where, error.strerror
            )
            return 1
        _LOG.info("console: http://%s:%d", *listening.getsockname()[:2])
        gc.collect()
        gc.freeze()
        Server(self.app, _LIMITS, _DRAIN_S).run(sockets=[listening])
        return 0


def build(settings: Settings) -> Console:
    """The console, ready to run."""
    http = httpx.AsyncClient(base_url=settings.gateway, timeout=settings.timeout_s)
    sessions = Sessions(HttpKeys(http), settings.session_hours * 3600, time.monotonic)
    context = RequestContext(sessions, lambda bearer: HttpApi(http, bearer), Pages(), settings.refresh_s)
    return Console(settings, Site(context, pages(), STATIC).app())
