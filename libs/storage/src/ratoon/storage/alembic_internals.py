"""Calls into Alembic outside its public API: the steps from one revision to another.

Its public commands run an `env.py` with a connection of their own; migrations here run in a transaction that is given.
A test looks up each name in the source of the installed version.
"""

from alembic.runtime.migration import RevisionStep
from alembic.script import ScriptDirectory

USED = {
    "alembic.script.base": (
        "ScriptDirectory._upgrade_revs(destination)",
        "ScriptDirectory._upgrade_revs(current_rev)",
        "ScriptDirectory._downgrade_revs(destination)",
        "ScriptDirectory._downgrade_revs(current_rev)",
    ),
}
"""Names by module, as `ratoon.testkit.sources` writes them."""


def upgrade_steps(scripts: ScriptDirectory, to: str, at: str) -> list[RevisionStep]:
    """Return the steps from revision `at` up to `to`; CommandError when the scripts do not lead there."""
    return scripts._upgrade_revs(to, at)


def downgrade_steps(scripts: ScriptDirectory, to: str, at: str) -> list[RevisionStep]:
    """Return the steps from revision `at` down to `to`; CommandError when the scripts do not lead there."""
    return scripts._downgrade_revs(to, at)
