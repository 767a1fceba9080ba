"""Order and filter of a listing, as callers write them."""

import pytest

from ratoon.process.errors import InvalidArgument
from ratoon.storage.listing import field_sql, filtered_fields, newest_first

VALUES = {"state": ("OPEN", "DONE"), "reason": ("conflict",)}


def test_an_order_is_by_time_up_or_down():
    assert [newest_first(text) for text in ("", "create_time", " create_time  desc ")] == [
        False,
        False,
        True,
    ]
    with pytest.raises(InvalidArgument) as refused:
        newest_first("name")
    assert refused.value.reason == "BAD_ORDER_BY"


def test_a_filter_names_fields_and_their_values():
    assert filtered_fields("", VALUES) == {}
    assert filtered_fields("state=OPEN", VALUES) == {"state": "OPEN"}
    fields = filtered_fields('state = OPEN AND reason = "conflict"', VALUES)
    assert fields == {"state": "OPEN", "reason": "conflict"}


@pytest.mark.parametrize(
    "filter",
    ["state", "state=", "state=SHUT", "colour=red", "state=OPEN state=DONE", "state=OPEN AND state=DONE",
     "state=OPEN AND", "state='OPEN'", "state=OPEN OR reason=conflict", "state!=OPEN"],
)  # fmt: skip
def test_what_is_no_filter_of_the_listing_is_refused_with_its_choices(filter):
    with pytest.raises(InvalidArgument, match="reason: conflict") as refused:
        filtered_fields(filter, VALUES)
    assert (refused.value.reason, refused.value.field) == ("BAD_FILTER", "filter")


def test_only_names_of_fields_become_sql():
    expected = "CASE WHEN json_valid(tasks.body) THEN json_extract(tasks.body, '$.state') END"
    assert field_sql("tasks", "state", is_sqlite=True) == expected
    assert field_sql("", "state", is_sqlite=False) == "(CAST(body AS json) ->> 'state')"
    with pytest.raises(ValueError, match="stored field"):
        field_sql("tasks", "state')--", is_sqlite=True)
