"""A shelf beside the artifacts, in a folder and in a store of objects."""

import uuid

import pytest

from ratoon.chassis.scratch import ScratchStore
from ratoon.testkit.object_store import object_store

__all__ = ["object_store"]


@pytest.fixture(params=["folder", "memory", "s3"])
def shelf(request, tmp_path) -> ScratchStore:
    if request.param == "s3":
        return ScratchStore(
            f"{request.getfixturevalue('object_store').url}/{uuid.uuid4().hex}", "training/run"
        )
    url = str(tmp_path / "store") if request.param == "folder" else f"memory://{uuid.uuid4().hex}"
    return ScratchStore(url, "training/run")


def test_files_are_put_replaced_and_removed_by_name(shelf, tmp_path):
    assert shelf.names() == []
    assert shelf.read("fence") is None
    shelf.put("fence", b"1")
    shelf.put("fence", b"2")
    shelf.put("step-1", b"weights")
    assert shelf.names() == ["fence", "step-1"]
    assert shelf.read("fence") == b"2"
    assert shelf.fetch("step-1", tmp_path / "deep/copy").read_bytes() == b"weights"
    shelf.remove("step-1")
    shelf.remove("step-1")
    assert shelf.names() == ["fence"]


def test_a_cleared_shelf_is_empty_and_others_are_not(shelf, tmp_path):
    shelf.clear()
    shelf.put("a", b"a")
    shelf.clear()
    shelf.clear()
    assert shelf.names() == []
    with pytest.raises(FileNotFoundError):
        shelf.fetch("a", tmp_path / "copy")
