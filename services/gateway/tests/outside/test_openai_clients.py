"""Requests of other people's clients, unmodified: what they send is understood, and what is refused they can read."""

import gzip
import json
import zlib

import httpx
import openai
import pytest

from ratoon.common.v1 import generation_pb2
from ratoon.testkit.engine import Faults
from ratoon_gateway.entrypoints.encodings import unpacked

ASK = {"model": "mail-triage", "messages": [{"role": "user", "content": "I was charged twice"}]}
CHAT = "/v1/chat/completions"
TOOL = {
    "type": "function",
    "function": {"name": "lookup", "parameters": {"type": "object", "properties": {}}},
}
OPERATORS_WORDS = ("--", "VLLM", "pydantic", "TextEncodeInput", "Traceback", "environment variable", "{'")


@pytest.fixture
def served(house):
    engine = house.engines.start("blue", "v1.0")
    house.route(house.target("blue", "v1.0"))
    return engine


COURSE = [
    {"tool_choice": "auto"},
    {"tools": []},
    {"tools": [], "tool_choice": "auto", "parallel_tool_calls": False},
    {"tools": [TOOL], "tool_choice": "none"},
    {"store": True, "metadata": {"run": "7"}, "service_tier": "auto", "user": "anna"},
    {"functions": [], "function_call": "auto"},
    {"response_format": {"type": "json_object"}},
    {"logprobs": True, "top_logprobs": 5, "seed": 1, "stop": ["\n"], "logit_bias": {"5": -100}},
    {"max_completion_tokens": 3, "n": 2, "presence_penalty": 0.5, "frequency_penalty": -0.5},
    {"extra_body": {"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "stop_token_ids": [2]}},
    {"extra_body": {"structured_outputs": {"choice": ["ham", "spam"]}}},
]


def test_what_clients_send_as_a_matter_of_course_is_answered(house, served):
    client = house.client()
    for fields in COURSE:
        answer = client.chat.completions.create(**ASK, **fields)
        assert answer.choices[0].message.content, fields
        assert list(client.chat.completions.create(**ASK, **fields, stream=True)), fields


def raised(call):
    with pytest.raises(openai.APIStatusError) as error:
        call()
    told = error.value
    assert isinstance(told.code, str)
    assert told.message
    assert told.request_id
    assert not any(word in told.message for word in OPERATORS_WORDS)
    return told


NOT_SERVED = [
    lambda client: client.embeddings.create(model="mail-triage", input="x"),
    lambda client: client.responses.create(model="mail-triage", input="x"),
    lambda client: client.moderations.create(input="x"),
    lambda client: client.files.list(),
    lambda client: client.batches.list(),
    lambda client: client.images.generate(prompt="x"),
    lambda client: client.fine_tuning.jobs.list(),
    lambda client: client.vector_stores.list(),
    lambda client: client.chat.completions.retrieve("chatcmpl-1"),
]


def test_what_is_not_served_says_so_in_the_clients_own_shape(house):
    for call in NOT_SERVED:
        told = raised(lambda call=call: call(house.client()))
        assert (told.status_code, told.code, told.type) == (404, "no_such_path", "invalid_request_error")
        assert CHAT in told.message


def test_wrong_verbs_and_long_paths_are_told(house):
    http = house.http()
    wrong = http.get(CHAT)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "OPTIONS, POST")
    assert wrong.json()["error"]["code"] == "method_not_allowed"
    messages = http.post("/v1/messages", json=ASK)
    assert (messages.status_code, messages.json()["error"]["type"]) == (404, "invalid_request_error")
    assert len(http.get("/v1/nothing/" + "x" * 5_000).text) < 1_000
    assert len(http.get("/v1/files/" + "x" * 5_000).text) < 1_000


ENGINE_SAYS = [
    (
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        "unsupported_parameter",
        "tools",
        "does not support tool calls",
    ),
    (
        "This model's maximum context length is 512 tokens. However, your prompt contains 900 input tokens",
        "context_length_exceeded",
        "messages",
        "maximum context length is 512 tokens",
    ),
    (
        "n must be at most 5. To increase this limit, set the VLLM_MAX_N_SEQUENCES environment variable",
        "invalid_value",
        "n",
        "lower",
    ),
    (
        "TextEncodeInput must be Union[TextInputSequence, Tuple[InputSequence]]",
        "invalid_request",
        None,
        "engine",
    ),
    (
        "2 validation errors:\n  {'type': 'list_type', 'loc': ('body', 'x')}",
        "invalid_request",
        None,
        "engine",
    ),
    ("Conversation roles must alternate user/assistant", "invalid_value", "messages", "roles"),
    ("The grammar cannot be compiled: xgrammar says no", "unsupported_schema", "response_format", "schema"),
]


def test_an_engines_sentences_do_not_reach_callers(house, served):
    chat = house.client().chat.completions
    for said, code, param, word in ENGINE_SAYS:
        served.faults = Faults(status=400, message=said)
        for stream in (False, True):
            told = raised(lambda stream=stream: chat.create(**ASK, stream=stream))
            assert (told.status_code, told.type) == (400, "invalid_request_error")
            assert (told.code, told.param) == (code, param), said
            assert word in told.message
            assert told.response.headers["x-ratoon-model"] == "mail@v1.0"


def test_an_engine_that_fails_is_told_in_the_same_shape(house, served):
    served.faults = Faults(status=500, message="CUDA error: --flag")
    told = raised(lambda: house.client().chat.completions.create(**ASK))
    assert (told.status_code, told.code, told.type) == (500, "engine_failed", "server_error")


COMPRESSED = [
    ("gzip", gzip.compress),
    ("GZIP", gzip.compress),
    ("x-gzip", gzip.compress),
    ("gzip", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])),
    ("deflate", zlib.compress),
    ("deflate", lambda body: zlib.compress(body)[2:-4]),
    ("identity", bytes),
    ("identity, gzip", gzip.compress),
    ("deflate, gzip", lambda body: gzip.compress(zlib.compress(body))),
]


def test_compressed_bodies_are_read_on_every_route(house, served):
    http = house.http()
    for encoding, pack in COMPRESSED:

        def sent(verb, path, body, encoding=encoding, pack=pack):
            headers = {"content-encoding": encoding, "content-type": "application/json"}
            return http.request(verb, path, content=pack(json.dumps(body).encode()), headers=headers)

        answer = sent("POST", CHAT, ASK)
        assert answer.status_code == 200, encoding
        words = {"id": answer.json()["id"], "thumb": "up"}
        assert sent("POST", "/v1/feedback", words).status_code == 200
        named = sent("PATCH", "/v1/projects/p?updateMask=displayName", {"displayName": "Mail"})
        assert named.status_code == 200


def test_a_body_that_is_not_as_it_says_is_refused_by_what_is_wrong(house):
    http, plain = house.http(), json.dumps(ASK).encode()
    for path in (CHAT, "/v1/feedback", "/v1/projects/p/apiKeys"):

        def refused(encoding: str, body: bytes, path: str = path) -> httpx.Response:
            return http.post(path, content=body, headers={"content-encoding": encoding})

        unknown = refused("br", plain)
        assert (unknown.status_code, unknown.headers["accept-encoding"]) == (415, "gzip, deflate")
        assert "'br'" in unknown.text
        for broken in (plain, gzip.compress(plain)[:-9], gzip.compress(plain) + b"more"):
            wrong = refused("gzip", broken)
            assert wrong.status_code == 400
            assert "gzip" in wrong.text
        assert refused("deflate", b"\x00\x01").status_code == 400
        assert refused("gzip", gzip.compress(bytes(64 << 20))).status_code == 413
        assert refused(", ".join(["gzip"] * 9), plain).status_code == 415


def test_a_bomb_in_layers_is_unpacked_no_further_than_the_bound():
    bomb = gzip.compress(gzip.compress(bytes(1 << 30), compresslevel=1))
    assert len(bomb) < 100_000
    with pytest.raises(Exception, match="larger than"):
        unpacked(bomb, "gzip, gzip", 1 << 20)


def test_a_versions_own_way_to_generate_holds_for_a_client_that_says_nothing(house):
    engine = house.engines.start("blue", "v1.0")
    greedy = generation_pb2.GenerationDefaults(temperature=0.0, max_tokens=8)
    house.route(
        house.target("blue", "v1.0", generation_defaults=greedy, max_prompt_characters=10, context_tokens=4)
    )
    client = house.client()
    for stream in (False, True):
        raw = client.chat.completions.with_raw_response.create(**ASK, stream=stream)
        assert list(raw.parse())
        assert (engine.last_request["temperature"], engine.last_request["max_tokens"]) == (0.0, 4)
        assert raw.headers["x-ratoon-truncated"] == "characters; kept=10; given=19"
    client.chat.completions.create(**ASK, temperature=0.7, max_completion_tokens=2)
    assert engine.last_request["temperature"] == 0.7
    assert "max_tokens" not in engine.last_request
    short = {"model": "mail-triage", "messages": [{"role": "user", "content": "hi"}]}
    assert "x-ratoon-truncated" not in client.chat.completions.with_raw_response.create(**short).headers


def test_a_model_whose_template_cuts_texts_has_them_cut_by_tokens_too(house):
    engine = house.engines.start("blue", "v1.0")
    house.route(house.target("blue", "v1.0", max_prompt_characters=10, context_tokens=64))
    house.client().chat.completions.create(**ASK)
    assert engine.last_request["truncate_prompt_tokens"] == 48
    house.client().chat.completions.create(**ASK, extra_body={"truncate_prompt_tokens": 7})
    assert engine.last_request["truncate_prompt_tokens"] == 7
    house.route(house.target("blue", "v1.0", context_tokens=64))
    house.client().chat.completions.create(**ASK)
    assert "truncate_prompt_tokens" not in engine.last_request, (
        "a model made elsewhere refuses what it cannot read"
    )


def test_log_probabilities_pass_as_the_engine_wrote_them(house, served):
    house.client().chat.completions.create(**ASK, logprobs=True, top_logprobs=2)
    assert (served.asked["logprobs"], served.asked["top_logprobs"]) == (True, 2)
    assert "return_tokens_as_token_ids" not in served.asked
    with pytest.raises(openai.BadRequestError, match="return_tokens_as_token_ids"):
        house.client().chat.completions.create(**ASK, extra_body={"return_tokens_as_token_ids": True})


def test_half_a_character_is_refused_everywhere(house):
    http = house.http()
    for path in (CHAT, "/v1/completions", "/v1/feedback", "/v1/projects/p/apiKeys"):
        for half in (rb'"\ud800"', rb'{"\udfff": 1}', b'"\xed\xa0\x80"', rb'["x \uDC00 y"]'):
            answer = http.post(path, content=b'{"model": "mail-triage", "comment": ' + half + b"}")
            assert answer.status_code == 400, (path, half)
