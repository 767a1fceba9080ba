"""How captured traffic is forgotten whose texts were erased: the domain decides, index and segments do."""

from dataclasses import replace
from datetime import datetime

from ratoon.operations.operations import Claim, Operations, Step
from ratoon.process.errors import Description
from ratoon.storage.names import parent_of
from ratoon.storage.store import Store, Transaction
from ratoon.tasks import kinds
from ratoon_flywheel.application.commands import ForgetTexts
from ratoon_flywheel.application.ports import AnswerIndex, Segments
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.forgetting import (
    Action,
    EraseBlobs,
    Forgetting,
    Observation,
    RewriteSegments,
    step,
)
from ratoon_flywheel.domain.signals.traffic import TrafficSegment

_LATER_S = 60.0


def begin_forgetting(command: ForgetTexts, tx: Transaction, operations: Operations) -> None:
    """Begin the deletion of these texts with the commit of this transaction; a repetition changes nothing."""
    if command.text_digests and tx.find(Forgetting, command.name) is None:
        forgetting = Forgetting(command.name, command.time, command.time, command.text_digests)
        operations.begin(tx, tx.create(forgetting)[0])


class ForgettingProcedure:
    """The long work behind an erasure, as far as traffic goes."""

    kind = Forgetting

    def __init__(self, store: Store, answers: AnswerIndex, segments: Segments) -> None:
        self._store, self._answers, self._segments = store, answers, segments

    def observe(self, forgetting: Forgetting, claim: Claim) -> Observation:
        """Return the segments and blobs that still hold these texts."""
        with self._store.read() as tx:
            held = self._answers.of_texts(tx, parent_of(forgetting.name), forgetting.text_digests)
            segments = {name: _digest(tx, name) for name in held}
        return Observation(segments, tuple(filter(self._segments.exists, forgetting.doomed)))

    def step(self, forgetting: Forgetting, observation: Observation, now: datetime) -> Step[Forgetting]:
        """What follows from it."""
        after, actions = step(forgetting, observation)
        return Step(after, actions, done=not actions)

    def act(self, forgetting: Forgetting, action: Action, claim: Claim) -> None:
        """Write segments again, or erase what they were."""
        match action:
            case RewriteSegments(names):
                for name in names:
                    self._rewrite(forgetting, name)
            case EraseBlobs(digests):
                why = f"it contained texts that {forgetting.name} erased."
                for digest in digests:
                    self._segments.erase(digest, why)

    def failed(self, forgetting: Forgetting, error: Description, now: datetime) -> Step[Forgetting]:
        """It is tried again later: what is to be forgotten is not given up."""
        return Step(forgetting, wake_after=_LATER_S)

    def _rewrite(self, forgetting: Forgetting, name: str) -> None:
        """One segment, which retention may have taken meanwhile, and what is known of its answers."""
        project = parent_of(forgetting.name)
        with self._store.read() as tx:
            ids = list(self._answers.of_texts(tx, project, forgetting.text_digests).get(name, ()))
            before, owner = tx.find(TrafficSegment, name), tx.find(Project, project)
        free_text = owner is not None and kinds.kind_of(owner.task).FREE_TEXT
        left, count = (
            before.digest if before else "",
            0,
        )  # a blob that is gone keeps its name, which others can ask for
        if before is not None and self._segments.exists(before.digest):
            rewritten = self._segments.without(before.digest, forgetting.text_digests, free_text)
            left, count = rewritten.digest, rewritten.rows
            ids = list(dict.fromkeys([*ids, *rewritten.removed]))
        with self._store.write() as tx:
            if before is not None:
                tx.save(replace(before, digest=left, answer_count=count, set_aside={}))
            self._answers.forget(tx, project, name, ids, forgetting.text_digests)


def _digest(tx: Transaction, name: str) -> str:
    segment = tx.find(TrafficSegment, name)
    return segment.digest if segment else ""
