"""Steps of curation that a project configures, by name and parameters, and what they mean for a dataset version."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ratoon.tasks import curation
from ratoon.tasks.curation import Step
from ratoon_flywheel.domain.errors import BadProject
from ratoon_flywheel.domain.project_settings import CurationStep

_PERSONAL_DATA = "personal_data"
_MASKS = ("email", "phone", "card", "ip", "url", "iban", "national_id", "passport", "none")


@dataclass(frozen=True)
class Curation:
    """Settings of curation; None and empty leave a setting to ingestion."""

    min_chars: int | None = None
    """Minimum length of a record without an answer, in characters."""
    languages: tuple[str, ...] = ()
    """Languages to keep, as ISO 639 codes."""
    near_duplicate_threshold: float | None = None
    """Jaccard similarity from which two records are near duplicates, 0.3 to 1; 0 keeps them."""
    keep_exact_duplicates: bool = False
    masks: tuple[str, ...] = ()
    """Kinds of personal data to mask."""
    max_replaced_share: float | None = None
    """Share of records with characters that could not be decoded from which a version fails."""
    keep_code: bool = False
    earlier_versions: str = ""
    """What becomes of records that an earlier version of the dataset has: keep, mark or exclude."""
    steps: tuple[Step, ...] = ()
    """Steps in the order in which they run; empty if the project names none but those that have settings above."""


def curation_of(steps: Sequence[CurationStep]) -> Curation:
    """Return the settings that the steps make; BadProject names the step and the parameter that is not valid."""
    settings: dict[str, Any] = {}
    listed = _listed_steps(steps)
    for index, step in enumerate(steps):
        path = f"curation[{index}]"
        if step.name not in STEPS:
            continue
        parameters, own = STEPS[step.name], _own_params(step)
        chosen = {name: text for name, text in step.params.items() if name not in own}
        if unknown := sorted(chosen.keys() - parameters.keys()):
            names = (*parameters, *(curation.PERSONAL_DATA if step.name == _PERSONAL_DATA else ()))
            raise BadProject(
                f"The step {step.name} has no parameter {unknown[0]!r}; it has {', '.join(names)}.",
                f"{path}.params",
            )
        if not step.params and not listed:
            raise BadProject(f"Set {' or '.join(parameters)} of the step {step.name}.", f"{path}.params")
        for name, text in chosen.items():
            field, read = parameters[name]
            if field in settings:
                raise BadProject(f"{step.name}.{name} is set twice.", f"{path}.params")
            settings[field] = _read(read, text, f"{step.name}.{name}", f"{path}.params")
    return replace(Curation(), **settings, steps=listed)


def _listed_steps(steps: Sequence[CurationStep]) -> tuple[Step, ...]:
    """Return the steps that ingestion runs in their order; empty if all of them are settings of its default steps."""
    listed: list[Step] = []
    for index, step in enumerate(steps):
        path = f"curation[{index}]"
        params = _own_params(step)
        if step.name not in _NAMES and "." not in step.name:
            raise BadProject(
                f"{step.name!r} is not one of the steps of curation: {', '.join(_NAMES)}. Steps of other packages have "
                "a dot in their names.",
                f"{path}.name",
            )
        if step.name not in STEPS or step.name in curation.DEFAULT_STEPS:
            listed += _checked(Step(step.name, params), f"{path}.params")
    if all(step.name in STEPS and not _own_params(step) for step in steps):
        return ()
    try:
        curation.check_steps(listed)
    except curation.BadStep as error:
        raise BadProject(str(error), "curation") from None
    return tuple(listed)


def _own_params(step: CurationStep) -> dict[str, str]:
    """Return the parameters that the step itself takes; the others are settings of the curation."""
    if step.name not in STEPS:
        return dict(step.params)
    own = curation.PERSONAL_DATA if step.name == _PERSONAL_DATA else {}
    return {name: text for name, text in step.params.items() if name in own}


def _checked(step: Step, path: str) -> tuple[Step, ...]:
    """Return the step, or those of its preset; BadProject names the parameter that is not valid."""
    try:
        steps = curation.with_presets((step,))
        curation.check_steps(steps)
    except curation.BadStep as error:
        raise BadProject(str(error), path) from None
    return steps


def is_known(steps: Sequence[CurationStep]) -> bool:
    """Return whether the steps are valid; those that a release before stored may not be."""
    try:
        curation_of(steps)
    except BadProject:
        return False
    return True


def _read(read: Callable[[str], Any], text: str, name: str, path: str) -> Any:
    try:
        return read(text.strip())
    except ValueError as error:
        raise BadProject(f"{name} must be {error}, not {text[:50]!r}.", path) from None


def _characters(text: str) -> int:
    if not text.isdecimal() or int(text) > 1_000_000:
        raise ValueError("0 to 1,000,000 characters")
    return int(text)


def _threshold(text: str) -> float:
    value = _number(text, "0, or 0.3 to 1")
    if value != 0 and not 0.3 <= value <= 1:
        raise ValueError("0, or 0.3 to 1")
    return value


def _share(text: str) -> float:
    value = _number(text, "0 to 1")
    if not 0 <= value <= 1:
        raise ValueError("0 to 1")
    return value


def _number(text: str, valid: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(valid) from None


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("true or false")
    return text == "true"


def _earlier_versions(text: str) -> str:
    if text not in ("keep", "mark", "exclude"):
        raise ValueError("keep, mark or exclude")
    return text


def _languages(text: str) -> tuple[str, ...]:
    codes = _listed(text)
    if not codes or not all(code.isascii() and code.isalpha() and len(code) in (2, 3) for code in codes):
        raise ValueError("language codes such as `en, zh`")
    return codes


def _masks(text: str) -> tuple[str, ...]:
    kinds = _listed(text)
    if not kinds or not set(kinds) <= set(_MASKS) or ("none" in kinds and len(kinds) > 1):
        raise ValueError(f"some of {', '.join(_MASKS[:-1])}, or none")
    return kinds


def _listed(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(",") if each.strip())


STEPS: Mapping[str, Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "length": {"min_chars": ("min_chars", _characters)},
    "language": {"keep": ("languages", _languages)},
    "near_duplicates": {
        "threshold": ("near_duplicate_threshold", _threshold),
        "earlier_versions": ("earlier_versions", _earlier_versions),
    },
    "exact_duplicates": {"keep": ("keep_exact_duplicates", _flag)},
    "personal_data": {"mask": ("masks", _masks)},
    "decoding": {
        "max_replaced_share": ("max_replaced_share", _share),
        "keep_code": ("keep_code", _flag),
    },
}
"""Parameters of each step: the setting that it makes, and how its text is read."""
_NAMES = tuple(dict.fromkeys((*STEPS, *curation.DEFAULT_STEPS, *curation.STEPS, curation.PRESET)))
