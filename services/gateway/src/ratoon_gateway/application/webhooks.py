"""Takes signed webhooks: the signature names the project, and flywheel stores the event. It knows no protocol."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from math import ceil

from ratoon.events.foreign import SPEC_VERSION, ForeignEvent, from_attributes, from_json
from ratoon.process.clock import Clock
from ratoon_gateway.application.ports import EventSink
from ratoon_gateway.domain.errors import EventsLimited, RateLimited, TooManyRequests, WebhooksDisabled
from ratoon_gateway.domain.json_text import read_object
from ratoon_gateway.domain.limits import Instant, Limits, RateLimiter
from ratoon_gateway.domain.webhooks import Delivery, WebhookSecret

SOURCE = "webhook"
"""Source of an event that is no CloudEvent; its id is that of the webhook."""
MAX_OPEN = 256
"""Webhooks whose body is read or whose event is stored, at once: anyone may open one without a key."""


class Webhooks:
    """Verifies deliveries and hands their events to flywheel. `receive` is safe on any thread, the rest on one."""

    def __init__(
        self,
        secrets: Callable[[], Sequence[WebhookSecret]],
        events: EventSink,
        events_per_minute: int,
        clock: Clock,
    ) -> None:
        self._secrets, self._events, self._clock = secrets, events, clock
        self._limits = Limits(requests_per_minute=events_per_minute)
        self._limiters: dict[str, RateLimiter] = {}
        self._open = 0
        self._limiting = threading.Lock()

    def enter(self) -> None:
        """Admit a delivery before its body is read, until `leave`; TooManyRequests while too many are open."""
        if self._open >= MAX_OPEN:
            raise TooManyRequests(f"{self._open} webhooks are open; send it again in a moment.")
        self._open += 1

    def leave(self) -> None:
        """End a delivery."""
        self._open -= 1

    def check(self, delivery: Delivery) -> None:
        """Refuse a delivery by its headers alone."""
        delivery.check(self._clock.now())

    def receive(self, delivery: Delivery, body: bytes) -> str:
        """Return the name of the stored event of a delivery; it blocks."""
        secrets = self._secrets()
        if not secrets:
            raise WebhooksDisabled("This installation has no webhook secrets; an operator can add them.")
        project = delivery.project(body, secrets)
        self._limit(project)
        return self._events.report(project, event_of(delivery, body))

    def _limit(self, project: str) -> None:
        """Count a verified delivery of a project; EventsLimited at the limit."""
        now = Instant(self._clock.monotonic(), self._clock.now())
        try:
            with self._limiting:
                limiter = self._limiters.setdefault(project, RateLimiter())
                limiter.admit(self._limits, 0, 0, now)
                limiter.end(0, 0)
        except RateLimited as error:
            wait_s = ceil(float(error.details["retry_after_s"]))
            limit = self._limits.requests_per_minute
            message = f"The project takes {limit:,} webhooks a minute; send it again in {wait_s} s."
            raise EventsLimited(message, wait_s) from None


def event_of(delivery: Delivery, body: bytes) -> ForeignEvent:
    """Return the event in a body: a CloudEvent in structured mode, or a Standard Webhooks payload with its `type`."""
    content = read_object(body)
    if "specversion" in content:
        return from_json(body)
    sent = datetime.fromtimestamp(int(delivery.timestamp), UTC).isoformat()
    return from_attributes(
        {
            "specversion": SPEC_VERSION,
            "id": delivery.id,
            "source": SOURCE,
            "type": content.get("type", ""),
            "time": content.get("timestamp", sent),
        }
    )
