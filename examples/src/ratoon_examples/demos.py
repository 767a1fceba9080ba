"""The demos by the task that they show."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ratoon_examples.demo import main as mail_triage
from ratoon_examples.demo.running import Place
from ratoon_examples.demo.tiers import BASE_MODEL, TIERS
from ratoon_examples.sentiment import main as sentiment
from ratoon_examples.sentiment.sizes import SIZES as RATING_SIZES
from ratoon_examples.subjects import main as subjects
from ratoon_examples.subjects.sizes import SIZES as SUBJECT_SIZES

SIZES: Mapping[str, tuple[str, ...]] = {
    "classify": tuple(TIERS),
    "generate": tuple(SUBJECT_SIZES),
    "regress": tuple(RATING_SIZES),
}
"""Names of the sizes of each demo; the first is the default."""


@dataclass(frozen=True)
class Settings:
    """Options of a demo."""

    state: Path
    data: Path
    """Directory of the mail corpus; the chat model lies next to it."""
    project: str
    """Id of the project to create; empty: a new one."""
    port: int
    share: float
    """Share of the mails to use, from 0 to 1."""
    stop: bool
    size: str


def run(task: str, settings: Settings) -> int:
    """Run the demo of a task; return 0 if it passed."""
    return _DEMOS[task](Place(settings.state, settings.port, settings.stop), settings)


def _classify(place: Place, settings: Settings) -> int:
    tier = TIERS[settings.size]
    return mail_triage.run_demo(place, settings.data, settings.project, settings.share, tier)


def _generate(place: Place, settings: Settings) -> int:
    base = settings.data.parent / BASE_MODEL
    return subjects.run_demo(place, settings.data, base, settings.project, SUBJECT_SIZES[settings.size])


def _regress(place: Place, settings: Settings) -> int:
    ratings = settings.data.parent / "vader" / "vader_lexicon.txt"
    return sentiment.run_demo(place, ratings, settings.project, RATING_SIZES[settings.size])


_DEMOS: Mapping[str, Callable[[Place, Settings], int]] = {
    "classify": _classify,
    "generate": _generate,
    "regress": _regress,
}
