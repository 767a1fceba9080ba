"""What can go wrong in ingestion, each with the gRPC code and the reason that a caller sees."""


class IngestionError(Exception):
    """The root of this room's errors."""

    code = "INTERNAL"
    reason = "INTERNAL"


class BadName(IngestionError):
    """A resource name or id does not have its form."""

    code, reason = "INVALID_ARGUMENT", "BAD_NAME"


class BadCuration(IngestionError):
    """A curation setting is out of range."""

    code, reason = "INVALID_ARGUMENT", "BAD_CURATION"


class BadSource(IngestionError):
    """A source is described wrongly."""

    code, reason = "INVALID_ARGUMENT", "BAD_SOURCE"


class BadSplit(IngestionError):
    """The shares, the mode or the replay of a split are wrong."""

    code, reason = "INVALID_ARGUMENT", "BAD_SPLIT"


class NotReady(IngestionError):
    """What this builds on is not READY."""

    code, reason = "FAILED_PRECONDITION", "NOT_READY"


class PartSealed(IngestionError):
    """A part of a split cannot be handed out in this state."""

    code, reason = "FAILED_PRECONDITION", "SPLIT_NOT_READY"
