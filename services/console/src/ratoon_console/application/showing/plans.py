"""Plans: engines for a rate of requests, memory of a training run, and time of an evaluation, each by a form."""

from collections.abc import Mapping

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain.errors import Refused
from ratoon_console.domain.words import JSON, last_part

_DEPLOYMENTS = 50
ACCELERATORS = ("CPU", "CUDA", "NEURON")
METHODS = ("FROM_SCRATCH", "CONTINUE", "LORA")
_SERVING = (
    ("requests", "requestsPerSecond"),
    ("engine_rate", "engineRequestsPerSecond"),
    ("gateway_rate", "gatewayRequestsPerSecond"),
)
_SHAPE = (
    ("vocabulary", "vocabSize"),
    ("hidden", "hiddenSize"),
    ("layers", "layers"),
    ("heads", "heads"),
    ("positions", "maxPositions"),
)
"""Fields of the form, and of an architecture."""
_EVALUATION = (
    ("records", "recordCount"),
    ("models", "modelCount"),
    ("tokens", "maxAnswerTokens"),
    ("answer_seconds", "secondsPerAnswer"),
)


async def plans_page(place: Place, api: Api) -> View:
    """The three forms, and the plan of the one that was sent. Its address can be sent to others."""
    deployments = (await api.newest(f"{place.parent}/deployments", _DEPLOYMENTS)).items
    kind = place.query.get("kind", "")
    plan, refusal = await _planned(kind, place, api)
    return View(
        "plans.html",
        "Plans",
        {
            "deployments": deployments,
            "kind": kind,
            "query": place.query,
            "plan": plan,
            "refusal": refusal,
            "accelerators": ACCELERATORS,
            "methods": METHODS,
        },
        live=False,
    )


async def _planned(kind: str, place: Place, api: Api) -> tuple[JSON, str]:
    """Return the plan of a form, and why there is none."""
    query = place.query
    try:
        if kind == "serving":
            deployment = query.get("deployment") or last_part(place.parent)
            body = _numbers(query, _SERVING)
            return await api.post(f"{place.parent}/deployments/{deployment}:plan", body), ""
        if kind == "training":
            return await api.post(
                f"{place.parent}/trainingRuns:plan", {"trainingRun": training_run(query)}
            ), ""
        if kind == "evaluation":
            body = _numbers(query, _EVALUATION)
            if candidate := query.get("candidate", "").strip():
                body["candidateDigest"] = candidate
            return await api.post(f"{place.parent}/evaluationRuns:plan", body), ""
    except Refused as refused:
        return {}, str(refused)
    except ValueError as error:
        return {}, f"A field of the form is not a number: {error}."
    return {}, ""


def training_run(query: Mapping[str, str]) -> JSON:
    """Return the run that the form describes; ValueError for what is not a number."""
    recipe: JSON = {"method": f"METHOD_{query.get('method') or METHODS[0]}", "task": {"generate": {}}}
    if shape := _numbers(query, _SHAPE):
        recipe["architecture"] = shape
    recipe |= _numbers(query, (("batch", "batchSize"), ("max_tokens", "maxTokens")))
    resources: JSON = {"accelerator": f"ACCELERATOR_{query.get('accelerator') or ACCELERATORS[0]}"}
    resources |= _numbers(query, (("workers", "workers"),))
    run: JSON = {"recipe": recipe, "resources": resources}
    if base := query.get("base", "").strip():
        run["baseArtifactDigest"] = base
    return run


def _numbers(query: Mapping[str, str], fields: tuple[tuple[str, str], ...]) -> JSON:
    """Return the numbers that a form has, under the names of the API."""
    stated = ((name, query.get(field, "").strip().replace(",", "")) for field, name in fields)
    return {name: float(text) if "." in text else int(text) for name, text in stated if text}
