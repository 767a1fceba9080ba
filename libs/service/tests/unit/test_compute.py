"""Devices and number formats: their messages, and the check of this machine."""

import pytest

from ratoon.common.v1 import compute_pb2
from ratoon.process.errors import FailedPrecondition
from ratoon.service.compute import JobDevices, compute_of, dtypes_of, has_nvidia_gpu, message_of
from ratoon.tasks.compute import (
    SCORING_ACCELERATORS,
    Accelerator,
    Compute,
    ComputeNotSupported,
    Dtype,
    check_compute,
)

GPU = Compute(Accelerator.CUDA, Dtype.BFLOAT16, 1)


@pytest.mark.parametrize("compute", [Compute(), GPU, Compute(Accelerator.NEURON, Dtype.FLOAT16, 3)])
def test_a_message_holds_all_of_it(compute):
    assert compute_of(message_of(compute)) == compute


def test_an_empty_message_is_the_cpu_in_float32():
    assert compute_of(compute_pb2.Compute()) == Compute(Accelerator.CPU, Dtype.FLOAT32, 0)


def test_each_number_format_counts_once_in_the_order_given():
    kind = compute_pb2.Compute
    named = [kind.DTYPE_FLOAT16, kind.DTYPE_UNSPECIFIED, kind.DTYPE_BFLOAT16, kind.DTYPE_FLOAT16]
    assert dtypes_of(named) == (Dtype.FLOAT16, Dtype.BFLOAT16)


@pytest.mark.parametrize("file", ["dev/nvidia0", "proc/driver/nvidia/gpus/0000:01:00.0", "dev/dxg"])
def test_a_gpu_is_known_by_the_files_of_its_driver(tmp_path, file):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidiactl").touch()
    assert not has_nvidia_gpu(tmp_path)
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert has_nvidia_gpu(tmp_path)
    JobDevices(is_local=True, root=tmp_path).check(GPU)


def test_a_missing_gpu_is_refused_where_it_is_known(tmp_path):
    with pytest.raises(FailedPrecondition, match="no NVIDIA GPU") as refused:
        JobDevices(is_local=True, root=tmp_path).check(GPU)
    assert refused.value.reason == "ACCELERATOR_UNAVAILABLE"
    JobDevices(is_local=True, root=tmp_path).check(Compute(dtype=Dtype.BFLOAT16))
    JobDevices(is_local=False, root=tmp_path).check(GPU)


def test_a_stage_refuses_what_it_does_not_use_by_the_setting():
    check_compute(GPU, "compute", SCORING_ACCELERATORS)
    with pytest.raises(ComputeNotSupported, match=r"does not run on neuron.*cpu or cuda") as refused:
        check_compute(Compute(Accelerator.NEURON), "compute", SCORING_ACCELERATORS)
    assert refused.value.field == "compute.accelerator"
    check_compute(Compute(Accelerator.NEURON), "compute")
    with pytest.raises(ComputeNotSupported, match="one device, not 2"):
        check_compute(Compute(devices=2), "compute")
