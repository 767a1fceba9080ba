"""Queues over a real socket: unlabelled records become tasks, and people's answers labels; ingestion is a fake."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pyarrow.parquet as pq
import pytest

from ratoon.labeling.v1 import annotation_pb2, label_set_pb2, queue_pb2
from ratoon.labeling.v1 import labeling_service_pb2 as pb
from ratoon.labeling.v1.labeling_service_pb2_grpc import LabelingServiceStub
from ratoon.process.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from ratoon.security.identity import Role

PROJECT = "projects/q"
GUIDELINE = f"{PROJECT}/guidelines/mail"
VERSIONS = f"{PROJECT}/datasets/mail/versions"
Queue, Refill, Task = queue_pb2.Queue, queue_pb2.Refill, annotation_pb2.Task
ANN, BOB, CY = (f"projects/-/apiKeys/{name}" for name in ("ann", "bob", "cy"))


@pytest.fixture(scope="module")
def people(state):
    """Stubs of annotators by the id of their key."""

    def stub(name: str, role: Role = Role.ANNOTATOR) -> LabelingServiceStub:
        return LabelingServiceStub(state.as_role(role, "labeling", key=name))

    return {name: stub(name) for name in ("ann", "bob", "cy")}


@pytest.fixture(scope="module", autouse=True)
def guideline(labeling):
    spec = annotation_pb2.Guideline(instructions="Is it spam?", labels=["ham", "spam"])
    labeling.CreateGuideline(pb.CreateGuidelineRequest(parent=PROJECT, guideline_id="mail", guideline=spec))


@pytest.fixture
def put_queue(labeling, datasets, put_dataset):
    """Creates a queue over a dataset version of its own, and waits for its first refill."""

    def put(name: str, labels, *, texts=None, digests=None, refill: int = 0, **fields) -> Queue:
        digests = digests or [f"{name}-{number}" for number in range(len(labels))]
        datasets.ready[f"{VERSIONS}/{name}"] = put_dataset(labels, f"{name}-", texts=texts, digests=digests)
        spec = Queue(**{"dataset_version": f"{VERSIONS}/{name}", "guideline": GUIDELINE, **fields})
        queue = labeling.CreateQueue(pb.CreateQueueRequest(parent=PROJECT, queue_id=name, queue=spec))
        if refill:
            ended(labeling, create_refill(labeling, queue.name, size=refill).name)
        elif queue.last_refill:
            ended(labeling, queue.last_refill)
        return labeling.GetQueue(pb.GetQueueRequest(name=queue.name))

    return put


def create_refill(labeling, queue: str, request_id: str = "", **fields) -> Refill:
    return labeling.CreateRefill(
        pb.CreateRefillRequest(parent=queue, refill=Refill(**fields), request_id=request_id)
    )


def ended(labeling, name: str) -> Refill:
    *_, last = labeling.WatchRefill(pb.WatchRefillRequest(name=name), timeout=60)
    assert last.state == Refill.STATE_SUCCEEDED, last.failure
    return last


def claimed(person, queue: Queue, **fields) -> Task:
    return person.ClaimTask(pb.ClaimTaskRequest(parent=PROJECT, queue=queue.name, **fields)).task


def answered(person, queue: Queue, label: str = "ham") -> list[str]:
    """Answer all that a person gets; returns the records."""
    records = []
    while (task := claimed(person, queue)).name:
        person.CompleteTask(pb.CompleteTaskRequest(name=task.name, label=label))
        records.append(task.record_id)
    return records


def read(labeling, queue: Queue) -> Queue:
    return labeling.GetQueue(pb.GetQueueRequest(name=queue.name))


def test_unlabelled_records_become_tasks_and_answers_labels(labeling, people, put_queue):
    queue = put_queue("first", [None] * 7 + ["spam"], refill=5)
    assert (queue.open_count, queue.state) == (5, Queue.STATE_OPEN)
    records = answered(people["ann"], queue)
    assert len(set(records)) == 5
    queue = read(labeling, queue)
    assert (queue.open_count, queue.done_count, queue.state) == (0, 5, Queue.STATE_COMPLETE)
    more = ended(labeling, create_refill(labeling, queue.name, size=50).name)
    assert (more.task_count, more.candidate_count, more.labelled_count) == (2, 2, 6)
    assert more.stop_reason == Queue.STOP_REASON_EXHAUSTED
    assert not set(answered(people["bob"], queue)) & set(records)
    created = labeling.CreateLabelSet(
        pb.CreateLabelSetRequest(
            parent=PROJECT,
            label_set=label_set_pb2.LabelSet(dataset_version=queue.dataset_version, guideline=GUIDELINE),
        )
    )
    *_, frozen = labeling.WatchLabelSet(pb.WatchLabelSetRequest(name=created.name), timeout=60)
    assert (dict(frozen.class_counts), frozen.unlabelled_count) == ({"ham": 7, "spam": 1}, 0)


def test_a_refill_starts_when_few_tasks_are_left_and_fills_up_to_a_number_of_labels(
    labeling, people, put_queue
):
    rule = Queue.RefillRule(size=4, threshold=2, max_tasks=6)
    queue = put_queue("rule", [None] * 20, refill_rule=rule)
    assert queue.open_count == 4
    for _ in range(3):
        task = claimed(people["ann"], queue)
        people["ann"].CompleteTask(pb.CompleteTaskRequest(name=task.name, label="ham"))
    ended(labeling, read(labeling, queue).last_refill)
    queue = read(labeling, queue)
    assert (queue.open_count, queue.stop_reason) == (3, Queue.STOP_REASON_MAX_TASKS)
    answered(people["ann"], queue)
    assert read(labeling, queue).state == Queue.STATE_COMPLETE
    rule.max_tasks = 0
    rule.threshold = 0
    request = pb.UpdateQueueRequest(queue=Queue(name=queue.name, refill_rule=rule))
    assert labeling.UpdateQueue(request).stop_reason == Queue.STOP_REASON_UNSPECIFIED
    lacking = ended(labeling, create_refill(labeling, queue.name, size=50, min_labelled=8).name)
    assert (lacking.labelled_count, lacking.task_count) == (6, 2)
    assert ended(labeling, create_refill(labeling, queue.name, min_labelled=6).name).task_count == 0


def test_overlap_counts_people_who_answer_and_no_one_gets_an_item_twice(labeling, people, put_queue):
    queue = put_queue("overlap", [None, None], refill=1, overlap=2)
    ann, bob, cy = people["ann"], people["bob"], people["cy"]
    task = claimed(ann, queue)
    with pytest.raises(FailedPrecondition, match="claimed by"):
        bob.CompleteTask(pb.CompleteTaskRequest(name=task.name, label="ham"))
    assert not claimed(bob, queue).name
    ann.CompleteTask(pb.CompleteTaskRequest(name=task.name, label="spam"))
    ann.CompleteTask(pb.CompleteTaskRequest(name=task.name, label="spam"))
    assert not claimed(ann, queue).name
    assert not claimed(bob, queue).answers
    bob.CompleteTask(pb.CompleteTaskRequest(name=task.name, skip_reason="no text"))
    assert read(labeling, queue).open_count == 1
    done = cy.CompleteTask(pb.CompleteTaskRequest(name=task.name, label="ham", comment="unclear"))
    assert done.state == Task.STATE_DONE
    assert [each.annotator for each in done.answers] == [CY]
    whole = labeling.GetTask(pb.GetTaskRequest(name=task.name))
    assert [(each.annotator, each.label, each.skip_reason) for each in whole.answers] == [
        (ANN, "spam", ""),
        (BOB, "", "no text"),
        (CY, "ham", ""),
    ]
    assert [each.text for each in whole.comments] == ["unclear"]
    summary = labeling.SummarizeQueue(pb.SummarizeQueueRequest(name=queue.name))
    assert (summary.compared_count, summary.raw_agreement) == (1, 0)
    assert {each.name: each.skip_count for each in summary.annotators} == {ANN: 0, BOB: 1, CY: 0}
    own = bob.SummarizeQueue(pb.SummarizeQueueRequest(name=queue.name))
    assert [each.name for each in own.annotators] == [BOB]


def test_many_at_once_answer_each_item_as_often_as_asked(labeling, people, put_queue):
    queue = put_queue("crowd", [None] * 12, refill=12)
    with ThreadPoolExecutor(3) as pool:
        records = list(pool.map(lambda person: answered(person, queue), people.values()))
    assert Counter(each for some in records for each in some) == Counter(f"crowd-{n}" for n in range(12))
    assert read(labeling, queue).done_count == 12


def test_the_next_item_is_claimed_in_advance_and_an_answer_is_withdrawn(labeling, people, put_queue):
    queue = put_queue("undo", [None] * 3, refill=3)
    ann = people["ann"]
    first = claimed(ann, queue)
    following = claimed(ann, queue, other_than=[first.name])
    assert following.name not in ("", first.name)
    third = claimed(ann, queue, other_than=[first.name, following.name])
    assert third.name not in ("", first.name, following.name)
    with pytest.raises(InvalidArgument, match="101 names"):
        claimed(ann, queue, other_than=[str(number) for number in range(101)])
    ann.CompleteTask(pb.CompleteTaskRequest(name=first.name, label="spam"))
    assert read(labeling, queue).done_count == 1
    again = ann.WithdrawAnswer(pb.WithdrawAnswerRequest(name=first.name))
    assert (again.state, again.lease_holder, len(again.answers)) == (Task.STATE_OPEN, ANN, 0)
    assert (read(labeling, queue).open_count, read(labeling, queue).done_count) == (3, 0)
    with pytest.raises(FailedPrecondition, match="no answer"):
        people["bob"].WithdrawAnswer(pb.WithdrawAnswerRequest(name=first.name))
    ann.CompleteTask(pb.CompleteTaskRequest(name=first.name, label="ham"))
    listed = labeling.ListAnnotations(pb.ListAnnotationsRequest(parent=PROJECT, page_size=1000))
    given = [each for each in listed.annotations if each.record_id == first.record_id]
    assert [(each.label, each.queue) for each in given] == [("ham", queue.name)]
    assert given[0].selection == annotation_pb2.SELECTION_RANDOM


def test_a_second_person_reviews_and_sends_back(labeling, people, put_queue):
    queue = put_queue("review", [None] * 3, refill=3, review_share=1, reviewers=["bob"])
    ann, bob, decision = people["ann"], people["bob"], Task.Review
    records = answered(ann, queue, "spam")
    assert (len(records), read(labeling, queue).review_count) == (3, 3)
    with pytest.raises(PermissionDenied, match="does not review"):
        claimed(ann, queue, to_review=True)
    reviewed = [claimed(bob, queue, to_review=True)]
    bob.ReviewTask(pb.ReviewTaskRequest(name=reviewed[0].name, decision=decision.DECISION_ACCEPT))
    reviewed.append(claimed(bob, queue, to_review=True))
    fixed = pb.ReviewTaskRequest(name=reviewed[1].name, decision=decision.DECISION_FIX, label="ham")
    assert bob.ReviewTask(fixed).label == "ham"
    last = claimed(bob, queue, to_review=True)
    back = pb.ReviewTaskRequest(name=last.name, decision=decision.DECISION_SEND_BACK)
    with pytest.raises(InvalidArgument, match="comment"):
        bob.ReviewTask(back)
    back.comment = "The link is a newsletter's."
    assert bob.ReviewTask(back).state == Task.STATE_OPEN
    again = claimed(ann, queue)
    assert (again.name, again.comments[0].text) == (last.name, back.comment)
    ann.CompleteTask(pb.CompleteTaskRequest(name=again.name, label="ham"))
    assert read(labeling, queue).review_count == 1
    listed = labeling.ListAnnotations(pb.ListAnnotationsRequest(parent=PROJECT, page_size=1000))
    labels = {each.record_id: each.label for each in listed.annotations if each.queue == queue.name}
    expected = {reviewed[0].record_id: "spam", reviewed[1].record_id: "ham", last.record_id: "ham"}
    assert labels == expected
    summary = labeling.SummarizeQueue(pb.SummarizeQueueRequest(name=queue.name))
    (of_ann,) = [each for each in summary.annotators if each.name == ANN]
    assert (of_ann.reviewed_count, of_ann.accepted_count) == (3, 1)


def test_gold_items_are_mixed_in_and_look_like_any_task(labeling, people, put_queue):
    queue = put_queue("gold", [None] * 30, refill=20, gold_share=0.5)
    items = [pb.AddGoldItemsRequest.GoldItem(record_id=f"known-{n}", label="spam") for n in range(6)]
    request = pb.AddGoldItemsRequest(name=queue.name, items=items)
    assert labeling.AddGoldItems(request).added_count == 6
    assert labeling.AddGoldItems(request).added_count == 0
    ann, seen = people["ann"], {}
    for _ in range(12):
        task = claimed(ann, queue)
        shown = {field.name: value for field, value in task.ListFields()}
        seen[task.record_id] = {name for name in shown if shown[name] not in ("", None)}
        done = ann.CompleteTask(pb.CompleteTaskRequest(name=task.name, label="ham"))
        assert done.state == Task.STATE_DONE
        seen[task.record_id] |= {field.name for field, _ in done.ListFields()}
    golds = {each for each in seen if each.startswith("known-")}
    assert 1 <= len(golds) < 12
    plain = [fields - {"content_digest"} for record, fields in seen.items() if record not in golds]
    assert all(seen[record] == plain[0] for record in golds)
    listed = ann.ListTasks(pb.ListTasksRequest(parent=PROJECT, page_size=1000)).tasks
    assert not [each for each in listed if each.queue]
    summary = labeling.SummarizeQueue(pb.SummarizeQueueRequest(name=queue.name))
    assert [(each.gold_count, each.gold_correct_count) for each in summary.annotators] == [(len(golds), 0)]
    assert summary.answer_counts["ham"] == 12 - len(golds)
    assert read(labeling, queue).done_count == 12 - len(golds)


def test_rules_propose_answers_and_their_accuracy_is_estimated(labeling, people, put_queue):
    texts = ["Cheap pills now", "lunch at noon", "便宜的药片", "CHEAP flights", "cheapness is no word"]
    rules = [
        Queue.Rule(label="SPAM", keywords=["cheap", "便宜"]),
        Queue.Rule(label="ham", pattern="l.nch|noon$"),
    ]
    pre_labels = Queue.PreLabels(origin=Queue.PreLabels.ORIGIN_RULES, rules=rules)
    queue = put_queue("rules", [None] * 5, texts=texts, refill=5, pre_labels=pre_labels)
    refill = labeling.GetRefill(pb.GetRefillRequest(name=queue.last_refill))
    assert [(each.match_count, each.HasField("accuracy")) for each in refill.rules] == [
        (3, False),
        (1, False),
    ]
    proposed, ann = {}, people["ann"]
    while (task := claimed(ann, queue)).name:
        proposed[task.record_id] = (task.proposed_label, task.proposal_origin)
        ann.CompleteTask(pb.CompleteTaskRequest(name=task.name, label="spam"))
    spam, ham = ("spam", "rules"), ("ham", "rules")
    assert [proposed[f"rules-{n}"] for n in range(5)] == [spam, ham, spam, spam, ("", "")]
    summary = labeling.SummarizeQueue(pb.SummarizeQueueRequest(name=queue.name))
    assert (summary.confirmed_count, summary.corrected_count) == (3, 1)
    again = ended(labeling, create_refill(labeling, queue.name).name)
    assert [(each.checked_count, each.correct_count) for each in again.rules] == [(3, 3), (1, 0)]
    assert again.rules[0].low > 0.4
    bad = Queue.PreLabels(origin=Queue.PreLabels.ORIGIN_RULES, rules=[Queue.Rule(label="ham", pattern="(")])
    with pytest.raises(InvalidArgument, match="RE2"):
        labeling.UpdateQueue(pb.UpdateQueueRequest(queue=Queue(name=queue.name, pre_labels=bad)))


def test_copies_of_a_text_become_one_task_and_share_its_label(labeling, people, put_queue):
    digests = ["same", "same", "other", "same"]
    queue = put_queue("copies", [None] * 4, digests=digests, refill=4)
    refill = labeling.GetRefill(pb.GetRefillRequest(name=queue.last_refill))
    assert (refill.task_count, refill.copy_count) == (2, 2)
    answered(people["ann"], queue, "spam")
    assert ended(labeling, create_refill(labeling, queue.name).name).labelled_count == 4
    spec = label_set_pb2.LabelSet(dataset_version=queue.dataset_version, guideline=GUIDELINE)
    created = labeling.CreateLabelSet(pb.CreateLabelSetRequest(parent=PROJECT, label_set=spec))
    *_, frozen = labeling.WatchLabelSet(pb.WatchLabelSetRequest(name=created.name), timeout=60)
    assert dict(frozen.class_counts) == {"spam": 4}


def test_uncertain_records_are_drawn_and_marked(labeling, people, put_queue, artifacts):
    words = {"ham": ("lunch", "meeting", "notes"), "spam": ("pills", "casino", "winner")}
    texts = [" ".join([words[("ham", "spam")[n % 2]][n % 3], f"number{n}"]) for n in range(60)]
    rule = Queue.RefillRule(strategy=Queue.STRATEGY_MARGIN, random_share=0.5)
    queue = put_queue("active", [None] * 60, texts=texts, refill=24, refill_rule=rule)
    first = labeling.GetRefill(pb.GetRefillRequest(name=queue.last_refill))
    assert (first.strategy, first.active_count) == (Queue.STRATEGY_RANDOM, 0)
    ann = people["ann"]

    def answer_all() -> None:
        while (task := claimed(ann, queue)).name:
            number = int(task.record_id.rpartition("-")[2])
            label = ("ham", "spam")[number % 2]
            ann.CompleteTask(pb.CompleteTaskRequest(name=task.name, label=label))

    answer_all()
    second = ended(labeling, create_refill(labeling, queue.name, size=10).name)
    assert (second.strategy, second.active_count, second.task_count) == (Queue.STRATEGY_MARGIN, 5, 10)
    assert [each.label_count for each in second.curve] == [4, 9, 18]
    assert second.gain.low <= second.gain.mean <= second.gain.high
    answer_all()
    spec = label_set_pb2.LabelSet(dataset_version=queue.dataset_version, guideline=GUIDELINE)
    created = labeling.CreateLabelSet(pb.CreateLabelSetRequest(parent=PROJECT, label_set=spec))
    *_, frozen = labeling.WatchLabelSet(pb.WatchLabelSetRequest(name=created.name), timeout=60)
    with artifacts.open(frozen.digest) as file:
        selections = pq.read_table(file).column("selection").to_pylist()
    assert Counter(selections) == {None: 29, "ACTIVE": 5}


def test_an_answer_names_the_version_of_the_guideline_by_which_it_was_given(labeling, people, put_queue):
    queue, ann = put_queue("versions", [None, None], refill=2), people["ann"]
    read_one = pb.GetGuidelineRequest(name=GUIDELINE)
    before = labeling.GetGuideline(read_one).version
    first = claimed(ann, queue)
    ann.CompleteTask(pb.CompleteTaskRequest(name=first.name, label="ham"))
    changed = annotation_pb2.Guideline(name=GUIDELINE, instructions="Is it spam? Newsletters are not.")
    assert (
        labeling.UpdateGuideline(
            pb.UpdateGuidelineRequest(guideline=changed, update_mask={"paths": ["instructions"]})
        ).version
        == before + 1
    )
    second = claimed(ann, queue)
    done = ann.CompleteTask(pb.CompleteTaskRequest(name=second.name, label="ham"))
    assert done.answers[0].guideline_version == before + 1
    listed = labeling.ListAnnotations(pb.ListAnnotationsRequest(parent=PROJECT, page_size=1000)).annotations
    versions = {each.record_id: each.guideline_version for each in listed if each.queue == queue.name}
    assert versions == {first.record_id: before, second.record_id: before + 1}


def test_a_filter_and_record_ids_select_records(labeling, put_queue):
    queue = put_queue("filter", ["junk", None, None], filter="source_label = junk", refill=9)
    assert queue.open_count == 1
    named = put_queue("named", [None] * 5, record_ids=["named-3", "named-3", "named-9"], refill=9)
    assert (list(named.record_ids), named.open_count) == (["named-3", "named-9"], 1)
    assert put_queue("none", [None] * 3, filter="language = zh", refill=9).stop_reason


@pytest.mark.parametrize(
    "fields",
    [
        {"overlap": 21},
        {"gold_share": 0.6},
        {"filter": "text = x"},
        {"filter": "language zh"},
        {"review_share": -1},
        {"refill_rule": Queue.RefillRule(size=10_001)},
        {"refill_rule": Queue.RefillRule(random_share=0.01)},
        {"pre_labels": Queue.PreLabels(origin=Queue.PreLabels.ORIGIN_RULES)},
        {"record_ids": [""]},
    ],
)
def test_settings_that_are_not_valid_are_refused(put_queue, fields):
    with pytest.raises(InvalidArgument):
        put_queue("refused", [None], **fields)


def test_a_queue_is_paused_changed_by_its_etag_and_deleted(labeling, people, put_queue):
    queue = put_queue("life", [None] * 3, refill=2)
    paused = labeling.UpdateQueue(
        pb.UpdateQueueRequest(queue=Queue(name=queue.name, paused=True, etag=queue.etag))
    )
    with pytest.raises(FailedPrecondition, match="paused"):
        claimed(people["ann"], queue)
    with pytest.raises(Aborted):
        labeling.UpdateQueue(pb.UpdateQueueRequest(queue=Queue(name=queue.name, overlap=2, etag=queue.etag)))
    past = Queue(name=queue.name, etag=paused.etag)
    past.deadline.FromJsonString("2020-01-01T00:00:00Z")
    labeling.UpdateQueue(pb.UpdateQueueRequest(queue=past, update_mask={"paths": ["deadline", "paused"]}))
    with pytest.raises(FailedPrecondition, match="deadline"):
        claimed(people["ann"], queue)
    labeling.DeleteQueue(pb.DeleteQueueRequest(name=queue.name))
    with pytest.raises(NotFound):
        read(labeling, queue)
    tasks = labeling.ListTasks(pb.ListTasksRequest(parent=PROJECT, page_size=1000)).tasks
    assert not [each for each in tasks if each.queue == queue.name]


def test_a_request_is_repeated_and_two_refills_do_not_run_at_once(labeling, put_queue):
    queue = put_queue("twice", [None] * 9)
    first = create_refill(labeling, queue.name, "once", size=2)
    assert create_refill(labeling, queue.name, "once", size=2).name == first.name
    try:
        create_refill(labeling, queue.name, size=2)
    except FailedPrecondition as refused:
        assert first.name in str(refused)
    ended(labeling, first.name)


def test_a_refill_of_a_dataset_that_is_gone_is_refused_and_the_tasks_stay(
    labeling, datasets, people, put_queue
):
    queue = put_queue("gone", [None] * 9, refill=2)
    del datasets.ready[queue.dataset_version]
    with pytest.raises(FailedPrecondition):
        create_refill(labeling, queue.name)
    assert len(answered(people["ann"], queue)) == 2


def rated_queue(labeling, datasets, put_dataset, name: str, **fields) -> Queue:
    """Return a queue over two records with two answers each, and one with a single answer."""
    spec = annotation_pb2.Guideline(instructions="Which one helps?")
    spec.task.generate.SetInParent()
    labeling.CreateGuideline(
        pb.CreateGuidelineRequest(parent=PROJECT, guideline_id=f"{name}-guide", guideline=spec)
    )
    messages = [{"role": "user", "content": "When?"}]
    pair = {"messages": messages, "answers": ["On Monday.", "Soon."]}
    preference = {"messages": messages, "answers": ["At nine."], "rejected": "Never mind."}
    single = {"messages": messages, "answers": ["Today."]}
    examples = [json.dumps(each) for each in (pair, preference, single)]
    datasets.ready[f"{VERSIONS}/{name}"] = put_dataset([None] * 3, f"{name}-", examples)
    queue = Queue(
        dataset_version=f"{VERSIONS}/{name}", guideline=f"{PROJECT}/guidelines/{name}-guide", **fields
    )
    created = labeling.CreateQueue(pb.CreateQueueRequest(parent=PROJECT, queue_id=name, queue=queue))
    ended(labeling, create_refill(labeling, created.name, size=9).name)
    return read(labeling, created)


def exported(labeling, artifacts, queue: Queue) -> list[dict]:
    request = pb.ExportQueueRequest(name=queue.name, format=pb.EXCHANGE_FORMAT_PREFERENCES)
    with artifacts.open(labeling.ExportQueue(request).digest) as file:
        return [json.loads(line) for line in file]


def test_the_better_of_two_answers_is_chosen_and_exported_as_preferences(
    labeling, people, datasets, put_dataset, artifacts
):
    queue = rated_queue(labeling, datasets, put_dataset, "compare", work=Task.WORK_COMPARE, overlap=2)
    assert queue.open_count == 2
    for name, better in (("ann", {"On Monday.", "At nine."}), ("bob", {"On Monday.", "Never mind."})):
        while (task := claimed(people[name], queue)).name:
            first = task.candidates[0] in better
            preference = annotation_pb2.PREFERENCE_FIRST if first else annotation_pb2.PREFERENCE_SECOND
            people[name].CompleteTask(pb.CompleteTaskRequest(name=task.name, preference=preference))
    (row,) = exported(labeling, artifacts, queue)
    assert row["prompt"][-1]["role"] == "user"
    assert (row["chosen"][0]["content"], row["rejected"][0]["content"]) == ("On Monday.", "Soon.")
    summary = labeling.SummarizeQueue(pb.SummarizeQueueRequest(name=queue.name))
    assert (summary.compared_count, summary.pair_count) == (2, 2)
    assert sum(summary.answer_counts.values()) == 4
    with pytest.raises(InvalidArgument, match="exported as PREFERENCES or LABEL_STUDIO"):
        labeling.ExportQueue(pb.ExportQueueRequest(name=queue.name, format=pb.EXCHANGE_FORMAT_JSONL))
    request = pb.ExportQueueRequest(name=queue.name, format=pb.EXCHANGE_FORMAT_LABEL_STUDIO)
    written = labeling.ExportQueue(request)
    assert (written.task_count, written.answer_count) == (2, 4)
    assert '<Pairwise name="answer" toName="first,second"' in written.label_config
    with artifacts.open(written.digest) as file:
        compared = {each["data"]["record_id"]: each for each in json.load(file)}
    task = compared["compare-0"]
    assert {task["data"]["first"], task["data"]["second"]} == {"On Monday.", "Soon."}
    side = "left" if task["data"]["first"] == "On Monday." else "right"
    assert [each["result"][0]["value"] for each in task["annotations"]] == [{"selected": side}] * 2


def test_answers_are_rated_and_exported_with_their_verdicts(
    labeling, people, datasets, put_dataset, artifacts
):
    queue = rated_queue(labeling, datasets, put_dataset, "rate", work=Task.WORK_RATE, scales=["helpful"])
    assert queue.open_count == 3
    for rating in (5, 3, 1):
        task = claimed(people["ann"], queue)
        people["ann"].CompleteTask(pb.CompleteTaskRequest(name=task.name, ratings={"helpful": rating}))
    rows = exported(labeling, artifacts, queue)
    assert sorted((row["label"], row["ratings"]["helpful"]) for row in rows) == [(False, 1), (True, 5)]
    assert all(row["completion"][0]["role"] == "assistant" for row in rows)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"work": Task.WORK_COMPARE}, "have the work ANSWER only"),
        ({"scales": ["clear"]}, "takes no scales"),
    ],
    ids=["labels", "scales-without-rating"],
)
def test_work_that_a_queue_cannot_have_is_refused(labeling, fields, sentence):
    queue = Queue(dataset_version=f"{VERSIONS}/first", guideline=GUIDELINE, **fields)
    with pytest.raises(InvalidArgument, match=sentence):
        labeling.CreateQueue(pb.CreateQueueRequest(parent=PROJECT, queue_id="work", queue=queue))
