"""`python -m ratoon.engine.drain`: what an engine's pod does before it is told to end.

It closes the engine's doors for good, so that gateways go elsewhere, and waits until the open streams have ended, for
as long as the engine may drain. An engine that does not answer has nothing to wait for.
"""

import http.client
import json
import time

from ratoon.engine.contract import SECRET_HEADER, ControlPath
from ratoon.engine.settings import EngineSettings

_LOOK_S = 0.5
_ANSWER_S = 5.0


def drain(settings: EngineSettings, host: str = "127.0.0.1") -> None:
    """Close the engine on this port and return when it is empty, out of time, or silent."""
    until = time.monotonic() + settings.drain_s
    while _open_streams(settings, host) and time.monotonic() < until:
        time.sleep(_LOOK_S)


def _open_streams(settings: EngineSettings, host: str) -> int:
    """Close the engine, or see it closed; how many requests are inside, 0 when it does not answer."""
    connection = http.client.HTTPConnection(host, settings.port, timeout=_ANSWER_S)
    headers = {SECRET_HEADER: settings.secret, "content-type": "application/json"}
    try:
        connection.request("POST", ControlPath.DRAIN, "{}", headers)
        told = json.loads(connection.getresponse().read())
        adapters = told["adapters"].values()
        return int(told["in_flight"]) + sum(int(adapter["in_flight"]) for adapter in adapters)
    except (OSError, http.client.HTTPException, ValueError, KeyError, AttributeError):
        return 0
    finally:
        connection.close()


if __name__ == "__main__":
    drain(EngineSettings.of_this_process())
