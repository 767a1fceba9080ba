"""What can be wrong, in the registry's own words.

RegistryError
├── BadVersionId        the id is not v<major>.<minor>
├── VersionNotReady     only READY versions take an alias
├── AliasReserved       `production` is moved by serving alone
├── ParentMismatch      a lineage that names a version of another model
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
    """Only READY versions take an alias."""

    reason = "VERSION_NOT_READY"


class AliasReserved(RegistryError):
    """`production` records what serves; a rollout moves it."""

    code, reason = "PERMISSION_DENIED", "ALIAS_RESERVED"


class ParentMismatch(RegistryError):
    """A version can only continue a version of its own model."""

    code, reason = "INVALID_ARGUMENT", "PARENT_OF_OTHER_MODEL"


class ModelInUse(RegistryError):
    """The model to delete has versions, or the version to delete is in progress or READY."""

    reason = "IN_USE"
