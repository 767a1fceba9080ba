"""JSON schemas of answers: what is none, what fits, and what a schema cannot make us do."""

import json
import time

import pytest

from ratoon.tasks import kinds
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Form, Generate, check, is_wrong, parse, record_fault, valid_answers
from ratoon.tasks.json_schema import document_fault, schema_fault
from ratoon.tasks.kind import BadTask, Record, Turn
from ratoon.tasks.regress import Regress

INVOICE = {
    "type": "object",
    "properties": {"due": {"type": "string", "format": "date"}, "total": {"type": "number", "minimum": 0}},
    "required": ["due"],
    "additionalProperties": False,
}
TASK = Generate(Form.JSON, json.dumps(INVOICE))
PROMPT = (Turn("user", "When is it due?"),)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"total": 3, "due": "2026-05-03"}', '{"due":"2026-05-03","total":3}'),
        ('{"total": 3}', None),
        ('{"due": 7}', None),
        ('{"due": "x", "other": 1}', None),
        ("[]", None),
        ("{", None),
    ],
)
def test_an_answer_fits_the_schema_of_the_task(text, answer):
    assert parse(TASK, text) == answer
    assert is_wrong(TASK, text, '{"due": "2026-05-03", "total": 3}') is (answer is None)


def test_a_record_says_why_an_answer_does_not_fit():
    fault = record_fault(TASK, Record(PROMPT, ('{"due": "2026-05-03", "total": -1}',)))
    assert "is not a JSON document that fits the schema of the project: -1 is less than" in fault
    assert 'at $["total"]' in fault
    assert record_fault(TASK, Record(PROMPT, ("{",))).endswith("that fits the schema of the project.")
    assert valid_answers(Generate(Form.JSON)) == "a JSON document"
    assert kinds.misfit(TASK, "{}") == ': "due" is a required property'
    for task in (Generate(), Generate(Form.JSON), Classify(("a", "b")), Regress()):
        assert kinds.misfit(task, "{}") == ""


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "nope"}, "nope"),
        ({"$ref": "#/$defs/none"}, "/$defs/none"),
        ({"$ref": "https://example.com/schema.json"}, "https://example.com/schema.json"),
        ({"$ref": "file:///etc/hostname"}, "file:///etc/hostname"),
        ({"$schema": "https://example.com/own", "type": "object"}, "https://example.com/own"),
        ({"pattern": "(?=a)b"}, "regex"),
        ({"required": "due"}, "due"),
    ],
)
def test_what_is_no_schema_is_refused_and_nothing_is_fetched(schema, says):
    task = Generate(Form.JSON, json.dumps(schema))
    assert says in schema_fault(task.json_schema)
    with pytest.raises(BadTask, match="is no JSON schema") as refused:
        check(task)
    assert refused.value.field == "json_schema"
    assert parse(task, '{"a": 1}') == '{"a":1}', "a stored setting of an older release refuses no answer"


def test_older_drafts_are_schemas():
    schema = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 1, "exclusiveMinimum": True}
    check(Generate(Form.JSON, json.dumps(schema)))
    assert document_fault(json.dumps(schema), 1)
    assert not document_fault(json.dumps(schema), 2)


def test_expressions_take_linear_time():
    started = time.perf_counter()
    assert document_fault(json.dumps({"pattern": "^(a+)+$"}), "a" * 50_000 + "!")
    assert time.perf_counter() - started < 5


def test_deep_documents_and_schemas_that_name_themselves_end():
    tree = {"$ref": "#/$defs/n", "$defs": {"n": {"type": "array", "items": {"$ref": "#/$defs/n"}}}}
    task = Generate(Form.JSON, json.dumps(tree))
    deep = "[" * 500 + "]" * 500
    assert parse(task, deep) == deep
    assert parse(task, "[" * 100_000 + "]" * 100_000) is None
    loop = Generate(Form.JSON, json.dumps({"$ref": "#"}))
    assert parse(loop, "{}") == "{}"
