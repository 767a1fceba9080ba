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
