"""An engine of several processes, seen as one. Those that have proved themselves count; others wait for their proof.

Pods are replaced and restarted by a cluster that asks nobody. What a proof was given for is one load of the weights in
one process: whatever came after it is another engine until it proves itself as well.
"""

from collections.abc import Sequence
from dataclasses import replace

from ratoon_serving.domain.engine import Engine, EngineState, EngineView, Member

_ALL_MATTER = (EngineState.GONE, EngineState.ABSENT, EngineState.STARTING, EngineState.READY)
"""Before the first proof the worst of its processes speaks for an engine,"""
_ONE_WILL_DO = (EngineState.READY, EngineState.STARTING, EngineState.ABSENT, EngineState.GONE)
"""and afterwards the best of those that count."""


def as_one(engine: Engine, seen: EngineView) -> EngineView:
    """The engine as it counts; GONE when none of the processes that proved themselves is left."""
    if not seen.members:
        return replace(seen, state=EngineState.GONE) if _was_lost(engine, seen) else seen
    if not engine.proofs:
        return _spoken(engine, seen, seen.members, _ALL_MATTER)
    counting = [member for member in seen.members if counts(engine, member)]
    if not counting:
        told = "it was restarted and has not passed attestation yet"
        return EngineView(EngineState.GONE, message=told, members=seen.members)
    return replace(_spoken(engine, seen, counting, _ONE_WILL_DO), changed=_changed(engine, seen, counting))


def counts(engine: Engine, member: Member) -> bool:
    """Whether it is a process, in a load, that proved itself; one that is silent just now goes by its process."""
    process, _, load = member.load_id.partition("/")
    known = {proof.load_id for proof in engine.proofs}
    return member.load_id in known if load else any(each.startswith(f"{process}/") for each in known)


def unproven(engine: Engine, seen: EngineView) -> tuple[Member, ...]:
    """The processes that are ready to prove themselves, and have not."""
    return tuple(m for m in seen.members if m.state is EngineState.READY and not counts(engine, m))


def _was_lost(engine: Engine, seen: EngineView) -> bool:
    return bool(engine.proofs) and seen.state is EngineState.STARTING


def _changed(engine: Engine, seen: EngineView, counting: Sequence[Member]) -> bool:
    there = {member.load_id.partition("/")[0] for member in counting if member.state in _ONE_WILL_DO[:2]}
    proved = {proof.load_id.partition("/")[0] for proof in engine.proofs}
    return bool(unproven(engine, seen)) or there != proved


def _spoken(
    engine: Engine, seen: EngineView, members: Sequence[Member], order: Sequence[EngineState]
) -> EngineView:
    """What these processes are together: the state that comes first in `order`, and all that is open in them."""
    state = next(each for each in order if any(member.state is each for member in members))
    alike = [member for member in members if member.state is state]
    digests = [member.loaded_digest for member in alike]
    wrong = [digest for digest in digests if digest != engine.artifact_digest]
    return replace(
        seen,
        state=state,
        loaded_digest=(wrong or digests)[0],
        accepting=any(member.accepting for member in alike),
        in_flight=sum(member.in_flight for member in members),
        message=next((member.message for member in alike if member.message), ""),
        unplaced=any(member.unplaced for member in alike),
    )
