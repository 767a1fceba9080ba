"""Regular expressions of rules, by RE2: no pattern takes more than linear time."""

import pyarrow as pa
import pyarrow.compute as pc

from ratoon_labeling.domain.errors import BadQueue


class Re2Patterns:
    """Patterns in the syntax of RE2."""

    def check(self, pattern: str) -> None:
        """Raise BadQueue if a pattern cannot be read."""
        try:
            pc.match_substring_regex(pa.array([""]), pattern)
        except (pa.ArrowException, UnicodeError) as error:
            raise BadQueue(
                f"The pattern {pattern[:100]!r} is not a regular expression of RE2: {error}",
                "pre_labels.rules",
            ) from None
