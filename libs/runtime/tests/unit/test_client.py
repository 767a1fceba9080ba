"""Calls to other services on a channel that cannot be used."""

import pytest

from ratoon.runtime.client import open_channel_with_token


def test_a_call_on_a_closed_channel_raises_what_grpc_says():
    channel = open_channel_with_token("127.0.0.1:1", lambda: "token")
    call = channel.unary_unary("/ratoon.flywheel.v1.FlywheelService/GetProject")
    channel.close()
    with pytest.raises(ValueError, match="closed channel"):
        call(b"")
