"""Resources as the API returns them, by name, in the order they came."""

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

JSON = dict[str, Any]


class Resources:
    """What a platform in memory knows."""

    def __init__(self) -> None:
        self.resources: dict[str, JSON] = {}
        self.changed = threading.Condition()

    def put(self, name: str, **fields: object) -> JSON:
        """Add or change a resource and notify its watches."""
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

    def listed(self, collection: str, order_by: str = "", filter: str = "") -> list[JSON]:
        """The resources of a collection as a list answers with them."""
        resources = self.children(collection)
        for term in filter.split(" AND ") if filter else ():
            field, value = term.split(" = ")
            resources = [each for each in resources if each.get(field, "").removeprefix("STATE_") == value]
        return resources[::-1] if order_by == "create_time desc" else resources

    def summary(self, project: str) -> JSON:
        """Counts of a project's tasks."""
        tasks = self.children(f"{project}/tasks")
        of_state = {s: [t for t in tasks if t["state"] == f"STATE_{s}"] for s in ("OPEN", "DONE", "SKIPPED")}
        proposed = [task for task in of_state["DONE"] if task.get("proposedLabel") and task["label"]]
        labelled = [task for task in proposed if "classify" in task.get("task", {"classify": {}})]
        answers = Counter((task["proposedLabel"], task["label"]) for task in labelled)
        unchanged = sum(task["proposedLabel"] == task["label"] for task in proposed)
        return {
            "openCounts": dict(Counter(task["reason"] for task in of_state["OPEN"])),
            "doneCount": str(len(of_state["DONE"])),
            "skippedCount": str(len(of_state["SKIPPED"])),
            "unchangedCount": str(unchanged),
            "changedCount": str(len(proposed) - unchanged),
            "reviews": [
                {"proposedLabel": before, "label": after, "count": str(count)}
                for (before, after), count in answers.items()
            ],
        }

    def claimed(self, project: str, reason: str = "", queue: str = "", in_work: Sequence[str] = ()) -> JSON:
        """The next open task, as if one annotator worked."""
        condition = f"state = OPEN AND reason = {reason}" if reason else "state = OPEN"
        tasks = [
            task
            for task in self.listed(f"{project}/tasks", filter=condition)
            if task.get("queue", "") == queue and task["name"] not in in_work
        ]
        return {"task": max(tasks, key=lambda task: str(task["createTime"]))} if tasks else {}


def now() -> str:
    """The time now as the API writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
