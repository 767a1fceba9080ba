"""`python -m ratoon.engine.drain`: drain the engine of this pod before the pod is terminated (`preStop`).

The engine accepts no new requests, so that gateways choose others. The command returns when the open streams have
ended, at the latest after `drain_s`, and at once when the engine does not answer.
"""

import http.client
import json
import time

from ratoon.engine.contract import SECRET_HEADER, ControlPath
from ratoon.engine.settings import EngineSettings

_POLL_INTERVAL_S = 0.5
_TIMEOUT_S = 5.0


def drain(settings: EngineSettings, host: str = "127.0.0.1") -> None:
    """Drain the engine on this port; returns when it has no open request, at the time limit, or without an answer."""
    deadline = time.monotonic() + settings.drain_s
    while _open_requests(settings, host) and time.monotonic() < deadline:
        time.sleep(_POLL_INTERVAL_S)


def _open_requests(settings: EngineSettings, host: str) -> int:
    """Start the drain; returns the number of open requests, 0 when the engine does not answer."""
    connection = http.client.HTTPConnection(host, settings.port, timeout=_TIMEOUT_S)
    headers = {SECRET_HEADER: settings.secret, "content-type": "application/json"}
    try:
        connection.request("POST", ControlPath.DRAIN, "{}", headers)
        status = json.loads(connection.getresponse().read())
        adapters = status["adapters"].values()
        return int(status["in_flight"]) + sum(int(adapter["in_flight"]) for adapter in adapters)
    except (OSError, http.client.HTTPException, ValueError, KeyError, AttributeError):
        return 0
    finally:
        connection.close()


if __name__ == "__main__":
    drain(EngineSettings.of_this_process())
