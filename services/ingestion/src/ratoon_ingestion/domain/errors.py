"""Errors of ingestion, each with its gRPC code and stable reason."""


class IngestionError(Exception):
    """Any refusal of ingestion."""

    code, reason = "FAILED_PRECONDITION", "INGESTION_ERROR"


class BadCuration(IngestionError):
    """A curation setting is out of range."""

    code, reason = "INVALID_ARGUMENT", "BAD_CURATION"


class BadSource(IngestionError):
    """The description of the source is not valid."""

    code, reason = "INVALID_ARGUMENT", "BAD_SOURCE"


class SourceInUse(IngestionError):
    """Dataset versions use the source."""

    code, reason = "FAILED_PRECONDITION", "SOURCE_IN_USE"


class ResourceInUse(IngestionError):
    """The resource to delete is in progress, or other resources use it."""

    code, reason = "FAILED_PRECONDITION", "IN_USE"


class BadConnection(IngestionError):
    """The description of the connection is not valid."""

    code, reason = "INVALID_ARGUMENT", "BAD_CONNECTION"


class ConnectionNotAllowed(IngestionError):
    """No operator allowed connections to this address."""

    code, reason = "FAILED_PRECONDITION", "CONNECTION_NOT_ALLOWED"


class StaleEtag(IngestionError):
    """The resource was changed since it was read."""

    code, reason = "ABORTED", "STALE_ETAG"


class PreviewFailed(IngestionError):
    """The preview failed or took too long."""

    code, reason = "FAILED_PRECONDITION", "PREVIEW_FAILED"


class BadSplit(IngestionError):
    """The shares, the mode or the replay of a split are wrong."""

    code, reason = "INVALID_ARGUMENT", "BAD_SPLIT"


class BadReading(IngestionError):
    """The reading has no part, no reader or no purpose."""

    code, reason = "INVALID_ARGUMENT", "BAD_READING"


class BadErasure(IngestionError):
    """The erasure names no records, too many records, or no reason."""

    code, reason = "INVALID_ARGUMENT", "BAD_ERASURE"


class ErasureUnderWay(IngestionError):
    """An erasure is rewriting data of the project; retry after its end."""

    code, reason = "UNAVAILABLE", "ERASURE_UNDER_WAY"


class Redacted(IngestionError):
    """Records of the version were erased, so nothing new can be created from it."""

    code, reason = "FAILED_PRECONDITION", "VERSION_REDACTED"


class BlobMissing(IngestionError):
    """The blob of the source was not uploaded."""

    code, reason = "FAILED_PRECONDITION", "BLOB_NOT_FOUND"


class BadRecordId(IngestionError):
    """The value is not a record id."""

    code, reason = "INVALID_ARGUMENT", "BAD_RECORD_ID"


class NoSuchRecord(IngestionError):
    """The version does not hold this record."""

    code, reason = "NOT_FOUND", "RECORD_NOT_FOUND"


class NotReady(IngestionError):
    """The version or split is not READY."""

    code, reason = "FAILED_PRECONDITION", "NOT_READY"


class PartSealed(IngestionError):
    """The parts of a split cannot be opened in its state."""

    code, reason = "FAILED_PRECONDITION", "SPLIT_NOT_READY"


class BadStream(IngestionError):
    """A setting of the stream is out of range."""

    code, reason = "INVALID_ARGUMENT", "BAD_STREAM"


class BadAppend(IngestionError):
    """A record to append is not valid."""

    code, reason = "INVALID_ARGUMENT", "BAD_RECORD"


class RecordIdReused(IngestionError):
    """Another record of the stream has the ID."""

    code, reason = "ALREADY_EXISTS", "RECORD_ID_REUSED"


class AppendQuotaExceeded(IngestionError):
    """The project has appended as many bytes as it may on one day."""

    code, reason = "RESOURCE_EXHAUSTED", "APPEND_QUOTA_EXCEEDED"


class StreamNotSealed(IngestionError):
    """The stream has records that no source holds yet."""

    code, reason = "FAILED_PRECONDITION", "STREAM_NOT_SEALED"


class BadCrawl(IngestionError):
    """A setting of the crawl is not valid."""

    code, reason = "INVALID_ARGUMENT", "BAD_CRAWL"


class CrawlerOff(IngestionError):
    """The operator has named no contact for the crawler."""

    code, reason = "FAILED_PRECONDITION", "CRAWLER_OFF"


class NoDeadLetters(IngestionError):
    """The connection has no dead letters to replay."""

    code, reason = "FAILED_PRECONDITION", "NO_DEAD_LETTERS"


class BadMixture(IngestionError):
    """A setting of a mixture is out of range."""

    code, reason = "INVALID_ARGUMENT", "BAD_MIXTURE"


class BadExport(IngestionError):
    """The settings of an export do not fit."""

    code, reason = "INVALID_ARGUMENT", "BAD_EXPORT"


class BadProfile(IngestionError):
    """The settings of a profile do not fit."""

    code, reason = "INVALID_ARGUMENT", "BAD_PROFILE"


class BadComparison(IngestionError):
    """The comparison of two versions names other resources than it needs."""

    code, reason = "INVALID_ARGUMENT", "BAD_COMPARISON"


class TookTooLong(IngestionError):
    """An answer was not computed in time."""

    code, reason = "DEADLINE_EXCEEDED", "TOOK_TOO_LONG"
