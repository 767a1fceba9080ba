"""One license for the whole repository, named wherever a tool looks for it."""

import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LICENSE = "Apache-2.0"
PACKAGES = sorted([*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")])


def test_the_license_is_the_apache_license():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: path.parent.name)
def test_a_package_names_the_license_and_contains_its_text(path):
    project = tomllib.loads(path.read_text())["project"]
    assert project["license"] == LICENSE
    assert project["license-files"] == ["LICENSE"]
    assert path.with_name("LICENSE").resolve() == ROOT / "LICENSE"


def test_the_chart_names_the_license():
    chart = yaml.safe_load((ROOT / "charts/ratoon/Chart.yaml").read_text())
    assert chart["annotations"]["artifacthub.io/license"] == LICENSE


@pytest.mark.parametrize("image", ["services", "worker", "next"])
def test_an_image_of_ratoon_names_the_license(image):
    text = (ROOT / f"charts/images/{image}/Containerfile").read_text()
    assert f'org.opencontainers.image.licenses="{LICENSE}"' in text


@pytest.mark.parametrize("image", ["services", "worker"])
def test_an_image_that_builds_wheels_has_the_license_text(image):
    assert "COPY LICENSE /build/\n" in (ROOT / f"charts/images/{image}/Containerfile").read_text()
    assert "!LICENSE" in (ROOT / ".dockerignore").read_text().splitlines()
