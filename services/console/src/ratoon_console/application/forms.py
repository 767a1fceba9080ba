"""Forms of buttons, and what follows from them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from ratoon_console.application.ports import Api
from ratoon_console.domain.errors import BadForm
from ratoon_console.domain.people import Role


@dataclass(frozen=True)
class Form:
    """What a form sent, and for which project."""

    project: str
    fields: Mapping[str, str]

    def __getitem__(self, key: str) -> str:
        """A field that must be there; BadForm when it is not."""
        value = self.fields.get(key, "").strip()
        if not value:
            raise BadForm(f"The form lacks {key!r}. Go back, fill it in and submit the form again.")
        return value

    def number(self, key: str) -> float:
        """A field that must be a number; BadForm when it is none."""
        try:
            value = float(self[key].replace(",", "."))
        except ValueError:
            raise BadForm(f"{self[key]!r} is not a number. Go back and correct it.") from None
        return int(value) if value.is_integer() else value

    @property
    def name(self) -> str:
        """The resource it is about; BadForm when that lies in another project."""
        name = self["name"]
        if not name.startswith(f"projects/{self.project}/"):
            raise BadForm(f"{name} does not belong to the project {self.project}.")
        return name


@dataclass(frozen=True)
class Done:
    """The notice of the next page, and its address; empty: the form's page."""

    notice: str
    target: str = ""
    next_task: str = ""
    """ID of the task that was claimed with the answer; empty: none."""


@dataclass(frozen=True)
class Action:
    """A button: the role that the API wants for it, and what it does."""

    role: Role
    act: Callable[[Form, Api], Awaitable[Done]]
