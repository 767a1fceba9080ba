"""Every page and button over HTTP, in this process: the real site and templates, an API in memory."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from ratoon_console.adapters.pages import STATIC, Pages
from ratoon_console.application.actions import ACTIONS
from ratoon_console.application.ports import AnswerEvent, Grant, Items
from ratoon_console.application.sessions import Sessions
from ratoon_console.domain.errors import Away, NotSignedIn, Refused
from ratoon_console.domain.people import Person, Role
from ratoon_console.entrypoints.http import Site
from ratoon_console.entrypoints.pages import pages
from ratoon_console.entrypoints.request_context import RequestContext
from services.console.tests import seed
from services.console.tests.memory import CERTIFICATE
from services.console.tests.resources import JSON, Resources

PATHS = [
    "/", "/p/mail", "/p/mail/pipeline-runs/p1", "/p/mail/data", "/p/mail/sources/mails", "/p/mail/data/mail/v1",
    f"/p/mail/data/mail/v1/records/{'0' * 64}", "/p/mail/data/mail/v1/difference",
    "/p/mail/labels", "/p/mail/labels/review", "/p/mail/training", "/p/mail/training/r1",
    "/p/mail/training/compare?run=r1&run=r2", "/p/mail/evaluations", "/p/mail/evaluations/e1",
    "/p/mail/evaluations/compare?run=e1&run=e2", "/p/mail/models", "/p/mail/models/v1.1", "/p/mail/rollouts",
    "/p/mail/models/v1.1/weights", "/p/mail/models/v1.1/weights?token=prize", "/p/mail/models/v1.1/exports",
    "/p/mail/rollouts/ro2", "/p/mail/signals", "/p/mail/playground", "/p/mail/suites", "/p/mail/suites/hard",
    "/p/mail/connections", "/p/mail/connections/lake", "/p/mail/connections/archive", "/p/mail/streams",
    "/p/mail/streams/tickets", "/p/mail/crawls", "/p/mail/crawls/guide", "/p/mail/crawls/blog",
    "/p/mail/curation", "/p/mail/exports/mail", "/p/mail/profiles/mail", "/p/mail/profiles/mail/pr1",
    "/p/mail/profiles/mail/pr2?with=pr1", "/p/mail/profiles/mail/pr3", "/p/mail/mixtures",
    f"/p/mail/mixtures?dataset=mail&version-0={seed.DATA}/versions/v1&weight-0=2&budget=1000",
    "/p/mail/queues/first", "/p/mail/labels/review?queue=first", "/p/mail/labels/review?queue=first&to-review=yes",
    "/p/mail/judges", "/p/mail/judges/helpful", "/p/mail/judges/tone",
    "/p/mail/sweeps", "/p/mail/sweeps/rate", "/p/mail/sweeps/ladder", "/p/mail/compressions",
    "/p/mail/plans", "/p/mail/plans?kind=serving&requests=10000", "/p/mail/plans?kind=training&layers=12",
    "/p/mail/plans?kind=evaluation&records=500",
]  # fmt: skip
EMPTY = [path for path in PATHS if re.fullmatch(r"/p/mail(/[a-z]+)?|/p/mail/labels/review", path)]


PREVIEW: JSON = {
    "format": "FORMAT_CSV",
    "encoding": "cp1252",
    "encodingFrom": "detected",
    "columns": ["Meldung", "Art"],
    "records": [{"sourcePath": "line-2", "text": "Der Drücker klemmt.", "chars": 19, "label": "Störung"}],
    "labelCounts": {"Störung": "2", "Rechnung": "3"},
    "itemCount": "6",
    "recordCount": "5",
    "rejectedCounts": {"BAD_ROW": "1"},
    "rejections": [{"sourcePath": "line-7", "reason": "BAD_ROW", "detail": "3 fields", "textStart": "<b>"}],
    "complete": True,
}


PLANS: JSON = {
    "mail:plan": {
        "requestsPerSecond": 10_000.0, "engines": 120, "gateways": 8, "engineRequestsPerSecond": 120.0,
        "gatewayRequestsPerSecond": 1596.0, "engineBasis": "Measured.", "gatewayBasis": "Reference machine.",
        "utilization": 0.7, "spare": 1, "expectedUtilization": 0.69, "notes": ["Networks are not covered."],
    },
    "trainingRuns:plan": {
        "ruleOfThumbBytes": "1000", "measuredBytes": str(3 * 2**30), "availableBytes": str(2**30),
        "reason": "The run needs 3,072 MiB of memory, and 1,024 MiB are free.", "basis": "Memory by the model.",
        "recommendations": [
            {"work": "light cpu", "family": "C", "chip": "CPU", "energy": "fairly good", "reason": "It is small."}
        ],
        "changes": [
            {"settings": ["recipe.batch_size=8"], "description": "lower the batch", "measuredBytes": "900"}
        ],
    },
    "evaluationRuns:plan": {
        "recordCount": "500", "answerCount": "500", "seconds": 75.0, "secondsPerAnswer": 0.15,
        "timeBasis": "Measured in 2 earlier runs.", "memoryBytes": str(2**30), "memoryBasis": "Weights.",
        "cost": 0.02, "currency": "EUR",
    },
}  # fmt: skip
PLAN: JSON = {
    "components": [
        {"datasetVersion": f"{seed.DATA}/versions/v1", "availableRecords": "100", "availableTokens": "7000",
         "recordCount": "14", "tokenCount": "1000", "share": 1.0, "repeats": 0.14, "maxRepeats": 1}
    ],
    "recordCount": "14",
    "tokenCount": "1000",
    "leftOutCounts": {"NOT_SAMPLED": "86"},
    "maxBudget": "7000",
}  # fmt: skip


class Blobs(dict[str, bytes]):
    """Bytes by their sha256."""

    def put_bytes(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self[digest] = data
        return digest


def _weights_or_lineage(name: str, query: dict[str, object]) -> JSON:
    if name.endswith(":lineage"):
        return {"recordId": "0", "datasetVersions": [f"{seed.DATA}/versions/v1"], "placements": []}
    if name.endswith(":describe"):
        layer = {"name": "model.embed_tokens.weight", "dtype": "F32", "shape": ["320", "64"], "trained": True}
        return {"architecture": "LlamaForCausalLM", "parameterCount": "20480", "layers": [layer]}
    if query["token"] != "prize":
        raise Refused(400, "TOKEN_UNKNOWN", "The vocabulary has no such token.")
    nearest = [{"token": "Ġprizes", "tokenId": 7, "cosine": 0.91}]
    return {"token": "Ġprize", "tokenId": 5, "neighbours": nearest}


class Platform:
    """The API of everybody, in memory; each key is the name of its role."""

    def __init__(self) -> None:
        self.memory, self.blobs = Resources(), Blobs()
        self.posted: list[tuple[str, JSON]] = []
        self.listed: list[str] = []
        self.away = False
        self.ratings: JSON = {}
        self.plan: JSON = PLAN

    async def exchange(self, api_key: str) -> Grant:
        if api_key.upper() not in Role.__members__:
            raise NotSignedIn("This is no API key of Ratoon.")
        return Grant(Person(f"projects/-/apiKeys/{api_key}", Role[api_key.upper()]), "token", 600)

    async def get(self, name: str, **query: object) -> JSON:
        if self.away:
            raise Away("Nobody answers.")
        if name == "models" and seed.DEPLOYMENT not in self.memory.resources:
            return {"data": []}
        if name == "models":
            return {
                "data": [
                    {"id": "mail/mail", "owned_by": seed.P},
                    {"id": "mail/mail@v1.0", "owned_by": seed.P},
                ]
            }
        if name.endswith(":summarize"):
            return seed.QUEUE_SUMMARY if "/queues/" in name else self.memory.summary(name.rpartition("/")[0])
        if name.endswith(":summarizeRatings"):
            return self.ratings
        if name.endswith((":describe", ":neighbours", ":lineage")):
            return _weights_or_lineage(name, query)
        if name.endswith(":compare"):
            arms = {
                key: {"version": str(query[key]), "satisfaction": 0.5} for key in ("version", "otherVersion")
            }
            arms["version"] |= {"outcomes": {"resolved": {"mean": 0.75, "answerCount": "8"}}}
            arms["otherVersion"] |= {"implicitCounts": {"COPIED": "3"}}
            return {**arms, "difference": 0.0, "preferredCount": "6", "rejectedCount": "2"}
        name = name.removesuffix(":report").replace("/profiles/", "/reports/") if ":report" in name else name
        if name in self.memory.resources:
            return self.memory.resources[name]
        if "pageSize" in query:
            return {"things": self.memory.children(name), "nextPageToken": ""}
        raise Refused(404, "NOT_FOUND", f"{name} does not exist.")

    async def find(self, name: str, **query: object) -> JSON | None:
        return self.memory.resources.get(name)

    async def newest(self, collection: str, size: int = 100, after: str = "", **query: str) -> Items:
        if self.away:
            raise Away("Nobody answers.")
        self.listed.append(collection)
        listed = self.memory.listed(collection, "create_time desc", **query)
        start = int(after or 0)
        return Items(listed[start : start + size], str(start + size) if len(listed) > start + size else "")

    async def post(self, name: str, body: JSON, **query: object) -> JSON:
        self.posted.append((name, {**body, **query}))
        if name.endswith(":preview"):
            return PREVIEW
        if name.endswith("/versions:plan"):
            return self.plan
        if name.endswith(":plan"):
            return PLANS[name.rpartition("/")[2]]
        if name.endswith("tasks:claim"):
            return self.memory.claimed(name.rpartition("/")[0], str(body.get("reason", "")))
        return {"name": f"{seed.DEPLOYMENT}/rollouts/ro2", "toVersion": f"{seed.MODEL}/versions/v1.0"}

    async def patch(self, name: str, body: JSON, **query: object) -> JSON:
        return await self.post(name, body, **query)

    async def put_blob(self, data: bytes) -> str:
        return self.blobs.put_bytes(data)

    async def blob(self, digest: str) -> bytes:
        return self.blobs[digest]

    async def content(self, digest: str) -> AsyncIterator[bytes]:
        if digest not in self.blobs:
            raise Refused(404, "ARTIFACT_NOT_FOUND", f"There is no blob {digest}.")
        for start in range(0, len(self.blobs[digest]), 10):
            yield self.blobs[digest][start : start + 10]

    async def watch(self, name: str) -> AsyncIterator[JSON]:
        yield self.memory.resources[name]

    async def ask(
        self, model: str, text: str, max_tokens: int, temperature: float = 0.0
    ) -> AsyncIterator[AnswerEvent]:
        for kind, piece in (("version", "mail@v1.0"), ("text", f"{model}:{text}"), ("end", "answer-1")):
            yield AnswerEvent(kind, piece)


@pytest.fixture
def platform():
    return Platform()


@pytest.fixture
def busy(platform):
    seed.busy_project(platform.memory, platform.blobs)
    return platform


PAGES = Pages()
"""Its templates are compiled once."""


def site(platform: Platform) -> Site:
    sessions = Sessions(platform, 3600, lambda: 0.0)
    return Site(RequestContext(sessions, lambda _bearer: platform, PAGES, refresh_s=0.05), pages(), STATIC)


def visit(platform: Platform, role: str, scenario: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    """Run a scenario with a browser that is logged in as a role (empty: not logged in)."""

    async def visited() -> None:
        transport = httpx.ASGITransport(site(platform).app())
        async with httpx.AsyncClient(
            transport=transport, base_url="http://console", follow_redirects=True
        ) as client:
            if role:
                await client.post("/login", data={"key": role})
            await scenario(client)

    asyncio.run(visited())


@pytest.mark.parametrize("role", ["viewer", "annotator", "operator"])
@pytest.mark.parametrize("path", PATHS)
def test_every_page_of_a_busy_project_shows_to_every_role_that_may_look(busy, path, role):
    async def scenario(client: httpx.AsyncClient) -> None:
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        assert len(re.findall(r"<h1[ >]", answer.text)) == 1
        ids = re.findall(r' id="([^"]+)"', answer.text)
        assert len(ids) == len(set(ids)), "an id stands twice"
        assert not re.search(r'style="|<script>|onclick|="http', answer.text)

    visit(busy, role, scenario)


LONG = "<b>" + "word " * 13_000


@pytest.mark.parametrize(
    ("task", "proposed", "expected"),
    [
        ({"generate": {}}, LONG, ['<textarea id="entry" name="text"', "&lt;b&gt;word", 'name="keep"']),
        ({"generate": {}}, "", ['<textarea id="entry" name="text"']),
        ({"regress": {"min": 1, "max": 5}}, "3", ["a number from 1 to 5", "Current number: <b>3</b>"]),
        (
            {"classify": {"labels": ["billing", "other", "spam"], "multiLabel": True}},
            "billing\nother",
            [
                'value="billing" checked',
                'value="other" checked',
                'value="spam" data-key="3"',
                "billing, other",
            ],
        ),
    ],
)
def test_a_task_of_each_kind_is_entered_in_its_own_way(busy, task, proposed, expected):
    busy.memory.put(f"{seed.P}/tasks/t0", createTime=seed.at(9), task=task, proposedLabel=proposed)

    async def scenario(client: httpx.AsyncClient) -> None:
        answer = (await client.get("/p/mail/labels/review")).text
        assert all(each in answer for each in expected), answer
        assert ('name="keep"' in answer) is bool(proposed)
        assert 'data-keeps=""' in answer
        assert not re.search(r'<button name="label"', answer)

    visit(busy, "annotator", scenario)


def test_an_answer_is_rated_on_each_scale_and_two_are_compared(busy):
    candidates = ["Lima & more", "Cusco"]
    rate = {"work": "WORK_RATE", "candidates": candidates[:1], "scales": ["fluency", "tone"]}
    compare = {"work": "WORK_COMPARE", "candidates": candidates, "proposedLabel": ""}
    task = {"generate": {}}

    async def scenario(client: httpx.AsyncClient) -> None:
        busy.memory.put(f"{seed.P}/tasks/t0", createTime=seed.at(9), task=task, **rate)
        rated = (await client.get("/p/mail/labels/review")).text
        assert rated.count('type="radio" name="rating-') == 10
        assert "Lima &amp; more" in rated
        busy.memory.put(f"{seed.P}/tasks/t0", task=task, **compare)
        compared = (await client.get("/p/mail/labels/review")).text
        shown = re.findall(r'aria-label="Answer \d">([^<]+)<', compared)
        values = re.findall(r'name="preference" value="PREFERENCE_([A-Z]+)" data-key="[12]"', compared)
        assert sorted(zip(values, shown, strict=True)) == [("FIRST", "Lima &amp; more"), ("SECOND", "Cusco")]
        assert 'name="save"' not in compared

    visit(busy, "annotator", scenario)


def test_ratings_and_comparisons_are_shown_with_their_intervals(busy):
    busy.ratings = {
        "ratings": [
            {"origin": "m/v1", "scale": "tone", "taskCount": "9", "mean": 4.25, "low": 4.0, "high": 4.5}
        ],
        "comparisons": [
            {"secondOrigin": "m/v2", "taskCount": "3", "low": 0.0, "high": 0.56, "agreementAlpha": 0.4}
        ],
    }

    async def scenario(client: httpx.AsyncClient) -> None:
        answer = (await client.get("/p/mail/labels")).text
        assert "4.25 (4.00 to 4.50)" in answer
        assert "0.0% (0.0% to 56.0%)" in answer

    visit(busy, "viewer", scenario)


def test_a_conversation_is_shown_turn_by_turn(busy):
    record = f"{seed.DATA}/versions/v1/records/{busy.memory.resources[f'{seed.P}/tasks/t0']['recordId']}"
    messages = [{"role": "system", "content": "Be <brief>."}, {"role": "user", "content": "Capital of Peru?"}]
    busy.memory.put(record, example={"messages": messages})

    async def scenario(client: httpx.AsyncClient) -> None:
        answer = (await client.get("/p/mail/labels/review")).text
        assert "Be &lt;brief&gt;." in answer
        assert answer.index(">system<") < answer.index(">user<")

    visit(busy, "annotator", scenario)


def test_long_answers_and_numbers_fit_on_the_page_of_labels(busy):
    busy.memory.put(
        f"{seed.P}/tasks/t0", task={"generate": {}}, state="STATE_DONE", label=LONG, proposedLabel=LONG
    )
    busy.memory.put(f"{seed.P}/tasks/t1", state="STATE_DONE", label="", candidates=["a"])
    busy.memory.put(f"{seed.P}/tasks/t2", state="STATE_DONE", label="", overlap=2)
    busy.memory.put(f"{seed.P}/guidelines/g2", task={"regress": {"min": 1, "max": 5}})
    busy.memory.put(f"{seed.P}/labelSets/l2", state="STATE_SUCCEEDED", labelCount="12", agreementTokenF1=0.5)

    async def scenario(client: httpx.AsyncClient) -> None:
        answer = (await client.get("/p/mail/labels")).text
        assert len(answer) < len(LONG)
        assert "kept <b>1</b> and changed <b>0</b>" in answer
        assert "<td>rated</td>" in answer
        assert "<td>different answers</td>" in answer
        assert "Number from 1 to 5" in answer
        assert "0.500 (token F1)" in answer

    visit(busy, "viewer", scenario)


@pytest.mark.parametrize("path", EMPTY)
def test_every_page_of_an_empty_project_says_what_to_do(platform, path):
    seed.empty_project(platform.memory)

    async def scenario(client: httpx.AsyncClient) -> None:
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        assert 'class="empty"' in answer.text

    visit(platform, "viewer", scenario)


@pytest.mark.parametrize(
    "collection", ["deployments/mail/rollouts", "trainingRuns", "evaluationRuns", "pipelineRuns"]
)
def test_a_resource_that_has_just_begun_shows_though_most_of_it_is_not_there_yet(busy, collection):
    busy.memory.put(
        f"{seed.P}/{collection}/new", state="STATE_QUEUED", toVersion=f"{seed.MODEL}/versions/v1.1"
    )
    page = {
        "deployments/mail/rollouts": "rollouts",
        "trainingRuns": "training",
        "evaluationRuns": "evaluations",
    }

    async def scenario(client: httpx.AsyncClient) -> None:
        for path in (page.get(collection, "pipeline-runs") + "/new", page.get(collection, "")):
            answer = await client.get(f"/p/mail/{path}".rstrip("/"))
            assert answer.status_code == 200, answer.text

    visit(busy, "operator", scenario)


def test_the_start_page_reads_one_page_of_projects_and_leads_to_the_older_ones(busy):
    for number in range(60):
        busy.memory.put(
            f"projects/p{number:02}", labels=["a", "b"], deployment=f"projects/p{number:02}/deployments/d"
        )

    async def scenario(client: httpx.AsyncClient) -> None:
        projects: list[str] = []
        path = "/"
        while path:
            busy.listed.clear()
            answer = (await client.get(path)).text
            projects += re.findall(r'href="/p/(p\d\d)"', answer)
            assert len(busy.listed) <= 25
            older = re.search(r'href="(/\?after=\d+)" rel="next"', answer)
            path = older[1] if older else ""
        assert projects == [f"p{number:02}" for number in reversed(range(60))]

    visit(busy, "viewer", scenario)


def test_a_page_that_no_browser_waits_for_is_stopped(busy):
    async def scenario() -> None:
        started, stopped = asyncio.Event(), asyncio.Event()

        async def never(_name: str, **_query: object) -> JSON:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()
            return {}

        busy.get = never
        console = site(busy)
        _, cookie = await console._context.sessions.open("viewer")
        messages = [{"type": "http.request"}, {"type": "http.disconnect"}]

        async def receive() -> JSON:
            if len(messages) == 1:
                await started.wait()
            return messages.pop(0)

        sent: list[JSON] = []

        async def send(message: JSON) -> None:
            sent.append(message)

        headers = [(b"cookie", f"ratoon_console={cookie}".encode())]
        await console.app()(scope_of("/p/mail", headers), receive, send)
        assert stopped.is_set()
        assert sent[0]["status"] == 499

    asyncio.run(asyncio.wait_for(scenario(), 10))


def test_no_project_at_all_says_how_to_begin(platform):
    async def scenario(client: httpx.AsyncClient) -> None:
        assert "ratoon projects create" in (await client.get("/")).text

    visit(platform, "viewer", scenario)


@pytest.mark.parametrize("path", PATHS)
def test_nobody_sees_a_page_without_logging_in(busy, path):
    async def scenario(client: httpx.AsyncClient) -> None:
        answer = await client.get(path)
        assert answer.url.path == "/login"
        assert "spam" not in answer.text

    visit(busy, "", scenario)


def test_the_page_of_a_source_shows_answers_and_takes_other_columns(busy, monkeypatch):
    examples = [
        {"answers": ["Until nine."], "rejected": "No idea."},
        {"answers": ["At noon."]},
        {"answers": ["Never."], "good": False},
    ]
    preview = {
        **PREVIEW,
        "records": [{"sourcePath": "line-1", "text": "Is it open?", "example": each} for each in examples],
        "kindCounts": {"preference": "1", "answer": "1", "unpaired_preference": "1"},
        "layoutCounts": {"prompt": "3"},
    }
    columns = {"prompt": "question", "attributes": ["user", "team"]}
    busy.memory.put(f"{seed.P}/sources/mails", format="FORMAT_JSONL", columns=columns, etag="e7")
    original = Platform.post

    async def post(api, name, body, **query):
        return preview if name.endswith("sources:preview") else await original(api, name, body, **query)

    async def scenario(client: httpx.AsyncClient) -> None:
        monkeypatch.setattr(Platform, "post", post)
        page = (await client.get("/p/mail/sources/mails")).text
        for shown in (
            "<b>Chosen:</b> Until nine.",
            "<b>Rejected:</b> No idea.",
            "<b>Answer:</b> At noon.",
            "<b>Bad:</b> Never.",
            "1 unpaired preference",
            'name="column-prompt" list="columns" autocomplete="off" value="question"',
            'value="user, team"',
            'name="etag" value="e7"',
        ):
            assert shown in page

    visit(busy, "engineer", scenario)


def test_a_caller_gets_the_playground_and_a_reason_elsewhere(busy):
    async def scenario(client: httpx.AsyncClient) -> None:
        assert (await client.get("/p/mail/playground")).status_code == 200
        refused = await client.get("/p/mail/data")
        assert refused.status_code == 403
        assert "This requires the role viewer; your key has the role caller." in refused.text

    visit(busy, "caller", scenario)


def test_headers_forbid_what_no_page_needs(busy):
    async def scenario(client: httpx.AsyncClient) -> None:
        headers = (await client.get("/p/mail")).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"

    visit(busy, "viewer", scenario)


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example/", "/\\evil.example", "evil"])
def test_a_log_in_leads_to_this_console_alone(busy, to):
    async def scenario(client: httpx.AsyncClient) -> None:
        answer = await client.post("/login", data={"key": "viewer", "to": to}, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")

    visit(busy, "", scenario)


def test_a_rollout_shows_the_comparison_on_the_same_requests(busy):
    async def scenario(client: httpx.AsyncClient) -> None:
        page = (await client.get("/p/mail/rollouts/ro2")).text
        assert "Both versions on the same requests" in page
        assert '<th scope="row">macro-F1</th><td class="n">0.900</td><td class="n">0.800</td>' in page
        assert "Gain of the new version: 0.100 (0.050 to 0.150)." in page

    visit(busy, "viewer", scenario)


def test_a_wrong_key_is_reported(busy):
    async def scenario(client: httpx.AsyncClient) -> None:
        answer = await client.post("/login", data={"key": "nobody's"})
        assert answer.status_code == 401
        assert "no API key of Ratoon" in answer.text
        assert not client.cookies

    visit(busy, "", scenario)


async def form_of(client: httpx.AsyncClient) -> dict[str, str]:
    page = (await client.get("/p/mail/rollouts/ro2")).text
    key = re.search(r'name="form_key" value="([^"]+)"', page)
    assert key is not None
    return {
        "form_key": key[1],
        "request_id": "q",
        "back": "/p/mail/rollouts/ro2",
        "name": f"{seed.DEPLOYMENT}/rollouts/ro2",
    }


def test_a_button_is_pressed_once_and_leads_back_with_a_notice(busy):
    async def scenario(client: httpx.AsyncClient) -> None:
        answer = await client.post("/p/mail/do/pause-rollout", data=await form_of(client))
        assert answer.url.path == "/p/mail/rollouts/ro2"
        assert "The rollout to v1.0 is paused." in answer.text
        assert "is paused." not in (await client.get("/p/mail/rollouts/ro2")).text

    visit(busy, "operator", scenario)
    ((name, body),) = busy.posted
    assert (name, body["requestId"]) == (f"{seed.DEPLOYMENT}/rollouts/ro2:pause", "q")


@pytest.mark.parametrize("change", [{"form_key": "guessed"}, {"form_key": ""}])
@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_no_button_works_for_a_form_of_somebody_else(busy, action, change):
    async def scenario(client: httpx.AsyncClient) -> None:
        form = await form_of(client) | change
        assert (await client.post(f"/p/mail/do/{action}", data=form)).status_code == 400

    visit(busy, "operator", scenario)
    assert busy.posted == []


def test_no_form_of_another_site_is_taken_even_with_the_right_key(busy):
    async def scenario(client: httpx.AsyncClient) -> None:
        form, headers = await form_of(client), {"origin": "http://evil.example"}
        assert (await client.post("/p/mail/do/abort-rollout", data=form, headers=headers)).status_code == 400

    visit(busy, "operator", scenario)
    assert busy.posted == []


def test_a_form_leads_nowhere_but_here(busy):
    async def scenario(client: httpx.AsyncClient) -> None:
        form = await form_of(client) | {"back": "//evil.example"}
        answer = await client.post("/p/mail/do/pause-rollout", data=form, follow_redirects=False)
        assert answer.headers["location"] == "/"

    visit(busy, "operator", scenario)


def test_the_playground_relays_events_and_names_the_project_for_keys_of_the_whole_installation(busy):
    async def scenario(client: httpx.AsyncClient) -> None:
        form = await form_of(client) | {"model": "mail@v1.0", "text": "hello"}
        answer = await client.post("/p/mail/ask", data=form)
        kinds = re.findall(r"event: (\w+)", answer.text)
        assert kinds == ["version", "text", "end"]
        assert json.loads(answer.text.split("data: ")[2].split("\n")[0]) == {"text": "mail/mail@v1.0:hello"}
        for wrong in ({"text": " "}, {"max_tokens": "many"}):
            assert (await client.post("/p/mail/ask", data={**form, **wrong})).status_code == 400

    visit(busy, "operator", scenario)


@pytest.mark.parametrize(
    ("task", "shown", "missing"),
    [
        ({"generate": {}}, ["Rewrite the answer", "Ask twice", 'name="correction"'], ["Correct number"]),
        (
            {"regress": {"min": 0, "max": 5, "unit": "points"}},
            ["a number from 0 to 5 (points)"],
            ["Ask twice"],
        ),
        (
            {"classify": {"labels": ["a", "b"], "multiLabel": True}},
            ['type="checkbox" name="choice-2"'],
            ['<select id="correction'],
        ),
        ({"classify": {"labels": ["a", "b"]}}, ['<select id="correction"'], ["checkbox", "Ask twice"]),
    ],
)
def test_the_playground_offers_the_corrections_of_the_task(busy, task, shown, missing, monkeypatch):
    project = {"name": "projects/mail", "task": task, "labels": task.get("classify", {}).get("labels", [])}
    original = Platform.get

    async def get(api, name, **query):
        return project if name == "projects/mail" else await original(api, name, **query)

    async def scenario(client: httpx.AsyncClient) -> None:
        monkeypatch.setattr(Platform, "get", get)
        page = (await client.get("/p/mail/playground")).text
        assert [each for each in shown if each not in page] == []
        assert [each for each in missing if each in page] == []

    visit(busy, "operator", scenario)


def test_signals_show_preferences_outcomes_and_implicit_signals(busy):
    busy.memory.put(f"{seed.P}/feedback/session", createTime=seed.at(40), thumb=-1)

    async def scenario(client: httpx.AsyncClient) -> None:
        page = re.sub(r"\s+", " ", (await client.get("/p/mail/signals")).text)
        assert "Users preferred the answer of v1.1 in 6 of 8 pairs." in page
        assert "v1.1: resolved 0.750 (8 answers)" in page
        assert "v1.0: copied 3" in page

    visit(busy, "viewer", scenario)


def test_a_platform_that_is_away_is_reported_with_what_to_do(busy):
    async def scenario(client: httpx.AsyncClient) -> None:
        busy.away = True
        answer = await client.get("/p/mail")
        assert answer.status_code == 503
        assert "ratoon up" in answer.text

    visit(busy, "viewer", scenario)


def test_the_old_address_of_a_pipeline_run_leads_to_the_present_one(busy):
    async def scenario(client: httpx.AsyncClient) -> None:
        answer = await client.get("/p/mail/turns/p1?a=b", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (308, "/p/mail/pipeline-runs/p1?a=b")
        assert (await client.get("/p/mail/turns/p1")).status_code == 200
        answer = await client.get("/p/mail/turns/a%3Fb", follow_redirects=False)
        assert answer.headers["location"] == "/p/mail/pipeline-runs/a%3Fb"

    visit(busy, "viewer", scenario)


def test_a_version_shows_its_forms_and_which_of_them_is_another_model(busy):
    async def scenario(client: httpx.AsyncClient) -> None:
        page = (await client.get("/p/mail/models/v1.1")).text
        assert "Train" in page and "transformers 5.0" in page and "60 of 64" in page
        assert "LOGPROBS_DIFFER" in page and "accepted are 1." in page and "1 / 0.1" in page

    busy.memory.put(f"{seed.MODEL}/versions/v1.1:parity", **CERTIFICATE)
    visit(busy, "viewer", scenario)


def test_the_weights_of_a_version_have_layers_and_neighbours_of_a_token(busy):
    async def scenario(client: httpx.AsyncClient) -> None:
        page = (await client.get("/p/mail/models/v1.1/weights?token=prize")).text
        assert "320 × 64" in page and "Ġprizes" in page and "0.910" in page
        unknown = (await client.get("/p/mail/models/v1.1/weights?token=kingdom")).text
        assert "The vocabulary has no such token." in unknown and "320 × 64" in unknown

    visit(busy, "viewer", scenario)


@pytest.mark.parametrize("path", ["/p/none", "/p/mail/training/none", "/nowhere/at/all"])
def test_a_missing_page_is_reported(busy, path):
    async def scenario(client: httpx.AsyncClient) -> None:
        answer = await client.get(path)
        assert answer.status_code == 404
        assert 'class="notice bad"' in answer.text

    visit(busy, "viewer", scenario)


def test_the_live_part_comes_first_as_it_is_and_then_when_it_has_changed(busy):
    async def scenario(sent: asyncio.Queue[tuple[str, JSON]]) -> None:
        kind, view = await sent.get()
        assert kind == "live" and "A pipeline run is in progress" in view["html"]
        busy.memory.put(f"{seed.P}/pipelineRuns/p1", state="STATE_SUCCEEDED")
        kind, view = await sent.get()
        assert kind == "live" and "Last pipeline run" in view["html"]

    listen(busy, "/p/mail", scenario)


def test_the_page_of_an_ended_resource_is_sent_once_and_asks_no_more(busy):
    async def scenario(sent: asyncio.Queue[tuple[str, JSON]]) -> None:
        assert [(await sent.get())[0] for _ in range(2)] == ["live", "still"]

    listen(busy, "/p/mail/training/r1", scenario)


def test_a_page_whose_platform_is_away_says_so_and_comes_back(busy):
    async def scenario(sent: asyncio.Queue[tuple[str, JSON]]) -> None:
        await sent.get()
        busy.away = True
        assert (await sent.get())[0] == "away"
        busy.away = False
        while (await sent.get())[0] != "live":
            pass

    listen(busy, "/p/mail", scenario)


def listen(
    platform: Platform, path: str, scenario: Callable[[asyncio.Queue[tuple[str, JSON]]], Awaitable[None]]
) -> None:
    """Run a scenario with the events of a page's stream, without a client in between, which would wait for its end."""

    async def listened() -> None:
        console = site(platform)
        sent: asyncio.Queue[tuple[str, JSON]] = asyncio.Queue()
        _, cookie = await console._context.sessions.open("viewer")
        headers = [(b"accept", b"text/event-stream"), (b"cookie", f"ratoon_console={cookie}".encode())]
        serving = asyncio.create_task(
            console.app()(scope_of(path, headers), asyncio.Event().wait, lambda message: _put(sent, message))
        )
        await scenario(sent)
        serving.cancel()

    asyncio.run(asyncio.wait_for(listened(), 20))


def scope_of(path: str, headers: list[tuple[bytes, bytes]]) -> JSON:
    """The ASGI scope of a GET."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": "GET",
        "path": path,
        "headers": headers,
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("console", 80),
    }


async def _put(sent: asyncio.Queue[tuple[str, JSON]], message: dict[str, object]) -> None:
    body = message.get("body", b"")
    assert isinstance(body, bytes)
    event = re.fullmatch(r"event: (\w+)\ndata: (.*)\n\n", body.decode())
    if event:
        await sent.put((event[1], json.loads(event[2])))


def test_the_page_of_a_source_shows_what_it_becomes(busy):
    async def scenario(client: httpx.AsyncClient) -> None:
        page = (await client.get("/p/mail/sources/mails")).text
        for shown in (
            "cp1252 (detected)",
            "Meldung, Art",
            "Der Drücker klemmt.",
            "Störung",
            "line-7",
            "&lt;b&gt;",
        ):
            assert shown in page

    visit(busy, "engineer", scenario)


def test_the_page_of_a_source_shows_steps_side_by_side_as_the_project_lists_them(busy, monkeypatch):
    steps = [{"name": "simplify_chinese"}, {"name": "near_duplicates", "params": {"threshold": "0"}}]
    busy.memory.put(seed.P, curation=steps, etag="e1")
    change = {"sourcePath": "line-1", "before": "經濟 <b>", "after": "经济 <b>"}
    shown = {
        "name": "simplify_chinese",
        "recordCount": "5",
        "changedCount": "1",
        "changes": [change],
        "counts": {"card": "2"},
    }
    original, queries = Platform.post, []

    async def post(api: Platform, name: str, body: JSON, **query: object) -> JSON:
        if not name.endswith("sources:preview"):
            return await original(api, name, body, **query)
        queries.append(query)
        return {**PREVIEW, "steps": [shown]}

    monkeypatch.setattr(Platform, "post", post)

    async def scenario(client: httpx.AsyncClient) -> None:
        page = (await client.get("/p/mail/sources/mails")).text
        for text in ("經濟 &lt;b&gt;", "经济 &lt;b&gt;", "2 card"):
            assert text in page
        listed = (await client.get("/p/mail/curation")).text
        assert listed.index("simplify_chinese</h3>") < listed.index("near_duplicates</h3>")
        assert "threshold=0" in listed and "经济" not in listed
        previewed = (await client.get("/p/mail/curation?source=mails")).text
        assert previewed.index("經濟 &lt;b&gt;") < previewed.index("经济 &lt;b&gt;")

    visit(busy, "engineer", scenario)
    assert queries == [{"steps": ["simplify_chinese"]}] * 2


def test_the_page_of_a_version_shows_what_each_step_removed(busy):
    report = {"name": "decontamination", "recordCount": "9", "removedCounts": {"CONTAMINATED": "1"},
              "removedExamples": ["a" * 64], "counts": {"gsm8k": "1"}, "seconds": 1.5}  # fmt: skip
    name = f"{seed.DATA}/versions/v1"
    busy.memory.resources[name]["stepReports"] = [report]

    async def scenario(client: httpx.AsyncClient) -> None:
        page = (await client.get("/p/mail/data/mail/v1")).text
        for text in ("Decontamination: records to look at", "1 gsm8k", "1.500"):
            assert text in page

    visit(busy, "viewer", scenario)


def test_a_model_export_shows_its_comparison_and_its_files(busy):
    async def scenario(client: httpx.AsyncClient) -> None:
        page = (await client.get("/p/mail/models/v1.1/exports")).text
        for text in ("GGUF, Q4_K_M", "166 tensors Q5_0", "llama.cpp", "EXPORT_DIFFERS"):
            assert text in page
        (link,) = re.findall(r'href="(/p/mail/model-exports/g1/[^"]+)"', page)
        assert (await client.get(link)).content == b"GGUF"

    visit(busy, "viewer", scenario)


def test_a_file_of_an_export_is_downloaded_under_its_name(busy):
    async def scenario(client: httpx.AsyncClient) -> None:
        page = (await client.get("/p/mail/exports/mail")).text
        (link,) = re.findall(r'href="(/p/mail/exports/mail/x1/[^"]+)"', page)
        file = await client.get(link)
        assert file.content == b'{"text": "Lunch at noon?"}\n'
        assert file.headers["content-disposition"] == "attachment; filename*=UTF-8''data.jsonl"
        assert file.headers["content-length"] == str(len(file.content))
        assert (await client.get("/p/mail/exports/mail/x1/other")).status_code == 404
        assert (await client.get("/p/mail/exports/mail/x3/data.jsonl")).status_code == 404
        busy.blobs.clear()
        assert (await client.get(link)).status_code == 404

    visit(busy, "viewer", scenario)


def test_the_plan_of_a_mixture_is_shown_before_it_is_built(busy):
    query = f"dataset=mail&version-0={seed.DATA}/versions/v1&weight-0=2&budget=1000&form_key=other"

    async def scenario(client: httpx.AsyncClient) -> None:
        page = (await client.get(f"/p/mail/mixtures?{query}")).text
        assert "14 records, 1,000 tokens" in page and "86 not sampled" in page
        form = page[page.index("do/build-mixture") :]
        assert 'name="weight-0" value="2"' in form and 'value="other"' not in form
        ((name, body),) = busy.posted
        assert name == f"{seed.DATA}/versions:plan"
        component = {"datasetVersion": f"{seed.DATA}/versions/v1", "weight": 2.0}
        assert body == {"components": [component], "budget": 1000}
        busy.plan = {"problem": "The components have too few tokens.", "maxBudget": "7000"}
        page = (await client.get(f"/p/mail/mixtures?{query}")).text
        assert "too few tokens" in page and "build-mixture" not in page

    visit(busy, "engineer", scenario)


def test_a_queue_shows_its_progress_and_agreement(busy):
    async def scenario(client: httpx.AsyncClient) -> None:
        page = (await client.get("/p/mail/queues/first")).text
        for shown in (
            "2 open, 1 in review, 40 done",
            "0.74",
            "4 of 5",
            "38: 0.81",
            "No more tasks are drawn",
        ):
            assert shown in page
        assert "queue=first" in (await client.get("/p/mail/labels")).text

    visit(busy, "operator", scenario)


def test_a_queue_is_worked_on_reviewed_and_an_answer_withdrawn(busy):
    async def scenario(client: httpx.AsyncClient) -> None:
        page = (await client.get("/p/mail/labels/review?queue=first")).text
        assert 'name="queue" value="first"' in page
        claim = next(body for name, body in reversed(busy.posted) if name.endswith("tasks:claim"))
        assert claim["queue"] == f"{seed.P}/queues/first"
        undo = (await client.get("/p/mail/labels/review?queue=first&last=t2")).text
        assert f'value="{seed.P}/tasks/t2"' in undo
        assert "data-undo" in undo
        review = (await client.get("/p/mail/labels/review?queue=first&to-review=yes")).text
        assert all(f'value="{decision}"' in review for decision in ("ACCEPT", "FIX", "SEND_BACK"))

    visit(busy, "annotator", scenario)


def test_plans_of_engines_runs_and_evaluations_are_shown(busy):
    async def scenario(client: httpx.AsyncClient) -> None:
        shown = {
            "kind=serving&requests=10000": ("120 engines, 8 gateways", "Networks are not covered."),
            "kind=training&layers=12": ("It does not fit", "recipe.batch_size=8", "C, CPU"),
            "kind=evaluation&records=500": ("0.15", "EUR", "Measured in 2 earlier runs."),
        }
        for query, texts in shown.items():
            page = (await client.get(f"/p/mail/plans?{query}")).text
            assert [text for text in texts if text not in page] == []

    visit(busy, "viewer", scenario)
