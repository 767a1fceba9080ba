"""Steps of curation in a project: what they mean, and the sentences that refuse them."""

import pytest

from ratoon.tasks.curation import PRESETS, Step
from ratoon_flywheel.domain.curation import Curation, curation_of
from ratoon_flywheel.domain.errors import BadProject
from ratoon_flywheel.domain.project_settings import CurationStep


def step(name: str, **params: str) -> CurationStep:
    return CurationStep(name, params)


def test_no_steps_leave_all_settings_to_ingestion():
    assert curation_of(()) == Curation()


def test_steps_make_the_settings_of_a_dataset_version():
    steps = (
        step("length", min_chars="1"),
        step("language", keep="en, zh"),
        step("near_duplicates", threshold="0", earlier_versions="mark"),
        step("exact_duplicates", keep="true"),
        step("personal_data", mask="email,phone"),
        step("decoding", max_replaced_share="0.5", keep_code="true"),
    )
    expected = Curation(1, ("en", "zh"), 0.0, True, ("email", "phone"), 0.5, True, "mark")
    assert curation_of(steps) == expected


def test_other_steps_run_in_the_order_of_the_list():
    steps = (
        step("normalize", form="NFC"),
        step("language", keep="en"),
        step("near_duplicates", threshold="0.7"),
        step("acme.signatures", max_lines="3"),
        step("personal_data"),
    )
    listed = (
        Step("normalize", {"form": "NFC"}),
        Step("language"),
        Step("acme.signatures", {"max_lines": "3"}),
        Step("personal_data"),
    )
    assert curation_of(steps) == Curation(languages=("en",), near_duplicate_threshold=0.7, steps=listed)


def test_actions_of_personal_data_are_parameters_of_the_step():
    steps = curation_of((step("personal_data", mask="email", iban="hash", regions="CN, US"),))
    listed = Step("personal_data", {"iban": "hash", "regions": "CN, US"})
    assert steps == Curation(masks=("email",), steps=(listed,))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_stands_for_its_steps(name):
    steps = curation_of((CurationStep("preset", {"name": name}), step("length", min_chars="9"))).steps
    assert steps == (*PRESETS[name], Step("length"))


@pytest.mark.parametrize(
    ("steps", "field", "sentence"),
    [
        ((step("c4", min_sentences="x"),), "curation[0].params", "c4.min_sentences must be a whole number"),
        ((CurationStep("preset", {"name": "webb"}),), "curation[0].params", "one of classification, chat"),
        ((CurationStep("preset", {"name": "web"}), step("c4")), "curation", "c4 is listed twice"),
        ((step("personal_data", iban="shred"),), "curation[0].params", "mask or hash or drop or keep"),
        ((step("personal_data", regions="China"),), "curation[0].params", "ISO 3166 codes"),
        ((step("personal_data", emails="mask"),), "curation[0].params", "it has mask, url, email"),
        ((step("lenght", min_chars="1"),), "curation[0].name", "one of the steps of curation: length"),
        ((step("length", min="1"),), "curation[0].params", "no parameter 'min'; it has min_chars"),
        ((step("length"),), "curation[0].params", "Set min_chars of the step length"),
        ((step("length", min_chars="-1"),), "curation[0].params", "0 to 1,000,000 characters, not '-1'"),
        ((step("near_duplicates", threshold="0.1"),), "curation[0].params", "0, or 0.3 to 1"),
        ((step("near_duplicates", threshold="nan"),), "curation[0].params", "0, or 0.3 to 1"),
        ((step("near_duplicates", earlier_versions="drop"),), "curation[0].params", "keep, mark or exclude"),
        ((step("exact_duplicates", keep="yes"),), "curation[0].params", "true or false, not 'yes'"),
        ((step("language", keep="english"),), "curation[0].params", "language codes"),
        ((step("personal_data", mask="email,none"),), "curation[0].params", "or none"),
        ((step("decoding", max_replaced_share="x"),), "curation[0].params", "must be 0 to 1"),
        (
            (step("length", min_chars="1"), step("length", min_chars="2")),
            "curation[1].params",
            "set twice",
        ),
    ],
)
def test_other_steps_are_refused_with_their_place(steps, field, sentence):
    with pytest.raises(BadProject, match=sentence.replace("(", r"\(")) as refused:
        curation_of(steps)
    assert refused.value.field == field
