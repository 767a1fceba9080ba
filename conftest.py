"""What all tests share: no test fails because a machine is busy, and CI draws the same examples every time."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "ratoon",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ratoon")
