"""Which judgement counts, under each policy."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_labeling.domain.annotations import Judgement, Source
from ratoon_labeling.domain.guidelines import ConflictPolicy
from ratoon_labeling.domain.resolution import resolve

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def said(label: str, annotator: str = "a", source: Source = Source.HUMAN, minute: int = 0) -> Judgement:
    return Judgement(label, annotator, source, NOON + timedelta(minutes=minute))


IMPORT = said("ham", "projects/p/sources/mail", Source.IMPORT)
PERSON = said("spam", "ann", minute=1)
LATER_FEEDBACK = said("ham", "traffic", Source.FEEDBACK, minute=2)

judgements = st.lists(
    st.builds(
        said,
        st.sampled_from(["ham", "spam"]),
        st.sampled_from("abc"),
        st.sampled_from(Source),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize(
    ("policy", "chosen"),
    [
        (ConflictPolicy.LATEST, LATER_FEEDBACK),
        (ConflictPolicy.MAJORITY, LATER_FEEDBACK),
        (ConflictPolicy.HUMAN_FIRST, PERSON),
    ],
)
def test_each_policy_has_its_own_answer(policy, chosen):
    resolution = resolve([PERSON, LATER_FEEDBACK, IMPORT], policy)
    assert (resolution.chosen, resolution.disputed) == (chosen, True)


def test_a_tie_is_for_people_to_decide():
    tie = resolve([IMPORT, PERSON], ConflictPolicy.MAJORITY)
    assert tie.chosen is None
    assert tie.disputed


def test_who_changes_their_mind_does_not_dispute_with_themselves():
    changed = resolve([said("ham", minute=0), said("spam", minute=5)], ConflictPolicy.MAJORITY)
    assert changed.chosen is not None
    assert (changed.chosen.label, changed.disputed) == ("spam", False)


@given(judgements, st.sampled_from(ConflictPolicy), st.randoms(use_true_random=False))
def test_the_order_in_which_judgements_come_does_not_matter(given_judgements, policy, chance):
    shuffled = chance.sample(given_judgements, len(given_judgements))
    assert resolve(shuffled, policy) == resolve(given_judgements, policy)


@given(judgements, st.sampled_from(ConflictPolicy))
def test_what_is_chosen_was_said_and_only_a_dispute_can_end_without(given_judgements, policy):
    resolution = resolve(given_judgements, policy)
    assert resolution.chosen is None or resolution.chosen in given_judgements
    assert resolution.disputed or resolution.chosen is not None


@pytest.mark.parametrize("policy", [ConflictPolicy.LATEST, ConflictPolicy.HUMAN_FIRST])
def test_equally_new_labels_that_differ_are_for_people_to_decide(policy):
    both = [said("ham", "a", Source.IMPORT), said("spam", "b", Source.IMPORT)]
    assert resolve(both, policy).chosen is None
    decided = resolve([*both, said("ham", "ann", minute=1)], policy)
    assert decided.chosen is not None
    assert decided.chosen.label == "ham"
