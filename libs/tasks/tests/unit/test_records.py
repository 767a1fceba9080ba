"""Records as JSON: what is written is read again, and foreign JSON is refused with a sentence."""

import json

import pytest

from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.records import (
    BadRecord,
    from_json,
    messages,
    prompt_text,
    record_of,
    template_messages,
    to_json,
)

CALLS = '[{"function":{"arguments":"{}","name":"weather"},"id":"1","type":"function"}]'
CHAT = (
    Turn(Role.SYSTEM, "Be brief."),
    Turn(Role.USER, "Weather?", name="Ada"),
    Turn(Role.ASSISTANT, "", tool_calls=CALLS, reasoning="Look it up."),
    Turn(Role.TOOL, "rain", tool_call_id="1"),
)
TOOLS = '[{"function":{"name":"weather"},"type":"function"}]'


@pytest.mark.parametrize(
    "record",
    [
        Record(CHAT, ("It rains.", "Rain."), tools=TOOLS, weight=0.5),
        Record(CHAT, ("Rain.",), rejected="Sun."),
        Record((Turn(Role.USER, "日本 \U0001f600"),), ("x",), is_good=False),
        Record((), ("Plain text.",)),
    ],
)
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    assert from_json(to_json(record)) == record
    assert to_json(from_json(to_json(record))) == to_json(record)


def test_a_row_without_example_is_one_message_and_its_label() -> None:
    assert record_of("Hello", "greeting") == Record((Turn(Role.USER, "Hello"),), ("greeting",))
    assert record_of("Hello").answers == ()


def test_a_label_takes_the_place_of_the_answers_but_not_of_a_preference() -> None:
    example = to_json(Record(CHAT, ("one", "two"), weight=2.0, tools=TOOLS))
    assert record_of("text", "three", example) == Record(CHAT, ("three",), weight=2.0, tools=TOOLS)
    pair = Record(CHAT, ("good",), rejected="bad")
    assert record_of("text", "three", to_json(pair)) == pair


@pytest.mark.parametrize(
    ("answers", "label", "expected"),
    [
        (("one ", "two"), "one", ("one ", "two")),
        (("one", "two"), "two", ("two", "one")),
        (('{"b": 1, "a": 2}', '{"a": 3}'), '{"a":2,"b":1}', ('{"b": 1, "a": 2}', '{"a": 3}')),
        (("one", "two"), "three", ("three",)),
        (("one",), "one", ("one",)),
    ],
)
def test_a_label_that_is_one_of_several_right_answers_comes_first(answers, label, expected) -> None:
    assert record_of("text", label, to_json(Record(CHAT, answers))).answers == expected


def test_the_text_of_a_conversation_has_all_its_messages() -> None:
    assert prompt_text(CHAT) == "Be brief.\n\nWeather?\n\nrain"


def test_messages_are_those_of_the_chat_api() -> None:
    first, _, third, fourth = messages(CHAT)
    assert first == {"role": "system", "content": "Be brief."}
    assert third["tool_calls"] == json.loads(CALLS)
    assert third["reasoning_content"] == "Look it up."
    assert fourth == {"role": "tool", "content": "rain", "tool_call_id": "1"}


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", '{"messages": [1]}', '{"messages": 3}', "[" * 10_000]
)
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(BadRecord):
        from_json(text)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"messages": [{"role": "user", "content": {"a": 1}}]}, "content is no text"),
        ({"messages": [{"role": "user", "content": 0}]}, "content is no text"),
        ({"messages": [{"role": 3, "content": "a"}]}, "role is no text"),
        ({"messages": [{"role": "user", "content": "a", "name": ["b"]}]}, "name is no text"),
        ({"answers": "Paris"}, "answers are no list"),
        ({"answers": [None]}, "an answer is no text"),
        ({"answers": ["a"], "rejected": 7}, "rejected is no text"),
        ({"answers": ["a"], "is_good": "no"}, "is_good is neither true nor false"),
        ({"answers": ["a"], "weight": "2"}, "weight is no number"),
        ({"answers": ["a"], "weight": True}, "weight is no number"),
    ],
)
def test_a_value_of_another_type_never_becomes_a_text(fields, reason) -> None:
    with pytest.raises(BadRecord, match=reason):
        from_json(json.dumps({"messages": [{"role": "user", "content": "Hi"}], **fields}))


def test_templates_get_the_arguments_of_calls_as_objects() -> None:
    def arguments(written: object) -> object:
        call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": written}}
        (message,) = template_messages([Turn(Role.ASSISTANT, "", tool_calls=json.dumps([call]))])
        return message["tool_calls"][0]["function"]["arguments"]

    assert arguments('{"at": "Rome"}') == arguments({"at": "Rome"}) == {"at": "Rome"}
    assert arguments("") == {}
    assert arguments("no JSON") == "no JSON"
    assert template_messages([Turn(Role.USER, "Hi")]) == [{"role": "user", "content": "Hi"}]
    odd = Turn(Role.ASSISTANT, "", tool_calls='["text", {"function": "text"}]')
    assert template_messages([odd])[0]["tool_calls"] == ["text", {"function": "text"}]


def test_an_answer_keeps_the_white_space_that_its_label_lacks() -> None:
    code = "    return 1\n"
    example = to_json(Record(CHAT, ("other", code)))
    assert record_of("text", "return 1", example).answers == (code, "other")
