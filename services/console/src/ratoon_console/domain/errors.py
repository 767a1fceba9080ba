"""What can go wrong for a person at the console.

ConsoleError
├── NotSignedIn   no valid log-in, or the key has expired
├── Refused       the platform refused: HTTP status, reason, message
├── Away          the API does not respond
└── BadForm       a form was filled in wrongly
"""


class ConsoleError(Exception):
    """Any refusal; its text says what to do."""


class NotSignedIn(ConsoleError):
    """There is no log-in, or the API key was revoked or has expired."""


class Refused(ConsoleError):
    """The platform refused the request."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


class Away(ConsoleError):
    """The API does not respond."""


class BadForm(ConsoleError):
    """A form lacks something, or was sent from elsewhere."""
