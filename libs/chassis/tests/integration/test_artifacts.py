"""The artifact store on a folder: what goes in comes out, damage is seen, no path leads out."""

import json

import pytest

from ratoon.chassis.artifacts import ArtifactStore, TreeFile
from ratoon.chassis.errors import FailedPrecondition, InvalidArgument, NotFound


@pytest.fixture
def store(tmp_path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "store"))


def test_a_blob_is_found_by_its_digest(store, tmp_path):
    digest = store.put_bytes(b"hello")
    assert store.put_bytes(b"hello") == digest
    assert store.read(digest) == b"hello"
    assert store.fetch(digest, tmp_path / "deep" / "copy").read_bytes() == b"hello"
    with pytest.raises(NotFound):
        store.open("0" * 64)


def test_a_tree_comes_back_whole_and_is_named_by_its_content(store, tmp_path):
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "sub" / "weights").write_bytes(b"\0" * 3_000_000)
    digest = store.put_tree(folder)
    copy = store.fetch_tree(digest, tmp_path / "copy")
    assert (copy / "sub" / "weights").read_bytes() == b"\0" * 3_000_000
    assert store.put_tree(copy) == digest


def test_damage_is_seen_and_said(store, tmp_path):
    digest = store.put_bytes(b"precious")
    (tmp_path / "store" / "sha256" / digest[:2] / digest).write_bytes(b"precioux")
    with pytest.raises(FailedPrecondition) as damaged:
        store.fetch(digest, tmp_path / "copy")
    assert damaged.value.reason == "ARTIFACT_DAMAGED"
    assert list(tmp_path.glob("*copy*")) == []


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "", "a\\b"])
def test_a_tree_whose_paths_lead_out_is_refused(store, tmp_path, path):
    blob = store.put_bytes(b"x")
    tree = store.put_bytes(json.dumps({"files": [{"path": path, "sha256": blob, "size": 1}]}).encode())
    with pytest.raises(InvalidArgument):
        store.fetch_tree(tree, tmp_path / "out")


@pytest.mark.parametrize("digest", ["", "abc", "../../etc/passwd", "A" * 64])
def test_what_is_no_digest_reaches_no_file(store, digest):
    with pytest.raises(InvalidArgument):
        store.exists(digest)


def test_a_blob_that_is_no_manifest_is_no_tree(store):
    with pytest.raises(FailedPrecondition):
        store.tree(store.put_bytes(b"plain"))
    assert store.tree(store.put_manifest([TreeFile("a", "0" * 64, 1)])) == [TreeFile("a", "0" * 64, 1)]
