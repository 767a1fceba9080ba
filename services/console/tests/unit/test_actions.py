"""Buttons: the API request of each, and what it refuses without one."""

import asyncio
import hashlib

import pytest

from ratoon_console.application.actions import ACTIONS, Form
from ratoon_console.application.run_actions import plan_sentences
from ratoon_console.domain.errors import BadForm, Refused
from ratoon_console.domain.people import Role

ROLLOUT = "projects/p/deployments/d/rollouts/r"


class Api:
    """Records its requests; answers with a rollout."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict, dict]] = []

    async def get(self, name, **query):
        return {"name": name, "etag": "7"}

    async def post(self, name, body, **query):
        self.requests.append(("POST", name, dict(body), query))
        return {"name": f"{ROLLOUT}2", "toVersion": "projects/p/models/m/versions/v1.0"}

    async def patch(self, name, body, **query):
        self.requests.append(("PATCH", name, dict(body), query))
        return {"notices": ["New: 'news'."]} if "labels" in body else {}

    async def put_blob(self, data):
        return hashlib.sha256(data).hexdigest()

    async def delete(self, name, **query):
        self.requests.append(("DELETE", name, {}, query))


def press(what: str, **fields: str):
    api = Api()
    done = asyncio.run(ACTIONS[what].act(Form("p", {"request_id": "q", **fields}), api))
    (request,) = api.requests
    return done, request


@pytest.mark.parametrize("verb", ["pause", "resume", "abort"])
def test_rollouts_are_steered_once_however_often_the_form_is_sent(verb):
    _, (method, name, body, _) = press(f"{verb}-rollout", name=ROLLOUT)
    assert (method, name) == ("POST", f"{ROLLOUT}:{verb}")
    assert body == {"reason": "from the console", "requestId": "q"}


def test_an_undo_leads_to_the_rollout_that_it_started():
    done, (_, name, _, _) = press("undo-rollout", name=ROLLOUT)
    assert name == f"{ROLLOUT}:undo"
    assert done.target == "/p/p/rollouts/r2"
    assert "v1.0" in done.notice


def test_a_pipeline_run_starts_from_a_source_with_a_request_id():
    _, (_, name, body, query) = press("start-pipeline-run", name="projects/p/sources/s", skip_rollout="yes")
    assert name == "projects/p/pipelineRuns"
    assert body == {"sources": ["projects/p/sources/s"], "skipRollout": True}
    assert query == {"requestId": "q"}


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_a_decision_is_sent_with_its_reason(verb):
    _, (_, name, body, _) = press(
        f"{verb}-pipeline-run", name="projects/p/pipelineRuns/r", reason="I read the answers."
    )
    assert (name, body) == (f"projects/p/pipelineRuns/r:{verb}", {"reason": "I read the answers."})


def test_a_policy_is_changed_with_the_etag_of_now():
    _, (method, _, body, query) = press("pause-policy", name="projects/p/policies/default")
    assert (method, body, query) == ("PATCH", {"etag": "7", "paused": True}, {"updateMask": "paused"})


@pytest.mark.parametrize(("button", "dry"), [("end-dry-run", False), ("start-dry-run", True)])
def test_a_dry_run_is_begun_and_ended(button, dry):
    _, (method, _, body, query) = press(button, name="projects/p/policies/default")
    assert (method, body, query) == ("PATCH", {"etag": "7", "dryRun": dry}, {"updateMask": "dryRun"})


def test_a_policy_changes_in_what_its_form_gives():
    fields = {"driftThreshold": "2,5", "minFeedback": "50", "cooldownSeconds": ""}
    _, (_, _, body, query) = press("change-policy", name="projects/p/policies/default", **fields)
    assert body == {"etag": "7", "driftThreshold": 2.5, "minFeedback": 50}
    assert query == {"updateMask": "driftThreshold,minFeedback"}


@pytest.mark.parametrize("fields", [{}, {"minFeedback": "many"}])
def test_a_policy_form_without_numbers_is_refused(fields):
    with pytest.raises(BadForm):
        press("change-policy", name="projects/p/policies/default", **fields)


def test_a_policy_is_deleted_as_it_was_read():
    _, request = press("delete-policy", name="projects/p/policies/default")
    assert request == ("DELETE", "projects/p/policies/default", {}, {"etag": "7"})


def test_the_labels_of_a_project_are_changed_with_a_notice_of_the_consequences():
    done, (_, name, body, _) = press("change-project", labels="ham, spam,\nnews,", instructions=" Which? ")
    assert name == "projects/p"
    assert body == {"etag": "7", "labels": ["ham", "spam", "news"], "instructions": "Which?"}
    assert done.notice == "New: 'news'."


def test_a_project_of_another_task_has_instructions_alone():
    _, (_, _, body, _) = press("change-project", instructions="Rate it.")
    assert body == {"etag": "7", "instructions": "Rate it."}


def test_settings_are_changed_with_the_etag_of_the_page():
    settings = '{"budget": {"maxRuns": 5}, "recipes": []}'
    done, (method, name, body, query) = press("change-settings", settings=settings, etag="read")
    assert (method, name) == ("PATCH", "projects/p")
    assert body == {"etag": "read", "budget": {"maxRuns": 5}, "recipes": []}
    assert query == {"updateMask": "budget,recipes", "allowLabelRemoval": False}
    assert done.notice == "The settings are changed."


@pytest.mark.parametrize("settings", ["", "{", "[]", "{}", '{"name": "projects/other"}', "[" * 100_000])
def test_settings_that_are_none_are_refused(settings):
    with pytest.raises(BadForm):
        press("change-settings", settings=settings, etag="read")


def test_a_task_without_a_label_is_skipped():
    done, (_, name, body, _) = press("complete-task", name="projects/p/tasks/t")
    assert (name, body["label"], done.notice) == ("projects/p/tasks/t:complete", "", "Skipped.")


def test_an_answer_claims_the_next_task_for_a_page_that_names_those_in_work(monkeypatch):
    async def post(api, name, body, **query):
        api.requests.append(("POST", name, body, query))
        return {"nextTasks": [{"name": "projects/p/tasks/n"}]}

    monkeypatch.setattr(Api, "post", post)
    done, (_, name, body, _) = press(
        "complete-task", name="projects/p/tasks/t", in_work="t,u", reason="queue"
    )
    assert (name, done.next_task) == ("projects/p/tasks/t:submit", "n")
    assert body["otherThan"] == ["projects/p/tasks/t", "projects/p/tasks/u"]
    assert (body["claimCount"], body["reason"], body["requestId"]) == (1, "queue", "q")


@pytest.mark.parametrize(
    ("fields", "label", "notice"),
    [
        ({"text": "two\r\nlines\r\n", "save": "1"}, "two\nlines\n", "The answer is saved."),
        ({"text": "4.5", "save": "1"}, "4.5", "Labelled 4.5."),
        ({"choice-1": "billing", "choice-3": "other", "save": "1"}, "billing\nother", "The answer is saved."),
        ({"text": "half an answer", "keep": "1"}, "as it was\r\n", "The answer is saved."),
        ({"text": "half an answer", "skip": "1"}, "", "Skipped."),
    ],
)
def test_a_task_is_answered_with_what_was_entered(fields, label, notice, monkeypatch):
    async def get(_api, name, **_query):
        return {"name": name, "proposedLabel": "as it was\r\n"}

    monkeypatch.setattr(Api, "get", get)
    done, (_, _, body, _) = press("complete-task", name="projects/p/tasks/t", entry="any", **fields)
    assert (body["label"], done.notice) == (label, notice)


@pytest.mark.parametrize(
    ("fields", "rating"),
    [
        ({"entry": "compare", "preference": "PREFERENCE_TIE"}, {"preference": "PREFERENCE_TIE"}),
        ({"entry": "rate", "rating-my tone": "4", "save": "1"}, {"ratings": {"my tone": 4}}),
    ],
)
def test_a_rating_is_sent_without_a_label(fields, rating):
    done, (_, _, body, _) = press("complete-task", name="projects/p/tasks/t", **fields)
    assert body == {"label": "", "requestId": "q", **rating}
    assert done.notice == "The rating is saved."


def test_a_rating_that_is_missing_is_not_taken_for_a_skip():
    with pytest.raises(BadForm, match="rate the answer, or skip"):
        press("complete-task", name="projects/p/tasks/t", entry="rate", save="1")
    done, (_, _, body, _) = press("complete-task", name="projects/p/tasks/t", entry="rate", skip="1")
    assert (body["label"], done.notice) == ("", "Skipped.")


@pytest.mark.parametrize("fields", [{"text": " \r\n"}, {}])
def test_an_empty_answer_is_not_taken_for_a_skip(fields):
    with pytest.raises(BadForm, match="enter one, or skip"):
        press("complete-task", name="projects/p/tasks/t", entry="any", save="1", **fields)


def test_an_alias_is_set_on_the_model_of_the_version():
    _, (_, name, body, _) = press(
        "point-alias", name="projects/p/models/m/versions/v1.1", alias="candidate", reason="ok"
    )
    assert name == "projects/p/models/m/aliases/candidate:set"
    assert body["version"] == "projects/p/models/m/versions/v1.1"


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({"correction": "4.5", "corrected": "yes"}, {"id": "a", "correction": "4.5"}),
        ({"correction": "two\r\nlines"}, {"id": "a", "correction": "two\nlines"}),
        (
            {"choice-2": "urgent", "choice-10": "late", "choice-1": "billing"},
            {"id": "a", "correction": "billing\nurgent\nlate"},
        ),
        ({"rating": "4", "consent": "evaluation"}, {"id": "a", "rating": 4, "consent": "evaluation"}),
        ({"outcome": "hours saved", "value": "1,5"}, {"id": "a", "outcomes": {"hours saved": 1.5}}),
        ({"comment": "Too long."}, {"id": "a", "comment": "Too long."}),
        (
            {"rejected_answer_id": "b", "better": "first"},
            {"preferred_answer_id": "a", "rejected_answer_id": "b"},
        ),
    ],
)
def test_feedback_takes_texts_numbers_labels_and_pairs(fields, body):
    _, (_, name, sent, _) = press("give-feedback", answer_id="a", **fields)
    assert (name, sent) == ("feedback", body)


def test_feedback_contains_only_the_submitted_fields():
    _, (_, name, body, _) = press("give-feedback", answer_id="a", thumb="up", correction="")
    assert (name, body) == ("feedback", {"id": "a", "thumb": "up"})


class Collecting(Api):
    """Exports `count` records; `existing` datasets are a conflict."""

    def __init__(self, count: int, existing: int = 0) -> None:
        super().__init__()
        self.count, self.existing = count, existing

    async def post(self, name, body, **query):
        self.requests.append(("POST", name, dict(body), query))
        if name.endswith(":export"):
            return {"digest": "d" * 64, "recordCount": str(self.count)} if self.count else {}
        if name.endswith("/datasets") and self.existing:
            raise Refused(self.existing, "EXISTS", "It exists.")
        return {"name": f"{name}/{'v3' if name.endswith('versions') else 's1'}"}


def collect(what: str, api: Collecting, **fields: str):
    return asyncio.run(ACTIONS[what].act(Form("p", {"request_id": "q", **fields}), api))


@pytest.mark.parametrize(
    ("what", "fields", "exported", "dataset", "attributes"),
    [
        (
            "collect-feedback",
            {"form": "preference"},
            ("projects/p/feedback:export", {"forms": ["FORM_PREFERENCE"]}),
            "p-feedback",
            ["version", "user", "consent", "feedback"],
        ),
        ("collect-feedback", {}, ("projects/p/feedback:export", {"forms": []}), "p-feedback", None),
        (
            "collect-bad-cases",
            {"name": "projects/p/evaluationRuns/e", "domain": "new"},
            ("projects/p/evaluationRuns/e/badCases:export", {"domain": "new"}),
            "p-bad-cases",
            ["domain", "predicted"],
        ),
        (
            "collect-bad-cases",
            {"name": "projects/p/evaluationRuns/e", "domain": "", "suite": "hard", "test": "typos"},
            ("projects/p/evaluationRuns/e/badCases:export", {"suite": "hard", "test": "typos"}),
            "p-bad-cases",
            ["domain", "predicted"],
        ),
    ],
)
@pytest.mark.parametrize("existing", [0, 409])
def test_records_are_collected_into_a_version_of_a_dataset(
    what, fields, exported, dataset, attributes, existing
):
    api = Collecting(1234, existing)
    done = collect(what, api, **fields)
    (export, source, created, version) = api.requests
    assert export[1:3] == exported
    assert (source[1], source[2]["digest"], source[3]) == ("projects/p/sources", "d" * 64, {"requestId": "q"})
    if attributes:
        assert source[2]["columns"] == {"attributes": attributes}
    assert created[3] == {"datasetId": dataset}
    assert version[1:3] == (
        f"projects/p/datasets/{dataset}/versions",
        {"sources": ["projects/p/sources/s1"]},
    )
    assert (done.target, "1,234 records" in done.notice) == (f"/p/p/data/{dataset}/v3", True)


def test_nothing_to_collect_creates_nothing_and_another_refusal_is_shown():
    api = Collecting(0)
    assert "No feedback" in collect("collect-feedback", api).notice
    assert len(api.requests) == 1
    with pytest.raises(Refused):
        collect("collect-feedback", Collecting(1, 403))


def test_a_source_is_read_with_the_columns_of_the_form():
    fields = {
        "name": "projects/p/sources/s",
        "etag": "e7",
        "column-prompt": " question ",
        "column-text": "",
        "column-attributes": "user, team,",
        "encoding": "",
    }
    _, (method, name, body, query) = press("change-source", **fields)
    assert (method, name, query) == ("PATCH", "projects/p/sources/s", {"updateMask": "columns,encoding"})
    columns = {"prompt": "question", "text": "", "attributes": ["user", "team"]}
    assert body == {"etag": "e7", "columns": columns, "encoding": ""}
    _, (_, _, body, query) = press("change-source", **fields, sample_by="SAMPLE_BY_DOCUMENT")
    assert (body["sampleBy"], query["updateMask"]) == ("SAMPLE_BY_DOCUMENT", "columns,encoding,sampleBy")


@pytest.mark.parametrize("fields", [{}, {"name": " "}, {"name": "projects/other/deployments/d/rollouts/r"}])
def test_a_form_that_lacks_its_resource_or_names_another_project_is_refused(fields):
    with pytest.raises(BadForm):
        press("pause-rollout", **fields)


def test_what_moves_traffic_is_the_operators():
    moving = {
        "roll-out",
        "pause-rollout",
        "resume-rollout",
        "abort-rollout",
        "undo-rollout",
        "delete-deployment",
    }
    assert {name for name, action in ACTIONS.items() if action.role is Role.OPERATOR} == moving


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("pipelineRuns/r", "loop"),
        ("trainingRuns/r", "training"),
        ("evaluationRuns/r", "evaluations"),
        ("datasets/d/versions/v1", "data"),
        ("models/m/versions/v1.0", "models"),
    ],
)
def test_what_has_ended_is_deleted_and_the_list_of_its_kind_follows(name, page):
    done, request = press("delete-ended", name=f"projects/p/{name}")
    assert request == ("DELETE", f"projects/p/{name}", {}, {})
    assert done.target == f"/p/p/{page}"


RUN = "projects/p/trainingRuns/r"


@pytest.mark.parametrize("verb", ["stop", "resume"])
def test_a_training_run_is_stopped_and_resumed(verb):
    _, request = press(f"{verb}-run", name=RUN)
    assert request == ("POST", f"{RUN}:{verb}", {}, {})


def test_a_clone_changes_what_the_form_holds_and_is_shown():
    done, (_, name, body, _) = press(
        "clone-run", name=RUN, learningRate="0.01", epochs=" ", batchSize="8", continue_training="yes"
    )
    assert name == f"{RUN}:clone"
    assert body == {
        "recipe": {"learningRate": 0.01, "batchSize": 8},
        "continueTraining": True,
        "requestId": "q",
    }
    assert done.target == "/p/p/training/r2"


def test_a_clone_that_is_only_planned_says_its_size_and_its_problems():
    done, (_, _, body, _) = press("clone-run", name=RUN, plan_only="yes")
    assert body == {"recipe": {}, "validateOnly": True, "requestId": "q"}
    assert done.target == ""
    plan = {
        "measuredBytes": "1073741824",
        "availableBytes": "2147483648",
        "estimate": {
            "steps": "1200",
            "tokens": "64000",
            "seconds": 90.0,
            "device": "1 worker on cpu",
            "cost": 0.5,
        },
        "problems": [{"reason": "BATCH_OF_ONE", "message": "Raise it."}],
    }
    assert plan_sentences(plan) == (
        "1,200 steps, 64,000 tokens, about 1 min 30 s on 1 worker on cpu, 1.0 GiB of 2.0 GiB of memory. "
        "Cost: 0.50. BATCH_OF_ONE: Raise it."
    )


def test_a_deployment_is_deleted_without_force():
    _, request = press("delete-deployment", name="projects/p/deployments/d")
    assert request == ("DELETE", "projects/p/deployments/d", {}, {})


def test_a_source_is_deleted_as_it_was_read():
    done, request = press("delete-source", name="projects/p/sources/s")
    assert request == ("DELETE", "projects/p/sources/s", {}, {"etag": "7"})
    assert done.target == "/p/p/data"


SUITE = "projects/p/suites/hard"
LINES = '{"prompt": "5 + 6?", "reference": "11"}\r\n\r\n{"prompt": "1 + 1?", "reference": "2"}\r\n'
STORED = hashlib.sha256(LINES.strip().replace("\r\n\r\n", "\n").encode()).hexdigest()


def test_a_suite_is_created_from_pasted_records():
    noise = {"noise-PERTURBATION_TYPOS": "yes", "step_by_step": "yes", "kind": "KIND_NOISE"}
    done, (method, name, body, query) = press(
        "create-suite", suite="hard", test="sums", records=LINES, **noise
    )
    assert (method, name, query) == ("POST", "projects/p/suites", {"suiteId": "hard", "requestId": "q"})
    (test,) = body["tests"]
    assert (test["name"], test["kind"]) == ("sums", "KIND_NOISE")
    assert test["records"] == {
        "digest": STORED,
        "stepByStep": {},
        "noise": {"perturbations": ["PERTURBATION_TYPOS"]},
    }
    assert done.target.startswith("/p/p/suites/")


def test_a_suite_is_created_from_a_pasted_task_with_its_documents():
    fields = {"yaml": "task: gsm8k\r\n", "file_name": "test.jsonl", "documents": LINES}
    _, (_, _, body, _) = press("create-suite", suite="hard", test="gsm8k", **fields)
    assert body["tests"][0]["harness"] == {
        "yaml": "task: gsm8k",
        "files": [{"name": "test.jsonl", "digest": STORED}],
    }


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "The test is empty"),
        ({"records": "5 + 6?"}, "Line 1 is not JSON"),
        ({"records": '{"prompt": "a"}\n3'}, "Line 2 is no JSON object"),
        ({"records": LINES, "yaml": "task: x"}, "not both"),
        ({"yaml": "task: x", "documents": LINES}, "The file has no name"),
    ],
)
def test_a_test_without_one_content_is_refused(fields, problem):
    with pytest.raises(BadForm, match=problem):
        press("create-suite", suite="hard", test="t", **fields)


class Suites(Api):
    """An API with a suite."""

    async def get(self, name, **query):
        records = {"digest": "d", "noise": {"rate": 0.2, "perturbations": ["PERTURBATION_CASE"]}}
        harness = {"yaml": "a", "files": [{"name": "x", "digest": "1"}], "fewShot": 3}
        return {"name": name, "etag": "7", "tests": [
            {"name": "typos", "records": records}, {"name": "gsm8k", "harness": harness}]}  # fmt: skip


def changed(what, **fields):
    api = Suites()
    asyncio.run(ACTIONS[what].act(Form("p", {"request_id": "q", "name": SUITE, "etag": "6", **fields}), api))
    ((_, name, body, query),) = api.requests
    assert (name, body["etag"], query) == (SUITE, "6", {"updateMask": "tests"})
    return body["tests"]


def test_a_saved_test_keeps_the_content_that_is_not_pasted_again():
    noise = {"noise-PERTURBATION_CASE": "yes"}
    first, second = changed("save-test", test="typos", metric="accuracy", **noise)
    assert (first["metric"], second["name"]) == ("accuracy", "gsm8k")
    assert first["records"] == {
        "digest": "d", "noise": {"rate": 0.2, "perturbations": ["PERTURBATION_CASE"]}}  # fmt: skip
    _, task = changed("save-test", test="gsm8k", yaml="b", file_name="x", documents=LINES)
    assert task["harness"] == {"yaml": "b", "files": [{"name": "x", "digest": STORED}], "fewShot": 3}
    *_, added = changed("save-test", test="new", records=LINES)
    assert added["records"] == {"digest": STORED}


def test_a_test_is_removed():
    assert [test["name"] for test in changed("remove-test", test="typos")] == ["gsm8k"]


def test_a_judge_is_created_with_an_endpoint_or_an_artifact():
    fields = {
        "judge": "helpful",
        "kind": "KIND_PAIRWISE",
        "base_url": " https://judge.example/v1 ",
        "model": "m",
    }
    done, (method, name, body, query) = press("create-judge", **fields, criteria="", model_digest="")
    assert (method, name, query) == ("POST", "projects/p/judges", {"judgeId": "helpful", "requestId": "q"})
    assert body == {"kind": "KIND_PAIRWISE", "baseUrl": "https://judge.example/v1", "model": "m"}
    assert done.target.startswith("/p/p/judges/")
    artifact = {"judge": "own", "kind": "KIND_RUBRIC", "model_digest": "ab" * 32, "criteria": "Short."}
    _, (_, _, body, _) = press("create-judge", **artifact)
    assert body == {"kind": "KIND_RUBRIC", "modelDigest": "ab" * 32, "criteria": "Short."}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"kind": "KIND_RUBRIC"}, "an endpoint, or the digest"),
        (
            {"kind": "KIND_RUBRIC", "base_url": "https://a/v1", "model_digest": "ab"},
            "an endpoint, or the digest",
        ),
        ({"kind": "", "base_url": "https://a/v1"}, "no kind"),
        ({"kind": "KIND_RUBRIC", "base_url": "https://a/v1", "judge": " "}, "lacks 'judge'"),
    ],
)
def test_a_judge_that_nothing_answers_for_is_refused(fields, problem):
    with pytest.raises(BadForm, match=problem):
        press("create-judge", **{"judge": "j", **fields})


def test_a_judge_is_deleted():
    done, request = press("delete-ended", name="projects/p/judges/helpful")
    assert request == ("DELETE", "projects/p/judges/helpful", {}, {})
    assert done.target == "/p/p/judges"


STEPS = [{"name": "normalize", "params": {"form": "NFC"}}, {"name": "language"}, {"name": "c4"}]


def edit_steps(what: str, steps: list[dict] = STEPS, **fields: str):
    """Press a button of the page of steps; return the steps that it asks for."""
    api = Api()

    async def get(name, **query):
        return {"name": name, "etag": "7", "curation": steps}

    api.get = get
    done = asyncio.run(ACTIONS[what].act(Form("p", {"etag": "7", **fields}), api))
    ((method, name, body, query),) = api.requests
    assert (method, name, body["etag"], query) == ("PATCH", "projects/p", "7", {"updateMask": "curation"})
    assert done.target == "/p/p/curation"
    return body["curation"]


def test_steps_are_added_set_moved_and_removed():
    added = edit_steps("add-step", step="word_list", params="block=a, b\nmin_matches=2\n")
    assert added == [*STEPS, {"name": "word_list", "params": {"block": "a, b", "min_matches": "2"}}]
    assert edit_steps("add-step", steps=[], step="c4") == [{"name": "c4", "params": {}}]
    assert edit_steps("set-step", place="1", params="keep = en, zh")[1] == {
        "name": "language",
        "params": {"keep": "en, zh"},
    }
    assert edit_steps("set-step", place="0", params="")[0] == {"name": "normalize", "params": {}}
    assert [step["name"] for step in edit_steps("move-step-up", place="2")] == ["normalize", "c4", "language"]
    assert [step["name"] for step in edit_steps("move-step-down", place="0")] == [
        "language",
        "normalize",
        "c4",
    ]
    assert edit_steps("move-step-up", place="0") == STEPS
    assert edit_steps("remove-step", place="1") == [STEPS[0], STEPS[2]]


@pytest.mark.parametrize(
    ("what", "fields", "sentence"),
    [
        ("set-step", {"place": "0", "params": "NFC"}, "'NFC' is not PARAMETER=VALUE"),
        ("remove-step", {"place": "3"}, "not in the list any more"),
        ("move-step-up", {"place": "-1"}, "not in the list any more"),
    ],
)
def test_a_change_of_steps_that_is_not_clear_is_refused(what, fields, sentence):
    with pytest.raises(BadForm, match=sentence):
        edit_steps(what, **fields)
