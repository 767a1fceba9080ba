"""Which annotation counts, under each policy."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_labeling.domain.annotations import AnnotatedLabel, Source
from ratoon_labeling.domain.guidelines import ConflictPolicy
from ratoon_labeling.domain.resolution import resolve

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def annotation(
    label: str, annotator: str = "a", source: Source = Source.HUMAN, minute: int = 0
) -> AnnotatedLabel:
    return AnnotatedLabel(label, annotator, source, NOON + timedelta(minutes=minute))


IMPORT = annotation("ham", "projects/p/sources/mail", Source.IMPORT)
PERSON = annotation("spam", "ann", minute=1)
LATER_FEEDBACK = annotation("ham", "traffic", Source.FEEDBACK, minute=2)

annotation_lists = st.lists(
    st.builds(
        annotation,
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
    changed = resolve([annotation("ham", minute=0), annotation("spam", minute=5)], ConflictPolicy.MAJORITY)
    assert changed.chosen is not None
    assert (changed.chosen.label, changed.disputed) == ("spam", False)


@given(annotation_lists, st.sampled_from(ConflictPolicy), st.randoms(use_true_random=False))
def test_the_order_of_annotations_does_not_matter(drawn, policy, chance):
    shuffled = chance.sample(drawn, len(drawn))
    assert resolve(shuffled, policy) == resolve(drawn, policy)


@given(annotation_lists, st.sampled_from(ConflictPolicy))
def test_the_chosen_label_is_one_of_the_annotations_and_only_a_dispute_has_none(drawn, policy):
    resolution = resolve(drawn, policy)
    assert resolution.chosen is None or resolution.chosen in drawn
    assert resolution.disputed or resolution.chosen is not None


@pytest.mark.parametrize("policy", [ConflictPolicy.LATEST, ConflictPolicy.HUMAN_FIRST])
def test_equally_new_labels_that_differ_are_for_people_to_decide(policy):
    both = [annotation("ham", "a", Source.IMPORT), annotation("spam", "b", Source.IMPORT)]
    assert resolve(both, policy).chosen is None
    decided = resolve([*both, annotation("ham", "ann", minute=1)], policy)
    assert decided.chosen is not None
    assert decided.chosen.label == "ham"
