"""The corpus script: whole mails are stored, damaged or foreign ones are detected, archives cannot write elsewhere."""

import hashlib
import importlib.util
import io
import tarfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/data.py"
MAIL = b"Subject: hello\n\nA mail.\n"
NAME = f"00001.{hashlib.md5(MAIL).hexdigest()}.txt"


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The script with its folders below `tmp_path` and a corpus of one mail."""
    spec = importlib.util.spec_from_file_location("ratoon_data_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names = hashlib.sha256(f"{NAME}\n".encode()).hexdigest()
    changed = {
        "ROOT": tmp_path,
        "DATA": tmp_path,
        "CORPUS": tmp_path / "corpus",
        "NAMES_SHA256": {"spam-1": names},
    }
    for name, value in changed.items():
        monkeypatch.setattr(module, name, value)
    return module


def test_a_whole_corpus_is_put_in_place(data):
    assert data.install(iter([("spam-1", NAME, MAIL)]), "a test")
    assert (data.CORPUS / "spam-1" / NAME).read_bytes() == MAIL
    assert data.faults(data.CORPUS) == []


def test_a_damaged_mail_and_a_missing_one_are_noticed_and_nothing_is_installed(data):
    assert not data.install(iter([("spam-1", NAME, MAIL + b"!")]), "a test")
    assert not data.install(iter([("spam-1", "00002.txt", MAIL)]), "a test")
    assert not data.install(iter([]), "a test")
    assert not data.CORPUS.exists()


def test_an_origin_that_breaks_off_is_no_crash_but_a_full_disk_is(data):
    def broken(error):
        yield "spam-1", NAME, MAIL
        raise error

    assert not data.install(broken(TimeoutError("timed out")), "a test")
    assert not data.install(broken(tarfile.ReadError("truncated")), "a test")
    with pytest.raises(OSError, match="space"):
        data.install(broken(OSError(28, "No space left on device")), "a test")


def test_only_plain_files_with_a_mails_name_come_out_of_an_archive(data):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in (f"package/data/spam-1/{NAME}", "../../etc/evil", f"/spam-1/../{NAME}", "spam-1/cmds"):
            entry = tarfile.TarInfo(path)
            entry.size = len(MAIL)
            archive.addfile(entry, io.BytesIO(MAIL))
        link = tarfile.TarInfo(f"spam-1/{NAME}")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    packed.seek(0)
    with tarfile.open(fileobj=packed) as archive:
        mails = [
            mail
            for path, content in data.regular_files(archive)
            for mail in data.mail(Path(path).parent.name, Path(path).name, content)
        ]
    assert mails[0] == ("spam-1", NAME, MAIL)
    assert {name for _, name, _ in mails} == {NAME}
