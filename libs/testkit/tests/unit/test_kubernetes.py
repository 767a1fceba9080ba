"""What the cluster's fixtures promise where no cluster is needed: nothing half-made, nothing left running."""

import io
import json
import tarfile
import time

import pytest

from ratoon.testkit.kubernetes import tools
from ratoon.testkit.kubernetes.fakes import FakeNode
from ratoon.testkit.kubernetes.images import PAUSE, _archive
from ratoon.testkit.kubernetes.processes import Processes


def test_a_build_that_fails_leaves_nothing_and_is_tried_again(tmp_path, monkeypatch):
    monkeypatch.setenv("RATOON_CACHE", str(tmp_path))

    def fails(folder):
        (folder / "half").touch()
        raise RuntimeError("go build failed")

    with pytest.raises(RuntimeError):
        tools._built("programs-1", fails)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    built = tools._built("programs-1", lambda folder: (folder / "whole").touch())
    assert [path.name for path in built.iterdir()] == ["whole"]
    assert tools._built("programs-1", fails) == built


def test_the_key_follows_from_the_source(tmp_path, monkeypatch):
    before = tools._programs_key()
    for name in ("go.sum", "main.go"):
        (tmp_path / name).write_text("other")
    monkeypatch.setattr(tools, "SOURCE", tmp_path)
    assert tools._programs_key() != before


def test_a_program_is_waited_for_and_ended(tmp_path):
    processes = Processes(tmp_path)
    processes.start("sleeper", ["bash", "-c", "echo up; exec sleep 60"])
    processes.wait("sleeper", lambda: "up" in processes.tail("sleeper"), 30)
    assert processes.alive("sleeper")
    processes.close()
    assert not processes.alive("sleeper")


def test_a_program_that_ends_is_reported_with_the_end_of_its_log(tmp_path):
    processes = Processes(tmp_path)
    processes.start("broken", ["bash", "-c", "echo no such flag; exit 1"])
    with pytest.raises(RuntimeError, match="broken ended:\nno such flag"):
        processes.wait("broken", lambda: time.sleep(0.05) or False, 30)


def test_the_image_of_one_program_is_the_same_each_time(tmp_path):
    program = tmp_path / "pause"
    program.write_bytes(b"program")
    archive = _archive(PAUSE, program)
    assert archive == _archive(PAUSE, program)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        (manifest,) = json.load(tar.extractfile("manifest.json"))
        layer = tar.extractfile("layer.tar").read()
    assert manifest["RepoTags"] == [PAUSE]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert tar.getmember("pause").mode == 0o755


def test_a_fake_node_has_what_it_was_given():
    node = FakeNode("trn-0", {"cpu": "32", "aws.amazon.com/neuroncore": "32"}, taints=("trn=yes:NoSchedule",))
    manifest = node.manifest("trn")
    assert manifest["status"]["allocatable"]["aws.amazon.com/neuroncore"] == "32"
    assert manifest["spec"]["taints"] == [{"key": "trn", "value": "yes", "effect": "NoSchedule"}]
