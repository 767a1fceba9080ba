"""What judges are asked, how their replies are read, and agreement against published examples."""

import random
import time

import pytest

from ratoon.tasks.kind import Record, Role, Turn
from ratoon_evaluation.domain.judging import (
    WIN_SHARE,
    Choice,
    cohen_kappa,
    comparison_prompt,
    majority,
    nominal_alpha,
    ordinal_alpha,
    pair_verdict,
    raw_agreement,
    read_choice,
    read_score,
    score_prompt,
    weighted_kappa,
)

FIRST, SECOND, TIE = Choice


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ("As a judge, I think the second one is complete. The final grade is B.", SECOND),
        ("Both are fine.\n**Verdict:** TIE", TIE),
        ("Verdict: A because it answers the question", FIRST),
        ("<think>Verdict: A?</think>\nVerdict: B", SECOND),
        ("[[A]]", FIRST),
        ("Winner = `B`", SECOND),
        ("The better answer is A.", FIRST),
        ("b.", None),
        (" B. ", SECOND),
        ("Tie", TIE),
        ("INCORRECT", None),
        ("CORRECT", None),
        ("Yes, it is wrong", None),
        ("A is good. B is better", None),
        ("Verdict: A or B", None),
        ("Verdict: A/B", None),
        ("Verdict: Apple", None),
        ("[[C]]", None),
        ("Answer: A good one", None),
        ("The verdict is not A", None),
        ("", None),
    ],
)
def test_a_choice_is_read_from_its_form_alone(reply, choice):
    assert read_choice(reply) is choice


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("Clear and right.\nScore: 4", 4),
        ("**Score: 4/5**", 4),
        ("[[3]]", 3),
        ("4", 4),
        ("The score is 2.", 2),
        ("Rating: 4.5", 4.5),
        ("Score: 1\nOn a second look, Score: 5", 5),
        ("There are 5 reasons for a score of 9", None),
        ("[[90]]", None),
        ("Score: 4/10", None),
        ("Score: 45%", None),
        ("Score: 1 to 5", None),
        ("Score: -3", None),
        ("I found 3 errors", None),
        ("", None),
    ],
)
def test_a_score_is_read_from_its_form_and_never_moved_into_the_scale(reply, score):
    assert read_score(reply) == score


@pytest.mark.parametrize(
    "reply",
    [
        "verdict" + " " * 1_000_000,
        "score" + " " * 1_000_000,
        "score of" + " " * 1_000_000,
        "Score: 4" + " " * 500_000 + "-" + " " * 500_000,
        "*" * 500_000 + "verdict" + "*" * 500_000,
        "verdict " * 100_000,
        "[[" * 500_000,
        " " * 1_000_000 + "x",
        "score: " + "1" * 1_000_000,
    ],
    ids=lambda reply: reply[:8],
)
def test_a_long_reply_is_read_in_the_time_of_its_length(reply):
    started = time.process_time()
    assert read_choice(reply) is None
    assert read_score(reply) in (None, 4)
    assert time.process_time() - started < 5


def test_a_score_is_no_number_that_stands_before_it():
    """T42."""
    assert read_score("There are 5 reasons for a score of 9", 1, 10) == 9
    assert read_score("[[90]]", 0, 1) is None


def test_a_verdict_that_turns_with_the_order_is_a_tie_and_the_swapped_one_is_turned_back():
    """T42."""
    assert pair_verdict(FIRST, SECOND) == pair_verdict(FIRST, SECOND).__class__(FIRST, True)
    assert pair_verdict(SECOND, FIRST).choice is SECOND
    assert pair_verdict(TIE, TIE) == pair_verdict(TIE, TIE).__class__(TIE, True)
    lover = pair_verdict(FIRST, FIRST)
    assert (lover.choice, lover.is_consistent, lover.position) == (TIE, False, FIRST)
    wavering = pair_verdict(FIRST, TIE)
    assert (wavering.choice, wavering.is_consistent, wavering.position) == (TIE, False, TIE)
    assert WIN_SHARE[FIRST] + WIN_SHARE[SECOND] == 2 * WIN_SHARE[TIE]


def test_both_orders_of_a_pair_say_the_same_with_the_answers_exchanged():
    record = Record((Turn(Role.SYSTEM, "Be short."), Turn(Role.USER, "Why?")))
    forward, backward = (comparison_prompt(record, *each, "Right") for each in (("x", "y"), ("y", "x")))
    assert "system: Be short.\n\nuser: Why?" in forward
    assert forward.index("\nx\n") < forward.index("\ny\n")
    assert backward.index("\ny\n") < backward.index("\nx\n")


def test_an_answer_cannot_close_its_tag():
    record = Record((Turn(Role.USER, "Why?"),))
    known = comparison_prompt(record, "x", "y", "Right")
    opening = known[known.index("<answer-A-") : known.index(">", known.index("<answer-A-")) + 1]
    closing = opening.replace("<", "</")
    assert comparison_prompt(record, f"x{closing}", "y", "Right").count(closing) == 1
    assert "Score: N" in score_prompt(record, "x", "Right")


def test_cohen_kappa_is_that_of_a_textbook_table():
    table = {("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15}
    pairs = [pair for pair, count in table.items() for _ in range(count)]
    assert raw_agreement(pairs) == pytest.approx(0.7)
    assert cohen_kappa(pairs) == pytest.approx(0.4)
    assert cohen_kappa([("yes", "yes")] * 9) is None
    assert cohen_kappa([]) is raw_agreement([]) is None


def test_kappa_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    draw = random.Random(1)
    pairs = [(float(draw.randint(1, 5)), float(draw.randint(1, 5))) for _ in range(60)]
    pairs += [(float(n), float(n)) for n in (1, 2, 3, 4, 5, 5)]
    lefts, rights = zip(*pairs, strict=True)
    assert cohen_kappa(pairs) == pytest.approx(metrics.cohen_kappa_score(lefts, rights))
    assert weighted_kappa(pairs) == pytest.approx(
        metrics.cohen_kappa_score(lefts, rights, weights="quadratic")
    )


KRIPPENDORFF = [
    (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
    (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
]
"""Four observers and twelve units: section C of Krippendorff (2011)."""


def test_alpha_is_that_of_krippendorff():
    units = [[value for value in unit if value is not None] for unit in zip(*KRIPPENDORFF, strict=True)]
    assert nominal_alpha(units) == pytest.approx(0.743, abs=5e-4)
    assert ordinal_alpha(units) == pytest.approx(0.815, abs=5e-4)
    assert ordinal_alpha([[3, 3], [3]]) is None
    assert ordinal_alpha([]) is None


def test_people_who_are_divided_prefer_neither():
    assert majority([FIRST, FIRST, SECOND]) is FIRST
    assert majority([FIRST, SECOND]) is majority([TIE, TIE, FIRST]) is TIE
    assert majority([FIRST, TIE]) is FIRST
