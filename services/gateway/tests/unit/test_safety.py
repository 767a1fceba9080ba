"""Words that may not pass, in whole texts and in streams cut anywhere."""

import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ratoon_gateway.adapters.word_lists import WordList
from ratoon_gateway.application.guard import StreamGuard, check_prompt, checked_answer
from ratoon_gateway.domain.completions import CHAT, TEXT, read_request
from ratoon_gateway.domain.errors import BadRequest, ContentBlocked
from ratoon_gateway.domain.safety import SafetyFilter, changed

WORDS = WordList(["bad", "Bad  thing", "straße", "café", "ab ab ac", "毒品"])
NOW = datetime(2026, 11, 22, tzinfo=UTC)
DONE = b"data: [DONE]\n\n"


def blocks(*pieces, words=WORDS):
    session = words.read()
    for piece in pieces:
        session.take(piece)
    session.end()
    return session.blocked


@pytest.mark.parametrize(
    "text",
    [
        "bad",
        "BAD!",
        "so (bad)",
        "b\u200bad",
        "b\u0301ad",
        "STRASSE",
        "Cafe\u0301",
        "CAFÉ",
        "吸毒品的",
        "x\nab\t ab\n\nac",
    ],
)
def test_words_are_found_however_they_are_written(text):
    assert blocks(text)
    assert blocks(*text)


@pytest.mark.parametrize("text", ["", "badly", "forbad", "bad2", "cafeteria", "ab ab ab", "毒 品", "b ad"])
def test_what_only_looks_alike_passes(text):
    assert not blocks(text)
    assert not blocks(*text)


def test_only_what_may_become_a_word_waits():
    session = WordList(["bad thing"]).read()
    assert session.take("a good") == (6, 0)
    assert session.take(" ba") == (3, 2)
    assert session.take("d") == (1, 3)
    assert session.take(" th") == (3, 6)
    assert session.take("at b") == (4, 1)


_text = st.text(st.sampled_from("ab c\n毒品Bdé\u0301"), max_size=40)


@given(_text, st.lists(st.integers(0, 40), max_size=6))
def test_it_does_not_matter_where_a_text_is_cut(text, cuts):
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(places)]
    assert blocks(*pieces) == blocks(text)


def event(text, index=0, chat=True, **more):
    content_part = {"delta": {"content": text}} if chat else {"text": text}
    kind = "chat.completion.chunk" if chat else "text_completion"
    parsed = {"id": "x", "object": kind, "choices": [{"index": index, **content_part}], **more}
    return b"data: " + json.dumps(parsed).encode() + b"\n\n"


def passed(raw, sizes=(), words=WORDS):
    """What comes out of a guard when the stream comes in pieces of these sizes."""
    guard, out = StreamGuard(words), b""
    for size in [*sizes, len(raw)]:
        chunk, raw = raw[:size], raw[size:]
        out += guard.take(chunk)
        if guard.blocked:
            return out, True
    return out + guard.end(), guard.blocked


def content(raw):
    parsed = [json.loads(row[6:]) for row in raw.split(b"\n\n") if row.startswith(b"data: {")]
    return "".join(c["delta"].get("content", "") for each in parsed for c in each["choices"]), parsed


@given(st.lists(_text, max_size=8), st.lists(st.integers(1, 200), max_size=12))
@example(["Bad", "B毒品"], [])
def test_a_stream_passes_untouched_or_ends_before_the_word(pieces, sizes):
    raw = b"".join(event(piece) for piece in pieces) + DONE
    out, blocked = passed(raw, sizes)
    assert blocked == blocks(*pieces)
    if not blocked:
        assert out == raw
        return
    content_part, parsed = content(out)
    assert "".join(pieces).startswith(content_part)
    assert not blocks(content_part)
    assert parsed[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert out.endswith(DONE)


def test_an_event_goes_out_as_soon_as_it_may():
    guard = StreamGuard(WordList(["bad thing"]))
    assert guard.take(event("good")) == event("good")
    assert guard.take(event(" bad")) == b""
    assert guard.take(event(" thin")) == b""
    assert guard.take(event("ner")) == event(" bad") + event(" thin") + event("ner")
    assert not guard.blocked


def test_choices_and_fields_are_texts_of_their_own():
    mixed = event("ba") + event("d", index=1) + event("n")
    assert passed(mixed) == (mixed, False)
    calls = [
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": part}}]}}]}
        for part in ('{"to": "b', 'ad"}')
    ]
    raw = b"".join(b"data: " + json.dumps(call).encode() + b"\n\n" for call in calls)
    assert passed(raw)[1]
    assert passed(event("ba", chat=False) + event("d", chat=False) + DONE)[1]


def test_a_whole_answer_is_given_or_withheld():
    answer = {
        "id": "x",
        "choices": [{"index": 0, "message": {"content": "all is good"}, "finish_reason": "stop"}],
    }
    raw = json.dumps(answer).encode()
    assert checked_answer(raw, WORDS) == (raw, False)
    answer["choices"][0]["message"]["content"] = "a bad thing"
    parsed, withheld = checked_answer(json.dumps(answer).encode(), WORDS)
    assert withheld
    (choice,) = json.loads(parsed)["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "content_filter")
    assert checked_answer(b"no json: bad", WORDS) == (b"no json: bad", False)


def ask(path=CHAT, **fields):
    default = {"messages": [{"role": "user", "content": "hi"}]} if path == CHAT else {}
    return read_request(path, json.dumps({"model": "bad", **default, **fields}).encode())


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "system", "content": "so"}, {"role": "user", "content": "be bad"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "be bad"}]}]},
        {"messages": [{"role": "user", "content": "bad"}, {"role": "user", "content": "thing"}]},
        {"tools": [{"type": "function", "function": {"name": "f", "description": "bad"}}]},
        {
            "tools": [
                {"type": "function", "function": {"name": "f", "parameters": {"properties": {"bad": {}}}}}
            ]
        },
        {"messages": [{"role": "bad", "content": "x"}]},
        {"messages": [{"role": "user", "name": "bad", "content": "x"}]},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "be b"}, {"type": "text", "text": "ad"}],
                }
            ]
        },
        {"messages": [{"role": "user", "content": "b"}, {"role": "user", "content": "ad"}]},
        {"messages": [{"role": "user", "content": "be b\u0430d"}]},
        {"messages": [{"role": "user", "content": "C\u0430F\u0435\u0301"}]},
        {"messages": [{"role": "user", "content": "\u0410b ab a\u0441"}]},
        {"documents": [{"bad": "x"}]},
    ],
)
def test_a_prompt_is_read_wherever_it_says_something(fields):
    with pytest.raises(ContentBlocked):
        check_prompt(ask(**fields), WORDS)


def test_texts_in_other_scripts_are_no_masks():
    words = WordList(["cop", "pay"])
    check_prompt(ask(messages=[{"role": "user", "content": "\u0441\u043e\u0440 и грязь"}]), words)
    with pytest.raises(ContentBlocked):
        check_prompt(ask(messages=[{"role": "user", "content": "call a \u0441\u043e\u0440"}]), words)
    with pytest.raises(ContentBlocked):
        check_prompt(ask(messages=[{"role": "user", "content": "и грязь, \u0441op"}]), words)


def test_names_are_no_words_and_what_cannot_be_read_does_not_pass():
    check_prompt(ask(user="bad"), WORDS)
    check_prompt(ask(TEXT, prompt=["good", "better"]), WORDS)
    for prompt in ([1, 2], [[1, 2]]):
        with pytest.raises(ContentBlocked, match="as text"):
            check_prompt(ask(TEXT, prompt=prompt), WORDS)


def test_lists_are_checked_and_changed_one_by_one():
    current = SafetyFilter("projects/p/safetyFilter", NOW, NOW, ("a",), ("b",))
    desired = SafetyFilter(current.name, NOW, NOW, ("c", "c"), ())
    assert changed(current, desired, ["input_words"]).input_words == ("c",)
    assert changed(current, desired, ["output_words"]).output_words == ()
    assert changed(current, desired, ["output_words"]).etag != current.etag
    assert changed(current, desired, []) == current
    for words, names in (
        ((" ",), ["input_words"]),
        (("x" * 101,), ["input_words"]),
        (("\u200b",), ["input_words"]),
        (("c",), ["name"]),
    ):
        with pytest.raises(BadRequest):
            changed(current, SafetyFilter(current.name, NOW, NOW, words), names)
