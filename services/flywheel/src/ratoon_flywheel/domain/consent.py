"""Consent of users: what feedback, and the answer that it is about, may be used for."""

from enum import StrEnum


class Consent(StrEnum):
    """Permitted use of feedback as data. Votes are counted in any case."""

    TRAINING = "TRAINING"
    """Training and evaluation."""
    EVALUATION = "EVALUATION"
    """Evaluation alone."""
    NONE = "NONE"
    """None: it never becomes data."""

    def allows(self, purpose: "Consent") -> bool:
        """Return whether data for this purpose, training or evaluation, may be made of the feedback."""
        return self is Consent.TRAINING or (self is Consent.EVALUATION and purpose is Consent.EVALUATION)

    def limited_by(self, other: "Consent") -> "Consent":
        """Return the stricter one of two permissions."""
        order = list(Consent)
        return max(self, other, key=order.index)
