"""What a consumer says of an error, and who holds a lease."""

import subprocess
import sys

from ratoon.events.dead_letters import dead_letter
from ratoon.events.holder import holder, is_gone
from ratoon.events.ports import Delivery, Partition, Record
from ratoon.testkit.clock import FakeClock

CLOCK = FakeClock()
DELIVERY = Delivery(
    Partition("things", 2), 7, CLOCK.now(), Record("things", b"key", b"value", (("ce_id", b"e1"),))
)


class Ours(Exception):
    code, reason = "FAILED_PRECONDITION", "SPLIT_IS_SEALED"


def caught(error: Exception) -> Exception:
    try:
        raise error
    except Exception as raised:
        return raised


def test_d42_a_dead_letter_says_why_and_where_and_keeps_the_record() -> None:
    letter = dead_letter(DELIVERY, "pipelines", caught(Ours("the split is sealed")), 5, CLOCK.now())
    assert (letter.topic, letter.key, letter.value) == ("things.dead-letters", b"key", b"value")
    assert letter.headers[0] == ("ce_id", b"e1")
    assert letter.header("ratoon_dead_reason") == "SPLIT_IS_SEALED"
    assert letter.header("ratoon_dead_message") == "the split is sealed"
    assert letter.header("ratoon_dead_place") == "things/2/7"


def test_d42_a_dead_letter_never_quotes_a_foreign_error() -> None:
    letter = dead_letter(DELIVERY, "pipelines", caught(KeyError("anna@example.org")), 5, CLOCK.now())
    assert b"anna" not in b"".join(value for _, value in letter.headers)
    assert letter.header("ratoon_dead_message").startswith("KeyError in test_consumer.py, line ")


def test_a_holder_is_gone_when_its_process_is() -> None:
    mine = holder()
    assert not is_gone(mine)
    code = "from ratoon.events.holder import holder; print(holder())"
    theirs = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert is_gone(theirs)
    machine, _, rest = theirs.partition(":")
    assert not is_gone(f"another-{machine}:{rest}")
    assert not is_gone("")
