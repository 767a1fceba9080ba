"""Reading a completion request, and renaming its model without touching the rest."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_gateway.domain.completions import CHAT, TEXT, read_ask, rename_model
from ratoon_gateway.domain.errors import BadRequest

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just("model"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("model"), inner, max_size=3)
    ),
    max_leaves=8,
)
_fields = st.dictionaries(st.text(), _values, max_size=4)


@given(before=_fields, after=_fields, escapes=st.booleans(), tight=st.booleans(), name=st.text(min_size=1))
def test_only_the_model_changes(before, after, escapes, tight, name):
    messages = [{"role": "user", "content": '{"model": "not me"} {{ }'}]
    fields = {**before, "messages": messages, "model": name, **after, "stream": False}
    fields["model"] = name
    fields["messages"] = messages
    separators = (",", ":") if tight else None
    body = json.dumps(fields, ensure_ascii=escapes, separators=separators).encode()
    ask = read_ask(CHAT, body)
    assert json.loads(rename_model(ask, 'ser"ved')) == {**fields, "model": 'ser"ved'}


def test_the_bytes_are_spliced_where_that_is_safe():
    body = b'{"messages":[{"role":"user","content":"hi"}], "model" : "mail",  "temperature":0.50}'
    assert rename_model(read_ask(CHAT, body), "x") == body.replace(b'"mail"', b'"x"')
    assert rename_model(read_ask(CHAT, body), "mail") is body


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (CHAT, b"{", ""),
        (CHAT, b"[" * 100_000, ""),
        (CHAT, b"[1]", ""),
        (CHAT, b"{}", "model"),
        (CHAT, b'{"model": 7}', "model"),
        (CHAT, b'{"model": "m"}', "messages"),
        (CHAT, b'{"model": "m", "messages": []}', "messages"),
        (CHAT, b'{"model": "m", "messages": [1], "stream": "yes"}', "stream"),
        (CHAT, b'{"model": "m", "messages": [1], "priority": -9}', "priority"),
        (TEXT, b'{"model": "m"}', "prompt"),
    ],
)
def test_what_is_no_request_is_told_by_field(path, body, field):
    with pytest.raises(BadRequest) as error:
        read_ask(path, body)
    assert error.value.field == field


def test_a_prompt_is_a_user_message_and_a_user_is_a_text():
    ask = read_ask(TEXT, b'{"model": "m", "prompt": "hi", "user": 7, "stream": null}')
    assert (ask.messages, ask.user, ask.stream) == ([{"role": "user", "content": "hi"}], "", False)
