"""`ratoon VERB RESOURCE`: what is sent for options and files, what is printed, what is refused."""

import json

import pytest
import typer
import yaml
from typer.testing import CliRunner

from ratoon.cli import app
from ratoon.cli.names import plural
from ratoon.cli.root import GLOBAL_OPTIONS
from ratoon.cli.verbs import STANDARD, methods_of, verbs
from ratoon.client.schema import METHODS, Method

from .conftest import problem, watch

RUN = "projects/p/trainingRuns/r"


@pytest.mark.parametrize("method", METHODS, ids=lambda each: each.rpc)
def test_every_method_of_the_api_is_a_command_with_examples(method: Method):
    verb = method.name.replace("_", "-")
    shown = CliRunner().invoke(app, [verb, plural(method.resource), "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert f"ratoon {verb} {plural(method.resource)}" in shown.output.partition("Examples:")[2]
    assert "[/" not in shown.output


@pytest.mark.parametrize("method", METHODS, ids=lambda each: each.rpc)
def test_no_field_has_the_option_of_another_one(method: Method):
    command = typer.main.get_command(app).commands[method.name.replace("_", "-")]
    parameters = command.get_command(
        command.make_context("x", [], resilient_parsing=True), plural(method.resource)
    ).params
    options = [name for each in parameters for name in (*each.opts, *each.secondary_opts)]
    assert len(options) == len(set(options))
    assert not set(options) & set(GLOBAL_OPTIONS)


def test_every_resource_has_its_standard_verbs():
    assert set(verbs()) >= set(STANDARD)
    assert "training_runs" in methods_of("watch") and "datasets" not in methods_of("update")


@pytest.mark.parametrize(
    "word", ["training-runs", "training-run", "trainingRuns", "training_runs", "runs", "run"]
)
def test_a_resource_has_the_usual_spellings(ratoon, server, word):
    assert ratoon("get", word, "r")[0] == 0
    assert server.requests[0].url.path == f"/v1/{RUN}"


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["get", "dataset-versions", "v1"], "projects/p/datasets/p/versions/v1"),
        (["get", "dataset-versions", "mails/v1"], "projects/p/datasets/mails/versions/v1"),
        (["get", "dataset-versions", "v1", "--in", "mails"], "projects/p/datasets/mails/versions/v1"),
        (["get", "dataset-versions", "datasets/mails/versions/v1"], "projects/p/datasets/mails/versions/v1"),
        (
            ["get", "dataset-versions", "projects/q/datasets/m/versions/v1"],
            "projects/q/datasets/m/versions/v1",
        ),
        (["get", "projects", "q"], "projects/q"),
        (["get", "safety-filter"], "projects/p/safetyFilter"),
        (["list", "engines"], "projects/p/deployments/p/engines"),
        (["list", "engines", "--in", "mails"], "projects/p/deployments/mails/engines"),
        (["list", "rejections", "--in", "mails/v1"], "projects/p/datasets/mails/versions/v1/rejections"),
        (["lineage", "records", "0" * 64], f"projects/p/records/{'0' * 64}:lineage"),
        (["summarize", "tasks"], "projects/p/tasks:summarize"),
    ],
)
def test_names_are_completed_with_the_project_and_the_parent(ratoon, server, arguments, path):
    status, _, errors = ratoon(*arguments)
    assert status == 0, errors
    assert server.requests[0].url.path == f"/v1/{path}"


@pytest.mark.parametrize("name", ["a/b/c/d", "projects/p/models/m/versions/v1", "projects/q", "a:b"])
def test_a_name_of_another_form_is_refused(ratoon, server, name):
    status, _, errors = ratoon("get", "dataset-versions", name)
    assert status == 2
    assert "must look like projects/*/datasets/*/versions/*" in errors
    assert not server.requests


@pytest.mark.parametrize(
    "arguments",
    [
        ["get", "datasets", ""],
        ["delete", "projects", "", "--yes"],
        ["delete", "datasets", "mails", "", "--yes"],
        ["update", "projects", "", "--display-name", "x"],
        ["create", "datasets", ""],
        ["create", "datasets", "--file", ""],
        ["list", "engines", "--in", ""],
        ["projects", "create", "", "--labels", "a,b"],
        ["projects", "delete", "", "--yes"],
        ["rollouts", "abort", ""],
        ["datasets", "versions", ""],
        ["datasets", "import", "", "--yes"],
        ["datasets", "erase", "", "--reason", "r", "--yes"],
        ["keys", "delete", ""],
        ["feedback", "compare", "v1.1", ""],
    ],
)
def test_an_empty_name_is_refused_and_never_the_default(ratoon, server, arguments):
    status, _, errors = ratoon(*arguments)
    assert status == 2
    assert "The value is empty." in errors or "'' does not exist" in errors
    assert not server.requests


@pytest.mark.parametrize("name", ["..", ".", "projects/p/datasets/..", "\udcff"])
def test_a_relative_name_never_addresses_another_resource(ratoon, server, name):
    status, _, errors = ratoon("delete", "datasets", name, "--yes")
    assert status == 2
    assert "must look like 'projects/*/datasets/*'" in errors
    assert not server.requests


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_a_number_that_json_cannot_hold_is_refused(ratoon, server, number):
    status, _, errors = ratoon("create", "policies", "a", f"--drift-threshold={number}")
    assert status == 2
    assert "--drift-threshold must be a finite number" in errors
    assert not server.sent()


@pytest.mark.parametrize(
    ("read", "written", "is_unchanged"),
    [
        ({"seed": "0", "layers": 2, "method": ""}, "{seed: 0, layers: 2}", True),
        ({"seed": "7"}, "{seed: 7, layers: 0}", True),
        ({}, "{seed: 0}", True),
        ({"seed": "7"}, "{seed: 0}", False),
        ({"layers": 2}, "{layers: 3}", False),
        ({"seed": "7"}, "{}", False),
    ],
)
def test_a_file_that_changes_nothing_sends_nothing(ratoon, server, tmp_path, read, written, is_unchanged):
    server.answers["GET", "projects/q"] = {"name": "projects/q", "etag": "e2", "training": read}
    (tmp_path / "q.yaml").write_text(f"name: q\netag: e1\ntraining: {written}\n")
    status, _, errors = ratoon("update", "projects", "-f", str(tmp_path / "q.yaml"))
    assert status == 0, errors
    assert bool(server.sent()) is not is_unchanged
    assert ("projects/q is unchanged." in errors) is is_unchanged


def test_nothing_is_listed_if_all_documents_are_refused(ratoon, server, tmp_path):
    server.answers["POST", "projects/p/datasets"] = problem(409, "DATASET_EXISTS", "It exists already.")
    (tmp_path / "datasets.yaml").write_text("name: a\n---\nname: b\n")
    status, _, errors = ratoon("create", "datasets", "-f", str(tmp_path / "datasets.yaml"))
    assert (status, "No items." in errors, "Created 0 of 2." in errors) == (5, False, True)


def test_a_value_with_line_breaks_stays_in_its_row(ratoon, server):
    server.listing(
        "projects/p/datasets", "datasets", [{"name": "projects/p/datasets/d", "displayName": "a\nb"}]
    )
    assert "a b" in ratoon("list", "datasets")[1]


def test_a_create_sends_its_options(ratoon, server):
    status, printed, errors = ratoon(
        *("create", "sources", "mails", "--format", "text-archive", "--digest", "0" * 64),
        *("--labels-by-folder", "spam=Spam", "--labels-by-folder", "ham=Ham"),
        *("--columns", "{text: body, attributes: [sender]}", "--request-id", "once", "-o", "name"),
    )
    assert status == 0, errors
    assert printed == "projects/p/sources\n"
    assert server.requests[0].url.params["requestId"] == "once"
    assert server.sent() == [
        (
            "POST",
            "projects/p/sources",
            {"sourceId": "mails"},
            {
                "format": "FORMAT_TEXT_ARCHIVE",
                "digest": "0" * 64,
                "labelsByFolder": {"spam": "Spam", "ham": "Ham"},
                "columns": {"text": "body", "attributes": ["sender"]},
            },
        )
    ]


def test_a_file_is_created_and_options_take_precedence(ratoon, server, tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text("# a comment\nminAnswers: 300\ndry_run: true\ndriftThreshold: 1e-1\n")
    status, _, errors = ratoon("create", "policies", "default", "-f", str(file), "--no-dry-run")
    assert status == 0, errors
    assert server.sent() == [
        (
            "POST",
            "projects/p/policies",
            {"policyId": "default"},
            {"minAnswers": 300, "dryRun": False, "driftThreshold": 0.1},
        )
    ]


def test_a_resource_that_was_read_can_be_created_again(ratoon, server, tmp_path):
    server.answers["GET", "projects/p/policies/a"] = {
        "name": "projects/p/policies/a",
        "revision": "4",
        "createTime": "2026-01-01T00:00:00Z",
        "minAnswers": 300,
        "lastDecision": "none",
        "etag": "e1",
    }
    for form in ("yaml", "json"):
        _, printed, _ = ratoon("get", "policies", "a", "-o", form)
        (tmp_path / f"policy.{form}").write_text(printed)
        status, _, errors = ratoon("create", "policies", "-f", str(tmp_path / f"policy.{form}"))
        assert status == 0, errors
        assert "skipped lastDecision, which are set by the server" in errors
        assert server.sent()[-1] == ("POST", "projects/p/policies", {"policyId": "a"}, {"minAnswers": 300})


def test_several_documents_are_created_one_after_the_other(ratoon, server, tmp_path):
    file = tmp_path / "datasets.yaml"
    file.write_text("name: a\n---\nname: b\ndisplayName: B\n---\nname: c\n")
    exists = problem(409, "DATASET_EXISTS", "projects/p/datasets/a exists already.")
    answers = {"a": exists}
    server.answers["POST", "projects/p/datasets"] = lambda request: answers.get(
        request.url.params["datasetId"], {"name": f"projects/p/datasets/{request.url.params['datasetId']}"}
    )
    status, printed, errors = ratoon("create", "datasets", "-f", str(file), "-o", "name")
    assert status == 5
    assert printed.split() == ["projects/p/datasets/b", "projects/p/datasets/c"]
    assert "datasets.yaml:1: projects/p/datasets/a exists already." in errors
    assert "Created 2 of 3." in errors


@pytest.mark.parametrize("option", ["--display-name=x", "--request-id=y"])
def test_options_do_not_go_with_several_documents(ratoon, server, tmp_path, option):
    file = tmp_path / "datasets.json"
    file.write_text('[{"name": "a"}, {"name": "b"}]')
    status, _, errors = ratoon("create", "datasets", "-f", str(file), option)
    assert (status, server.requests) == (2, [])
    assert "holds 2 documents" in errors


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "format: csv\nlicence: MIT\n",
            "source.yaml:2: Source has no field licence. Did you mean 'license'?",
        ),
        ("digest: 12\n", 'source.yaml:1: digest must be a string; it is a number. Write it in quotes: "12".'),
        ("license: no\n", 'license must be a string; it is true or false. Write it in quotes: "no".'),
        ("format: [csv]\n", "source.yaml:1: format must be one of"),
        ("format: cvs\n", "format is one of mail-archive"),
        ("format: cvs\n", "Did you mean 'csv'?"),
        ("columns: text\n", "columns must be an object with fields of SourceColumns; it is a string."),
        (
            "columns:\n  texts: a\n",
            "source.yaml:2: SourceColumns has no field columns.texts. Did you mean 'text'?",
        ),
        ("columns:\n  attributes: a\n", "columns.attributes must be a list; it is a string."),
        ("labelsByFolder:\n  a: 1\n", "labelsByFolder[a] must be a string; it is a number."),
        ("digest: a\ndigest: b\n", "source.yaml:2: digest is set twice."),
        (
            "digest: &x a\nlicense: *x\n",
            "source.yaml is not YAML: anchors and aliases are not supported at line 2",
        ),
        ("digest: 'a\n", "is not YAML"),
        ("? [a]\n: b\n", "source.yaml:1: a field of Source has a name; it is a list."),
        ("[" * 5000, "it is nested too deeply"),
        ("digest: !!binary aGk=\n", "digest must be a string; it is of another type."),
        ("- 1\n", "A document must be an object with fields of Source; it is a number."),
        ("", "contains no document"),
        ("# nothing\n", "contains no document"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_line(ratoon, server, tmp_path, text, sentence):
    file = tmp_path / "source.yaml"
    file.write_text(text)
    status, _, errors = ratoon("create", "sources", "-f", str(file))
    assert (status, server.requests) == (2, [])
    assert sentence in errors


def test_the_second_document_is_checked_before_the_first_is_sent(ratoon, server, tmp_path):
    file = tmp_path / "datasets.yaml"
    file.write_text("name: a\n---\nname: b\ndisplayname: B\n")
    status, _, errors = ratoon("create", "datasets", "-f", str(file))
    assert (status, server.requests) == (2, [])
    assert "datasets.yaml:4: Dataset has no field displayname. Did you mean 'displayName'?" in errors


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"name": "a",\n}', "is not JSON"),
        (b"\xff\xfe", "is not UTF-8"),
        (b'{"name":\t"a"}', ""),
    ],
)
def test_a_json_file_is_json(ratoon, tmp_path, content, sentence):
    file = tmp_path / "dataset.json"
    file.write_bytes(content)
    status, _, errors = ratoon("create", "datasets", "-f", str(file))
    assert status == (2 if sentence else 0), errors
    assert sentence in errors


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["create", "sources", "--format", "cvs"], "Did you mean 'csv'?"),
        (["create", "sources", "--columns", "{texts: a}"], "SourceColumns has no field columns.texts."),
        (["create", "sources", "--labels-by-folder", "a"], "takes KEY=VALUE"),
        (["create", "policies", "--min-answers", "many"], "--min-answers"),
        (["create", "policies", "--drift-threshold", "high"], "--drift-threshold"),
        (["create", "rollouts", "--shares", "half"], "--shares must be a whole number; it is 'half'."),
        (["create", "api-keys", "--expire-time", "soon"], "--expire-time must be a time"),
        (["create", "datasets", "-f", "missing.yaml"], "missing.yaml cannot be read"),
        (["create", "datasets", "--display-nam", "x"], "--display-nam"),
        (["get", "datasets"], "NAME"),
        (["get", "datsets", "x"], "Did you mean 'datasets'?"),
        (["update", "datasets", "x"], "datasets have no 'update'. They have: create, delete, get, list."),
        (["gte", "datasets", "x"], "Did you mean 'get'"),
        (["update", "policies", "default"], "Give at least one field to change: --drift-threshold"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_sent(ratoon, server, arguments, sentence):
    status, _, errors = ratoon(*arguments)
    assert (status, server.requests) == (2, [])
    assert sentence in errors


def test_an_update_sends_what_was_named_with_the_etag_that_was_read(ratoon, server):
    assert ratoon("update", "policies", "default", "--no-dry-run", "--min-answers", "5")[0] == 0
    assert server.sent() == [
        ("PATCH", "projects/p/policies/default", {}, {"dryRun": False, "minAnswers": 5, "etag": "e2"})
    ]


POLICY = {
    "name": "projects/p/policies/default",
    "etag": "e9",
    "revision": "7",
    "minAnswers": 300,
    "paused": True,
}


def test_an_update_from_a_file_sends_what_differs(ratoon, server, tmp_path):
    server.answers["GET", POLICY["name"]] = POLICY
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump({**POLICY, "revision": "3", "minAnswers": 301}))
    status, _, errors = ratoon("update", "policies", "default", "-f", str(file))
    assert status == 0, errors
    assert server.sent() == [("PATCH", POLICY["name"], {}, {"minAnswers": 301, "etag": "e9"})]


def test_an_update_without_a_difference_sends_nothing(ratoon, server, tmp_path):
    server.answers["GET", POLICY["name"]] = POLICY
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump(POLICY))
    status, _, errors = ratoon("update", "policies", "default", "-f", str(file))
    assert (status, server.sent()) == (0, [])
    assert "is unchanged" in errors


def test_the_etag_of_an_old_file_is_sent_and_its_refusal_is_a_conflict(ratoon, server, tmp_path):
    server.answers["GET", POLICY["name"]] = POLICY
    server.answers["PATCH", POLICY["name"]] = problem(
        409, "ETAG_MISMATCH", "It was changed; read it again.", "ABORTED"
    )
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump({**POLICY, "etag": "yesterday", "minAnswers": 301}))
    status, _, errors = ratoon("update", "policies", "default", "-f", str(file))
    assert status == 5
    assert "read it again" in errors
    assert server.sent()[0][3]["etag"] == "yesterday"


def test_a_field_that_cannot_be_changed_is_refused_with_its_line(ratoon, server, tmp_path):
    server.answers["GET", "projects/p/sources/s"] = {
        "name": "projects/p/sources/s",
        "digest": "a",
        "etag": "e",
    }
    file = tmp_path / "source.yaml"
    file.write_text("license: MIT\ndigest: b\n")
    status, _, errors = ratoon("update", "sources", "s", "-f", str(file))
    assert (status, server.sent()) == (2, [])
    assert "source.yaml:2: digest cannot be changed; it is 'a'." in errors


def test_several_documents_are_read_and_checked_before_the_first_update(ratoon, server, tmp_path):
    for name in ("a", "b", "c"):
        server.answers["GET", f"projects/p/policies/{name}"] = {
            **POLICY,
            "name": f"projects/p/policies/{name}",
        }
    file = tmp_path / "policies.yaml"
    file.write_text("name: a\nminAnswers: 1\n---\nname: b\nlastDecision: x\n---\nname: c\nminAnswers: 2\n")
    status, printed, errors = ratoon("update", "policies", "-f", str(file), "-o", "name")
    assert status == 0, errors
    assert [(name, body["minAnswers"]) for _, name, _, body in server.sent()] == [
        ("projects/p/policies/a", 1),
        ("projects/p/policies/c", 2),
    ]
    assert printed.split() == [f"projects/p/policies/{name}" for name in ("a", "b", "c")]
    server.requests.clear()
    server.answers["GET", "projects/p/policies/c"] = problem(404, "POLICY_NOT_FOUND", "There is no policy c.")
    assert ratoon("update", "policies", "-f", str(file))[0] == 3
    assert not server.sent()
    status, _, errors = ratoon("update", "policies", "a", "-f", str(file))
    assert (status, "holds 3 documents" in errors) == (2, True)


def test_the_file_and_the_command_line_name_one_resource(ratoon, server, tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text("name: projects/p/policies/a\nminAnswers: 1\n")
    status, _, errors = ratoon("update", "policies", "b", "-f", str(file))
    assert (status, "The file is of projects/p/policies/a" in errors) == (2, True), errors
    file.write_text("minAnswers: 1\n")
    status, _, errors = ratoon("update", "policies", "-f", str(file))
    assert (status, "Give the name of the policy" in errors) == (2, True), errors
    assert not server.requests


def test_a_field_of_the_request_may_stand_in_the_file(ratoon, server, tmp_path):
    file = tmp_path / "project.yaml"
    file.write_text("instructions: Which?\nallowLabelRemoval: true\n")
    assert ratoon("update", "projects", "p", "-f", str(file))[0] == 0
    assert server.sent() == [
        ("PATCH", "projects/p", {"allowLabelRemoval": "true"}, {"instructions": "Which?", "etag": "e2"})
    ]


def test_a_deletion_asks_for_confirmation_and_sends_the_etag(server):
    arguments = ["-p", "p", "delete", "guidelines", "g"]
    assert CliRunner().invoke(app, arguments, input="n\n").exit_code == 1
    assert not server.sent()
    done = CliRunner().invoke(app, [*arguments, "--yes"])
    assert done.exit_code == 0, done.output
    assert server.sent() == [("DELETE", "projects/p/guidelines/g", {"etag": "e2"}, {})]


def test_several_resources_are_deleted(ratoon, server, tmp_path):
    file = tmp_path / "guidelines.yaml"
    file.write_text("name: c\n---\nname: projects/p/guidelines/a\n")
    server.answers["DELETE", "projects/p/guidelines/b"] = problem(
        400, "IN_USE", "It is in use.", "FAILED_PRECONDITION"
    )
    status, _, errors = ratoon("delete", "guidelines", "a", "b", "-f", str(file), "--yes")
    assert status == 5
    assert [name for _, name, *_ in server.sent()] == [f"projects/p/guidelines/{each}" for each in "abc"]
    assert "projects/p/guidelines/b: It is in use." in errors
    assert "Deleted projects/p/guidelines/c." in errors


def test_nothing_is_deleted_if_one_of_them_does_not_exist(ratoon, server):
    server.answers["GET", "projects/p/guidelines/b"] = problem(404, "GUIDELINE_NOT_FOUND", "There is no b.")
    assert ratoon("delete", "guidelines", "a", "b", "--yes")[0] == 3
    assert ratoon("delete", "guidelines", "--yes")[0] == 2
    assert ratoon("delete", "guidelines", "a", "b", "--etag", "e", "--yes")[0] == 2
    assert not server.sent()


def test_a_missing_resource_may_be_deleted(ratoon, server):
    assert ratoon("delete", "datasets", "d", "--allow-missing", "--yes")[0] == 0
    assert [each.method for each in server.requests] == ["DELETE"]


def test_a_list_is_printed_in_each_format(ratoon, server):
    server.listing("projects/p/datasets", "datasets", [{"name": "projects/p/datasets/d", "displayName": "D"}])
    assert json.loads(ratoon("list", "datasets", "-o", "json")[1])[0]["displayName"] == "D"
    assert yaml.safe_load(ratoon("list", "datasets", "-o", "yaml")[1])[0]["displayName"] == "D"
    assert ratoon("list", "datasets", "-o", "name")[1] == "projects/p/datasets/d\n"
    assert "datasets/d" in ratoon("list", "datasets")[1]


def test_a_wide_table_has_all_short_values(ratoon, server):
    rows = [{"name": "projects/p/trainingRuns/r", "trainDigest": "abc", "etag": "e"}]
    server.listing("projects/p/trainingRuns", "trainingRuns", rows)
    assert "trainDigest" not in ratoon("list", "runs")[1]
    _, printed, _ = ratoon("list", "runs", "-o", "wide")
    assert "trainDigest" in printed and "abc" in printed and "etag" not in printed


def test_a_list_goes_page_by_page_on_request(ratoon, server):
    rows = [{"name": f"projects/p/datasets/d{n}"} for n in range(5)]
    server.listing("projects/p/datasets", "datasets", rows)
    _, printed, errors = ratoon("list", "datasets", "--page-size", "2", "-o", "name")
    assert printed.split() == ["projects/p/datasets/d0", "projects/p/datasets/d1"]
    assert "Next page: --page-token 2" in errors
    _, printed, _ = ratoon("list", "datasets", "--page-size", "2", "--page-token", "2", "-o", "name")
    assert printed.split() == ["projects/p/datasets/d2", "projects/p/datasets/d3"]
    _, printed, _ = ratoon("list", "datasets", "--limit", "2", "-o", "name")
    assert printed.split() == ["projects/p/datasets/d3", "projects/p/datasets/d4"]
    _, printed, _ = ratoon("list", "datasets", "--order-by", "create_time desc", "--limit", "1", "-o", "name")
    assert printed.split() == ["projects/p/datasets/d4"]


def test_a_list_without_an_order_shows_its_first_items(ratoon, server):
    rows = [{"recordId": f"r{n}"} for n in range(5)]
    server.listing("projects/p/datasets/d/versions/v1/records", "records", rows)
    _, printed, errors = ratoon("list", "records", "--in", "d/v1", "--limit", "2", "-o", "name")
    assert printed.split() == ["r0", "r1"]
    assert "Showing the first 2. For all of them: --limit 0" in errors
    assert len(ratoon("list", "records", "--in", "d/v1", "--limit", "0", "-o", "name")[1].split()) == 5


def test_a_filter_is_sent(ratoon, server):
    server.listing("projects/p/tasks", "tasks", [])
    status, _, errors = ratoon("list", "tasks", "--filter", "state = OPEN")
    assert (status, server.requests[0].url.params["filter"]) == (0, "state = OPEN")
    assert "No tasks in projects/p." in errors


@pytest.mark.parametrize(
    ("state", "expected"), [("STATE_SUCCEEDED", 0), ("STATE_FAILED", 1), ("STATE_CANCELLED", 1)]
)
@pytest.mark.parametrize("arguments", [["watch", "runs", "r"], ["get", "runs", "r", "--watch"]])
def test_a_watch_ends_with_the_final_state(ratoon, server, state, expected, arguments):
    final = {"name": RUN, "state": state, "failure": {"message": "out of memory"}}
    server.answers["GET", f"{RUN}:watch"] = watch({"name": RUN, "state": "STATE_RUNNING"}, final)
    status, printed, errors = ratoon(*arguments, "-o", "json")
    assert status == expected, errors
    assert json.loads(printed)["state"] == state
    assert ("out of memory" in errors) == (expected == 1)


def test_a_create_may_be_watched(ratoon, server):
    server.answers["POST", "projects/p/trainingRuns"] = {"name": RUN, "state": "STATE_QUEUED"}
    server.answers["GET", f"{RUN}:watch"] = watch({"name": RUN, "state": "STATE_SUCCEEDED"})
    status, printed, _ = ratoon("create", "runs", "r", "--watch", "-o", "json")
    assert (status, json.loads(printed)["state"]) == (0, "STATE_SUCCEEDED")


def test_methods_of_single_resources_are_verbs(ratoon, server):
    assert ratoon("approve", "pipeline-runs", "r", "--reason", "good")[0] == 0
    assert ratoon("set", "aliases", "stable", "--version", "v", "--reason", "r")[0] == 0
    assert ratoon("rotate", "keys", "k")[0] == 0
    assert [
        (name, {k: v for k, v in body.items() if k != "requestId"}) for _, name, _, body in server.sent()
    ] == [
        ("projects/p/pipelineRuns/r:approve", {"reason": "good"}),
        ("projects/p/models/p/aliases/stable:set", {"version": "v", "reason": "r"}),
        ("projects/p/apiKeys/k:rotate", {}),
    ]
