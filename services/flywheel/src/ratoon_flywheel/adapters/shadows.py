"""Shadow answers in a table of their own, joined with the answers that callers got and the feedback on them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Table, func, insert, or_, select

from ratoon.storage.store import Transaction
from ratoon_flywheel.adapters.answer_rows import (
    answer_of,
    batches,
    feedback_label,
    micros,
    time_of,
    without_features,
)
from ratoon_flywheel.adapters.tables import ANSWERS, FEEDBACK_LABELS, OUTCOMES, SHADOWS
from ratoon_flywheel.domain.consent import Consent
from ratoon_flywheel.domain.signals.shadows import Known, ShadowAnswer, ShadowMark, Switch
from ratoon_flywheel.domain.signals.traffic import Answer

_USABLE = [each.value for each in Consent if each.allows(Consent.EVALUATION)]


class ShadowTables:
    """The part of the answer index that keeps shadow answers."""

    def add_shadows(self, tx: Transaction, project: str, shadows: Sequence[ShadowAnswer]) -> None:
        """Keep shadow answers; those that are known already stay as they are."""
        unique = {shadow.answer_id: shadow for shadow in shadows}
        for ids in batches(list(unique)):
            mine = (SHADOWS.c.project == project) & SHADOWS.c.answer_id.in_(ids)
            known = set(tx.connection.execute(select(SHADOWS.c.answer_id).where(mine)).scalars())
            rows = [_row(project, unique[id]) for id in ids if id not in known]
            if rows:
                tx.connection.execute(insert(SHADOWS), rows)

    def shadow_mark(self, tx: Transaction, project: str) -> ShadowMark:
        """Return the newest numbers; all 0 without shadow answers."""
        if not (shadows := _newest(tx, project, SHADOWS)):
            return ShadowMark()
        return ShadowMark(shadows, _newest(tx, project, FEEDBACK_LABELS), _newest(tx, project, OUTCOMES))

    def has_shadow_news(self, tx: Transaction, project: str, since: ShadowMark) -> bool:
        """Return whether there are newer shadow answers, or newer feedback on what they shadow."""
        s, newest = SHADOWS, _newest(tx, project, SHADOWS)
        if newest > since.shadows or not newest:
            return newest > since.shadows
        for table, number in ((FEEDBACK_LABELS, since.feedback), (OUTCOMES, since.outcomes)):
            query = (
                select(table.c.number)
                .join(s, (s.c.project == table.c.project) & (s.c.shadow_of == table.c.answer_id))
                .where(table.c.project == project, table.c.number > number)
                .limit(1)
            )
            if tx.connection.execute(query).first() is not None:
                return True
        return False

    def shadowed_deployments(self, tx: Transaction, project: str) -> list[str]:
        """Return the deployments with shadow answers."""
        query = select(SHADOWS.c.deployment).where(SHADOWS.c.project == project).distinct()
        return sorted(tx.connection.execute(query).scalars())

    def shadows(self, tx: Transaction, project: str, switch: Switch, limit: int) -> list[ShadowAnswer]:
        """Return the newest shadow answers of a rollout, oldest first."""
        s = SHADOWS
        query = select(s).where(_of(project, switch)).order_by(s.c.time.desc(), s.c.number.desc())
        return [_shadow(row) for row in reversed(tx.connection.execute(query.limit(limit)).all())]

    def known_shadows(self, tx: Transaction, project: str, switch: Switch, limit: int) -> list[Known]:
        """Return the newest shadow answers of a rollout with feedback on the answer that the caller got, oldest first.

        Feedback that may not be used for evaluation is left out.
        """
        s = SHADOWS
        query = _with_feedback(switch).where(_of(project, switch), s.c.succeeded == 1)
        query = query.order_by(s.c.time.desc(), s.c.number.desc()).limit(limit)
        return [_known(row) for row in reversed(tx.connection.execute(query).all())]

    def by_id(self, tx: Transaction, project: str, answer_ids: Sequence[str]) -> dict[str, Answer]:
        """Return these answers by id, without features."""
        a, answers = ANSWERS, dict[str, Answer]()
        for some in batches(answer_ids):
            query = without_features().where(a.c.project == project, a.c.answer_id.in_(some))
            answers |= {row.answer_id: answer_of(row) for row in tx.connection.execute(query)}
        return answers


def _newest(tx: Transaction, project: str, table: Table) -> int:
    return (
        tx.connection.execute(select(func.max(table.c.number)).where(table.c.project == project)).scalar()
        or 0
    )


def _of(project: str, switch: Switch) -> ColumnElement[bool]:
    s, both = SHADOWS.c, (switch.new, switch.old)
    versions = s.version.in_(both) & s.live_version.in_(both)
    during = s.time >= micros(switch.since)
    if switch.until is not None:
        during = during & (s.time < micros(switch.until))
    return (s.project == project) & (s.deployment == switch.deployment) & versions & during


def _with_feedback(switch: Switch) -> Select[Any]:
    s, a, f, o = SHADOWS, ANSWERS, FEEDBACK_LABELS, OUTCOMES
    on_feedback = (f.c.project == a.c.project) & (f.c.answer_id == a.c.answer_id) & f.c.consent.in_(_USABLE)
    on_outcome = (o.c.project == a.c.project) & (o.c.answer_id == a.c.answer_id) & o.c.consent.in_(_USABLE)
    is_reference = o.c.name == (switch.reference_outcome or "")
    return (
        without_features()
        .add_columns(*(column.label(f"shadow_{column.name}") for column in s.c))
        .add_columns(f.c.time.label("feedback_time"), f.c.verdict, f.c.correction, f.c.traceparent)
        .add_columns(f.c.feedback, f.c.consent, f.c.is_session, f.c.user_mark, o.c.value.label("outcome"))
        .join(s, (s.c.project == a.c.project) & (s.c.shadow_of == a.c.answer_id))
        .outerjoin(f, on_feedback)
        .outerjoin(o, on_outcome & is_reference)
        .where(or_(f.c.number.is_not(None), o.c.number.is_not(None)))
    )


def _known(row: Row[tuple[object, ...]]) -> Known:
    feedback = None if row.verdict is None else feedback_label(row)
    return Known(_shadow(row, "shadow_"), answer_of(row), feedback, row.outcome)


def _row(project: str, shadow: ShadowAnswer) -> dict[str, object]:
    values = dict(vars(shadow))
    return values | {
        "project": project,
        "time": micros(shadow.time),
        "succeeded": int(shadow.succeeded),
    }


def _shadow(row: Row[tuple[object, ...]], prefix: str = "") -> ShadowAnswer:
    known = {column.name: getattr(row, f"{prefix}{column.name}") for column in SHADOWS.c}
    del known["number"], known["project"]
    return ShadowAnswer(**known | {"time": time_of(known["time"]), "succeeded": bool(known["succeeded"])})
