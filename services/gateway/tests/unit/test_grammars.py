"""Bounds of patterns, grammars, schemas and choices: what people use passes, what stops an engine does not."""

import pytest

from ratoon_gateway.domain.errors import BadRequest
from ratoon_gateway.domain.grammars import check_choices, check_grammar, check_pattern, check_schema


@pytest.mark.parametrize(
    "pattern",
    [
        *("ham|spam", "", "^[a-z]{0,500}$", "[a-z]{0,5000}", r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2})?$", "(a*)*"),
        *(r"^[\w.+-]+@[\w-]+(\.[\w-]+)+$", "([a-z]+,){0,50}", r"([^,]*,){0,100}", "([a-z]{2}){500}"),
        *(
            r"((https?)://)?([a-z0-9-]+\.)+[a-z]{2,6}(/[\w.-]*)*/?",
            r"(\d{1,3}\.){3}\d{1,3}",
            "(yes|noo){0,30}",
        ),
        *(r"\p{L}{2,40}", r"\{\d+\}", "[x]]", "a{,b}"),
    ],
)
def test_patterns_that_people_use_pass(pattern):
    check_pattern(pattern, "pattern")


@pytest.mark.parametrize(
    "pattern",
    [
        *("^(([a-z]{0,500}){0,500})$", "(([a-z]{0,1000}){0,1000})", "([a-z]*){0,300}", "([a-z]?){200}"),
        *("([a-z]{1,50}){1,150}", "([a-z]+[a-z]){0,300}", "(,[a-z,]+){0,500}", "([a-z]|[a-z][a-z]){0,300}"),
        *("((([a-z]{0,9}){0,9}){0,9}){0,9}", "([a-z]{ 0 , 500 }){0,500}", "([](a{0,500}){0,500}]", "[^](a)]"),
        *(
            "(" * 40 + "a" + ")*" * 40,
            "a" * 2_001,
            "[a-z]{0,1000000}",
            "a)",
            "[a",
            "(((((a*)*)*)*)*)*",
            7,
            None,
        ),
    ],
)
def test_patterns_that_take_an_engine_are_refused(pattern):
    with pytest.raises(BadRequest, match="pattern"):
        check_pattern(pattern, "pattern")


def test_schemas_go_on_in_the_words_that_engines_know():
    schema = {
        "properties": {
            "oneOf": {"oneOf": [{"type": "string"}, {"oneOf": [True]}]},
            "x-guidance": {"x-guidance": 1},
        },
        "anyOf": [{}],
        "oneOf": [{"type": "object"}],
        "enum": [{"oneOf": 1}],
    }
    assert check_schema(schema, "s") == {
        "properties": {"oneOf": {"anyOf": [{"type": "string"}, {"anyOf": [True]}]}, "x-guidance": {}},
        "anyOf": [{}],
        "enum": [{"oneOf": 1}],
        "allOf": [{"anyOf": [{"type": "object"}]}],
    }


def test_grammars_are_bounded_over_all_of_their_rules():
    check_grammar('root ::= "SELECT " [a-z]+ " FROM " [a-z]+', "g")
    check_grammar('root ::= [0-9]{4} "-" [0-9]{2} "-" [0-9]{2}', "g")
    check_grammar("root ::= [a-z]{1,60}", "g")
    for grammar in (
        "root ::= a{0,300}\na ::= [a-z]{0,300}",
        "root ::= a{300}\na ::= [a-z]*",
        "root ::= [a-z]{0,1000000}",
        "x" * 8_001,
        "",
        5,
    ):
        with pytest.raises(BadRequest, match="`g`"):
            check_grammar(grammar, "g")


def test_choices_are_bounded():
    check_choices(["ham", "spam"], "choice")
    for choices in ([], "ham", [1], ["x"] * 1_001, ["x" * 65_000]):
        with pytest.raises(BadRequest, match="`choice`"):
            check_choices(choices, "choice")


TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
        }
    },
}


def fork(number):
    """A schema that refers to the next one twice: followed without memory, 25 of them take minutes."""
    return {"anyOf": [{"$ref": f"#/$defs/d{number}"}] * 2}


@pytest.mark.parametrize(
    "schema",
    [
        *(True, {}, TREE, {"type": "object", "properties": {"self": {"$ref": "#"}}}, '{"type": "string"}'),
        {
            "anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}],
            "$defs": {"a": {"type": "string", "maxLength": 100}},
        },
        {"type": "array", "maxItems": 1000, "items": {"type": "string", "maxLength": 20}},
        {"type": "object", "properties": {f"p{i}": {"type": "string", "maxLength": 80} for i in range(200)}},
        {"type": "object", "properties": {"maxLength": {"type": "string"}, "$ref": {"type": "string"}}},
        {"enum": [f"value {i}" for i in range(1_000)]},
        {"$ref": "#/$defs/d0", "$defs": {f"d{i}": fork(i + 1) for i in range(25)} | {"d25": {}}},
    ],
)
def test_schemas_that_people_use_pass(schema):
    check_schema(schema, "schema")


def nested(depth):
    schema = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {
            "$ref": "#/$defs/a",
            "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}},
        },
        {
            "properties": {"x": {"$ref": "#/$defs/a"}},
            "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
        },
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "#/$defs/none"},
        {"type": "string", "pattern": "^(([a-z]{0,500}){0,500})$"},
        {"type": "object", "patternProperties": {"^(([a-z]{0,500}){0,500})$": {}}},
        {"type": "object", "properties": {f"p{i}": {"type": "string", "maxLength": i} for i in range(60)}},
        {"type": "string", "maxLength": 10**9},
        {"type": "array", "minItems": -1},
        nested(40),
        {"type": "object", "properties": {f"p{i}": {} for i in range(301)}},
        {"enum": list(range(5_000))},
        {"description": "x" * 65_000},
        *("{", 5, None, []),
    ],
    ids=lambda schema: str(schema)[:40],
)
def test_schemas_that_take_an_engine_are_refused(schema):
    with pytest.raises(BadRequest, match="`schema"):
        check_schema(schema, "schema")
