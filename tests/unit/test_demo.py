"""The demo's small parts: how a tier cuts the corpus, that the screen moves, what an uploaded folder is called."""

import hashlib
import time
from collections import Counter

import pytest

from ratoon.client.raw.client import Client
from ratoon.storage.artifacts import ArtifactStore
from ratoon_examples.demo.mails import read_corpus
from ratoon_examples.demo.main import ProgressPrinter
from ratoon_examples.demo.tiers import Mails


@pytest.fixture
def mails(tmp_path):
    for folder in ("easy-ham-1", "spam-1", "hard-ham-1", "spam-2"):
        (tmp_path / folder).mkdir()
        for number in range(60):
            (tmp_path / folder / f"{number:05d}.txt").write_text(f"{folder} {number}")
    return tmp_path


def test_a_tier_takes_as_many_mails_of_each_class_and_always_the_same(mails):
    cut = read_corpus(mails, 1.0, Mails(training=20, held_out=5, arriving=30))
    sizes = [Counter(mail.label for mail in part) for part in (cut.training, cut.held_out, cut.arriving)]
    assert sizes == [{"ham": size, "spam": size} for size in (20, 5, 30)]
    assert not {*cut.training} & {*cut.held_out}
    assert cut == read_corpus(mails, 1.0, Mails(training=20, held_out=5, arriving=30))
    quick = read_corpus(mails, 0.5, Mails(training=20, held_out=4, arriving=30))
    assert [len(part) for part in (quick.training, quick.held_out, quick.arriving)] == [20, 4, 30]


def test_progress_is_printed_again_without_news(capfd):
    say = ProgressPrinter(quiet_s=0.04)
    say("working")
    until, output = time.monotonic() + 10, ""
    while output.count("working") < 3 and time.monotonic() < until:
        time.sleep(0.02)
        output += capfd.readouterr().err
    say.close()
    assert output.count("working") >= 3


class MemoryClient(Client):
    """A client whose uploads stay here."""

    def __init__(self):
        self.blobs = {}

    def upload(self, source, on_bytes=lambda _done, _total: None):
        data = source if isinstance(source, bytes) else source.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        on_bytes(len(data), len(data))
        return digest


def test_an_uploaded_folder_is_named_as_the_store_names_it(tmp_path):
    folder = tmp_path / "model"
    (folder / "inner").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "inner" / "weights.bin").write_bytes(bytes(100))
    reports = []
    digest = MemoryClient().upload_tree(folder, lambda done, total: reports.append((done, total)))
    assert digest == ArtifactStore(str(tmp_path / "store")).put_tree(folder)
    assert reports == [(2, 102), (102, 102)]
