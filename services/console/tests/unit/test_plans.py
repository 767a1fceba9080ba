"""Plans of the console: what its forms ask the API for, and how it shows refusals."""

import asyncio
from types import SimpleNamespace

from ratoon_console.application.ports import Place
from ratoon_console.application.showing.plans import plans_page, training_run
from ratoon_console.domain.errors import Refused


class Api:
    """Answers with a plan, and keeps what was asked."""

    def __init__(self, refusal=None):
        self.sent, self.refusal = [], refusal

    async def newest(self, path, limit):
        return SimpleNamespace(items=[{"name": "projects/p/deployments/p"}])

    async def post(self, path, body):
        self.sent.append((path, body))
        if self.refusal:
            raise self.refusal
        return {"engines": 3}


def shown(query, api):
    return asyncio.run(plans_page(Place("p", query=query), api)).values


def test_the_form_of_engines_asks_for_a_plan_of_the_deployment():
    api = Api()
    values = shown({"kind": "serving", "requests": "10,000", "engine_rate": "12.5"}, api)
    assert api.sent == [
        (
            "projects/p/deployments/p:plan",
            {"requestsPerSecond": 10_000, "engineRequestsPerSecond": 12.5},
        )
    ]
    assert values["plan"] == {"engines": 3}


def test_the_form_of_evaluations_and_an_empty_page():
    api = Api()
    assert shown({}, api)["plan"] == {}
    shown({"kind": "evaluation", "records": "500", "candidate": " ab "}, api)
    assert api.sent == [("projects/p/evaluationRuns:plan", {"recordCount": 500, "candidateDigest": "ab"})]


def test_a_training_run_has_what_the_form_states():
    run = training_run({"layers": "12", "batch": "8", "workers": "2", "accelerator": "CUDA", "base": "ab"})
    assert run["recipe"]["architecture"] == {"layers": 12}
    assert run["recipe"]["batchSize"] == 8
    assert run["resources"] == {"accelerator": "ACCELERATOR_CUDA", "workers": 2}
    assert run["baseArtifactDigest"] == "ab"


def test_refusals_and_wrong_numbers_are_said():
    refused = shown(
        {"kind": "serving", "requests": "1"},
        Api(Refused(400, "NO_MEASURED_RATE", "NO_MEASURED_RATE: send requests")),
    )
    assert "NO_MEASURED_RATE" in refused["refusal"]
    assert "not a number" in shown({"kind": "training", "layers": "many"}, Api())["refusal"]
