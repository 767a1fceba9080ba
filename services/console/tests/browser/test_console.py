"""The console in a real browser, over a real gateway: log-in, roles, every page, labelling, rollouts, playground."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from services.console.tests import seed
from services.console.tests.browser.conftest import accessible, accessible_colors, log_in

PROJECT = "/p/mail"
PAGES = [
    "/",
    PROJECT,
    f"{PROJECT}/pipeline-runs/p1",
    f"{PROJECT}/data",
    f"{PROJECT}/data/mail/v1",
    f"{PROJECT}/data/mail/v1/records/{'0' * 64}",
    f"{PROJECT}/connections",
    f"{PROJECT}/connections/lake",
    f"{PROJECT}/streams",
    f"{PROJECT}/streams/tickets",
    f"{PROJECT}/curation",
    f"{PROJECT}/mixtures",
    f"{PROJECT}/plans",
    f"{PROJECT}/exports/mail",
    f"{PROJECT}/profiles/mail",
    f"{PROJECT}/profiles/mail/pr1?with=pr2",
    f"{PROJECT}/crawls",
    f"{PROJECT}/crawls/guide",
    f"{PROJECT}/labels",
    f"{PROJECT}/labels/review",
    f"{PROJECT}/training",
    f"{PROJECT}/training/r1",
    f"{PROJECT}/training/compare?run=r1&run=r2",
    f"{PROJECT}/evaluations",
    f"{PROJECT}/evaluations/e1",
    f"{PROJECT}/evaluations/compare?run=e1&run=e2",
    f"{PROJECT}/suites",
    f"{PROJECT}/suites/hard",
    f"{PROJECT}/judges",
    f"{PROJECT}/judges/helpful",
    f"{PROJECT}/models",
    f"{PROJECT}/models/v1.1",
    f"{PROJECT}/models/v1.1/weights?token=prize",
    f"{PROJECT}/rollouts",
    f"{PROJECT}/rollouts/ro2",
    f"{PROJECT}/signals",
    f"{PROJECT}/playground",
]
WIDTHS = (360, 768, 1280)


def overflow(page) -> int:
    """How many pixels wider than the window the page is."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_shows_is_accessible_in_both_schemes_and_fits_every_width(environment, open_page, path):
    page = open_page(path, scheme="light")
    expect(page.get_by_role("main").get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".notice.bad", has_text="internal error")).to_have_count(0)
    accessible(page)
    page.emulate_media(color_scheme="dark")
    accessible_colors(page)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert overflow(page) <= 0, f"{path} is too wide for {width}"


@pytest.mark.thorough
@pytest.mark.parametrize(
    "path",
    [path for path in PAGES if path.count("/") <= 3 and "?" not in path and "pipeline-runs" not in path],
)
def test_an_empty_project_says_what_to_do_next(environment, open_page, path):
    environment.memory.resources.clear()
    environment.memory.route()
    seed.empty_project(environment.memory)
    page = open_page(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".notice.bad")).to_have_count(0)
    accessible(page)


def test_a_suite_is_created_from_a_pasted_task_and_its_tests_are_edited(environment, open_page):
    page = open_page(f"{PROJECT}/suites", role="engineer")
    page.get_by_label("Name", exact=True).fill("maths")
    page.get_by_label("Test", exact=True).fill("sums")
    page.get_by_label("Or a task of lm-evaluation-harness (YAML)").fill("task: sums")
    page.get_by_label("File that the task reads").fill("sums.jsonl")
    page.get_by_label("Documents of the file (JSON Lines)").fill('{"question": "5 + 6?", "answer": "11"}')
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Suite maths")
    (created,) = environment.memory.called("CreateSuite")
    (test,) = created["suite"]["tests"]
    (file,) = test["harness"]["files"]
    assert environment.artifacts.read(file["digest"]) == b'{"question": "5 + 6?", "answer": "11"}'
    environment.memory.put(f"{seed.P}/suites/maths", etag="1")
    page.reload()
    page.get_by_text("Add a test").click()
    form = page.locator("details", has_text="Add a test")
    form.get_by_label("Test", exact=True).fill("hard")
    form.get_by_label("Records (JSON Lines").fill('{"prompt": "7 * 8?", "reference": "56"}')
    form.get_by_label("Also answer step by step").check()
    form.get_by_role("button", name="Add").click()
    expect(page.get_by_role("status").first).to_contain_text("The test hard is saved.")
    *_, changed = environment.memory.called("UpdateSuite")
    assert [each["name"] for each in changed["suite"]["tests"]] == ["sums", "hard"]
    assert changed["suite"]["tests"][1]["records"]["stepByStep"] == {}
    expect(page.get_by_role("heading", name="hard")).to_be_visible()
    accessible(page)


def test_a_wrong_key_is_refused_with_a_sentence_and_a_right_one_never_reaches_the_page(
    environment, open_page
):
    page = open_page(f"/login?to={PROJECT}", role="")
    page.get_by_label("API key").fill("rtn_wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("unknown or incomplete")
    accessible(page)
    log_in(page, environment, "operator")
    expect(page).to_have_url(environment.console + PROJECT)
    assert environment.keys["operator"] not in page.content()
    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    assert environment.keys["operator"] not in cookie["value"]
    assert page.evaluate("document.cookie") == ""


def test_logging_out_ends_the_session_not_just_the_cookie(environment, open_page):
    page = open_page(PROJECT)
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    again = httpx.get(f"{environment.console}{PROJECT}", cookies=cookies)
    assert again.status_code == 303
    assert again.headers["location"].startswith("/login")


def test_a_form_from_elsewhere_is_refused(environment, open_page):
    page = open_page(PROJECT)
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    form = {"name": f"{seed.DEPLOYMENT}/rollouts/ro2", "request_id": "1"}
    address = f"{environment.console}{PROJECT}/do/abort-rollout"
    foreign = httpx.post(address, data=form, cookies=cookies, headers={"origin": "http://evil.example"})
    unkeyed = httpx.post(address, data=form, cookies=cookies)
    assert (foreign.status_code, unkeyed.status_code) == (400, 400)
    assert environment.memory.called("AbortRollout") == []


def test_the_loop_is_live_without_a_reload(environment, open_page):
    page = open_page(PROJECT)
    expect(page.get_by_role("heading", name="A pipeline run is in progress")).to_be_visible()
    page.evaluate("window.still = 'the same page'")
    run = environment.memory.resources[f"{seed.P}/pipelineRuns/p1"]
    stages = [stage | {"state": "SUCCEEDED", "endTime": seed.at(40)} for stage in run["stages"]]
    environment.memory.put(run["name"], state="STATE_SUCCEEDED", stages=stages)
    expect(page.get_by_role("heading", name="Last pipeline run")).to_be_visible()
    expect(page.locator("#spoken")).to_contain_text("succeeded")
    assert page.evaluate("window.still") == "the same page"


def test_what_a_person_has_opened_and_focused_survives_a_live_change(environment, open_page):
    page = open_page(f"{PROJECT}/signals")
    details = page.locator("details").first
    details.locator("summary").click()
    page.locator("html[data-followed]").wait_for(state="attached")
    environment.memory.put(
        f"{seed.P}/driftReports/d99",
        createTime=seed.at(50),
        version=f"{seed.MODEL}/versions/v1.1",
        answerCount=1,
        measures=[],
        drifted=False,
    )
    expect(page.locator("table").last).to_contain_text("v1.1")
    assert details.evaluate("element => element.open")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_an_outage_of_the_platform_and_its_end_are_shown(environment, open_page):
    page = open_page(PROJECT)
    page.locator("html[data-followed]").wait_for(state="attached")
    environment.memory.away = True
    expect(page.locator("#away")).to_be_visible()
    environment.memory.away = False
    expect(page.locator("#away")).to_be_hidden()


def test_labelling_by_keyboard_alone(environment, open_page):
    page = open_page(f"{PROJECT}/labels/review")
    expect(page.locator("#text")).to_have_text(seed.TEXTS[0])
    page.keyboard.press("2")
    expect(page.locator("#text")).to_have_text(seed.TEXTS[1])
    expect(page.locator("#spoken")).to_have_text("2 remaining")
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.press("s")
    expect(page.locator("#text")).to_have_text(seed.TEXTS[2])
    page.keyboard.press("Enter")
    expect(page.get_by_text("The queue is empty.").first).to_be_visible()
    accessible(page)
    answers = [
        (request["name"][-2:], request.get("label", ""))
        for request in environment.memory.called("CompleteTask", "SubmitTask")
    ]
    assert answers == [("t0", "spam"), ("t1", ""), ("t2", "ham")]
    page.goto(f"{environment.console}{PROJECT}/labels")
    expect(page.get_by_text("50.0%")).to_be_visible()


def test_answers_of_every_kind_are_entered_by_keyboard_alone(environment, open_page):
    memory = environment.memory
    for number, fields in enumerate(
        (
            {"work": "WORK_COMPARE", "task": {"generate": {}}, "candidates": ["Lima", "Cusco"]},
            {
                "work": "WORK_RATE",
                "task": {"generate": {}},
                "candidates": ["Lima"],
                "scales": ["tone", "truth"],
            },
            {"task": {"classify": {"labels": ["a", "b", "c"], "multiLabel": True}}, "proposedLabel": "a\nb"},
            {"task": {"regress": {"min": 1, "max": 5}}},
            {"task": {"generate": {}}, "proposedLabel": "one\ntwo"},
        )
    ):
        memory.put(
            f"{seed.P}/tasks/kind{number}",
            state="STATE_OPEN",
            recordId="0" * 64,
            datasetVersion=f"{seed.DATA}/versions/v1",
            reason="requested",
            createTime=seed.at(90 + number),
            **fields,
        )
    page = open_page(f"{PROJECT}/labels/review?reason=requested")
    page.keyboard.press("e")
    expect(page.locator("#entry")).to_be_focused()
    page.keyboard.press("ControlOrMeta+End")
    page.keyboard.type("s too")
    accessible(page)
    page.keyboard.press("Control+Enter")
    expect(page.locator("input#entry")).to_be_focused()
    page.keyboard.type("4.5")
    accessible(page)
    page.keyboard.press("Enter")
    expect(page.locator("[type=checkbox]")).to_have_count(3)
    for key in ("2", "3"):
        page.keyboard.press(key)
    accessible(page)
    page.keyboard.press("Enter")
    expect(page.locator("[type=radio]")).to_have_count(10)
    for key in ("4", "5"):
        page.keyboard.press(key)
    accessible(page)
    page.keyboard.press("Enter")
    expect(page.locator(".candidates")).to_be_visible()
    accessible(page)
    page.keyboard.press("t")
    expect(page.get_by_text("The queue is empty.").first).to_be_visible()
    answers = [
        request.get("label") or request.get("ratings") or request["preference"]
        for request in memory.called("CompleteTask", "SubmitTask")
    ]
    assert answers == ["one\ntwos too", "4.5", "a\nc", {"tone": 4, "truth": 5}, "PREFERENCE_TIE"]


def test_a_text_is_saved_and_kept_without_script_too(environment, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    for number in range(2):
        fields = environment.memory.resources[f"{seed.P}/tasks/t{number}"]
        environment.memory.put(
            fields["name"], task={"generate": {}}, proposedLabel="one\ntwo", createTime=seed.at(90 + number)
        )
    page.goto(f"{environment.console}/login?to={PROJECT}/labels/review")
    log_in(page, environment, "annotator")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="keep").click()
    answers = [request["label"] for request in environment.memory.called("CompleteTask", "SubmitTask")]
    assert answers == ["one\ntwo"] * 2
    context.close()


def test_labelling_works_without_script_too(environment, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{environment.console}/login?to={PROJECT}/labels/review")
    log_in(page, environment, "annotator")
    page.get_by_role("button", name="ham").click()
    expect(page.locator("#text")).to_have_text(seed.TEXTS[1])
    context.close()


@pytest.mark.parametrize("role", ["viewer", "annotator", "engineer"])
def test_buttons_beyond_a_role_are_disabled_with_the_reason(environment, open_page, role):
    page = open_page(f"{PROJECT}/rollouts/ro2", role=role)
    abort = page.get_by_role("button", name="Abort")
    expect(abort).to_be_disabled()
    expect(abort).to_have_accessible_description(
        f"This requires the role operator; your key has the role {role}."
    )
    accessible(page)


def test_the_platform_refuses_even_when_the_page_does_not(environment, open_page):
    page = open_page(f"{PROJECT}/rollouts/ro2", role="viewer")
    page.locator("html[data-followed]").wait_for(state="attached")
    page.evaluate("document.getElementById('pause-rollout').disabled = false")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".notice.bad")).to_contain_text("operator")
    assert environment.memory.called("PauseRollout") == []


def test_a_caller_may_use_the_playground_alone(environment, open_page):
    page = open_page(PROJECT, role="caller")
    expect(page.locator(".notice.bad")).to_contain_text("viewer")
    page.get_by_role("link", name="ask the model").click()
    expect(page.get_by_role("heading", name="Playground")).to_be_visible()
    expect(page.get_by_label("Model")).to_contain_text("mail")


def test_a_rollout_is_paused_resumed_aborted_and_undone(environment, open_page):
    page = open_page(f"{PROJECT}/rollouts/ro2")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#notice")).to_contain_text("is paused")
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#notice")).to_contain_text("is resumed")
    page.get_by_role("button", name="Abort").click()
    expect(page.locator("#live")).to_contain_text("rolling back")
    environment.memory.put(f"{seed.DEPLOYMENT}/rollouts/ro2", state="STATE_SUCCEEDED")
    environment.memory.put(seed.DEPLOYMENT, version=f"{seed.MODEL}/versions/v1.1")
    page.get_by_role("button", name="Undo").click()
    expect(page).to_have_url(re.compile("/rollouts/undo$"))
    expect(page.locator("#notice")).to_contain_text("rollout to v1.0 has started")
    assert all(request.get("requestId") for request in environment.memory.called("AbortRollout"))


def test_a_chart_says_its_values_beside_the_pointer(environment, open_page):
    page = open_page(f"{PROJECT}/training/r1")
    chart = page.locator("figure.chart").first
    chart.locator(".plot svg").hover(position={"x": 5, "y": 20})
    expect(chart.locator(".tip")).to_contain_text(re.compile(r"step \d+\s+loss [\d.]+"))
    page.mouse.move(0, 0)
    expect(chart.locator(".tip")).to_have_count(0)


def test_a_run_is_cloned_with_a_change(environment, open_page):
    page = open_page(f"{PROJECT}/training/r1")
    page.get_by_role("textbox", name="Learning rate").fill("0.01")
    page.get_by_role("button", name="Start the clone").click()
    page.wait_for_load_state()
    [request] = environment.memory.called("CloneTrainingRun")
    assert request["recipe"] == {"learningRate": 0.01}


@pytest.mark.parametrize("verdict", ["Approve", "Reject"])
def test_a_pipeline_run_that_awaits_approval_is_decided_with_a_reason(environment, open_page, verdict):
    run = environment.memory.resources[f"{seed.P}/pipelineRuns/p1"]
    waiting = {"id": "approval", "state": "RUNNING", "startTime": seed.at(31)}
    environment.memory.put(
        run["name"], stages=[*run["stages"][:-1], waiting, {"id": "rollout", "state": "PENDING"}]
    )
    page = open_page(f"{PROJECT}/pipeline-runs/p1", role="engineer")
    accessible(page)
    page.get_by_label("Reason (recorded").fill("I read the answers.")
    page.get_by_role("button", name=verdict).click()
    expect(page.locator("#notice")).to_contain_text(verdict)
    (decided,) = environment.memory.called(f"{verdict}PipelineRun")
    assert decided == {"name": run["name"], "reason": "I read the answers."}
    expect(page.get_by_text("I read the answers.")).to_be_visible()


def test_asking_before_what_cannot_be_taken_back(environment, open_page):
    page = open_page(f"{PROJECT}/rollouts/ro2")
    page.on("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Abort").click()
    page.wait_for_timeout(300)
    assert environment.memory.called("AbortRollout") == []


def test_the_playground_streams_names_the_version_and_takes_feedback(environment, open_page):
    page = open_page(f"{PROJECT}/playground", role="engineer")
    page.get_by_label("Prompt").fill("Is this spam?")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("[data-version]")).to_have_text("Answer from mail@v1.0")
    expect(page.locator("[data-answer]")).to_contain_text("v1.0:5")
    expect(page.locator("#spoken")).to_contain_text("Answer from mail@v1.0")
    accessible(page)
    page.get_by_label("Correct answer").select_option("spam")
    page.get_by_role("button", name="Submit correction").click()
    expect(page.locator("#notice")).to_contain_text("feedback is recorded")
    (request,) = environment.memory.called("CreateFeedback")
    assert request["feedback"]["correction"] == "spam"


def test_the_playground_takes_a_rewritten_answer_and_the_better_of_two(environment, open_page):
    environment.memory.put(seed.P, task={"generate": {}}, labels=[])
    page = open_page(f"{PROJECT}/playground", role="engineer")
    page.get_by_label("Prompt").fill("Write a reply.")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_text("Rewrite the answer").click()
    rewritten = page.get_by_label("Correct answer")
    expect(rewritten).to_have_value(page.locator("[data-answer]").inner_text())
    accessible(page)
    rewritten.fill("Dear Ann,\nthank you.")
    page.get_by_role("button", name="Submit correction").click()
    expect(page.locator("#notice")).to_contain_text("feedback is recorded")
    page.get_by_role("button", name="Ask twice").click()
    expect(page.locator("[data-second]")).to_contain_text("v1.0:5")
    accessible(page)
    page.get_by_role("button", name="Second is better").click()
    expect(page.get_by_role("button", name="Second is better")).to_be_hidden()
    correction, preference = (each["feedback"] for each in environment.memory.called("CreateFeedback"))
    assert correction["correction"] == "Dear Ann,\nthank you."
    assert preference["answerId"] != preference["rejectedAnswerId"]
    assert preference["answerId"] > preference["rejectedAnswerId"], "the second answer has the later id"


def test_the_playground_takes_a_number(environment, open_page):
    environment.memory.put(seed.P, task={"regress": {"min": 0, "max": 5}}, labels=[])
    page = open_page(f"{PROJECT}/playground", role="engineer")
    page.get_by_label("Prompt").fill("How good is this?")
    page.get_by_role("button", name="Ask").click()
    page.get_by_label("Correct number").fill("3.5")
    accessible(page)
    page.get_by_role("button", name="Submit correction").click()
    expect(page.locator("#notice")).to_contain_text("feedback is recorded")
    (request,) = environment.memory.called("CreateFeedback")
    assert request["feedback"]["correction"] == "3.5"


def test_a_question_that_no_engine_answers_is_reported(environment, open_page):
    page = open_page(f"{PROJECT}/playground")
    page.get_by_label("Prompt").fill("Hello?")
    environment.memory.route()
    page.wait_for_timeout(500)
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("[data-version]")).to_contain_text("mail")
    expect(page.locator("[data-version]")).not_to_contain_text("Answer from")


def test_the_pages_are_walked_by_tab_with_the_skip_link_first(environment, open_page):
    page = open_page(f"{PROJECT}/rollouts")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.getElementById('main').contains(document.activeElement)")


def test_nothing_jumps_while_a_page_loads_and_goes_live_on_a_phone(environment, open_page):
    page = open_page(PROJECT, width=360)
    page.evaluate(
        "window.shift = 0; new PerformanceObserver(list => list.getEntries().forEach(e => (window.shift += e.value)))"
        ".observe({ type: 'layout-shift', buffered: true })"
    )
    page.locator("html[data-followed]").wait_for(state="attached")
    page.wait_for_timeout(1500)
    assert page.evaluate("window.shift") < 0.02


def test_one_page_needs_nothing_from_elsewhere(environment, open_page):
    urls = []
    page = open_page("/")
    page.on("request", lambda request: urls.append(request.url))
    page.goto(f"{environment.console}{PROJECT}/signals")
    page.wait_for_timeout(300)
    assert urls and all(url.startswith(environment.console) for url in urls)
