"""What goes: never what is needed, never what is young; the longest unused first, and only as much as must."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ratoon.storage.gc_items import Item, Limits, choose, newest, remove

NOW = 1_000_000.0
items = st.lists(
    st.builds(
        Item,
        path=st.integers(0, 10**6).map(lambda n: Path(f"/store/{n}")),
        kind=st.just("artifact"),
        size=st.integers(0, 1000),
        modified=st.floats(0, NOW),
        use=st.sampled_from(["", "referred to"]),
    ),
    max_size=40,
    unique_by=lambda item: item.path,
)
limits = st.builds(
    Limits,
    grace_s=st.floats(0, NOW),
    keep_s=st.floats(0, NOW),
    quota_bytes=st.none() | st.integers(0, 20_000),
)


@given(items, limits)
def test_what_is_needed_or_young_stays(everything, bounds):
    for removal in choose(everything, bounds, NOW):
        assert removal.item.use == ""
        assert NOW - removal.item.modified >= bounds.grace_s
        assert removal.why


@given(items, limits)
def test_what_nobody_needs_goes_when_it_is_old(everything, bounds):
    gone = {removal.item for removal in choose(everything, bounds, NOW)}
    old = max(bounds.keep_s, bounds.grace_s)
    assert all(item in gone for item in everything if not item.use and NOW - item.modified >= old)


@given(items, limits)
def test_the_quota_is_met_where_it_can_be_and_not_overdone(everything, bounds):
    gone = choose(everything, bounds, NOW)
    left = sum(item.size for item in everything) - sum(removal.item.size for removal in gone)
    could = [i for i in everything if not i.use and NOW - i.modified >= bounds.grace_s]
    if bounds.quota_bytes is not None and left > bounds.quota_bytes:
        assert {removal.item for removal in gone} == set(could)
    early = [r.item for r in gone if NOW - r.item.modified < bounds.keep_s]
    if early:
        assert bounds.quota_bytes is not None
        retained = [item for item in could if item not in {removal.item for removal in gone}]
        assert all(item.modified <= other.modified for item in early for other in retained)
        youngest = max(early, key=lambda item: (item.modified, str(item.path)))
        assert left + youngest.size > bounds.quota_bytes


def test_what_changed_since_the_survey_stays(tmp_path):
    for name in ("stays", "goes"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("old")
    items_before = [Item(path, "job", 3, newest(path)) for path in sorted(tmp_path.iterdir())]
    (tmp_path / "stays" / "file").write_text("new")
    went = {
        removal.item.path.name: remove(removal) for removal in choose(items_before, Limits(0, 0), NOW * 1e6)
    }
    assert went == {"goes": True, "stays": False}
    assert [path.name for path in tmp_path.iterdir()] == ["stays"]
