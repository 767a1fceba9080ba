"""Weights of integers, and the engines that compute them."""

import pytest

from ratoon.tasks.compute import INT4, INT8, Accelerator, Compute, Dtype, cpu_flags, weights_misfit

AVX2 = frozenset(("avx", "avx2"))
AVX512 = AVX2 | {"avx512f"}
AMX = AVX512 | {"amx_int8"}


@pytest.mark.parametrize(
    ("weights", "accelerator", "dtype", "flags", "remedy"),
    [
        ("", Accelerator.CPU, Dtype.FLOAT32, AVX2, ""),
        (INT8, Accelerator.CPU, Dtype.FLOAT32, AVX2, ""),
        (INT8, Accelerator.CPU, Dtype.FLOAT32, None, ""),
        (INT8, Accelerator.CPU, Dtype.FLOAT32, AMX, "bfloat16"),
        (INT8, Accelerator.CPU, Dtype.BFLOAT16, AMX, ""),
        (INT8, Accelerator.CUDA, Dtype.FLOAT32, None, "bfloat16"),
        (INT4, Accelerator.CPU, Dtype.BFLOAT16, AVX2, "int8"),
        (INT4, Accelerator.CPU, Dtype.BFLOAT16, AVX512, ""),
        (INT4, Accelerator.CPU, Dtype.FLOAT32, AVX512, "bfloat16"),
        (INT4, Accelerator.CUDA, Dtype.FLOAT16, None, ""),
        (INT4, Accelerator.NEURON, Dtype.BFLOAT16, None, "version from which"),
    ],
)
def test_what_hardware_cannot_compute_is_named_with_what_it_can(weights, accelerator, dtype, flags, remedy):
    misfit = weights_misfit(weights, Compute(accelerator, dtype), flags)
    assert bool(misfit) == bool(remedy)
    assert remedy in misfit


def test_features_are_those_of_the_first_processor():
    text = "processor\t: 0\nflags\t\t: fpu avx2\n\nprocessor\t: 1\nflags\t\t: fpu\n"
    assert cpu_flags(text) == {"fpu", "avx2"}
    assert cpu_flags("processor: 0\n") == frozenset()
