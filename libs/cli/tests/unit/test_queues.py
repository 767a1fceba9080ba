"""Commands of queues: what each sends to the API, and what it prints."""

import json

QUEUE = "projects/p/queues/first"
TASK = "projects/p/tasks/t"
VERSION = "projects/p/datasets/p/versions/v1"


def test_a_queue_is_created_with_its_rule(ratoon, server, tmp_path):
    settings = tmp_path / "queue.yaml"
    settings.write_text("goldShare: 0.1\n")
    options = ["--version", "v1", "--guideline", "mail", "--strategy", "margin", "--settings", str(settings)]
    status, _, errors = ratoon("queues", "create", "first", *options)
    assert (status, errors) == (0, "")
    [(_, path, query, body)] = server.sent("POST")
    assert (path, query.get("queueId", body.get("queueId"))) == ("projects/p/queues", "first")
    sent = body.get("queue", body)
    assert (sent["datasetVersion"], sent["guideline"]) == (VERSION, "projects/p/guidelines/mail")
    assert sent["refillRule"] == {"size": 50, "threshold": 0, "strategy": "STRATEGY_MARGIN"}
    assert (sent["overlap"], sent["goldShare"]) == (1, 0.1)


def test_the_next_task_is_shown_with_its_text(ratoon, server):
    task = {"name": TASK, "datasetVersion": VERSION, "recordId": "r1", "state": "STATE_OPEN"}
    server.answers["POST", "projects/p/tasks:claim"] = {"task": task}
    server.answers["GET", f"{VERSION}/records/r1"] = {"recordId": "r1", "text": "You won"}
    status, printed, _ = ratoon("queues", "next", "first", "-o", "json")
    shown = json.loads(printed)
    assert (status, shown["name"], shown["text"]) == (0, TASK, "You won")
    [(_, _, _, body)] = server.sent("POST")
    assert body["queue"] == QUEUE


def test_the_next_task_about_an_answer_comes_with_its_text(ratoon, server):
    task = {"name": TASK, "answerId": "a1", "recordId": "a1", "text": "You won", "state": "STATE_OPEN"}
    server.answers["POST", "projects/p/tasks:claim"] = {"task": task}
    status, printed, _ = ratoon("queues", "next", "first", "-o", "json")
    assert (status, json.loads(printed)["text"]) == (0, "You won")
    assert server.sent("GET") == []


def test_rules_are_added_replaced_and_removed(ratoon, server):
    existing = [{"id": "low", "lowRated": {"maxRating": 1}}, {"id": "bad", "badCases": {}}]
    server.answers["GET", QUEUE] = {"name": QUEUE, "etag": "3", "intakeRules": existing}
    options = ["--low-rated", "--conflicts", "--max-per-day", "7"]
    assert ratoon("queues", "add-rule", "first", "low", *options)[0] == 0
    assert ratoon("queues", "remove-rule", "first", "low")[0] == 0
    added, removed = (body for _, _, _, body in server.sent("PATCH"))
    assert [each["id"] for each in added["intakeRules"]] == ["bad", "low"]
    assert added["intakeRules"][1]["lowRated"] == {"deployment": "", "maxRating": 2, "conflicts": True}
    assert (added["intakeRules"][1]["maxPerDay"], added["etag"]) == (7, "3")
    assert [each["id"] for each in removed["intakeRules"]] == ["bad"]
    assert ratoon("queues", "add-rule", "first", "none")[0] == 2
    assert ratoon("queues", "remove-rule", "first", "none")[0] == 2


def test_an_empty_queue_is_said_and_ends_with_1(ratoon, server):
    server.answers["POST", "projects/p/tasks:claim"] = {}
    status, printed, errors = ratoon("queues", "next", "first")
    assert (status, printed) == (1, "")
    assert errors == f"No task of {QUEUE} waits for you."


def test_an_answer_is_withdrawn(ratoon, server):
    assert ratoon("queues", "undo", "t")[0] == 0
    assert [each[1] for each in server.sent("POST")] == [f"{TASK}:withdraw"]


def test_gold_items_are_read_from_lines_and_bad_lines_are_refused(ratoon, server, tmp_path):
    items = tmp_path / "gold.jsonl"
    items.write_text('{"recordId": "r1", "label": "spam"}\n\n{"recordId": "r2", "label": "ham"}\n')
    assert ratoon("queues", "gold", "first", str(items))[0] == 0
    [(_, path, _, body)] = server.sent("POST")
    assert path.startswith(QUEUE)
    assert [each["label"] for each in body["items"]] == ["spam", "ham"]
    items.write_text("recordId,label\n")
    status, _, errors = ratoon("queues", "gold", "first", str(items))
    assert status == 2
    assert "is not a JSON Lines file" in errors


def test_a_new_version_of_a_guideline_asks_again_for_one_label(ratoon, server):
    name = "projects/p/guidelines/mail"
    server.answers["GET", name] = {"name": name, "etag": "3", "labels": ["ham", "spam"]}
    options = ["--ambiguity", "Newsletters are ham.", "--of-label", "spam", "--note", "Fewer complaints."]
    assert ratoon("guidelines", "update", "mail", *options)[0] == 0
    [(_, path, _, body)] = server.sent("PATCH")
    assert (path, body["ambiguity"], body["etag"]) == (name, "Newsletters are ham.", "3")
    change = {"earlierAnswers": "EARLIER_ANSWERS_ASK_AGAIN", "labels": ["spam"], "note": "Fewer complaints."}
    assert body["change"] == change


def test_a_queue_is_written_for_label_studio_with_its_config(ratoon, server, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "ratoon.client._uploads.Blobs.download_to", lambda _self, digest, path: path.write_text(digest)
    )
    server.answers["POST", f"{QUEUE}:export"] = {
        "digest": "d" * 64,
        "labelConfig": "<View/>",
        "taskCount": "3",
    }
    file, config = tmp_path / "tasks.json", tmp_path / "config.xml"
    status, printed, _ = ratoon("queues", "export", "first", str(file), "--config", str(config), "-o", "json")
    assert (status, json.loads(printed)["taskCount"]) == (0, "3")
    [(_, _, _, body)] = server.sent("POST")
    assert body["format"] == "EXCHANGE_FORMAT_LABEL_STUDIO"
    assert (file.read_text(), config.read_text()) == ("d" * 64, "<View/>")


def test_answers_of_a_file_are_imported_with_what_was_left_out(ratoon, server, tmp_path, monkeypatch):
    monkeypatch.setattr("ratoon.client._uploads.Blobs.upload", lambda _self, _path: "e" * 64)
    answer = {"createdCount": "2", "leftOutCounts": {"CANCELLED": "1"}}
    server.answers["POST", "projects/p/annotations:importFile"] = answer
    file = tmp_path / "answers.csv"
    file.write_text("text,label\n")
    options = ["--version", "v1", "--guideline", "mail", "--format", "csv", "--human"]
    status, printed, _ = ratoon("queues", "import", str(file), *options, "-o", "json")
    assert (status, json.loads(printed)) == (0, answer)
    [(_, _, _, body)] = server.sent("POST")
    assert (body["digest"], body["format"], body["source"]) == (
        "e" * 64,
        "EXCHANGE_FORMAT_CSV",
        "SOURCE_HUMAN",
    )
