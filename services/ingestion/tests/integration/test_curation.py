"""A whole curation: its books balance, it does not depend on the number of processes, duplicates go as configured."""

import io
import json
import random
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec
from ratoon.operations.job_messages import to_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.curation import DEFAULT_STEPS, Step
from ratoon_ingestion.domain import merkle
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.worker.curate import CharactersLost, NothingLeft, curate
from ratoon_ingestion.worker.spec import read_spec
from ratoon_ingestion.worker.steps.registry import StepNotInstalled

WORDS = [
    "river",
    "stone",
    "market",
    "letter",
    "window",
    "bridge",
    "winter",
    "copper",
    "candle",
    "forest",
    "harbour",
    "evening",
    "silver",
    "garden",
]


def silent(fraction: float, message: str, **counts: Any) -> None:
    assert 0 <= fraction <= 1


def story(seed: int, words: int = 60) -> str:
    chosen = random.Random(seed)
    return " ".join(chosen.choice(WORDS) for _ in range(words))


def archive(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as packed:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return sink.getvalue()


def mails() -> dict[str, bytes]:
    files = {f"ham/{n}": f"Subject: story {n}\n\n{story(n)}".encode() for n in range(150)}
    files |= {f"spam/{n}": f"Content-Type: text/html\n\n<p>{story(n + 500)}</p>".encode() for n in range(50)}
    files["ham/copy"] = files["ham/7"]
    files["spam/close"] = files["spam/3"].replace(b"</p>", b" Really.</p>")
    files["spam/empty"] = b"Subject:\n\n"
    files["ham/personal"] = f"Subject: x\n\nWrite to ann@example.com or 10.0.0.1. {story(900)}".encode()
    return files


class Bench:
    """Runs curations against one artifact store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = ArtifactStore(str(folder / "artifacts"))

    def run(
        self, data: bytes, format: str = "MAIL_ARCHIVE", processes: int = 1, labels=None, **curation: Any
    ):
        source = {"name": "projects/p/sources/s", "digest": self.store.put_bytes(data), "format": format}
        source["labels_by_folder"] = labels or {}
        spec = {
            "version": "projects/p/datasets/d/versions/v1",
            "sources": [source],
            "curation": CurationConfig(**curation).stated(),
            "record_key": "ab" * 32,
            "processes": processes,
        }
        message = read_spec(CurationSpec, spec)
        return to_json(curate(message, self.store, self.folder, silent))

    def file(self, result: dict[str, Any], name: str) -> bytes:
        digest = next(file.sha256 for file in self.store.tree(result["artifact_digest"]) if file.path == name)
        return self.store.open(digest).read()

    def table(self, result: dict[str, Any], name: str = "records-00000.parquet"):
        digest = next(file.sha256 for file in self.store.tree(result["artifact_digest"]) if file.path == name)
        return pq.read_table(self.store.open(digest)).to_pylist()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def reasons(bench: Bench, result: dict[str, Any]) -> dict[str, str]:
    return {row["source_path"]: row["reason"] for row in bench.table(result, "rejected.parquet")}


def test_a_curation_leaves_records_rejections_a_profile_and_a_root(bench):
    result = bench.run(archive(mails()), labels={"ham": "ham", "spam": "spam"})
    records = bench.table(result)
    assert (result["items"], result["records"], result["rejected"]) == (204, 201, 3)
    rejected = reasons(bench, result)
    near = "spam/3" if "spam/3" in rejected else "spam/close"
    assert rejected == {
        "ham/copy": "EXACT_DUPLICATE",
        near: "NEAR_DUPLICATE",
        "spam/empty": "NO_TEXT",
    }
    leaves = [merkle.leaf_hash(row["record_id"], row["content_digest"]) for row in records]
    assert merkle.root(leaves).hex() == result["merkle_root"]
    assert [row["record_id"] for row in records] == sorted(row["record_id"] for row in records)
    personal = next(row for row in records if row["source_path"] == "ham/personal")
    assert "[EMAIL] or [IP]." in personal["text"]
    assert {"mask_email:1", "mask_ip:1"} <= set(personal["steps"])
    assert dict(next(row for row in records if row["source_label"] == "spam")["attributes"])["html"] == "yes"
    assert result["profile"]["labels"] == {"ham": 151, "spam": 50}
    assert [file.path for file in bench.store.tree(result["artifact_digest"])] == [
        "manifest.json",
        "profile.json",
        "records-00000.parquet",
        "rejected.parquet",
    ]


def test_the_number_of_processes_changes_nothing(bench):
    data = archive(mails())
    one, two = bench.run(data), bench.run(data, processes=2)
    for report in (*one["step_reports"], *two["step_reports"]):
        assert report.pop("seconds") >= 0
    assert one == two


def test_the_default_steps_make_the_records_that_releases_without_steps_made(bench):
    data = archive(mails())
    result = bench.run(data, labels={"ham": "ham", "spam": "spam"})
    assert result["merkle_root"] == "0f84d6cbb3d17ed96f6c0cf97f396cbd384c472448e1ae62841d41efcc1ef9b7"
    assert [report["name"] for report in result["step_reports"]] == list(DEFAULT_STEPS)
    assert "steps" not in json.loads(bench.file(result, "manifest.json"))["config"]
    named = bench.run(data, labels={"ham": "ham", "spam": "spam"}, steps=tuple(map(Step, DEFAULT_STEPS)))
    assert named["merkle_root"] == result["merkle_root"]


def test_a_list_of_steps_runs_in_its_order_with_a_report_of_each(bench):
    files = {
        "ham/wide": f"Subject: x\n\n１２３ {story(1)}".encode(),
        "ham/casino": f"Subject: x\n\nCASINO {story(2)}".encode(),
        "ham/mail": f"Subject: x\n\nann@example.com {story(3)}".encode(),
    }
    steps = (Step("normalize"), Step("word_list", {"block": "casino, poker"}))
    result = bench.run(archive(files), steps=steps)
    reports = {report["name"]: report for report in result["step_reports"]}
    assert list(reports) == ["normalize", "word_list", *DEFAULT_STEPS]
    records = {row["source_path"]: row for row in bench.table(result)}
    assert records["ham/wide"]["text"].startswith("x\n\n123 ")
    assert reasons(bench, result) == {"ham/casino": "BLOCKED_WORD"}
    assert (reports["normalize"]["record_count"], reports["normalize"]["changed_count"]) == (3, 1)
    assert reports["normalize"]["changed_examples"] == [records["ham/wide"]["record_id"]]
    assert reports["word_list"]["removed_counts"] == {"BLOCKED_WORD": 1}
    assert reports["personal_data"]["record_count"] == 2
    assert reports["personal_data"]["changed_examples"] == [records["ham/mail"]["record_id"]]
    assert result["profile"]["removed"] == [{"step": "word_list", "reason": "BLOCKED_WORD", "count": 1}]


def test_a_step_that_is_not_installed_is_named_before_anything_is_read(bench):
    with pytest.raises(StepNotInstalled, match=r"'acme\.unknown' cannot run: no installed package"):
        bench.run(archive(mails()), steps=(Step("acme.unknown"),))


def test_near_duplicates_stay_when_configured_and_share_a_cluster(bench):
    result = bench.run(archive(mails()), exact_duplicates=False, near_duplicate_threshold=0)
    records = {row["source_path"]: row for row in bench.table(result)}
    assert result["records"] == 203
    assert len({row["record_id"] for row in records.values()}) == 203
    for left, right in (("ham/copy", "ham/7"), ("spam/close", "spam/3")):
        assert records[left]["cluster"] == records[right]["cluster"]
    assert len({row["cluster"] for row in records.values()}) == 201


def test_of_equal_texts_the_labelled_one_stays(bench):
    rows = [{"text": story(1)}, {"text": story(1), "label": "ham"}]
    result = bench.run("\n".join(map(json.dumps, rows)).encode(), "JSONL")
    assert [row["source_label"] for row in bench.table(result)] == ["ham"]


def test_short_records_go_unless_they_are_labelled(bench):
    rows = [{"text": "too short"}, {"text": "short but labelled", "label": "ham"}, {"text": story(2)}]
    data = "\n".join(map(json.dumps, rows)).encode()
    result = bench.run(data, "JSONL")
    assert reasons(bench, result) == {"line-1": "TOO_SHORT"}
    assert result["profile"]["kept_though_short"] == 1
    assert "except labelled" in result["profile"]["rules"]["length"]
    assert bench.run(data, "JSONL", min_chars=0)["records"] == 3


def test_only_configured_languages_stay(bench):
    rows = [{"text": "这是一封关于明天会议安排的邮件，请大家准时参加，谢谢。" * 3}, {"text": story(3)}]
    result = bench.run("\n".join(map(json.dumps, rows)).encode(), "JSONL", languages=["zh"])
    assert [row["language"] for row in bench.table(result)] == ["zh"]
    assert reasons(bench, result) == {"line-2": "UNWANTED_LANGUAGE"}


def test_nothing_left_is_an_error_that_counts(bench):
    with pytest.raises(NothingLeft, match="All 2 items were rejected"):
        bench.run(b'{"text": "a"}\n{"text": "b"}\n', "JSONL")


def test_an_equal_source_gives_equal_record_ids_in_every_version(bench):
    first = bench.run(archive(mails()))
    second = bench.run(archive({"elsewhere/1": mails()["ham/1"]}))
    ids = {row["source_path"]: row["record_id"] for row in bench.table(first)}
    assert bench.table(second)[0]["record_id"] == ids["ham/1"]


def test_a_version_in_which_too_many_characters_are_lost_fails(bench):
    files = {f"a/{n}.txt": story(n).encode() for n in range(18)}
    files |= {f"a/cut-{n}.txt": f"{story(n + 50)} größtenteils geprüft ü".encode()[:-1] for n in range(2)}
    with pytest.raises(
        CharactersLost, match=r"2 of 20 texts hold characters .* more than 5% of them\. Name the sources'"
    ):
        bench.run(archive(files), "TEXT_ARCHIVE")
    result = bench.run(archive(files), "TEXT_ARCHIVE", max_replaced_share=0.1)
    assert (result["records"], result["profile"]["with_replaced_characters"]) == (20, 2)


def test_a_version_of_mails_in_many_encodings_holds_their_texts(bench):
    texts = {
        "gb2312": ("gb18030", "镕华的合同请发来"),
        "ks_c_5601-1987": ("cp949", "뷁 주문을 취소해 주세요"),
        "Shift_JIS": ("cp932", "①見積書を送ります"),
        "x-unknown": ("cp1251", "Здравствуйте, мой заказ"),
    }
    files = {
        f"m/{label}": f"Content-Type: text/plain; charset={label}\n\n".encode() + text.encode(codec)
        for label, (codec, text) in texts.items()
    }
    result = bench.run(archive(files), min_chars=0)
    records = {row["source_path"]: row for row in bench.table(result)}
    assert {path: row["text"] for path, row in records.items()} == {
        f"m/{label}": text for label, (_, text) in texts.items()
    }
    assert dict(records["m/x-unknown"]["attributes"])["charset"] == "cp1251"
    assert result["profile"]["with_guessed_charset"] == 1
    assert result["profile"]["attributes"]["charset"] == {"cp1251": 1}


def test_an_archive_of_source_code_is_rejected_unless_it_is_configured(bench):
    files = {
        "pkg-1.0/PKG-INFO": b"Metadata-Version: 2.1\nName: pkg\n",
        "pkg-1.0/pkg/main.py": b"import os\n\ndef main() -> None:\n    print(os.getcwd())\n" * 3,
        "pkg-1.0/README.md": story(1).encode(),
        "pkg-1.0/logo.png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0d",
        "pkg-1.0/empty.txt": b"",
    }
    result = bench.run(archive(files), "TEXT_ARCHIVE")
    assert reasons(bench, result) == {
        "pkg-1.0/PKG-INFO": "CODE",
        "pkg-1.0/pkg/main.py": "CODE",
        "pkg-1.0/logo.png": "NOT_TEXT",
        "pkg-1.0/empty.txt": "NO_TEXT",
    }
    result = bench.run(archive(files), "TEXT_ARCHIVE", keep_code=True)
    assert reasons(bench, result) == {"pkg-1.0/logo.png": "NOT_TEXT", "pkg-1.0/empty.txt": "NO_TEXT"}


def test_a_short_text_of_a_dense_script_is_long_enough(bench):
    texts = [
        "质量非常好，物流也快，下次还会再来买。",
        "质量很好。",
        "Very good, thank you.",
        "สินค้าดีมากและส่งเร็วมากขอบคุณครับ",
    ]
    rows = "\n".join(json.dumps({"text": text}) for text in texts).encode()
    result = bench.run(rows, "JSONL")
    assert sorted(row["text"] for row in bench.table(result)) == sorted([texts[0], texts[3]])
    assert "A Chinese character counts as 3" in result["profile"]["rules"]["length"]


def test_personal_data_are_masked_before_a_text_is_filtered(bench):
    numbers = " ".join(f"+49 30 9018{n:02d}" for n in range(12))
    result = bench.run(json.dumps({"text": f"Numbers of the office: {numbers}"}).encode(), "JSONL")
    assert "FEW_LETTERS" not in reasons(bench, result).values()
    assert bench.table(result)[0]["text"].count("[PHONE]") == 12


@given(
    st.lists(
        st.binary(max_size=120) | st.just(b"Subject: hi\n\n") | st.text(max_size=80).map(str.encode),
        max_size=12,
    )
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_bytes_every_item_is_a_record_or_a_rejection(bench, blobs):
    good = {"good": f"Subject: good\n\n{story(5)}".encode()}
    files = good | {f"x/{n}": blob for n, blob in enumerate(blobs)}
    result = bench.run(archive(files), max_replaced_share=1)
    assert result["records"] + result["rejected"] == result["items"] == len(blobs) + 1
    assert len(bench.table(result)) == result["records"]
    assert len(bench.table(result, "rejected.parquet")) == result["rejected"]


TWICE = [
    ("The card was charged twice in the month of May, please pay it back.", "billing"),
    ("The card was charged twice in the month of May, please pay it back.", "other"),
    ("The screen of my device stays black after I have switched it on.", "technical"),
    ("The screen of my device stays black after I have switched it on.", "Technical "),
    (story(1) + " and that is all", "billing"),
    (story(1) + " and that is it", "technical"),
    (story(1) + " and that is enough", "billing"),
    ("A text of its own, that nobody else in this table has written.", "other"),
]


def lines(pairs) -> bytes:
    return "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in pairs).encode()


def test_labels_of_duplicates_that_differ_are_votes_and_no_label(bench):
    result = bench.run(lines(TWICE), "JSONL")
    votes = {
        row["text"][:8]: sorted(vote["label"] for vote in row["label_votes"] or ())
        for row in bench.table(result)
        if row["source_label"] is None
    }
    assert votes == {
        "The card": ["billing", "other"],
        story(1)[:8]: ["billing", "billing", "technical"],
    }
    assert result["profile"]["duplicates"]["records_in_conflict"] == 2
    assert result["profile"]["labels"] == {"": 2, "Technical": 1, "other": 1}


@pytest.mark.parametrize("seed", range(3))
def test_nothing_depends_on_the_order_of_the_lines(bench, seed):
    pairs = TWICE + [(story(n), "billing" if n % 2 else "other") for n in range(20, 40)]
    shuffled = random.Random(seed).sample(pairs, len(pairs))
    first, second = bench.run(lines(pairs), "JSONL"), bench.run(lines(shuffled), "JSONL")
    assert first["merkle_root"] == second["merkle_root"]

    def contents(result):
        names = ("record_id", "text", "source_label", "label_votes", "cluster")
        return [tuple(row[name] for name in names) for row in bench.table(result)]

    assert contents(first) == contents(second)


def test_halves_of_characters_in_json_cost_no_record(bench):
    rows = [
        {"id": "a1", "text": "Cut in the middle of a smile \ud83d", "label": "other"},
        {"id": "a2", "text": "A byte that was no text: \udcb2 end", "label": "billing"},
        {"id": "a3", "text": "A whole smile \U0001f600 stays", "label": "oth\ud800er"},
        {"id": "a\ud83d4", "text": "The id is cut as well, by the same export", "label": "technical"},
    ]
    result = bench.run("".join(json.dumps(row) + "\n" for row in rows).encode(), "JSONL")
    assert (result["records"], result["rejected"]) == (4, 0)
    assert "Cut in the middle of a smile \ufffd" in [row["text"] for row in bench.table(result)]
    assert result["profile"]["labels"]["oth\ufffder"] == 1


def test_segments_of_a_text_share_a_cluster_and_the_books_balance(bench):
    rows = [{"text": f"{story(1, 300)}. {story(2, 300)}."}, {"text": story(3)}]
    steps = (Step("segment", {"max_tokens": "200"}),)
    result = bench.run("\n".join(map(json.dumps, rows)).encode(), "JSONL", steps=steps)
    records = bench.table(result)
    assert (result["items"], result["records"], result["rejected"]) == (2, len(records), 0)
    segments = [row for row in records if dict(row["attributes"]).get("segment_of")]
    assert len(segments) == len(records) - 1 > 2
    assert len({row["cluster"] for row in segments}) == 1
    assert len({row["cluster"] for row in records}) == 2


def test_substrings_of_other_texts_are_cut_whatever_the_order_and_number_of_processes(bench):
    notice = story(900, 50)
    rows = [{"text": f"{story(n)} {notice} {story(n + 50)}"} for n in range(4)] + [{"text": notice}]
    steps = (Step("substring_duplicates", {"min_chars": "200"}),)
    data = ["\n".join(map(json.dumps, each)).encode() for each in (rows, rows[::-1])]
    result = bench.run(data[0], "JSONL", steps=steps)
    texts = [row["text"] for row in bench.table(result)]
    assert sum(notice in text for text in texts) == 1
    report = next(each for each in result["step_reports"] if each["name"] == "substring_duplicates")
    assert int(report["changed_count"]) + sum(map(int, report["removed_counts"].values())) == 4
    assert (result["items"], result["records"] + result["rejected"]) == (5, 5)
    again = bench.run(data[1], "JSONL", processes=2, steps=steps)
    assert again["merkle_root"] == result["merkle_root"]


def test_a_step_that_needs_the_operators_model_is_refused_without_it(bench):
    with pytest.raises(StepNotInstalled, match="set RATOON_INGESTION_EMBEDDING_MODEL"):
        bench.run(archive(mails()), steps=(Step("semantic_duplicates"),))
