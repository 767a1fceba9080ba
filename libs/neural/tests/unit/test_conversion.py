"""Pickled checkpoints become safetensors; hostile ones are refused and run nothing."""

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ratoon.neural import conversion

ADVICE = "weights_only"


class Payload:
    """An object whose pickle runs a command when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def run(source: Path, target: Path) -> dict[str, object]:
    target.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "ratoon.neural.conversion", source, target],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def legacy(value: object) -> bytes:
    """Return the encoding of torch before 1.6: a sequence of pickles."""
    sink = io.BytesIO()
    torch.save(value, sink, _use_new_zipfile_serialization=False)
    return sink.getvalue()


def zipped(value: object) -> bytes:
    sink = io.BytesIO()
    torch.save(value, sink)
    return sink.getvalue()


def injected(value: object) -> bytes:
    """Return a zip checkpoint of tensors whose pickle was replaced."""
    sink = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(zipped({"w": torch.ones(2)}))) as sound,
        zipfile.ZipFile(sink, "w") as hostile,
    ):
        for name in sound.namelist():
            hostile.writestr(name, pickle.dumps(value) if name.endswith("data.pkl") else sound.read(name))
    return sink.getvalue()


@pytest.mark.parametrize("encoded", [zipped, legacy, injected, pickle.dumps])
def test_hostile_pickles_are_refused_and_run_nothing(tmp_path, encoded):
    mark = tmp_path / "mark"
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "pytorch_model.bin").write_bytes(encoded({"w": Payload(mark)}))
    with pytest.raises(conversion.BadCheckpoint, match="could run code") as refused:
        conversion.convert(folder, tmp_path)
    assert ADVICE not in str(refused.value)
    assert not mark.exists()


def test_weights_keep_their_numbers_and_tied_tensors_their_names(tmp_path):
    folder, target = tmp_path / "model", tmp_path / "safe"
    folder.mkdir()
    shared = torch.randn(6, 4)
    tensors = {
        "embed.weight": shared,
        "lm_head.weight": shared,
        "part": shared[:2].t(),
        "half": torch.ones(3).bfloat16(),
    }
    torch.save(
        {"epoch": 3, "state_dict": {f"module.{name}": each for name, each in tensors.items()}},
        folder / "a.pt",
    )
    (folder / "optimizer.pt").write_bytes(b"not read")
    assert run(folder, target) == {"files": ["model.safetensors"]}
    written = load_file(target / "model.safetensors")
    assert set(written) == set(tensors)
    for name, expected in tensors.items():
        assert torch.equal(written[name], expected)
        assert written[name].dtype is expected.dtype


def test_shards_get_an_index(tmp_path):
    folder, target = tmp_path / "model", tmp_path / "safe"
    folder.mkdir()
    target.mkdir()
    for number, name in enumerate(("a", "b"), 1):
        torch.save(
            {name: torch.full((2,), float(number))}, folder / f"pytorch_model-0000{number}-of-00002.bin"
        )
    conversion.convert(folder, target)
    index = json.loads((target / "model.safetensors.index.json").read_text())
    assert index["weight_map"] == {
        "a": "model-00001-of-00002.safetensors",
        "b": "model-00002-of-00002.safetensors",
    }
    assert load_file(target / "model-00002-of-00002.safetensors")["b"].tolist() == [2.0, 2.0]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a zip", pickle.dumps([1, 2]), b"\x80\x02}q\x00."])
def test_other_files_are_refused(tmp_path, content):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.pt").write_bytes(content)
    with pytest.raises(conversion.BadCheckpoint):
        conversion.convert(folder, tmp_path)


def test_several_checkpoints_are_refused_by_name(tmp_path):
    for name in ("first.pt", "second.bin"):
        (tmp_path / name).touch()
    with pytest.raises(conversion.BadCheckpoint, match=r"first\.pt, second\.bin"):
        conversion.pickled_weights(tmp_path)


def test_a_confined_process_opens_no_socket_and_starts_no_other(tmp_path):
    attempts = """
import socket, subprocess, sys
from ratoon.neural import conversion
conversion.leave_network()
conversion.confine(1000)
write = lambda: open(sys.argv[1], "wb").write(b"x" * (2 << 20))
for attempt in (socket.socket, lambda: subprocess.run(["true"]), write):
    try:
        attempt()
    except OSError as error:
        print(type(error).__name__)
    else:
        print("allowed")
"""
    done = subprocess.run(
        [sys.executable, "-c", attempts, tmp_path / "large"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["PermissionError", "PermissionError", "OSError"]
