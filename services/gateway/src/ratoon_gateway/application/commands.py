"""What callers ask of the gateway itself."""

from dataclasses import dataclass
from datetime import datetime

from ratoon_gateway.domain.keys import Role


@dataclass(frozen=True)
class CreateKey:
    """Make a key below `parent`; an empty `key_id` lets one be chosen."""

    parent: str
    key_id: str
    role: Role
    display_name: str = ""
    expires: datetime | None = None
    request_id: str = ""
