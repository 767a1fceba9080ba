"""Shortcuts for frequent tasks: what each sends to the API, and what it prints."""

import json

import httpx
import pytest

from .conftest import watch

ORIGIN = {"x-ratoon-model": "p@v1.0", "x-ratoon-answer-id": "answer-1"}
RUN = "projects/p/pipelineRuns/r"
ROLLOUT = "projects/p/deployments/p/rollouts/r"


@pytest.fixture
def answers(server):
    """Serve a chat answer and a continuation."""
    chat = {"id": "c", "choices": [{"message": {"content": "spam"}}]}
    server.answers["POST", "chat/completions"] = httpx.Response(200, json=chat, headers=ORIGIN)
    text = {"id": "c", "choices": [{"text": " and ham"}]}
    server.answers["POST", "completions"] = httpx.Response(200, json=text, headers=ORIGIN)


def test_a_prompt_is_answered(ratoon, server, answers):
    status, printed, errors = ratoon("ask", "You won", "--max-tokens", "3")
    assert (status, printed) == (0, "spam\n")
    assert "(p@v1.0; feedback: ratoon feedback give answer-1 --thumb up|down)" in errors
    assert server.sent()[0][3] == {
        "model": "p",
        "messages": [{"role": "user", "content": "You won"}],
        "max_tokens": 3,
        "temperature": 0,
    }


def test_an_answer_for_programs_has_its_id_and_version(ratoon, answers):
    printed = json.loads(ratoon("ask", "You won", "-o", "json")[1])
    assert (printed["id"], printed["model"], printed["text"]) == ("answer-1", "p@v1.0", "spam")
    assert ratoon("ask", "You won", "-o", "name")[1] == "answer-1\n"


def test_a_text_is_continued(ratoon, server, answers):
    assert ratoon("ask", "spam", "--continue", "--model", "p@v1.0")[1] == " and ham\n"
    assert server.sent()[0][3] == {"model": "p@v1.0", "prompt": "spam", "max_tokens": 8, "temperature": 0}


def test_the_served_models_are_listed(ratoon, server):
    server.answers["GET", "models"] = {"data": [{"id": "p/p"}, {"id": "p/p@v1.0"}]}
    assert ratoon("models", "served", "-o", "name")[1].split() == ["p/p", "p/p@v1.0"]
    server.answers["GET", "models"] = {"data": []}
    assert "Nothing is served." in ratoon("models", "served")[2]


def test_feedback_is_given(ratoon, server):
    assert ratoon("feedback", "give", "answer-1", "--thumb", "down", "--correction", "ham")[0] == 0
    assert ratoon("feedback", "give", "answer-1", "--rating", "4")[0] == 0
    assert [body for *_, body in server.sent()] == [
        {"id": "answer-1", "thumb": "down", "correction": "ham"},
        {"id": "answer-1", "rating": 4},
    ]
    assert ratoon("feedback", "give", "answer-1", "--thumb", "sideways")[0] == 2


def test_feedback_of_every_form_is_given(ratoon, server):
    stored = {"name": "projects/p/feedback/f", "id": "a", "version": "p@v1.0"}
    server.answers = {("POST", "/v1/feedback"): lambda _request: httpx.Response(200, json=stored)}
    for arguments in (
        ["give", "a", "--correction", "billing", "--correction", "urgent", "--consent", "none"],
        ["give", "a", "--outcome", "resolved=1", "--outcome", "minutes=7.5", "--implicit", "copied"],
        ["prefer", "a", "b", "--user", "ann"],
    ):
        assert ratoon("feedback", *arguments)[0] == 0
    assert [json.loads(request.content) for request in server.requests] == [
        {"id": "a", "correction": ["billing", "urgent"], "consent": "none"},
        {"id": "a", "outcomes": {"resolved": 1.0, "minutes": 7.5}, "implicit": "copied"},
        {"preferred_answer_id": "a", "rejected_answer_id": "b", "user": "ann"},
    ]
    assert ratoon("feedback", "give", "a", "--outcome", "resolved")[0] == 2


def test_feedback_is_compared(ratoon, server):
    server.answers["GET", "projects/p/feedback:compare"] = {"versions": []}
    assert ratoon("feedback", "compare", "v1.1", "v1.0")[0] == 0
    assert dict(server.requests[0].url.params) == {
        "version": "projects/p/models/p/versions/v1.1",
        "otherVersion": "projects/p/models/p/versions/v1.0",
    }


def test_a_pipeline_is_run_to_its_end(ratoon, server):
    server.answers["POST", "projects/p/pipelineRuns"] = {"name": RUN}
    stages = [{"id": "training", "state": "SUCCEEDED", "message": "step 9"}]
    products = {"modelVersion": "projects/p/models/p/versions/v1.0"}
    final = {"name": RUN, "state": "STATE_SUCCEEDED", "stages": stages, "products": products}
    server.answers["GET", f"{RUN}:watch"] = watch({"name": RUN, "state": "STATE_RUNNING"}, final)
    status, printed, errors = ratoon("pipelines", "run", "--source", "mails")
    assert status == 0, errors
    assert "training succeeded step 9" in " ".join(printed.split())
    assert "v1.0 passed its gate and now serves p." in errors
    assert server.sent()[0][3] == {"sources": ["projects/p/sources/mails"], "skipRollout": False}


def test_a_rollout_is_created_with_its_steps_and_watched(ratoon, server):
    server.answers["POST", "projects/p/deployments/p/rollouts"] = {"name": ROLLOUT}
    server.answers["GET", f"{ROLLOUT}:watch"] = watch(
        {"name": ROLLOUT, "state": "STATE_ROLLED_BACK", "reason": "errors"}
    )
    status, _, errors = ratoon("rollouts", "create", "v1.1", "--share", "10", "--share", "50")
    assert (status, "errors" in errors) == (1, True)
    assert server.sent()[0][3] == {
        "toVersion": "projects/p/models/p/versions/v1.1",
        "shares": [10, 50],
        "stepSeconds": 10.0,
    }


def test_a_rollout_that_waits_for_pairs_of_answers(ratoon, server):
    server.answers["POST", "projects/p/deployments/p/rollouts"] = {"name": ROLLOUT}
    server.answers["GET", f"{ROLLOUT}:watch"] = watch({"name": ROLLOUT, "state": "STATE_SUCCEEDED"})
    options = (
        "--shadow-share",
        "0.2",
        "--min-pairs",
        "100",
        "--max-wait",
        "60",
        "--metric",
        "accuracy",
        "--require-pairs",
    )
    status, _, errors = ratoon("rollouts", "create", "v1.1", *options)
    assert status == 0, errors
    assert server.sent()[0][3]["shadow"] == {
        "share": 0.2,
        "minPairs": 100,
        "maxWaitSeconds": 60.0,
        "metric": "accuracy",
        "maxLoss": 0.0,
        "requirePairs": True,
    }


def test_the_latest_rollout_is_undone(ratoon, server):
    server.listing("projects/p/deployments/p/rollouts", "rollouts", [{"name": ROLLOUT}])
    server.answers["POST", f"{ROLLOUT}:undo"] = {"name": ROLLOUT}
    status, _, errors = ratoon("rollouts", "undo", "--reason", "complaints")
    assert status == 0, errors
    assert "Watch it with: ratoon rollouts watch deployments/p/rollouts/r" in errors
    [(_, name, _, body)] = server.sent()
    assert (name, body["reason"]) == (f"{ROLLOUT}:undo", "complaints")


def test_word_lists_and_limits_are_set(ratoon, server, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("one\n\n two \n")
    assert ratoon("safety", "set", "--prompts", str(words))[0] == 0
    assert ratoon("keys", "limit", "k", "--tokens-per-day", "9")[0] == 0
    assert ratoon("keys", "update", "k", "--expires", "2030-01-02")[0] == 0
    assert ratoon("policies", "pause", "--resume")[0] == 0
    assert ratoon("deployments", "scale", "0", "2")[0] == 0
    bodies = {name: {k: v for k, v in body.items() if k != "requestId"} for _, name, _, body in server.sent()}
    assert bodies == {
        "projects/p/safetyFilter": {"inputWords": ["one", "two"]},
        "projects/p/apiKeys/k": {"expireTime": "2030-01-02T00:00:00Z"},
        "projects/p/policies/default": {"paused": False, "etag": "e2"},
        "projects/p/deployments/p:scale": {"minReplicas": 0, "maxReplicas": 2},
    }
    limits = next(body for _, name, _, body in server.sent() if name.endswith("/k") and "limits" in body)
    assert limits == {"limits": {"tokensPerDay": "9"}}


def test_a_source_is_updated_with_the_etag_that_was_read(ratoon, server):
    assert ratoon("datasets", "sources", "update", "s", "--label", "team", "--format", "csv")[0] == 0
    assert server.sent() == [
        (
            "PATCH",
            "projects/p/sources/s",
            {},
            {"columns": {"label": "team"}, "format": "FORMAT_CSV", "etag": "e2"},
        )
    ]


def test_records_are_erased(ratoon, server):
    erasure = "projects/p/erasures/e"
    server.answers["POST", "projects/p/erasures"] = {"name": erasure}
    final = {"name": erasure, "state": "STATE_SUCCEEDED", "unreadSources": ["projects/p/sources/s"]}
    server.answers["GET", f"{erasure}:watch"] = watch(final)
    status, _, errors = ratoon("datasets", "erase", "a", "b", "--reason", "asked", "--yes")
    assert status == 0, errors
    assert "projects/p/sources/s may still contain the texts" in errors
    assert server.sent()[0][3] == {"recordIds": ["a", "b"], "reason": "asked"}


def test_the_store_is_asked_for_a_file(ratoon, server):
    assert ratoon("blobs", "exists", "0" * 64)[0] == 0
    server.answers["HEAD", f"blobs/{'1' * 64}"] = httpx.Response(204)
    assert ratoon("blobs", "exists", "1" * 64)[0] == 3
