"""Errors on the wire: whatever they repeat, they fit into the trailers of a call."""

import pytest
from google.rpc import error_details_pb2

from ratoon.process.errors import Description
from ratoon.runtime.rpc import status_of


@pytest.mark.parametrize("letter", ["x", "é", "😀", "%", "\ud800"])
def test_an_error_that_repeats_a_long_name_is_cut(letter):
    description = Description(
        "INVALID_ARGUMENT", "BAD_NAME", letter * 5000, letter * 5000, {"offset": letter * 5000}
    )
    status = status_of(description)
    assert len(status.SerializeToString()) * 4 / 3 + 3 * len(status.message.encode()) < 8 * 1024
    assert status.message.endswith("…")


def test_a_short_one_is_unchanged():
    status = status_of(Description("NOT_FOUND", "X", "No such thing: größe.", "name"))
    request = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(request)
    assert status.message == request.field_violations[0].description == "No such thing: größe."
