"""Exported names, and which modules an import loads."""

import subprocess
import sys

import pytest

import ratoon.client
from ratoon.client import types

PLATFORM = (
    "google",
    "grpc",
    "kubernetes",
    "openai",
    "psycopg",
    "ratoon.process",
    "ratoon.runtime",
    "ratoon.storage",
    "sqlalchemy",
)


def test_the_exported_names_are_these():
    assert sorted(ratoon.client.__all__) == [
        "APIConnectionError",
        "APIResponseError",
        "APIStatusError",
        "APITimeoutError",
        "AsyncPage",
        "AsyncRatoon",
        "AsyncWatch",
        "AuthenticationError",
        "BadRequestError",
        "ChatCompletion",
        "ChatCompletionChunk",
        "ConflictError",
        "FailedPreconditionError",
        "FieldViolation",
        "InternalServerError",
        "InvalidConfigError",
        "InvalidNameError",
        "NotFoundError",
        "Omit",
        "OperationFailedError",
        "OperationTimeoutError",
        "OutOfRangeError",
        "PermissionDeniedError",
        "RateLimitError",
        "Ratoon",
        "RatoonError",
        "SyncPage",
        "SyncWatch",
        "UnavailableError",
        "omit",
        "types",
    ]
    assert all(getattr(ratoon.client, name) is not None for name in ratoon.client.__all__)


def test_all_errors_are_exported():
    from ratoon.client import _errors

    errors = {
        name for name, each in vars(_errors).items() if isinstance(each, type) and name.endswith("Error")
    }
    assert errors - set(ratoon.client.__all__) == set()


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Rattoon"):
        ratoon.client.Rattoon


def test_every_model_of_the_api_is_in_types():
    assert {"Dataset", "TrainingRun", "TrainingRunState", "Rollout", "Role"} < set(types.__all__)
    assert all(getattr(types, name).__doc__ for name in types.__all__)


@pytest.mark.parametrize(
    ("code", "unneeded"),
    [
        ("import ratoon.client", ("httpx", "pydantic", "ratoon.client._generated", *PLATFORM)),
        (
            "from ratoon.client import Ratoon, NotFoundError; Ratoon(base_url='http://x')",
            ("pydantic", "ratoon.client._generated.training_types", *PLATFORM),
        ),
        (
            "from ratoon.client import Ratoon; Ratoon(base_url='http://x').training_runs",
            ("ratoon.client._generated.serving", "ratoon.client._chat", *PLATFORM),
        ),
    ],
)
def test_an_import_loads_what_is_used(code, unneeded):
    script = f"import sys; {code}; print([name for name in {unneeded!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
