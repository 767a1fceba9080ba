"""Pages out of Jinja templates: a whole one, or the live part of it alone."""

import hashlib
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import (
    ChainableUndefined,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    Undefined,
    UndefinedError,
)
from jinja2.utils import missing

from ratoon_console.domain import loop, words
from ratoon_console.domain.people import Role

_HERE = Path(__file__).parents[1]
STATIC = _HERE / "static"
_FILTERS: dict[str, Callable[..., object]] = {
    "id": words.last_part,
    "short": words.short,
    "when": words.when,
    "clock": words.clock,
    "count": words.count,
    "number": words.number,
    "size": words.size,
    "percent": words.percent,
    "decimal": words.decimal,
    "setting": words.setting,
    "measured": loop.measured,
    "estimate": words.estimate,
    "duration": words.duration,
    "state": words.state_words,
    "tone": words.tone,
    "choice": words.choice,
    "trigger": words.trigger,
    "spaced": words.spaced,
    "names": words.sentence_of_names,
}


class _Absent(Undefined):
    """A name that no view gave is a mistake of ours; a field that the API left out is empty."""

    def __new__(
        cls,
        hint: str | None = None,
        obj: object = missing,
        name: str | None = None,
        exc: type[UndefinedError] = UndefinedError,
    ) -> Any:
        """One of Jinja's own kinds."""
        kind = StrictUndefined if obj is missing else ChainableUndefined
        return kind(hint, obj, name, exc)


class Pages:
    """All templates, compiled once."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=_Absent,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {name: _of_absent(filter_) for name, filter_ in _FILTERS.items()}
        self._environment.globals |= {
            "ROLE": Role,
            "version_of": {path.name: _mark(path) for path in STATIC.iterdir()},
            "request_id": lambda: str(uuid.uuid4()),
        }
        # Parts are a global because a block that is rendered alone runs no import of its template.
        for part in (
            "parts",
            "rollout-parts",
            "suite-parts",
            "collection-parts",
            "label-parts",
            "profile-parts",
        ):
            module = self._environment.get_template(f"{part}.html").module
            self._environment.globals[part.replace("-", "_")] = module

    def whole(self, template: str, values: Mapping[str, object]) -> str:
        """A page from the first byte to the last."""
        return self._environment.get_template(template).render(values)

    def live(self, template: str, values: Mapping[str, object]) -> str:
        """The block `live` of a page."""
        compiled = self._environment.get_template(template)
        context = compiled.new_context(dict(values))
        return "".join(compiled.blocks["live"](context))


def _of_absent(filter_: Callable[..., object]) -> Callable[..., object]:
    """The filter, which takes an absent field for an empty one."""
    return lambda value, *options: filter_("" if isinstance(value, Undefined) else value, *options)


def _mark(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
