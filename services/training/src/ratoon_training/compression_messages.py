"""Compressions as protobuf and back: for callers, and for jobs."""

from ratoon.common.v1 import progress_pb2
from ratoon.jobs.v1 import training_jobs_pb2 as jobs_pb
from ratoon.runtime.timestamps import timestamp
from ratoon.service.compute import dtype_message, dtypes_of
from ratoon.service.tasks import message_of, task_of
from ratoon.tasks.compute import Dtype
from ratoon.training.v1 import compression_pb2 as pb
from ratoon.training.v1 import training_service_pb2 as service_pb
from ratoon_training.application.compressions import CreateCompression
from ratoon_training.domain.compressions import (
    Compressed,
    Compression,
    CompressionSpec,
    Difference,
    Measurement,
    Method,
    Rounding,
)
from ratoon_training.domain.errors import BadCompression

_CALIBRATION, _QUALITY = 64, 200
"""Records of a request that names no number."""


def create_compression(request: service_pb.CreateCompressionRequest) -> CreateCompression:
    """Return the command of a request; BadCompression if it names no method."""
    return CreateCompression(
        request.parent, request.compression_id, spec_of(request.compression), request.request_id
    )


def spec_of(message: pb.Compression) -> CompressionSpec:
    """Return the specification in a message; BadCompression if it names no method."""
    if not message.method:
        raise BadCompression("method is missing: choose one, such as METHOD_INT8.", "method")
    method = Method(pb.Compression.Method.Name(message.method).removeprefix("METHOD_"))
    rounding = pb.Compression.Rounding.Name(message.rounding).removeprefix("ROUNDING_")
    dtype = next(iter(dtypes_of([message.serving_dtype])), None)
    return CompressionSpec(
        source_digest=message.source_digest,
        method=method,
        source_version=message.source_version,
        rounding=Rounding(rounding) if message.rounding else Rounding.NEAREST,
        group_size=message.group_size,
        sparsity=message.sparsity,
        train_digest=message.train_digest,
        validation_digest=message.validation_digest,
        task=task_of(message.task) if message.task.WhichOneof("kind") else None,
        calibration_records=message.calibration_records or _CALIBRATION,
        quality_records=message.quality_records or _QUALITY,
        seed=message.seed,
        dtype=dtype or method.serving_dtype,
    )


def compression_message(value: Compression) -> pb.Compression:
    """Return a compression as callers see it."""
    message = spec_message(value.spec)
    message.name, message.revision = value.name, value.revision
    message.create_time.CopyFrom(timestamp(value.create_time))
    message.update_time.CopyFrom(timestamp(value.update_time))
    message.state = pb.Compression.State.Value(f"STATE_{value.state}")
    message.progress.CopyFrom(
        progress_pb2.Progress(fraction=value.progress.fraction, message=value.progress.message)
    )
    if value.failure.reason:
        message.failure.reason, message.failure.message = value.failure.reason, value.failure.message
    if value.result is not None:
        message.artifact_digest = value.result.artifact_digest
        message.source.CopyFrom(measurement_message(value.result.source))
        message.compressed.CopyFrom(measurement_message(value.result.compressed))
        if value.result.difference is not None:
            message.difference.CopyFrom(pb.Compression.Difference(**vars(value.result.difference)))
    return message


def spec_message(spec: CompressionSpec) -> pb.Compression:
    """Return a message with a specification alone."""
    return pb.Compression(
        source_digest=spec.source_digest,
        source_version=spec.source_version,
        method=pb.Compression.Method.Value(f"METHOD_{spec.method}"),
        rounding=pb.Compression.Rounding.Value(f"ROUNDING_{spec.rounding}"),
        group_size=spec.group_size,
        sparsity=spec.sparsity,
        train_digest=spec.train_digest,
        validation_digest=spec.validation_digest,
        task=message_of(spec.task) if spec.task else None,
        calibration_records=spec.calibration_records,
        quality_records=spec.quality_records,
        seed=spec.seed,
        serving_dtype=dtype_message(spec.dtype),
    )


def measurement_message(value: Measurement) -> pb.Compression.Measurement:
    """Return measurements as callers see them."""
    return pb.Compression.Measurement(**{**vars(value), "dtype": dtype_message(value.dtype)})


def compressed_of(result: jobs_pb.CompressionResult) -> Compressed:
    """Return the result of a job."""
    difference = result.difference
    return Compressed(
        result.artifact_digest,
        _measurement(result.source),
        _measurement(result.compressed),
        Difference(
            difference.metric, difference.value, difference.low, difference.high, difference.same_answers
        )
        if difference.metric
        else None,
    )


def _measurement(message: pb.Compression.Measurement) -> Measurement:
    return Measurement(
        message.size_bytes,
        message.weight_memory_bytes,
        message.tokens_per_second,
        message.batch_tokens_per_second,
        next(iter(dtypes_of([message.dtype])), Dtype.FLOAT32),
        message.runtime,
        dict(sorted(message.metrics.items())),
        message.records,
        message.note,
    )
