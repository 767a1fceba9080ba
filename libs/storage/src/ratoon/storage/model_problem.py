"""One reason why files make no model that can be trained or served."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """A stable UPPER_SNAKE reason, and a sentence that names the file and says what to do."""

    reason: str
    message: str
