"""Models as files of other programs on the command line: exports, downloads that resume, and weights that come in."""

import hashlib
import json

import httpx
import pytest

from libs.cli.tests.unit.conftest import watch
from ratoon.cli.model_folders import UnfitModel, as_safetensors, needs_conversion

VERSION = "projects/p/models/p/versions/v1.0"
EXPORT = "projects/p/modelExports/e"
DATA = b"GGUF\x03"
DIGEST, SOURCE = hashlib.sha256(DATA).hexdigest(), "d" * 64
DONE = {
    "name": EXPORT,
    "state": "STATE_SUCCEEDED",
    "sourceDigest": SOURCE,
    "format": "FORMAT_GGUF",
    "ggufType": "GGUF_TYPE_Q8_0",
    "files": [{"path": "model.gguf", "digest": DIGEST, "sizeBytes": str(len(DATA))}],
}


@pytest.fixture
def version(server):
    server.answers["GET", VERSION] = {"name": VERSION, "artifactDigest": SOURCE}
    server.answers["POST", "projects/p/modelExports"] = {"name": EXPORT, "state": "STATE_QUEUED"}
    server.answers["GET", f"{EXPORT}:watch"] = watch(DONE)
    server.answers["GET", f"blobs/{DIGEST}"] = httpx.Response(200, content=DATA)
    server.listing("projects/p/modelExports", "modelExports", [])


def test_an_export_names_version_and_type_and_is_downloaded(ratoon, server, version, tmp_path):
    arguments = ("--format", "gguf", "--type", "q8_0", "--out", str(tmp_path / "out"))
    status, _, errors = ratoon("models", "export", "v1.0", *arguments)
    assert status == 0, errors
    assert (tmp_path / "out" / "model.gguf").read_bytes() == DATA
    assert server.sent("POST")[0][3] == {
        "sourceDigest": SOURCE,
        "sourceVersion": VERSION,
        "format": "FORMAT_GGUF",
        "ggufType": "GGUF_TYPE_Q8_0",
    }


def test_a_download_uses_an_earlier_export_and_keeps_complete_files(ratoon, server, version, tmp_path):
    server.listing("projects/p/modelExports", "modelExports", [{**DONE, "ggufType": "GGUF_TYPE_F16"}, DONE])
    arguments = ("models", "download", "v1.0", str(tmp_path), "--format", "gguf", "--type", "q8_0")
    status, _, errors = ratoon(*arguments)
    assert status == 0, errors
    assert not server.sent("POST")
    assert (tmp_path / "model.gguf").read_bytes() == DATA
    before = len(server.requests)
    status, _, errors = ratoon(*arguments)
    assert status == 0, errors
    assert "complete" in errors
    assert not [each for each in server.requests[before:] if "blobs" in each.url.path]


def test_damaged_files_are_downloaded_again(ratoon, server, version, tmp_path):
    server.listing("projects/p/modelExports", "modelExports", [DONE])
    (tmp_path / "model.gguf").write_bytes(b"x" * len(DATA))
    status, _, errors = ratoon(
        "models", "download", "v1.0", str(tmp_path), "--format", "gguf", "--type", "q8_0"
    )
    assert status == 0, errors
    assert (tmp_path / "model.gguf").read_bytes() == DATA


def test_an_artifact_is_downloaded_as_it_is_registered(ratoon, server, version, tmp_path):
    manifest = {"files": [{"path": "a/model.gguf", "sha256": DIGEST, "size": len(DATA)}]}
    server.answers["GET", f"blobs/{SOURCE}"] = httpx.Response(200, content=json.dumps(manifest).encode())
    status, _, errors = ratoon("models", "download", SOURCE, str(tmp_path), "--format", "artifact")
    assert status == 0, errors
    assert (tmp_path / "a" / "model.gguf").read_bytes() == DATA


def test_files_outside_of_the_directory_are_refused(ratoon, server, version, tmp_path):
    outside = [{"path": "../model.gguf", "digest": DIGEST, "sizeBytes": "5"}]
    server.listing("projects/p/modelExports", "modelExports", [{**DONE, "files": outside}])
    status, _, errors = ratoon(
        "models", "download", "v1.0", str(tmp_path / "in"), "--format", "gguf", "--type", "q8_0"
    )
    assert status != 0
    assert "outside of its directory" in errors
    assert not (tmp_path / "model.gguf").exists()


def test_a_type_without_gguf_is_refused(ratoon, version):
    status, _, errors = ratoon("models", "export", "v1.0", "--format", "onnx", "--type", "f16")
    assert status == 2
    assert "--type goes with" in errors


def test_pickled_weights_take_the_place_of_missing_safetensors_alone(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"no checkpoint")
    (tmp_path / "config.json").write_text("{}")
    assert needs_conversion(tmp_path)
    with pytest.raises(UnfitModel, match="was not loaded"), as_safetensors(tmp_path):
        pass
    (tmp_path / "model.safetensors").touch()
    with as_safetensors(tmp_path) as same:
        assert same == tmp_path
