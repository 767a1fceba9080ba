"""The annotator's page in a real browser: tasks loaded ahead, answers that wait while the platform is away, undo."""

import time

import pytest
from playwright.sync_api import expect

from services.console.tests import seed
from services.console.tests.browser.conftest import accessible

PAGE = "/p/mail/labels/review?queue=first"
LABELS = ("ham", "spam", "other")
COUNT = 6


@pytest.fixture
def queue(environment):
    """Fill a queue with tasks; return the function that gives the labels by task."""
    memory = environment.memory
    for number in range(COUNT):
        memory.put(
            f"{seed.P}/tasks/q{number}",
            state="STATE_OPEN",
            recordId=seed.record_id(number % 3),
            datasetVersion=f"{seed.DATA}/versions/v1",
            reason="queue",
            queue=f"{seed.P}/queues/first",
            task={"classify": {"labels": list(LABELS)}},
            createTime=seed.at(90 - number),
        )
    memory.put(f"{seed.P}/queues/first", openCount="400")
    return lambda: [
        (request["name"].rpartition("/")[2], request.get("label", ""))
        for request in memory.called("CompleteTask")
    ]


def shown(page, number: int) -> None:
    expect(page.locator("[data-review]")).to_have_attribute("data-review", f"{seed.P}/tasks/q{number}")


def eventually(check) -> None:
    until = time.monotonic() + 20
    while not check():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_next_record_is_there_before_the_answer_is_stored(environment, open_page, queue):
    page = open_page(PAGE, role="annotator")
    shown(page, 0)
    eventually(lambda: len(environment.memory.called("ClaimTask")) >= COUNT)
    held = []
    page.route("**/do/complete-task", lambda route: held.append(route))  # noqa: PLW0108 (playwright marks it)
    for number, key in enumerate("1231"):
        page.keyboard.press(key)
        shown(page, number + 1)
    expect(page.get_by_text("4 answered since this page was opened")).to_be_visible()
    expect(page.locator("#spoken")).to_have_text("397 remaining")
    assert queue() == []
    accessible(page)
    page.unroute("**/do/complete-task")
    for route in held:
        route.continue_()
    eventually(lambda: queue() == [("q0", "ham"), ("q1", "spam"), ("q2", "other"), ("q3", "ham")])


def test_answers_wait_in_the_browser_while_the_platform_is_away_and_survive_a_reload(
    environment, open_page, queue
):
    page = open_page(PAGE, role="annotator")
    shown(page, 0)
    eventually(lambda: len(environment.memory.called("ClaimTask")) >= COUNT)
    page.context.set_offline(True)
    page.keyboard.press("1")
    page.keyboard.press("2")
    page.keyboard.press("s")
    shown(page, 3)
    expect(page.locator("#away")).to_contain_text("3 answers wait in this browser")
    assert queue() == []
    page.context.set_offline(False)
    environment.memory.away = True
    page.keyboard.press("3")
    expect(page.locator("#away")).to_contain_text("4 answers wait in this browser")
    page.reload()
    environment.memory.away = False
    page.goto(environment.console + PAGE)
    eventually(lambda: queue() == [("q0", "ham"), ("q1", "spam"), ("q2", ""), ("q3", "other")])
    shown(page, 4)
    expect(page.locator("#away")).to_be_hidden()
    assert page.evaluate("Object.keys(localStorage).length") == 0


def test_answers_are_undone_before_and_after_they_are_stored(environment, open_page, queue):
    environment.memory.own["WithdrawAnswer"] = lambda memory, request: memory.put(
        request["name"], state="STATE_OPEN", label=""
    )
    page = open_page(PAGE, role="annotator")
    shown(page, 0)
    eventually(lambda: len(environment.memory.called("ClaimTask")) >= COUNT)
    page.keyboard.press("1")
    shown(page, 1)
    eventually(lambda: queue() == [("q0", "ham")])
    page.keyboard.press("u")
    shown(page, 0)
    page.keyboard.press("2")
    shown(page, 1)
    eventually(lambda: queue() == [("q0", "ham"), ("q0", "spam")])
    page.context.set_offline(True)
    page.keyboard.press("1")
    page.keyboard.press("1")
    shown(page, 3)
    page.keyboard.press("u")
    shown(page, 2)
    page.keyboard.press("3")
    page.context.set_offline(False)
    eventually(lambda: queue()[2:] == [("q1", "ham"), ("q2", "other")])
    assert len(environment.memory.called("WithdrawAnswer")) == 1


def test_an_answer_that_is_refused_is_named_and_the_work_goes_on(environment, open_page, queue):
    def refuse(_memory, request):
        raise PermissionError(f"{request['name']} is claimed by bob. Claim another task.")

    complete = environment.memory.own["CompleteTask"]
    page = open_page(PAGE, role="annotator")
    shown(page, 0)
    environment.memory.own["CompleteTask"] = refuse
    try:
        page.keyboard.press("2")
        expect(page.locator("#notice")).to_contain_text("An answer was not stored (spam)")
        expect(page.locator("#notice")).to_contain_text("claimed by bob")
    finally:
        environment.memory.own["CompleteTask"] = complete
    shown(page, 1)
    page.keyboard.press("1")
    eventually(lambda: queue()[-1] == ("q1", "ham"))


def test_a_proposal_is_accepted_by_one_key_and_the_own_work_is_shown(environment, open_page, queue):
    environment.memory.put(f"{seed.P}/tasks/q0", proposedLabel="spam", proposalOrigin="rules")
    page = open_page(PAGE, role="annotator")
    expect(page.get_by_role("button", name="spam proposed")).to_be_visible()
    expect(page.locator("#own")).to_contain_text("No other annotator has answered the same tasks yet.")
    accessible(page)
    page.keyboard.press("k")
    shown(page, 1)
    eventually(lambda: queue() == [("q0", "spam")])


def test_a_review_is_decided_by_keys(environment, open_page, queue):
    page = open_page(f"{PAGE}&to-review=yes")
    shown(page, 0)
    page.keyboard.press("b")
    expect(page.locator("#notice")).to_contain_text("Say in the comment why")
    page.get_by_label("Comment").fill("Read the second line.")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="send back").click()
    page.wait_for_function("!document.querySelector('#notice').textContent")
    eventually(lambda: environment.memory.called("ReviewTask"))
    (decided, *_) = environment.memory.called("ReviewTask")
    assert (decided["decision"], decided["comment"]) == ("DECISION_SEND_BACK", "Read the second line.")
