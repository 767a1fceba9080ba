"""Secrets of an installation: what is missing is made, what is there stays as it is."""

import json
from dataclasses import replace

import pytest
from cryptography import x509

from ratoon.kubernetes.cluster_secrets import Content, DryRun
from ratoon.kubernetes.secrets import Maker, Plan, plan_of
from ratoon.process.clock import SystemClock
from ratoon.process.errors import FailedPrecondition, InvalidArgument
from ratoon.security.identity import Signer, Verifier, load_key, load_public_keys
from ratoon.security.tls import Certificates

PLAN = Plan(
    "ratoon",
    "loop",
    {"app.kubernetes.io/instance": "loop"},
    ["ingestion", "registry", "flywheel", "gateway"],
    certificates={"registry": ["loop-registry", "loop-registry.ratoon.svc"], "worker": ["loop-worker"]},
    passwords={"loop-registry-database": ["password"], "loop-s3": ["access-key-id", "secret-access-key"]},
)


class FakeCluster:
    """Secrets in memory."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[str, dict[str, bytes]]] = {}

    def get(self, name: str) -> Content | None:
        return self.held[name][1] if name in self.held else None

    def create(self, name: str, kind: str, content: Content) -> bool:
        if name in self.held:
            return False
        self.held[name] = (kind, dict(content))
        return True

    def add(self, name: str, content: Content) -> None:
        self.held[name][1].update(content)

    def delete_labelled(self) -> list[str]:
        names = list(self.held)
        self.held.clear()
        return names


def created(plan: Plan, cluster: FakeCluster | DryRun) -> list[str]:
    maker = Maker(plan, cluster)
    maker.make()
    return maker.created


def test_everything_is_made_once_and_never_changed():
    cluster = FakeCluster()
    assert set(created(PLAN, cluster)) == set(cluster.held)
    assert set(cluster.held) == {
        *(f"loop-{service}-keys" for service in PLAN.services),
        "loop-public-keys",
        "loop-operator",
        "loop-authority",
        "loop-registry-tls",
        "loop-worker-tls",
        "loop-registry-database",
        "loop-s3",
    }
    before = {name: (kind, dict(content)) for name, (kind, content) in cluster.held.items()}
    assert created(PLAN, cluster) == []
    assert cluster.held == before


def test_what_a_service_mounts_is_what_a_service_reads(tmp_path):
    cluster = FakeCluster()
    created(PLAN, cluster)
    for name in ("loop-registry-keys", "loop-public-keys", "loop-registry-tls"):
        for file, content in cluster.held[name][1].items():
            (tmp_path / file).write_bytes(content)
            (tmp_path / file).chmod(0o600)
    signer = Signer("registry", load_key(tmp_path / "registry.key"), SystemClock())
    assert (
        Verifier(load_public_keys(tmp_path / "public.json")).principal(signer.own_token()).name == "registry"
    )
    assert (tmp_path / "model-signing.pem").exists()
    assert (tmp_path / "model-signing.pub").exists()
    assert Certificates(tmp_path).serving()


def test_gateway_and_flywheel_share_one_secret_also_when_one_was_there_before():
    cluster = FakeCluster()
    created(replace(PLAN, services=["flywheel"]), cluster)
    created(PLAN, cluster)
    shared = {cluster.held[f"loop-{name}-keys"][1]["answers.secret"] for name in ("gateway", "flywheel")}
    assert len(shared) == 1


def test_certificates_name_their_part_and_come_from_one_authority():
    cluster = FakeCluster()
    created(PLAN, cluster)
    kind, content = cluster.held["loop-registry-tls"]
    certificate = x509.load_pem_x509_certificate(content["tls.crt"])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert kind == "kubernetes.io/tls"
    assert names.get_values_for_type(x509.DNSName) == PLAN.certificates["registry"]
    authority = x509.load_pem_x509_certificate(content["ca.crt"])
    certificate.verify_directly_issued_by(authority)
    later = replace(PLAN, certificates={**PLAN.certificates, "evaluation": ["loop-evaluation"]})
    assert created(later, cluster) == ["loop-evaluation-tls"]
    added = x509.load_pem_x509_certificate(cluster.held["loop-evaluation-tls"][1]["tls.crt"])
    added.verify_directly_issued_by(authority)


def test_a_service_that_is_new_is_added_to_the_public_keys():
    cluster = FakeCluster()
    created(PLAN, cluster)
    before = json.loads(cluster.held["loop-public-keys"][1]["public.json"])
    new_secrets = created(replace(PLAN, services=[*PLAN.services, "serving"]), cluster)
    assert new_secrets == ["loop-serving-keys", "loop-public-keys (serving)"]
    after = json.loads(cluster.held["loop-public-keys"][1]["public.json"])
    assert set(after) == {*before, "serving"}
    assert {name: after[name] for name in before} == before


def test_a_given_secret_that_lacks_a_value_is_named():
    cluster = FakeCluster()
    cluster.create("loop-registry-keys", "Opaque", {"other": b""})
    with pytest.raises(FailedPrecondition, match=r"loop-registry-keys is there, but has no registry\.key"):
        created(PLAN, cluster)


def test_a_rehearsal_says_what_is_missing_and_makes_nothing():
    cluster = FakeCluster()
    cluster.create("loop-s3", "Opaque", {"access-key-id": b"given", "secret-access-key": b"given"})
    missing = created(PLAN, DryRun(cluster))
    assert "loop-operator" in missing
    assert "loop-s3" not in missing
    assert list(cluster.held) == ["loop-s3"]


def test_a_plan_is_read_and_one_that_is_none_is_refused():
    text = '{"namespace": "n", "name": "x", "labels": {"a": "b"}, "services": ["registry"], "keys": false}'
    assert plan_of(text) == Plan("n", "x", {"a": "b"}, ["registry"], keys=False)
    for bad in ("", "{}", '{"namespace": "n", "name": "x", "labels": {}}'):
        with pytest.raises(InvalidArgument):
            plan_of(bad)
