"""PDF and DOCX files of other people's programs: what their texts are, and why some have none."""

from pathlib import Path

import pytest

from ratoon_ingestion.worker.documents import NotReadable, read_document

ZOO = Path(__file__).resolve().parents[4] / ".data" / "zoo"
TEXTS = {
    "pypdf/resources/hello-world.pdf": "Привет",
    "pypdf/resources/multilang.pdf": "Hello World",
    "pypdf/resources/issue-914-xmp-data.pdf": "散称华",
    "pypdf/resources/pdflatex-outline.pdf": "Contents\n1 Foo 2",
    "pypdf/resources/encryption/r2-owner-password.pdf": "pdf encryption test",
    "pypdf/resources/encryption/r6-empty-password.pdf": "pdf encryption test",
    "pypdf/resources/Seige_of_Vicksburg_Sample_OCR.pdf": "THE   SIEGE   OF  VICKSBURG.",
    "python-docx/features/steps/test_files/blk-paras-and-tables.docx": "Left-side\tRight-side",
    "python-docx/features/steps/test_files/doc-odd-even-hdrs.docx": "Odd page header.\nEven page header.",
    "python-docx/features/steps/test_files/hdr-header-footer.docx": "Header for section-1",
    "python-docx/features/steps/test_files/par-hyperlinks.docx": "One awesome hyperlink.",
    "python-docx/features/steps/test_files/tbl-cell-access.docx": "1\t2\t3\n4\t5\t6\n7\t8\t9",
}
REFUSED = {
    "pypdf/resources/encryption/r3-user-password.pdf": "ENCRYPTED",
    "pypdf/resources/encryption/r6-both-passwords.pdf": "ENCRYPTED",
    "pypdf/resources/libreoffice-writer-password.pdf": "ENCRYPTED",
    "pypdf/resources/imagemagick-CCITTFaxDecode.pdf": "NO_TEXT",
    "pypdf/resources/imagemagick-lzw.pdf": "NO_TEXT",
    "python-docx/features/steps/test_files/doc-default.docx": "NO_TEXT",
}
SLOW = ("issue-604.pdf",)


def needed(name: str) -> Path:
    path = ZOO / name
    if not path.exists():
        pytest.skip(f"fetch {name.partition('/')[0]} first: make test-outside")
    return path


@pytest.mark.parametrize(("name", "text"), TEXTS.items())
def test_documents_of_others_have_their_texts(name, text):
    assert text in read_document(needed(name).read_bytes()).text


@pytest.mark.parametrize(("name", "reason"), REFUSED.items())
def test_scans_and_locked_documents_say_why_they_have_no_text(name, reason):
    with pytest.raises(NotReadable) as refused:
        read_document(needed(name).read_bytes())
    assert refused.value.reason == reason


@pytest.mark.parametrize("folder", ["pypdf/resources", "python-docx/features/steps/test_files"])
@pytest.mark.parametrize("share", [1.0, 0.9, 0.5])
def test_each_document_whole_or_cut_has_a_text_or_a_reason(folder, share):
    paths = [path for path in sorted(needed(folder).rglob("*")) if path.suffix in (".pdf", ".docx")]
    assert len(paths) > 20
    for path in paths:
        if path.name in SLOW:
            continue
        data = path.read_bytes()
        try:
            document = read_document(data[: int(len(data) * share)])
        except NotReadable as refused:
            assert str(refused), path
        else:
            assert document.text.strip(), path
            assert "\x00" not in document.text, path
