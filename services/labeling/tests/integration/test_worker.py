"""The freezing job on real Parquet and a real artifact store, in this process."""

import io
import json
import unicodedata
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import TreeFile
from ratoon_labeling.worker import job, records
from services.labeling.tests.integration.conftest import RECEIVED

SPEC = {
    "name": "projects/p/labelSets/s",
    "labels": ["ham", "spam"],
    "conflict_policy": "HUMAN_FIRST",
    "import_as": "IMPORT",
    "review_sample_size": 2,
}


@pytest.fixture
def freeze(artifacts, put_dataset, tmp_path):
    def run(came, annotations=(), **changes):
        digest = records.put_lines(artifacts, annotations)
        digests = {"dataset_digest": put_dataset(came), "annotations_digest": digest}
        return job.run(SPEC | digests | {"artifacts": artifacts.url} | changes, JobFolder(tmp_path))

    return run


def annotation(record_id, label, annotator="ann", source="HUMAN", time="2026-02-01T00:00:00+00:00"):
    return {"record_id": record_id, "label": label, "annotator": annotator, "source": source, "time": time}


def rows(artifacts, digest):
    with artifacts.open(digest) as file:
        return pq.read_table(file).to_pylist()


def test_labels_that_came_with_the_data_are_frozen_with_their_source(artifacts, freeze):
    result = freeze(["ham", "spam", None, " ham "])
    assert rows(artifacts, result["digest"])[0] == {
        "record_id": "r0",
        "content_digest": "d0",
        "label": "ham",
        "annotator": "projects/p/sources/mail",
        "source": "IMPORT",
    }
    assert result["class_counts"] == {"ham": 2, "spam": 1}
    assert (result["unlabelled_count"], result["conflict_count"], result["agreement_alpha"]) == (1, 0, None)
    assert len(list(records.read_lines(artifacts, result["imported_digest"]))) == 3
    tasks = list(records.read_lines(artifacts, result["tasks_digest"]))
    assert sorted(task["proposed_label"] for task in tasks) == ["ham", "spam"]


def test_annotations_of_people_count_and_are_not_sampled_for_review(artifacts, freeze):
    result = freeze(
        ["ham", "ham"], [annotation("r0", "spam"), annotation("elsewhere", "spam")], review_sample_size=5
    )
    assert [row["label"] for row in rows(artifacts, result["digest"])] == ["spam", "ham"]
    assert result["conflict_count"] == 1
    assert result["agreement_alpha"] == pytest.approx(0.0)
    assert [task["record_id"] for task in records.read_lines(artifacts, result["tasks_digest"])] == ["r1"]


def test_a_tie_becomes_a_task_and_no_label(artifacts, freeze):
    result = freeze(
        ["ham", "ham"], [annotation("r0", "spam")], conflict_policy="MAJORITY", review_sample_size=0
    )
    assert [row["record_id"] for row in rows(artifacts, result["digest"])] == ["r1"]
    tasks = list(records.read_lines(artifacts, result["tasks_digest"]))
    assert [(task["record_id"], task["reason"]) for task in tasks] == [("r0", "conflict")]


def test_labels_that_the_guideline_lacks_are_counted_and_left_out(freeze):
    result = freeze(["ham", "junk", "junk", "spam"], [annotation("r1", "bulk")])
    assert (result["unknown_label_count"], result["unlabelled_count"]) == (2, 2)


def test_every_spelling_of_a_label_is_the_guidelines(artifacts, freeze):
    decomposed = unicodedata.normalize("NFD", "Réclamation")
    came = [
        "Billing",
        "BILLING",
        "billing\u00a0",
        "\u200bbilling\ufeff",
        decomposed,
        "réclamation",
        "other",
        "\u200b",
        " ",
    ]
    result = freeze(came, [annotation("r6", "BILLING ")], labels=["billing", "Réclamation"])
    assert result["class_counts"] == {"Réclamation": 2, "billing": 5}
    assert (result["unknown_label_count"], result["unlabelled_count"], result["conflict_count"]) == (1, 2, 0)
    assert result["unknown_labels"] == {"other": 1}
    assert {row["label"] for row in rows(artifacts, result["digest"])} == {"billing", "Réclamation"}


def test_texts_that_were_taken_for_labels_are_counted_and_not_stored(freeze):
    texts = [f"this is letter number {i} of a person" for i in range(5)]
    result = freeze(["ham", *texts, "junk", "junk"])
    assert (result["unknown_label_count"], result["unknown_labels"]) == (7, {"junk": 2})


def test_a_data_set_without_labels_names_the_missing_column(freeze):
    with pytest.raises(
        job.NoLabels, match="None of 1 record has one of the labels ham, spam, and none has any label"
    ):
        freeze([None])


def test_the_same_input_gives_the_same_digests(freeze):
    assert freeze(["ham", "spam", "ham"]) == freeze(["ham", "spam", "ham"])


def test_no_label_at_all_is_an_error_that_says_what_came(freeze):
    with pytest.raises(job.NoLabels, match=r"2 records came with other labels: 'x' \(1\), 'y' \(1\)"):
        freeze(["x", "y", None])


def test_an_artifact_without_records_is_named_broken(artifacts, freeze, tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/profile.json").write_text(json.dumps({}))
    with pytest.raises(records.DatasetBroken):
        freeze(["ham"], dataset_digest=artifacts.put_tree(tmp_path / "tree"))


def test_a_stop_request_ends_the_job(freeze, tmp_path):
    (tmp_path / "stop").touch()
    with pytest.raises(job.Stopped):
        freeze(["ham", "spam"])


def with_votes(artifacts, tree, votes):
    """The dataset with votes for its first record, as duplicates with other labels leave them."""
    [shard, *others] = [file for file in artifacts.tree(tree) if file.path.startswith("records-")]
    with artifacts.open(shard.sha256) as file:
        table = pq.read_table(file)
    kind = pa.list_(
        pa.struct({"label": pa.string(), "source": pa.string(), "time": pa.timestamp("us", tz="UTC")})
    )
    rows = [votes if row == 0 else None for row in range(table.num_rows)]
    sink = io.BytesIO()
    pq.write_table(table.append_column("label_votes", pa.array(rows, kind)), sink)
    digest = artifacts.put_bytes(sink.getvalue())
    return artifacts.put_manifest([TreeFile(shard.path, digest, len(sink.getvalue())), *others])


def vote(label, time=None):
    return {"label": label, "source": "projects/p/sources/mail", "time": time}


@pytest.mark.parametrize(
    ("labels", "policy", "label", "conflicts"),
    [
        (["ham", "spam"], "HUMAN_FIRST", None, 1),
        (["ham", "spam"], "MAJORITY", None, 1),
        (["ham", "spam", "spam"], "MAJORITY", "spam", 1),
        (["ham", "HAM "], "HUMAN_FIRST", "ham", 0),
        (["ham", "junk"], "HUMAN_FIRST", "ham", 0),
    ],
)
def test_labels_of_duplicates_that_differ_are_decided_by_the_guideline_or_by_people(
    artifacts, put_dataset, freeze, labels, policy, label, conflicts
):
    tree = with_votes(artifacts, put_dataset([None, "ham", "spam", "ham"]), [vote(each) for each in labels])
    result = freeze([None], dataset_digest=tree, conflict_policy=policy, review_sample_size=0)
    frozen = {row["record_id"]: row["label"] for row in rows(artifacts, result["digest"])}
    assert frozen.get("r0") == label
    assert (result["conflict_count"], result["agreement_alpha"]) == (conflicts, None)
    tasks = [task["record_id"] for task in records.read_lines(artifacts, result["tasks_digest"])]
    assert tasks == ([] if label else ["r0"])


def test_the_newest_of_dated_labels_of_duplicates_counts(artifacts, put_dataset, freeze):
    votes = [vote("ham", RECEIVED), vote("spam", RECEIVED + timedelta(days=1))]
    tree = with_votes(artifacts, put_dataset([None, "ham", "spam", "ham"]), votes)
    result = freeze([None], dataset_digest=tree, conflict_policy="LATEST")
    assert {row["record_id"]: row["label"] for row in rows(artifacts, result["digest"])}["r0"] == "spam"
