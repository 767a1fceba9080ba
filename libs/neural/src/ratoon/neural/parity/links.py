"""Links of a parity certificate between two loaded forms."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from ratoon.neural.parity.forms import Form
from ratoon.neural.parity.inputs import compare_inputs, inputs_of
from ratoon.neural.parity.numbers import first_layer, score
from ratoon.neural.parity.weights import compare_weights
from ratoon.tasks.parity import (
    Comparison,
    Finding,
    Link,
    MetricDifference,
    Reason,
    Recorded,
    Step,
    Tolerance,
    compare,
    judge,
    link,
    tolerance_of,
)


def runtime() -> str:
    """Return the program of the reference, with its version."""
    return f"transformers {version('transformers')}"


def train_link(form: Form, artifact_digest: str, source: str = "") -> Link:
    """Return the link of the reference itself: it names the inputs with which the model was recorded."""
    return link(
        Step.TRAIN,
        "float32",
        runtime(),
        artifact_digest,
        artifact_digest,
        inputs=inputs_of(form),
        source=source,
    )


def compare_forms(
    reference: Form,
    form: Form,
    recorded: Sequence[Recorded],
    number_format: str,
    step: Step,
    *,
    artifact_digest: str = "",
    reference_digest: str = "",
    metrics: Sequence[MetricDifference] = (),
    source: str = "",
) -> Link:
    """Compare a form with its reference: inputs, configuration, tensors, numbers.

    `recorded` are greedy continuations by the reference (`record`, or the golden prompts of its registration).
    """
    tolerance = tolerance_of(number_format, same_program=True)
    comparison = compare(recorded, score(form.model, recorded), tolerance)
    places = sum(len(each.tokens) for each in recorded)
    finding = first_finding(reference, form, number_format) or _numbers_finding(
        reference, form, recorded, comparison, tolerance, number_format, places
    )
    return link(
        step,
        number_format,
        runtime(),
        artifact_digest,
        reference_digest,
        finding=finding,
        comparison=comparison,
        tolerance=tolerance,
        recorded=places,
        metrics=metrics,
        inputs=inputs_of(form),
        source=source,
    )


def first_finding(reference: Form, form: Form, number_format: str) -> Finding | None:
    """Return the cause that files and tensors determine, without computing an answer; None: there is none."""
    return compare_inputs(reference, form) or compare_weights(reference, form, number_format)


def _numbers_finding(
    reference: Form,
    form: Form,
    recorded: Sequence[Recorded],
    comparison: Comparison,
    tolerance: Tolerance,
    number_format: str,
    places: int,
) -> Finding | None:
    """Return the difference of numbers with the layer where it begins."""
    finding = judge(comparison, tolerance, places)
    if finding is None:
        return None
    row = max(recorded, key=lambda each: len(each.prompt) + len(each.tokens))
    layer = first_layer(reference.model, form.model, [*row.prompt, *row.tokens], number_format)
    if not layer:
        return finding
    return Finding(
        Reason.LAYER_DIFFERS,
        f"{finding.message} The difference begins in {layer}, whose weights are equal.",
        layer,
    )
