"""Labels: guidelines, label sets with agreement, the review queue, and one task at a time for the keyboard."""

import asyncio
from datetime import UTC, datetime

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain import labels, queues
from ratoon_console.domain.people import Role
from ratoon_console.domain.words import JSON, ended

_SETS, _GUIDELINES, _ANSWERS, _QUEUES, _REFILLS = 50, 20, 50, 50, 20


async def labels_page(place: Place, api: Api) -> View:
    """The newest label sets and guidelines, how far people agree, the review queue."""
    listed, guidelines, sets, summary, ratings, done = await asyncio.gather(
        api.newest(f"{place.parent}/queues", _QUEUES),
        api.newest(f"{place.parent}/guidelines", _GUIDELINES),
        api.newest(f"{place.parent}/labelSets", _SETS, place.after),
        api.get(f"{place.parent}/tasks:summarize"),
        api.get(f"{place.parent}/tasks:summarizeRatings"),
        api.newest(f"{place.parent}/tasks", _ANSWERS, filter="state = DONE"),
    )
    queue = labels.queue_of(summary)
    return View(
        "labels.html",
        "Labels",
        {
            "queues": listed.items,
            "guidelines": guidelines.items,
            "sets": sets.items,
            "older": sets.older,
            "queue": queue,
            "review": labels.review_of(summary),
            "changes": labels.changes_of(summary),
            "ratings": ratings,
            "answer_words": labels.answer_words,
            "done": done.items,
            "marked_words": labels.marked_words,
            "forms": queues,
        },
        watched=tuple(each["name"] for each in sets.items if not ended(each["state"])),
        spoken=f"{queue.open} records to review.",
    )


async def queue_page(place: Place, api: Api) -> View:
    """A queue: its progress, the agreement and quality of annotators, and its refills with the learning curve."""
    name = f"{place.parent}/queues/{place.path['queue']}"
    queue, summary, refills, guidelines = await asyncio.gather(
        api.get(name),
        api.get(f"{name}:summarize"),
        api.newest(f"{name}/refills", _REFILLS),
        api.newest(f"{place.parent}/guidelines", _GUIDELINES),
    )
    progress = labels.progress_of(queue)
    busy = [each["name"] for each in refills.items if not ended(each["state"])]
    return View(
        "queue.html",
        f"Queue {place.path['queue']}",
        {
            "each": queue,
            "progress": progress,
            "summary": summary,
            "refills": refills.items,
            "busy": busy,
            "today": datetime.now(UTC).date().isoformat(),
            "guidelines": guidelines.items,
            "forms": queues,
        },
        watched=tuple(busy),
        spoken=f"{progress.open} tasks left.",
    )


async def own_work_page(place: Place, api: Api) -> View:
    """The answers of the caller in a queue, how many a reviewer accepted, and the agreement with others."""
    summary = await api.get(f"{place.parent}/queues/{place.path['queue']}:summarize")
    own = labels.own_work_of(summary, _name_of(place))
    return View("own-work.html", "Your work", {"own": own}, live=False)


async def review_page(place: Place, api: Api) -> View:
    """The next task of this annotator, by reason if the query names one: text, guideline, and what to enter."""
    reason, queue_id = place.query.get("reason", ""), place.query.get("queue", "")
    if queue_id:
        return await _work_page(place, queue_id, api)
    task, summary, project, guideline = await asyncio.gather(
        _task(place, reason, api),
        api.get(f"{place.parent}/tasks:summarize"),
        api.get(place.parent),
        _guideline(place.parent, api),
    )
    queue, record = labels.queue_of(summary), await _record(task, api)
    entry = labels.entry_of(task or {}, (guideline or project).get("labels", []), _name_of(place))
    return View(
        "review.html",
        "Review",
        {
            "task": task,
            "record": record,
            "guideline": guideline,
            "entry": entry,
            "image": labels.image_of(entry, record),
            "queue": queue,
            "reason": reason,
            "marked_words": labels.marked_words,
        },
        spoken=f"{queue.open} remaining." if task else "The queue is empty.",
        live=False,
    )


async def _work_page(place: Place, queue_id: str, api: Api) -> View:
    """The next task of a queue for this annotator, or the next one to review."""
    name = f"{place.parent}/queues/{queue_id}"
    to_review, last = bool(place.query.get("to-review")), place.query.get("last", "")
    queue = await api.get(name)
    task = None
    if place.person is not None and place.person.may(Role.ANNOTATOR):
        claim = {"queue": name, "toReview": to_review, "otherThan": _in_work(place)}
        task = await _claimed(place, api) or (await api.post(f"{place.parent}/tasks:claim", claim)).get(
            "task"
        )
    guideline, record = await asyncio.gather(api.find(queue["guideline"]), _record(task, api))
    progress = labels.progress_of(queue)
    entry = labels.entry_of(task or {}, (guideline or {}).get("labels", []), _name_of(place))
    return View(
        "review.html",
        "Review" if to_review else "Label",
        {
            "task": task,
            "record": record,
            "guideline": guideline,
            "entry": entry,
            "image": labels.image_of(entry, record),
            "queue": progress,
            "reason": "",
            "queue_id": queue_id,
            "to_review": to_review,
            "marked_words": labels.marked_words,
            "last": f"{place.parent}/tasks/{last}" if last and not to_review else "",
        },
        spoken=f"{progress.open} remaining." if task else "The queue is empty.",
        live=False,
    )


async def _task(place: Place, reason: str, api: Api) -> JSON | None:
    """The task that the API leases to an annotator; for a key that cannot answer, the newest open one."""
    if place.person is not None and place.person.may(Role.ANNOTATOR):
        claim = {"reason": reason, "otherThan": _in_work(place)}
        task = await _claimed(place, api)
        return task or (await api.post(f"{place.parent}/tasks:claim", claim)).get("task")
    condition = f"state = OPEN AND reason = {reason}" if reason else "state = OPEN"
    tasks = await api.newest(f"{place.parent}/tasks", 1, filter=condition)
    return tasks.items[0] if tasks.items else None


async def _claimed(place: Place, api: Api) -> JSON | None:
    """Return the task that the query names, which was claimed with the last answer; None: it is held no more."""
    if not place.query.get("task"):
        return None
    task = await api.find(f"{place.parent}/tasks/{place.query['task']}")
    if task is None or task.get("state") != "STATE_OPEN" or task.get("leaseHolder") != _name_of(place):
        return None
    return task


def _in_work(place: Place) -> list[str]:
    """Return the names of the tasks that the browser of the annotator holds."""
    ids = place.query.get("in-work", "").split(",")
    return [f"{place.parent}/tasks/{each}" for each in ids if each]


def _name_of(place: Place) -> str:
    return place.person.name if place.person else ""


async def _record(task: JSON | None, api: Api) -> JSON | None:
    if task is None:
        return None
    if task.get("answerId"):
        return {"text": task.get("text", ""), "language": "", "chars": len(task.get("text", ""))}
    name = f"{task['datasetVersion']}/records/{task['recordId']}"
    return await api.find(name, reader=task["name"], purpose="Answered by an annotator")


async def _guideline(parent: str, api: Api) -> JSON | None:
    """The guideline of the newest label set, else the newest of all."""
    sets = (await api.newest(f"{parent}/labelSets", 1)).items
    if sets and (chosen := await api.find(sets[0]["guideline"])):
        return chosen
    known = (await api.newest(f"{parent}/guidelines", 1)).items
    return known[0] if known else None
