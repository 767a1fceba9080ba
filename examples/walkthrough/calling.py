"""Ways to call a model. Run it after `loop.py`: `python examples/walkthrough/calling.py`."""

# %% [markdown]
# # Calling a model
#
# This walkthrough calls the model of [the loop](loop.py): synchronously, asynchronously, as a stream, and by OpenAI's
# own client. It ends with errors and limits. The code is `examples/walkthrough/calling.py`.

# %%
import asyncio
import time

import openai

from ratoon.client import (
    AsyncRatoon,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    Ratoon,
    types,
)

client = Ratoon()

# %% [markdown]
# ## Create a key for the caller
# Each caller gets a key of its own, with a role, a project and limits. The secret is shown once. A key of the role
# CALLER may call models and give feedback, and nothing else.

# %%
key = client.api_keys.create("projects/languages", display_name="walkthrough", role=types.Role.CALLER)
caller = Ratoon(api_key=key.secret)
print(f"models: {', '.join(model.id for model in caller.chat.served_models())}")

# %% [markdown]
# ## One answer
# `model` names a deployment, or one version of it: `languages@v1.0`. The answer says which version wrote it.

# %%
answer = caller.chat.completions.create("languages", "Waar is het station?", max_tokens=4, temperature=0)
print(f"{answer.text} (by {answer.version}, {answer.usage and answer.usage.prompt_tokens} tokens read)")
caller.chat.feedback(answer.answer_id, thumb="up", comment="A walkthrough.")

# %% [markdown]
# ## A stream
# Tokens come as they are generated.

# %%
with caller.chat.completions.stream("languages", "Dove si trova la stazione?", max_tokens=4) as chunks:
    print("".join(chunk.text for chunk in chunks), f"(by {chunks.version})")

# %% [markdown]
# ## Many answers at once
# The asynchronous client has the same methods.

# %%
questions = ["Where is the station?", "Waar is het station?", "Dove si trova la stazione?"] * 4


async def ask_all() -> list[str]:
    """Ask all questions at the same time."""
    async with AsyncRatoon(api_key=key.secret) as concurrent:
        create = concurrent.chat.completions.create
        answers = await asyncio.gather(*(create("languages", each, max_tokens=4) for each in questions))
    return [each.text for each in answers]


print(asyncio.run(ask_all()))

# %% [markdown]
# ## OpenAI's client
# The gateway speaks OpenAI's API, so its client works unchanged, and so do tools built on it. The ID for feedback is in
# the header `x-ratoon-answer-id`.

# %%
unmodified = openai.OpenAI(base_url=f"{client.base_url}/v1", api_key=key.secret)
raw = unmodified.chat.completions.with_raw_response.create(
    model="languages", messages=[{"role": "user", "content": "Where is the station?"}], max_tokens=4
)
print(raw.parse().choices[0].message.content, raw.headers["x-ratoon-answer-id"])

# %% [markdown]
# ## Errors
# Each error has a class, a stable `reason`, and a sentence that says what to do. The
# [reference](../../docs/reference/errors.md) lists the reasons.

# %%
try:
    caller.chat.completions.create("weather", "Will it rain?")
except NotFoundError as error:
    print(error.reason, "–", error)
try:
    caller.chat.completions.create("languages", "Hello", temperature="hot")
except BadRequestError as error:
    print(error.reason, "–", error, [violation.field for violation in error.field_violations])
try:
    caller.projects.update("projects/languages", display_name="Mine")
except PermissionDeniedError as error:
    print(error.reason, "–", error)

# %% [markdown]
# ## Limits
# A limit of a key holds for all its callers. Reads and creates with a request ID are retried; `max_retries=0` shows the
# refusal. A revoked key stops working within a second.

# %%
client.api_keys.update(key.name, limits=types.KeyLimits(requests_per_minute=1))
without_retries = caller.with_options(max_retries=0)
try:
    for _ in range(30):
        without_retries.chat.completions.create("languages", "Hello", max_tokens=1)
except RateLimitError as error:
    print(error.reason, "–", error)
client.api_keys.revoke(key.name)
time.sleep(2)
try:
    without_retries.chat.served_models()
except AuthenticationError as error:
    print(error.reason, "–", error)
