"""Rows of conversations, instructions and preferences: what each becomes, and why others are refused."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.records import from_json, to_json
from ratoon_ingestion.domain.sources import Columns
from ratoon_ingestion.worker.readers.examples import Example, Layout, example_of, row_layout
from ratoon_ingestion.worker.readers.json_values import parsed
from ratoon_ingestion.worker.readers.messages import BadExample

PLAIN = Columns()
QUESTION, ANSWER = "What is the capital of France?", "It is Paris."
USER_TURN, LAST_TURN = (
    {"role": "user", "content": QUESTION},
    {"role": "assistant", "content": ANSWER},
)
USER = Turn(Role.USER, QUESTION)
CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"city": "Paris"}'}}
NO = {"role": "assistant", "content": "No."}
TOOL = {"name": "find", "description": "Finds.", "parameters": {}}


def read(row: dict[str, Any], columns: Columns = PLAIN) -> Example:
    return example_of(columns, row, row_layout(columns, row))


def record(row: dict[str, Any], columns: Columns = PLAIN) -> Record:
    return read(row, columns).record


CHAT = {"messages": [USER_TURN, LAST_TURN]}
SHAREGPT = {"conversations": [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": ANSWER}]}
ALPACA = {"instruction": "What is the capital", "input": "of France?", "output": ANSWER}
COMPLETION = {"prompt": QUESTION, "completion": ANSWER}


@pytest.mark.parametrize(
    ("row", "layout", "turns"),
    [
        (CHAT, Layout.CHAT, (USER,)),
        (SHAREGPT, Layout.SHAREGPT, (USER,)),
        (ALPACA, Layout.ALPACA, (Turn(Role.USER, "What is the capital\nof France?"),)),
        (COMPLETION, Layout.PROMPT, (USER,)),
        ({"prompt": [USER_TURN], "completion": [LAST_TURN]}, Layout.PROMPT, (USER,)),
        ({"prompt": QUESTION, "response": ANSWER}, Layout.PROMPT, (USER,)),
        (
            {"instruction": QUESTION, "context": "It is large.", "response": ANSWER},
            Layout.ALPACA,
            (Turn(Role.USER, f"{QUESTION}\nIt is large."),),
        ),
    ],
)
def test_a_prompt_with_its_answer(row, layout, turns):
    assert row_layout(PLAIN, row) is layout
    assert record(row) == Record(turns, (ANSWER,))


def test_a_conversation_is_one_record_whose_last_answer_counts():
    row = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            USER_TURN,
            LAST_TURN,
            USER_TURN,
            LAST_TURN,
        ]
    }
    assert record(row).turns == (
        Turn(Role.SYSTEM, "Be brief."),
        USER,
        Turn(Role.ASSISTANT, ANSWER),
        USER,
    )
    assert record(row).answers == (ANSWER,)


def test_a_conversation_that_ends_with_the_user_has_no_answer():
    assert record({"messages": [USER_TURN]}) == Record((USER,))


def test_a_system_prompt_beside_the_messages_comes_first():
    row = {**SHAREGPT, "system": "Be brief."}
    assert record(row).turns == (Turn(Role.SYSTEM, "Be brief."), USER)
    assert record({**ALPACA, "system": "", "history": [["Hi", "Hello"]]}).turns[:2] == (
        Turn(Role.USER, "Hi"),
        Turn(Role.ASSISTANT, "Hello"),
    )


def test_calls_and_results_of_tools_are_read_in_both_forms():
    chat = [USER_TURN, {"role": "assistant", "content": None, "tool_calls": [CALL]}]
    chat += [{"role": "tool", "content": "found", "tool_call_id": "c1"}, LAST_TURN]
    read_chat = record({"messages": chat, "tools": [{"type": "function", "function": TOOL}]})
    call = json.dumps({"name": "find", "arguments": {"city": "Paris"}})
    sharegpt = [("human", QUESTION), ("function_call", call), ("observation", "found"), ("gpt", ANSWER)]
    row = {
        "conversations": [{"from": who, "value": what} for who, what in sharegpt],
        "tools": json.dumps([TOOL]),
    }
    read_sharegpt = record(row)
    assert [turn.role for turn in read_chat.turns] == [turn.role for turn in read_sharegpt.turns]
    assert read_chat.tools == read_sharegpt.tools
    functions = [json.loads(each.turns[1].tool_calls)[0]["function"] for each in (read_chat, read_sharegpt)]
    assert functions[0] == functions[1]
    assert json.loads(functions[0]["arguments"]) == {"city": "Paris"}
    assert read_chat.turns[2].tool_call_id == "c1"


def test_an_answer_may_think_and_call_tools():
    answer = {"role": "assistant", "reasoning_content": "Hm.", "content": "I look.", "tool_calls": [CALL]}
    assert record({"messages": [USER_TURN, answer]}).answers == (
        '<think>\nHm.\n</think>\n\nI look.\n\n[{"arguments":{"city":"Paris"},"name":"find"}]',
    )


def test_thoughts_occur_once():
    content = "<think>\nHm.\n</think>\n\nYes."
    for answer in ({"content": content, "reasoning": "Hm."}, {"content": "Yes.", "thinking": "Hm."}):
        assert record({"messages": [USER_TURN, {"role": "assistant", **answer}]}).answers == (content,)


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": QUESTION, "chosen": ANSWER, "rejected": "No."},
        {
            "prompt": [USER_TURN],
            "chosen": [LAST_TURN],
            "rejected": [NO],
        },
        {
            "messages": [USER_TURN],
            "chosen": LAST_TURN,
            "rejected": {"role": "assistant", "content": "No."},
        },
        {"instruction": QUESTION, "chosen": ANSWER, "rejected": "No."},
        {
            "prompt": QUESTION,
            "chosen": [USER_TURN, LAST_TURN],
            "rejected": [USER_TURN, NO],
        },
        {
            "chosen": [USER_TURN, LAST_TURN],
            "rejected": [USER_TURN, NO],
        },
        {
            "chosen_messages": [USER_TURN, LAST_TURN],
            "rejected_messages": [USER_TURN, NO],
        },
    ],
)
def test_preferences(row):
    assert record(row) == Record((USER,), (ANSWER,), rejected="No.")


@pytest.mark.parametrize("label", [True, "true", "True", 1])
def test_rated_answers(label):
    assert record({**COMPLETION, "label": label}) == Record((USER,), (ANSWER,), is_good=True)


def test_a_rated_conversation_and_a_label_of_a_whole_one():
    assert record({**CHAT, "label": False}) == Record((USER,), (ANSWER,), is_good=False)
    rated = read({**CHAT, "label": 4})
    assert rated.record == Record((USER, Turn(Role.ASSISTANT, ANSWER)))
    assert rated.label == "4"
    assert read({"messages": [USER_TURN], "label": "geography"}).label == "geography"


def test_several_right_answers():
    assert record({"prompt": QUESTION, "completion": [ANSWER, "Paris"]}).answers == (ANSWER, "Paris")


def test_columns_can_be_named():
    row = {"q": QUESTION, "a": 42, "text": "something else", "w": 2}
    assert record(row, Columns(prompt="q", answer="a", weight="w")) == Record((USER,), ("42",), weight=2.0)
    assert record({"text": QUESTION, "a": ANSWER}, Columns(answer="a")) == Record((USER,), (ANSWER,))
    assert record({**ALPACA, "text": "all"}, Columns(answer="output")) == record(ALPACA)
    assert record({"talk": [USER_TURN, LAST_TURN], "text": "x"}, Columns(messages="talk")) == Record(
        (USER,), (ANSWER,)
    )


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        (PLAIN, {"text": "a", "messages": [USER_TURN]}),
        (Columns(named=("text",)), {"messages": [USER_TURN]}),
        (PLAIN, {"subject": "a", "example": "a text"}),
        (PLAIN, {"text": "a", "example": {"of": "something"}}),
    ],
)
def test_a_column_of_the_text_takes_precedence(columns, row):
    assert row_layout(columns, row) is Layout.TEXT


def test_attachments_are_referenced():
    picture = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    embedded = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    content = [{"type": "text", "text": "Compare "}, picture, embedded]
    example = read({"messages": [{"role": "user", "content": content}, LAST_TURN]})
    assert example.record.turns[0].content == "Compare <image><image>"
    assert example.attributes["images"].startswith("https://example.org/a.png, sha256:")
    assert read({**CHAT, "images": ["a.jpg", "b.jpg"]}).attributes == {"images": "a.jpg, b.jpg"}


def test_the_conversation_of_a_row_is_an_attribute():
    assert read({**CHAT, "conversation_id": 7}).attributes == {"conversation": "7"}
    assert read({**CHAT, "conversation": ["a"]}).attributes == {}


def test_a_whole_record_is_read_as_it_was_written():
    whole = Record((USER,), (ANSWER, "Paris"), tools='[{"type":"x"}]', weight=0.5)
    for value in (to_json(whole), json.loads(to_json(whole))):
        assert record({"text": None, "example": value}) == whole
    newer = {"text": QUESTION, "label": "Lyon", "example": to_json(whole)}
    assert record(newer).answers == ("Lyon",)
    assert record({**newer, "label": "Paris"}).answers == (ANSWER, "Paris")


HALF = "half of a pair \ud83d"
FAULTS = {
    "an empty turn": ({"messages": [USER_TURN, {"role": "assistant", "content": " "}]}, "message 2 .* is empty"),
    "no messages": ({"messages": []}, "no message before"),
    "messages that are a text": ({"messages": "hello"}, "no valid JSON"),
    "messages that are a number": ({"messages": 7}, "not a list"),
    "a message that is a text": ({"messages": ["hello"]}, "message 1 has no role"),
    "an unknown role": ({"messages": [{"role": "admin", "content": "x"}]}, "message 1 has the role 'admin'"),
    "no role": ({"messages": [{"role": None, "content": "x"}]}, "message 1 has the role"),
    "content that is an object": ({"messages": [{"role": "user", "content": {"a": 1}}]}, "message 1 holds an object"),
    "content that is NaN": ({"messages": [{"role": "user", "content": float("nan")}]}, "message 1 holds NaN"),
    "a part of an unknown type": (
        {"messages": [{"role": "user", "content": [{"type": "hologram"}]}]},
        "message 1 has a part of the unknown type 'hologram'",
    ),
    "only the assistant": ({"messages": [LAST_TURN]}, "no message before the answer"),
    "only the system": ({"messages": [{"role": "system", "content": "x"}, LAST_TURN]}, "no message of the user"),
    "a call without a result": (
        {"messages": [USER_TURN, {"role": "assistant", "tool_calls": [CALL]}, LAST_TURN]},
        "message 2 calls a tool, and message 3 is not its result",
    ),
    "a result without a call": (
        {"messages": [USER_TURN, {"role": "tool", "content": "x"}, LAST_TURN]},
        "message 2 is the result of a tool that no message before it calls",
    ),
    "a result of another call": (
        {
            "messages": [
                USER_TURN,
                {"role": "assistant", "tool_calls": [CALL]},
                {"role": "tool", "content": "x", "tool_call_id": "other"},
                LAST_TURN,
            ]
        },
        "message 3 is the result of the call 'other'",
    ),
    "a call that is no JSON": (
        {"conversations": [{"from": "human", "value": "x"}, {"from": "function_call", "value": "find(x)"}]},
        "the calls of message 2 hold no valid JSON",
    ),
    "a call without a name": (
        {"messages": [USER_TURN, {"role": "assistant", "tool_calls": [{"function": {"arguments": "{}"}}]}]},
        "message 2 calls a tool without a name",
    ),
    "arguments with NaN": (
        {"messages": [USER_TURN, {"role": "assistant", "tool_calls": [{"name": "f", "arguments": '{"a": NaN}'}]}]},
        "the arguments of the tool in message 2 hold no valid JSON",
    ),
    "tools that are no list": ({**CHAT, "tools": "no JSON"}, "the tools hold no valid JSON"),
    "tools with NaN": ({**CHAT, "tools": [{"name": "f", "max": float("nan")}]}, "not JSON, such as NaN"),
    "a lone surrogate in the prompt": ({"messages": [{"role": "user", "content": HALF}]}, "half of a surrogate pair"),
    "a lone surrogate in the answer": ({"prompt": QUESTION, "completion": HALF}, "half of a surrogate pair"),
    "an answer that repeats the prompt": ({"prompt": QUESTION, "completion": f" {QUESTION} "}, "repeats the prompt"),
    "the same answer twice": (
        {"prompt": QUESTION, "chosen": ANSWER, "rejected": ANSWER},
        "the chosen and the rejected answer are the same",
    ),
    "a preference without a prompt": ({"chosen": "a", "rejected": "b"}, "chosen is a text, and the row has no prompt"),
    "a preference of two prompts": (
        {"chosen": [USER_TURN, LAST_TURN], "rejected": [{"role": "user", "content": "Why?"}, LAST_TURN]},
        "do not share",
    ),
    "a preference of several messages": (
        {"prompt": QUESTION, "chosen": [LAST_TURN, USER_TURN], "rejected": "b"},
        "must each be one message of the assistant",
    ),
    "an empty prompt": ({"prompt": "", "completion": ANSWER}, "the prompt is empty"),
    "a prompt that is an object": ({"prompt": {"a": 1}, "completion": ANSWER}, "the prompt holds an object"),
    "an answer that is NaN": ({"prompt": QUESTION, "completion": float("nan")}, "the answer is nan"),
    "a rating that is none": ({**COMPLETION, "label": "perhaps"}, "neither true nor false"),
    "a history that is no list of pairs": ({**ALPACA, "history": ["x"]}, "the history"),
    "a history that is no list": ({**ALPACA, "history": True}, "the history"),
    "an answer that is too long": ({"prompt": QUESTION, "completion": "x" * 70_000}, "70,000 characters, more than"),
    "a weight of nothing": (
        {"messages": [USER_TURN, {**LAST_TURN, "loss_weight": 0.0}]},
        "the weight '0.0' is not a number above 0",
    ),
    "an infinite number": (
        {"messages": [{"role": "system", "content": float("inf")}, USER_TURN, LAST_TURN]},
        "message 1 holds an infinite number",
    ),
    "a text under another name": (
        {"messages": [{"role": "user", "content": [{"type": "text", "content": QUESTION}]}, LAST_TURN]},
        "message 1 has a part without a text",
    ),
    "an attachment without a type": (
        {"messages": [{"role": "user", "content": [{"image": "a.png"}, {"text": QUESTION}]}, LAST_TURN]},
        "message 1 has a part without a text",
    ),
    "a list in a list of parts": ({"messages": [{"role": "user", "content": [["x"]]}]}, "message 1 holds a list"),
    "a call of the user": (
        {"messages": [{**USER_TURN, "tool_calls": [CALL]}, {"role": "tool", "content": "x"}, LAST_TURN]},
        "message 1 of the user calls a tool",
    ),
    "calls in both forms": (
        {"messages": [USER_TURN, {"role": "assistant", "tool_calls": [CALL], "function_call": CALL["function"]}]},
        "message 2 has both tool_calls and function_call",
    ),
    "reasoning in two places": (
        {"messages": [USER_TURN, {**LAST_TURN, "reasoning": "a", "content": [{"type": "thinking", "thinking": "b"}]}]},
        "message 2 has its reasoning twice",
    ),
    "a name that is an object": ({"messages": [{**USER_TURN, "name": {"a": 1}}]}, "message 1 has a name or an id"),
    "an id that is an object": (
        {"messages": [USER_TURN, {"role": "assistant", "tool_calls": [{**CALL, "id": {"a": 1}}]}]},
        "message 2 has a name or an id",
    ),
    "a chosen answer alone": ({"prompt": QUESTION, "chosen": ANSWER}, "a chosen answer and no rejected one"),
    "a rejected answer alone": ({"prompt": QUESTION, "rejected": ANSWER}, "the answer '' is not a text"),
    "a rating of an empty answer": ({"prompt": QUESTION, "completion": "", "label": True}, "the answer is empty"),
    "a rating of no answer": ({"instruction": QUESTION, "output": None, "kto_tag": False}, "the answer is empty"),
    "a prompt that is not that of its pair": (
        {"prompt": "Another?", "chosen": [USER_TURN, LAST_TURN], "rejected": [USER_TURN, NO]},
        "the prompt is not part of",
    ),
    "a lone surrogate in a reference": ({**CHAT, "images": ["\ud83d.png"]}, "half of a surrogate pair"),
    "a record with a key twice": (
        {"example": '{"messages":[{"role":"user","content":"a"}],"messages":[{"role":"user","content":"b"}]}'},
        "hold no valid JSON",
    ),
    "a record with the weight NaN": (
        {"example": '{"messages":[{"role":"user","content":"a"}],"weight":NaN}'},
        "hold no valid JSON",
    ),
    "a record that weighs nothing": (
        {"example": '{"messages":[{"role":"user","content":"a"}],"weight":0}'},
        "the weight '0.0' is not a number above 0",
    ),
    "a record with tools that are none": (
        {"example": '{"messages":[{"role":"user","content":"a"}],"tools":"find"}'},
        "the tools are not a list",
    ),
    "a record with calls that are none": (
        {"example": '{"messages":[{"role":"assistant","tool_calls":"find"}]}'},
        "are not a list of objects",
    ),
    "a record that is none": ({"example": '{"messages":[7]}'}, "not the JSON of a record"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_row_is_refused_with_a_reason(name):
    row, reason = FAULTS[name]
    with pytest.raises(BadExample, match=reason):
        read(row)


def test_the_system_prompt_of_a_row_stands_once_and_is_never_lost():
    pair = {"chosen": [USER_TURN, LAST_TURN], "rejected": [USER_TURN, NO]}
    system = {"role": "system", "content": "Be brief."}
    for row in (
        {**pair, "system": "Be brief."},
        {**pair, "system": "Be brief.", "prompt": QUESTION},
        {"messages": [system, USER_TURN, LAST_TURN], "system": "Be brief."},
        {"prompt": [system, USER_TURN], "completion": ANSWER, "system": "Be brief. "},
    ):
        assert record(row).turns == (Turn(Role.SYSTEM, "Be brief."), USER)


def test_the_history_of_a_prompt_comes_before_it():
    row = {"prompt": QUESTION, "response": ANSWER, "history": [["Hi", "Hello"]]}
    assert record(row).turns == (Turn(Role.USER, "Hi"), Turn(Role.ASSISTANT, "Hello"), USER)


def test_the_role_of_a_call_may_be_written_in_capitals():
    call = json.dumps({"name": "find", "arguments": {}})
    pairs = [("Human", QUESTION), ("Function_Call", call), ("Observation", "found"), ("GPT", ANSWER)]
    read = record({"conversations": [{"from": who, "value": what} for who, what in pairs]})
    assert json.loads(read.turns[1].tool_calls)[0]["function"]["name"] == "find"


def test_the_order_of_roles_stays_as_it_was():
    roles = ["assistant", "user", "user", "system", "assistant", "assistant"]
    messages = [{"role": role, "content": f"{number}"} for number, role in enumerate(roles)]
    assert [turn.content for turn in record({"messages": messages}).turns] == ["0", "1", "2", "3", "4"]
    assert record({"messages": messages}).answers == ("5",)


def test_a_key_that_stands_twice_is_refused_however_deep():
    row = parsed('{"messages": [{"role": "user", "content": "a", "content": "b"}]}')
    with pytest.raises(BadExample, match="a key stands twice"):
        read(row)
    twice = {**CHAT, "tools": '[{"name": "a", "name": "b"}]'}
    with pytest.raises(BadExample, match="no valid JSON"):
        read(twice)


def test_a_conversation_of_a_hundred_thousand_words_is_read():
    long = "word " * 100_000
    assert record({"messages": [{"role": "user", "content": long}, LAST_TURN]}).turns[0].content == long


def test_deep_nesting_is_refused():
    deep: Any = "x"
    for _ in range(5_000):
        deep = [deep]
    with pytest.raises(BadExample):
        read({"messages": [{"role": "user", "content": deep}, LAST_TURN], "tools": deep})


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([HALF, "", "{", "[]"])
)
KEYS = st.sampled_from(
    [
        "role",
        "content",
        "from",
        "value",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "type",
        "text",
        "id",
        "x",
    ]
)
VALUES = st.recursive(
    LEAVES
    | st.sampled_from(
        ["user", "assistant", "system", "tool", "human", "gpt", "function_call", "observation"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["messages", "conversations", "prompt", "completion", "chosen", "rejected", "instruction", "input", "output",
     "history", "system", "tools", "label", "example", "images", "chosen_messages", "rejected_messages", "kto_tag"]
)  # fmt: skip
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system"]), "content": VALUES}
)
ROWS = st.dictionaries(
    FIELDS, VALUES | st.lists(MESSAGE, max_size=4) | VALUES.map(lambda v: json.dumps(v)), max_size=6
)


@given(ROWS)
@settings(max_examples=400, deadline=None)
def test_any_row_is_a_valid_record_or_is_refused(row):
    layout = row_layout(PLAIN, row)
    if layout is Layout.TEXT:
        return
    try:
        example = example_of(PLAIN, row, layout)
    except BadExample as error:
        str(error).encode()
        return
    stored = to_json(example.record)
    stored.encode()
    assert from_json(stored) == example.record
    assert example.record.turns or example.record.answers
