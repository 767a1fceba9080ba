"""Bills of materials list what is installed, with digests, and nothing that another platform would install."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
STATUS = """Package: libnuma1
Status: install ok installed
Architecture: amd64
Version: 2.0.16-1

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""
LOCK = f"""torch==2.13.0 ; sys_platform == 'never' \\
    --hash=sha256:{"a" * 64}
uvicorn[standard]==0.54.0 \\
    --hash=sha256:{"b" * 64} \\
    --hash=sha256:{"c" * 64}
tomli==2.0 ; python_full_version < '3.11' \\
    --hash=sha256:{"d" * 64}
"""


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sbom", SCRIPTS / "sbom.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_debian_packages_that_are_installed(sbom: ModuleType) -> None:
    (one,) = sbom.debian(STATUS)
    assert one["purl"] == "pkg:deb/debian/libnuma1@2.0.16-1?arch=amd64"


def test_python_packages_of_the_target_with_every_digest(sbom: ModuleType) -> None:
    (one,) = sbom.python(LOCK)
    assert one["purl"] == "pkg:pypi/uvicorn@0.54.0"
    assert [each["content"] for each in one["hashes"]] == ["b" * 64, "c" * 64]


def test_every_package_of_a_lock_is_read(sbom: ModuleType) -> None:
    lock = (SCRIPTS.parent / "requirements/services.txt").read_text()
    names = {each["name"] for each in sbom.python(lock)}
    assert {"grpcio", "psycopg-binary", "s3fs"} <= names
    assert "torch" not in names


def test_jars_and_own_packages(sbom: ModuleType) -> None:
    (jar,) = sbom.jars(f"{'e' * 64}  kafka-clients-4.1.1.jar\n")
    assert (jar["name"], jar["version"]) == ("kafka-clients", "4.1.1")
    assert {each["name"] for each in sbom.own()} >= {"ratoon-runtime", "ratoon-gateway"}


def test_the_same_parts_make_the_same_document(sbom: ModuleType) -> None:
    documents = [json.dumps(sbom.bill("services", "1", list(sbom.debian(STATUS)))) for _ in range(2)]
    assert documents[0] == documents[1]
