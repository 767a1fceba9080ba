"""Numbers of people and accounts: their patterns, and the check digits that tell them from look-alikes."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache


@dataclass(frozen=True)
class Hit:
    """A place in a text that looks like a number, and whether it passes the check of its kind."""

    start: int
    stop: int
    is_valid: bool = True


_IBAN_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 "
    "EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 "
    "KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 "
    "PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 "
    "VA22 VG24 XK20 YE30"
)
_LENGTH_OF = {each[:2]: int(each[2:]) for each in _IBAN_LENGTHS.split()}
"""Length of an IBAN by country, as registered with SWIFT."""
_IBAN_START = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}\d{2}(?=[ \-]?[0-9A-Z])", re.ASCII)


def ibans(text: str) -> Iterator[Hit]:
    """Yield what has the form and the length of an IBAN; those are valid whose remainder by 97 is 1."""
    for start in _IBAN_START.finditer(text):
        if (length := _LENGTH_OF.get(start.group()[:2])) is None:
            continue
        if (rest := _account(length - 4).match(text, start.end())) is not None:
            number = re.sub(r"[ \-]", "", text[start.start() : rest.end()])
            yield Hit(start.start(), rest.end(), is_iban(number))


def is_iban(number: str) -> bool:
    """Return whether an IBAN without spaces passes its check (ISO 13616: modulo 97)."""
    return int("".join(str(int(sign, 36)) for sign in number[4:] + number[:4])) % 97 == 1


@cache
def _account(length: int) -> re.Pattern[str]:
    return re.compile(rf"(?:[ \-]?[0-9A-Z]){{{length}}}(?![0-9A-Za-z])", re.ASCII)


_RESIDENT_ID = re.compile(
    r"(?<![0-9A-Za-z])[1-8]\d{5}[ \-]?(?P<date>(?:18|19|20)\d{6})[ \-]?\d{3}[0-9Xx](?![0-9A-Za-z])", re.ASCII
)
_PROVINCES = frozenset(
    map(
        str,
        (
            *range(11, 16),
            *range(21, 24),
            *range(31, 38),
            *range(41, 47),
            *range(50, 55),
            *range(61, 66),
            71,
            81,
            82,
        ),
    )
)
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def resident_ids(text: str) -> Iterator[Hit]:
    """Yield what has the form of a Chinese resident ID; those are valid whose province, date and check digit are."""
    for match in _RESIDENT_ID.finditer(text):
        yield Hit(*match.span(), is_resident_id(re.sub(r"[ \-]", "", match.group())))


def is_resident_id(number: str) -> bool:
    """Return whether 18 characters are a Chinese resident ID (GB 11643: ISO 7064 MOD 11-2)."""
    total = sum(weight * int(digit) for weight, digit in zip(_ID_WEIGHTS, number, strict=False))
    return (
        number[:2] in _PROVINCES
        and _is_date(number[6:14])
        and number[17].upper() == "10X98765432"[total % 11]
    )


def _is_date(digits: str) -> bool:
    try:
        date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return False
    return True


_PASSPORTS = {
    "AU": r"[A-Z]{1,2}\d{7}",
    "BR": r"[A-Z]{2}\d{6}",
    "CA": r"[A-Z]{2}\d{6}",
    "CH": r"[A-Z]\d{7}",
    "CN": r"[DEGPS]\d{8}|E[A-HJ-NP-Z]\d{7}",
    "DE": r"[CFGHJKLMNPRTVWXYZ][CFGHJKLMNPRTVWXYZ0-9]{7}\d",
    "ES": r"[A-Z]{2,3}\d{6}",
    "FR": r"\d{2}[A-Z]{2}\d{5}",
    "GB": r"\d{9}",
    "HK": r"[HK]\d{8}|K[A-Z]\d{7}",
    "IN": r"[A-PR-WY][1-9]\d{5}[1-9]",
    "IT": r"[A-Z]{2}\d{7}",
    "JP": r"[A-Z]{2}\d{7}",
    "KR": r"[DGMORS]\d{8}|M\d{3}[A-Z]\d{4}",
    "NL": r"[A-NP-Z]{2}[A-NP-Z0-9]{6}\d",
    "RU": r"\d{9}",
    "SG": r"[A-Z]\d{7}[A-Z]",
    "TW": r"\d{9}",
    "US": r"\d{9}|[A-Z]\d{8}",
}
"""Numbers of passports by country."""
PASSPORT_COUNTRIES = tuple(_PASSPORTS)
_PASSPORT_WORD = re.compile(
    r"(?:passport|reisepass|passeport|pasaporte|passaporto|passaporte|paspoort|паспорт|护照|護照|パスポート|旅券|여권)"
    r"[^\n]{0,30}$",
    re.IGNORECASE,
)
_LOOKED_BACK = 60
_CANDIDATE = re.compile(r"(?<![0-9A-Za-z])(?=[A-Z]{0,5}\d)[0-9A-Z]{8,9}(?![0-9A-Za-z])", re.ASCII)
_MACHINE_READABLE = re.compile(
    r"(?<![0-9A-Z<])(?P<number>[0-9A-Z<]{9}\d)[A-Z]{1,3}<{0,2}(?P<birth>\d{7})[FMX<](?P<expiry>\d{7})[0-9A-Z<]{14}[\d<]\d"
    r"(?![0-9A-Z<])",
    re.ASCII,
)


def passports(text: str, countries: Collection[str] = ()) -> Iterator[Hit]:
    """Yield numbers of passports, and the second lines of their machine-readable zones; no countries: all known.

    A number has no check digit: it is valid behind a word such as "passport". Those of letters and digits look alike
    anywhere.
    """
    numbers = _numbers(tuple(countries))
    hits = [Hit(*match.span(), _has_check_digits(match)) for match in _MACHINE_READABLE.finditer(text)]
    for match in _CANDIDATE.finditer(text):
        number = match.group()
        if numbers.fullmatch(number) is None:
            continue
        before = text[max(0, match.start() - _LOOKED_BACK) : match.start()]
        is_named = _PASSPORT_WORD.search(before) is not None
        if is_named or not number.isdigit():
            hits.append(Hit(*match.span(), is_named))
    yield from sorted(hits, key=lambda each: each.start)


@cache
def _numbers(countries: tuple[str, ...]) -> re.Pattern[str]:
    patterns = [_PASSPORTS[country] for country in countries or _PASSPORTS if country in _PASSPORTS]
    return re.compile("|".join(patterns) or r"(?!)", re.ASCII)


def _has_check_digits(match: re.Match[str]) -> bool:
    """Return whether the fields of a machine-readable zone pass their checks (ICAO 9303)."""
    return all(
        _check_digit(match[name][:-1]) == int(match[name][-1]) for name in ("number", "birth", "expiry")
    )


def _check_digit(field: str) -> int:
    values = (0 if sign == "<" else int(sign, 36) for sign in field)
    return sum(value * (7, 3, 1)[place % 3] for place, value in enumerate(values)) % 10
