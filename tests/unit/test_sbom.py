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


def test_own_packages_name_ratoons_license(sbom: ModuleType) -> None:
    licenses = [each["licenses"] for each in sbom.own()]
    assert len(licenses) > 10
    assert licenses == [[{"expression": "Apache-2.0"}]] * len(licenses)


@pytest.mark.parametrize(
    ("stated", "classifiers", "licenses"),
    [
        ("mit or apache-2.0", ["License :: OSI Approved"], [{"expression": "MIT OR Apache-2.0"}]),
        (
            "Apache 2.0",
            ["License :: OSI Approved :: Apache Software License"],
            [{"license": {"id": "Apache-2.0"}}],
        ),
        (
            "Dual License",
            ["License :: OSI Approved :: BSD License", "License :: OSI Approved :: MIT License"],
            [{"license": {"name": "BSD License"}}, {"license": {"id": "MIT"}}],
        ),
        ("3-Clause BSD License", [], [{"license": {"name": "3-Clause BSD License"}}]),
        ("Copyright (c) Somebody\nPermission is granted", [], []),
        ("", [], []),
    ],
)
def test_licenses_as_the_document_has_them(
    sbom: ModuleType, stated: str, classifiers: list[str], licenses: list[dict[str, object]]
) -> None:
    assert sbom.license_choice(stated, classifiers) == licenses


def test_a_license_is_that_of_the_version_in_the_lock(sbom: ModuleType) -> None:
    installed = {"name": "pytest", "version": pytest.__version__}
    assert sbom.licensed(installed)["licenses"] == [{"expression": "MIT"}]
    for other in ({"name": "pytest", "version": "0.1"}, {"name": "not-installed", "version": "1"}):
        assert sbom.licensed(other) == other


@pytest.mark.parametrize("lock", ["services", "worker-cpu"])
def test_nearly_all_packages_of_an_image_have_a_license(sbom: ModuleType, lock: str) -> None:
    listed = list(sbom.python((SCRIPTS.parent / f"requirements/{lock}.txt").read_text()))
    unknown = [each["name"] for each in listed if "licenses" not in sbom.licensed(each)]
    assert len(unknown) < len(listed) * 0.03, unknown


def test_the_same_parts_make_the_same_document(sbom: ModuleType) -> None:
    documents = [json.dumps(sbom.bill("services", "1", list(sbom.debian(STATUS)))) for _ in range(2)]
    assert documents[0] == documents[1]
