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
    ],
)
def test_other_numbers_and_names_stay(text):
    assert masked(text, DEFAULT_MASKS) == (text, {})


def test_urls_are_masked_when_asked_for():
    text, counts = masked("see https://example.org/a?b=1 or www.example.com", [Mask.URL])
    assert (text, counts) == ("see [URL] or [URL]", {Mask.URL: 2})


def test_nothing_is_masked_when_nothing_is_asked_for():
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
