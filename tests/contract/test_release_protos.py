"""The protos stay compatible with the contracts of the last release, and a break is refused."""

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).parents[2]
OPTIONS = "ratoon/common/v1/options.proto"
PROGRESS = "ratoon/common/v1/progress.proto"
RUN = "ratoon/training/v1/training_run.proto"
SERVICE = "ratoon/registry/v1/registry_service.proto"
EVENTS = "ratoon/registry/v1/registry_events.proto"


@pytest.fixture(scope="module")
def protos() -> ModuleType:
    spec = importlib.util.spec_from_file_location("protos", ROOT / "scripts/protos.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        module.install_buf()
    except module.ProtoError as error:
        pytest.skip(str(error))
    return module


@pytest.fixture(scope="module")
def released(protos: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Descriptor set of the tree as it is, for comparison with copies that change one thing."""
    image = tmp_path_factory.mktemp("released") / "release.binpb"
    protos.describe(ROOT / "protos", image)
    return image


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "protos", tmp_path / "protos"))


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


BREAKS = {
    "field removed": (PROGRESS, "  string unit = 5;", "", '"unit"'),
    "field renumbered": (PROGRESS, "unit = 5;", "unit = 9;", '"unit"'),
    "type changed": (PROGRESS, "int64 done = 3;", "string done = 3;", '"done"'),
    "enum value removed": (RUN, "  STATE_PREPARING = 7;", "", '"7" on enum "State"'),
    "method removed": (SERVICE, "rpc GetModel(", "rpc FetchModel(", '"GetModel"'),
    "route changed": (SERVICE, "models/*}", "model/*}", "GetModel: route GET /v1/{name=projects/*/models/*}"),
    "role raised": (SERVICE, "ROLE_VIEWER", "ROLE_OPERATOR", "GetModel: callable by ROLE_VIEWER"),
    "topic renamed": (EVENTS, 'topic) = "ratoon.', 'topic) = "other.', ": topic ratoon.registry.v1."),
}


@pytest.mark.parametrize(("file", "old", "new", "named"), BREAKS.values(), ids=BREAKS)
def test_a_breaking_change_is_refused(protos, released, copy, file, old, new, named):
    replace(copy / file, old, new)
    breaks = protos.breaks(copy, released)
    assert any(named in each for each in breaks)
    with pytest.raises(protos.ProtoError, match="break callers of the last release"):
        protos.check_breaks(breaks, {})


NEW_METHOD = "rpc NewModel(GetModelRequest) returns (Model);\n  rpc GetModel("
ADDITIONS = {
    "field": (PROGRESS, "  string unit = 5;", "  string unit = 5;\n  int32 new = 99;"),
    "enum value": (OPTIONS, "  ROLE_SERVICE = 7;", "  ROLE_SERVICE = 7;\n  ROLE_NEW = 8;"),
    "method": (SERVICE, "rpc GetModel(", NEW_METHOD),
    "role lowered": (SERVICE, "ROLE_VIEWER", "ROLE_CALLER"),
    "comment": (SERVICE, "\nservice ", "\n// A comment.\nservice "),
}


@pytest.mark.parametrize(("file", "old", "new"), ADDITIONS.values(), ids=ADDITIONS)
def test_a_compatible_change_passes(protos, released, copy, file, old, new):
    replace(copy / file, old, new)
    protos.check_breaks(protos.breaks(copy, released), {})


def test_the_protos_break_nothing_of_the_last_release_that_is_not_accepted(protos):
    protos.check_breaks(
        protos.breaks(ROOT / "protos", protos.RELEASE), protos.accepted_breaks(protos.ACCEPTED)
    )


def test_an_accepted_break_passes_and_is_printed_with_its_reason(protos, capsys):
    protos.check_breaks(["f.proto: a."], {"f.proto: a.": "Because."})
    assert "f.proto: a. Reason: Because." in capsys.readouterr().out


def test_an_accepted_break_that_does_not_exist_is_refused(protos):
    with pytest.raises(protos.ProtoError, match="breaks that do not exist"):
        protos.check_breaks([], {"f.proto: a.": "Because."})


def test_a_missing_record_of_the_release_is_refused(protos, tmp_path):
    with pytest.raises(protos.ProtoError, match="is missing"):
        protos.breaks(ROOT / "protos", tmp_path / "release.binpb")


@pytest.fixture
def own_record(protos: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Directory in which the record and the accepted breaks of the last release are copies."""
    for name in ("RELEASE", "ACCEPTED"):
        path = getattr(protos, name)
        if path.exists():
            shutil.copy(path, tmp_path)
        monkeypatch.setattr(protos, name, tmp_path / path.name)
    monkeypatch.setattr(protos, "ROOT", tmp_path)
    monkeypatch.setattr(protos, "check", lambda: None)
    return tmp_path


def test_a_release_records_the_contracts_and_ends_the_accepted_breaks(protos, released, own_record):
    protos.release()
    assert (own_record / "release.binpb").read_bytes() == released.read_bytes()
    assert not (own_record / "accepted_breaks.toml").exists()


def test_the_record_has_contracts_and_no_source_information(protos):
    files = FileDescriptorSet.FromString(protos.RELEASE.read_bytes()).file
    assert any(file.package == "ratoon.registry.v1" for file in files)
    assert not [file.name for file in files if file.HasField("source_code_info")]
