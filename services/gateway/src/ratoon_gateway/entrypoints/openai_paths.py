"""Paths of OpenAI's and Anthropic's APIs that are not served here: their clients read errors in their own shape."""

from ratoon.process.errors import Description
from ratoon_gateway.domain.completions import CHAT, TEXT
from ratoon_gateway.domain.json_text import shortened

_SERVED = {CHAT: "POST", TEXT: "POST", "/v1/models": "GET"}
_KNOWN = frozenset(
    {
        *("assistants", "audio", "batches", "chat", "completions", "containers", "conversations", "edits"),
        *(
            "embeddings",
            "engines",
            "evals",
            "files",
            "fine_tuning",
            "fine-tunes",
            "images",
            "messages",
            "models",
        ),
        *(
            "moderations",
            "organization",
            "realtime",
            "rerank",
            "responses",
            "score",
            "threads",
            "tokenize",
            "uploads",
        ),
        *("vector_stores", "videos", "complete"),
    }
)
"""First parts of such paths."""


def is_openai(path: str) -> bool:
    """True if clients of OpenAI's or Anthropic's API send requests to this path."""
    return path.removeprefix("/v1/").split("/", 1)[0] in _KNOWN


def not_served(verb: str, path: str) -> tuple[Description, str]:
    """Return the error for a request that no route takes, and the verbs that the path does take."""
    taken = _SERVED.get(path, "")
    if taken:
        message = f"{path} takes {taken}, not {shortened(verb, 20)}."
        return Description("INVALID_ARGUMENT", "METHOD_NOT_ALLOWED", message), taken
    message = (
        f"{shortened(path)} does not exist here. The available paths are POST {CHAT}, POST {TEXT}, GET "
        "/v1/models and the REST API that /docs lists."
    )
    return Description("NOT_FOUND", "NO_SUCH_PATH", message), ""
