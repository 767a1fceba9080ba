# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Models of ingestion."""

from ratoon.client._generated.common_types import Failure, Progress
from ratoon.client._models import Int64, Message, OpenEnum, Timestamp


class SourceFormat(OpenEnum):
    """Format of a blob."""

    UNSPECIFIED = "FORMAT_UNSPECIFIED"
    """Not set."""

    MAIL_ARCHIVE = "FORMAT_MAIL_ARCHIVE"
    """Archive (tar, tar.gz, zip) of raw mails."""

    MBOX = "FORMAT_MBOX"
    """One mbox file."""

    TEXT_ARCHIVE = "FORMAT_TEXT_ARCHIVE"
    """Archive of text files."""

    JSONL = "FORMAT_JSONL"
    """JSON Lines: one JSON object on each line."""

    CSV = "FORMAT_CSV"
    """CSV table."""

    PARQUET = "FORMAT_PARQUET"
    """Parquet file."""

    TEXT = "FORMAT_TEXT"
    """One text file."""


class SourceColumns(Message):
    """Names of the columns of a table."""

    text: str = ""
    """Column of the text. Default: `text`."""

    label: str = ""
    """Column of the label. A list is several labels. Default: `label`."""

    id: str = ""
    """Column of the ID. Default: `id`."""

    time: str = ""
    """Column of the time at which the item was received. Default: `time`."""

    attributes: list[str] = []
    """Additional columns to keep as attributes of the records, for slices."""

    messages: str = ""
    """Column of the messages of a conversation, for example `messages` or `conversations`.

    Empty: detected, as all columns below. A conversation, an instruction or a preference is detected by
    its fields if there is no column of the text; if the column of the text is named, only texts are read.
    """

    prompt: str = ""
    """Column of the prompt: a text or a list of messages. Detected: `prompt`."""

    answer: str = ""
    """Column of the right answer: a text, a list of texts or the message of the assistant.

    Detected: `completion`, `response`; beside `instruction`, `output`.
    """

    rejected: str = ""
    """Column of the rejected answer of a preference; `answer` is then the chosen one.

    Detected: `chosen` and `rejected`.
    """

    system: str = ""
    """Column of the system prompt. Detected: `system`."""

    tools: str = ""
    """Column of the tools that the assistant may call, as a list in the form of the chat API.

    Detected: `tools`.
    """

    weight: str = ""
    """Column of the weight of the record in training, a number above 0. Not detected."""


class SourceSampleBy(OpenEnum):
    """Part of a text file that is one record. Blank lines are never records."""

    UNSPECIFIED = "SAMPLE_BY_UNSPECIFIED"
    """Not set: a line."""

    LINE = "SAMPLE_BY_LINE"
    """One line."""

    PARAGRAPH = "SAMPLE_BY_PARAGRAPH"
    """The lines between blank lines."""

    DOCUMENT = "SAMPLE_BY_DOCUMENT"
    """The whole file."""


class Source(Message):
    """Raw items, uploaded as one blob, and the settings to read them."""

    name: str = ""
    """Resource name: `projects/{project}/sources/{source}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    display_name: str = ""
    """Name for people. At most 1,024 characters."""

    format: SourceFormat = SourceFormat.UNSPECIFIED
    """Format of the blob. Required."""

    digest: str = ""
    """SHA-256 of the blob, which must be uploaded before with `PUT /v1/blobs/{sha256}`.

    For archives, also the digest of an artifact tree.
    """

    license: str = ""
    """License of the data: an SPDX identifier or a sentence."""

    labels_by_folder: dict[str, str] = {}
    """For archives: label of each directory.

    Items in other directories have no label. Empty: the name of the directory that holds an item is its
    label.
    """

    columns: SourceColumns | None = None
    """For JSONL, CSV and Parquet: columns to read.

    An empty name selects the default: `text`, `label`, `id`, `time`. A column that is named must exist.
    """

    encoding: str = ""
    """Character encoding of tables, and of texts that declare none, as a WHATWG label such as `gb18030`
    or `windows-1252`.

    Empty: detected. A byte order mark in the data takes precedence.
    """

    etag: str = ""
    """Version tag of the source.

    Send it with an update or a delete, so that a concurrent change is not lost: a stale value is refused.
    """

    sample_by: SourceSampleBy = SourceSampleBy.UNSPECIFIED
    """For a text file: the part that is one record. Default: a line."""


class ExampleMessage(Message):
    """One message of a conversation."""

    role: str = ""
    """Author: `system`, `user`, `assistant` or `tool`."""

    content: str = ""
    """Text of the message."""

    tool_calls: str = ""
    """Tools that the assistant calls, as a JSON list in the form of the chat API. Empty: none."""

    tool_call_id: str = ""
    """ID of the call that a message of a tool answers. Empty: none."""

    name: str = ""
    """Name of the tool or of the participant. Empty: none."""

    reasoning: str = ""
    """Reasoning of the assistant before it answered. Empty: none."""


class Example(Message):
    """Conversation with its answers: what a record is beyond its text."""

    messages: list[ExampleMessage] = []
    """Messages of the prompt, in their order."""

    answers: list[str] = []
    """Right answers, the preferred one first.

    Of a preference, the chosen answer. Empty: the record is not answered.
    """

    rejected: str | None = None
    """Rejected answer of a preference. Not set: the record is no preference."""

    good: bool | None = None
    """True: the answer is good; false: it is bad.

    Not set: the answer is right, or the record is a preference.
    """

    tools: str = ""
    """Tools that the assistant may call, as a JSON list in the form of the chat API.

    Empty: none.
    """

    weight: float = 0.0
    """Weight of the record in training. 0: the default, 1."""


class PreviewedRecord(Message):
    """One record of a preview."""

    source_path: str = ""
    """Position of the item in its source: a line, a path or an ID."""

    text: str = ""
    """Beginning of the text, at most 500 characters."""

    chars: int = 0
    """Number of characters in the whole text."""

    label: str = ""
    """Label that came with the item. Empty: none."""

    language: str = ""
    """Detected language, as an ISO 639 code."""

    received_time: Timestamp | None = None
    """Time at which the item was received. Not set: not known."""

    attributes: dict[str, str] = {}
    """Values of the attribute columns, by name."""

    example: Example | None = None
    """Conversation and answers of the record, each text at most 500 characters.

    Not set if the record is a text with at most a label.
    """


class RejectedItem(Message):
    """Item that became no record."""

    source: str = ""
    """Resource name of the source."""

    source_path: str = ""
    """Position of the item in its source: `line-4`, a path or an ID."""

    step: str = ""
    """Curation step that rejected the item."""

    reason: str = ""
    """Stable reason code in UPPER_SNAKE_CASE."""

    detail: str = ""
    """Details of the reason."""

    text_start: str = ""
    """Beginning of the text. Empty if the item was not read as text."""

    record_id: str = ""
    """ID that the record would have had. Empty if the item was not read."""


class StepPreviewChange(Message):
    """One record before and after the step."""

    source_path: str = ""
    """Position of the item in its source: a line, a path or an ID."""

    before: str = ""
    """Part of the text that differs, with up to 60 characters before it, at most 500 characters."""

    after: str = ""
    """The same part after the step."""


class StepPreview(Message):
    """What one step of a curation does to the records of a preview."""

    name: str = ""
    """Name of the step."""

    record_count: Int64 = 0
    """Number of records that the step received."""

    changed_count: Int64 = 0
    """Number of records whose text the step changes and keeps."""

    removed_counts: dict[str, Int64] = {}
    """Number of records that the step removes, by reason."""

    changes: list[StepPreviewChange] = []
    """Up to ten records that it changes."""

    seconds: float = 0.0
    """Computing time in seconds."""


class SourcePreview(Message):
    """Result of reading the beginning of a blob as a source."""

    format: SourceFormat = SourceFormat.UNSPECIFIED
    """Format of the blob, as requested or as detected."""

    encoding: str = ""
    """Character encoding of a table or a text file. Empty for other formats."""

    encoding_from: str = ""
    """Origin of the character encoding: `bom`, `declared`, `override`, `detected` or `utf-8`."""

    columns: list[str] = []
    """Columns of a table, in their order.

    For JSON objects, the fields of the objects that were read.
    """

    records: list[PreviewedRecord] = []
    """First records as curation would create them, before duplicates are removed."""

    label_counts: dict[str, Int64] = {}
    """Labels that came with the items, with the number of items of each."""

    unlabelled_count: Int64 = 0
    """Number of items without a label."""

    item_count: Int64 = 0
    """Number of items that were read."""

    record_count: Int64 = 0
    """Number of records that these items became."""

    rejected_counts: dict[str, Int64] = {}
    """Number of rejected items by reason."""

    rejections: list[RejectedItem] = []
    """Examples of rejected items."""

    size_bytes: Int64 = 0
    """Size of the blob in bytes."""

    complete: bool = False
    """True if the whole blob was read."""

    estimated_item_count: Int64 = 0
    """Estimated number of items in the whole blob. 0: not known."""

    problem_reason: str = ""
    """Stable reason code in UPPER_SNAKE_CASE if the blob yields no usable record.

    Empty otherwise.
    """

    problem: str = ""
    """Explanation of `problem_reason` in one sentence. Empty without a problem."""

    layout_counts: dict[str, Int64] = {}
    """Number of items by the layout of their rows: `text`, `chat`, `sharegpt`, `alpaca`, `prompt`,
    `preference`, `example`.

    Empty for formats other than tables.
    """

    kind_counts: dict[str, Int64] = {}
    """Number of records by what they are: `text`, `prompt` (without an answer), `answer` (a prompt with
    right answers), `preference`, `unpaired_preference` (an answer that is good or bad).
    """

    sample_by: SourceSampleBy = SourceSampleBy.UNSPECIFIED
    """Part of a text file that is one record. Not set for other formats."""

    steps: list[StepPreview] = []
    """What each step of the curation does to the records that were read, in their order."""


class Dataset(Message):
    """Series of dataset versions."""

    name: str = ""
    """Resource name: `projects/{project}/datasets/{dataset}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    display_name: str = ""
    """Name for people. At most 1,024 characters."""


class DatasetVersionState(OpenEnum):
    """State of a dataset version."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    QUEUED = "STATE_QUEUED"
    """Waiting to start."""

    RUNNING = "STATE_RUNNING"
    """The work is in progress."""

    READY = "STATE_READY"
    """The version is complete and can be used."""

    FAILED = "STATE_FAILED"
    """The work ended with an error; `failure` holds the reason."""

    CANCELLING = "STATE_CANCELLING"
    """Cancellation was requested; the work is stopping."""

    CANCELLED = "STATE_CANCELLED"
    """Cancelled before the work completed."""

    REDACTED = "STATE_REDACTED"
    """Records were erased.

    The remaining records can be read, but nothing new can be created from the version.
    """


class CurationStep(Message):
    """One step of a curation."""

    name: str = ""
    """Name of the step: one of `personal_data`, `language`, `length`, `garbage` (without parameters;
    their settings are those of the curation), `normalize`, `gopher_quality`, `gopher_repetition`,
    `c4`, `fineweb`, `url_blocklist`, `word_list`, `license`, or the name of a step of an installed
    package, which contains a dot.
    """

    params: dict[str, str] = {}
    """Parameters of the step by name, as texts."""


class Curation(Message):
    """Settings of the conversion of raw items into records."""

    min_chars: int | None = None
    """Minimum length of a record in characters.

    Shorter records are dropped unless they are labelled or prompts. Negative values are refused. Default:
    50.
    """

    languages: list[str] = []
    """Languages to keep, as ISO 639 codes such as `en`. Default: all."""

    near_duplicate_threshold: float | None = None
    """Jaccard similarity of 5-word shingles from which two records are near duplicates; only one of them
    is kept.

    From 0.3 to 1. 0 keeps all records and only marks their clusters. Default: 0.8.
    """

    keep_exact_duplicates: bool = False
    """Keep records with identical curated text. Default: false."""

    masks: list[str] = []
    """Personal data to mask: `email`, `phone`, `card`, `ip`, `url`; `none` masks nothing.

    Default: the first four.
    """

    max_replaced_share: float | None = None
    """Share of records with characters that could not be decoded from which the version fails, from 0 to
    1.

    Default: 0.05.
    """

    keep_code: bool = False
    """Keep files of code, settings and program packages in text archives. Default: false."""

    steps: list[CurationStep] = []
    """Steps to run, in this order, between decoding and the search for duplicates.

    The steps `personal_data`, `language`, `length` and `garbage` always run: those that are not listed
    follow in this order. Default: these four.
    """


class StepReport(Message):
    """What one step of a curation did."""

    name: str = ""
    """Name of the step."""

    record_count: Int64 = 0
    """Number of records that the step received."""

    changed_count: Int64 = 0
    """Number of records whose text the step changed and kept."""

    removed_counts: dict[str, Int64] = {}
    """Number of records that the step removed, by reason."""

    changed_examples: list[str] = []
    """IDs of up to ten records that it changed."""

    removed_examples: list[str] = []
    """IDs of up to ten records that it removed."""

    seconds: float = 0.0
    """Computing time in seconds, summed over all processes."""


class DatasetVersion(Message):
    """Immutable set of curated records: Parquet files and a manifest, identified by a Merkle root."""

    name: str = ""
    """Resource name: `projects/{project}/datasets/{dataset}/versions/{version}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    state: DatasetVersionState = DatasetVersionState.UNSPECIFIED
    """Current state."""

    sources: list[str] = []
    """Resource names of the sources.

    At least one is required; all must belong to the same project, and none may occur twice.
    """

    curation: Curation | None = None
    """Curation settings."""

    progress: Progress | None = None
    """Progress of the work."""

    failure: Failure | None = None
    """Why the work failed. Set in the state FAILED only."""

    artifact_digest: str = ""
    """Digest of the artifact tree: records, rejected items, profile and manifest.

    Empty until the version is READY.
    """

    merkle_root: str = ""
    """Merkle root over the records, in hexadecimal digits. Empty until the version is READY."""

    item_count: Int64 = 0
    """Number of raw items that were read. 0 until the version is READY, as the other counts."""

    record_count: Int64 = 0
    """Number of records."""

    rejected_count: Int64 = 0
    """Number of items that became no record."""

    profile_json: str = ""
    """Profile of the data and of what each curation step removed, as JSON.

    Empty until the version is READY.
    """

    redacted_digest: str = ""
    """Digest of the artifact tree without the erased records, for a REDACTED version.

    `artifact_digest` then identifies the erased original.
    """

    erased_count: Int64 = 0
    """Number of records that were erased."""

    erasure: str = ""
    """Resource name of the latest erasure of one of its records. Empty: none."""

    step_reports: list[StepReport] = []
    """What each step of the curation did, in their order.

    Empty until the version is READY, and for versions of releases that did not record it.
    """


class Record(Message):
    """One curated record."""

    record_id: str = ""
    """ID of the record: 64 hexadecimal digits."""

    content_digest: str = ""
    """Digest of the curated text."""

    text: str = ""
    """Curated text."""

    source: str = ""
    """Resource name of the source."""

    source_path: str = ""
    """Position of the item in its source: a line, a path or an ID."""

    source_label: str = ""
    """Label that came with the item. Empty: none."""

    license: str = ""
    """License of the source."""

    language: str = ""
    """Detected language, as an ISO 639 code."""

    tokens: int = 0
    """Number of tokens in the text."""

    chars: int = 0
    """Number of characters in the text."""

    cluster: str = ""
    """ID of the cluster of near duplicates."""

    steps: list[str] = []
    """What curation did to the record, in order."""

    received_time: Timestamp | None = None
    """Time at which the item was received. Not set: not known."""

    attributes: dict[str, str] = {}
    """Values of the attribute columns, by name."""

    conflicting_labels: list[str] = []
    """Labels of its duplicates, each one once, if they differ.

    `source_label` is empty then; the label set decides.
    """

    example: Example | None = None
    """Conversation and answers of the record.

    Not set if the record is a text with at most a label.
    """


class Part(OpenEnum):
    """Part of a split."""

    UNSPECIFIED = "PART_UNSPECIFIED"
    """Not set."""

    TRAIN = "PART_TRAIN"
    """Training part."""

    VALIDATION = "PART_VALIDATION"
    """Validation part."""

    TEST = "PART_TEST"
    """Test part, which is sealed: each reading is logged."""


class RecordLineagePlacement(Message):
    """Part of a split that holds the record."""

    split: str = ""
    """Resource name of the split."""

    part: Part = Part.UNSPECIFIED
    """Part of the split."""


class RecordLineage(Message):
    """Dataset versions and splits that hold a record."""

    record_id: str = ""
    """ID of the record."""

    dataset_versions: list[str] = []
    """Resource names of the dataset versions."""

    placements: list[RecordLineagePlacement] = []
    """Splits with the part that holds the record."""

    erasure: str = ""
    """Resource name of the erasure that removed the record. Empty: it was not erased."""


class SplitState(OpenEnum):
    """State of a split."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    QUEUED = "STATE_QUEUED"
    """Waiting to start."""

    RUNNING = "STATE_RUNNING"
    """The work is in progress."""

    READY = "STATE_READY"
    """The split is complete and can be used."""

    FAILED = "STATE_FAILED"
    """The work ended with an error; `failure` holds the reason."""

    CANCELLING = "STATE_CANCELLING"
    """Cancellation was requested; the work is stopping."""

    CANCELLED = "STATE_CANCELLED"
    """Cancelled before the work completed."""

    REDACTED = "STATE_REDACTED"
    """Records were erased.

    The remaining records can be read and replayed, but the original parts can no longer be used for
    training.
    """


class SplitMode(OpenEnum):
    """Assignment of records to parts. Near duplicates always stay in one part."""

    UNSPECIFIED = "MODE_UNSPECIFIED"
    """Not set."""

    STRATIFIED = "MODE_STRATIFIED"
    """Every class has the same shares.

    Several labels of a record are a class of their own; a set that too few records have is in the class
    of its rarest label.
    """

    TIME = "MODE_TIME"
    """By received time, without shuffling: the oldest records are used for training, the newest for the
    test.
    """

    GROUPED = "MODE_GROUPED"
    """Records with the same value of `group_attribute` stay in one part, for example all of one user.

    A record without the attribute is a group of its own.
    """

    QUANTILES = "MODE_QUANTILES"
    """Labels are numbers, and every tenth of their range by rank has the same shares.

    Records whose label is no number are in no part.
    """


class SplitRatios(Message):
    """Shares of the parts. Negative shares, and shares that do not sum to 1, are refused."""

    train: float = 0.0
    """Share of the training part, from 0 to 1."""

    validation: float = 0.0
    """Share of the validation part, from 0 to 1."""

    test: float = 0.0
    """Share of the test part, from 0 to 1."""


class SplitReplay(Message):
    """Records of an earlier split to mix into the training part.

    `split` and `count` must be set together.
    """

    split: str = ""
    """Resource name of the split whose training part is replayed.

    It must belong to the same project and be READY or REDACTED.
    """

    count: int = 0
    """Number of records to replay."""


class SplitPartSummary(Message):
    """Summary of a part."""

    part: Part = Part.UNSPECIFIED
    """The part."""

    record_count: Int64 = 0
    """Number of records."""

    class_counts: dict[str, Int64] = {}
    """Number of records by label."""


class SplitRedaction(Message):
    """Remaining parts of a redacted split."""

    erasure: str = ""
    """Resource name of the latest erasure of one of its records."""

    train_digest: str = ""
    """Digest of the training part without the erased records."""

    validation_digest: str = ""
    """Digest of the validation part without the erased records."""

    erased_count: Int64 = 0
    """Number of records that were erased."""


class Split(Message):
    """Division of a labelled dataset version into three parts. The test part is sealed."""

    name: str = ""
    """Resource name: `projects/{project}/datasets/{dataset}/splits/{split}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    state: SplitState = SplitState.UNSPECIFIED
    """Current state."""

    dataset_version: str = ""
    """Resource name of the dataset version.

    It must be READY and belong to the dataset of the split.
    """

    label_set_digest: str = ""
    """Digest of the label set (`LabelSet.digest` of the labeling service)."""

    mode: SplitMode = SplitMode.UNSPECIFIED
    """Assignment of records to parts. Default: STRATIFIED."""

    ratios: SplitRatios | None = None
    """Shares of the training, validation and test part. Default: 0.8, 0.1, 0.1."""

    seed: Int64 = 0
    """Random seed of the assignment."""

    replay: SplitReplay | None = None
    """Records of an earlier split to mix into the training part."""

    progress: Progress | None = None
    """Progress of the work."""

    failure: Failure | None = None
    """Why the work failed. Set in the state FAILED only."""

    train_digest: str = ""
    """Digest of the training part (a Parquet blob). Empty until the split is READY."""

    validation_digest: str = ""
    """Digest of the validation part (a Parquet blob).

    Empty until the split is READY. The digest of the test part is returned by `OpenSplit` only.
    """

    parts: list[SplitPartSummary] = []
    """Summary of each part, the test part included. Empty until the split is READY."""

    withheld_counts: dict[str, Int64] = {}
    """Number of records in no part, by reason: `NO_LABEL`, `NO_TIME`, `NO_NUMBER`, `EARLIER_TEST`,
    `CLUSTER_STRADDLES`.
    """

    replayed_count: Int64 = 0
    """Number of replayed records in the training part."""

    redaction: SplitRedaction | None = None
    """Remaining parts of a REDACTED split.

    `train_digest` and `validation_digest` then identify the erased originals.
    """

    group_attribute: str = ""
    """Name of the attribute that groups records. Required by GROUPED, refused with other modes."""


class SplitReading(Message):
    """Logged reading of a part of a split."""

    read_time: Timestamp | None = None
    """Time of the reading, UTC."""

    split: str = ""
    """Resource name of the split."""

    part: Part = Part.UNSPECIFIED
    """Part that was read."""

    reader: str = ""
    """Reader of the part: the digest of the model artifact, or a resource name."""

    purpose: str = ""
    """Purpose of the reading."""

    principal: str = ""
    """Identity of the caller."""


class OpenSplitResponse(Message):
    """Response of `OpenSplit`."""

    digest: str = ""
    """Digest of the part (a Parquet blob)."""

    reading: SplitReading | None = None
    """The logged reading."""


class ErasureState(OpenEnum):
    """State of an erasure."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    QUEUED = "STATE_QUEUED"
    """Waiting for the curations, splits and erasures that started before it."""

    RUNNING = "STATE_RUNNING"
    """The work is in progress."""

    SUCCEEDED = "STATE_SUCCEEDED"
    """The work completed."""

    FAILED = "STATE_FAILED"
    """The work ended with an error; `failure` holds the reason."""


class Erasure(Message):
    """Erasure of records from all data of a project: sources, dataset versions, splits, and the data of
    other services.

    An erasure can be neither undone nor cancelled.
    """

    name: str = ""
    """Resource name: `projects/{project}/erasures/{erasure}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    state: ErasureState = ErasureState.UNSPECIFIED
    """Current state."""

    record_ids: list[str] = []
    """IDs of the records to erase, 1 to 100.

    From the creation of the erasure on, curation rejects items with these IDs.
    """

    reason: str = ""
    """Reason for the erasure, 1 to 500 characters.

    It is stored permanently and must not contain personal data.
    """

    progress: Progress | None = None
    """Progress of the work."""

    failure: Failure | None = None
    """Why the work failed. Set in the state FAILED only."""

    dataset_versions: list[str] = []
    """Resource names of the dataset versions that held one of the records.

    They are REDACTED. This list and the next three are empty until the erasure has succeeded.
    """

    splits: list[str] = []
    """Resource names of the splits that held one of the records. They are REDACTED."""

    sources: list[str] = []
    """Resource names of the sources that were rewritten without the records."""

    unread_sources: list[str] = []
    """Resource names of the sources that may still hold one of the texts: unreadable sources, sources
    with the same bytes as a source that held one, and sources with rejected items in which a text was
    found.
    """
