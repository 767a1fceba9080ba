"""Errors of classical models: each says what failed, why, and what to do."""


class ClassicalError(ValueError):
    """A classical model cannot be fitted or applied; `reason` is stable."""

    reason = "CLASSICAL_MODEL_FAILED"


class CannotFit(ClassicalError):
    """The training part gives no model."""

    reason = "DATA_UNUSABLE"


class BadArtifact(ClassicalError):
    """The files are no classical model, or hold what may not be loaded."""

    reason = "CLASSICAL_MODEL_REFUSED"


class BadTable(ClassicalError):
    """A table cannot be prepared as requested."""

    reason = "TABLE_UNUSABLE"
