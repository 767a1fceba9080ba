"""Who asks for a deployment without an engine: serving is told, again where it was away, and not at each request."""

import threading
from functools import partial

import grpc
import pytest

from ratoon.runtime.client import open_channel_with_token
from ratoon.serving.v1 import deployment_pb2
from ratoon.serving.v1.serving_service_pb2_grpc import (
    ServingServiceServicer,
    add_ServingServiceServicer_to_server,
)
from ratoon.testkit.services import answering
from ratoon.testkit.waiting import until
from ratoon_gateway.adapters import serving
from ratoon_gateway.adapters.routes import LiveRoutes
from ratoon_gateway.adapters.serving import Activator

NAME, OTHER, LAST = (f"projects/p/deployments/{each}" for each in ("mail", "tickets", "letters"))


class Serving(ServingServiceServicer):
    """Fail the first call as unavailable, once `all_requested` is set."""

    def __init__(self) -> None:
        self.woken: list[str] = []
        self.all_requested = threading.Event()

    def WakeDeployment(self, request, context):
        self.woken.append(request.name)
        self.all_requested.wait(4)
        if len(self.woken) == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        return deployment_pb2.Deployment(name=request.name)


@pytest.fixture
def running_serving(monkeypatch):
    """Routes that a waker listens to, and the serving that it tells."""
    monkeypatch.setattr(serving, "_WAKE_AGAIN_S", 0.1)
    servicer, routes = Serving(), LiveRoutes()
    with (
        answering("127.0.0.1:0", partial(add_ServingServiceServicer_to_server, servicer), threads=2) as port,
        open_channel_with_token(f"127.0.0.1:{port}", lambda: "token") as channel,
    ):
        activator = Activator(routes, channel)
        activator.start()
        yield routes, servicer
        activator.stop()


def test_serving_is_called_once_for_many_waiting_requests_and_again_after_a_failure(running_serving):
    routes, servicer = running_serving
    for _ in range(100):
        routes.activate(NAME)
    servicer.all_requested.set()
    until(lambda: len(servicer.woken) >= 2, 20, "serving was not told again")
    for name in (OTHER, LAST):
        routes.activate(name)
        until(lambda name=name: name in servicer.woken, 20, f"serving was not told of {name}")
    assert servicer.woken == [NAME, NAME, OTHER, LAST]
