"""Errors of training.

TrainingError
├── BadRecipe             a value of the recipe cannot be trained with
├── AcceleratorRefused    no recipe is written for this accelerator
├── OutOfMemory           not enough memory
├── LossNotFinite         the loss is no finite number
├── DataEmpty             the training part has no records
├── DataMalformed         the parts lack columns, labels or rows
├── ConstantWeights       all weights of a layer are equal
├── BadBaseModel          the base model cannot be continued
│   └── BadChatTemplate   its chat template does not render the records as they are
├── SampleTooLong         a sample is longer than the recipe allows, and must not be cut
├── RewardFailed          answers have no rewards to learn from
├── TeacherFailed         the endpoint of a teacher gives no answers
├── EndpointNotAllowed    the operator has not listed the endpoint of a teacher
├── Stopped               the run was asked to stop
├── StaleWorker           a newer attempt has taken this run over
├── WorkersLost           the worker group died again and again
├── RunInUse              the run to delete is in progress, or others build on its result
├── BadSweep              a search that cannot be done
├── BadCompression        a compression that cannot be done
├── CompressionInUse      the compression to delete is in progress
├── NoCheckpoint          the run has no weights to end with, or to continue from
├── RunSucceeded          nothing of the run is left to resume
├── BadModelExport        a format that does not fit the model
├── ExporterMissing       the package of a format is not installed
├── ExportFailed          another program cannot write or read the model
├── ExportDiffers         the exported files are not the same model
└── SweepRefused          the sweep is in progress, or has no budget left
"""


class TrainingError(Exception):
    """Any refusal or failure of training."""

    code = "FAILED_PRECONDITION"
    reason = "TRAINING_ERROR"


class BadRecipe(TrainingError):
    """A value of the recipe cannot be trained with; `field` names it."""

    code, reason = "INVALID_ARGUMENT", "BAD_RECIPE"

    def __init__(self, message: str, field: str = "recipe") -> None:
        super().__init__(message)
        self.field = field


class AcceleratorRefused(TrainingError):
    """No recipe is written for this accelerator."""

    reason = "ACCELERATOR_REFUSED"


class OutOfMemory(TrainingError):
    """Not enough memory: at the plan, or while training."""

    code, reason = "RESOURCE_EXHAUSTED", "OUT_OF_MEMORY"


class EndedEarly(TrainingError):
    """Training cannot go on after a step; `result` is that of the last good checkpoint, if there is one."""

    result: dict[str, object] | None = None


class LossNotFinite(EndedEarly):
    """The loss is no finite number."""

    reason = "LOSS_NOT_FINITE"


class DataEmpty(TrainingError):
    """The training part has no records."""

    code, reason = "INVALID_ARGUMENT", "DATA_EMPTY"


class DataMalformed(TrainingError):
    """The parts of the split lack columns, labels or rows."""

    code, reason = "INVALID_ARGUMENT", "DATA_MALFORMED"


class ConstantWeights(TrainingError):
    """All weights of a layer are equal, so its neurons would stay identical."""

    code, reason = "INVALID_ARGUMENT", "CONSTANT_WEIGHTS"


class BadBaseModel(TrainingError):
    """The base model cannot be continued; `reason` names the fault if it is known."""

    code = "INVALID_ARGUMENT"

    def __init__(self, message: str, reason: str = "BAD_BASE_MODEL") -> None:
        super().__init__(message)
        self.reason = reason


class BadChatTemplate(BadBaseModel):
    """The chat template does not render the records as they are."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "BAD_CHAT_TEMPLATE")


class SampleTooLong(TrainingError):
    """A sample is longer than `recipe.max_tokens`, and `recipe.truncation` refuses to cut it."""

    code, reason = "INVALID_ARGUMENT", "SAMPLE_TOO_LONG"


class RewardFailed(EndedEarly):
    """Answers have no rewards to learn from: a reward raises, hangs, or returns no number too often."""

    reason = "REWARD_FAILED"


class TeacherFailed(TrainingError):
    """The endpoint of a teacher may not be called, or gives too few answers."""

    reason = "TEACHER_FAILED"


class EndpointNotAllowed(TrainingError):
    """The operator has not listed the endpoint of a teacher."""

    code, reason = "INVALID_ARGUMENT", "ENDPOINT_NOT_ALLOWED"

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class MergeDiffers(TrainingError):
    """A merged model does not answer as its base and adapter do."""

    reason = "MERGE_DIFFERS"


class Stopped(TrainingError):
    """The run was asked to stop."""

    code, reason = "ABORTED", "STOPPED"


class StaleWorker(TrainingError):
    """A newer attempt has taken this run over; what this one writes no longer counts."""

    code, reason = "ABORTED", "STALE_WORKER"


class WorkersLost(TrainingError):
    """The worker group died again and again, or could not be started."""

    code, reason = "INTERNAL", "WORKERS_LOST"


class RunInUse(TrainingError):
    """The run to delete is in progress, or others build on its result."""

    code, reason = "FAILED_PRECONDITION", "IN_USE"


class BadSweep(TrainingError):
    """A search that cannot be done; `field` names the fault."""

    code, reason = "INVALID_ARGUMENT", "BAD_SWEEP"

    def __init__(self, message: str, field: str = "sweep") -> None:
        super().__init__(message)
        self.field = field


class BadCompression(TrainingError):
    """A compression that cannot be done; `field` names the fault."""

    code, reason = "INVALID_ARGUMENT", "BAD_COMPRESSION"

    def __init__(self, message: str, field: str = "compression") -> None:
        super().__init__(message)
        self.field = field


class CompressionInUse(TrainingError):
    """The compression to delete is in progress."""

    reason = "IN_USE"


class SweepRefused(TrainingError):
    """The sweep is in progress, or has no budget left; `reason` says which."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def advice(needed: str, part: str) -> str:
    """Return what to do about a part (training or validation) that lacks records of a kind."""
    if part != "validation":
        return f"Add {needed}."
    return (
        f"Add {needed}, or raise the validation share of the split: each part gets a share of all records, so that few "
        "of a kind may all be in the training part."
    )


class NoCheckpoint(TrainingError):
    """The run has no weights to end with, or to continue from."""

    reason = "NO_CHECKPOINT"


class RunSucceeded(TrainingError):
    """Nothing of the run is left to resume."""

    reason = "RUN_SUCCEEDED"


class BadModelExport(TrainingError):
    """A format that does not fit the model; `field` names the fault."""

    code, reason = "INVALID_ARGUMENT", "BAD_MODEL_EXPORT"

    def __init__(self, message: str, field: str = "model_export") -> None:
        super().__init__(message)
        self.field = field


class ExporterMissing(TrainingError):
    """The package of a format is not installed where exports are written."""

    reason = "EXPORTER_MISSING"


class ExportFailed(TrainingError):
    """Another program cannot write or read the model; `reason` says why where that is known."""

    reason = "EXPORT_FAILED"

    def __init__(self, message: str, reason: str = "EXPORT_FAILED") -> None:
        super().__init__(message)
        self.reason = reason


class ExportDiffers(TrainingError):
    """The exported files are not the same model as their source."""

    reason = "EXPORT_DIFFERS"
