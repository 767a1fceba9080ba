"""Marker of a parameter that was not passed, where None has a meaning of its own."""

from enum import Enum
from typing import Final


class Omit(Enum):
    """Type of `omit`."""

    OMIT = "omit"


omit: Final = Omit.OMIT
"""Default of the parameters of an update: the field keeps its value. None clears a field."""
