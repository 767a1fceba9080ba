"""What a project's labels and settings can be, and what a change of labels means."""

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ratoon_flywheel.domain.errors import BadPolicy, BadProject, LabelServed
from ratoon_flywheel.domain.pipelines import policies
from ratoon_flywheel.domain.pipelines.policies import Policy
from ratoon_flywheel.domain.projects import (
    Gate,
    Project,
    RolloutDefaults,
    TrainingDefaults,
    checked,
    label_notices,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
V1 = "projects/p/models/p/versions/v1.0"


def project(*labels: str, **settings: object) -> Project:
    return Project("projects/p", NOW, NOW, labels or ("ham", "spam"), **settings)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Billing", "billing"),
        ("Réclamation", unicodedata.normalize("NFD", "Réclamation")),
        ("Straße", "STRASSE"),
        ("same", "same"),
    ],
)
def test_two_labels_that_are_the_same_cannot_make_a_project_and_both_are_named(one, other):
    with pytest.raises(BadProject, match="are the same label") as refused:
        checked(project(one, "third", other))
    assert refused.value.field == "labels"
    message = str(refused.value)
    assert (repr(one) in message and repr(other) in message) or (
        ascii(one) in message and ascii(other) in message
    )


@pytest.mark.parametrize(
    "label", ["", " ", "\u200b", "a b", "a\u00a0b", "a\u200bb", "\ufeffham", "a\u0000", "\ud800", "x" * 65]
)
def test_what_a_label_cannot_be(label):
    with pytest.raises(BadProject):
        checked(project("ham", label))


@pytest.mark.parametrize(
    "labels", [("ı", "i"), ("ＶＩＰ", "VIP"), ("m²", "m2"), ("好评", "差评"), ("👍", "👎")]
)
def test_labels_that_differ_make_a_project(labels):
    assert checked(project(*labels)).labels == labels


@pytest.mark.parametrize(
    ("field", "settings"),
    [
        ("rollout.bake_seconds", {"rollout": RolloutDefaults(1e300)}),
        ("training.epochs", {"training": TrainingDefaults(epochs=1e9)}),
        ("training.learning_rate", {"training": TrainingDefaults(learning_rate=float("inf"))}),
        ("training.layers", {"training": TrainingDefaults(layers=2**31 - 1)}),
        ("training.seed", {"training": TrainingDefaults(seed=-1)}),
        ("traffic_retention_days", {"traffic_retention_days": 2**31 - 1}),
        ("gate.baseline_margin", {"gate": Gate(baseline_margin=float("nan"))}),
        ("gate.baseline_margin", {"gate": Gate(baseline_margin=1.5)}),
        ("gate.old_domain_threshold", {"gate": Gate(old_domain_threshold=-2.0)}),
    ],
)
def test_settings_have_bounds_on_both_sides(field, settings):
    with pytest.raises(BadProject) as refused:
        checked(project(**settings))
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("settle_seconds", 1e300),
        ("cooldown_seconds", 1e12),
        ("schedule_seconds", 1e300),
        ("drift_threshold", float("inf")),
        ("min_answers", 2**31 - 1),
        ("budget_runs", -1),
    ],
)
def test_a_policy_has_bounds_on_both_sides(field, value):
    with pytest.raises(BadPolicy) as refused:
        policies.checked(replace(Policy("projects/p/policies/d", NOW, NOW), **{field: value}))
    assert refused.value.field == field


def test_a_label_that_production_answers_with_goes_only_when_that_is_allowed():
    before, after = project("ham", "spam", "news"), project("ham", "spam")
    with pytest.raises(LabelServed, match=r"v1\.0 is in production and answers with 'news'"):
        label_notices(before, after, V1, allowed=False)
    (notice,) = label_notices(before, after, V1, allowed=True)
    assert "still answers with it" in notice
    (notice,) = label_notices(before, after, "", allowed=False)
    assert notice.startswith("Removed: 'news'.")


def test_an_added_label_has_a_notice_and_a_new_spelling_is_neither_added_nor_removed():
    (notice,) = label_notices(project("ham", "spam"), project("Ham", "SPAM", "news"), V1, allowed=False)
    assert notice.startswith("New: 'news'.")
    assert label_notices(project("ham", "spam"), project("Ham", "SPAM"), V1, allowed=False) == ()
