"""Errors of the registry.

RegistryError
├── BadVersionId        the id is not v<major>.<minor>
├── VersionNotReady     only a READY version can have an alias
├── AliasReserved       only serving moves `production`
├── ParentMismatch      the parent version belongs to another model
├── TokenUnknown        the vocabulary of the version has no such token
├── NoEmbeddings        the version has no embedding of tokens
└── ModelInUse          the model has versions, or the version to delete is in progress or READY
"""


class RegistryError(Exception):
    """Any refusal of the registry."""

    code = "FAILED_PRECONDITION"
    reason = "REGISTRY_ERROR"


class BadVersionId(RegistryError):
    """The id is not `v<major>.<minor>`."""

    code, reason = "INVALID_ARGUMENT", "BAD_VERSION_ID"


class VersionNotReady(RegistryError):
    """Only a READY version can have an alias."""

    reason = "VERSION_NOT_READY"


class AliasReserved(RegistryError):
    """The alias `production` records the version that serves; only a rollout moves it."""

    code, reason = "PERMISSION_DENIED", "ALIAS_RESERVED"


class ParentMismatch(RegistryError):
    """The parent version belongs to another model."""

    code, reason = "INVALID_ARGUMENT", "PARENT_OF_OTHER_MODEL"


class ModelInUse(RegistryError):
    """The model to delete has versions, or the version to delete is in progress or READY."""

    reason = "IN_USE"


class TokenUnknown(RegistryError):
    """The vocabulary of the version has no such token."""

    code, reason = "INVALID_ARGUMENT", "TOKEN_UNKNOWN"


class NoEmbeddings(RegistryError):
    """The version has no embedding of tokens."""

    reason = "NO_EMBEDDINGS"
