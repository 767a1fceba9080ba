"""Manifests that others write: entries that lead elsewhere, collide or lie are refused by name.

Kinds seen in MLflow's and other registries' advisories: parent directories, absolute paths, doubles, NUL, false sizes.
"""

import json

import pytest

from ratoon.process.errors import FailedPrecondition, InvalidArgument
from ratoon.storage.artifacts import ArtifactStore


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(str(tmp_path / "store"))


def tree(store, *rows):
    blob = store.put_bytes(b"harmless")
    files = [{"path": "a.txt", "sha256": blob, "size": 8} | row for row in rows]
    return store.put_bytes(json.dumps({"files": files}, separators=(",", ":")).encode())


BAD = {
    "absolute": [{"path": "/tmp/escaped.txt"}],
    "parent": [{"path": "../../escaped.txt"}],
    "hidden parent": [{"path": "a/../../escaped.txt"}],
    "backslash": [{"path": "..\\escaped.txt"}],
    "dot": [{"path": "."}],
    "dot inside": [{"path": "a/./b"}],
    "empty part": [{"path": "a//b"}],
    "folder": [{"path": "a/"}],
    "empty": [{"path": ""}],
    "nul": [{"path": "a\0b.txt"}],
    "surrogate": [{"path": "a\ud800.txt"}],
    "no text": [{"path": 5}],
    "long": [{"path": "x" * 300}],
    "deep": [{"path": "/".join(["x" * 10] * 200)}],
    "twice": [{}, {}],
    "file and folder": [{"path": "a"}, {"path": "a/b.txt"}],
    "file and folder, deeper": [{"path": "a/b/c/d"}, {"path": "a/b"}],
    "negative size": [{"size": -1}],
    "size of text": [{"size": "8"}],
    "size of truth": [{"size": True}],
    "digest is a path": [{"sha256": "../../../keys/operator.key"}],
    "digest in capitals": [{"sha256": "A" * 64}],
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_entry_is_refused_by_name_and_nothing_is_written(store, tmp_path, kind):
    digest, place = tree(store, *BAD[kind]), tmp_path / "deep" / "er" / "out"
    for read in (
        store.tree,
        store.check_if_tree,
        store.check_tree,
        lambda digest: store.fetch_tree(digest, place),
    ):
        with pytest.raises(InvalidArgument, match="A tree may not hold"):
            read(digest)
    assert not (tmp_path / "deep").exists()


def test_the_entry_is_named(store):
    with pytest.raises(InvalidArgument, match=r"'a/b\.txt'.*directory|'a'.*directory of 'a/b\.txt'"):
        store.tree(tree(store, {"path": "a"}, {"path": "a/b.txt"}))


@pytest.mark.parametrize("size", [7, 10**15])
def test_a_size_that_is_not_the_blobs_is_refused_where_a_tree_is_named(store, size):
    with pytest.raises(InvalidArgument, match=rf"'a\.txt'.*{size} bytes, its blob has 8"):
        store.check_tree(tree(store, {"size": size}))


def test_a_blob_that_is_no_tree_passes_where_either_may_be_named(store):
    store.check_if_tree(store.put_bytes(b"PK\x03\x04"))
    store.check_if_tree(store.put_bytes(b""))


def test_a_tree_without_files_cannot_be_named(store):
    with pytest.raises(InvalidArgument, match="no files"):
        store.check_tree(store.put_bytes(b'{"files":[]}'))


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"files":5}', b'{"files":[5]}', b"null", b"\xff\xfe"])
def test_a_blob_that_is_no_manifest_is_no_tree(store, data):
    with pytest.raises(FailedPrecondition, match="is no tree"):
        store.tree(store.put_bytes(data))


@pytest.mark.parametrize("path", ["a b/ü.txt", "…/..a", "a/b/c", ".hidden", "评论.csv", "a\nb"])
def test_ordinary_names_of_any_language_are_kept(store, tmp_path, path):
    digest = tree(store, {"path": path})
    assert [file.path for file in store.check_tree(digest)] == [path]
    assert (store.fetch_tree(digest, tmp_path / "out") / path).read_bytes() == b"harmless"
