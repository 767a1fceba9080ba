"""Connections, streams, crawls, mixtures, exports and steps in a real browser, over a real gateway."""

from playwright.sync_api import expect

from services.console.tests import seed
from services.console.tests.browser.conftest import accessible

PROJECT = "/p/mail"
LAKE = f"{seed.P}/connections/lake"


def status(page):
    return page.get_by_role("status").first


def test_a_connection_is_created_read_changed_suspended_and_deleted(environment, open_page):
    memory = environment.memory
    memory.own["ReadConnection"] = lambda each, request: each.put(request["name"], state="STATE_READING")
    page = open_page(f"{PROJECT}/connections", role="engineer")
    page.get_by_label("Name", exact=True).fill("orders")
    page.get_by_label("Address").fill("file:///srv/data/mail")
    page.get_by_label("Paths").fill("*.csv")
    page.get_by_label("Format").select_option("FORMAT_CSV")
    page.get_by_text("Columns of tables and JSON Lines").click()
    page.get_by_label("Text", exact=True).fill("body")
    page.get_by_label("Read every … seconds").fill("600")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Connection orders")
    (created,) = memory.called("CreateConnection")
    assert created["connection"] == {
        "kind": "KIND_FSSPEC", "url": "file:///srv/data/mail", "pattern": "*.csv", "format": "FORMAT_CSV",
        "columns": {"text": "body"}, "schedule": {"intervalSeconds": 600.0},
    }  # fmt: skip
    page.get_by_role("button", name="Read now").click()
    expect(status(page)).to_contain_text("is being read")
    expect(page.locator(".state", has_text="reading").first).to_be_visible()
    page.goto(environment.console + f"{PROJECT}/connections/lake")
    page.get_by_label("Domain").fill("mail")
    page.get_by_label("Read every … seconds").fill("")
    page.get_by_label("or at (cron, UTC)").fill("0 3 * * *")
    page.get_by_role("button", name="Save").click()
    expect(status(page)).to_contain_text("is changed")
    changed = memory.called("UpdateConnection")[-1]["connection"]
    assert (changed["schedule"], changed["domain"], changed["etag"]) == ({"cron": "0 3 * * *"}, "mail", "1")
    page.get_by_role("button", name="Suspend schedule").click()
    expect(status(page)).to_contain_text("suspended")
    page.get_by_role("button", name="Resume schedule").click()
    expect(status(page)).to_contain_text("active again")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Connections")
    assert memory.called("DeleteConnection")[-1] == {"name": LAKE, "etag": "1"}


def test_what_a_reading_left_out_and_its_error_are_shown(environment, open_page):
    page = open_page(f"{PROJECT}/connections/lake", role="viewer")
    expect(page.get_by_role("row", name="too large")).to_be_visible()
    expect(page.get_by_text("huge.jsonl has 9 GiB.")).to_be_visible()
    expect(page.get_by_role("button", name="Read now")).to_be_disabled()
    environment.memory.put(LAKE, failure={"reason": "NOT_REACHABLE", "message": "lake does not answer."})
    expect(page.get_by_text("lake does not answer.").first).to_be_visible()
    page.goto(environment.console + f"{PROJECT}/connections")
    expect(page.get_by_role("row", name="lake").get_by_text("NOT_REACHABLE")).to_be_visible()


def test_a_stream_is_created_filled_sealed_and_changed(environment, open_page):
    memory = environment.memory
    memory.own["AppendRecords"] = lambda each, request: {"appendedCount": 1}
    memory.own["SealStream"] = lambda each, request: each.resources[request["name"]]
    page = open_page(f"{PROJECT}/streams", role="engineer")
    page.get_by_label("Name", exact=True).fill("calls")
    page.get_by_label("Records of a segment").fill("100")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Stream calls")
    page.goto(environment.console + f"{PROJECT}/streams/tickets")
    page.get_by_label("ID").fill("t-1")
    page.get_by_label("Text").fill("The invoice is wrong.")
    page.get_by_role("button", name="Append").click()
    expect(status(page)).to_contain_text("The record is appended.")
    (appended,) = memory.called("AppendRecords")
    assert appended["records"] == [{"id": "t-1", "text": "The invoice is wrong."}]
    page.get_by_role("button", name="Seal now").click()
    expect(status(page)).to_contain_text("The latest source is mails.")
    page.get_by_label("License").fill("CC-BY-4.0")
    page.get_by_role("button", name="Save").click()
    expect(status(page)).to_contain_text("is changed")
    assert memory.called("UpdateStream")[-1]["stream"]["license"] == "CC-BY-4.0"


def test_a_crawl_is_started_shown_as_it_goes_and_repeated(environment, open_page):
    memory = environment.memory
    page = open_page(f"{PROJECT}/crawls", role="engineer")
    page.get_by_label("Name", exact=True).fill("docs")
    page.get_by_label("First pages, one address a line").fill("https://docs.example.org/\nhttps://b.example/")
    page.get_by_text("Bounds").click()
    page.get_by_label("Pages", exact=True).fill("20")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Crawl docs")
    (created,) = memory.called("CreateCrawl")
    assert created["crawl"] == {
        "startUrls": ["https://docs.example.org/", "https://b.example/"], "maxPages": 20
    }  # fmt: skip
    page.goto(environment.console + f"{PROJECT}/crawls/blog")
    memory.put(f"{seed.P}/crawls/blog", state="STATE_SUCCEEDED", pageCount="77")
    expect(page.get_by_text("77", exact=True)).to_be_visible()
    page.goto(environment.console + f"{PROJECT}/crawls/guide")
    page.get_by_label("Name", exact=True).fill("guide-2")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Crawl guide-2")
    assert memory.called("CreateCrawl")[-1]["crawl"]["previous"] == f"{seed.P}/crawls/guide"


def test_a_mixture_is_planned_and_built(environment, open_page):
    version = f"{seed.DATA}/versions/v1"
    environment.memory.own["PlanDatasetVersion"] = lambda each, request: {
        "components": [{"datasetVersion": version, "recordCount": "14", "share": 1.0, "repeats": 0.14}],
        "recordCount": "14",
        "tokenCount": "1000",
        "leftOutCounts": {"NOT_SAMPLED": "86"},
    }
    page = open_page(f"{PROJECT}/mixtures", role="engineer")
    page.get_by_label("Dataset version 1").select_option(version)
    page.get_by_label("Weight 1").fill("2")
    page.get_by_label("Budget").fill("1000")
    page.get_by_role("button", name="Show the plan").click()
    expect(page.get_by_text("14 records, 1,000 tokens.")).to_be_visible()
    accessible(page)
    page.get_by_role("button", name="Build this mixture").click()
    expect(status(page)).to_contain_text("The mixture is being built.")
    mixture = {"components": [{"datasetVersion": version, "weight": 2.0}],
               "strategy": "STRATEGY_TEMPERATURE", "unit": "UNIT_TOKENS", "budget": "1000"}  # fmt: skip
    (planned,), (built,) = (
        environment.memory.called(name) for name in ("PlanDatasetVersion", "CreateDatasetVersion")
    )
    assert planned["mixture"] == built["datasetVersion"]["mixture"] == mixture


def test_an_export_is_created_and_its_file_downloaded(environment, open_page):
    (file,) = environment.memory.resources[f"{seed.DATA}/exports/x1"]["files"]
    environment.artifacts.grant("mail", file["digest"])
    page = open_page(f"{PROJECT}/data/mail/v1", role="engineer")
    page.get_by_role("link", name="Exports").click()
    page.get_by_label("Format").select_option("FORMAT_CSV")
    page.get_by_role("button", name="Export", exact=True).click()
    expect(status(page)).to_contain_text("The export has started.")
    (created,) = environment.memory.called("CreateExport")
    assert created["export"] == {"datasetVersion": f"{seed.DATA}/versions/v1", "format": "FORMAT_CSV"}
    with page.expect_download() as download:
        page.get_by_role("link", name="train/data.jsonl").click()
    assert download.value.suggested_filename == "data.jsonl"
    assert download.value.path().read_bytes() == b'{"text": "Lunch at noon?"}\n'


def test_the_funnel_leads_to_records_that_a_step_took(environment, open_page):
    page = open_page(f"{PROJECT}/data/mail/v1", role="viewer")
    funnel = page.get_by_role("group", name="What each step took, changed and needed")
    expect(funnel.get_by_role("row", name="Personal data")).to_contain_text("1.250")
    page.get_by_text("Exact duplicates: records to look at").click()
    expect(page.get_by_role("heading", name="copy-1.txt")).to_be_visible()


def test_a_step_is_added_and_previewed_side_by_side(environment, open_page):
    memory = environment.memory
    memory.put(seed.P, etag="1")
    change = {"sourcePath": "0.txt", "before": "經濟", "after": "经济"}
    memory.own["PreviewSource"] = lambda each, request: {
        "itemCount": "3",
        "steps": [{"name": each_step, "recordCount": "3", "changedCount": "1", "changes": [change]}
                  for each_step in request["steps"]],
    }  # fmt: skip
    page = open_page(f"{PROJECT}/curation", role="engineer")
    page.get_by_label("Step", exact=True).fill("simplify_chinese")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", name="simplify_chinese")).to_be_visible()
    page.get_by_role("button", name="Preview").click()
    row = page.get_by_role("row", name="0.txt")
    expect(row).to_contain_text("經濟")
    expect(row).to_contain_text("经济")
    accessible(page)
