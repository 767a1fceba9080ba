"""Replicas of an engine, aggregated into one observation: only attested ones count, the others wait for attestation.

The cluster replaces and restarts pods at any time. An attestation holds for one load of the weights in one process: a
process that restarts or loads again must pass attestation again.
"""

from collections.abc import Sequence
from dataclasses import replace

from ratoon_serving.domain.engine import Engine, EngineState, EngineView, Replica

_WORST_FIRST = (EngineState.GONE, EngineState.ABSENT, EngineState.STARTING, EngineState.READY)
"""Precedence of states before the first attestation: an engine has the state of its worst process."""
_BEST_FIRST = (EngineState.READY, EngineState.STARTING, EngineState.ABSENT, EngineState.GONE)
"""Precedence of states afterwards: an engine has the state of its best attested process."""


def aggregate(engine: Engine, view: EngineView) -> EngineView:
    """Return the engine as one observation; GONE if none of its attested processes is left."""
    if not view.replicas:
        return replace(view, state=EngineState.GONE) if _was_lost(engine, view) else view
    if not engine.attestations:
        return _combined(engine, view, view.replicas, _WORST_FIRST)
    attested = [replica for replica in view.replicas if is_attested(engine, replica)]
    if not attested:
        message = "it was restarted and has not passed attestation yet"
        return EngineView(EngineState.GONE, message=message, replicas=view.replicas)
    return replace(_combined(engine, view, attested, _BEST_FIRST), changed=_changed(engine, view, attested))


def is_attested(engine: Engine, replica: Replica) -> bool:
    """Return whether this load in this process is attested; a silent process counts by its name alone."""
    process, _, load = replica.load_id.partition("/")
    known = {attestation.load_id for attestation in engine.attestations}
    return replica.load_id in known if load else any(each.startswith(f"{process}/") for each in known)


def unattested(engine: Engine, view: EngineView) -> tuple[Replica, ...]:
    """Return the processes that are ready for attestation and did not pass it yet."""
    return tuple(m for m in view.replicas if m.state is EngineState.READY and not is_attested(engine, m))


def _was_lost(engine: Engine, view: EngineView) -> bool:
    return bool(engine.attestations) and view.state is EngineState.STARTING


def _changed(engine: Engine, view: EngineView, attested: Sequence[Replica]) -> bool:
    serving = {replica.load_id.partition("/")[0] for replica in attested if replica.state in _BEST_FIRST[:2]}
    recorded = {attestation.load_id.partition("/")[0] for attestation in engine.attestations}
    return bool(unattested(engine, view)) or serving != recorded


def _combined(
    engine: Engine, view: EngineView, replicas: Sequence[Replica], precedence: Sequence[EngineState]
) -> EngineView:
    """Combine replicas: the state that comes first in `precedence`, and the sum of their open requests."""
    state = next(each for each in precedence if any(replica.state is each for replica in replicas))
    same = [replica for replica in replicas if replica.state is state]
    digests = [replica.loaded_digest for replica in same]
    wrong = [digest for digest in digests if digest != engine.artifact_digest]
    return replace(
        view,
        state=state,
        loaded_digest=(wrong or digests)[0],
        accepting=any(replica.accepting for replica in same),
        in_flight=sum(replica.in_flight for replica in replicas),
        message=next((replica.message for replica in same if replica.message), ""),
        unplaced=any(replica.unplaced for replica in same),
    )
