# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Models of evaluation."""

from ratoon.client._generated.common_types import Compute, Failure, GenerationDefaults, Progress, TaskSpec
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
    """The bound of the metric on the worse side is better than the value of the simplest baseline."""

    BETTER = "KIND_BETTER"
    """Paired bootstrap of the metric against the reference: the candidate must be better.

    The usual threshold is 0.
    """

    NOT_WORSE = "KIND_NOT_WORSE"
    """Same comparison as BETTER with a threshold below 0: a small loss is accepted."""

    NEAR_BASELINE = "KIND_NEAR_BASELINE"
    """The measured gain over `best_baseline` is at least `threshold`, for example -0.02.

    The measured gain decides, not its lower bound.
    """

    MIN_VALUE = "KIND_MIN_VALUE"
    """The lower bound of `metric` is at least `threshold`."""

    MAX_VALUE = "KIND_MAX_VALUE"
    """The upper bound of `metric` is at most `threshold`."""


class GateRule(Message):
    """One condition of the gate.

    A value that was not measured fails the rule. Of a metric whose lower values are better, such as
    `mae`, a gain is a decrease: the rules compare gains.
    """

    kind: GateRuleKind = GateRuleKind.UNSPECIFIED
    """Kind of the rule. An unset kind is refused."""

    domain: str = ""
    """Name of the domain to which the rule applies."""

    threshold: float = 0.0
    """Threshold, in units of the metric.

    For BETTER and NOT_WORSE, the lower bound of the gain must be above it. For BEATS_MAJORITY, it is the
    gain over the baseline that the bound must exceed. For NEAR_BASELINE, it is the lowest accepted gain.
    For MIN_VALUE and MAX_VALUE, it is a value of `metric`. Gains of metrics from 0 to 1 lie between -1
    and 1.
    """

    metric: str = ""
    """Name of the metric.

    Required for MIN_VALUE and MAX_VALUE. Empty: the metric of the run. A metric that cannot be compared
    or bounded is refused (`BAD_EVALUATION`). Metrics of the run's judges and human ratings can be
    bounded, and `rubric_score` and `human_rating` also be compared with those of the reference. MIN_VALUE
    and MAX_VALUE also bound suites: `suite:NAME.metric` is the mean over the tests of the suite NAME that
    have the metric, `suite:NAME/TEST.metric` one test; `domain` is empty then.
    """

    baseline: str = ""
    """Name of the baseline of BEATS_MAJORITY.

    Empty: the simplest one of the kind of task, `majority`, `nearest_reference` or `mean`. Other kinds of
    rules take none.
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


class AnswerCost(Message):
    """Time and price of answers, as the evaluation measured them."""

    core_seconds_per_million: float = 0.0
    """Processor time of a million answers, in seconds of one core."""

    device_seconds_per_million: float = 0.0
    """Time of the accelerator for a million answers, in seconds. 0: answered without one."""

    price_per_million: float | None = None
    """Price of a million answers in `currency`.

    Not set: the operator gave no rate of the device (`RATOON_EVALUATION_HOURLY_COSTS`).
    """

    currency: str = ""
    """Currency of the price, an ISO 4217 code. Empty: the operator gave none."""

    assumption: str = ""
    """How the price follows from the time, in one sentence."""


class Scores(Message):
    """Scores of one model or baseline on one domain.

    Fields other than `metrics`, the counts and `unmeasured` are set for a task `classify` only.
    """

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

    metrics: dict[str, Estimate] = {}
    """All metrics that were measured with an interval, by name: `macro_f1`, `rouge_l`, `mae`, …."""

    unanswered_count: Int64 = 0
    """Number of records whose answer is empty or no answer of the task: no label, no number, no JSON
    document.
    """

    too_long_count: Int64 = 0
    """Number of records whose prompt is too long for the model. They count as wrong."""

    unmeasured: dict[str, str] = {}
    """Why a metric has no value, as a sentence by the name of the metric."""

    cost: AnswerCost | None = None
    """Time and price of the answers. Not set: not measured."""


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

    metrics: dict[str, Estimate] = {}
    """All metrics that were measured on the slice, by name."""


class DomainResultBaseline(Message):
    """Scores of one baseline."""

    name: str = ""
    """Name of the baseline."""

    scores: Scores | None = None
    """Scores of the baseline."""


class JudgeResult(Message):
    """What one judge said about the answers to one test part."""

    judge: str = ""
    """Resource name of the judge."""

    verdict_count: Int64 = 0
    """Number of records with a verdict: of pairs, or of answers of the candidate."""

    unparsable_count: Int64 = 0
    """Number of pairs or answers without a verdict that can be read. They count in no metric."""

    failed_count: Int64 = 0
    """Number of pairs or answers for which the endpoint gave no reply. They count in no metric."""

    win_count: Int64 = 0
    """Number of pairs that the candidate wins."""

    loss_count: Int64 = 0
    """Number of pairs that the candidate loses."""

    tie_count: Int64 = 0
    """Number of ties, those of `inconsistent_count` and `identical_count` included."""

    inconsistent_count: Int64 = 0
    """Number of pairs whose verdict changed with the order of the answers. Each counts as a tie."""

    identical_count: Int64 = 0
    """Number of pairs with the same answer twice. They are ties, and the judge is not asked."""

    first_position_count: Int64 = 0
    """Number of pairs of which the first answer won in both orders."""

    second_position_count: Int64 = 0
    """Number of pairs of which the second answer won in both orders."""

    longer_win_rate: Estimate | None = None
    """Win rate among the pairs whose longer answer is the candidate's.

    Not set: there are too few.
    """

    longer_count: Int64 = 0
    """Number of these pairs."""

    shorter_win_rate: Estimate | None = None
    """Win rate among the pairs whose shorter answer is the candidate's.

    Not set: there are too few.
    """

    shorter_count: Int64 = 0
    """Number of these pairs."""

    verdicts_digest: str = ""
    """Digest of the verdicts (a Parquet blob), which holds no texts."""


class HumanResult(Message):
    """What people said about the answers to one test part."""

    pair_count: Int64 = 0
    """Number of records with a comparison of the two answers."""

    win_count: Int64 = 0
    """Number of records whose comparisons prefer the candidate."""

    loss_count: Int64 = 0
    """Number of records whose comparisons prefer the reference."""

    tie_count: Int64 = 0
    """Number of records whose comparisons prefer neither."""

    comparison_alpha: float | None = None
    """Krippendorff's alpha (nominal) of the comparisons.

    Not set: no record has two, or it is undefined.
    """

    candidate_rating_count: Int64 = 0
    """Number of rated answers of the candidate."""

    reference_rating_count: Int64 = 0
    """Number of rated answers of the reference."""

    rating_alpha: float | None = None
    """Krippendorff's alpha (ordinal) of the ratings, over all scales.

    Not set: no answer has two, or it is undefined.
    """


class DomainResult(Message):
    """Results on one domain."""

    domain: str = ""
    """Name of the domain."""

    candidate: Scores | None = None
    """Scores of the candidate."""

    reference: Scores | None = None
    """Scores of the reference. Not set: there is no reference."""

    majority: Scores | None = None
    """Scores of the baseline that always answers the most frequent label of the training part.

    Only with `classify`, as `tfidf`; `baselines` has those of every kind.
    """

    tfidf: Scores | None = None
    """Scores of the baseline by logistic regression on TF-IDF weights of words."""

    difference: Estimate | None = None
    """Primary metric of the candidate minus that of the reference, by paired bootstrap.

    Not set: there is no reference.
    """

    slices: list[SliceResult] = []
    """Scores of the candidate by slice."""

    predictions_digest: str = ""
    """Digest of the predictions of the candidate (a Parquet blob).

    Empty for callers below the role ENGINEER, as are the other digests of blobs that name records of a
    test part.
    """

    wrong_answers_digest: str = ""
    """Digest of the wrong answers of the candidate (a Parquet blob)."""

    wrong_answer_count: Int64 = 0
    """Number of wrong answers of the candidate."""

    baselines: list[DomainResultBaseline] = []
    """All baselines: `majority`, `tfidf` (words) and `tfidf_chars` (characters) of `classify`,
    `zero_shot`, `few_shot` and `nearest_reference` of `generate`, `mean` and `ridge_tfidf` of
    `regress`, and `classical`, the best classical model, of `classify` and `regress`.
    """

    best_baseline: str = ""
    """Name of the best baseline: of labels, on held-out records of the training part; else, by the
    primary metric on the test part.

    Empty: there is none.
    """

    baseline_difference: Estimate | None = None
    """Primary metric of the candidate minus that of `best_baseline`, by paired bootstrap."""

    differences: dict[str, Estimate] = {}
    """Metrics of the candidate minus those of the reference, by paired bootstrap, by name of the metric.

    Empty: there is no reference.
    """

    baseline_differences: dict[str, Estimate] = {}
    """Metrics of the candidate minus those of `best_baseline`, by paired bootstrap, by name of the
    metric.
    """

    judges: list[JudgeResult] = []
    """What the judges said, one entry a judge.

    Their metrics are in `candidate`, `reference` and `differences`.
    """

    human: HumanResult | None = None
    """What people said. Not set: the run takes in no human ratings."""

    bleu_tokenizer: str = ""
    """Tokenizer of BLEU, by sacrebleu's name: `zh` if some references contain Chinese characters, `char`
    if some contain another script without spaces, else `13a`.

    Empty: BLEU was not computed.
    """

    notes: list[str] = []
    """Sentences on a baseline that does better than the candidate, with the cost of a million answers of
    both.

    A bag of words beats a language model if the paired interval of their difference excludes 0.
    """


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


class GenerationSettingsEngine(OpenEnum):
    """Engine that generates answers."""

    UNSPECIFIED = "ENGINE_UNSPECIFIED"
    """Not set: transformers."""

    TRANSFORMERS = "ENGINE_TRANSFORMERS"
    """Transformers."""

    VLLM = "ENGINE_VLLM"
    """Offline batches of vLLM. The run fails where vLLM is not installed."""


class GenerationSettings(Message):
    """How answers are generated in an evaluation."""

    sampling: GenerationDefaults | None = None
    """Sampling of the answers.

    A field that is not set is that of the task. Where the task has none, decoding is greedy and an answer
    has at most 256 tokens.
    """

    seed: Int64 = 0
    """Seed of sampled answers. Greedy answers do not depend on it."""

    engine: GenerationSettingsEngine = GenerationSettingsEngine.UNSPECIFIED
    """Engine. Default: transformers."""


class SuiteTestKind(OpenEnum):
    """Kind of a test. It says what a test is for and changes no score."""

    UNSPECIFIED = "KIND_UNSPECIFIED"
    """Not set: a plain test."""

    ADVERSARIAL = "KIND_ADVERSARIAL"
    """Prompts written to mislead the model."""

    AMBIGUOUS = "KIND_AMBIGUOUS"
    """Prompts with more than one reading."""

    LONG_CONTEXT = "KIND_LONG_CONTEXT"
    """Long prompts."""

    NOISE = "KIND_NOISE"
    """Prompts with errors."""


class SuiteResultStepByStepResult(Message):
    """Scores of answers after reasoning step by step."""

    candidate: dict[str, Estimate] = {}
    """Metrics of the candidate with reasoning, by name.

    Those without are `TestResult.candidate`.
    """

    differences: dict[str, Estimate] = {}
    """Metrics with reasoning minus those without, by paired bootstrap, by name."""

    unmeasured: dict[str, str] = {}
    """Why a metric has no value, as a sentence by the name of the metric."""

    unanswered_count: Int64 = 0
    """Number of answers from which nothing could be extracted."""

    answers_digest: str = ""
    """Digest of the reasoning and the answers of the candidate (a Parquet blob)."""


class SuiteResultTestResult(Message):
    """Results of one test."""

    test: str = ""
    """Name of the test."""

    kind: SuiteTestKind = SuiteTestKind.UNSPECIFIED
    """Kind of the test."""

    difficulty: str = ""
    """Difficulty of the test."""

    metric: str = ""
    """Metric that sums the test up."""

    record_count: Int64 = 0
    """Number of scored records."""

    candidate: dict[str, Estimate] = {}
    """Metrics of the candidate, by name."""

    reference: dict[str, Estimate] = {}
    """Metrics of the reference, by name. Empty: there is no reference."""

    differences: dict[str, Estimate] = {}
    """Metrics of the candidate minus those of the reference, by paired bootstrap, by name."""

    unmeasured: dict[str, str] = {}
    """Why a metric has no value, as a sentence by the name of the metric.

    The empty name stands for the whole test.
    """

    answers_digest: str = ""
    """Digest of the answers of the candidate (a Parquet blob). Empty: the test has no value."""

    unanswered_count: Int64 = 0
    """Number of answers from which nothing could be extracted."""

    step_by_step: SuiteResultStepByStepResult | None = None
    """Scores of the candidate's answers after reasoning step by step.

    Not set: the test does not ask for it.
    """

    wrong_answers_digest: str = ""
    """Digest of the wrong answers of the candidate (a Parquet blob).

    Empty: the test has no value.
    """

    wrong_answer_count: Int64 = 0
    """Number of wrong answers of the candidate.

    Of a programming problem, each program that failed is one.
    """


class SuiteResult(Message):
    """Results of one suite."""

    suite: str = ""
    """Resource name of the suite."""

    suite_revision: Int64 = 0
    """`revision` of the suite that was applied."""

    tests: list[SuiteResultTestResult] = []
    """Results, one for each test."""

    metrics: dict[str, Estimate] = {}
    """Means of the candidate's metrics over the tests that have them, each test with the same weight, by
    name.
    """


class JudgeRequirements(Message):
    """What must be known of a judge before a rule of a gate may name one of its metrics."""

    min_pair_count: int | None = None
    """Number of pairs, or of rated answers, at least. Not set: 50."""

    min_kappa: float | None = None
    """Cohen's kappa at least, -1 to 1. Not set: 0.4."""


class HumanRatings(Message):
    """Human ratings of answers to the records of the test parts, from the tasks of labeling that are
    done when the run starts.

    They measure `human_win_rate` and `human_rating`.
    """

    candidate_origin: str = ""
    """Origin of the candidate's answers, as in `Task.origins`, for example the resource name of a model
    version.

    Empty: its digest, which `RequestRatings` uses.
    """

    reference_origin: str = ""
    """Origin of the reference's answers.

    Empty: its digest. Without a reference, the candidate alone is rated.
    """


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

    A task `classify` needs at least two; empty or repeated labels are refused.
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
    """What the model is for. A request may give `labels` instead."""

    metric: str = ""
    """Metric that decides between versions: rules that name no metric compare it.

    Default: that of the kind of task, `macro_f1`, `rouge_l` or `mae`.
    """

    generation: GenerationSettings | None = None
    """How answers are generated. Only with a task `generate`."""

    base_digest: str = ""
    """Digest of the base model of the candidate, for the baselines `zero_shot` and `few_shot`.

    Only with a task `generate`. Empty: these baselines are not scored.
    """

    few_shot: int | None = None
    """Number of records of the training part that the baseline `few_shot` shows before each prompt, at
    most 16.

    Not set: 3. 0: the baseline is not scored.
    """

    suites: list[str] = []
    """Suites to apply in addition to the domains: `projects/{project}/suites/{suite}` of the same
    project.

    The run keeps each suite as it was when the run was created.
    """

    suite_results: list[SuiteResult] = []
    """Results of the suites, in the order of `suites`. Set in the state SUCCEEDED."""

    compute: Compute | None = None
    """Device and number format in which the models answer.

    CUDA without an NVIDIA GPU (`ACCELERATOR_UNAVAILABLE`), other accelerators and more than one device
    (`COMPUTE_NOT_SUPPORTED`) are refused. Default: CPU, 32-bit floating point.
    """

    judges: list[str] = []
    """Judges of the answers, at most one of each kind: `projects/{project}/judges/{judge}` of the same
    project, in the state SUCCEEDED.

    Only with a task `generate`. A judge PAIRWISE needs a reference. It measures `judge_win_rate` and
    `judge_consistency`, a judge RUBRIC `rubric_score`.
    """

    judge_requirements: JudgeRequirements | None = None
    """What must be known of a judge before a rule names one of its metrics; else the run is refused
    (`JUDGE_NOT_TRUSTED`).

    Not set: the defaults.
    """

    human_ratings: HumanRatings | None = None
    """Human ratings to take in. Only with a task `generate`. Not set: none."""

    candidate_note: str = ""
    """Why this candidate is evaluated, as a sentence that the report shows.

    At most 2,000 characters.
    """


class EvaluationPlan(Message):
    """Time, memory and cost of an evaluation."""

    record_count: Int64 = 0
    """Number of records that each model answers."""

    answer_count: Int64 = 0
    """Number of answers of all models."""

    seconds: float = 0.0
    """Duration in seconds."""

    seconds_per_answer: float = 0.0
    """Seconds of an answer."""

    fixed_seconds: float = 0.0
    """Seconds of a run beside its answers: loading models, baselines, intervals, the report."""

    time_basis: str = ""
    """Origin of the duration, in one sentence."""

    memory_bytes: Int64 = 0
    """Memory of the process with one model, in bytes. 0: not planned."""

    memory_basis: str = ""
    """Origin of the memory, in one sentence."""

    cost: float | None = None
    """Cost. Not set: the operator gave no rate of the device (`RATOON_EVALUATION_HOURLY_COSTS`)."""

    currency: str = ""
    """Currency of the cost, an ISO 4217 code. Empty: the operator gave none."""


class BadCase(Message):
    """One wrong answer of the candidate."""

    record_id: str = ""
    """ID of the record.

    In tests of lm-evaluation-harness the number of the document from 0, and in programming problems the
    `task_id`.
    """

    domain: str = ""
    """Name of the domain. Empty: the answer is to a test of a suite."""

    label: str = ""
    """Right answer: the label, the reference or the number.

    Answers and texts are cut after 20,000 characters.
    """

    predicted: str = ""
    """Answer of the candidate."""

    text: str = ""
    """Text of the record; only the first 20,000 characters of a longer one.

    Empty if the record was erased since the evaluation.
    """

    references: list[str] = []
    """All right answers, if the record has several.

    Empty if the record was erased since the evaluation.
    """

    reference_predicted: str | None = None
    """Answer of the reference model. Not set: there is no reference model."""

    score: float | None = None
    """Primary metric of the candidate on this record, or the metric of the test.

    Not set: it has no value for one record.
    """

    suite: str = ""
    """Resource name of the suite. Empty: the answer is to a record of a domain."""

    test: str = ""
    """Name of the test of the suite."""

    outcome: str = ""
    """How the program of an answer ended, for example `failed: AssertionError`.

    Only for programming problems.
    """


class ExportBadCasesResponse(Message):
    """Response of `ExportBadCases`."""

    digest: str = ""
    """Digest of the blob.

    Each line has the fields `id`, `text`, `label` (the right answer), `example` (for conversations and
    several right answers), and the attributes `domain` (of a suite: `{suite}/{test}`) and `predicted`
    (the wrong answer, at most 1,000 characters).
    """

    record_count: Int64 = 0
    """Number of records. Records that were erased since the evaluation are left out."""


class RequestRatingsRequestWork(OpenEnum):
    """What people do with answers."""

    UNSPECIFIED = "WORK_UNSPECIFIED"
    """Not set. Refused."""

    COMPARE = "WORK_COMPARE"
    """Choose the better of the answers of candidate and reference."""

    RATE = "WORK_RATE"
    """Rate each answer from 1 to 5."""


class RequestRatingsResponse(Message):
    """Response of `RequestRatings`."""

    task_count: int = 0
    """Number of tasks. Their `origins` are the digests of the models."""

    left_out_count: int = 0
    """Number of records of the sample without a task: both answers are the same, an answer is empty,
    longer than 65,536 characters or none of the task, or the record was erased.
    """


class RecordsTestPerturbation(OpenEnum):
    """Kind of error."""

    UNSPECIFIED = "PERTURBATION_UNSPECIFIED"
    """Not set."""

    TYPOS = "PERTURBATION_TYPOS"
    """Letters are swapped, repeated, left out or replaced."""

    CASE = "PERTURBATION_CASE"
    """Letters change between upper and lower case."""

    WHITE_SPACE = "PERTURBATION_WHITE_SPACE"
    """White space is inserted, doubled or removed."""

    TRUNCATION = "PERTURBATION_TRUNCATION"
    """The end of the message is missing."""


class RecordsTestNoise(Message):
    """Errors in prompts. They depend on the seed and on the record alone."""

    perturbations: list[RecordsTestPerturbation] = []
    """Kinds of errors, applied in this order. At least one."""

    rate: float | None = None
    """Share of the characters to change, above 0 and at most 0.5; of TRUNCATION, the share that is cut
    from the end.

    Not set: 0.05.
    """

    seed: Int64 = 0
    """Seed."""


class RecordsTestStepByStep(Message):
    """Zero-shot reasoning: the model is asked with "Let's think step by step.", and then for the answer
    with its own reasoning and "Therefore, the answer is".

    Reasoning is greedy.
    """

    max_tokens: int = 0
    """Maximum number of tokens of the reasoning, at most 4,096. 0: 256."""


class RecordsTest(Message):
    """Test by records: the models answer each prompt, and the metrics of the run's task compare the
    answers with the references.
    """

    digest: str = ""
    """Digest of the records (a blob): a part of a split, Parquet, or JSON Lines.

    Rows have `text` or `prompt` (a text), or `messages` (a conversation), and `label`, `completion`,
    `reference` (a text) or `references` (texts); without them, the last message of an assistant is the
    reference. At most 100,000 rows and 64 MiB.
    """

    multi_turn: bool = False
    """Feed the answers of the model back: each message of a user is a prompt, after the model's own
    answers instead of those of the record.

    The last answer is scored. Only for tasks `generate`.
    """

    noise: RecordsTestNoise | None = None
    """Errors to put into the prompts. Not set: none."""

    step_by_step: RecordsTestStepByStep | None = None
    """Let the candidate answer each prompt a second time, after reasoning step by step.

    Not together with `multi_turn`. Not set: it answers once.
    """


class HarnessTestFile(Message):
    """File of a task."""

    name: str = ""
    """Name of the file, as the task names it."""

    digest: str = ""
    """Digest of the file (a blob): JSON Lines, or JSON with a list of objects."""


class HarnessTest(Message):
    """Task in the YAML format of lm-evaluation-harness: `multiple_choice` by log-likelihood or
    `generate_until`.

    Prompts are plain texts, without the chat template of the model. `dataset_path` must be `json`. Python
    functions are refused.
    """

    yaml: str = ""
    """The task as YAML, at most 65,536 characters."""

    files: list[HarnessTestFile] = []
    """Files that `dataset_kwargs.data_files` names."""

    few_shot: int | None = None
    """Number of examples before each prompt. Not set: `num_fewshot` of the task."""

    limit: int = 0
    """Number of documents to score, from the first on. 0: all."""


class CodeTest(Message):
    """Programming problems in the format of HumanEval.

    Answers are run in a sandbox: a process without network, without files but a scratch directory, with
    limits of time, memory, processes and output. Where the machine allows no such sandbox, the test has
    no value.
    """

    digest: str = ""
    """Digest of the problems (a blob): JSON Lines with `task_id`, `prompt`, `test` and `entry_point`,
    may be gzipped.
    """

    samples: int = 0
    """Number of answers to each problem, 1 to 200. 0: 1."""

    k: list[int] = []
    """Values of k of pass@k, each at most `samples`. Empty: 1."""

    temperature: float | None = None
    """Sampling temperature. Not set: 0 for one answer (greedy), else 0.8."""

    max_tokens: int = 0
    """Tokens of an answer at most. 0: 256."""

    timeout_s: float = 0.0
    """Seconds that a program may run, at most 60. 0: 10."""

    limit: int = 0
    """Number of problems to score, from the first on. 0: all."""


class SuiteTest(Message):
    """One test of a suite: the prompts for models, and the metric that sums it up."""

    name: str = ""
    """Name of the test: 1 to 63 characters of `a-z`, `0-9`, `-` and `_`. Required."""

    kind: SuiteTestKind = SuiteTestKind.UNSPECIFIED
    """Kind of the test."""

    difficulty: str = ""
    """Difficulty of the records, for example `easy` or `hard`, at most 63 characters.

    Empty: not stated.
    """

    metric: str = ""
    """Metric that sums the test up.

    Empty: the metric of the run for `records`; the first metric with the first filter for `harness`;
    `pass@` with the first k for `code`. The metrics of `harness` are `acc`, `acc_norm`, `acc_bytes` and
    `exact_match`; a filter with a name is appended: `exact_match,strict-match`.
    """

    records: RecordsTest | None = None
    """Records with reference answers."""

    harness: HarnessTest | None = None
    """Task in the YAML format of lm-evaluation-harness."""

    code: CodeTest | None = None
    """Programming problems, whose answers are run."""


class Suite(Message):
    """Named list of tests that evaluation runs apply to models in addition to the test parts of their
    domains.

    A run uses the suite as it was when the run was created.
    """

    name: str = ""
    """Resource name: `projects/{project}/suites/{suite}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    etag: str = ""
    """Version tag of the changeable fields.

    Send it with an update or a delete: a stale value is refused.
    """

    description: str = ""
    """Purpose of the suite, at most 1,000 characters."""

    tests: list[SuiteTest] = []
    """Tests, 1 to 100, each with its own name."""


class JudgeState(OpenEnum):
    """State of a judge."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    QUEUED = "STATE_QUEUED"
    """Waiting to start."""

    RUNNING = "STATE_RUNNING"
    """The judge is being compared with human ratings."""

    SUCCEEDED = "STATE_SUCCEEDED"
    """The comparison completed; `agreement` holds its result."""

    FAILED = "STATE_FAILED"
    """The comparison ended with an error; `failure` holds the reason."""

    CANCELLING = "STATE_CANCELLING"
    """Cancellation was requested; the work is stopping."""

    CANCELLED = "STATE_CANCELLED"
    """Cancelled before the comparison completed."""


class JudgeKind(OpenEnum):
    """How a judge judges."""

    UNSPECIFIED = "KIND_UNSPECIFIED"
    """Not set."""

    PAIRWISE = "KIND_PAIRWISE"
    """Which of two answers is better. Each pair is asked in both orders."""

    RUBRIC = "KIND_RUBRIC"
    """A score from 1 to 5 for one answer."""


class JudgeAgreement(Message):
    """Agreement of a judge with the human ratings that the project had when the judge was created,
    newest first.

    Comparisons of two answers count for PAIRWISE, ratings from 1 to 5 for RUBRIC.
    """

    pair_count: int = 0
    """Number of pairs, or of rated answers, that people and the judge both judged."""

    raw: float | None = None
    """Share of them with the same verdict, from 0 to 1. Not set: there is none."""

    kappa: float | None = None
    """Cohen's kappa; with quadratic weights for RUBRIC.

    Not set: it is undefined, for example because all verdicts are the same.
    """

    consistency: float | None = None
    """Share of the pairs with the same verdict in both orders.

    Not set: there is none, or a judge of the kind RUBRIC.
    """

    unparsable_count: int = 0
    """Number of pairs or answers without a verdict that can be read.

    They do not count in `pair_count`.
    """

    failed_count: int = 0
    """Number of pairs or answers for which the endpoint gave no reply.

    They do not count in `pair_count`.
    """

    missing_count: int = 0
    """Number of pairs or answers whose record was erased or cannot be read.

    They do not count in `pair_count`.
    """


class Judge(Message):
    """Language model that judges answers: by an OpenAI-compatible endpoint, or a model artifact of the
    platform.

    Its creation compares it with the human ratings of the project; it cannot be changed.
    """

    name: str = ""
    """Resource name: `projects/{project}/judges/{judge}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    state: JudgeState = JudgeState.UNSPECIFIED
    """Current state. Evaluation runs can use the judge once it has SUCCEEDED."""

    kind: JudgeKind = JudgeKind.UNSPECIFIED
    """How the judge judges. Required."""

    base_url: str = ""
    """Base URL of an OpenAI-compatible endpoint, such as `https://judge.example/v1`.

    The platform appends `/chat/completions`. A judge is sent texts of sealed test parts, so the operator
    must have listed the URL in `RATOON_EVALUATION_JUDGE_ENDPOINTS`, which also names the variable of its
    API key. Empty: `model_digest` is set.
    """

    model: str = ""
    """Name of the model at the endpoint. Required with `base_url`."""

    model_digest: str = ""
    """Digest of a model artifact that judges in place of an endpoint, by transformers on the CPU."""

    criteria: str = ""
    """What makes an answer good, 1 to 4,000 characters. Default: helpful, correct and clear."""

    max_tokens: int = 0
    """Tokens of a reply at most, 1 to 8,192. 0: 512."""

    max_record_count: int = 0
    """Number of records of each test part that a run asks the judge about at most, 1 to 10,000: a random
    sample, the same for all runs.

    0: 500.
    """

    progress: Progress | None = None
    """Progress of the comparison with human ratings."""

    failure: Failure | None = None
    """Why the comparison failed. Set in the state FAILED only."""

    agreement: JudgeAgreement | None = None
    """Agreement with people. Set in the state SUCCEEDED."""
