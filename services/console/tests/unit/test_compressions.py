"""Compressions in the console: the table, and the requests of its forms."""

import asyncio

from ratoon_console.application.actions import ACTIONS, Form
from ratoon_console.domain.compressions import compressible, forms, rows
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


def test_compressed_versions_are_not_offered_for_compression_and_merged_ones_are():
    def version(id, run, source="", state="STATE_READY"):
        lineage = {"trainingRun": run, "derivedFrom": source and f"projects/p/models/m/versions/{source}"}
        return {"name": f"projects/p/models/m/versions/{id}", "state": state, "lineage": lineage}

    listed = [
        version("v1.4", "r2", state="STATE_VERIFYING"),
        version("v1.3", "r1", "v0.9"),
        version("v1.2", "r1-merged", "v1.0"),
        version("v1.1", "r1", "v1.0"),
        version("v1.0", "r1"),
        {"name": "projects/p/models/m/versions/v0.1", "state": "STATE_READY"},
    ]
    assert [each["name"][-4:] for each in compressible(listed)] == ["v1.2", "v1.0", "v0.1"]


def test_forms_are_shown_beside_their_sources():
    def version(id, run, derived="", parent="", **more):
        named = {
            key: f"projects/p/models/m/versions/{each}"
            for key, each in (("derivedFrom", derived), ("parentVersion", parent))
            if each
        }
        return {
            "name": f"projects/p/models/m/versions/{id}",
            "state": "STATE_READY",
            "lineage": {"trainingRun": run, **named},
            **more,
        }

    teacher = version(
        "v1.0",
        "r1",
        sizeBytes="400",
        artifactDigest="a" * 64,
        scores={"new.macro_f1": 0.9, "new.accuracy": 0.95},
    )
    listed = [
        version("v1.5", "other", parent="v1.0"),
        version("v1.4", "student", parent="v1.0", sizeBytes="200"),
        version("v1.3", "r1", parent="v1.0", sizeBytes="400"),
        version("v1.2", "merge", derived="v1.0", sizeBytes="410"),
        version(
            "v1.1", "r1", derived="v1.0", sizeBytes="100", scores={"new.accuracy": 0.9, "new.macro_f1": 0.88}
        ),
        teacher,
    ]
    runs = [{"name": "student", "recipe": {"distillation": {"teacherArtifactDigest": "a" * 64}}}]
    table = forms(listed, runs, "macro_f1")
    assert [(each.version[-4:], each.kind, each.source[-4:], each.size) for each in table] == [
        ("v1.4", "student", "v1.0", 200),
        ("v1.3", "pruned", "v1.0", 400),
        ("v1.2", "merged adapter", "v1.0", 410),
        ("v1.1", "compressed", "v1.0", 100),
    ]
    assert (table[3].metric, table[3].score, table[3].source_score) == ("new.macro_f1", 0.88, 0.9)


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
