"""Forms of mixtures and exports: what they describe, and the requests that they send."""

import pytest

from ratoon_console.domain.errors import BadForm
from services.console.tests.unit.test_actions import press

DATASET = "projects/p/datasets/mail"


def test_a_mixture_is_built_as_it_was_planned():
    _, (method, name, body, query) = press(
        "build-mixture", dataset="mail", strategy="STRATEGY_RATIO", unit="UNIT_RECORDS", budget="1,000",
        temperature="2.5", seed="7", language_shares="zh=0.5, en=0.5", label_shares="a=b=1",
        **{"version-0": f"{DATASET}/versions/v1", "weight-0": "2", "repeats-0": "3",
           "version-2": f"{DATASET}/versions/v2", "source-2": "projects/p/sources/s"},
    )  # fmt: skip
    assert (method, name, query) == ("POST", f"{DATASET}/versions", {"requestId": "q"})
    assert body["mixture"] == {
        "components": [
            {"datasetVersion": f"{DATASET}/versions/v1", "weight": 2.0, "maxRepeats": 3.0},
            {"datasetVersion": f"{DATASET}/versions/v2", "source": "projects/p/sources/s"},
        ],
        "strategy": "STRATEGY_RATIO", "unit": "UNIT_RECORDS", "temperature": 2.5, "budget": 1000, "seed": 7,
        "languageShares": {"zh": 0.5, "en": 0.5}, "labelShares": {"a=b": 1.0},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"version-0": ""}, "no component"),
        ({"budget": "0.5"}, "not a whole number"),
        ({"weight-0": "inf"}, "not a number"),
        ({"language_shares": "zh"}, "NAME=SHARE"),
    ],
)
def test_a_mixture_that_is_not_clear_is_refused(fields, problem):
    with pytest.raises(BadForm, match=problem):
        press("build-mixture", dataset="mail", **{"version-0": f"{DATASET}/versions/v1"} | fields)


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (
            {"of": f"{DATASET}/versions/v1", "format": "FORMAT_CSV", "escape_formulas": "yes", "PART_TRAIN": "yes"},
            {"format": "FORMAT_CSV", "datasetVersion": f"{DATASET}/versions/v1", "escapeFormulas": True},
        ),
        (
            {"of": f"{DATASET}/splits/s", "format": "FORMAT_TOKENS", "PART_TRAIN": "yes",
             "tokenizer_digest": "a" * 64, "end_token": "</s>"},
            {"format": "FORMAT_TOKENS", "split": f"{DATASET}/splits/s", "parts": ["PART_TRAIN"],
             "tokenizerDigest": "a" * 64, "endToken": "</s>"},
        ),
    ],
)  # fmt: skip
def test_an_export_is_of_a_version_or_of_parts_of_a_split(fields, body):
    done, (_, name, sent, _) = press("create-export", name=DATASET, **fields)
    assert (name, sent) == (f"{DATASET}/exports", body)
    assert done.target == "/p/p/exports/mail"


@pytest.mark.parametrize(
    ("fields", "problem"), [({"format": ""}, "choose one"), ({"format": "FORMAT_CSV"}, "No part")]
)
def test_an_export_that_is_not_clear_is_refused(fields, problem):
    with pytest.raises(BadForm, match=problem):
        press("create-export", name=DATASET, of=f"{DATASET}/splits/s", **fields)


def test_an_export_is_deleted_and_the_page_of_its_dataset_follows():
    done, request = press("delete-export", name=f"{DATASET}/exports/x")
    assert request[:2] == ("DELETE", f"{DATASET}/exports/x")
    assert done.target == "/p/p/exports/mail"


@pytest.mark.parametrize(
    ("format", "body"),
    [
        ("GGUF_TYPE_Q8_0", {"format": "FORMAT_GGUF", "ggufType": "GGUF_TYPE_Q8_0"}),
        ("FORMAT_ONNX", {"format": "FORMAT_ONNX"}),
    ],
)
def test_a_model_export_names_version_digest_and_format(format, body):
    version = "projects/p/models/mail/versions/v1.0"
    done, (_, name, sent, _) = press("create-model-export", name=version, digest="a" * 64, format=format)
    assert name == "projects/p/modelExports"
    assert sent == {"sourceDigest": "a" * 64, "sourceVersion": version, **body}
    assert done.target == "/p/p/models/v1.0/exports"


def test_a_model_export_of_an_unknown_format_is_refused():
    with pytest.raises(BadForm, match="none of"):
        press("create-model-export", name="projects/p/models/mail/versions/v1.0", format="FORMAT_MLX")
