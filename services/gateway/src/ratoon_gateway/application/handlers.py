"""One function a use case of API keys and feedback: message first, ports after."""

import logging
from collections.abc import Callable

from ratoon.chassis.answers import AnswerIds
from ratoon.chassis.clock import Clock
from ratoon.chassis.errors import PermissionDenied
from ratoon.chassis.identity import ANY_PROJECT, Principal
from ratoon.chassis.names import checked_id, matched
from ratoon.chassis.paging import Page
from ratoon.chassis.store import Store
from ratoon_gateway.application.commands import CreateKey
from ratoon_gateway.domain.feedback import Feedback, read_feedback
from ratoon_gateway.domain.keys import ApiKey, Role, Secret, check_grant, new_key, revoked, rotated

_LOG = logging.getLogger(__name__)
_ANY = f"projects/{ANY_PROJECT}"
_FIRST = f"{_ANY}/apiKeys/operator"


def create_key(command: CreateKey, granter: Principal, store: Store, clock: Clock) -> tuple[ApiKey, str]:
    """A new key and its secret, which is not told again: a repeated request_id gives the key without it."""
    if command.parent != _ANY:
        matched(command.parent, "projects/*", "parent")
    check_grant(int(granter.role), granter.project, command.role, command.parent.split("/")[1])
    name = f"{command.parent}/apiKeys/{checked_id(command.key_id, 'api_key_id')}"
    secret = Secret.new()
    key = new_key(
        name, command.role, secret, clock.now(), expires=command.expires, label=command.display_name
    )
    with store.write() as tx:
        stored, is_new = tx.create(key, command.request_id)
    return stored, secret.text if is_new else ""


def get_key(name: str, store: Store) -> ApiKey:
    """One key, without its secret."""
    with store.read() as tx:
        return tx.get(ApiKey, name)


def list_keys(parent: str, size: int, token: str, store: Store) -> Page[ApiKey]:
    """The keys of a project, or with `projects/-` those of the installation."""
    with store.read() as tx:
        return tx.page(ApiKey, parent, size, token)


def rotate_key(name: str, store: Store) -> tuple[ApiKey, str]:
    """The key with a new secret; the old one ends now."""
    secret = Secret.new()
    with store.write() as tx:
        key = tx.save(rotated(tx.get(ApiKey, name), secret))
    return key, secret.text


def revoke_key(name: str, store: Store, clock: Clock) -> ApiKey:
    """The key, ended."""
    with store.write() as tx:
        key = tx.get(ApiKey, name)
        ended = revoked(key, clock.now())
        return ended if ended is key else tx.save(ended)


def make_first_key(store: Store, clock: Clock, hand_over: Callable[[str], str]) -> None:
    """Where there is no key at all, make one for the operator; `hand_over` puts its secret somewhere and says where."""
    with store.write() as tx:
        if tx.page(ApiKey, _ANY, size=1).items:
            return
        secret = Secret.new()
        place = hand_over(secret.text)
        tx.create(new_key(_FIRST, Role.OPERATOR, secret, clock.now(), label="made at first start"))
    _LOG.info("made the first API key, of role operator: %s", place)


def understand_feedback(body: dict[str, object], principal: Principal, ids: AnswerIds) -> Feedback:
    """The feedback in a request; InvalidArgument: no id of ours; PermissionDenied: another project's."""
    answer = ids.read(str(body.get("id") or ""))
    if not principal.may_touch(answer.version):
        raise PermissionDenied(
            f"That answer is not of projects/{principal.project}.", reason="PROJECT_NOT_YOURS"
        )
    return read_feedback(body, answer.project, answer.id, answer.version)
