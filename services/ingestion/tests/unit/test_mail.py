"""Raw mails, valid and invalid."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon_ingestion.worker.mail import Undecodable, read_mail


def mail(body: bytes, *headers: str) -> bytes:
    return "\r\n".join([*headers, "", ""]).encode("latin-1") + body


def test_a_plain_mail_gives_subject_body_and_the_time_it_was_received():
    read = read_mail(
        mail(
            b"Hello there.\r\n",
            "Received: from a by b; Thu, 22 Aug 2002 12:46:39 +0200",
            "Date: Mon, 1 Jan 2001 00:00:00 +0000",
            "Subject: =?utf-8?q?Caf=C3=A9?= time",
        )
    )
    assert read.subject == "Café time"
    assert [body.text.strip() for body in read.bodies] == ["Hello there."]
    assert read.received == datetime(2002, 8, 22, 10, 46, 39, tzinfo=UTC)
    assert not (read.html or read.defective or read.guessed)


def test_of_alternatives_the_plain_text_is_taken_unless_it_says_nothing():
    def alternative(plain: str) -> bytes:
        return mail(
            f"--x\r\nContent-Type: text/plain\r\n\r\n{plain}\r\n--x\r\nContent-Type: text/html\r\n\r\n"
            "<p>The offer of the week, in full.</p>\r\n--x--\r\n".encode(),
            'Content-Type: multipart/alternative; boundary="x"',
        )

    assert [
        body.html for body in read_mail(alternative("This is the same offer, in plain words.")).bodies
    ] == [False]
    assert [body.html for body in read_mail(alternative("See HTML.")).bodies] == [True]
    assert read_mail(alternative("See HTML.")).html


def test_attachments_are_left_out():
    read = read_mail(
        mail(
            b"--x\r\nContent-Type: text/plain\r\n\r\nbody\r\n--x\r\nContent-Type: text/plain\r\n"
            b"Content-Disposition: attachment\r\n\r\nsecret list\r\n--x--\r\n",
            'Content-Type: multipart/mixed; boundary="x"',
        )
    )
    assert "".join(body.text for body in read.bodies).strip() == "body"


def test_a_truncated_multipart_gives_what_it_holds():
    read = read_mail(
        mail(
            b"--x\r\nContent-Type: text/plain\r\n\r\nthe only part",
            'Content-Type: multipart/mixed; boundary="x"',
        )
    )
    assert [body.text for body in read.bodies] == ["the only part"]
    assert read.defective


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_truncated_base64_is_read_as_far_as_it_goes(cut):
    encoded = base64.encodebytes(b"A letter that was cut off on its way to the reader, sadly.")
    body = encoded.rstrip()[: len(encoded.rstrip()) - cut]
    headers = ("Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64")
    assert read_mail(mail(body, *headers)).bodies[0].text.startswith("A letter that was cut off")


@pytest.mark.parametrize(
    "charset", ["us-ascii", "utf-8", "x-unknown", "base64", "", "iso-8859-1", "undefined"]
)
def test_a_wrong_charset_is_passed_over(charset):
    read = read_mail(
        mail("Grüße aus Köln, schöne Woche".encode("cp1252"), f"Content-Type: text/plain; charset={charset}")
    )
    assert read.bodies[0].text == "Grüße aus Köln, schöne Woche"


def test_chinese_in_its_own_charset():
    read = read_mail(mail("你好，世界".encode("gb2312"), "Content-Type: text/plain; charset=gb2312"))
    assert read.bodies[0].text == "你好，世界"


def test_html_that_calls_itself_plain_is_taken_for_html():
    assert read_mail(mail(b"\n <HTML><body>Buy</body></HTML>", "Content-Type: text/plain")).bodies[0].html


def test_parts_nested_without_end_are_an_error_of_their_own():
    nested = "".join(
        f"--b{n}\r\nContent-Type: multipart/mixed; boundary=b{n + 1}\r\n\r\n" for n in range(3000)
    )
    with pytest.raises(Undecodable):
        read_mail(mail(nested.encode(), "Content-Type: multipart/mixed; boundary=b0"))


HEADERS = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=x\n",
        b"Content-Type: multipart/alternative\n",
        b"Content-Type: text/html; charset*=utf-8''%ff\n",
        b"Content-Type: ;;;=\n",
        b"Content-Transfer-Encoding: base64\n",
        b"Content-Transfer-Encoding: quoted-printable\n",
        b"Content-Transfer-Encoding: x-uuencode\n",
        b"Subject: =?utf-8?b?////?= =?x?q?=ZZ?=\n",
        b"Date: Thu, 99 Foo 2002 99:99:99 +9999\n",
        b"Received: ; ; Thu, 22 Aug 9999999999999\n",
        b"From \xff\xfe\n",
        b"\n",
        b"--x\n",
        b"begin 644 a\n",
    ]
)


@given(st.lists(HEADERS | st.binary(max_size=60), max_size=12).map(b"".join))
@settings(max_examples=400)
def test_random_bytes_never_break_the_decoder(raw):
    read = read_mail(raw)
    for text in (read.subject, *(body.text for body in read.bodies)):
        text.encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Type: text/enriched\n\n" + b"<param>" * 200_000,
        b" \n" * 500_000 + b"x",
        b"Subject: x\n\nbegin 644 a\n" + b"ABCD\n" * 200_000,
        b"Content-Type: multipart/mixed\n\n" + b"\n--aaaa" * 200_000,
        b"\n" + b"begin 644 a\n" * 100_000,
    ],
    ids=["enriched", "blank lines", "uuencode", "boundaries", "begins"],
)
def test_hostile_mails_of_a_megabyte_are_read_in_one_pass(raw):
    """A pattern that backtracks would take minutes here."""
    read_mail(raw)
