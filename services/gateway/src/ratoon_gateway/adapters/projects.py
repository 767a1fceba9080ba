"""Projects as the gateway knows them: flywheel says which there are."""

import logging

import grpc

from ratoon.flywheel.v1 import flywheel_service_pb2
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.process.errors import InvalidArgument, NotFound, RatoonError
from ratoon_gateway.domain.errors import NoSuchProject

_LOG = logging.getLogger(__name__)
_TIMEOUT_S = 3.0


class FlywheelProjects:
    """Asks flywheel."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = FlywheelServiceStub(channel)  # type: ignore[no-untyped-call, unused-ignore]

    def check(self, name: str) -> None:
        """NoSuchProject when flywheel knows no project of this name; while flywheel is away any name passes."""
        try:
            self._stub.GetProject(flywheel_service_pb2.GetProjectRequest(name=name), timeout=_TIMEOUT_S)
        except NotFound:
            raise NoSuchProject(
                f"{name} does not exist. `ratoon projects list` lists the existing projects."
            ) from None
        except InvalidArgument:  # no name of a project: the service that is asked says what is wrong with it
            return
        except RatoonError as error:
            _LOG.warning("%s could not be looked up: %s", name, error)
