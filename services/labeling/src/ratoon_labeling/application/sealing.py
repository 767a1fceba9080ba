"""Annotations and tasks of sealed records, those of test parts: they are left out, or their reading is logged.

Annotators see what they hold or answered themselves. Services see everything: they work with it, and show none of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ratoon.process.errors import NotFound
from ratoon.storage.names import matched, project_of
from ratoon.storage.paging import Page
from ratoon.storage.store import Store
from ratoon_labeling.application.names import PROJECT
from ratoon_labeling.application.ports import Reading, SealedRecords
from ratoon_labeling.domain.annotations import Annotation
from ratoon_labeling.domain.tasks import Task

T = TypeVar("T", Annotation, Task)

_MAX_PAGES = 10
"""Pages that one call reads at most; an empty one with a token follows."""


@dataclass(frozen=True)
class Viewer:
    """Caller who reads annotations or tasks."""

    name: str
    is_service: bool = False
    is_engineer: bool = False
    reader: str = ""
    purpose: str = ""

    @property
    def reading(self) -> Reading | None:
        """Return the reading of sealed records; None: the caller reads none."""
        if not (self.is_engineer and self.reader and self.purpose):
            return None
        return Reading(self.reader, self.purpose, self.name)


def shown(items: Sequence[T], viewer: Viewer, sealed: SealedRecords) -> list[T]:
    """Return the annotations or tasks that a caller sees; one reading is logged for all of them."""
    if viewer.is_service:
        return list(items)
    others = [each for each in items if not _is_own(each, viewer.name)]
    if not others:
        return list(items)
    records = [(each.record_id, each.content_digest) for each in others]
    project = f"projects/{project_of(others[0].name)}"
    marks = sealed.check(project, records, viewer.reading)
    if viewer.reading is not None:
        return list(items)
    hidden = {each.name for each, is_sealed in zip(others, marks, strict=True) if is_sealed}
    return [each for each in items if each.name not in hidden]


def visible(item: T, viewer: Viewer, sealed: SealedRecords) -> T:
    """Return an annotation or a task; NotFound, as for one that does not exist, if the caller does not see it."""
    if not shown([item], viewer, sealed):
        kind = "ANNOTATION" if isinstance(item, Annotation) else "TASK"
        raise NotFound(f"{item.name} does not exist.", reason=f"{kind}_NOT_FOUND")
    return item


def list_annotations(
    parent: str, size: int, token: str, order_by: str, viewer: Viewer, store: Store, sealed: SealedRecords
) -> Page[Annotation]:
    """A project's annotations that the caller sees; a page may be short."""
    matched(parent, PROJECT, "parent")
    return shown_page(
        lambda after: store.page(Annotation, parent, size, after, order_by), token, viewer, sealed
    )


def shown_page(read: Callable[[str], Page[T]], token: str, viewer: Viewer, sealed: SealedRecords) -> Page[T]:
    """Return what a caller sees of the first page from a token on that shows anything; empty if many show nothing."""
    items = list[T]()
    for _ in range(_MAX_PAGES):
        page = read(token)
        items, token = shown(page.items, viewer, sealed), page.next_token
        if items or not token:
            break
    return Page(items, token)


def _is_own(item: Annotation | Task, name: str) -> bool:
    if isinstance(item, Annotation):
        return item.annotator == name
    return item.lease_holder == name or item.answer_of(name) is not None
