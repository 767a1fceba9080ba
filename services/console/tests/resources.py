"""Resources as the API tells of them, by name, in the order they came."""

import threading
from datetime import UTC, datetime
from typing import Any

JSON = dict[str, Any]


class Resources:
    """What a platform in memory knows."""

    def __init__(self) -> None:
        self.resources: dict[str, JSON] = {}
        self.changed = threading.Condition()

    def put(self, name: str, **fields: object) -> JSON:
        """Add or change a resource; who watches it is told."""
        with self.changed:
            known = self.resources.get(name, {"name": name, "createTime": now(), "revision": "0"})
            revision = str(int(known["revision"]) + 1)
            self.resources[name] = known | {"updateTime": now(), "revision": revision} | fields
            self.changed.notify_all()
            return self.resources[name]

    def children(self, collection: str) -> list[JSON]:
        """The resources of a collection (`projects/p/datasets`)."""
        prefix = f"{collection}/"
        return [
            value
            for name, value in self.resources.items()
            if name.startswith(prefix) and "/" not in name.removeprefix(prefix)
        ]


def now() -> str:
    """The time now as the API writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
