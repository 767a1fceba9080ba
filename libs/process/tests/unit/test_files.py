"""Files that appear whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from ratoon.process.files import OWNER_ONLY, create_file, replace_file, replacing, write_json


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths that were synced, in order."""
    paths: list[Path] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        paths.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return paths


def test_it_replaces_the_content(tmp_path):
    path = tmp_path / "table"
    replace_file(path, b"long old content")
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_content_and_no_draft(tmp_path):
    path = tmp_path / "table"
    replace_file(path, b"old")
    with pytest.raises(ZeroDivisionError), replacing(path) as sink:
        sink.write(b"half of the new")
        _ = 1 / 0
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_has_no_name_before_the_block_ends(tmp_path):
    path = tmp_path / "table"
    with replacing(path) as sink:
        sink.write(b"new")
        assert not path.exists()
    assert path.exists()


def test_a_durable_write_syncs_the_file_and_then_its_directory(tmp_path, synced):
    replace_file(tmp_path / "table", b"new")
    draft, directory = synced
    assert (draft.parent, draft.name[:7], directory) == (tmp_path, ".table.", tmp_path)


def test_another_write_syncs_nothing(tmp_path, synced):
    replace_file(tmp_path / "table", b"new", durable=False)
    assert synced == []


def test_a_private_file_is_never_readable_by_others(tmp_path):
    path = tmp_path / "key"
    path.touch(0o644)
    with replacing(path, mode=OWNER_ONLY) as sink:
        assert stat.S_IMODE(os.fstat(sink.fileno()).st_mode) == 0o600
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_file_never_replaces_one(tmp_path):
    path = tmp_path / "secret"
    create_file(path, b"first")
    with pytest.raises(FileExistsError):
        create_file(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_of_the_greatest_length_has_a_draft(tmp_path):
    path = tmp_path / ("n" * 255)
    write_json(path, {"a": 1})
    assert path.read_text() == '{"a": 1}'
