"""Client of the registry's parity certificates, over gRPC."""

import logging

import grpc

from ratoon.process.errors import RatoonError, Unavailable
from ratoon.registry.v1 import registry_service_pb2 as pb
from ratoon.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from ratoon.service.parity import link_message
from ratoon.tasks.parity import Link

_LOG = logging.getLogger(__name__)


class RegistryCertificates:
    """Parity certificates of model versions."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._registry = RegistryServiceStub(channel)

    def record(self, version: str, link: Link) -> None:
        """Add a link to the certificate of a version; Unavailable while the registry does not answer.

        Other refusals are logged: the work that was measured stays valid without the version.
        """
        try:
            self._registry.RecordParityLink(pb.RecordParityLinkRequest(name=version, link=link_message(link)))
        except Unavailable:
            raise
        except RatoonError as error:
            _LOG.warning("The parity of %s was not recorded for %s: %s", link.source, version, error)
