"""Failure of one test, which leaves the others and the run as they are."""


class TestFailed(ValueError):
    """The test has no value; the message says why and what to do."""

    __test__ = False
