"""One function a use case of API keys, safety filters and feedback: message first, ports after."""

import logging
from collections.abc import Callable
from datetime import UTC, date, timedelta

from ratoon.process.clock import Clock
from ratoon.process.errors import InvalidArgument, PermissionDenied
from ratoon.security.answers import AnswerIds, AnswerName
from ratoon.security.identity import ANY_PROJECT, Principal
from ratoon.storage.names import checked_id, matched
from ratoon.storage.store import Store, Transaction
from ratoon_gateway.application.commands import CreateKey, UpdateFilter, UpdateKey
from ratoon_gateway.application.ports import Projects, Usage
from ratoon_gateway.domain.errors import BadRequest, LastOperatorKey
from ratoon_gateway.domain.etags import check_etag
from ratoon_gateway.domain.feedback import Feedback, answer_of, read_feedback, snake_case
from ratoon_gateway.domain.keys import (
    ApiKey,
    Role,
    Secret,
    Used,
    check_grant,
    is_permanent_operator,
    new_key,
    revoked,
    rotated,
)
from ratoon_gateway.domain.keys import changed as changed_key
from ratoon_gateway.domain.safety import EVERYWHERE, SafetyFilter
from ratoon_gateway.domain.safety import changed as changed_filter

_LOG = logging.getLogger(__name__)
_ANY = f"projects/{ANY_PROJECT}"
_DAYS, _MAX_DAYS = 30, 366
_FIRST = f"{_ANY}/apiKeys/operator"


def create_key(
    command: CreateKey, granter: Principal, projects: Projects, store: Store, clock: Clock
) -> tuple[ApiKey, str]:
    """Create a key; return it with its secret. A repeated request_id returns the key without the secret."""
    if command.parent != _ANY:
        matched(command.parent, "projects/*", "parent")
    check_grant(int(granter.role), granter.project, command.role, command.parent.split("/")[1])
    if command.parent != _ANY:
        projects.check(command.parent)
    name = f"{command.parent}/apiKeys/{checked_id(command.key_id, 'api_key_id')}"
    secret = Secret.new()
    key = new_key(
        name,
        command.role,
        secret,
        clock.now(),
        expires=command.expires,
        label=command.display_name,
        limits=command.limits,
    )
    with store.write() as tx:
        stored, is_new = tx.create(key, command.request_id)
    return stored, secret.text if is_new else ""


def update_key(command: UpdateKey, store: Store, clock: Clock) -> ApiKey:
    """Change label, expiry or limits of a key; they apply to requests from then on."""
    with store.write() as tx:
        key = tx.get(ApiKey, command.name)
        check_etag(key.name, key.etag, command.etag)
        updated = changed_key(
            key, command.display_name, command.limits, command.expires, command.fields, clock.now()
        )
        if updated.expire_time is not None:
            _check_not_last(key, tx)
        return tx.save(updated)


def key_usage(
    name: str, days: int, store: Store, usage: Usage, clock: Clock
) -> tuple[Used, dict[date, Used]]:
    """Return the usage of a key in total, and on each of the last `days` days of UTC (0: 30)."""
    if not 0 <= days <= _MAX_DAYS:
        raise BadRequest(f"days must be from 1 to {_MAX_DAYS}, or 0 for {_DAYS}.", field="days")
    store.get(ApiKey, name)
    since = clock.now().astimezone(UTC).date() - timedelta(days=(days or _DAYS) - 1)
    return usage.of([name])[name], usage.by_day(name, since)


def get_filter(name: str, store: Store, clock: Clock) -> SafetyFilter:
    """Return the word lists of a project; empty ones where none were set."""
    with store.read() as tx:
        return tx.find(SafetyFilter, _filter_name(name)) or SafetyFilter(name, clock.now(), clock.now())


def update_filter(command: UpdateFilter, projects: Projects, store: Store, clock: Clock) -> SafetyFilter:
    """Change the word lists of a project; they apply to requests from then on."""
    name, now = _filter_name(command.safety_filter.name), clock.now()
    if name != EVERYWHERE:
        projects.check(name.removesuffix("/safetyFilter"))
    with store.write() as tx:
        stored = tx.find(SafetyFilter, name)
        current = stored or SafetyFilter(name, now, now)
        check_etag(name, current.etag, command.etag)
        updated = changed_filter(current, command.safety_filter, command.fields)
        return tx.save(updated) if stored else tx.create(updated)[0]


def rotate_key(name: str, store: Store) -> tuple[ApiKey, str]:
    """Replace the secret of a key; the old one stops working."""
    secret = Secret.new()
    with store.write() as tx:
        key = tx.save(rotated(tx.get(ApiKey, name), secret))
    return key, secret.text


def revoke_key(name: str, store: Store, clock: Clock) -> ApiKey:
    """Revoke a key."""
    with store.write() as tx:
        key = tx.get(ApiKey, name)
        ended = revoked(key, clock.now())
        if ended is key:
            return key
        _check_not_last(key, tx)
        return tx.save(ended)


def delete_key(name: str, etag: str, store: Store, usage: Usage) -> None:
    """Remove a key and the record of its use."""
    with store.write() as tx:
        key = tx.get(ApiKey, name)
        check_etag(key.name, key.etag, etag)
        _check_not_last(key, tx)
        tx.delete(key)
    usage.forget(name)


def _check_not_last(key: ApiKey, tx: Transaction) -> None:
    """Refuse to end the key without which no caller could manage the installation."""
    if not is_permanent_operator(key):
        return
    others = [each for each in tx.all(ApiKey, _ANY) if each.name != key.name]
    if not any(is_permanent_operator(each) for each in others):
        raise LastOperatorKey(
            f"{key.name} is the last operator key of the installation that does not expire: rotate it, "
            "or create another one first."
        )


def create_first_key(store: Store, clock: Clock, configured: str, hand_over: Callable[[str], str]) -> None:
    """Create the operator's key where no key exists: the `configured` one, or a new one.

    `hand_over` stores a new secret and returns its place. BadKey where the configured text is not a key.
    """
    with store.write() as tx:
        if tx.page(ApiKey, _ANY, size=1).items:
            return
        secret = Secret.parse(configured) if configured else Secret.new()
        place = "the one that was given" if configured else hand_over(secret.text)
        tx.create(new_key(_FIRST, Role.OPERATOR, secret, clock.now(), label="made at first start"))
    _LOG.info("created the first API key, with the role operator: %s", place)


def understand_feedback(body: dict[str, object], principal: Principal, ids: AnswerIds) -> Feedback:
    """Return the feedback in a request; InvalidArgument for an unknown id, PermissionDenied for another project's."""
    body = snake_case(body)
    answer_id = answer_of(body)
    if not answer_id and body.get("session_id"):
        return read_feedback(body, _session_project(body, principal), "", "")
    answer = _own_answer(answer_id, principal, ids)
    rejected = str(body.get("rejected_answer_id") or "")
    other = _own_answer(rejected, principal, ids, "rejected_answer_id") if rejected else None
    if other is not None and other.project != answer.project:
        raise BadRequest("The two answers belong to different projects.", field="rejected_answer_id")
    return read_feedback(body, answer.project, answer.id, answer.version, other.id if other else "")


def _own_answer(answer_id: str, principal: Principal, ids: AnswerIds, field: str = "id") -> AnswerName:
    try:
        answer = ids.read(answer_id)
    except InvalidArgument as error:
        raise InvalidArgument(str(error), reason=error.reason, field=field) from None
    if not principal.may_touch(answer.version):
        raise PermissionDenied(
            f"The answer does not belong to projects/{principal.project}.", reason="PROJECT_NOT_YOURS"
        )
    return answer


def _session_project(body: dict[str, object], principal: Principal) -> str:
    """Return the project of a session: that of the key, or the one that the request names."""
    named = str(body.get("project") or "").removeprefix("projects/")
    project = named or (principal.project if principal.project != ANY_PROJECT else "")
    if not project:
        raise BadRequest(
            "`project` is missing: a key of the whole installation names the project of the session.",
            field="project",
        )
    if not principal.may_touch(f"projects/{project}"):
        raise PermissionDenied(
            f"The session does not belong to projects/{principal.project}.", reason="PROJECT_NOT_YOURS"
        )
    return project


def _filter_name(name: str) -> str:
    if name != EVERYWHERE:
        matched(name, "projects/*/safetyFilter")
    return name
