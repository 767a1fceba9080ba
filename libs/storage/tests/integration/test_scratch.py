"""The scratch store in a directory and in an object store."""

import uuid

import pytest

from ratoon.storage.scratch import ScratchStore
from ratoon.testkit.object_store import object_store

__all__ = ["object_store"]


@pytest.fixture(params=["folder", "memory", "s3"])
def scratch(request, tmp_path) -> ScratchStore:
    if request.param == "s3":
        return ScratchStore(
            f"{request.getfixturevalue('object_store').url}/{uuid.uuid4().hex}", "training/run"
        )
    url = str(tmp_path / "store") if request.param == "folder" else f"memory://{uuid.uuid4().hex}"
    return ScratchStore(url, "training/run")


def test_files_are_put_replaced_and_removed_by_name(scratch, tmp_path):
    assert scratch.names() == []
    assert scratch.read("fence") is None
    scratch.put("fence", b"1")
    scratch.put("fence", b"2")
    scratch.put("step-1", b"weights")
    assert scratch.names() == ["fence", "step-1"]
    assert scratch.read("fence") == b"2"
    assert scratch.fetch("step-1", tmp_path / "deep/copy").read_bytes() == b"weights"
    scratch.remove("step-1")
    scratch.remove("step-1")
    assert scratch.names() == ["fence"]


def test_a_cleared_store_is_empty_and_others_are_not(scratch, tmp_path):
    scratch.clear()
    scratch.put("a", b"a")
    scratch.clear()
    scratch.clear()
    assert scratch.names() == []
    with pytest.raises(FileNotFoundError):
        scratch.fetch("a", tmp_path / "copy")
