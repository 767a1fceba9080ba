"""How raw items become records: the settings, the steps, and the reasons for which a step rejects an item."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ratoon.tasks.curation import BadStep, Step, check_steps
from ratoon_ingestion.domain.errors import BadCuration
from ratoon_ingestion.domain.pii import DEFAULT_MASKS, Mask

CLUSTER_THRESHOLD = 0.8
"""Similarity from which records share a cluster where near duplicates stay."""


class CurationStep(StrEnum):
    """The steps in which an item can be rejected, in their order."""

    READ = "read"
    DECODE = "decode"
    ERASURE = "erasure"
    LANGUAGE = "language"
    LENGTH = "length"
    GARBAGE = "garbage"
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"


class Rejected(StrEnum):
    """Why an item is no record."""

    TOO_LARGE = "TOO_LARGE"
    NOT_A_FILE = "NOT_A_FILE"
    METADATA_FILE = "METADATA_FILE"
    NESTED_ARCHIVE = "NESTED_ARCHIVE"
    ENCRYPTED = "ENCRYPTED"
    DAMAGED_MEMBER = "DAMAGED_MEMBER"
    COMPRESSION_RATIO = "COMPRESSION_RATIO"
    BAD_ROW = "BAD_ROW"
    NO_TEXT = "NO_TEXT"
    NOT_TEXT = "NOT_TEXT"
    CODE = "CODE"
    UNDECODABLE = "UNDECODABLE"
    ERASED = "ERASED"
    WITHDRAWN = "WITHDRAWN"
    NOT_MEDIA = "NOT_MEDIA"
    NO_PARTNER = "NO_PARTNER"
    HTTP_STATUS = "HTTP_STATUS"
    REVISIT = "REVISIT"
    NOT_AN_ARTICLE = "NOT_AN_ARTICLE"
    UNWANTED_LANGUAGE = "UNWANTED_LANGUAGE"
    TOO_SHORT = "TOO_SHORT"
    FEW_LETTERS = "FEW_LETTERS"
    BROKEN_CHARACTERS = "BROKEN_CHARACTERS"
    LONG_WORDS = "LONG_WORDS"
    REPETITION = "REPETITION"
    EXACT_DUPLICATE = "EXACT_DUPLICATE"
    NEAR_DUPLICATE = "NEAR_DUPLICATE"
    CONTAMINATED = "CONTAMINATED"
    PERSONAL_DATA = "PERSONAL_DATA"


class EarlierRecords(StrEnum):
    """What becomes of records that an earlier version of the dataset has."""

    KEEP = "keep"
    MARK = "mark"
    EXCLUDE = "exclude"


_NEWER = {"steps": (), "earlier_versions": EarlierRecords.KEEP}
"""Settings that the first release had not, with their defaults; a manifest does not name these."""


@dataclass(frozen=True)
class CurationConfig:
    """The settings of a curation; BadCuration when one is out of range."""

    min_chars: int = 50
    """Shorter records are dropped, unless they are labelled or prompts."""
    languages: tuple[str, ...] = ()
    """ISO 639 codes that stay; empty: all."""
    exact_duplicates: bool = True
    """Remove records whose curated text occurred before."""
    near_duplicate_threshold: float = CLUSTER_THRESHOLD
    """Jaccard similarity of 5-word shingles from which only one record stays; 0 keeps them all (clusters are
    still marked, at 0.8, so that a split can keep them on one side)."""
    masks: tuple[Mask, ...] = DEFAULT_MASKS
    """Kinds of personal data that are masked."""
    max_replaced_share: float = 0.05
    """Share of the records with characters that could not be decoded, from which the version fails."""
    keep_code: bool = False
    """Keep files of code, settings and program packages in text archives."""
    steps: tuple[Step, ...] = ()
    """Steps in their order; default steps that are not listed follow."""
    earlier_versions: EarlierRecords = EarlierRecords.KEEP
    """What becomes of records that equal one of an earlier version of the dataset or are near duplicates of one."""

    def __post_init__(self) -> None:
        if self.min_chars < 0:
            raise BadCuration(f"min_chars is {self.min_chars}; it must be 0 or more.")
        threshold = self.near_duplicate_threshold
        if threshold and not 0.3 <= threshold <= 1:
            raise BadCuration(
                f"near_duplicate_threshold is {threshold}; it must be 0 (off) or from 0.3 to 1."
            )
        if not 0 <= self.max_replaced_share <= 1:
            raise BadCuration(f"max_replaced_share is {self.max_replaced_share}; it must be from 0 to 1.")
        try:
            check_steps(self.steps)
        except BadStep as error:
            raise BadCuration(str(error)) from None
        for language in self.languages:
            if not (language.isascii() and language.islower() and 2 <= len(language) <= 3):
                raise BadCuration(f"{language!r} is not an ISO 639 code such as `en` or `zh`.")

    def stated(self) -> dict[str, Any]:
        """Return the settings by name; those of newer releases, if they are set."""
        return {
            name: value for name, value in asdict(self).items() if name not in _NEWER or value != _NEWER[name]
        }

    @property
    def cluster_threshold(self) -> float:
        """The similarity from which records share a cluster."""
        return self.near_duplicate_threshold or CLUSTER_THRESHOLD
