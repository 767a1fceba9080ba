"""Drift of the values of an attribute over real sockets: from captured metadata of requests to a report."""

import json
from datetime import UTC, datetime
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import project_pb2
from ratoon.ingestion.v1 import split_pb2
from ratoon.registry.v1 import model_version_pb2
from ratoon.storage.names import uuid7
from ratoon.testkit.waiting import until

PARENT = "projects/mail"
ATTRIBUTES = pa.map_(pa.string(), pa.string())


@pytest.fixture
def observed():
    return {"drift_slices": "tenant, region"}


@pytest.fixture
def served(env):
    """A project for numbers whose version was trained on old texts of two tenants."""
    attributes = [[("tenant", "acme" if n % 2 else "umbrella")] for n in range(440)]
    columns = {
        "text": pa.array([env.text("old") for _ in attributes]),
        "label": pa.array([str(n % 10) for n in range(440)]),
        "attributes": pa.array(attributes, ATTRIBUTES),
    }
    sink = BytesIO()
    pq.write_table(pa.table(columns), sink)
    project = project_pb2.Project()
    project.task.regress.SetInParent()
    env.flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=project))
    split = f"{PARENT}/datasets/mail/splits/first"
    digest = env.peers.artifacts.put_bytes(sink.getvalue())
    done = split_pb2.Split(name=split, state=split_pb2.Split.STATE_READY, train_digest=digest)
    version = model_version_pb2.ModelVersion(name=env.version, artifact_digest="c" * 64)
    version.lineage.split = split
    env.peers.resources[split], env.peers.resources[env.version] = done, version
    return env


def announce(env, texts: list[tuple[str, str]], answer: str) -> None:
    segment, began = f"{PARENT}/trafficSegments/{uuid7()}", datetime.now(UTC)
    rows = [
        {
            "answer_id": env.answer_id(env.version, segment),
            "time": began.isoformat(),
            "deployment": f"{PARENT}/deployments/mail",
            "version": env.version,
            "messages": [{"role": "user", "content": text}],
            "answer": answer,
            "status": 200,
            "metadata": {"tenant": tenant},
        }
        for tenant, text in texts
    ]
    env.announce(segment, [json.dumps(row).encode() + b"\n" for row in rows], began)


def newest(env):
    request = pb.ListDriftReportsRequest(parent=PARENT)
    reports = env.flywheel.ListDriftReports(request).drift_reports
    return {(m.slice, m.feature): m for report in reports[-1:] for m in report.measures}


def test_one_tenant_drifts_and_the_other_does_not(served):
    texts = [(tenant, served.text(kind)) for tenant, kind in (("acme", "old"), ("umbrella", "new")) * 70]
    announce(served, texts, "4")
    measured = until(lambda: newest(served), seconds=60)
    assert not measured["tenant=acme", "tokens"].drifted
    assert (
        measured["tenant=umbrella", "tokens"].divergence > 3 * measured["tenant=umbrella", "tokens"].null_band
    )
    assert not measured["", "answer_status"].drifted
    announce(served, [("acme", served.text("old")) for _ in range(120)], "no number")
    until(lambda: newest(served)["", "answer_status"].drifted, seconds=60)
    assert ("tenant=(other)", "tokens") not in newest(served)
