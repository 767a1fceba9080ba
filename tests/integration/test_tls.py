"""Services that call each other by mutual TLS on ports, as they do from pod to pod."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratoon.process.errors import FailedPrecondition, Unavailable
from ratoon.registry.v1 import registry_service_pb2 as pb
from ratoon.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from ratoon.runtime.client import open_channel
from ratoon.runtime.settings import ServiceSettings
from ratoon.security.authority import make_authority
from ratoon.security.tls import Certificates
from ratoon.testkit.certificates import write_certificates
from ratoon.testkit.ports import free_ports
from ratoon.testkit.services import State, running
from ratoon_gateway.settings import Settings as GatewaySettings
from ratoon_registry.settings import Settings as RegistrySettings

REQUEST = pb.ListModelsRequest(parent="projects/p")
FIRST, SECOND = make_authority("first"), make_authority("second")


@pytest.fixture(scope="module")
def state(tmp_path_factory) -> Iterator[State]:
    with State(tmp_path_factory.mktemp("tls")) as state:
        yield state


@pytest.fixture(scope="module")
def services(state) -> Iterator[list[ServiceSettings]]:
    listen, http, metrics = free_ports(3)
    peers = {"registry": f"localhost:{listen}"}
    registry, gateway = (
        write_certificates(state.folder / name, FIRST, "localhost")
        for name in ("registry-tls", "gateway-tls")
    )
    settings = [
        RegistrySettings(state=state.folder, listen=peers["registry"], tls=registry),
        GatewaySettings(
            state=state.folder,
            port=http,
            grpc="off",
            peers=peers,
            tls=gateway,
            metrics=f"127.0.0.1:{metrics}",
        ),
    ]
    with running(settings):
        yield settings


def models(state: State, services: list[ServiceSettings], certificates: Path | None) -> list[object]:
    shown = Certificates(certificates) if certificates else None
    with open_channel(services[0].listen, state.signer("flywheel"), shown) as channel:
        return list(RegistryServiceStub(channel).ListModels(REQUEST).models)


def test_a_service_accepts_a_certificate_of_its_authority(state, services, tmp_path):
    assert models(state, services, write_certificates(tmp_path, FIRST, "flywheel")) == []


def test_a_service_refuses_a_foreign_certificate_and_plain_connections(state, services, tmp_path):
    with pytest.raises(Unavailable):
        models(state, services, write_certificates(tmp_path, SECOND, "flywheel"))
    with pytest.raises(Unavailable):
        models(state, services, None)


def test_the_gateway_reaches_a_service_by_tls_and_keeps_its_metrics_off_the_public_port(state, services):
    port = services[1].port
    key = (state.folder / "keys/operator.key").read_text().strip()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/projects/p/models", headers={"authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10)


def test_replaced_certificates_are_taken_up_without_a_restart(state, tmp_path, monkeypatch):
    monkeypatch.setattr("ratoon.security.tls._CHECK_EVERY_S", 0.0)
    served = write_certificates(tmp_path / "served", FIRST, "localhost")
    called = write_certificates(tmp_path / "called", FIRST, "flywheel")
    settings = RegistrySettings(state=state.folder, listen=f"localhost:{free_ports()[0]}", tls=served)
    with (
        running([settings]),
        open_channel(settings.listen, state.signer("flywheel"), Certificates(called)) as one,
    ):
        stub = RegistryServiceStub(one)
        assert not stub.ListModels(REQUEST).models
        write_certificates(served, SECOND, "localhost")
        write_certificates(called, SECOND, "flywheel")
        assert not stub.ListModels(REQUEST).models
        old = write_certificates(tmp_path / "old", FIRST, "flywheel")
        with pytest.raises(Unavailable):
            models(state, [settings], old)


def test_a_folder_without_certificates_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(FailedPrecondition, match=r"tls\.crt is missing"):
        Certificates(tmp_path)
