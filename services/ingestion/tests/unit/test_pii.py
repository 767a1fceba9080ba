"""What is masked, and what is left alone."""

from functools import partial

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_ingestion.domain.identifiers import PASSPORT_COUNTRIES, Hit, is_iban, is_resident_id, passports
from ratoon_ingestion.domain.pii import (
    DEFAULT_MASKS,
    Action,
    Mask,
    Redaction,
    luhn,
    masked,
    masking,
    redacted,
)
from ratoon_ingestion.worker.phones import phones, unknown_regions


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


ALL = tuple(kind for kind in Mask if kind is not Mask.URL)
NEW = (*DEFAULT_MASKS, Mask.IBAN, Mask.NATIONAL_ID, Mask.PASSPORT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IBAN DE89 3704 0044 0532 0130 00 bei COBADEFF", "IBAN [IBAN] bei COBADEFF"),
        ("GB82WEST12345698765432, FR1420041010050500013M02606.", "[IBAN], [IBAN]."),
        ("NO93 8601 1117 947 OG MER", "[IBAN] OG MER"),
        ("汇入MT84MALT011000012345MTLCAST001S即可", "汇入[IBAN]即可"),
        (
            "身份证号11010519491231002X，手机13800138000请写user@example.com谢谢",
            "身份证号[NATIONAL_ID]，手机[PHONE]请写[EMAIL]谢谢",
        ),
        ("ID 440524 18800101 0014 ok", "ID [NATIONAL_ID] ok"),
        ("passport no. E12345678, 护照号码：G12345678。", "passport no. [PASSPORT], 护照号码：[PASSPORT]。"),
        ("Reisepass C01X00T47 liegt bei", "Reisepass [PASSPORT] liegt bei"),
        ("L898902C36UTO7408122F1204159ZE184226B<<<<<10", "[PASSPORT]"),
        ("card 2720990000000007 ok", "card [CARD] ok"),
    ],
)
def test_numbers_of_accounts_and_people_are_masked_if_configured(text, expected):
    assert masked(text, NEW)[0] == expected


@pytest.mark.parametrize(
    "text",
    [
        "11010519491231002X",
        "GB82WEST12345698765432",
        "GB82 WEST 1234 5698 7654 32",
        "passport E12345678",
    ],
)
def test_new_kinds_are_off_by_default(text):
    assert masked(text, DEFAULT_MASKS) == (text, {})


@pytest.mark.parametrize(
    ("text", "look_alikes"),
    [
        ("id 110105194912310021 ends wrongly", {Mask.NATIONAL_ID: 1}),
        ("id 160105194912310028, no province", {Mask.NATIONAL_ID: 1}),
        ("DE88 3704 0044 0532 0130 00", {Mask.IBAN: 1, Mask.CARD: 1}),
        ("4111 1111 1111 1112 fails its check", {Mask.CARD: 1}),
        ("part E12345678 of the list", {Mask.PASSPORT: 1}),
        ("L898902C36UTO7408122F1204158ZE184226B<<<<<10", {Mask.PASSPORT: 1}),
        ("1700000000129", {}),
        ("buildId = 7719930983584221L", {}),
        ("9999999941111111111111119999999", {}),
        ("AB12 is short, ZZ89 3704 0044 0532 0130 00 has no country", {Mask.CARD: 1}),
        ("order 123456789 of 2024", {}),
    ],
)
def test_look_alikes_are_counted_and_stay(text, look_alikes):
    result = redacted(text, masking(NEW))
    assert (result.text, result.counts, result.look_alikes) == (text, {}, look_alikes)


def test_look_alikes_are_masked_on_request():
    redaction = Redaction({Mask.IBAN: Action.MASK}, masks_look_alikes=True)
    assert redacted("DE89 3704 0044 0532 0130 01", redaction).text == "[IBAN]"


def test_equal_data_have_equal_hashes_under_one_key():
    redaction = Redaction({Mask.EMAIL: Action.HASH, Mask.CARD: Action.HASH}, key=b"one")
    first, second = redacted("Ann@a.example, ann@A.example", redaction).text.split(", ")
    assert first == second and first.startswith("[EMAIL:") and len(first) == 24
    assert redacted("4111 1111 1111 1111", redaction).text == redacted("4111111111111111", redaction).text
    other = Redaction({Mask.EMAIL: Action.HASH}, key=b"two")
    assert redacted("ann@a.example", other).text != first
    for address in ("bob@a.example", "a.nn@a.example", "安@a.example"):
        assert redacted(address, redaction).text != first
    assert redacted("用户@例子.公司", redaction).text != redacted("客服@例子.公司", redaction).text


def test_each_kind_has_an_action_of_its_own():
    redaction = Redaction({Mask.EMAIL: Action.MASK, Mask.PHONE: Action.KEEP, Mask.CARD: Action.DROP})
    result = redacted("a@b.example, 13812345678, 4111 1111 1111 1111", redaction)
    assert result.text == "[EMAIL], 13812345678, [CARD]"
    assert result.counts == {Mask.EMAIL: 1, Mask.CARD: 1}


@given(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=200), st.sampled_from([Action.MASK, Action.HASH])
)
def test_redacting_a_second_time_changes_nothing(text, action):
    redaction = Redaction(dict.fromkeys(ALL, action), key=b"key", phones=partial(phones, ("CN", "US")))
    once = redacted(text, redaction).text
    assert redacted(once, redaction).text == once


MARKS = {
    "one@example.com": "[EMAIL]",
    "4111 1111 1111 1111": "[CARD]",
    "11010519491231002X": "[NATIONAL_ID]",
    "GB82WEST12345698765432": "[IBAN]",
}


@given(st.lists(st.sampled_from([*MARKS, ".com", "，", "中文", "/"]), max_size=12))
def test_all_that_is_outside_of_a_hit_survives_in_order(pieces):
    text = " ".join(pieces)
    assert redacted(text, masking(NEW)).text == " ".join(MARKS.get(piece, piece) for piece in pieces)


@pytest.mark.parametrize("region", ["CN", "US", "GB", "DE", "FR", "JP", "KR", "IN", "BR", "RU", "AU", "ZA"])
def test_numbers_of_a_country_are_found_by_its_plan(region):
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    international = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    redaction = Redaction({Mask.PHONE: Action.MASK}, phones=partial(phones, (region,)))
    for written in (national, international):
        assert redacted(f"Call {written}, please", redaction).text == "Call [PHONE], please"
        assert redacted(f"请打{written}谢谢", redaction).text == "请打[PHONE]谢谢"


def test_possible_numbers_that_no_country_assigns_look_alike():
    redaction = Redaction({Mask.PHONE: Action.MASK}, phones=partial(phones, ("US",)))
    result = redacted("Call 415-555-2671, not 155-555-0100 or 2024-01-15.", redaction)
    assert (result.text, result.look_alikes) == (
        "Call [PHONE], not 155-555-0100 or 2024-01-15.",
        {Mask.PHONE: 1},
    )
    assert unknown_regions(("US", "XX")) == ("XX",)


@given(st.integers(0, 10**14 - 1))
def test_one_wrong_digit_fails_the_checks(number):
    body = f"11010519491231{number % 1000:03}"
    checks = [check for check in "0123456789X" if is_resident_id(body + check)]
    assert len(checks) == 1
    account = f"{number:018}"
    valid = [f"DE{check:02}{account}" for check in range(2, 99) if is_iban(f"DE{check:02}{account}")]
    assert len(valid) == 1
    assert not is_iban(valid[0][:-1] + str((int(valid[0][-1]) + 1) % 10))


PASSPORTS = {
    "AU": "PA1234567",
    "BR": "FZ123456",
    "CA": "AB123456",
    "CH": "X1234567",
    "CN": "E12345678",
    "DE": "C01X00T47",
    "ES": "AAA123456",
    "FR": "05CK02237",
    "GB": "925665416",
    "HK": "KJ1234567",
    "IN": "J8369854",
    "IT": "YA1234567",
    "JP": "TK1234567",
    "KR": "M123A4567",
    "NL": "SPECI2014",
    "RU": "512345678",
    "SG": "E1234567N",
    "TW": "133435678",
    "US": "A12345678",
}


@pytest.mark.parametrize("country", PASSPORT_COUNTRIES)
def test_passports_of_a_country_are_found_behind_the_word(country):
    text = f"Passport number: {PASSPORTS[country]}"
    assert list(passports(text, (country,))) == [Hit(17, len(text))]
