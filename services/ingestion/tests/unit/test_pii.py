"""What is masked, and what is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_ingestion.domain.pii import DEFAULT_MASKS, Mask, luhn, masked


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write to Ann.Lee+x@mail.example.co.uk now", "Write to [EMAIL] now"),
        ("<root@localhost>, please", "<[EMAIL]>, please"),
        ("from 192.168.0.254 to 10.1.2.3.", "from [IP] to [IP]."),
        ("http://10.0.0.1/a?b=c", "http://[IP]/a?b=c"),
        ("host 2001:db8::8a2e:370:7334 up", "host [IP] up"),
        ("card 4111 1111 1111 1111 ok", "card [CARD] ok"),
        ("card 5500-0000-0000-0004.", "card [CARD]."),
        ("call (415) 555-2671 x12 today", "call [PHONE] today"),
        ("call 1-800-555-0199!", "call [PHONE]!"),
        ("Tel. +44 20 7946 0958", "Tel. [PHONE]"),
        ("电话13812345678。", "电话[PHONE]。"),
        ("请写a@b.example吧", "请写[EMAIL]吧"),
        ("电话: 13812345678", "电话: [PHONE]"),
        ("Mail an 用户@例子.公司 bitte", "Mail an [EMAIL] bitte"),
        ("用户@例子.公司", "[EMAIL]"),
        ("пишите на почта@пример.рф, пожалуйста", "пишите на [EMAIL], пожалуйста"),
        ("Δοκιμή: χρήστης@παράδειγμα.ελ.", "Δοκιμή: [EMAIL]."),
        ("jürgen@müller-söhne.de!", "[EMAIL]!"),
        ("info@xn--fsqu00a.xn--55qx5d", "[EMAIL]"),
        ('"john smith"@example.org wrote', "[EMAIL] wrote"),
        ("root@[192.168.0.1] wrote", "[EMAIL] wrote"),
        ("ann(at)example.org, ann [at] example.org", "[EMAIL], [EMAIL]"),
        ("o'neil+tag@mail.co.uk", "[EMAIL]"),
        ("Ruf an: +49 30 901820", "Ruf an: [PHONE]"),
        ("+49 (0)30 901820-12, 0049 30 901820", "[PHONE], [PHONE]"),
        ("004915112345678 oder +4915112345678", "[PHONE] oder [PHONE]"),
        ("(030) 901820, 030/901820, 030 / 901820, 0151 12345678", "[PHONE], [PHONE], [PHONE], [PHONE]"),
        ("Appelez le 01 23 45 67 89 ou +33 1 23 45 67 89.", "Appelez le [PHONE] ou [PHONE]."),
        ("Звоните 8 (495) 123-45-67 или +7 495 123-45-67", "Звоните [PHONE] или [PHONE]"),
        ("電話03-1234-5678、携帯 090-1234-5678", "電話[PHONE]、携帯 [PHONE]"),
        ("010-1234-5678로 연락", "[PHONE]로 연락"),
        ("电话010-12345678，手机138 1234 5678", "电话[PHONE]，手机[PHONE]"),
        ("Ligue (11) 91234-5678 ou +55 11 91234-5678", "Ligue [PHONE] ou [PHONE]"),
        ("+91 98765 43210 and +61 2 9876 5432", "[PHONE] and [PHONE]"),
        ("07911 123456 or 020 7946 0958", "[PHONE] or [PHONE]"),
        ("Tel.: 612 34 56 78", "Tel.: [PHONE]"),
        ("اتصل على ٠٥٠ ١٢٣ ٤٥٦٧ الآن", "اتصل على [PHONE] الآن"),
        ("1.2.3.4 asked for it", "[IP] asked for it"),
        ("server 10.0.0.1:8080", "server [IP]:8080"),
    ],
)
def test_personal_data_is_masked(text, expected):
    assert masked(text, DEFAULT_MASKS)[0] == expected


@pytest.mark.parametrize(
    "text",
    [
        "on 2002-08-22 at 14:44:07",
        "version 2.4.18-10 of the kernel",
        "std::vector<int> and a::b",
        "4111 1111 1111 1112 fails its check",
        "the 1,000,000 people of 2002",
        "RFC 2822 and PEP 8, page 123-456",
        "300.1.2.3 is no address",
        "write me @home",
        "v1.2.3.4 is out",
        "version 1.2.3.4 is out, Version: 10.0.1.2 is not",
        "upgrade to release 5.4.0.1, firmware 1.0.0.7",
        "MyBrowser/1.2.3.4 and package-1.2.3.4",
        "see section 4.2.1.3 and § 1.2.3.4",
        "版本1.2.3.4已发布",
        "Chrome 91.0.4472.124",
        "OID 1.3.6.1.4.1",
        "ISBN 978-3-16-148410-0, ISBN 0-306-40615-2, ISSN 0317-8471",
        "am 01.02.2026, on 2026-03-02 10:15, 02/03/2026",
        "for 1.299,00 €, $1,000,000.00 or 0,99 EUR",
        "the years 1990-2000 and 2019/2020",
        "52.520008, 13.404954",
        "icon@2x.png and lodash@4.17.21",
        "IBAN DE89 3704 0044 0532 0130 00",
        "order 0012345, ticket 2024-000123, invoice 100200300",
        "tracking 00340434161094012345",
        "from 10:00-18:00, room 0815",
        "pi is 3.14159265358979",
        "mobile 5.0.12345 is a version",
        "a list: 1 2 3 4 5 6 7 8 9 10 11 12",
        "scores 100-200-300 and 0-0",
        "1767323045 and 1767323045123",
    ],
)
def test_other_numbers_and_names_stay(text):
    assert masked(text, DEFAULT_MASKS) == (text, {})


def test_urls_are_masked_when_configured():
    text, counts = masked("see https://example.org/a?b=1 or www.example.com", [Mask.URL])
    assert (text, counts) == ("see [URL] or [URL]", {Mask.URL: 2})


def test_nothing_is_masked_when_nothing_is_configured():
    assert masked("a@b.example, 10.0.0.1", []) == ("a@b.example, 10.0.0.1", {})


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300))
def test_masking_never_fails_and_a_second_time_changes_nothing(text):
    once, _ = masked(text, list(Mask))
    assert masked(once, list(Mask))[0] == once


@given(st.integers(1, 10**15))
def test_one_wrong_digit_fails_luhn(number):
    digits = next(f"{number}{check}" for check in range(10) if luhn(f"{number}{check}"))
    wrong = f"{(int(digits[0]) + 1) % 10}{digits[1:]}"
    assert not luhn(wrong)
