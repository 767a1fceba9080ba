"""One version in the whole repository: the file VERSION, and each place that repeats it."""

import importlib.util
import shutil
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("version_script", ROOT / "scripts/version.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = script()
CURRENT = (ROOT / "VERSION").read_text().strip()


def copied(target: Path) -> Path:
    """Copy the files that repeat the version."""
    shutil.copy(ROOT / "VERSION", target)
    for path in {path for path, _, _ in SCRIPT.places(CURRENT, ROOT)}:
        place = target / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    return target


def test_every_place_repeats_the_version():
    assert list(SCRIPT.disagreements(CURRENT, ROOT)) == []


def test_the_places_are_packages_charts_and_examples():
    paths = [path.relative_to(ROOT).as_posix() for path, _, _ in SCRIPT.places(CURRENT, ROOT)]
    assert {
        "libs/tasks/pyproject.toml",
        "services/serving/pyproject.toml",
        "charts/ratoon/Chart.yaml",
    } <= set(paths)


@pytest.mark.parametrize("package", ["ratoon-cli", "ratoon-gateway", "ratoon-client"])
def test_an_installed_package_reports_the_version(package):
    assert version(package) == CURRENT, "make env"


def test_a_new_version_is_written_everywhere(tmp_path):
    root = copied(tmp_path)
    SCRIPT.set_version("9.8.7rc6", root)
    assert (root / "VERSION").read_text() == "9.8.7rc6\n"
    assert list(SCRIPT.disagreements("9.8.7rc6", root)) == []
    assert 'version = "9.8.7rc6"' in (root / "libs/tasks/pyproject.toml").read_text()
    chart = (root / "charts/ratoon/Chart.yaml").read_text()
    assert "\nversion: 9.8.7-rc.6\n" in chart
    assert '\nappVersion: "9.8.7rc6"\n' in chart
    assert "{name: kafka, version: 9.8.7-rc.6, condition" in chart
    assert 'kubeVersion: ">=1.30.0-0"' in chart


def test_a_place_that_was_forgotten_is_named(tmp_path):
    root = copied(tmp_path)
    place = root / "charts/ratoon/charts/serving/Chart.yaml"
    place.write_text(place.read_text().replace(CURRENT, "0.0.1"))
    assert [fault.split()[0] for fault in SCRIPT.disagreements(CURRENT, root)] == [
        "charts/ratoon/charts/serving/Chart.yaml"
    ]


@pytest.mark.parametrize("text", ["0.2", "v0.2.0", "0.2.0-dev.0", "0.2.0.post1", ""])
def test_what_is_no_version_is_refused_before_anything_is_written(text, tmp_path):
    root = copied(tmp_path)
    with pytest.raises(ValueError, match="is not a version"):
        SCRIPT.set_version(text, root)
    assert (root / "VERSION").read_text().strip() == CURRENT


@pytest.mark.parametrize(
    ("text", "chart"), [("0.2.0", "0.2.0"), ("0.2.0rc1", "0.2.0-rc.1"), ("0.2.0.dev0", "0.2.0-dev.0")]
)
def test_helm_gets_the_version_in_its_own_spelling(text, chart):
    assert SCRIPT.chart_version(text) == chart
