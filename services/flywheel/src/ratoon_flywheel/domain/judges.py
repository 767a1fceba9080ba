"""Judges of a project and human ratings of its answers: what evaluation asks about the answers of candidates."""

from collections.abc import Sequence
from dataclasses import dataclass

from ratoon.tasks.judges import HUMAN, METRICS_OF_KIND, OF_PAIRS, JudgeKind, Requirements
from ratoon.tasks.kind import AnyKind
from ratoon_flywheel.domain.errors import BadProject, JudgeNotTrusted
from ratoon_flywheel.domain.project_settings import MetricGate

MAX_ORIGIN_CHARS = 500
_FIELD, _GATES, _HUMAN = "judges", "metric_gates", "human_ratings"
_NEEDED = {
    **{name: f"a judge {kind} in judges" for kind, names in METRICS_OF_KIND.items() for name in names},
    **dict.fromkeys(HUMAN, "human_ratings"),
}


@dataclass(frozen=True)
class HumanRatings:
    """Answers of which an evaluation takes in human ratings, by origin; empty: those of the models it compares."""

    candidate_origin: str = ""
    reference_origin: str = ""


@dataclass(frozen=True)
class Judge:
    """Judge of evaluation, with its agreement with people."""

    name: str
    kind: JudgeKind
    state: str
    pairs: int = 0
    kappa: float | None = None

    @property
    def is_usable(self) -> bool:
        """Return whether evaluation runs can name it."""
        return self.state == "SUCCEEDED"


def is_judge_metric(metric: str) -> bool:
    """Return whether judges or people measure a metric."""
    return metric in _NEEDED


def without_pairs(gates: Sequence[MetricGate]) -> tuple[MetricGate, ...]:
    """Return the gates that hold of a first version, which is compared with no other one."""
    return tuple(gate for gate in gates if gate.metric not in OF_PAIRS)


def check_judges(
    project: str,
    judges: Sequence[str],
    requirements: Requirements,
    human: HumanRatings | None,
    gates: Sequence[MetricGate],
    kind: AnyKind,
) -> None:
    """Raise BadProject if judges, human ratings or gates on their metrics do not fit the project."""
    if not kind.FREE_TEXT and (judges or human is not None):
        raise BadProject(
            "Judges and human ratings are for the task generate: leave them out.",
            _FIELD if judges else _HUMAN,
        )
    if len(judges) > len(JudgeKind) or len(set(judges)) < len(judges):
        raise BadProject("judges takes at most one judge of each kind.", _FIELD)
    for name in judges:
        parent, _, last = name.rpartition("/judges/")
        if parent != project or not last or "/" in last:
            raise BadProject(
                f"{name[:200]!r} is no judge of {project}: give its ID, or {project}/judges/ID.", _FIELD
            )
    if not requirements.is_valid:
        raise BadProject(
            "judge_requirements takes a min_pair_count of 0 or more and a min_kappa of -1 to 1.",
            "judge_requirements",
        )
    _check_human(human)
    for gate in gates:
        needed = _NEEDED.get(gate.metric, "")
        if (gate.metric in HUMAN and human is None) or (needed and gate.metric not in HUMAN and not judges):
            raise BadProject(f"The gate on {gate.metric} needs {needed}.", _GATES)


def check_known(judges: Sequence[Judge], gates: Sequence[MetricGate], requirements: Requirements) -> None:
    """Raise BadProject if a judge cannot be used, or a gate names a metric that none measures.

    Raise JudgeNotTrusted if a gate names a metric of a judge that does not agree with people.
    """
    for judge in judges:
        if not judge.is_usable:
            raise BadProject(
                f"{judge.name} is {judge.state}: a project can name it once it is SUCCEEDED.", _FIELD
            )
    if len({judge.kind for judge in judges}) < len(judges):
        raise BadProject("judges takes at most one judge of each kind.", _FIELD)
    measured = {name: judge for judge in judges for name in METRICS_OF_KIND[judge.kind]}
    for gate in gates:
        if gate.metric in HUMAN or not is_judge_metric(gate.metric):
            continue
        known = measured.get(gate.metric)
        if known is None:
            raise BadProject(f"The gate on {gate.metric} needs {_NEEDED[gate.metric]}.", _GATES)
        if why := requirements.unmet(known.pairs, known.kappa):
            raise JudgeNotTrusted(
                f"A gate names {gate.metric}, but {known.name} {why}. Rate more answers in labeling and create a judge "
                "again, name another judge, or leave the gate out: the metric is reported without it.",
                _GATES,
            )


def _check_human(human: HumanRatings | None) -> None:
    if human is None:
        return
    for field, origin in vars(human).items():
        if len(origin) > MAX_ORIGIN_CHARS:
            raise BadProject(f"An origin has at most {MAX_ORIGIN_CHARS} characters.", f"{_HUMAN}.{field}")
    if human.candidate_origin and human.candidate_origin == human.reference_origin:
        raise BadProject(
            "reference_origin must be another one than candidate_origin.", f"{_HUMAN}.reference_origin"
        )
