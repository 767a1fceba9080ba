"""Bytes to text: labels, marks, guesses, and what is lost."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_ingestion.worker.charset import (
    Encoding,
    EncodingRefused,
    How,
    choose_for,
    decode,
    decode_names,
    embedded_charset,
    named_codec,
)

CHINESE = "王喆您好，镕华的合同请尽快发来，谢谢您的配合。"
TAIWANESE = "您好，請問貴公司的產品什麼時候可以出貨？謝謝您。"
JAPANESE = "髙橋様、①見積書 ②請求書を送ります。ご確認ください。"
KOREAN = "똠방각하 뷁 주문을 취소해 주세요. 감사합니다."
RUSSIAN = "Здравствуйте, мой заказ до сих пор не пришёл."
GERMAN = "Preis: 5 € – „günstig“, sagt Jürgen."


@pytest.mark.parametrize(
    ("label", "written", "text"),
    [
        *(
            (label, "gb18030", CHINESE)
            for label in ("gb2312", "GBK", "x-gbk", "gb_2312-80", "GB18030", "cp936")
        ),
        *(
            (label, "cp949", KOREAN)
            for label in ("euc-kr", "ks_c_5601-1987", "csEUCKR", "KSC5601", "x-windows-949", "cp949")
        ),
        *(
            (label, "cp932", JAPANESE)
            for label in ("Shift_JIS", "x-sjis", "windows-31j", "MS_Kanji", "cp932")
        ),
        *((label, "cp950", TAIWANESE) for label in ("big5", "Big5-HKSCS", "x-x-big5", "cp950")),
        ("big5-hkscs", "big5hkscs", "我哋喺香港嘅舖頭"),
        ("euc-jp", "euc_jp", "髙い見積書を送ります".replace("髙", "高")),
        ("euc-jp", "euc_jisx0213", "①見積書を送ります"),
        *(
            (label, "cp1252", GERMAN)
            for label in ("iso-8859-1", "latin1", "us-ascii", "Windows-1252", "ISO_8859-1")
        ),
        ("iso-8859-15", "iso8859_15", "Preis: 5 €, œuvre"),
        ("iso-8859-15", "cp1252", "„quoted“ text"),
        ("iso-8859-9", "cp1254", "“Şişli” – ığdır"),
        ("iso-8859-2", "cp1250", "„zażółć gęślą jaźń” – š"),
        ("tis-620", "cp874", "“สวัสดี”"),
        ("iso-8859-11", "cp874", "“สวัสดี”"),
        ("iso-8859-8-i", "iso8859_8", "שלום, מה שלומך"),
        ("cp-850", "cp850", "Grüße"),
        ("IBM850", "cp850", "Grüße"),
        ("cp437", "cp437", "Grüße"),
        ("x-mac-roman", "mac_roman", "Déjà réglé"),
        ("macintosh", "mac_roman", "Déjà réglé"),
        ("koi8-r", "koi8_r", "Привет"),
        ("windows-1251", "cp1251", "Привет"),
        ("win-1251", "cp1251", "Привет"),
        ("utf8", "utf-8", "Привет"),
        ('"utf-8"', "utf-8", "Привет"),
        ("utf-8; format=flowed", "utf-8", "Привет"),
        ("utf-16le", "utf-16-le", "Grüße"),
        ("utf-16", "utf-16-le", "Hello there"),
        ("utf-16", "utf-16-be", "Hello there"),
        ("hz-gb-2312", "hz", "你好，世界"),
        ("iso-2022-kr", "iso2022_kr", "주문을 취소해"),
        ("iso-2022-jp", "iso2022_jp", "見積書を送ります"),
    ],
)
def test_a_label_stands_for_the_superset_that_is_meant_by_it(label, written, text):
    decoded = decode(text.encode(written), label)
    assert (decoded.text, decoded.replaced) == (text, 0)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x1b$B-!8+@Q\x1b(B OK", "①見積 OK"),
        (b"\x1b(I1\x1b(B1", "ｱ1"),
        (b"\x1b$B|b\x1b(B", "髙"),
        (b"\x1b$B8+@Q\nplain", "見積\nplain".replace("plain", "")),
    ],
)
def test_iso_2022_jp_knows_the_rows_of_nec_and_ibm(data, text):
    for label in ("iso-2022-jp", "cp50220", "_iso-2022-jp$ESC", ""):
        assert decode(data, label).text.startswith(text)


@pytest.mark.parametrize("label", ["utf-7", "UNICODE-1-1-UTF-7", "iso-2022-cn"])
def test_encodings_that_nothing_can_check_are_refused(label):
    with pytest.raises(EncodingRefused, match="Save it as UTF-8"):
        decode(b"+AMQ-", label)


@pytest.mark.parametrize(
    "label", ["rot13", "base64", "idna", "punycode", "undefined", "unicode_escape", "x-unknown", "8bit"]
)
def test_labels_that_name_no_encoding_are_passed_over(label):
    assert decode("Größe und Maß stimmen.".encode("cp1252"), label).text == "Größe und Maß stimmen."
    assert decode("Größe und Maß stimmen.".encode(), label).text == "Größe und Maß stimmen."


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_decides(codec):
    decoded = decode(KOREAN.encode(codec), "iso-8859-1")
    assert (decoded.text, decoded.how) == (KOREAN, How.BOM)


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_decides_of_text_that_was_cut_within_a_character(codec):
    decoded = decode((KOREAN + "뷁").encode(codec)[:-1])
    assert (decoded.text, decoded.how, decoded.replaced) == (KOREAN + "\ufffd", How.BOM, 1)


def test_a_byte_order_mark_decides_of_text_with_little_damage():
    whole = (KOREAN * 20).encode("utf-16")
    decoded = decode(whole + b"\x00\xd8" + KOREAN.encode("utf-16-le"))
    assert (decoded.text, decoded.how) == (KOREAN * 20 + "\ufffd" + KOREAN, How.BOM)
    assert decode(b"\xff\xfe" + b"a\xdc" * 20).how is not How.BOM


def test_the_mark_of_a_stream_counts_wherever_its_sample_ends():
    whole = ("中" * 131_070 + "😀 中文\n").encode("utf-16")  # the sample ends within 😀
    assert choose_for([whole]) == Encoding("utf-16-le", How.BOM)


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("gb18030", "质量非常好，物流也快"),
        ("gb18030", "你好"),
        ("big5", "請問什麼時候可以出貨"),
        ("cp932", "お世話になっております。"),
        ("euc_jp", "お世話になっております。"),
        ("cp949", "주문하신 상품이"),
        ("cp1251", "Привет, как дела?"),
        ("koi8_r", "Здравствуйте, мой заказ"),
        ("cp866", "Здравствуйте, мой заказ"),
        ("cp1252", "Größe und Maß stimmen."),
        ("cp1252", "über"),
        ("cp1252", "déjà vu"),
        ("cp1252", "Copyright © 2001 Dag-Erling Smørgrav"),
        ("cp1250", "Proszę o pilną odpowiedź"),
        ("cp1253", "Καλημέρα σας"),
        ("cp1254", "Teşekkürler, iyi günler, sipariş"),
        ("cp1255", "שלום, ההזמנה שלי"),
        ("cp1256", "مرحبا، طلبي لم يصل بعد"),
        ("cp874", "สวัสดีครับ"),
        ("cp850", "Der Drücker klemmt"),
        ("utf-16-le", "Hello there, Jürgen"),
        ("utf-16-be", "Hello there, Jürgen"),
    ],
)
def test_short_texts_without_a_label_are_guessed_by_their_characters(codec, text):
    decoded = decode(text.encode(codec))
    assert (decoded.text, decoded.how, decoded.guessed) == (text, How.DETECTED, True)


def test_utf8_that_was_cut_or_soiled_stays_utf8_and_tells_what_was_lost():
    data = CHINESE.encode()
    assert decode(data[:-1]).text == CHINESE[:-1] + "\ufffd"
    assert decode(data[:-1], "utf-8").replaced == 1
    assert decode((CHINESE * 9).encode() + b"\xff").replaced == 1


def test_a_false_label_is_passed_over():
    assert decode(CHINESE.encode(), "gb2312").text == CHINESE
    assert decode(RUSSIAN.encode(), "windows-1251").text == RUSSIAN
    assert decode(RUSSIAN.encode("cp1251"), "utf-8").text == RUSSIAN
    assert decode(RUSSIAN.encode("cp1251"), "iso-8859-1").text == RUSSIAN


def test_replacement_characters_of_the_text_itself_are_not_ours():
    assert decode("was lost before: \ufffd".encode()).replaced == 0


def test_what_a_person_says_goes_before_the_label():
    decoded = decode("Привет".encode("koi8_r"), "windows-1251", override="koi8-r")
    assert (decoded.text, decoded.how) == ("Привет", How.OVERRIDE)
    assert decode(b"a\x81b", override="cp1252").replaced == 1


def test_an_encoding_that_a_person_names_must_exist():
    assert named_codec("GB2312") == "gb18030"
    assert named_codec("ascii") == "utf-8"
    with pytest.raises(EncodingRefused, match="'latin-77' is not an encoding that Ratoon knows"):
        named_codec("latin-77")


@pytest.mark.parametrize("codec", ["utf-8", "gb18030", "utf-8-sig"])
def test_the_charset_of_a_stream_depends_on_all_of_it(codec):
    plain = b"id,text\n" + b"1,plain words\n" * 5000
    data = plain + f"2,{CHINESE}\n".encode(codec) * 20
    chunks = [data[at : at + 1000] for at in range(0, len(data), 1000)]
    assert choose_for(chunks).codec == codec.removesuffix("-sig")


@pytest.mark.parametrize(
    ("data", "label"),
    [
        (b'<html><head><meta charset="koi8-r">', "koi8-r"),
        (b'<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=ISO-8859-1">', "ISO-8859-1"),
        (b"<?xml version=\"1.0\" encoding='windows-1251'?>", "windows-1251"),
        (b'<meta charset="utf-16">', "utf-8"),
        (b"the charset=koi8-r of a text", ""),
        (b" " * 2000 + b'<meta charset="koi8-r">', ""),
    ],
)
def test_a_page_names_its_encoding_itself(data, label):
    assert embedded_charset(data) == label


def test_names_of_one_archive_are_in_one_encoding():
    names = ["客服/投诉/一.txt", "客服/表扬/二.txt", "readme.txt"]
    assert [each.text for each in decode_names([name.encode("gb18030") for name in names])] == names
    assert [each.text for each in decode_names([name.encode() for name in names])] == names
    assert [each.text for each in decode_names(["Größe.txt".encode("cp437")])] == ["Größe.txt"]


@given(
    st.binary(max_size=200),
    st.sampled_from(
        ["", "utf-8", "utf-16", "hz", "gb2312", "idna", "\x00", "é", "iso-2022-jp", "euc-kr", "cp037"]
    ),
)
def test_any_bytes_have_a_text(data, declared):
    decoded = decode(data, declared)
    decoded.text.encode()
    assert decoded.replaced >= 0


@given(st.text(min_size=1, max_size=80), st.sampled_from(["utf-8", "gb18030"]))
def test_what_a_true_label_names_comes_back(text, codec):
    written = text.encode(codec, errors="ignore")
    if not written.startswith(
        (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"\x84\x31\x95\x33")
    ):
        assert decode(written, override=codec).text == written.decode(codec)


TABLE = (
    "评论,标签\n" + "质量非常好，物流也很快，下次还会再来购买,好评\n这个东西不好，用了两天就坏了,差评\n" * 60
)


@pytest.mark.parametrize("cut", range(60, 90))
def test_a_stream_is_guessed_alike_wherever_its_chunks_end(cut):
    data = TABLE.encode("gb18030")
    assert choose_for([data[:cut], data[cut:]]).codec == "gb18030"
    assert decode(data[:cut]).encoding == "gb18030", "a sample may end within a character"


def test_one_damaged_byte_does_not_change_the_guess():
    data = bytearray(TABLE.encode("gb18030"))
    data[len(data) // 2] = 0xFF
    assert choose_for([bytes(data)]).codec == "gb18030"


def test_a_line_without_end_is_sampled_once():
    assert choose_for(["质量非常好".encode("gb18030") * 20_000] * 40).codec == "gb18030"
