"""Commands to the gateway itself."""

from dataclasses import dataclass, field
from datetime import datetime

from ratoon_gateway.domain.keys import Role
from ratoon_gateway.domain.limits import Limits
from ratoon_gateway.domain.safety import SafetyFilter


@dataclass(frozen=True)
class CreateKey:
    """Create a key below `parent`; an empty `key_id` is generated."""

    parent: str
    key_id: str
    role: Role
    display_name: str = ""
    expires: datetime | None = None
    request_id: str = ""
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class UpdateKey:
    """Change label, expiry and limits of a key that was read with this etag; `fields` names the changes."""

    name: str
    display_name: str
    limits: Limits
    expires: datetime | None = None
    etag: str = ""
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class UpdateFilter:
    """Change the word lists of a safety filter that was read with this etag; `fields` names which."""

    safety_filter: SafetyFilter
    etag: str = ""
    fields: tuple[str, ...] = ()
