"""Compressions in the console: the table, and the requests of its forms."""

import asyncio

from ratoon_console.application.actions import ACTIONS, Form
from ratoon_console.domain.compressions import rows
from services.console.tests.unit.test_actions import Api, press

VERSION = "projects/p/models/m/versions/v1.0"
STORED = {
    VERSION: {
        "name": VERSION,
        "artifactDigest": "a" * 64,
        "goldenSourceDigest": "9" * 64,
        "lineage": {
            "trainingRun": "projects/p/trainingRuns/r",
            "evaluationRun": "projects/p/evaluationRuns/e",
        },
    },
    "projects/p/trainingRuns/r": {
        "trainDigest": "1" * 64,
        "validationDigest": "2" * 64,
        "recipe": {"task": {"generate": {}}},
    },
    "projects/p/compressions/c": {
        "method": "METHOD_INT8",
        "artifactDigest": "b" * 64,
        "sourceVersion": VERSION,
        "servingDtype": "DTYPE_BFLOAT16",
    },
}


class Stored(Api):
    """Answers with stored resources."""

    async def get(self, name, **query):
        return STORED[name]


def sent(what, **fields):
    api = Stored()
    asyncio.run(ACTIONS[what].act(Form("p", {"request_id": "q", **fields}), api))
    ((_, name, body, query),) = api.requests
    return name, body, query


def test_a_version_is_compressed_and_measured_on_its_own_validation_part():
    name, body, query = sent("create-compression", name=VERSION, method="METHOD_INT8")
    assert (name, query) == ("projects/p/compressions", {"requestId": "q"})
    assert body == {
        "sourceDigest": "a" * 64,
        "sourceVersion": VERSION,
        "method": "METHOD_INT8",
        "trainDigest": "1" * 64,
        "validationDigest": "2" * 64,
        "task": {"generate": {}},
    }


def test_a_compressed_model_becomes_a_version_that_says_what_it_is_derived_from():
    name, body, _ = sent("register-compression", name="projects/p/compressions/c")
    assert name == "projects/p/models/m/versions"
    assert body["artifactDigest"] == "b" * 64
    assert body["lineage"] == {
        "trainingRun": "projects/p/trainingRuns/r",
        "evaluationRun": "",
        "pipelineRun": "",
        "parentVersion": VERSION,
        "derivedFrom": VERSION,
    }
    assert (body["servingDtypes"], body["changelog"]) == (
        ["DTYPE_BFLOAT16"],
        "v1.0 with its weights in int8.",
    )


def test_a_compression_is_deleted():
    _, (method, name, _, _) = press("delete-compression", name="projects/p/compressions/c")
    assert (method, name) == ("DELETE", "projects/p/compressions/c")


def test_the_table_has_a_row_for_each_measurement():
    assert rows({"state": "STATE_RUNNING"}) == []
    source = {"sizeBytes": "100", "dtype": "DTYPE_FLOAT32", "metrics": {"macro_f1": 0.9}}
    table = rows({"source": source, "compressed": {**source, "dtype": "DTYPE_BFLOAT16"}})
    assert table[0] == ("Size on disk", "100", "100", "size")
    assert ("Computed in", "float32", "bfloat16", "text") in table
    assert table[-1] == ("macro f1", 0.9, 0.9, "decimal")
