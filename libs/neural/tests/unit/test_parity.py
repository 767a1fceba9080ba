"""Parity of forms of tiny models: honest forms are within, and each fault is caught by its name."""

import pytest
import torch

from ratoon.neural import parity
from ratoon.neural.parity import Rendered, compare_rendered
from ratoon.neural.parity.inputs import compare_vocabularies
from ratoon.tasks.parity import Reason, Step, Verdict
from ratoon.testkit.parity import FAULTS, FORMATS, SUBJECTS, packed, rounded, subject

QUICK = "untied"
"""Reference of the quick tests, where a fault applies to it."""
QUICK_CASES = {
    "float32",
    "int8",
    "adapter merged twice",
    "another rotary scaling",
    "begin token twice",
    "biases left out",
    "head in 8 bits",
    "head tied on reload",
    "no begin token",
    "norms swapped",
    "template without roles",
}
"""Forms of the quick tests; the others are thorough."""


def pairs(names_of):
    for name in sorted(SUBJECTS):
        for each in names_of(name):
            alone = each not in FAULTS or QUICK in FAULTS[each].subjects
            quick = each in QUICK_CASES and (name == QUICK or not alone)
            yield pytest.param(name, each, marks=() if quick else pytest.mark.thorough)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Compute on one thread: products this small cost less than sharing them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    known = {}

    def reference(name):
        if name not in known:
            form = subject(name, tmp_path_factory.mktemp(name), seed=3)
            prompts = [each.ids for each in parity.rendered(form.tokenizer)]
            known[name] = form, parity.record(form.model, prompts)
        return known[name]

    return reference


@pytest.mark.parametrize(("name", "number_format"), pairs(lambda name: FORMATS))
def test_an_honest_form_is_within(references, name, number_format, tmp_path):
    reference, recorded = references(name)
    form = rounded(reference, number_format, tmp_path / "form")
    link = parity.compare_forms(reference, form, recorded, number_format, Step.QUANTIZE)
    assert (link.verdict, link.reason) == (Verdict.WITHIN, ""), link.message
    assert link.comparison.places == sum(len(each.tokens) for each in recorded)
    assert link.inputs == parity.inputs_of(reference)
    assert (link.inputs.begin_token, link.inputs.stop_tokens) == ("<s>", ("</s>",))


@pytest.mark.parametrize("number_format", ["int4", pytest.param("int8", marks=pytest.mark.thorough)])
def test_stored_integers_are_compared_as_numbers(references, number_format, tmp_path):
    reference, recorded = references(QUICK)
    form = packed(reference, number_format, tmp_path / "form")
    link = parity.compare_forms(reference, form, recorded, number_format, Step.QUANTIZE)
    assert (link.verdict, link.reason) == (Verdict.WITHIN, ""), link.message
    assert link.comparison.mean_difference > 0


@pytest.mark.parametrize(
    ("name", "fault"),
    pairs(lambda name: sorted(each for each, fault in FAULTS.items() if name in fault.subjects)),
)
def test_a_fault_is_caught_by_its_name(references, name, fault, tmp_path):
    reference, recorded = references(name)
    each = FAULTS[fault]
    form = each.make(reference, tmp_path / "form")
    link = parity.compare_forms(reference, form, recorded, each.number_format, Step.MERGE)
    assert (link.verdict, link.reason) == (Verdict.BEYOND, each.reason), link.message
    assert link.message.endswith(".")


def test_where_a_difference_begins_is_stated(references, tmp_path):
    reference, recorded = references(QUICK)
    make = FAULTS["another rotary scaling in the program"].make
    link = parity.compare_forms(
        reference, make(reference, tmp_path / "form"), recorded, "float32", Step.EXPORT
    )
    assert link.layer == "layers.0"
    first = link.comparison.first_difference
    assert first.token != first.reference_token
    swapped = FAULTS["norms swapped"].make(reference, tmp_path / "swapped")
    assert parity.first_finding(reference, swapped, "float32").layer == (
        "model.layers.1.input_layernorm.weight"
    )


def test_prompts_of_another_program_are_compared_by_their_ids():
    reference = [Rendered((1, 7, 8), "<s>ab")]
    assert compare_rendered(reference, [Rendered((1, 7, 8))], 1) is None
    for ids, reason in (
        ((7, 8), Reason.BOS_MISSING),
        ((1, 1, 7, 8), Reason.BOS_DOUBLED),
        ((1, 7, 9), Reason.TOKENIZER_DIFFERS),
        ((), Reason.TEMPLATE_DIFFERS),
    ):
        assert compare_rendered(reference, [Rendered(ids)], 1).reason is reason


class Vocabulary(dict):
    """A tokenizer of which only the numbers of tokens are read."""

    def get_vocab(self):
        return dict(self)


def test_tokens_that_no_prompt_holds_are_compared_by_their_numbers():
    reference = Vocabulary(a=0, b=1, rare=2, rarer=3)
    assert compare_vocabularies(reference, Vocabulary(reference, added=4)) is None
    assert compare_vocabularies(reference, Vocabulary(a=0, b=1)) is None
    finding = compare_vocabularies(reference, Vocabulary(a=0, b=1, rare=3, rarer=2))
    assert finding.reason is Reason.TOKENIZER_DIFFERS
    assert finding.message == "2 tokens have other numbers, the first of them 'rare': 3 instead of 2."
