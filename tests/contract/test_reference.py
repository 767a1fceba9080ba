"""Reference pages: errors are found in sources however they are raised, and pages name nothing that does not exist."""

import ast
import re
from pathlib import Path

import pytest

from scripts import command_pages, contract_pages, failure_reasons, reference
from scripts.raised_errors import Module, Raised, Sources

ERRORS = '''
class ShopError(Exception):
    """Base class."""

    code = "FAILED_PRECONDITION"
    reason = "SHOP_ERROR"


class BadColour(ShopError):
    """The colour is unknown.

    Further details.
    """

    code, reason = "INVALID_ARGUMENT", "BAD_COLOUR"


class Closed(ShopError):
    """The shop is closed."""

    reason = "CLOSED"


def refusal(field, message, reason="BAD_VALUE"):
    return BadColour(message, reason=reason)
'''
HANDLERS = """
from shop.errors import BadColour as Bad, Closed, refusal


def buy(colour, kind):
    if colour == "a":
        raise Bad(f"{colour} is not a colour: choose red.")
    if colour == "b":
        raise Bad("This colour is sold out.", reason="SOLD_OUT")
    if colour == "c":
        raise Bad(f"{colour} does not exist.", reason=f"{kind}_NOT_FOUND")
    if colour == "d":
        raise Closed(f"{colour}: {kind}.")
    if colour == "e":
        raise refusal("colour", "The colour is too long.")
    raise ValueError("This is no error of the shop.")
"""


@pytest.fixture(scope="module")
def raised() -> dict[str, Raised]:
    texts = {"shop.errors": ERRORS, "shop.handlers": HANDLERS}
    modules = {name: Module(name, "shop", ast.parse(text)) for name, text in texts.items()}
    return Sources(modules).raised()


def test_errors_are_found_by_class_reason_and_function(raised):
    assert set(raised) == {"BAD_COLOUR", "SOLD_OUT", "KIND_NOT_FOUND", "CLOSED", "BAD_VALUE"}
    assert {reason: error.codes for reason, error in raised.items() if reason != "CLOSED"} == {
        reason: {"INVALID_ARGUMENT"} for reason in raised if reason != "CLOSED"
    }
    assert raised["CLOSED"].codes == {"FAILED_PRECONDITION"}


def test_an_error_has_the_meaning_of_its_class_and_its_message(raised):
    assert raised["BAD_COLOUR"].meanings == ["The colour is unknown."]
    assert raised["BAD_COLOUR"].messages == ["… is not a colour: choose red."]
    assert raised["BAD_VALUE"].messages == ["The colour is too long."]


def test_a_reason_of_its_own_has_its_message_instead_of_the_meaning_of_the_class(raised):
    assert raised["SOLD_OUT"].meanings == []
    assert raised["SOLD_OUT"].messages == ["This colour is sold out."]


def test_a_message_of_placeholders_is_left_out(raised):
    assert raised["CLOSED"].messages == []
    assert raised["CLOSED"].meanings == ["The shop is closed."]


def test_what_validators_refuse_is_a_bad_request_of_the_field():
    text = (
        'def check(value):\n    raise PydanticCustomError("unfit", "must not be {value}", {"value": value})'
    )
    (entry,) = Sources({"shop": Module("shop", "shop", ast.parse(text))}).raised().items()
    assert entry == ("BAD_REQUEST", Raised({"INVALID_ARGUMENT"}, {"shop"}, [], ["… must not be …."]))


FAILURES = """
from shop.errors import BadColour


@dataclass
class Failure:
    reason: str = ""
    message: str = ""


class Unreadable(ValueError):
    def __init__(self, reason, message):
        self.reason = reason


class Reader:
    def _note(self, reason, message): ...

    def read(self, name, job):
        self._note("FILE_EMPTY", f"{name} is empty.")
        job.fail("DISK_FULL", "Free some " + unit + ".")
        reason = self.cause or "FILE_LOST"
        message = "The first message."
        message = f"The file of {name} was lost.".strip()
        self._note(reason, message)
        message = "The last message."
        raise Unreadable(message=f"{name} is damaged.", reason="FILE_DAMAGED")


def refuse(verdict, error, status):
    respond(431, "HEADERS_TOO_LARGE", "The headers are too large.")
    raise BadColour("This colour is sold out.", reason="SOLD_OUT")
    return Failure("REFUSED", verdict) if verdict else Failure(error.reason, "It failed again.")


def respond(status, reason, message): ...
"""


def failures_of(text: str, meanings: dict[str, str]) -> dict[str, tuple[list[str], list[str]]]:
    modules = {
        "shop.errors": Module("shop.errors", "shop", ast.parse(ERRORS)),
        "shop.reader": Module("shop.reader", "shop", ast.parse(text)),
    }
    reasons = failure_reasons.failures(Sources(modules), meanings)
    return {reason: (each.meanings, each.messages) for reason, each in reasons.items()}


def test_failures_are_found_by_their_parameters():
    assert failures_of(FAILURES, {"REFUSED": "The message is the verdict."}) == {
        "DISK_FULL": ([], ["Free some …."]),
        "FILE_DAMAGED": ([], ["… is damaged."]),
        "FILE_EMPTY": ([], ["… is empty."]),
        "FILE_LOST": ([], ["The file of … was lost."]),
        "REFUSED": (["The message is the verdict."], []),
    }


@pytest.mark.parametrize("meanings", [{}, {"REFUSED": "Meaning.", "GONE": "No longer a reason."}])
def test_every_failure_has_a_meaning_and_every_meaning_a_failure(meanings):
    with pytest.raises(failure_reasons.NoMeaning, match="GONE" if meanings else "REFUSED"):
        failures_of(FAILURES, meanings)


def test_a_comment_that_names_an_unknown_reason_is_refused():
    with pytest.raises(contract_pages.UnknownReason, match=r"comment of Buy names reasons .* SOLD_OUT"):
        contract_pages.with_reasons("Refused when empty (`SOLD_OUT`).", "Buy", {})


def test_a_metric_without_a_literal_name_is_refused():
    module = Module("shop", "shop", ast.parse('Gauge(f"ratoon_{name}", "Help.")'))
    with pytest.raises(reference.DynamicMetric, match="shop:1: name the metric by a literal"):
        list(reference.metric_rows(module))


def test_metrics_have_their_labels_and_types():
    text = 'labels = ["a"]\nCounter("ratoon_sold", "Sold.", labels)\nFamily("ratoon_open", "Open.", ("b",))'
    assert list(reference.metric_rows(Module("shop", "shop", ast.parse(text)))) == [
        "| `ratoon_sold_total` | counter | `a` | shop | Sold. |",
        "| `ratoon_open` | gauge | `service`, `b` | shop | Open. |",
    ]


@pytest.mark.parametrize(
    ("template", "route"),
    [
        ("/v1/{name=projects/*/models/*}", "/v1/projects/{project}/models/{model}"),
        ("/v1/{policy.name=projects/*/policies/*}", "/v1/projects/{project}/policies/{policy}"),
        (
            "/v1/{name=projects/*/models/*/aliases/*}:set",
            "/v1/projects/{project}/models/{model}/aliases/{alias}:set",
        ),
        ("/v1/{name=projects/*/apiKeys/*}", "/v1/projects/{project}/apiKeys/{api_key}"),
        (
            "/v1/{parent=projects/*}/records/{record_id}:lineage",
            "/v1/projects/{project}/records/{record_id}:lineage",
        ),
    ],
)
def test_a_route_has_a_parameter_for_each_wildcard(template, route):
    assert contract_pages.route(template) == route


def test_every_link_of_the_pages_has_a_target():
    pages = {
        path: (reference.TARGET / path).read_text() for path in reference.relative_pages(reference.TARGET)
    }
    anchors = {
        path: {
            re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")
            for heading in re.findall(r"^#+ (.+)$", text, re.M)
        }
        for path, text in pages.items()
    }
    for path, text in pages.items():
        for page, anchor in re.findall(r"\]\(([\w./]*)#([\w-]+)\)", text):
            target = str((Path("/", path).parent / page).resolve()).lstrip("/") if page else path
            assert anchor in anchors[target], f"{path} links to {page}#{anchor}"


def test_every_topic_and_service_has_a_page():
    topics = (reference.TARGET / "topics.md").read_text()
    declared = contract_pages.Contracts.of_repository().declared.values()
    names = [each.topic for each in declared if each.topic]
    assert len(names) > 10
    assert [name for name in names if f"## {name}\n" not in topics] == []
    assert {each.domain for each in declared} == {
        path.stem for path in (reference.TARGET / "api").glob("*.md")
    }


def test_an_rpc_that_is_reached_nowhere_needs_a_reason(monkeypatch):
    contracts = contract_pages.Contracts.of_repository()
    assert (
        "| `registry.SetAlias` | `ratoon set aliases` | `aliases.set` | yes |"
        in command_pages.coverage_page(contracts)
    )
    monkeypatch.delitem(command_pages.CONSOLE, "SetAlias")
    with pytest.raises(command_pages.UnexplainedHole, match="does not call SetAlias"):
        command_pages.coverage_page(contracts)
    monkeypatch.setitem(command_pages.CONSOLE, "SetAlias", "no such text in the console")
    with pytest.raises(command_pages.UnexplainedHole, match="no longer contains"):
        command_pages.coverage_page(contracts)
    monkeypatch.setitem(command_pages.CONSOLE, "SetAlias", ":set")
    monkeypatch.setattr(
        command_pages, "METHODS", [each for each in command_pages.METHODS if each.rpc != "SetAlias"]
    )
    with pytest.raises(command_pages.UnexplainedHole, match="has no method for SetAlias"):
        command_pages.coverage_page(contracts)
    monkeypatch.setitem(command_pages.CONSOLE_REASONS, "FormerRpc", "it was removed")
    with pytest.raises(command_pages.UnexplainedHole, match="names RPCs that do not exist: FormerRpc"):
        command_pages.coverage_page(contracts)


def test_every_command_is_on_the_page():
    rows = command_pages.commands_page()
    for command in (
        "ratoon up",
        "ratoon datasets sources update",
        "ratoon create rollouts",
        "ratoon cancel splits",
    ):
        assert any(row.startswith(f"| `{command}` |") for row in rows), command
