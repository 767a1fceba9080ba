"""The watch over event loops."""

import asyncio
import time

import pytest

from ratoon.testkit.loops import no_slow_callbacks


def spin(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def busy(seconds: float) -> None:
    await asyncio.sleep(0)
    spin(seconds)


def test_a_callback_that_blocks_the_loop_is_named():
    with pytest.raises(AssertionError, match="busy"), no_slow_callbacks(0.02):
        asyncio.run(busy(0.04))


def test_waiting_blocks_nobody():
    with no_slow_callbacks(0.02):
        asyncio.run(asyncio.sleep(0.05))
