"""Errors of the edge, each with its gRPC code and a stable reason. It knows no protocol."""


class GatewayError(Exception):
    """Error for a caller."""

    code = "INTERNAL"
    reason = "INTERNAL"
    field = ""


class BadRequest(GatewayError):
    """The request's body is not what the route takes."""

    code, reason = "INVALID_ARGUMENT", "BAD_REQUEST"

    def __init__(self, message: str, field: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.reason = reason or type(self).reason


class UnsupportedEncoding(GatewayError):
    """The body is compressed in a way that the gateway does not know."""

    code, reason, field = "INVALID_ARGUMENT", "UNSUPPORTED_CONTENT_ENCODING", "content-encoding"


class EngineRefused(BadRequest):
    """The engine refused the request for a reason that the caller can correct."""


class UnsupportedMediaType(GatewayError):
    """The body declares a type other than JSON."""

    code, reason = "INVALID_ARGUMENT", "UNSUPPORTED_MEDIA_TYPE"


class EngineFailed(GatewayError):
    """The engine failed on this request."""

    code, reason = "INTERNAL", "ENGINE_FAILED"


class EngineBrokeOff(GatewayError):
    """The engine broke off while it worked on this request; another try may succeed."""

    code, reason = "UNAVAILABLE", "ENGINE_LOST"


class BadDigest(GatewayError):
    """The text is not a digest."""

    code, reason = "INVALID_ARGUMENT", "BAD_DIGEST"


class BodyTooLarge(GatewayError):
    """The request's body is over the limit."""

    code, reason = "RESOURCE_EXHAUSTED", "BODY_TOO_LARGE"


class ModelNotFound(GatewayError):
    """No deployment serves this model, or not this version of it."""

    code, reason, field = "NOT_FOUND", "MODEL_NOT_FOUND", "model"


class NoEngine(GatewayError):
    """No engine of the deployment could take the request in time."""

    code, reason = "UNAVAILABLE", "NO_ENGINE"


class EngineTimeout(GatewayError):
    """The engine took the request and did not answer in time."""

    code, reason = "DEADLINE_EXCEEDED", "ENGINE_TIMEOUT"


class TooManyRequests(GatewayError):
    """The caller, or the gateway, has too many requests open."""

    code, reason = "RESOURCE_EXHAUSTED", "TOO_MANY_REQUESTS"


class RateLimited(GatewayError):
    """The key has reached a limit per minute."""

    code, reason = "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.details = {"retry_after_s": str(retry_after_s)}


class QuotaExceeded(RateLimited):
    """The key has reached its limit per day."""

    reason = "QUOTA_EXCEEDED"


class EventsLimited(RateLimited):
    """The project has reached its limit of webhooks per minute."""

    reason = "EVENT_RATE_EXCEEDED"


class BadSignature(GatewayError):
    """A webhook is not signed by a secret of this installation."""

    code, reason = "UNAUTHENTICATED", "BAD_WEBHOOK_SIGNATURE"


class StaleWebhook(GatewayError):
    """A webhook was signed too long ago, or in the future."""

    code, reason = "UNAUTHENTICATED", "STALE_WEBHOOK"


class WebhooksDisabled(GatewayError):
    """The installation has no webhook secrets."""

    code, reason = "NOT_FOUND", "WEBHOOKS_DISABLED"


class BadWebhookSecrets(GatewayError):
    """The file of webhook secrets has a line that cannot be read."""

    code, reason = "FAILED_PRECONDITION", "BAD_WEBHOOK_SECRETS"


class ContentBlocked(GatewayError):
    """The safety filter blocks the prompt."""

    code, reason, field = "INVALID_ARGUMENT", "CONTENT_BLOCKED", "messages"


class StaleEtag(GatewayError):
    """The resource was changed since it was read."""

    code, reason, field = "ABORTED", "STALE_ETAG", "etag"


class BadKey(GatewayError):
    """The API key is not one of this installation, has expired or was revoked."""

    code, reason = "UNAUTHENTICATED", "BAD_API_KEY"


class KeyEnded(GatewayError):
    """The key was revoked: its state forbids the change."""

    code, reason = "FAILED_PRECONDITION", "API_KEY_REVOKED"


class NoSuchProject(GatewayError):
    """The project of a key or a filter does not exist."""

    code, reason = "NOT_FOUND", "PROJECT_NOT_FOUND"


class LastOperatorKey(GatewayError):
    """Without this key no caller could manage the installation."""

    code, reason = "FAILED_PRECONDITION", "LAST_OPERATOR_KEY"


class RoleTooHigh(GatewayError):
    """A caller cannot create a key with a higher role."""

    code, reason = "PERMISSION_DENIED", "ROLE_TOO_HIGH"
