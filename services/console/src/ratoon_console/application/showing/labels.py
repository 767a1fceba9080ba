"""Labels: guidelines, label sets with agreement, the review queue, and one task at a time for the keyboard."""

import asyncio

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain import labels
from ratoon_console.domain.words import JSON, ended, last_part


async def labels_page(place: Place, api: Api) -> View:
    """What was labelled how, how far people agree, what waits for them."""
    guidelines, sets, tasks = await asyncio.gather(
        api.list(f"{place.parent}/guidelines"),
        api.list(f"{place.parent}/labelSets"),
        api.list(f"{place.parent}/tasks"),
    )
    queue = labels.queue_of(tasks)
    return View(
        "labels.html",
        "Labels",
        {
            "guidelines": guidelines[::-1],
            "sets": sets[::-1],
            "queue": queue,
            "review": labels.review_of(tasks),
            "done": [task for task in tasks if task["state"] != "STATE_OPEN"][::-1][:50],
        },
        watched=tuple(each["name"] for each in sets if not ended(each["state"])),
        spoken=f"{queue.open} records to review.",
    )


async def review_page(place: Place, api: Api) -> View:
    """The next task of the queue, or the one that is asked for: text, guideline, labels as keys."""
    tasks, project = await asyncio.gather(api.list(f"{place.parent}/tasks"), api.get(place.parent))
    reason = place.query.get("reason", "")
    queue = labels.queue_of(tasks)
    task = labels.next_task(tasks, reason)
    record, guideline = await asyncio.gather(_record(task, api), _guideline(place.parent, api))
    return View(
        "review.html",
        "Review",
        {
            "task": task,
            "record": record,
            "guideline": guideline,
            "choices": (guideline or project).get("labels", []),
            "queue": queue,
            "reason": reason,
            "review": labels.review_of(tasks),
        },
        spoken=f"{queue.open} remaining." if task else "The queue is empty.",
        live=False,
    )


async def _record(task: JSON | None, api: Api) -> JSON | None:
    if task is None:
        return None
    return await api.find(f"{task['datasetVersion']}/records/{task['recordId']}")


async def _guideline(parent: str, api: Api) -> JSON | None:
    """The guideline of the newest label set, else the newest of all."""
    sets, guidelines = await asyncio.gather(api.list(f"{parent}/labelSets"), api.list(f"{parent}/guidelines"))
    wanted = last_part(sets[-1]["guideline"]) if sets else ""
    chosen = [each for each in guidelines if last_part(each["name"]) == wanted]
    known = chosen or guidelines
    return known[-1] if known else None
