"""Server-sent events: the lines of a stream become events. Does no I/O."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """Event of a stream. `id` is the last ID that the stream sent."""

    id: str
    name: str
    data: str


class EventDecoder:
    """Collects lines until an event is complete. Comments, which keep the connection alive, are ignored."""

    def __init__(self, last_id: str = "") -> None:
        self._id, self._name = last_id, ""
        self._data: list[str] = []

    def feed(self, line: str) -> ServerSentEvent | None:
        """Take one line without its end; return the event that it completes."""
        if not line:
            return self._complete()
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if key == "id":
            self._id = value
        elif key == "event":
            self._name = value
        elif key == "data":
            self._data.append(value)
        return None

    def _complete(self) -> ServerSentEvent | None:
        event = ServerSentEvent(self._id, self._name, "\n".join(self._data)) if self._data else None
        self._name, self._data = "", []
        return event
