# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Models of evaluation."""

from ratoon.client._generated.common_types import Failure, Progress, TaskSpec
from ratoon.client._models import Int64, Message, OpenEnum, Timestamp


class EvaluationRunState(OpenEnum):
    """State of an evaluation run."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    QUEUED = "STATE_QUEUED"
    """Waiting to start."""

    RUNNING = "STATE_RUNNING"
    """The work is in progress."""

    SUCCEEDED = "STATE_SUCCEEDED"
    """The run completed; `verdict` holds the decision of the gate."""

    FAILED = "STATE_FAILED"
    """The work ended with an error; `failure` holds the reason."""

    CANCELLING = "STATE_CANCELLING"
    """Cancellation was requested; the work is stopping."""

    CANCELLED = "STATE_CANCELLED"
    """Cancelled before the work completed."""


class Domain(Message):
    """Population that the model must serve, represented by the sealed test part of a split."""

    name: str = ""
    """Name of the domain: `new`, `old`, …."""

    split: str = ""
    """Resource name of the split: `projects/{project}/datasets/{dataset}/splits/{split}`."""


class GateRuleKind(OpenEnum):
    """Kind of a gate rule."""

    UNSPECIFIED = "KIND_UNSPECIFIED"
    """Not set."""

    BEATS_MAJORITY = "KIND_BEATS_MAJORITY"
    """The lower bound of the macro-F1 is above the macro-F1 of the majority class."""

    BETTER = "KIND_BETTER"
    """Paired bootstrap of the macro-F1 against the reference: the candidate must be better.

    The usual threshold is 0.
    """

    NOT_WORSE = "KIND_NOT_WORSE"
    """Same comparison as BETTER with a threshold below 0: a small loss is accepted."""

    NEAR_BASELINE = "KIND_NEAR_BASELINE"
    """The measured macro-F1 minus that of the best baseline (TF-IDF on words or on characters, fitted on
    the training part) is at least `threshold`, for example -0.02.

    The measured difference decides, not its lower bound.
    """

    MIN_VALUE = "KIND_MIN_VALUE"
    """The lower bound of `metric` is at least `threshold`."""

    MAX_VALUE = "KIND_MAX_VALUE"
    """The upper bound of `metric` is at most `threshold`."""


class GateRule(Message):
    """One condition of the gate. A value that was not measured fails the rule."""

    kind: GateRuleKind = GateRuleKind.UNSPECIFIED
    """Kind of the rule. An unset kind is refused."""

    domain: str = ""
    """Name of the domain to which the rule applies."""

    threshold: float = 0.0
    """Threshold in macro-F1, from -1 to 1.

    For BETTER and NOT_WORSE, the lower bound of the difference in macro-F1 must be above it. For
    BEATS_MAJORITY, it is added to the macro-F1 of the majority class. For NEAR_BASELINE, it is the lowest
    accepted difference. For MIN_VALUE and MAX_VALUE, it is a value of `metric`.
    """

    metric: str = ""
    """Name of the metric of MIN_VALUE and MAX_VALUE: `macro_f1`, `accuracy` or `auc`.

    Other kinds compare the macro-F1 and take no name.
    """


class Estimate(Message):
    """Measured value with its 95 % confidence interval."""

    value: float = 0.0
    """Measured value."""

    lower: float = 0.0
    """Lower bound of the interval."""

    upper: float = 0.0
    """Upper bound of the interval."""


class ScoresClassScore(Message):
    """Scores of one label."""

    label: str = ""
    """The label."""

    precision: float = 0.0
    """Share of the answers with this label that are correct, from 0 to 1."""

    recall: float = 0.0
    """Share of the records with this label that are answered correctly, from 0 to 1."""

    f1: float = 0.0
    """Harmonic mean of precision and recall."""

    support: Int64 = 0
    """Number of records with this label."""


class Scores(Message):
    """Scores of one model or baseline on one domain."""

    accuracy: Estimate | None = None
    """Share of correct answers, from 0 to 1."""

    macro_f1: Estimate | None = None
    """F1 score averaged over the labels, from 0 to 1."""

    auc: Estimate | None = None
    """Area under the ROC curve. Not set: not measured."""

    perplexity: float = 0.0
    """Perplexity on the tokens of the texts, special tokens excluded.

    0: not measured; baselines have none.
    """

    classes: list[ScoresClassScore] = []
    """Scores of each label."""

    record_count: Int64 = 0
    """Number of scored records."""

    other_count: Int64 = 0
    """Number of answers that are none of the labels."""

    classes_without_records: list[str] = []
    """Labels of which the test part has no record. They are excluded from all macro averages."""


class SliceResult(Message):
    """Scores on one slice: the records that share a language, a length range or an attribute value."""

    slice: str = ""
    """The slice: `language=en`, `chars=200-499`, `html=yes`, …."""

    record_count: Int64 = 0
    """Number of records in the slice."""

    macro_f1: Estimate | None = None
    """F1 score averaged over the labels that occur in the slice."""

    accuracy: float = 0.0
    """Share of correct answers, from 0 to 1."""


class DomainResultBaseline(Message):
    """Scores of one baseline."""

    name: str = ""
    """Name of the baseline."""

    scores: Scores | None = None
    """Scores of the baseline."""


class DomainResult(Message):
    """Results on one domain."""

    domain: str = ""
    """Name of the domain."""

    candidate: Scores | None = None
    """Scores of the candidate."""

    reference: Scores | None = None
    """Scores of the reference. Not set: there is no reference."""

    majority: Scores | None = None
    """Scores of the baseline that always answers the most frequent label of the training part."""

    tfidf: Scores | None = None
    """Scores of the baseline by logistic regression on TF-IDF weights of words."""

    difference: Estimate | None = None
    """Macro-F1 of the candidate minus that of the reference, by paired bootstrap.

    Not set: there is no reference.
    """

    slices: list[SliceResult] = []
    """Scores of the candidate by slice."""

    predictions_digest: str = ""
    """Digest of the predictions of the candidate (a Parquet blob)."""

    wrong_answers_digest: str = ""
    """Digest of the wrong answers of the candidate (a Parquet blob)."""

    wrong_answer_count: Int64 = 0
    """Number of wrong answers of the candidate."""

    baselines: list[DomainResultBaseline] = []
    """All baselines that were fitted on the training part: `majority`, `tfidf` (words), `tfidf_chars`
    (characters).
    """

    best_baseline: str = ""
    """Name of the baseline with the best score on held-out records of the training part.

    Empty: no baseline was fitted.
    """

    baseline_difference: Estimate | None = None
    """Macro-F1 of the candidate minus that of `best_baseline`, by paired bootstrap."""


class VerdictRuleResult(Message):
    """Result of one rule."""

    rule: GateRule | None = None
    """The rule."""

    passed: bool = False
    """True if the rule holds."""

    reason: str = ""
    """Explanation with the measured values."""

    measured: Estimate | None = None
    """Measured value. Not set: it was not measured, which fails the rule."""


class Verdict(Message):
    """Decision of the gate and its reasons."""

    passed: bool = False
    """True if all rules hold."""

    rules: list[VerdictRuleResult] = []
    """Results, one for each rule."""

    summary: str = ""
    """Summary with the measured values, in one sentence."""


class EvaluationRun(Message):
    """Scores of a model artifact and of baselines on test parts, and the verdict of a gate on these
    scores.
    """

    name: str = ""
    """Resource name: `projects/{project}/evaluationRuns/{evaluation_run}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    state: EvaluationRunState = EvaluationRunState.UNSPECIFIED
    """Current state."""

    candidate_digest: str = ""
    """Digest of the model artifact to evaluate. Required."""

    reference_digest: str = ""
    """Digest of the model artifact in production. Empty: there is none."""

    domains: list[Domain] = []
    """Domains to score. At least one is required; their names must be unique."""

    labels: list[str] = []
    """The same as `task.classify.labels`.

    At least two are required; empty or repeated labels are refused.
    """

    gate: list[GateRule] = []
    """Rules of the gate.

    A rule of an unknown domain is refused. The candidate passes if all rules hold; a gate without rules
    does not pass.
    """

    seed: Int64 = 0
    """Seed of the resampling that computes the confidence intervals."""

    progress: Progress | None = None
    """Progress of the work."""

    failure: Failure | None = None
    """Why the work failed. Set in the state FAILED only."""

    results: list[DomainResult] = []
    """Results, one for each domain. Set in the state SUCCEEDED."""

    verdict: Verdict | None = None
    """Verdict of the gate. Set in the state SUCCEEDED."""

    report_html_digest: str = ""
    """Digest of the report as an HTML page (a blob). Empty until the run has succeeded."""

    report_json_digest: str = ""
    """Digest of the report as JSON (a blob). Empty until the run has succeeded."""

    task: TaskSpec | None = None
    """What the model is for.

    A request may give `labels` instead. Kinds other than `classify` are not supported yet.
    """


class BadCase(Message):
    """One wrong answer of the candidate."""

    record_id: str = ""
    """ID of the record."""

    domain: str = ""
    """Name of the domain."""

    label: str = ""
    """Correct label."""

    predicted: str = ""
    """Label that the candidate answered."""

    text: str = ""
    """Text of the record; only the first 20,000 characters of a longer one.

    Empty if the record was erased since the evaluation.
    """
