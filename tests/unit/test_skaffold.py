"""Configuration of skaffold: images that are built, values that the chart has, files that exist."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
PROFILES = {"none": CONFIG, **{each["name"]: {**CONFIG, **each} for each in CONFIG["profiles"]}}


@pytest.fixture(params=PROFILES)
def profile(request):
    return PROFILES[request.param]


def test_the_profiles_are_those_that_are_documented():
    assert set(PROFILES) == {"none", "laptop", "gpu", "trn"}
    assert all(name in (ROOT / "docs/operations/install.md").read_text() for name in PROFILES)


def test_images_are_built_by_the_script_and_depend_on_existing_paths(profile):
    for artifact in profile["build"]["artifacts"]:
        script, name = artifact["custom"]["buildCommand"].split()
        assert (ROOT / script).stat().st_mode & 0o111
        assert artifact["image"] == f"ratoon/{name}"
        assert all(any(ROOT.glob(path)) for path in artifact["custom"]["dependencies"]["paths"])


def test_every_image_that_is_built_is_passed_to_the_chart(profile):
    built = {each["image"].removeprefix("ratoon/") for each in profile["build"]["artifacts"]}
    (release,) = profile["deploy"]["helm"]["releases"]
    templates = release["setValueTemplates"]
    assert {key.removeprefix("global.images.pinned.") for key in templates} == built
    for key, template in templates.items():
        name = re.sub(r"\W", "_", f"ratoon/{key.rpartition('.')[2]}")
        assert template == f"{{{{.IMAGE_FULLY_QUALIFIED_{name}}}}}"
    assert (ROOT / release["chartPath"] / "Chart.yaml").exists()
    assert all((ROOT / path).exists() for path in release["valuesFiles"])
