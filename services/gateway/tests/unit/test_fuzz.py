"""What callers may send: whatever it is, it is understood or refused with the field at fault, never a defect."""

import functools
import json
import re
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.process.errors import InvalidArgument
from ratoon.security.answers import AnswerIds
from ratoon.storage.paging import PageTokens
from ratoon_gateway import mapping
from ratoon_gateway.domain.completions import CHAT, TEXT, engine_body, read_request
from ratoon_gateway.domain.errors import GatewayError
from ratoon_gateway.domain.feedback import read_feedback
from ratoon_gateway.domain.fields import prompts_of
from ratoon_gateway.domain.routes import ModelName
from ratoon_gateway.entrypoints.bindings import bindings_of_contracts

TOKENS, IDS = PageTokens(b"secret"), AnswerIds(b"secret")
_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        [
            "NaN",
            "1e400",
            "9999-12-31T23:59:59.999999999Z",
            "0001-01-01T00:00:00Z",
            "-0s",
            "1e9s",
            "a,b.c",
            "\ud800",
        ]
    )
)


_segments = st.text(min_size=1, max_size=20).filter(
    lambda text: not {*text} & {*"/:"} and text not in (".", "..")
)


def _json(keys):
    return st.recursive(
        _scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=10,
    )


def _names(kind, depth=3):
    """The field names below a message: what a caller's JSON is likely to say."""
    for field in kind.fields:
        yield from (field.json_name, field.name)
        if field.message_type is not None and depth:
            yield from _names(field.message_type, depth - 1)


@functools.cache
def _keys(kind):
    return st.sampled_from(sorted(set(_names(kind)) or {"x"})) | st.text(max_size=5)


@pytest.mark.parametrize("binding", bindings_of_contracts(), ids=lambda b: f"{b.method.full_name}:{b.verb}")
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_body_and_query_is_a_request_or_refused(api, binding, data):
    names = _keys(binding.method.input_type)
    body = data.draw(st.none() | _json(names) | st.dictionaries(names, _json(names), max_size=5))
    dotted = st.lists(names, min_size=1, max_size=3).map(".".join)
    query = data.draw(st.lists(st.tuples(names | dotted, st.text(max_size=10)), max_size=3))
    path = re.sub(r"\{\w+:\w+\}", lambda _: quote(data.draw(_segments), safe=""), binding.path)
    answer = api.send(binding.verb, path, body, query)
    assert answer.status_code in (200, 400), answer.text
    assert answer.status_code == 200 or answer.json()["detail"]


_fields = st.sampled_from(
    [
        "model",
        "messages",
        "prompt",
        "stream",
        "user",
        "n",
        "max_tokens",
        "role",
        "content",
        "text",
        "prompt_embeds",
    ]
)


_turns = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system"]), "content": st.text()}
)
_chats = st.fixed_dictionaries({"model": st.text(min_size=1), "messages": st.lists(_turns, min_size=1)})
_prompts = st.text() | st.lists(st.text(), min_size=1, max_size=3) | st.lists(st.integers(0, 9), min_size=1)
_texts = st.fixed_dictionaries({"model": st.text(min_size=1), "prompt": _prompts})
_more = st.dictionaries(_fields, _json(_fields), max_size=2)


def _body(value: object) -> bytes:
    return json.dumps(value).encode()


@settings(max_examples=300)
@given(
    path=st.sampled_from([CHAT, TEXT]),
    body=st.binary(max_size=60)
    | _json(_fields).map(_body)
    | st.tuples(_chats | _texts, _more).map(lambda both: _body({**both[1], **both[0]})),
)
def test_any_completion_is_understood_or_refused(path, body):
    try:
        ask = read_request(path, body)
        ModelName.parse(ask.model)
    except GatewayError as refused:
        assert refused.code == "INVALID_ARGUMENT"
        return
    given = json.loads(body)
    sent = json.loads(engine_body(ask, "served", {}))
    assert sent.pop("model") == "served"
    assert sent.keys() <= given.keys(), "an engine gets no field that the caller did not send"
    assert ask.cost_estimate >= len(body) // 4 + ask.choices
    written = list(_strings(given))
    assert set(ask.texts()) <= set(written)
    prompts = given["messages"] if path == CHAT else prompts_of(given)
    assert len([turn for each in ask.conversations for turn in each or [None]]) == len(prompts)
    assert ask.is_readable == (path == CHAT or all(isinstance(prompt, str) for prompt in prompts))


def _strings(value):
    """Every string in a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    for inner in value if isinstance(value, list) else []:
        yield from _strings(inner)
    for key, inner in value.items() if isinstance(value, dict) else []:
        yield key
        yield from _strings(inner)


@given(
    _json(
        st.sampled_from(
            [
                "thumb",
                "rating",
                "correction",
                "comment",
                "id",
                "outcomes",
                "implicit",
                "consent",
                "session_id",
            ]
        )
    )
)
def test_any_feedback_is_understood_or_refused(body):
    fields = body if isinstance(body, dict) else {}
    with pytest.raises(InvalidArgument):
        IDS.read(str(fields.get("id")))
    try:
        feedback = read_feedback(fields, "p", "id", "version")
    except GatewayError as refused:
        assert refused.field
        return
    assert mapping.create_feedback(feedback).request_id


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_a_page_token_that_was_made_up_is_refused(token):
    try:
        assert TOKENS.open("listing", token) is None
        assert not token
    except InvalidArgument as refused:
        assert refused.reason == "BAD_PAGE_TOKEN"


@given(st.lists(st.text(), max_size=3), st.integers(0, 10**6), st.characters(codec="ascii"))
def test_a_page_token_that_was_changed_is_refused(position, place, character):
    token = TOKENS.seal("listing", position)
    assert TOKENS.open("listing", token) == position
    place %= len(token)
    changed = token[:place] + character + token[place + 1 :]
    try:
        assert TOKENS.open("listing", changed) == position
    except InvalidArgument:
        return
