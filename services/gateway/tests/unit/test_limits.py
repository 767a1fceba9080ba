"""What a key may still use."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_gateway.domain.errors import BadRequest, QuotaExceeded, RateLimited, TooManyRequests
from ratoon_gateway.domain.limits import Instant, Limits, RateLimiter, checked_limits

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def at(seconds, wall=NOON):
    return Instant(seconds, wall + timedelta(seconds=seconds))


def test_own_limits_go_before_the_default():
    assert Limits(5, 0, 3, 0).over(Limits(1, 2, 0, 4)) == Limits(5, 2, 3, 4)
    assert Limits().counts_tokens is False
    assert Limits(tokens_per_day=1).counts_tokens


def test_requests_come_back_evenly():
    limiter, limits = RateLimiter(), Limits(requests_per_minute=60)
    for _ in range(60):
        limiter.admit(limits, 0, 0, at(0))
    with pytest.raises(RateLimited) as refused:
        limiter.admit(limits, 0, 0, at(0))
    assert refused.value.details == {"retry_after_s": "1"}
    limiter.admit(limits, 0, 0, at(1))
    (status,) = limiter.statuses(limits, at(31))
    assert (status.name, status.limit, status.left, status.reset_s) == ("requests", 60, 30, 30)


def test_use_before_a_limit_was_set_does_not_count_against_it():
    limiter, limits = RateLimiter(), Limits(requests_per_minute=1, tokens_per_minute=100)
    for _ in range(2):
        for _ in range(50):
            limiter.admit(Limits(), 10, 0, at(0))
            limiter.end(10, 20)
        limiter.admit(limits, 50, 0, at(0))
        limiter.end(50, 50)
    with pytest.raises(RateLimited, match="1 request a minute; try again in 60 s"):
        limiter.admit(limits, 1, 0, at(0))


def test_tokens_are_booked_in_advance_and_settled_at_the_end():
    limiter, limits = RateLimiter(), Limits(tokens_per_minute=600)
    limiter.admit(limits, 500, 0, at(0))
    with pytest.raises(RateLimited, match="600 tokens a minute"):
        limiter.admit(limits, 500, 0, at(0))
    limiter.end(500, 100)
    limiter.admit(limits, 500, 0, at(0))
    limiter.end(500, 700)
    with pytest.raises(RateLimited) as refused:
        limiter.admit(limits, 1, 0, at(0))
    assert refused.value.details == {"retry_after_s": "21"}


def test_a_request_larger_than_the_limit_waits_until_all_of_it_is_there():
    limiter, limits = RateLimiter(), Limits(tokens_per_minute=600)
    limiter.admit(limits, 10_000, 0, at(0))
    with pytest.raises(RateLimited):
        limiter.admit(limits, 1, 0, at(900))
    limiter.end(10_000, 60)
    limiter.admit(limits, 10_000, 0, at(960))


def test_a_day_ends_at_midnight_utc_and_begins_with_what_the_books_know():
    limiter, limits = RateLimiter(), Limits(tokens_per_day=1000)
    limiter.admit(limits, 100, 800, at(0))
    with pytest.raises(QuotaExceeded) as refused:
        limiter.admit(limits, 101, 800, at(0))
    assert refused.value.details == {"retry_after_s": str(12 * 3600)}
    limiter.end(100, 200)
    with pytest.raises(QuotaExceeded):
        limiter.admit(limits, 1, 0, at(0))
    limiter.admit(limits, 1000, 0, at(12 * 3600))


def test_only_so_many_are_open_at_once():
    limiter, limits = RateLimiter(), Limits(concurrent_requests=2)
    limiter.admit(limits, 0, 0, at(0))
    limiter.admit(limits, 0, 0, at(0))
    with pytest.raises(TooManyRequests):
        limiter.admit(limits, 0, 0, at(0))
    limiter.end(0, 0)
    limiter.admit(limits, 0, 0, at(0))


@pytest.mark.parametrize("field", list(Limits.__dataclass_fields__))
def test_a_limit_that_cannot_be_is_named(field):
    with pytest.raises(BadRequest) as refused:
        checked_limits(replace(Limits(), **{field: -1}))
    assert refused.value.field == f"api_key.limits.{field}"


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 50), st.integers(0, 60)), max_size=60))
def test_over_any_time_no_more_is_used_than_a_minutes_worth_and_what_came_back(requests):
    limiter, limits, now, admitted = (
        RateLimiter(),
        Limits(requests_per_minute=30, tokens_per_minute=100),
        0.0,
        [],
    )
    for pause, cost, spent in requests:
        now += pause
        try:
            limiter.admit(limits, cost, 0, at(now))
        except RateLimited as refused:
            wait = int(refused.details["retry_after_s"])
            assert wait >= 1
            continue
        limiter.end(cost, min(spent, cost))
        admitted.append((now, min(spent, cost)))
    for first, (began, _) in enumerate(admitted):
        window = admitted[first:]
        for place, (ended, _) in enumerate(window):
            assert place + 1 <= 30 + (ended - began) / 2 + 1e-6
            assert sum(spent for _, spent in window[: place + 1]) <= 100 + (ended - began) * 100 / 60 + 1e-6
    assert limiter.open == 0
