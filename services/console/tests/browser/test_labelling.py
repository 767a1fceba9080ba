"""The annotator's page in a real browser: tasks loaded ahead, answers that wait while the platform is away, undo."""

import json
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from playwright.sync_api import expect

from services.console.tests import seed
from services.console.tests.browser.conftest import accessible

PAGE = "/p/mail/labels/review?queue=first"
LABELS = ("ham", "spam", "other")
COUNT = 6
PICTURE = (
    Path(str(getattr(find_spec("networkx"), "origin", ""))).parent
    / "drawing/tests/baseline/test_house_with_colors.png"
)
"""Picture of 640 by 480 pixels in a package that is installed."""


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
        for request in memory.called("CompleteTask", "SubmitTask")
    ]


def shown(page, number: int) -> None:
    expect(page.locator("[data-review]")).to_have_attribute("data-review", f"{seed.P}/tasks/q{number}")


def eventually(page, check) -> None:
    """Wait until the check passes; the browser's requests are handled meanwhile."""
    until = time.monotonic() + 20
    while not check():
        assert time.monotonic() < until
        page.wait_for_timeout(50)


def test_the_next_record_is_there_before_the_answer_is_stored(environment, open_page, queue):
    page = open_page(PAGE, role="annotator")
    shown(page, 0)
    eventually(page, lambda: len(environment.memory.called("ClaimTask")) >= COUNT)
    held = []
    away = [True]
    page.route("**/do/complete-task", lambda route: held.append(route) if any(away) else route.continue_())
    for number, key in enumerate("1231"):
        page.keyboard.press(key)
        shown(page, number + 1)
    expect(page.get_by_text("4 answered since this page was opened")).to_be_visible()
    expect(page.locator("#spoken")).to_have_text("397 remaining")
    assert queue() == []
    accessible(page)
    away.clear()
    for route in held:
        route.continue_()
    eventually(page, lambda: queue() == [("q0", "ham"), ("q1", "spam"), ("q2", "other"), ("q3", "ham")])


def test_answers_wait_in_the_browser_while_the_platform_is_away_and_survive_a_reload(
    environment, open_page, queue
):
    page = open_page(PAGE, role="annotator")
    shown(page, 0)
    eventually(page, lambda: len(environment.memory.called("ClaimTask")) >= COUNT)
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
    eventually(page, lambda: queue() == [("q0", "ham"), ("q1", "spam"), ("q2", ""), ("q3", "other")])
    shown(page, 4)
    expect(page.locator("#away")).to_be_hidden()
    assert page.evaluate("Object.keys(localStorage).length") == 0


def test_answers_are_undone_before_and_after_they_are_stored(environment, open_page, queue):
    environment.memory.own["WithdrawAnswer"] = lambda memory, request: memory.put(
        request["name"], state="STATE_OPEN", label=""
    )
    page = open_page(PAGE, role="annotator")
    shown(page, 0)
    eventually(page, lambda: len(environment.memory.called("ClaimTask")) >= COUNT)
    page.keyboard.press("1")
    shown(page, 1)
    eventually(page, lambda: queue() == [("q0", "ham")])
    page.keyboard.press("u")
    shown(page, 0)
    page.keyboard.press("2")
    shown(page, 1)
    eventually(page, lambda: queue() == [("q0", "ham"), ("q0", "spam")])
    page.context.set_offline(True)
    page.keyboard.press("1")
    page.keyboard.press("1")
    shown(page, 3)
    page.keyboard.press("u")
    shown(page, 2)
    page.keyboard.press("3")
    page.context.set_offline(False)
    eventually(page, lambda: queue()[2:] == [("q1", "ham"), ("q2", "other")])
    assert len(environment.memory.called("WithdrawAnswer")) == 1


def test_records_of_a_small_queue_are_loaded_ahead_for_a_time_without_the_platform(
    environment, open_page, queue
):
    environment.memory.put(f"{seed.P}/queues/first", openCount="25")
    page = open_page(PAGE, role="annotator")
    shown(page, 0)
    eventually(page, lambda: len(environment.memory.called("ClaimTask")) >= COUNT)
    page.context.set_offline(True)
    for number in range(1, COUNT - 1):
        page.keyboard.press("1")
        shown(page, number)


def test_an_answer_is_undone_while_the_next_record_is_not_there(environment, open_page, queue):
    page = open_page(PAGE, role="annotator")
    shown(page, 0)
    eventually(page, lambda: len(environment.memory.called("ClaimTask")) >= COUNT)
    page.context.set_offline(True)
    record = page.locator("[data-review]")
    while record.count():
        last = record.get_attribute("data-review")
        page.keyboard.press("1")
    expect(page.get_by_text("Waiting for the next record")).to_be_visible()
    page.keyboard.press("u")
    expect(record).to_have_attribute("data-review", last)
    page.keyboard.press("2")
    page.context.set_offline(False)
    answered = last.rpartition("/")[2]
    eventually(page, lambda: [each for each in queue() if each[0] == answered] == [(answered, "spam")])


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
    eventually(page, lambda: queue()[-1] == ("q1", "ham"))


def test_a_proposal_is_accepted_by_one_key_and_the_own_work_is_shown(environment, open_page, queue):
    environment.memory.put(f"{seed.P}/tasks/q0", proposedLabel="spam", proposalOrigin="rules")
    page = open_page(PAGE, role="annotator")
    expect(page.get_by_role("button", name="spam proposed")).to_be_visible()
    expect(page.locator("#own")).to_contain_text("No other annotator has answered the same tasks yet.")
    accessible(page)
    page.keyboard.press("k")
    shown(page, 1)
    eventually(page, lambda: queue() == [("q0", "spam")])


def test_a_review_is_decided_by_keys(environment, open_page, queue):
    page = open_page(f"{PAGE}&to-review=yes")
    shown(page, 0)
    page.keyboard.press("b")
    expect(page.locator("#notice")).to_contain_text("Say in the comment why")
    page.get_by_label("Comment").fill("Read the second line.")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="send back").click()
    page.wait_for_function("!document.querySelector('#notice').textContent")
    eventually(page, lambda: environment.memory.called("ReviewTask"))
    (decided, *_) = environment.memory.called("ReviewTask")
    assert (decided["decision"], decided["comment"]) == ("DECISION_SEND_BACK", "Read the second line.")


SPAN_TEXT = "👨‍👩‍👧 Zoë moved to 北京大学. سلمى تسكن هنا"


@pytest.fixture
def spans(environment, queue):
    """Let the first task of the queue ask for spans in a text of several scripts."""
    memory = environment.memory
    memory.put(f"{seed.DATA}/versions/v1/records/{seed.record_id(0)}", text=SPAN_TEXT)
    marks = {"spans": {"labels": ["PER", "LOC"], "overlap": "OVERLAP_NONE"}}
    memory.put(f"{seed.P}/tasks/q0", task={"generate": {"form": "FORM_JSON"}}, marks=marks)
    return lambda: [
        [(SPAN_TEXT[each["start"] : each["end"]], each["label"]) for each in json.loads(label)]
        for _, label in queue()
        if label.startswith("[")
    ]


def test_spans_are_marked_by_keys_in_any_script(environment, open_page, queue, spans):
    page = open_page(PAGE, role="annotator")
    shown(page, 0)
    expect(page.locator("#marks-json")).to_be_hidden()
    page.locator("#text").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#spoken")).to_have_text("Selected: Zoë")
    page.keyboard.press("1")
    expect(page.locator("#spoken")).to_have_text("Zoë: PER")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    selected = page.locator("#spoken").text_content().removeprefix("Selected: ")
    assert selected in SPAN_TEXT
    page.keyboard.press("2")
    expect(page.locator("#marks li")).to_have_count(2)
    page.keyboard.press("2")
    page.keyboard.press("1")
    expect(page.locator("#marks li").nth(1)).to_contain_text("PER")
    page.keyboard.press("Backspace")
    expect(page.locator("#marks li")).to_have_count(1)
    accessible(page)
    page.keyboard.press("Enter")
    shown(page, 1)
    eventually(page, lambda: spans() == [[("Zoë", "PER")]])


def test_the_left_arrow_goes_on_in_a_text_from_right_to_left(environment, open_page, queue, spans):
    text = "سلمى تسكن في القاهرة."
    environment.memory.put(f"{seed.DATA}/versions/v1/records/{seed.record_id(0)}", text=text)
    page = open_page(PAGE, role="annotator")
    shown(page, 0)
    page.locator("#text").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#spoken")).to_have_text("Selected: سلمى")
    page.keyboard.press("1")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#spoken")).to_have_text("Selected: القاهرة")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    shown(page, 1)
    eventually(page, queue)
    marks = [(text[each["start"] : each["end"]], each["label"]) for each in json.loads(queue()[0][1])]
    assert marks == [("سلمى", "PER"), ("القاهرة", "LOC")]


def test_spans_are_marked_by_mouse_and_hold_whole_characters(environment, open_page, queue, spans):
    page = open_page(PAGE, role="annotator")
    shown(page, 0)
    select = """([from, to]) => {
        const node = document.getElementById("text").firstChild;
        document.getSelection().setBaseAndExtent(node, from, node, to);
        document.getElementById("text").dispatchEvent(new MouseEvent("mouseup", { bubbles: true }));
    }"""
    page.evaluate(select, [2, 4])  # inside of the family, which is one character
    page.get_by_role("button", name="PER").click()
    expect(page.locator("#marks li")).to_contain_text("👨‍👩‍👧")
    page.evaluate(
        """(words) => {
            const walker = document.createTreeWalker(document.getElementById("text"), NodeFilter.SHOW_TEXT);
            for (let node = walker.nextNode(); node; node = walker.nextNode()) {
                const place = node.data.indexOf(words);
                if (place < 0) continue;
                document.getSelection().setBaseAndExtent(node, place - 1, node, place + words.length + 1);
                document.getElementById("text").dispatchEvent(new MouseEvent("mouseup", { bubbles: true }));
            }
        }""",
        "سلمى",
    )
    page.keyboard.press("2")
    expect(page.locator("#marks li")).to_have_count(2)
    page.get_by_role("button", name="Save").click()
    eventually(page, lambda: spans() == [[("👨‍👩‍👧", "PER"), ("سلمى", "LOC")]])


@pytest.fixture
def boxes(environment, queue):
    """Let the first task of the queue ask for boxes on a picture that another package carries."""
    memory = environment.memory
    digest = environment.artifacts.put_bytes(PICTURE.read_bytes())
    environment.artifacts.grant("mail", digest)
    name = f"{seed.DATA}/versions/v1/records/{seed.record_id(0)}"
    memory.put(name, text="A picture", attributes={"image": digest})
    marks = {"boxes": {"labels": ["CAT", "DOG"], "imageAttribute": "image"}}
    memory.put(f"{seed.P}/tasks/q0", task={"generate": {"form": "FORM_JSON"}}, marks=marks)
    return lambda: [json.loads(label) for _, label in queue() if label.startswith("[")]


def test_boxes_are_drawn_by_mouse_and_by_keys(environment, open_page, queue, boxes):
    page = open_page(PAGE, role="annotator")
    shown(page, 0)
    expect(page.locator("#marks-json")).to_be_hidden()
    expect(page.locator("#image img")).to_have_js_property("complete", True)
    assert page.locator("#image img").evaluate("(image) => image.naturalWidth") > 0
    page.get_by_role("button", name="DOG").click()
    page.locator("#image").scroll_into_view_if_needed()
    area = page.locator("#image svg").bounding_box()
    page.mouse.move(area["x"] + 0.1 * area["width"], area["y"] + 0.2 * area["height"])
    page.mouse.down()
    page.mouse.move(area["x"] + 0.4 * area["width"], area["y"] + 0.6 * area["height"], steps=3)
    page.mouse.up()
    expect(page.locator("#marks li")).to_have_count(1)
    page.locator("#image").focus()
    page.keyboard.press("1")
    expect(page.locator("#marks li")).to_have_count(2)
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("2")
    page.keyboard.press("l")
    expect(page.locator("#marks li").nth(2)).to_contain_text("CAT")
    page.keyboard.press("Backspace")
    expect(page.locator("#marks li")).to_have_count(2)
    accessible(page)
    page.keyboard.press("Enter")
    shown(page, 1)
    eventually(page, boxes)
    (drawn,) = boxes()
    by_label = {each["label"]: each for each in drawn}
    assert by_label["CAT"] == {"x": 0.5, "y": 0.4, "width": 0.2, "height": 0.21, "label": "CAT"}
    sides = [round(by_label["DOG"][side], 1) for side in ("x", "y", "width", "height")]
    assert sides == [0.1, 0.2, 0.3, 0.4]


def test_a_file_that_is_no_image_is_not_shown(environment, open_page, queue, boxes):
    digest = environment.artifacts.put_bytes(b"<svg onload='alert(1)'/>")
    environment.artifacts.grant("mail", digest)
    page = open_page(PAGE, role="annotator")
    response = page.request.get(f"{environment.console}/p/mail/images/{digest}")
    assert response.status == 415
    assert "is no PNG" in response.text()


def test_a_queue_and_its_guideline_are_set_up_and_changed(environment, open_page, queue):
    page = open_page("/p/mail/labels")
    page.get_by_text("New guideline").click()
    form = page.locator("form[action$=create-guideline]")
    form.get_by_label("Name").fill("names")
    form.get_by_label("Annotators enter").select_option("spans")
    form.get_by_label("Labels, separated by commas").fill("PER, LOC")
    form.get_by_label("Instructions").fill("Mark names.")
    form.get_by_label("Examples").fill("PER | Zoë lives here | a person")
    form.get_by_role("button", name="Create").click()
    expect(page.get_by_text("The guideline is created.")).to_be_visible()
    (created,) = environment.memory.called("CreateGuideline")
    assert created["guidelineId"] == "names"
    assert created["guideline"]["marks"] == {"spans": {"labels": ["PER", "LOC"], "overlap": "OVERLAP_NONE"}}
    assert created["guideline"]["examples"] == [
        {"label": "PER", "text": "Zoë lives here", "explanation": "a person"}
    ]
    page.get_by_text("New queue").click()
    form = page.locator("form[action$=create-queue]")
    form.get_by_label("Name").fill("second")
    form.get_by_label("Dataset version").fill("mail/v1")
    form.get_by_label("Annotators of each task").fill("2")
    form.get_by_label("Refill when fewer").fill("10")
    form.get_by_text("More settings").click()
    form.get_by_label("Proposed answers").select_option("ORIGIN_RULES")
    form.get_by_label("Rules, one a line: label").fill("spam: prize, click\nham: /lunch|noon/")
    form.get_by_label("Reviewed answers").fill("25")
    accessible(page)
    form.get_by_role("button", name="Create").click()
    expect(page.get_by_text("The queue is created.")).to_be_visible()
    (created,) = environment.memory.called("CreateQueue")
    spec = created["queue"]
    assert (spec["overlap"], spec["reviewShare"], spec["refillRule"]["threshold"]) == (2, 0.25, 10)
    assert spec["preLabels"]["rules"] == [
        {"label": "spam", "keywords": ["prize", "click"]},
        {"label": "ham", "pattern": "lunch|noon"},
    ]
    page.goto(f"{environment.console}/p/mail/queues/first")
    page.get_by_text("Change the settings").click()
    form = page.locator("form[action$=change-queue]")
    form.get_by_label("Annotators of each task").fill("3")
    accessible(page)
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The settings of the queue are changed.")).to_be_visible()
    (changed,) = environment.memory.called("UpdateQueue")
    assert changed["queue"]["overlap"] == 3
    assert "deadline" in changed["updateMask"]


def test_answers_of_another_tool_are_imported_and_what_is_left_out_is_said(environment, open_page, queue):
    environment.memory.own["ImportAnnotations"] = lambda _memory, _request: {
        "createdCount": "2",
        "leftOutCounts": {"CANCELLED": "1"},
    }
    page = open_page("/p/mail/labels")
    page.get_by_text("Import annotations of").click()
    form = page.locator("form[action$=import-annotations]")
    form.get_by_label("Dataset version").fill("mail/v1")
    form.get_by_label("Format").select_option("CSV")
    form.get_by_label("File").fill("text,label\nLunch,ham\n")
    form.get_by_role("button", name="Import").click()
    expect(page.get_by_text("2 annotations are stored. Left out: 1 cancelled.")).to_be_visible()
    (request,) = environment.memory.called("ImportAnnotations")
    assert request["format"] == "EXCHANGE_FORMAT_CSV"
