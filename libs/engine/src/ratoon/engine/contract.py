"""Contract between an engine and the platform: HTTP paths and headers, files, and the fork server's address.

Engines of the previous release run across an upgrade. Names are added here; an existing one never changes its value.
"""

from enum import StrEnum


class ControlPath(StrEnum):
    """Paths of an engine's control API; all but `READY` require the secret."""

    READY = "/ratoon/ready"
    """GET: 200 once the engine has weights and can serve requests, else 503; no content."""
    STATUS = "/ratoon/status"
    """GET: what the engine serves. Each POST below answers with this status."""
    CLOSE = "/ratoon/close"
    """POST: accept no new requests."""
    OPEN = "/ratoon/open"
    """POST: accept requests, if `load_id` names the present load of the weights."""
    DRAIN = "/ratoon/drain"
    """POST: accept no new requests for the rest of the process's life."""
    RELOAD = "/ratoon/reload"
    """POST: load the weights of another version in place."""
    RESET_PREFIX_CACHE = "/ratoon/reset-prefix-cache"
    """POST: forget computed prefixes."""
    LOAD_ADAPTER = "/ratoon/adapters"
    """POST: load a LoRA version under a new name."""
    UNLOAD_ADAPTER = "/ratoon/adapters/unload"
    """POST: remove an adapter."""
    INJECT_FAULT = "/ratoon/faults"
    """POST: fail a share of the completions (a drill)."""


SECRET_HEADER = "x-ratoon-engine-secret"
"""Request header: the secret of the engine."""
CONTROL_HEADER = "x-ratoon-control"
"""Request header of serving's own completions, which a closed engine answers as well."""
VERSION_HEADER = "x-ratoon-version"
"""Response header: resource name of the model version that answers."""
CLOSED_HEADER = "x-ratoon-engine-closed"
"""Response header of a refusal: the engine accepts no new requests."""

PERMANENT_REFUSALS = frozenset({"ADAPTER_REFUSED", "MODEL_FILE_MISMATCH", "SIGNATURE_INVALID"})
"""Reasons (`error.code`) of a refused control request that a retry cannot change."""

ENGINE_FILE = "engine.json"
"""Settings of an engine, in its directory."""
LOG_FILE = "log.txt"
"""Output of an engine on one machine, in its directory."""
LOG_START = "ratoon: an engine starts\n"
"""Line that begins each start in an engine's log."""

UNTRUSTED_FILES_STATUS = 3
"""Exit status of `python -m ratoon.engine.fetch`: the files are not the signed ones; a retry cannot help."""

FORK_SERVER_MODULE = "ratoon.engine.fork_server"
FORK_SERVER_SOCKET = "fork-server.sock"
"""Unix socket of the fork server, in the directory that it was started with."""
