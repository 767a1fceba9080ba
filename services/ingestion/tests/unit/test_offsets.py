"""D29: spans point at the right place of the original, whatever a text went through."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.tasks.curation import Step
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.offsets import aligned
from ratoon_ingestion.domain.pii import Mask, masked
from ratoon_ingestion.domain.sources import Format
from ratoon_ingestion.worker.batches import items_batch
from ratoon_ingestion.worker.normalise import cleaned
from ratoon_ingestion.worker.readers import Item, Kind, SourceSpec
from ratoon_ingestion.worker.stages import StageSettings, curate_batch


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ("💩 Here is\r\na label.", "💩 Here is\na label.", "label"),
        ("Mail one@example.com to two@example.org now", "Mail [EMAIL] to [EMAIL] now", "now"),
        ("a\x00b\x07 label", "ab label", "label"),
        ("标签 in 文本", "标签 in 文本", "文本"),
        ("label", "label", "label"),
    ],
)
def test_a_word_that_stayed_is_found_in_the_original(before, after, word):
    start = after.rindex(word)
    begin, end = aligned(before, after).original(start, start + len(word))
    assert before[begin:end] == word


def test_a_mask_stands_for_what_it_replaced():
    before = "one@example.com two@example.org three@example.net"
    after, _ = masked(before, [Mask.EMAIL])
    alignment, place, originals = aligned(before, after), 0, []
    while (place := after.find("[EMAIL]", place)) >= 0:
        begin, end = alignment.original(place, place + 7)
        originals.append(before[begin:end])
        place += 7
    assert originals == before.split(" ")


@given(st.text(max_size=60))
def test_characters_that_stay_keep_their_place(text):
    after = cleaned(text)
    alignment = aligned(text, after)
    assert alignment.blocks[-1].before[1] == len(text) and alignment.blocks[-1].after[1] == len(after)
    for block in alignment.blocks:
        if block.is_equal:
            assert text[slice(*block.before)] == after[slice(*block.after)]
    for place in range(len(after)):
        begin, end = alignment.original(place, place + 1)
        assert 0 <= begin <= end <= len(text)


def test_a_report_of_personal_data_names_places_of_the_original():
    text = (
        "First\r\nline.\x00 Write to one@example.com or call +49 30 901820 12, please; 💩 two@example.org.\r\n"
        * 2
    )
    source = SourceSpec("s", "0" * 64, Format.JSONL)
    config = CurationConfig(min_chars=1, steps=(Step("normalize"), Step("personal_data", {"spans": "true"})))
    batch = items_batch(
        source, [Item("1", Kind.CELL, text.encode()), Item("2", Kind.CELL, b"Nothing of a person here.")]
    )
    records = curate_batch(batch, StageSettings(bytes(32), config)).accepted.to_pylist()
    spans = json.loads(dict(records[0]["attributes"])["personal_data"])
    assert [(kind, text[start:end]) for kind, start, end in spans] == [
        ("email", "one@example.com"),
        ("phone", "+49 30 901820 12"),
        ("email", "two@example.org"),
    ] * 2
    assert "personal_data" not in dict(records[1]["attributes"])
    assert "example.com" not in records[0]["text"]
