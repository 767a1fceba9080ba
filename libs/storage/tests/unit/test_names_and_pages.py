"""Resource names and page tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.process.errors import InvalidArgument
from ratoon.storage.names import checked_id, matched, parent_of, project_of, uuid7
from ratoon.storage.paging import PageTokens, page_size


def test_a_name_is_taken_apart_by_its_pattern():
    assert matched("projects/p/models/m/versions/v1.0", "projects/*/models/*/versions/*") == (
        "p",
        "m",
        "v1.0",
    )
    assert parent_of("projects/p/models/m/versions/v1.0") == "projects/p/models/m"
    assert parent_of("projects/p") == ""
    assert project_of("projects/p/models/m") == "p"


@pytest.mark.parametrize(
    "name", ["", "projects/", "projects/p/model/m", "projects/P/models/m", "projects/../models/m"]
)
def test_a_name_of_another_shape_is_refused(name):
    with pytest.raises(InvalidArgument) as refused:
        matched(name, "projects/*/models/*", "parent")
    assert refused.value.field == "parent"


@given(st.text(max_size=80))
def test_no_id_that_is_accepted_can_leave_its_place_in_a_name(text):
    try:
        accepted = checked_id(text, "id")
    except InvalidArgument:
        return
    assert "/" not in accepted
    assert accepted not in ("", ".", "..")


def test_uuids_of_version_7_sort_by_time():
    ids = [uuid7() for _ in range(3)]
    assert {u.version for u in ids} == {7}
    assert [u.int >> 80 for u in ids] == sorted(u.int >> 80 for u in ids)


TOKENS = PageTokens(b"secret")


def test_a_token_opens_for_its_own_listing_only():
    token = TOKENS.seal("models:projects/p", ["2026-06-01", "projects/p/models/m"])
    assert TOKENS.open("models:projects/p", token) == ["2026-06-01", "projects/p/models/m"]
    with pytest.raises(InvalidArgument):
        TOKENS.open("models:projects/q", token)
    with pytest.raises(InvalidArgument):
        PageTokens(b"other").open("models:projects/p", token)


@given(st.text(min_size=1, max_size=200))
def test_no_made_up_token_opens(text):
    with pytest.raises(InvalidArgument):
        TOKENS.open("models:projects/p", text)


def test_page_sizes_have_a_default_and_a_most():
    assert (page_size(0), page_size(7), page_size(10_000)) == (100, 7, 1000)
    with pytest.raises(InvalidArgument):
        page_size(-1)
