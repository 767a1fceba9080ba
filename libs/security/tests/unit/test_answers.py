"""Answer ids: what they say, that they cannot be made up, and that one secret is shared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.process.errors import FailedPrecondition, InvalidArgument
from ratoon.security.answers import SECRET_FILE, AnswerIds

VERSION = "projects/mail/models/triage/versions/v1.0"
SEGMENT = "projects/mail/trafficSegments/01890000-0000-7000-8000-000000000000"
IDS = AnswerIds(b"a" * 32)


def test_an_id_says_version_and_segment():
    answer_id = IDS.mint(VERSION, SEGMENT)
    for written in (answer_id, f"chatcmpl-{answer_id}", f"cmpl-{answer_id}"):
        name = IDS.read(written)
        assert (name.id, name.version, name.segment, name.project) == (answer_id, VERSION, SEGMENT, "mail")
    assert answer_id != IDS.mint(VERSION, SEGMENT)
    assert len(answer_id) < 200


@given(place=st.integers(min_value=0), letter=st.characters(codec="utf-8"))
def test_a_changed_id_is_refused(place, letter):
    answer_id = IDS.mint(VERSION, SEGMENT)
    place %= len(answer_id)
    if answer_id[place] == letter:
        return
    with pytest.raises(InvalidArgument) as error:
        IDS.read(answer_id[:place] + letter + answer_id[place + 1 :])
    assert error.value.reason == "BAD_ANSWER_ID"


@given(st.text())
def test_anything_else_is_refused(text):
    with pytest.raises(InvalidArgument):
        IDS.read(text)


def test_an_id_of_another_secret_is_refused():
    with pytest.raises(InvalidArgument):
        AnswerIds(b"b" * 32).read(IDS.mint(VERSION, SEGMENT))


def test_the_folders_secret_is_made_once_and_kept_private(tmp_path):
    answer_id = AnswerIds.of_folder(tmp_path).mint(VERSION, SEGMENT)
    assert AnswerIds.of_folder(tmp_path).read(answer_id).version == VERSION
    assert [path.name for path in tmp_path.iterdir()] == [SECRET_FILE]
    (tmp_path / SECRET_FILE).chmod(0o644)
    with pytest.raises(FailedPrecondition):
        AnswerIds.of_folder(tmp_path)
