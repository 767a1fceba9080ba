"""Checkpoints in parts: any box of a tensor, and only whole sets of files."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from ratoon_training.worker import divided
from ratoon_training.worker.checkpoints import Checkpoints

WHOLE = torch.arange(7 * 5, dtype=torch.float32).reshape(7, 5)


@pytest.fixture(scope="module")
def tensors(tmp_path_factory):
    """A tensor in six parts of unequal sizes, in three files."""
    folder = tmp_path_factory.mktemp("parts")
    rows, columns = (0, 3, 7), (0, 2, 5)
    boxes = [(top, left) for top in range(2) for left in range(2)]
    paths = []
    for number, (top, left) in enumerate(boxes):
        part = WHOLE[rows[top] : rows[top + 1], columns[left] : columns[left + 1]].contiguous()
        path = folder / f"{number}.safetensors"
        metadata = {"state": "{}", **divided.header({"w": (rows[top], columns[left])})}
        save_file({"w": part}, path, metadata)
        paths.append(path)
    return divided.opened(paths).tensors


@given(st.integers(0, 6), st.integers(0, 4), st.integers(1, 7), st.integers(1, 5))
def test_any_box_is_put_together(tensors, top, left, height, width):
    height, width = min(height, 7 - top), min(width, 5 - left)
    expected = WHOLE[top : top + height, left : left + width]
    assert torch.equal(divided.part_of(tensors, "w", (top, left), (height, width)), expected)


def test_the_whole_is_put_together_and_what_is_missing_is_an_error(tensors):
    assert torch.equal(tensors["w"], WHOLE)
    assert "w" in tensors and "v" not in tensors
    with pytest.raises(ValueError, match=r"has 0 of 4 numbers of w"):
        divided.part_of(tensors, "w", (7, 0), (2, 2))


def test_a_step_counts_when_the_parts_of_all_workers_are_there(tmp_path):
    workers = [Checkpoints(tmp_path, 1) for _ in range(2)]
    workers[0].claim()
    for number, each in enumerate(workers):
        each.divide(number, 2)

    def save(step: int, number: int) -> None:
        part = {"w": WHOLE[4 * number : 4 * number + 4].contiguous() + step}
        workers[number].save_later(step, part, {"step": step}, {"w": (4 * number, 0)})
        workers[number].wait()

    for step in range(1, 5):
        save(step, 0)
        latest = Checkpoints(tmp_path, 1).latest()
        assert (latest.state["step"] if latest else 0) == step - 1
        save(step, 1)
    latest = Checkpoints(tmp_path, 1).latest()
    assert latest is not None
    assert torch.equal(latest.tensors["w"], WHOLE + 4)
    damaged = next(tmp_path.glob("step-000000004@1-2.*"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    earlier = Checkpoints(tmp_path, 1).latest()
    assert earlier is not None and earlier.state["step"] == 3
    assert len(list(tmp_path.glob("step-*"))) <= 5, "older steps are removed"
    for each in workers:
        each.close()
