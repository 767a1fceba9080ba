"""When a new version is as good as the old one."""

from dataclasses import replace

import pytest

from ratoon.tasks.votes import Votes, count_votes
from ratoon_serving.domain.errors import PolicyInvalid
from ratoon_serving.domain.rollouts.analysis import (
    AnalysisStatus,
    Bake,
    Probes,
    Traffic,
    analyze,
    analyze_at_end,
)

BAKE = Bake(seconds=30)
NONE, NO_VOTES, NO_PROBES = Traffic(), Votes(), Probes()


def status(new=NONE, old=NONE, votes=NO_VOTES, probes=NO_PROBES):
    return analyze(BAKE, new, old, votes, probes).status


def test_few_answers_say_nothing():
    assert status(Traffic(requests=4, errors=4)) is AnalysisStatus.PASSING
    assert status(Traffic(requests=5, errors=1)) is AnalysisStatus.FAILED


def test_cut_streams_count_as_errors():
    assert status(Traffic(requests=20, cut=2)) is AnalysisStatus.FAILED
    assert status(Traffic(requests=20, cut=1)) is AnalysisStatus.PASSING


def traffic_of(**callers):
    """Traffic of these callers: requests, failures, and perhaps the median latency."""
    parts = {name: Traffic(n, failed, p50_s=p50 or 0.1) for name, (n, failed, p50) in callers.items()}
    return replace(sum(parts.values(), Traffic()), callers=tuple(parts.items()))


def test_a_cut_stream_is_one_failure_and_not_two():
    assert status(Traffic(requests=40, errors=2, cut=2)) is AnalysisStatus.PASSING
    assert analyze(BAKE, Traffic(requests=20, errors=2, cut=2), NONE, NO_VOTES, NO_PROBES).message.startswith(
        "2 of 20 "
    )


def test_one_callers_failures_do_not_decide_where_others_are_answered():
    new = traffic_of(attacker=(400, 400, 0), a=(20, 0, 0), b=(20, 1, 0))
    assert status(new) is AnalysisStatus.PASSING
    result = analyze_at_end(BAKE, new, NONE, NO_VOTES, NO_PROBES)
    assert result.status is AnalysisStatus.PASSING
    assert "one caller did not decide" in result.message


def test_failures_of_two_callers_decide():
    assert (
        status(traffic_of(one=(40, 40, 0), two=(40, 40, 0), a=(20, 0, 0), b=(20, 0, 0)))
        is AnalysisStatus.FAILED
    )


def test_a_caller_alone_or_with_one_other_decides():
    assert status(traffic_of(app=(100, 30, 0))) is AnalysisStatus.FAILED
    assert status(traffic_of(app=(100, 30, 0), monitor=(10, 0, 0))) is AnalysisStatus.FAILED
    assert status(traffic_of(app=(100, 30, 0), a=(2, 0, 0), b=(2, 0, 0))) is AnalysisStatus.FAILED, (
        "4 answers are too few"
    )


def test_one_callers_slow_requests_do_not_decide_either():
    old = traffic_of(heavy=(30, 0, 0.1), a=(30, 0, 0.1), b=(30, 0, 0.1))
    assert (
        status(traffic_of(heavy=(300, 0, 30.0), a=(30, 0, 0.1), b=(30, 0, 0.1)), old)
        is AnalysisStatus.PASSING
    )
    assert (
        status(traffic_of(heavy=(30, 0, 30.0), a=(30, 0, 30.0), b=(30, 0, 0.1)), old) is AnalysisStatus.FAILED
    )


def test_parts_of_one_caller_in_several_reports_are_one():
    one, two = traffic_of(a=(5, 1, 0.2)), traffic_of(a=(5, 0, 0.4), b=(1, 1, 0.1))
    callers = dict((one + two).callers)
    assert (callers["a"].requests, callers["a"].errors, callers["b"].errors) == (10, 1, 1)
    assert (one + two).without("a").failed == 1


def test_latency_is_a_ratio_with_some_slack():
    old = Traffic(requests=50, p50_s=0.2)
    assert status(Traffic(requests=50, p50_s=1.09), old) is AnalysisStatus.PASSING
    assert status(Traffic(requests=50, p50_s=1.11), old) is AnalysisStatus.FAILED
    assert status(Traffic(requests=50, p50_s=9.0), Traffic(requests=3, p50_s=0.2)) is AnalysisStatus.PASSING


def test_votes_count_from_twenty_on():
    assert status(votes=Votes(0, 19)) is AnalysisStatus.PASSING
    assert status(votes=Votes(9, 11)) is AnalysisStatus.FAILED


def thumbs_down(callers, votes):
    return count_votes((f"caller {number}", 0, votes) for number in range(callers))


@pytest.mark.parametrize("others", [Votes(), Votes(2), Votes(0, 2), Votes(50)])
def test_one_callers_thumbs_down_never_roll_back(others):
    votes = count_votes([*thumbs_down(1, 50).rows, *others.rows])
    assert status(votes=votes) is AnalysisStatus.PASSING


def test_thumbs_down_of_ten_callers_do():
    result = analyze(BAKE, NONE, NONE, thumbs_down(10, 5), NO_PROBES)
    assert result.status is AnalysisStatus.FAILED
    assert result.message.startswith("50 of 50 votes are negative; each of 10 callers counted once")


def test_one_callers_praise_hides_no_complaints():
    assert status(votes=count_votes([("fan", 500, 0), ("", 0, 20)])) is AnalysisStatus.FAILED


def test_one_failed_probe_is_tolerated_and_two_in_a_row_are_not():
    assert status(probes=Probes(3).and_then(False)) is AnalysisStatus.PASSING
    assert status(probes=Probes(3).and_then(False).and_then(True).and_then(False)) is AnalysisStatus.PASSING
    assert status(probes=Probes(3).and_then(False).and_then(False)) is AnalysisStatus.FAILED


def test_missing_reports_count_against_the_expected_traffic():
    busy, idle = Traffic(requests=60, seconds=60), Traffic(requests=6, seconds=60)
    assert analyze_at_end(BAKE, Traffic(), busy, Votes(), Probes(9)).status is AnalysisStatus.INCONCLUSIVE
    reported = Traffic(seconds=BAKE.seconds)
    assert analyze_at_end(BAKE, reported, busy, Votes(), Probes(9)).status is AnalysisStatus.PASSING
    assert analyze_at_end(BAKE, reported, busy, Votes(), Probes()).status is AnalysisStatus.FAILED
    quiet = analyze_at_end(BAKE, Traffic(), idle, Votes(), Probes(9))
    assert (quiet.status, quiet.message) == (
        AnalysisStatus.PASSING,
        "there was no traffic; 9 synthetic probes decided",
    )
    assert analyze_at_end(BAKE, Traffic(), Traffic(), Votes(), Probes()).status is AnalysisStatus.FAILED
    assert (
        analyze_at_end(BAKE, Traffic(requests=9), busy, Votes(), Probes()).message
        == "9 requests, 0.0% failed"
    )


def test_counts_of_windows_add_up():
    total = Traffic(10, 1, 0, 0.1, 1.0) + Traffic(30, 0, 2, 0.3, 2.0)
    assert (total.requests, total.errors, total.cut, total.seconds) == (40, 1, 2, 2.0)
    assert total.p50_s == pytest.approx(0.25)


def test_limits_must_make_sense():
    for wrong in (
        {"seconds": -1},
        {"max_error_rate": 0},
        {"max_latency_ratio": 0.5},
        {"max_negative_rate": 2},
    ):
        with pytest.raises(PolicyInvalid):
            Bake(**wrong)
