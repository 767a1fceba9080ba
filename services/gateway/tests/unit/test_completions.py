"""Reading a completion request: which fields reach the engine, in which form, and what is refused by which name."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_gateway.domain.completions import (
    CHAT,
    TEXT,
    RequestLimits,
    engine_body,
    longest_text,
    read_request,
)
from ratoon_gateway.domain.errors import BadRequest

USER = {"role": "user", "content": "hi"}


def chat(**fields):
    """A chat request with these fields; one that is `...` is left out."""
    body = {"model": "mail", "messages": [USER], **fields}
    return read_request(CHAT, json.dumps({k: v for k, v in body.items() if v is not ...}).encode())


def text(**fields):
    return read_request(TEXT, json.dumps({"model": "mail", "prompt": "hi", **fields}).encode())


def sent(ask, defaults=()):
    """What an engine gets."""
    return json.loads(engine_body(ask, "served", dict(defaults)))


def refused(read, **fields):
    with pytest.raises(BadRequest) as error:
        read(**fields)
    return error.value


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (CHAT, b"{", ""),
        (CHAT, b"[" * 100_000, ""),
        (CHAT, b"[1]", ""),
        (CHAT, b"\xff\xfe\x00", ""),
        (CHAT, b'{"model": "m", "messages": [NaN]}', ""),
        (CHAT, b'{"model": "m", "temperature": 1e999}', ""),
        (CHAT, b'{"model": "m", "n": ' + b"9" * 5_000 + b"}", ""),
        (CHAT, b"{}", "model"),
        (CHAT, b'{"model": 7}', "model"),
        (CHAT, b'{"model": "m"}', "messages"),
        (CHAT, b'{"model": "m", "messages": null}', "messages"),
        (CHAT, b'{"model": "m", "messages": []}', "messages"),
        (CHAT, b'{"model": "m", "messages": [1], "stream": "yes"}', "messages[0]"),
        (CHAT, b'{"model": "m", "messages": "hi"}', "messages"),
        (TEXT, b'{"model": "m"}', "prompt"),
        (TEXT, b'{"model": "m", "prompt": []}', "prompt"),
        (TEXT, b'{"model": "m", "prompt": ["a", 1]}', "prompt[1]"),
        (TEXT, b'{"model": "m", "prompt": [1, "a"]}', "prompt[1]"),
        (TEXT, b'{"model": "m", "prompt": [[]]}', "prompt[0]"),
    ],
)
def test_invalid_requests_name_the_field(path, body, field):
    with pytest.raises(BadRequest) as error:
        read_request(path, body)
    assert error.value.field == field


@pytest.mark.parametrize("path", [CHAT, TEXT])
@pytest.mark.parametrize(
    "name",
    [
        *(
            "vllm_xargs",
            "kv_transfer_params",
            "ec_transfer_params",
            "session_id",
            "routed_experts_prompt_start",
        ),
        *("priority", "request_id", "cache_salt", "mm_processor_kwargs", "chat_template", "prompt_embeds"),
        *("data_parallel_rank", "add_special_tokens", "return_tokens_as_token_ids", "media_io_kwargs"),
        *("repetition_detection", "stream_interval", "watermarking", "made_up", "guided_json", ""),
    ],
)
def test_what_is_not_on_the_list_is_refused_by_its_name(path, name):
    error = refused(chat if path == CHAT else text, **{name: {"kv_transfer_params": "x"}})
    assert (error.reason, error.field) == ("UNKNOWN_PARAMETER", name)


def test_fields_that_mean_nothing_here_are_taken_and_dropped():
    fields = {
        "metadata": {"run": "7"},
        "store": True,
        "user": "anna",
        "service_tier": "auto",
        "prediction": {"type": "content", "content": "x"},
        "safety_identifier": "x",
        "verbosity": "low",
        "prompt_cache_key": "k",
        "modalities": ["text"],
        "tools": [],
        "tool_choice": "auto",
        "n": None,
        "functions": [],
        "function_call": "auto",
        "response_format": {"type": "text"},
        "stop": None,
        "use_beam_search": False,
        "best_of": None,
        "parallel_tool_calls": True,
    }
    assert sent(chat(**fields)) == {"model": "served", "messages": [USER]}
    assert chat(**fields).user == "anna"
    assert chat(user=7).user == ""


def test_structured_outputs_and_tools_pass():
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^[a-z]+$"}}}
    fields = {
        "tools": [tool],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": False,
    }
    assert sent(chat(**fields)) == {"model": "served", "messages": [USER], **fields}
    for outputs in (
        {"choice": ["ham", "spam"]},
        {"regex": "ham|spam"},
        {"json": schema},
        {"json_object": True},
    ):
        assert sent(chat(structured_outputs=outputs))["structured_outputs"] == outputs
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema, "strict": True}}
    assert sent(chat(response_format=form))["response_format"] == form


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"n": "50"}, "n"),
        ({"n": True}, "n"),
        ({"n": 2.5}, "n"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"n": 3000, "max_tokens": 100}, "n"),
        ({"n": 100, "max_tokens": 2000}, "max_tokens"),
        ({"max_tokens": "2000"}, "max_tokens"),
        ({"max_tokens": 10**30}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"temperature": "0"}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": 5}, "logprobs"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"stop": 5}, "stop"),
        ({"logit_bias": {"x": 1}}, "logit_bias"),
        ({"logit_bias": {"1": 101}}, "logit_bias.1"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"priority": 1}}, "stream_options.priority"),
        ({"use_beam_search": True}, "use_beam_search"),
        ({"best_of": 4}, "best_of"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"chat_template_kwargs": {"chat_template": "{{ 1 }}"}}, "chat_template_kwargs"),
        ({"chat_template_kwargs": {"deep": {"a": 1}}}, "chat_template_kwargs.deep"),
        ({"structured_outputs": {"choice": ["a"], "regex": "b"}}, "structured_outputs"),
        ({"structured_outputs": {"structural_tag": "{}"}}, "structured_outputs.structural_tag"),
        ({"response_format": {"type": "structural_tag"}}, "response_format"),
        ({"messages": [USER] * 2_049}, "messages"),
    ],
)
def test_values_out_of_bounds_are_named_by_field(fields, field):
    assert refused(chat, **fields).field == field


def test_what_is_booked_is_what_the_engine_does():
    whole = chat(n=50.0, max_tokens=20.0)
    assert (sent(whole)["n"], sent(whole)["max_tokens"]) == (50, 20)
    assert whole.cost_estimate == whole.prompt_estimate + 50 * 20
    assert text(prompt=["a", "b"], n=3, max_tokens=5).choices == 6
    assert text(prompt=[[1, 2], [3]]).choices == 2
    assert text(prompt=[1, 2]).choices == 1
    assert sent(text(prompt=[1, 2.0], echo=True, max_tokens=0))["prompt"] == [1, 2]
    assert sent(text(stop=["", "x"]))["stop"] == ["x"]
    assert refused(text, prompt=["a"] * 129).field == "prompt"
    body = json.dumps({"model": "m", "messages": [USER], "n": 4}).encode()
    with pytest.raises(BadRequest):
        read_request(CHAT, body, RequestLimits(choices=3))


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"role": "user"}, "messages[0].content"),
        ({"role": "user", "content": None}, "messages[0].content"),
        ({"role": "user", "content": 17}, "messages[0].content"),
        ({"role": "user", "content": []}, "messages[0].content"),
        ({"role": "user", "content": [{"type": "smell", "smell": "roses"}]}, "messages[0].content[0].type"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
            "messages[0].content[0].type",
        ),
        ({"role": "user", "content": [{"type": "text"}]}, "messages[0].content[0].text"),
        ({"role": 5, "content": "x"}, "messages[0].role"),
        ({"role": "a role", "content": "x"}, "messages[0].role"),
        ({"content": "x"}, "messages[0].role"),
        ("hi", "messages[0]"),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
    ],
)
def test_a_message_without_content_is_named_by_its_place(message, field):
    assert refused(chat, messages=[message]).field == field


def test_messages_of_all_shapes_go_on_in_one_form():
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "name": "carla", "content": [{"type": "text", "text": "I was"}, "charged twice"]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "done"},
        {"role": "assistant", "content": None, "tool_calls": None},
    ]
    got = sent(chat(messages=messages))["messages"]
    assert got[1]["content"] == [{"type": "text", "text": "I was"}, {"type": "text", "text": "charged twice"}]
    assert (got[2]["content"], got[2]["tool_calls"]) == ("", [call])
    assert got[4] == {"role": "assistant", "content": ""}
    (fields,) = chat(messages=messages).conversations
    assert [message["content"] for message in fields] == ["Be brief.", "I was\ncharged twice", "", "done", ""]


def test_prompts_are_conversations_of_their_own_and_token_ids_are_none():
    one, two = text(prompt=["a", "b"]).conversations
    assert (one, two) == ([{"role": "user", "content": "a"}], [{"role": "user", "content": "b"}])
    assert text(prompt=[1, 2]).conversations == [None]
    assert text(prompt=[[1], [2]]).conversations == [None, None]


@pytest.mark.parametrize(
    "body",
    [
        rb'{"model": "m", "messages": [{"role": "user", "content": "x \ud800"}]}',
        rb'{"model": "m", "messages": [{"role": "user", "content": "x", "\udfff": 1}]}',
        rb'{"model": "m", "messages": [{"role": "user", "content": "x"}], "metadata": {"a": ["\uDBFF"]}}',
        b'{"model": "m", "messages": [{"role": "user", "content": "\xed\xa0\x80"}]}',
    ],
)
def test_half_a_character_is_refused_wherever_it_stands(body):
    with pytest.raises(BadRequest):
        read_request(CHAT, body)


def test_whole_characters_pass_however_they_are_written():
    body = rb'{"model": "m", "messages": [{"role": "user", "content": "\ud83d\ude00 \\ud800"}]}'
    assert read_request(CHAT, body).fields["messages"][0]["content"] == "😀 \\ud800"
    ask = read_request(CHAT, json.dumps({"model": "m", "messages": [USER]}).encode("utf-16"))
    assert sent(ask)["messages"] == [USER]


def test_a_versions_defaults_hold_where_the_request_says_nothing():
    defaults = {"temperature": 0.0, "max_tokens": 8, "top_k": 5}
    assert sent(chat(), defaults) == {"model": "served", "messages": [USER], **defaults}
    own = sent(chat(temperature=1, max_completion_tokens=3), defaults)
    assert (own["temperature"], own["top_k"], own["max_completion_tokens"]) == (1, 5, 3)
    assert "max_tokens" not in own
    assert sent(chat(n=2), defaults)["temperature"] == sent(chat(n=2, temperature=0))["temperature"] == 0.01
    assert (
        longest_text(chat(messages=[USER, {"role": "user", "content": [{"type": "text", "text": "four"}]}]))
        == 4
    )


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_names = st.sampled_from(
    [
        *(
            "n",
            "max_tokens",
            "temperature",
            "stop",
            "tools",
            "tool_choice",
            "response_format",
            "user",
            "messages",
        ),
        *(
            "structured_outputs",
            "logit_bias",
            "metadata",
            "stream_options",
            "chat_template_kwargs",
            "documents",
        ),
    ]
)


@given(st.dictionaries(_names, _values, max_size=4))
def test_any_values_are_refused_or_go_on_as_json(fields):
    try:
        ask = chat(**fields)
    except BadRequest as error:
        assert error.reason.isupper()
        return
    assert sent(ask)["model"] == "served"
    assert ask.cost_estimate >= 0
    assert all(message["content"] is not None for message in ask.conversations[0])
