"""The step that the guide adds, installed as a package is, in a curation and in a preview."""

import re
import sys
from pathlib import Path

import pytest

from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSettings, PreviewSpec, SourceSpec
from ratoon.operations.job_messages import to_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.curation import Step
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.worker.preview import preview
from ratoon_ingestion.worker.steps import registry

GUIDE = Path(__file__).parents[4] / "docs" / "guides" / "curation.md"
LINES = (
    "The ferry to the northern islands leaves every morning at eight from the old stone pier.",
    "BUY NOW BEFORE THE OFFER ENDS, ONLY TODAY AND ONLY HERE IN OUR OLD SHOP AT THE PIER",
    "Write to ann@example.com for the １２３ places that are left on the boat of tomorrow.",
)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The package of the guide, as an installer lays it down."""
    code, entry_points = (
        re.search(rf"```{kind}\n(.*?)```", GUIDE.read_text(), re.DOTALL)[1] for kind in ("python", "toml")
    )
    site = tmp_path / "site"
    metadata = site / "acme_steps-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "acme_steps.py").write_text(code)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-steps\nVersion: 1.0\n")
    lines = entry_points.replace('[project.entry-points."ratoon.curation_steps"]', "[ratoon.curation_steps]")
    (metadata / "entry_points.txt").write_text(lines.replace('"', ""))
    monkeypatch.syspath_prepend(str(site))
    registry._external.cache_clear()
    yield
    registry._external.cache_clear()
    sys.modules.pop("acme_steps", None)


def previewed(folder: Path, *steps: Step):
    store = ArtifactStore(str(folder / "artifacts"))
    settings = CurationSettings(**CurationConfig(steps=steps).stated())
    source = SourceSpec(digest=store.put_bytes("\n".join(LINES).encode()), format="TEXT")
    return preview(
        PreviewSpec(source=source, record_key="ab" * 32, record_count=5, curation=settings), store.url
    )


def test_the_step_of_the_guide_removes_what_shouts(package, tmp_path):
    result = previewed(tmp_path, Step("acme.shouting", {"max_share": "0.6"}))
    assert result.record_count == 2
    assert result.steps[0].name == "acme.shouting"
    assert dict(result.steps[0].removed_counts) == {"SHOUTING": 1}
    assert to_json(result.rejections[0])["text_start"] == LINES[1]


def test_a_preview_shows_what_each_step_changes(tmp_path):
    result = previewed(tmp_path, Step("normalize"))
    reports = {step.name: step for step in result.steps}
    assert list(reports) == ["normalize", "personal_data", "language", "length", "garbage"]
    (change,) = reports["normalize"].changes
    assert (change.before[-3:], change.after[-3:]) == ("１２３", "123")
    (masked,) = reports["personal_data"].changes
    assert "ann@example.com" in masked.before
    assert "[EMAIL]" in masked.after
    assert reports["length"].changed_count == 0


def test_a_step_that_is_gone_is_named(tmp_path):
    with pytest.raises(registry.StepNotInstalled, match="Install its package"):
        previewed(tmp_path, Step("acme.gone"))
