"""Connections of the gateway to engines and services, and when they open and close."""

from ratoon_gateway.adapters.engines import EngineClient
from ratoon_gateway.adapters.peers import Peers
from ratoon_gateway.adapters.routes import LiveRoutes
from ratoon_gateway.application.shadows import Shadows


class Outbound:
    """Binds routes to the running loop; closes connections once no request is open."""

    def __init__(self, routes: LiveRoutes, engines: EngineClient, peers: Peers, shadows: Shadows) -> None:
        self._routes, self._engines, self._peers, self._shadows = routes, engines, peers, shadows

    async def start(self) -> None:
        """From now on a new route table wakes the requests that wait."""
        self._routes.attach()

    async def stop(self) -> None:
        """Close all connections."""
        await self._shadows.close()
        await self._engines.close()
        await self._peers.close()
