"""The loop at a glance: the stages of a pipeline run, and the status in production."""

from collections.abc import Sequence
from dataclasses import dataclass

from ratoon_console.domain.words import (
    JSON,
    ended,
    last_part,
    number,
    percent,
    plain_state,
    seconds_between,
    state_words,
    tone,
    trigger,
)

STAGES = ("dataset", "labels", "split", "training", "evaluation", "registration", "rollout")


@dataclass(frozen=True)
class Step:
    """A stage of a pipeline run: title, state, message, duration in seconds, and its page."""

    title: str
    state: str
    tone: str
    message: str
    seconds: float | None
    link: str


@dataclass(frozen=True)
class StatusCard:
    """Status of one aspect of production: a value, its explanation, and its page."""

    title: str
    value: str
    message: str
    tone: str
    link: str


def steps_of(run: JSON | None, project: str, now: str = "") -> list[Step]:
    """The stages of a pipeline run; the usual ones, pending, when there was none. `now` ends what still runs."""
    known = {stage["id"]: stage for stage in (run or {}).get("stages", [])}
    ids = list(known) if len(known) >= len(STAGES) else STAGES
    return [_step(id_, known.get(id_, {}), run or {}, project, now) for id_ in ids]


def awaits_person(run: JSON | None) -> bool:
    """Whether a pipeline run awaits approval by a person."""
    stages = (run or {}).get("stages", [])
    return any(s["id"] == "approval" and plain_state(s.get("state", "")) == "RUNNING" for s in stages)


def _step(id_: str, stage: JSON, run: JSON, project: str, now: str) -> Step:
    state = plain_state(stage.get("state", ""))
    message = stage.get("message", "")
    if state == "RUNNING":
        message = run.get("progress", {}).get("message") or message
    started = stage.get("startTime") or ""
    seconds = seconds_between(started, stage.get("endTime") or (now if state == "RUNNING" else ""))
    return Step(
        id_.replace("_", " ").capitalize(), state_words(state), tone(state), message, seconds,
        link_of(stage.get("resource", ""), project),
    )  # fmt: skip


def link_of(name: str, project: str) -> str:
    """The page of a resource; empty when it has none."""
    parts = name.split("/")
    if len(parts) < 4:
        return ""
    base, id_ = f"/p/{project}", parts[-1]
    places = {
        "trainingRuns": f"{base}/training/{id_}",
        "evaluationRuns": f"{base}/evaluations/{id_}",
        "pipelineRuns": f"{base}/pipeline-runs/{id_}",
        "compressions": f"{base}/compressions",
        "labelSets": f"{base}/labels",
        "rollouts": f"{base}/rollouts/{id_}",
        "splits": f"{base}/data",
        "sources": f"{base}/data#sources",
    }
    if parts[-2] == "versions":
        return f"{base}/models/{id_}" if parts[2] == "models" else f"{base}/data/{parts[3]}/{id_}"
    return places.get(parts[-2], "")


def newest(resources: Sequence[JSON]) -> JSON | None:
    """The first of a list that stands newest first."""
    return resources[0] if resources else None


def current_run(runs: Sequence[JSON]) -> JSON | None:
    """The pipeline run in progress, else the last one."""
    under_way = [run for run in runs if not ended(run.get("state", ""))]
    return newest(under_way or runs)


def serving(
    deployment: JSON | None, engines: Sequence[JSON], rollout: JSON | None, project: str
) -> StatusCard:
    """Status of serving."""
    link = f"/p/{project}/rollouts"
    if not deployment or not deployment.get("version"):
        return StatusCard("Serving", "none yet", "The first pipeline run rolls out a version.", "idle", link)
    open_engines = [each for each in engines if plain_state(each.get("state", "")) == "READY"]
    attested = sum(bool(each.get("attested")) for each in open_engines)
    message = f"engines: {len(open_engines)} ready, {attested} attested"
    version = last_part(deployment["version"])
    if rollout:
        message = f"{message}; a rollout to {last_part(rollout['toVersion'])} is in progress"
        return StatusCard("Serving", version, message, "busy", link)
    return StatusCard("Serving", version, message, "good" if open_engines else "bad", link)


def drift(report: JSON | None, project: str) -> StatusCard:
    """Drift of the traffic from the training data."""
    link = f"/p/{project}/signals"
    if not report:
        return StatusCard(
            "Drift", "not measured", "Drift is measured once there are 50 distinct texts.", "idle", link
        )
    worst = max(report.get("measures", []), key=ratio, default=None)
    if worst is None:
        return StatusCard("Drift", "not measured", "The last report contains no measurement.", "idle", link)
    message = f"{measured(worst)}: {worst['divergence']:.3f} nats, {ratio(worst):.1f} × noise band"
    drifted = bool(report.get("drifted"))
    return StatusCard("Drift", "drifted" if drifted else "none", message, "warn" if drifted else "good", link)


def measured(measure: JSON) -> str:
    """Return what a measure compares: the feature, the language, and the reference if it is not the training data."""
    part = f" ({measure['slice']})" if measure.get("slice") else ""
    since = " since promotion" if measure.get("reference") == "REFERENCE_PROMOTION" else ""
    return f"{measure['feature']}{part}{since}"


def ratio(measure: JSON) -> float:
    """A divergence in multiples of its noise band."""
    band = float(measure.get("nullBand", 0))
    return float(measure.get("divergence", 0)) / band if band else 0.0


def feedback(report: JSON | None, project: str) -> StatusCard:
    """User feedback in the window of the last report."""
    link = f"/p/{project}/signals"
    rated = number((report or {}).get("feedbackCount"))
    if not report or not rated:
        return StatusCard("Feedback", "none yet", "Callers send feedback with the answer ID.", "idle", link)
    wrong = number(report.get("negativeCount"))
    rate = report.get("errorRate", 0)
    return StatusCard(
        "Feedback",
        f"{percent(rate)} unhappy callers",
        f"{wrong:,} of {rated:,} answers with feedback were wrong",
        "idle",
        link,
    )


def traffic(report: JSON | None, project: str) -> StatusCard:
    """Number of answers in the last report."""
    link = f"/p/{project}/signals"
    if not report:
        return StatusCard(
            "Traffic", "none yet", "Send a request in the playground or through the API.", "idle", link
        )
    version = last_part(report.get("version", ""))
    answers = number(report.get("answerCount"))
    return StatusCard(
        "Traffic", f"{answers:,} answers", f"of {version} in the window of the last report", "idle", link
    )


def policy(current: JSON | None, project: str) -> StatusCard:
    """The last decision of the policy."""
    link = f"/p/{project}#policies"
    if not current:
        message = "No automatic retraining. Create a policy below."
        return StatusCard("Policy", "none", message, "idle", link)
    value = "paused" if current.get("paused") else "dry run" if current.get("dryRun") else "active"
    message = current.get("lastDecision") or "No decision yet."
    return StatusCard("Policy", value, message, "warn" if current.get("paused") else "good", link)


def spoken_of(run: JSON | None) -> str:
    """Text for screen readers: the state of a pipeline run and its stage, without changing numbers."""
    if not run:
        return "No pipeline run yet."
    at = next((s["id"] for s in run.get("stages", []) if plain_state(s.get("state", "")) == "RUNNING"), "")
    where = f", {at} in progress" if at else ""
    return (
        f"Pipeline run started {trigger(run.get('trigger', ''))}: {state_words(run.get('state', ''))}{where}."
    )
