"""Checks of a request that hold for every method."""

import math

import pytest
from google.protobuf import timestamp_pb2

from ratoon.evaluation.v1 import evaluation_run_pb2
from ratoon.evaluation.v1 import evaluation_service_pb2 as evaluation
from ratoon.flywheel.v1 import flywheel_service_pb2 as flywheel
from ratoon.flywheel.v1 import project_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as ingestion
from ratoon.ingestion.v1 import source_pb2
from ratoon.labeling.v1 import annotation_pb2
from ratoon.labeling.v1 import labeling_service_pb2 as labeling
from ratoon.process.errors import InvalidArgument, PermissionDenied
from ratoon.registry.v1 import model_version_pb2
from ratoon.registry.v1 import registry_service_pb2 as registry
from ratoon.runtime.requests import bounded_values, check_projects, check_values, complete_mask
from ratoon.security.identity import Principal, Role
from ratoon.serving.v1 import deployment_pb2, rollout_pb2
from ratoon.serving.v1 import serving_service_pb2 as serving

OTHER = Principal("projects/other/apiKeys/k", Role.OPERATOR, "other")
OPERATOR = Principal("projects/-/apiKeys/k", Role.OPERATOR)
SERVICE = Principal("flywheel", Role.SERVICE)


def deployment(model: str) -> serving.CreateDeploymentRequest:
    resource = deployment_pb2.Deployment(model=model)
    return serving.CreateDeploymentRequest(parent="projects/other", deployment=resource)


@pytest.mark.parametrize(
    "name",
    [
        "projects/tickets/models/m",
        "projects/tickets",
        "projects/Tickets/models/m",
        "PROJECTS/tickets/models/m",
        " projects/tickets/models/m\n",
        "/projects/tickets/models/m",
        "//ratoon.example/projects/tickets/models/m",
        "https://ratoon.example/v1/projects/tickets/models/m",
        "/v1/projects/tickets/models/m",
        "projects%2Ftickets%2Fmodels%2Fm",
        "projects%252Ftickets%252Fmodels%252Fm",
        "projects//tickets/models/m",
        "projects/-/models/m",
        "projects/other2/models/m",
        "projects/othe/models/m",
    ],
)
def test_a_name_of_another_project_is_refused_however_it_is_written(name):
    with pytest.raises(PermissionDenied) as raised:
        check_projects(OTHER, deployment(name))
    assert raised.value.reason == "PROJECT_NOT_YOURS"


def test_names_of_the_callers_own_project_pass():
    check_projects(OTHER, deployment("projects/other/models/m"))


def test_a_repeated_message_is_looked_into():
    """An engineer who evaluates on the sealed test split of another project."""
    resource = evaluation_run_pb2.EvaluationRun(
        domains=[
            {"name": "own", "split": "projects/other/datasets/d/splits/s"},
            {"name": "steal", "split": "projects/tickets/datasets/d/splits/s"},
        ]
    )
    request = evaluation.CreateEvaluationRunRequest(parent="projects/other", evaluation_run=resource)
    with pytest.raises(PermissionDenied, match=r"evaluation_run\.domains\[1\]\.split"):
        check_projects(OTHER, request)


@pytest.mark.parametrize("principal", [OPERATOR, SERVICE])
def test_one_request_lies_in_one_project_whoever_asks(principal):
    check_projects(principal, deployment("projects/other/models/m"))
    with pytest.raises(InvalidArgument) as raised:
        check_projects(principal, deployment("projects/tickets/models/m"))
    assert (raised.value.reason, raised.value.field) == ("OTHER_PROJECT", "deployment.model")


def test_a_service_that_works_for_a_project_stays_inside_it():
    theirs = serving.GetDeploymentRequest(name="projects/tickets/deployments/d")
    check_projects(SERVICE, theirs)
    check_projects(SERVICE, theirs, acting="tickets")
    check_projects(SERVICE, flywheel.ListProjectsRequest(), acting="other")
    with pytest.raises(PermissionDenied, match="works for projects/other"):
        check_projects(SERVICE, theirs, acting="other")


def test_a_new_project_names_nothing_of_another_one():
    resource = project_pb2.Project(model="projects/tickets/models/m")
    with pytest.raises(InvalidArgument, match=r"project\.model"):
        check_projects(OPERATOR, flywheel.CreateProjectRequest(project_id="other", project=resource))


def test_reports_may_span_projects():
    reports = [{"deployment": "projects/a/deployments/d"}, {"deployment": "projects/b/deployments/d"}]
    check_projects(SERVICE, serving.ReportQualityRequest(reports=reports), spans=True)


def test_a_request_about_nothing_is_refused_to_a_key_of_a_project():
    with pytest.raises(PermissionDenied):
        check_projects(OTHER, flywheel.ListProjectsRequest())
    check_projects(OPERATOR, flywheel.ListProjectsRequest())


def test_a_sentence_that_begins_with_the_word_is_no_name():
    source = source_pb2.Source(license="projects/tickets may use it")
    check_projects(OTHER, ingestion.CreateSourceRequest(parent="projects/other", source=source))


def refused(request, reason: str = "BAD_VALUE") -> str:
    with pytest.raises(InvalidArgument) as raised:
        check_values(request)
    assert raised.value.reason == reason
    assert raised.value.field in str(raised.value)
    return raised.value.field


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_floats_must_be_numbers(value):
    version = model_version_pb2.ModelVersion(scores={"f1": value})
    assert refused(registry.CreateModelVersionRequest(model_version=version)) == 'model_version.scores["f1"]'
    bake = rollout_pb2.Rollout.Bake(max_latency_ratio=value)
    request = serving.CreateRolloutRequest(rollout=rollout_pb2.Rollout(bake=bake))
    assert refused(request) == "rollout.bake.max_latency_ratio"


def test_spans_of_time_end():
    assert refused(serving.InjectFaultRequest(name="projects/p/deployments/d", seconds=1e300)) == "seconds"


def test_enum_numbers_must_have_a_name():
    request = ingestion.CreateSourceRequest(source=source_pb2.Source(format=99))
    assert refused(request) == "source.format"
    assert refused(ingestion.OpenSplitRequest(part=-1)) == "part"


@pytest.mark.parametrize(
    ("seconds", "nanos"), [(10**15, 0), (-(10**12), 0), (0, -1), (0, 10**9), (2**63 - 1, 0)]
)
def test_times_must_be_possible(seconds, nanos):
    start = timestamp_pb2.Timestamp(seconds=seconds, nanos=nanos)
    assert refused(flywheel.CompareVersionsRequest(start_time=start)) == "start_time"


def test_texts_are_bounded():
    name = "x" * 1025
    project = flywheel.CreateProjectRequest(project=project_pb2.Project(display_name=name))
    assert refused(project, "TEXT_TOO_LONG") == "project.display_name"
    project.project.display_name = name[1:]
    check_values(project)
    scores = registry.CreateModelVersionRequest(
        model_version=model_version_pb2.ModelVersion(scores={name: 1.0})
    )
    assert refused(scores, "TEXT_TOO_LONG").startswith("model_version.scores[")


def test_a_field_that_is_declared_as_prose_is_long_and_names_no_resource():
    annotation = annotation_pb2.Annotation(label="projects/tickets/" + "x" * 65_000)
    request = labeling.CreateAnnotationRequest(parent="projects/other", annotation=annotation)
    check_values(request)
    check_projects(OTHER, request)
    annotation.label, annotation.record_id = "", "projects/tickets/" + "x" * 65
    with pytest.raises(PermissionDenied):
        check_projects(
            OTHER, labeling.CreateAnnotationRequest(parent="projects/other", annotation=annotation)
        )
    annotation.label = "x" * 262_145
    assert (
        refused(labeling.CreateAnnotationRequest(annotation=annotation), "TEXT_TOO_LONG")
        == "annotation.label"
    )


UPDATE_PROJECT = flywheel.DESCRIPTOR.services_by_name["FlywheelService"].methods_by_name["UpdateProject"]


def mask_of(*paths, **values) -> list[str]:
    change = project_pb2.Project(name="projects/p", etag="e", revision=3, **values)
    request = flywheel.UpdateProjectRequest(project=change, update_mask={"paths": paths})
    complete_mask(UPDATE_PROJECT, request)
    return list(request.update_mask.paths)


def test_an_update_without_a_mask_changes_what_it_carries():
    assert mask_of(labels=["a", "b"]) == ["labels"]
    assert mask_of(training={"epochs": 2}, require_approval=True) == ["training.epochs", "require_approval"]
    assert mask_of(labels=["a"], model="projects/p/models/m") == ["labels"]


def test_a_mask_that_is_given_stays_as_it_is():
    assert mask_of("instructions", labels=["a", "b"]) == ["instructions"]


@pytest.mark.parametrize(
    "path",
    ["gate.strange", "training.lora.strange", "display_name.strange", "metric_gates.metric", "strange.gate"],
)
def test_a_mask_names_no_part_that_does_not_exist(path):
    with pytest.raises(InvalidArgument, match="there is no such field") as raised:
        mask_of("labels", path, labels=["a", "b"])
    assert (raised.value.reason, raised.value.field) == ("UNKNOWN_FIELD", "update_mask")


def test_a_mask_names_parts_at_any_depth_and_keys_of_maps():
    paths = ["gate.old_domain_threshold", "training.lora.alpha", "data_requirements.min_completeness.year"]
    assert mask_of(*paths) == paths


def test_an_update_of_nothing_is_refused():
    with pytest.raises(InvalidArgument, match=r"labels.*gate\.\*") as raised:
        mask_of()
    assert raised.value.reason == "NOTHING_TO_CHANGE"


def test_a_key_of_a_project_creates_no_other_project():
    resource = project_pb2.Project(name="projects/other", labels=["a", "b"])
    with pytest.raises(PermissionDenied, match="project_id"):
        check_projects(OTHER, flywheel.CreateProjectRequest(project_id="squatted", project=resource))


def test_a_request_of_endless_values_is_refused_early():
    request = flywheel.CreateProjectRequest(project=project_pb2.Project(labels=["a"] * 300_000))
    with pytest.raises(InvalidArgument, match="200,000") as raised:
        bounded_values(request)
    assert raised.value.reason == "TOO_MANY_VALUES"


def test_what_databases_hold_in_columns_is_short_and_has_no_nul():
    """PostgreSQL takes neither: it would be an internal error there, and nowhere else."""
    assert refused(flywheel.CreateProjectRequest(request_id="r" * 257), "TEXT_TOO_LONG") == "request_id"
    assert refused(flywheel.CreateProjectRequest(request_id="r\0")) == "request_id"
    assert refused(ingestion.GetRecordRequest(record_id="\0")) == "record_id"
    check_values(flywheel.CreateProjectRequest(request_id="r" * 256))


@pytest.mark.parametrize("words", ["projects/apollo", "https://forge.example/projects/apollo"])
def test_a_persons_words_are_no_names(words):
    resource = project_pb2.Project(instructions=words)
    request = flywheel.CreateProjectRequest(project=resource, project_id="other")
    check_projects(OPERATOR, request)
    source = source_pb2.Source(license=f"{words}/LICENSE")
    check_projects(OTHER, ingestion.CreateSourceRequest(parent="projects/other", source=source))
