"""Callers of versions whose long answers vary after their one word: versions differ by the whole text."""

from dataclasses import dataclass, field

from ..chaos.served import SAYS, Traffic


@dataclass
class PodTraffic(Traffic):
    """Greedy answers of one version are all beginnings of one text; an answer of two versions is none."""

    texts: dict[str, str] = field(default_factory=dict)
    """The longest text that each version wrote so far."""

    def _check(self, version: str, text: str) -> None:
        known = self.texts.get(version, "")
        longer, shorter = sorted((known, text), key=len, reverse=True)
        self.texts[version] = longer
        if not text.startswith(SAYS[version.rsplit("/", 1)[-1]]) or not longer.startswith(shorter):
            self.mixed.append(f"{version} seems to have written {text[:40]!r}")
