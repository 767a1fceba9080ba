"""What can go wrong for a person at the console.

ConsoleError
├── NotSignedIn   nobody is logged in here, or the key has ended
├── Refused       the platform said no: HTTP status, reason, sentence
├── Away          nobody answers at the address of the API
└── BadForm       a form was filled in wrongly
"""


class ConsoleError(Exception):
    """Any refusal; its text says what to do."""


class NotSignedIn(ConsoleError):
    """Nobody is logged in, or the API key was revoked or has expired."""


class Refused(ConsoleError):
    """The platform refused the request."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


class Away(ConsoleError):
    """Nobody answers at the address of the API."""


class BadForm(ConsoleError):
    """A form lacks something, or was sent from elsewhere."""
