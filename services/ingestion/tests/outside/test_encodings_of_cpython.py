"""CPython's own texts in the encodings of East Asia: read by their label as their UTF-8 twins say."""

from pathlib import Path

import pytest

from ratoon_ingestion.worker.charset import decode
from ratoon_ingestion.worker.filetypes import binary_kind

FOLDER = Path("/usr/lib/python3.11/test/cjkencodings")
"""Where Debian's libpython3.11-testsuite puts them."""
LABELS = {
    "big5": "Big5",
    "big5hkscs": "Big5-HKSCS",
    "cp949": "ks_c_5601-1987",
    "euc_jisx0213": "EUC-JP",
    "euc_jp": "EUC-JP",
    "gb18030": "GB18030",
    "gb2312": "gb2312",
    "gbk": "x-gbk",
    "hz": "HZ-GB-2312",
    "iso2022_jp": "ISO-2022-JP",
    "iso2022_kr": "ISO-2022-KR",
    "johab": "johab",
    "shift_jis": "Shift_JIS",
}
GUESSED = ("big5", "euc_jp", "gb18030", "gb2312", "gbk", "hz", "iso2022_jp", "iso2022_kr", "shift_jis")

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="libpython3.11-testsuite is not installed")


@pytest.mark.parametrize("name", LABELS)
def test_a_text_is_read_by_its_label(name):
    decoded = decode((FOLDER / f"{name}.txt").read_bytes(), LABELS[name])
    assert decoded.text == (FOLDER / f"{name}-utf8.txt").read_bytes().decode()
    assert decoded.replaced == 0


@pytest.mark.parametrize("name", GUESSED)
def test_a_text_of_common_words_is_read_without_a_label(name):
    decoded = decode((FOLDER / f"{name}.txt").read_bytes())
    assert decoded.text == (FOLDER / f"{name}-utf8.txt").read_bytes().decode()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_none_is_taken_for_binary(path):
    assert binary_kind(path.read_bytes()) is None
