"""Raw items decoded: what becomes a record, its attributes, and what is rejected by name."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_ingestion.worker.decoding import Source, decoded
from ratoon_ingestion.worker.filetypes import archive_kind, binary_kind, code_kind, office_kind
from ratoon_ingestion.worker.readers import Kind


def mail(body: bytes, *headers: str) -> bytes:
    return "\r\n".join([*headers, "", ""]).encode("latin-1") + body


def text_of(source: Source) -> str:
    assert source.refused is None
    return source.text()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (["Content-Type: multipart/mixed"], b"The words of the mail.\r\n"),
        (['Content-Type: multipart/mixed; boundary=""'], b"The words of the mail.\r\n"),
        (['Content-Type: multipart/report; boundary="x"'], b"The words of the mail.\r\n"),
        (
            ['Content-Type: multipart/mixed; boundary="x"'],
            b"--y\r\nContent-Type: text/plain\r\n\r\nThe words of the mail.\r\n--y--\r\n",
        ),
        (
            ['Content-Type: multipart/mixed; boundary="x"'],
            b"--x\r\nContent-Type: text/plain\r\n\r\nThe words of the mail.",
        ),
        (
            ['Content-Type: text/plain; boundary="x"'],
            b"--x\r\nContent-Type: text/plain\r\n\r\nThe words of the mail.\r\n--x--\r\n",
        ),
    ],
    ids=["no boundary", "empty boundary", "no parts", "other boundary", "no end", "calls itself text"],
)
def test_the_words_of_a_broken_multipart_are_not_lost(headers, body):
    source = decoded(Kind.MAIL, mail(body, "Subject: About it", *headers))
    assert text_of(source).split("\n") == ["About it", "", "The words of the mail.", ""] or text_of(
        source
    ).rstrip() == ("About it\n\nThe words of the mail.")
    assert "mime_defective" in source.steps


PNG = base64.encodebytes(b"\x89PNG\r\n\x1a\n\x00\x00")


def test_a_part_that_is_left_out_leaves_a_trace():
    body = (
        b"--x\r\nContent-Type: text/plain\r\n\r\nSee the picture.\r\n--x\r\nContent-Type: image/png\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + PNG + b"--x--\r\n"
    )
    source = decoded(Kind.MAIL, mail(body, 'Content-Type: multipart/mixed; boundary="x"'))
    assert text_of(source) == "See the picture."
    assert "part_left_out:image/png (1)" in source.steps


@pytest.mark.parametrize(
    ("headers", "body", "detail"),
    [
        (
            ["Content-Type: image/png", "Content-Transfer-Encoding: base64"],
            PNG,
            "its body is image/png",
        ),
        (
            ["Content-Type: text/plain", "Content-Transfer-Encoding: base64"],
            PNG,
            "its body is image/png",
        ),
        (
            ["Content-Type: text/html"],
            b"<html><body><img src=cid:1></body></html>",
            "its body holds images or markup alone",
        ),
        (
            ['Content-Type: multipart/mixed; boundary="x"'],
            b"This is a multi-part message in MIME format.\r\n--x\r\nContent-Type: application/pdf\r\n\r\n"
            b"%PDF-1\r\n--x--",
            "its body is application/pdf",
        ),
        (["Content-Type: text/calendar"], b"BEGIN:VCALENDAR\r\n", "its body is text/calendar"),
    ],
)
def test_a_mail_whose_body_is_no_text_is_no_record_of_its_subject(headers, body, detail):
    source = decoded(Kind.MAIL, mail(body, "Subject: About it", *headers))
    assert source.refused == ("NO_TEXT", detail)


def test_a_mail_that_has_a_subject_alone_is_its_subject():
    assert text_of(decoded(Kind.MAIL, mail(b"", "Subject: Call me back"))) == "Call me back"


def test_a_file_within_the_text_is_left_out():
    body = b"See it:\r\n\r\nbegin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\nRegards\r\n"
    source = decoded(Kind.MAIL, mail(body, "Subject: A file"))
    assert text_of(source).split() == ["A", "file", "See", "it:", "Regards"]
    assert "part_left_out:text/x-uuencode (1)" in source.steps
    assert "begin 2 days" in text_of(decoded(Kind.MAIL, mail(b"begin 2 days later\r\nend", "Subject: x")))


def test_text_that_is_attached_is_read_when_there_is_no_other():
    part = b"--x\r\nContent-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nThe list.\r\n--x--\r\n"
    assert (
        text_of(decoded(Kind.MAIL, mail(part, 'Content-Type: multipart/mixed; boundary="x"'))) == "The list."
    )


def test_a_part_in_an_encoding_that_is_refused_ends_itself_alone():
    parts = (
        b"--x\r\nContent-Type: text/plain; charset=utf-7\r\n\r\nHi +AMQ-\r\n"
        b"--x\r\nContent-Type: text/plain\r\n\r\nThe rest.\r\n--x--\r\n"
    )
    source = decoded(Kind.MAIL, mail(parts, 'Content-Type: multipart/mixed; boundary="x"'))
    assert text_of(source) == "The rest."
    assert "part_left_out:text/plain (1)" in source.steps
    alone = decoded(Kind.MAIL, mail(b"Hi +AMQ-", "Content-Type: text/plain; charset=utf-7"))
    assert alone.refused == (
        "UNDECODABLE",
        "Text in the encoding 'utf-7' is not supported. Save it as UTF-8 and import it again.",
    )


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbfSubject: Hello\n\nThe words.\n",
        "\ufeffSubject: Hello\r\n\r\nThe words.\r\n".encode("utf-16-le"),
        b"\n\n\r\nSubject: Hello\n\nThe words.\n",
        b"345       \nSubject: Hello\n\nThe words.\n",
        b"From ann@example.org Thu Jan  1 00:00:00 1970\nSubject: Hello\n\nThe words.\n",
    ],
    ids=["utf-8 mark", "utf-16", "blank lines", "Apple Mail", "postmark"],
)
def test_mails_as_other_programs_save_them(raw):
    assert text_of(decoded(Kind.MAIL, raw)).split() == ["Hello", "The", "words."]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("=?gb2312?B?u9i4tKO66Ua7qrrPzaw=?=", "回复：镕华合同"),
        ("=?iso-2022-jp?B?GyRCLSE4K0BRPXEbKEI=?=", "①見積書"),
        ("=?utf-8?B?w5xiZXJ3ZWlzdW5n?= =?utf-8?B?IGVyaGFsdGVu?=", "Überweisung erhalten"),
        ("=?utf-8?B?w5xi5A==?= =?utf-8?B?uK0=?=", "Üb中"),
        ("=?UTF-8?Q?Caf=C3=A9?= time", "Café time"),
        ("=?x-unknown?Q?Gr=FC=DFe?=", "Grüße"),
        ("=?utf-7?Q?plain?= words", "plain words"),
    ],
)
def test_subjects_in_encoded_words(subject, expected):
    assert decoded(Kind.MAIL, mail(b"", f"Subject: {subject}")).subject == expected


def test_a_raw_subject_is_in_the_encoding_of_its_body():
    raw = "Subject: 订单退款\nContent-Type: text/plain; charset=gb2312\n\n请退款\n".encode("gb18030")
    assert text_of(decoded(Kind.MAIL, raw)) == "订单退款\n\n请退款\n"


def test_an_encoding_of_the_source_is_that_of_what_names_none():
    raw = "Привет, это письмо".encode("koi8_r")
    assert text_of(decoded(Kind.MAIL, b"\n" + raw, encoding="koi8-r")).strip() == "Привет, это письмо"
    assert text_of(decoded(Kind.TEXT, raw, encoding="koi8-r")) == "Привет, это письмо"
    named = b"Content-Type: text/plain; charset=windows-1251\n\n" + "Привет".encode("cp1251")
    assert text_of(decoded(Kind.MAIL, named, encoding="koi8-r")) == "Привет"


def test_a_page_is_in_the_encoding_that_it_names():
    page = '<html><head><meta charset="koi8-r"></head><body><p>Привет, это письмо</p></body></html>'.encode(
        "koi8_r"
    )
    assert text_of(decoded(Kind.TEXT, page, "a.html")).strip() == "Привет, это письмо"
    assert decoded(Kind.TEXT, page).attributes == {}
    mailed = mail(page, "Content-Type: text/html")
    assert text_of(decoded(Kind.MAIL, mailed)).strip() == "Привет, это письмо"


def test_a_guess_and_a_loss_are_reported():
    source = decoded(Kind.TEXT, "质量非常好，物流也快".encode("gb18030"))
    assert (source.steps, source.attributes) == (("charset_guessed",), {"charset": "gb18030"})
    cut = decoded(Kind.TEXT, "质量非常好，物流也快".encode()[:-1])
    assert cut.steps == ("charset_guessed", "characters_replaced:1")
    assert decoded(Kind.CELL, "lost before \ufffd".encode()).steps == ()
    assert decoded(Kind.LOSSY_CELL, "lost \ufffd".encode()).steps == ("characters_replaced:1",)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "image/png"),
        (b"%PDF-1.4\n%\xe2\xe3", "application/pdf"),
        (b"{\\rtf1\\ansi Hello}", "application/rtf"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(40), "application/msoffice"),
        (b"\x7fELF\x02\x01\x01\x00", "application/x-executable"),
        (b"SQLite format 3\x00\x10\x00", "application/sqlite"),
        (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00", "application/pickle"),
        (b"\x00\x01\x02\x03" * 20, "application/octet-stream"),
        (b"GIF89a is how a text may begin.", None),
        (b"BMW and MZ are names, ID3 is a tag.", None),
        (b"line\n\x1b[31mred\x1b[0m\n", None),
        (b"N\x08NA\x08AM\x08ME\x08E", None),
        ("Hello there".encode("utf-16"), None),
        ("Hello there".encode("utf-16-le"), None),
        (b"one \x00 in a long text of words that somebody wrote, so that it is rare" * 2, None),
        (b"\x1b$B8+@Q\x1b(B", None),
        (b"", None),
    ],
)
def test_what_is_no_text_is_reported_by_its_kind(data, kind):
    assert binary_kind(data) == kind


def test_archives_and_office_files_have_their_names():
    assert archive_kind(b"\x1f\x8b\x08\x00") == "application/gzip"
    assert archive_kind(bytes(257) + b"ustar\x00") == "application/tar"
    assert archive_kind(b"plain text") is None
    assert office_kind(b"PK\x03\x04....xl/workbook.xml") == "application/xlsx"
    assert office_kind(b"PK\x03\x04....a.txt") is None


@pytest.mark.parametrize(
    ("path", "text", "kind"),
    [
        ("pkg/setup.py", "import os\n", "source code (.py)"),
        ("pkg/PKG-INFO", "Metadata-Version: 2.1\n", "a file of a program's package (pkg-info)"),
        ("pkg/package-lock.json", "{}", "a file of a program's package (package-lock.json)"),
        ("pkg/data.json", "{}", "a file of data or settings (.json)"),
        ("run", "#!/bin/sh\necho hi\n", "a script"),
        ("site/app.js", "!function(){var a=1;" + "x=>y;" * 800 + "}}", "minified code"),
        ("src/a.rs", "use std::io;\nfn main() {\n    let a = 1;\n}\n", "source code (.rs)"),
        ("news/today.cs", "Dnes bude hezky.\nZítra bude pršet.\n", None),
        ("news/today.pl", "Dzisiaj będzie ładnie.\n", None),
        ("README.md", "# Title\n\nWords; and more words.\n", None),
        ("a/b.txt", "import taxes are high\nfrom here on\n", None),
        ("mails/00001.7c53336b37003a9286aba55d2945844c", "Hello\n", None),
        ("a.tar/x.html", "<html>", None),
    ],
)
def test_code_is_distinguished_from_text(path, text, kind):
    assert code_kind(path, text) == kind


def test_code_is_rejected_by_name_and_an_empty_file_says_so():
    assert decoded(Kind.TEXT, b"import os\n", "a/b.py").refused == ("CODE", "source code (.py)")
    assert decoded(Kind.TEXT, b"", "a/b.txt").refused == ("NO_TEXT", "the file is empty")
    assert decoded(Kind.TEXT, b"\x89PNG\r\n\x1a\n\x00", "a/b.txt").refused == ("NOT_TEXT", "image/png")


@given(
    st.sampled_from(Kind),
    st.binary(max_size=300),
    st.sampled_from(["", "gb18030", "utf-16le", "iso-2022-jp"]),
)
def test_any_item_has_a_text_or_a_reason(kind, payload, encoding):
    source = decoded(kind, payload, "a/b", encoding)
    text = "" if source.refused else source.text()
    assert source.verdict(text) is not None or text.strip()
    source.record_id(b"k" * 32)
