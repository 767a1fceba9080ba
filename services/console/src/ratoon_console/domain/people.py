"""Who is at the console, and what the platform would let them do. The API decides; this only says it beforehand."""

from dataclasses import dataclass
from enum import IntEnum

ANY_PROJECT = "-"


class Role(IntEnum):
    """Each role may do all that the ones before it may; the numbers are the contract's."""

    CALLER = 2
    VIEWER = 3
    ANNOTATOR = 4
    ENGINEER = 5
    OPERATOR = 6


@dataclass(frozen=True)
class Person:
    """The holder of an API key: the key's name, its role, and the one project it may touch (`-`: any)."""

    name: str
    role: Role
    project: str = ANY_PROJECT

    def may(self, needed: Role) -> bool:
        """Whether the role reaches."""
        return self.role >= needed

    def lacks(self, needed: Role) -> str:
        """Why a button is not theirs; empty when it is."""
        if self.may(needed):
            return ""
        return (
            f"This requires the role {needed.name.lower()}; your key has the role {self.role.name.lower()}."
        )
