"""Objects of one kind in a cluster, kept up to date by a watch. It knows no kind in particular.

One request stays open and reports each change. After its end the watch resumes from the last observed version; only
if that is too old, all objects are listed again. While the API is unavailable, the last state stays valid.
"""

import logging
import threading
from collections.abc import Callable

from ratoon.kubernetes.cluster_api import JSON, Listing, TooOld
from ratoon.process.backoff import Backoff
from ratoon.process.errors import RatoonError, Unavailable
from ratoon.process.loop import BackgroundLoop

_LOG = logging.getLogger(__name__)
_FIRST_S = 15.0
_PAUSE_S = 1.0


class Watched:
    """Objects by name, from a thread of its own."""

    def __init__(self, listing: Listing, changed: Callable[[], None] = lambda: None) -> None:
        self._listing, self._changed = listing, changed
        self._lock = threading.Lock()
        self._objects: dict[str, JSON] = {}
        self._version = ""
        self._complete = threading.Event()
        self._loop = BackgroundLoop(
            "kubernetes-watch", self._step, backoff=Backoff(_PAUSE_S, _PAUSE_S), on_failure=self._failed
        )

    def start(self) -> None:
        """Start the watch."""
        self._loop.start()

    def stop(self) -> None:
        """Take nothing more; the open request dies with the process."""
        self._loop.stop(0.0)

    def get(self, name: str) -> JSON | None:
        """The object, or None; Unavailable until everything was seen once."""
        return self._now().get(name)

    def all(self) -> list[JSON]:
        """Every object; Unavailable until everything was seen once."""
        return list(self._now().values())

    def put(self, reported: JSON) -> None:
        """Take in what a call answered, unless something newer was seen."""
        name = reported["metadata"]["name"]
        with self._lock:
            known = self._objects.get(name)
            if known is None or _age(known) <= _age(reported):
                self._objects[name] = reported

    def forget(self, name: str) -> None:
        """Take in that a call ended an object."""
        with self._lock:
            self._objects.pop(name, None)

    def _now(self) -> dict[str, JSON]:
        if not self._complete.wait(_FIRST_S):
            raise Unavailable("The Kubernetes API has not reported yet what runs.", reason="KUBERNETES_AWAY")
        with self._lock:
            return dict(self._objects)

    def _step(self) -> float:
        try:
            self._follow()
        except TooOld:
            self._version = ""
        return 0.0

    def _failed(self, error: Exception) -> None:
        if isinstance(error, RatoonError):
            _LOG.warning("%s; the last observed state stays valid", error)
        else:
            _LOG.exception("the watch broke off; trying again")
            self._version = ""

    def _follow(self) -> None:
        if not self._version:
            self._list()
        with self._listing.changes(self._version) as changes:
            for change in changes:
                self._take(change)
                if self._loop.stopping:
                    return

    def _list(self) -> None:
        objects, version = self._listing.all()
        with self._lock:
            self._objects = {each["metadata"]["name"]: each for each in objects}
            self._version = version
        self._complete.set()
        self._changed()

    def _take(self, change: JSON) -> None:
        kind, reported = change["type"], change["object"]
        if kind == "ERROR":
            raise TooOld(str(reported.get("message", "")))
        self._version = reported["metadata"]["resourceVersion"]
        if kind == "BOOKMARK":
            return
        if kind == "DELETED":
            self._drop(reported)
        else:
            self.put(reported)
        self._changed()

    def _drop(self, reported: JSON) -> None:
        with self._lock:
            known = self._objects.get(reported["metadata"]["name"])
            if known is not None and known["metadata"]["uid"] == reported["metadata"]["uid"]:
                del self._objects[reported["metadata"]["name"]]


def _age(reported: JSON) -> int:
    return int(reported["metadata"]["resourceVersion"])
