"""Commands in pod templates that were written for the previous release: an engine is `ratoon.engine` now."""
