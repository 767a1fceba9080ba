"""The artifact store on a directory and on S3: what goes in comes out, damage is seen, no path leads out."""

import json
import uuid

import pytest

from ratoon.process.errors import FailedPrecondition, InvalidArgument, NotFound, described
from ratoon.storage.artifacts import ArtifactStore, TreeFile
from ratoon.testkit.object_store import ObjectStore, object_store

__all__ = ["object_store"]


@pytest.fixture
def store(tmp_path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "store"))


@pytest.fixture(params=["folder", "memory", "s3"])
def any_store(request, tmp_path) -> ArtifactStore:
    if request.param == "folder":
        return ArtifactStore(str(tmp_path / "store"))
    if request.param == "memory":
        return ArtifactStore(f"memory://{uuid.uuid4().hex}")
    return ArtifactStore(f"{request.getfixturevalue('object_store').url}/{uuid.uuid4().hex}")


def test_a_blob_is_found_by_its_digest(any_store, tmp_path):
    digest = any_store.put_bytes(b"hello")
    assert any_store.put_bytes(b"hello") == digest
    assert any_store.read(digest) == b"hello"
    assert any_store.fetch(digest, tmp_path / "deep" / "copy").read_bytes() == b"hello"
    with pytest.raises(NotFound):
        any_store.open("0" * 64)


def test_a_tree_comes_back_whole_and_is_named_by_its_content(any_store, tmp_path):
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "sub" / "weights").write_bytes(b"\0" * 3_000_000)
    digest = any_store.put_tree(folder)
    copy = any_store.fetch_tree(digest, tmp_path / "copy")
    assert (copy / "sub" / "weights").read_bytes() == b"\0" * 3_000_000
    assert any_store.put_tree(copy) == digest


def test_a_blob_belongs_to_the_projects_that_are_marked(any_store, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    digest = any_store.put_tree(folder)
    (file,) = any_store.tree(digest)
    again = ArtifactStore(any_store.url)
    assert not again.owned("p", digest)
    any_store.grant("p", digest)
    any_store.grant("q-1", digest)
    for project, owns in (("p", True), ("q-1", True), ("q", False), ("-", False)):
        assert [again.owned(project, each) for each in (digest, file.sha256)] == [owns, owns]
    any_store.delete(digest)
    any_store.disown(
        digest
    )  # marked just now: it stays, for a caller that puts the same bytes there meanwhile
    assert again.owned("p", digest)
    assert again.noted("done") is None
    any_store.note("done")
    assert again.noted("done") < 600
    assert list(again.blobs()) != []


def test_damage_is_seen_and_said(store, tmp_path):
    digest = store.put_bytes(b"precious")
    (tmp_path / "store" / "sha256" / digest[:2] / digest).write_bytes(b"precioux")
    with pytest.raises(FailedPrecondition) as damaged:
        store.fetch(digest, tmp_path / "copy")
    assert damaged.value.reason == "ARTIFACT_DAMAGED"
    assert list(tmp_path.glob("*copy*")) == []


def test_a_reader_gets_no_damaged_bytes_even_when_it_read_them_whole_before(store, tmp_path):
    digest = store.put_bytes(b"precious")
    with store.open(digest) as source:
        assert source.read() == b"precious"
    (tmp_path / "store" / "sha256" / digest[:2] / digest).write_bytes(b"prec")
    with pytest.raises(FailedPrecondition) as damaged:
        store.open(digest)
    assert damaged.value.reason == "ARTIFACT_DAMAGED"


@pytest.mark.parametrize("bytes_left", [b"precioux", b"prec", b""])
def test_a_damaged_blob_is_replaced_by_whoever_has_its_bytes(store, tmp_path, bytes_left):
    digest = store.put_bytes(b"precious")
    (tmp_path / "store" / "sha256" / digest[:2] / digest).write_bytes(bytes_left)
    assert not store.intact(digest)
    (tmp_path / "whole").write_bytes(b"precious")
    assert store.put_file(tmp_path / "whole") == digest
    assert store.read(digest) == b"precious"


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


def test_a_blob_that_is_no_manifest_is_no_tree(any_store):
    with pytest.raises(FailedPrecondition):
        any_store.tree(any_store.put_bytes(b"plain"))
    assert any_store.tree(any_store.put_manifest([TreeFile("a", "0" * 64, 1)])) == [
        TreeFile("a", "0" * 64, 1)
    ]


def test_what_was_erased_is_gone_for_good_and_says_why(any_store, tmp_path):
    digest = any_store.put_bytes(b"the text of a person")
    any_store.erase(digest, "a person requested it")
    assert not any_store.exists(digest)
    path = tmp_path / "again"
    path.write_bytes(b"the text of a person")
    for use in (
        lambda: any_store.open(digest),
        lambda: any_store.read(digest),
        lambda: any_store.tree(digest),
        lambda: any_store.put_bytes(b"the text of a person"),
        lambda: any_store.put_file(path),
    ):
        with pytest.raises(FailedPrecondition, match="a person requested it") as refused:
            use()
        assert refused.value.reason == "ARTIFACT_ERASED"
    assert not any_store.intact(digest)
    any_store.erase(digest, "once more changes nothing")


def test_parts_of_a_blob_are_read_where_they_stand(any_store):
    digest = any_store.put_bytes(bytes(range(256)) * 40_000)
    with any_store.open(digest) as source:
        source.seek(256 * 30_000 + 5)
        assert source.read(3) == bytes([5, 6, 7])
    assert any_store.size(digest) == 256 * 40_000
    assert any_store.intact(digest)


def test_what_an_object_store_holds_is_listed_and_goes_when_it_was_not_put_since(object_store: ObjectStore):
    store = ArtifactStore(f"{object_store.url}/{uuid.uuid4().hex}")
    first, second = store.put_bytes(b"first"), store.put_bytes(b"second")
    blobs = {name: (size, when) for name, size, when in store.blobs()}
    assert {name: size for name, (size, _) in blobs.items()} == {first: 5, second: 6}
    assert not store.delete_unchanged(first, blobs[first][1] - 60)
    assert store.delete_unchanged(first, blobs[first][1])
    assert [name for name, *_ in store.blobs()] == [second]


def test_a_read_of_an_object_resets_its_age(object_store: ObjectStore, monkeypatch):
    store = ArtifactStore(f"{object_store.url}/{uuid.uuid4().hex}")
    digest = store.put_bytes(b"old")
    ((_, _, before),) = store.blobs()
    monkeypatch.setattr("ratoon.storage.artifacts._YOUNG_S", -1.0)
    monkeypatch.setattr("time.time", lambda: before + 5)
    assert store.intact(digest)
    ((_, _, after),) = store.blobs()
    assert after >= before
    assert store.read(digest) == b"old"


def test_a_store_that_is_away_is_said_so_and_comes_back(object_store: ObjectStore):
    store = ArtifactStore(f"{object_store.url}/{uuid.uuid4().hex}")
    digest = store.put_bytes(b"kept")
    object_store.stop()
    try:
        with pytest.raises(Exception, match=r".") as away:
            store.read(digest)
        assert described(away.value).reason == "STORE_AWAY"
    finally:
        object_store.start()
    assert store.read(digest) == b"kept"
