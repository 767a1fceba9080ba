"""CPython's own mail test messages, each with what must become of it."""

from pathlib import Path

import pytest

from ratoon_ingestion.worker.decoding import decoded
from ratoon_ingestion.worker.readers import Kind

FOLDER = Path("/usr/lib/python3.11/test/test_email/data")
"""Where Debian's libpython3.11-testsuite puts them."""

TEXTS = {
    "msg_01": ("This is a test message\n\n\nHi,\n\nDo you like this message?\n\n-Me\n", ()),
    "msg_02": ("Ppp digest, Vol 1 #2 - 5 msgs\n\nSend Ppp mailing list submissions to\n\tppp@zzz.org", ()),
    "msg_03": ("This is a test message\n\n\nHi,\n\nDo you like this message?\n\n-Me\n", ()),
    "msg_04": (
        "a simple multipart\n\na simple kind of mirror\nto reflect upon our own\n\n\na simple kind of",
        (),
    ),
    "msg_05": ("bar\n\nYadda yadda yadda\n\n\nYadda yadda yadda\n\n\nYadda yadda yadda\n", ()),
    "msg_06": ("forwarded message from Barry A. Warsaw\n\ntesting", ()),
    "msg_07": (
        "Here is your dingus fish\n\nHi there,\n\nThis is the dingus fish.\n",
        ("part_left_out:image/gif (1)",),
    ),
    "msg_08": ("Lyrics", ("html",)),
    "msg_09": ("Lyrics", ("html",)),
    "msg_10": (
        "Lyrics\n\nThis is a 7bit encoded message.\n\n\n¡This is a Quoted Printable encoded message! \n\n"
        "This is a Base64 encoded message.\n\nThis is a Base64 encoded message.\n",
        ("html",),
    ),
    "msg_11": ("The enclosing message\n\nHere is the body of the message.\n", ()),
    "msg_12": ("Lyrics", ("html",)),
    "msg_12a": ("Lyrics", ("html",)),
    "msg_13": (
        "Here is your dingus fish\n\nA text/plain part\n\n\nHi there,\n\nThis is the dingus fish.\n",
        ("part_left_out:image/gif (1)",),
    ),
    "msg_14": (
        "This is a test message\n\n\nHi,\n\nI'm sorry but I'm using a drainbread ISP, which although",
        (),
    ),
    "msg_15": ("XX\n\nSome removed test. \n\n\nSome removed text.", ("mime_defective", "html")),
    "msg_16": (
        "Delivery Notification: Delivery has failed\n\nThis report relates to a message you sent",
        ("part_left_out:message/delivery-status (1)",),
    ),
    "msg_17": (
        "Here is your dingus fish\n\nHi there,\n\nThis is the dingus fish.\n\n[Non-text (image/gif)",
        ("mime_defective",),
    ),
    "msg_19": ("Send Ppp mailing list submissions to\n\tppp@zzz.org\n\nTo subscribe", ("mime_defective",)),
    "msg_20": ("This is a test message\n\n\nHi,\n\nDo you like this message?\n\n-Me\n", ()),
    "msg_21": ("Test\n\nOne\n\nTwo", ()),
    "msg_22": ("Text text text.\n\nText text text.", ("part_left_out:image/jpeg (2)",)),
    "msg_23": ("A message part", ()),
    "msg_24": ("A subject", ()),
    "msg_25": (
        "Returned mail: Too many hops 19 (17 max): from <linuxuser-admin@www.linux.org.uk> via [199.164.235.226], to "
        "<scoffman@wellpartner.com>\n\nThe original message was received at Fri, 6 Apr 2001 09:23:03 -0800",
        (
            "mime_defective",
            "part_left_out:message/delivery-status (1)",
            "part_left_out:text/rfc822-headers (1)",
        ),
    ),
    "msg_26": (
        "IMAP file test\n\nSimple email with attachment.\r\n\r\n",
        ("part_left_out:application/riscos (1)",),
    ),
    "msg_27": ("bug demonstration 1234567891123456789212345678931234567894", ()),
    "msg_28": ("message 1\n\n\nmessage 2\n", ()),
    "msg_29": ("This is a test message\n\n\nHi,\n\nDo you like this message?\n\n-Me\n", ()),
    "msg_30": ("message 1\n\n\nmessage 2\n", ()),
    "msg_31": ("message 1\n\n\nmessage 2\n", ("mime_defective",)),
    "msg_32": ("Re: Limiting Perl CPU Utilization...\n\nSome message.\n", ()),
    "msg_33": ("Re: Limiting Perl CPU Utilization...\n\npart 1\n\n\npart 2\n", ()),
    "msg_34": (
        "\nThis is a text plain part that is counter to recommended practice in\nRFC 2046, $5.1.5, but is not illegal\n"
        "\n\nA submessage\n",
        (),
    ),
    "msg_35": (
        "here's something interesting\n\ncounter to RFC 2822, there's no separating newline here\n",
        ("mime_defective",),
    ),
    "msg_36": ("I-D ACTION:draft-ietf-mboned-mix-00.txt\n\nBlah blah blah\n\n\nENCODING mime\nFILE", ()),
    "msg_37": ("Blah\n\n\nBlah\n\n\nBlah\n", ()),
    "msg_38": (
        "\nUnlike the test test_nested-multiples-with-internal-boundary, this\npiece",
        ("mime_defective",),
    ),
    "msg_39": (
        "--\nIt's never too late to have a happy childhood.\n",
        ("mime_defective", "part_left_out:application/octet-stream (2)"),
    ),
    "msg_41": ("64423\n\nBlah blah blah\n", ("mime_defective",)),
    "msg_42": ("Stuff\n", ("mime_defective",)),
    "msg_43": (
        "Banned file: auto__mail.python.bat in mail from you\n\nBANNED FILENAME ALERT\n",
        ("part_left_out:message/delivery-status (1)", "part_left_out:text/rfc822-headers (1)"),
    ),
    "msg_44": (
        "a simple multipart\n\na simple kind of mirror\nto reflect upon our own\n\n\na simple kind of",
        (),
    ),
    "msg_45": (
        "test\n\nThis is the signed contents.\n",
        ("part_left_out:application/pgp-signature (1)",),
    ),
    "msg_46": ("GroupwiseForwardingTest\n\nTesting email forwarding with Groupwise 1.2.2010\n", ()),
}
"""How the text of a record begins, and the mail's attributes. Parts without text leave the subject."""
REJECTED = {
    "msg_18": ("NO_TEXT", "it holds no text"),
    "msg_40": ("NO_TEXT", "its body holds images or markup alone"),
}
OTHER_FILES = {
    "python.bmp": "image/bmp",
    "python.exr": "image/exr",
    "python.gif": "image/gif",
    "python.jpg": "image/jpeg",
    "python.pbm": "image/netpbm",
    "python.pgm": "image/netpbm",
    "python.png": "image/png",
    "python.ppm": "image/netpbm",
    "python.ras": "image/sun-raster",
    "python.sgi": "image/sgi",
    "python.tiff": "image/tiff",
    "python.webp": "image/webp",
    "sndhdr.aifc": "audio/aiff",
    "sndhdr.aiff": "audio/aiff",
    "sndhdr.au": "audio/basic",
    "sndhdr.wav": "audio/wav",
}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="libpython3.11-testsuite is not installed")


def test_every_message_has_a_decided_outcome():
    assert {path.stem for path in FOLDER.glob("msg_*.txt")} == TEXTS.keys() | REJECTED.keys()


@pytest.mark.parametrize("name", TEXTS)
def test_a_message_becomes_this_text(name):
    source = decoded(Kind.MAIL, (FOLDER / f"{name}.txt").read_bytes())
    start, steps = TEXTS[name]
    text = source.text()
    assert source.verdict(text) is None
    assert text[: len(start)] == start
    assert tuple(step for step in source.steps if step != "mime") == steps


@pytest.mark.parametrize("name", REJECTED)
def test_a_message_without_text_is_rejected(name):
    source = decoded(Kind.MAIL, (FOLDER / f"{name}.txt").read_bytes())
    assert source.verdict("" if source.refused else source.text()) == REJECTED[name]


@pytest.mark.parametrize("kind", [Kind.MAIL, Kind.TEXT])
@pytest.mark.parametrize("name", OTHER_FILES)
def test_images_and_sounds_beside_them_are_no_text(name, kind):
    path = FOLDER / name
    if not path.exists():
        path = FOLDER.parents[1] / name
    if not path.exists():
        pytest.skip(f"this release has no {name}")
    assert decoded(kind, path.read_bytes()).refused == ("NOT_TEXT", OTHER_FILES[name])
