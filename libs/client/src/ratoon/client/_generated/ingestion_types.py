# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Models of ingestion."""

from ratoon.client._generated.common_types import Failure, Progress
from ratoon.client._models import Bytes, Int64, Message, OpenEnum, Timestamp


class SourceFormat(OpenEnum):
    """Format of a blob."""

    UNSPECIFIED = "FORMAT_UNSPECIFIED"
    """Not set."""

    MAIL_ARCHIVE = "FORMAT_MAIL_ARCHIVE"
    """Archive (tar, tar.gz, zip) of raw mails."""

    MBOX = "FORMAT_MBOX"
    """One mbox file."""

    TEXT_ARCHIVE = "FORMAT_TEXT_ARCHIVE"
    """Archive of text files and documents."""

    JSONL = "FORMAT_JSONL"
    """JSON Lines: one JSON object on each line."""

    CSV = "FORMAT_CSV"
    """CSV table."""

    PARQUET = "FORMAT_PARQUET"
    """Parquet file."""

    TEXT = "FORMAT_TEXT"
    """One text file."""

    DOCUMENT = "FORMAT_DOCUMENT"
    """One document: PDF, DOCX, EPUB, Markdown or HTML."""

    EXCEL = "FORMAT_EXCEL"
    """Workbook of Excel or OpenDocument; each sheet is a table with a header row."""

    ARROW = "FORMAT_ARROW"
    """Arrow IPC file or stream, or Feather file."""

    WARC = "FORMAT_WARC"
    """Web archive: WARC, its extracted texts (WET), or ARC; plain or gzip."""

    WIKIPEDIA = "FORMAT_WIKIPEDIA"
    """XML dump of a MediaWiki such as Wikipedia; plain, gzip or bzip2."""

    MEDIA_ARCHIVE = "FORMAT_MEDIA_ARCHIVE"
    """Archive or tree of images, audio and video, in the layout of the `imagefolder` of Hugging Face:
    the directory of a file is its label, and the rows of `metadata.jsonl` or `metadata.csv` name a
    file (`file_name`) with its text, its label and attributes.
    """

    LABEL_STUDIO = "FORMAT_LABEL_STUDIO"
    """JSON export of Label Studio (not JSON_MIN).

    A task is a record, its label the answer that its annotations agree on. `ImportAnnotations` brings the
    annotators and answers that differ.
    """


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
    """Part of a text file or a document that is one record.

    Blank lines and pages without text are never records.
    """

    UNSPECIFIED = "SAMPLE_BY_UNSPECIFIED"
    """Not set: a line; of documents the whole."""

    LINE = "SAMPLE_BY_LINE"
    """One line."""

    PARAGRAPH = "SAMPLE_BY_PARAGRAPH"
    """The lines between blank lines."""

    DOCUMENT = "SAMPLE_BY_DOCUMENT"
    """The whole file."""

    PAGE = "SAMPLE_BY_PAGE"
    """Each page of PDF files and each chapter of EPUB files, alone or in an archive; other files whole."""


class SourceJoinKind(OpenEnum):
    """Rows that stay in a join."""

    UNSPECIFIED = "JOIN_KIND_UNSPECIFIED"
    """The default: JOIN_LEFT."""

    LEFT = "JOIN_KIND_LEFT"
    """All rows of this source.

    Columns of the other one are empty where it has no row with the key.
    """

    INNER = "JOIN_KIND_INNER"
    """Rows whose key the other source has."""


class SourceJoin(Message):
    """Join with the rows of another source."""

    source: str = ""
    """Resource name of the other source, a table. Required."""

    key: str = ""
    """Column of the key in this source. Required."""

    other_key: str = ""
    """Column of the key in the other source. Empty: `key`."""

    kind: SourceJoinKind = SourceJoinKind.UNSPECIFIED
    """Rows that stay. Default: JOIN_LEFT."""


class SourceRows(Message):
    """What is done with the rows of a table: first a join, then groups, whose rows are sorted."""

    join: SourceJoin | None = None
    """Rows of another source that are added by a key."""

    sort_by: list[str] = []
    """Columns by which the rows are sorted, within groups or all of them; `-` before a name means
    descending.

    Numbers are compared as numbers, all else as texts.
    """

    group_by: list[str] = []
    """Columns of equal values by which rows become one record.

    Its text is the texts of the rows, its label and other columns are those of the first row that has
    one.
    """

    separator: str = ""
    """Text between the texts of a group. Default: a line break."""


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

    For archives, also the digest of an artifact tree. Empty for callers below the role ENGINEER, as the
    blob may hold texts of test parts.
    """

    license: str = ""
    """License of the data: an SPDX identifier or a sentence."""

    labels_by_folder: dict[str, str] = {}
    """For archives: label of each directory.

    Items in other directories have no label. Empty: the name of the directory that holds an item is its
    label.
    """

    columns: SourceColumns | None = None
    """For tables (JSONL, CSV, Parquet, Excel, Arrow): columns to read.

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
    """For a text file: the part that is one record.

    Default: a line. For documents: `SAMPLE_BY_PAGE`, or the whole.
    """

    connection: str = ""
    """Resource name of the connection whose reading created the source.

    Empty: it was created by a request. Set by the server.
    """

    consent: str = ""
    """Basis on which the data may be used, such as the version of a consent form, from the connection.

    Set by the server.
    """

    domain: str = ""
    """Tag of the domain, such as `news`, from the connection. Set by the server."""

    archive_depth: int | None = None
    """For archives: number of levels of archives within archives that are read, from 0 to 10.

    Not set in a request: 3. Sources without a value are those of release 0.1: they read neither archives
    within archives nor documents.
    """

    withdrawn_count: Int64 = 0
    """Number of its items that were withdrawn, since they vanished from the place of the connection or
    were replaced there.

    New dataset versions reject them. Set by the server.
    """

    rows: SourceRows | None = None
    """For tables: what is done with the rows before they become records. Not set: nothing."""


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


class Attachment(Message):
    """Image, audio, video or other file of a record."""

    digest: str = ""
    """SHA-256 of the file, by which it can be downloaded."""

    mime_type: str = ""
    """Media type such as `image/png`."""

    size_bytes: Int64 = 0
    """Size in bytes."""

    width: int = 0
    """Width in pixels. 0: not known."""

    height: int = 0
    """Height in pixels. 0: not known."""

    duration_seconds: float = 0.0
    """Duration in seconds. 0: not known."""


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

    attachments: list[Attachment] = []
    """Files of the record, read from their headers."""


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

    counts: dict[str, Int64] = {}
    """What the step counted besides, by name, as in `StepReport`."""


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
    """Part of a text file or a document that is one record.

    Not set where the format leaves no choice.
    """

    steps: list[StepPreview] = []
    """What each step of the curation does to the records that were read, in their order."""

    row_counts: dict[str, Int64] = {}
    """What the join, the sort and the groups of the rows counted, as in the report `rows` of a dataset
    version.
    """


class ConnectionKind(OpenEnum):
    """Kind of a place."""

    UNSPECIFIED = "KIND_UNSPECIFIED"
    """Not set."""

    FSSPEC = "KIND_FSSPEC"
    """Files or objects of a file system that fsspec knows: a directory, S3, HTTP and others.

    New and changed ones are read.
    """

    SQL = "KIND_SQL"
    """Rows of a database."""

    KAFKA = "KIND_KAFKA"
    """JSON objects of a Kafka topic."""


class ConnectionSchedule(Message):
    """Schedule of readings."""

    interval_seconds: float = 0.0
    """Time between the ends of two readings, in seconds: 10 to 31,622,400 (366 days). 0: none."""

    cron: str = ""
    """Times in UTC as five fields of cron: minute, hour, day of the month, month, day of the week.

    Each is `*`, a number, a range `1-5`, a list `1,15`, or one with a step `*/10`. Only one of interval
    and cron may be set.
    """


class ConnectionState(OpenEnum):
    """State of a connection."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    IDLE = "STATE_IDLE"
    """It waits for its schedule or a request."""

    READING = "STATE_READING"
    """A worker reads, or a reading was requested and begins soon."""

    STORING = "STATE_STORING"
    """What was read is being made sources."""


class ConnectionReading(Message):
    """Result of a reading."""

    number: Int64 = 0
    """Number of the reading, from 1."""

    start_time: Timestamp | None = None
    """Time at which it began."""

    end_time: Timestamp | None = None
    """Time at which it ended."""

    sources: list[str] = []
    """Resource names of the sources that it created. Empty: there was nothing new."""

    record_count: Int64 = 0
    """Number of records in these sources."""

    listed_count: Int64 = 0
    """Number of objects, rows or messages that were found, whether new or not."""

    taken_count: Int64 = 0
    """Number of those that were read."""

    skipped_counts: dict[str, Int64] = {}
    """Number of those that were left out, by reason in UPPER_SNAKE_CASE."""

    size_bytes: Int64 = 0
    """Size of what was read, in bytes."""

    notes: list[str] = []
    """Sentences on what may be missing, for example messages that the topic deleted before they were
    read.
    """

    more: bool = False
    """True if more data waits; the next reading follows at once."""

    vanished_count: Int64 = 0
    """Number of objects, rows or messages with a key that vanished from the place since the reading
    before, as far as the place shows it.
    """

    withdrawn_count: Int64 = 0
    """Number of items that were withdrawn from sources, since they vanished or were replaced."""

    dead_letter_count: Int64 = 0
    """Number of messages that became dead letters."""


class ConnectionFailure(Message):
    """Error of a reading."""

    reason: str = ""
    """Stable reason code in UPPER_SNAKE_CASE."""

    message: str = ""
    """Explanation in one sentence."""

    time: Timestamp | None = None
    """Time of the error."""


class ConnectionVanished(OpenEnum):
    """What becomes of records whose origin vanished."""

    UNSPECIFIED = "VANISHED_UNSPECIFIED"
    """The default: VANISHED_KEEP."""

    KEEP = "VANISHED_KEEP"
    """They stay, and are counted."""

    WITHDRAW = "VANISHED_WITHDRAW"
    """They are withdrawn: new dataset versions reject them.

    Versions that exist stay as they are. It holds for what is read from then on.
    """


class Connection(Message):
    """Place with data that is read again and again: each reading with new data creates sources.

    Which places may be read, and with which credentials, is a setting of the operator
    (`RATOON_INGESTION_CONNECTION_ENDPOINTS`).
    """

    name: str = ""
    """Resource name: `projects/{project}/connections/{connection}`."""

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

    display_name: str = ""
    """Name for people. At most 1,024 characters."""

    kind: ConnectionKind = ConnectionKind.UNSPECIFIED
    """Kind of the place. Required; it cannot be changed."""

    url: str = ""
    """Address without credentials.

    Required; it cannot be changed. `FSSPEC`: a directory or prefix, such as `s3://bucket/prefix` or
    `file:///srv/data`. `SQL`: an SQLAlchemy URL, such as `postgresql+psycopg://reader@db/mail`. `KAFKA`:
    `kafka://host:port/topic`.
    """

    pattern: str = ""
    """`FSSPEC`: glob of the paths to read, relative to the address, such as `*.jsonl`; `*` also matches
    `/`.

    Empty: all.
    """

    query: str = ""
    """`SQL`: one SELECT statement without parameters and without `;`, at most 20,000 characters.

    Required for `SQL`.
    """

    cursor_column: str = ""
    """`SQL`: column of the result by which new rows are found.

    Its values must not decrease for new rows. Required for `SQL`.
    """

    key_column: str = ""
    """`SQL`: column of the result that tells apart rows with the same cursor value, usually the primary
    key.

    Required for `SQL`.
    """

    overlap: float = 0.0
    """`SQL`: rows whose cursor value is up to so many units below the last one are read again and left
    out if they are known: seconds for times, numbers for numbers.

    It finds rows of transactions that committed late. Default: 0.
    """

    format: SourceFormat = SourceFormat.UNSPECIFIED
    """Format of the objects.

    Required for `FSSPEC`; not set for `SQL` and `KAFKA`, which give JSON Lines.
    """

    labels_by_folder: dict[str, str] = {}
    """Label of each directory, as in a source."""

    columns: SourceColumns | None = None
    """Columns to read, as in a source."""

    encoding: str = ""
    """Character encoding, as in a source."""

    sample_by: SourceSampleBy = SourceSampleBy.UNSPECIFIED
    """For text files and documents: the part that is one record, as in a source."""

    license: str = ""
    """License of the data: an SPDX identifier or a sentence. The sources have it."""

    consent: str = ""
    """Basis on which the data may be used, such as the version of a consent form.

    The sources have it.
    """

    domain: str = ""
    """Tag of the domain, such as `news`. The sources have it."""

    schedule: ConnectionSchedule | None = None
    """Schedule of the readings. Not set: it is read on request only."""

    max_items: int = 0
    """Maximum number of records (`SQL`, `KAFKA`) or objects (`FSSPEC`) of one reading, at most 100,000.

    If there are more, the next reading follows at once. Default: 10,000.
    """

    max_bytes: Int64 = 0
    """Maximum size of one reading in bytes, at most 8 GiB.

    A single object that is larger is left out. Default: 256 MiB.
    """

    paused: bool = False
    """The schedule is suspended."""

    state: ConnectionState = ConnectionState.UNSPECIFIED
    """State. Set by the server."""

    last_reading: ConnectionReading | None = None
    """Last reading that ended well. Not set before the first one. Set by the server."""

    failure: ConnectionFailure | None = None
    """Error of the last reading. Not set if it ended well. Set by the server."""

    next_read_time: Timestamp | None = None
    """Time of the next scheduled reading. Not set: none. Set by the server."""

    record_count: Int64 = 0
    """Number of records that all readings gave. Set by the server."""

    position: str = ""
    """Position up to which the place was read, for people. Set by the server."""

    vanished: ConnectionVanished = ConnectionVanished.UNSPECIFIED
    """What becomes of records whose object, row or message vanishes from the place or is replaced there.

    Default: VANISHED_KEEP.
    """

    withdrawn_count: Int64 = 0
    """Number of items that were withdrawn from its sources. Set by the server."""

    dead_letter_count: Int64 = 0
    """Number of messages that wait as dead letters. Set by the server."""


class DeadLetter(Message):
    """Message of a topic that gave no record, with its bytes."""

    partition: int = 0
    """Number of the partition."""

    offset: Int64 = 0
    """Offset in the partition."""

    time: Timestamp | None = None
    """Time of the message."""

    reason: str = ""
    """Reason in UPPER_SNAKE_CASE, such as `NOT_JSON`."""

    detail: str = ""
    """Explanation in one sentence."""

    key: Bytes = b""
    """Key of the message."""

    value: Bytes = b""
    """Beginning of the value, at most 16 KiB."""

    size_bytes: Int64 = 0
    """Size of the whole value in bytes."""

    reading: Int64 = 0
    """Number of the reading that met it."""


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
    """Name of the step: one of `language`, `length`, `garbage` (without parameters; their settings are
    those of the curation), `personal_data` (without parameters, it masks the `masks` of the
    curation), `fix_text`, `normalize`, `simplify_chinese`, `chinese_words`, `html_boilerplate`,
    `segment`, `token_count`, `gopher_quality`, `gopher_repetition`, `c4`, `fineweb`, `perplexity`,
    `classifier`, `topic`, `url_blocklist`, `word_list`, `toxic_words`, `bias_words`, `license`,
    `named_entities`, `decontamination`, `substring_duplicates`, `semantic_duplicates`, `augment`, or
    the name of a step of an installed package, which contains a dot.
    """

    params: dict[str, str] = {}
    """Parameters of the step by name, as texts."""


class CurationEarlierVersions(OpenEnum):
    """What becomes of records that an earlier version has."""

    UNSPECIFIED = "EARLIER_VERSIONS_UNSPECIFIED"
    """The default: EARLIER_VERSIONS_KEEP."""

    EXCLUDE = "EARLIER_VERSIONS_EXCLUDE"
    """They are rejected, so that the version has new records only.

    The rejection names the earlier record.
    """

    MARK = "EARLIER_VERSIONS_MARK"
    """They are kept, with the attribute `earlier_equal` or `earlier_near`, whose value is the ID of the
    earlier record.
    """

    KEEP = "EARLIER_VERSIONS_KEEP"
    """They are kept. No earlier version is compared."""


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
    """Personal data to mask: `email`, `phone`, `card`, `ip`, `url`, `iban`, `national_id`, `passport`;
    `none` masks nothing.

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

    earlier_versions: CurationEarlierVersions = CurationEarlierVersions.UNSPECIFIED
    """What becomes of records that equal a record of an earlier version of the dataset or are near
    duplicates of one.

    Default: EARLIER_VERSIONS_KEEP.
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

    counts: dict[str, Int64] = {}
    """What the step counted besides, by name.

    `personal_data`: texts that look like personal data of this kind but fail its check, such as `card`.
    `decontamination`: records that hold text of this benchmark or of `test_parts`; with the suffix
    `.unchecked`, items of it that are too short to be searched. `segment`: `segmented` texts and the
    `segments` that they became. `topic`, `toxic_words`, `bias_words`, `named_entities`: records by topic,
    list or kind. `classifier`: `held_out` texts of its sources, and those of them that it judged right.
    `augment`: `augmented` texts. `removed.LANGUAGE`: records in this language that the step removed, if
    the step `language` ran before; `removed_nearly_all.LANGUAGE`: the same, if it removed more than 95 %
    of at least 20.
    """


class MixtureComponent(Message):
    """Records of one dataset version."""

    dataset_version: str = ""
    """Resource name of the dataset version. It must be READY and belong to the same project."""

    source: str = ""
    """Resource name of a source: only its records are used. Empty: all records of the version."""

    weight: float = 0.0
    """Weight.

    The strategy RATIO takes it as the share, TEMPERATURE multiplies the share with it. 0: 1.
    """

    max_repeats: float = 0.0
    """Maximum number of times that a record may occur, from 1 to 100. 0: 1."""


class MixtureStrategy(OpenEnum):
    """Rule for the shares of the components."""

    UNSPECIFIED = "STRATEGY_UNSPECIFIED"
    """Not set."""

    TEMPERATURE = "STRATEGY_TEMPERATURE"
    """The share is proportional to weight × size^(1/T)."""

    RATIO = "STRATEGY_RATIO"
    """The share is proportional to the weight."""


class MixtureUnit(OpenEnum):
    """Unit of sizes."""

    UNSPECIFIED = "UNIT_UNSPECIFIED"
    """Not set."""

    TOKENS = "UNIT_TOKENS"
    """Tokens, as `Record.tokens` counts them."""

    RECORDS = "UNIT_RECORDS"
    """Records."""


class Mixture(Message):
    """Composition of a dataset version from records of other versions.

    All choices are a function of the seed and the record IDs, so that the same mixture has the same
    records.
    """

    components: list[MixtureComponent] = []
    """Components.

    At least one is required. No record may belong to two of them by their settings: a version is named
    whole, or by its sources.
    """

    strategy: MixtureStrategy = MixtureStrategy.UNSPECIFIED
    """Rule for the shares of the components. Default: TEMPERATURE."""

    temperature: float = 0.0
    """Temperature T of the strategy TEMPERATURE, from 1.

    1: shares in proportion to the sizes; higher: closer to equal shares. 0: 1.
    """

    unit: MixtureUnit = MixtureUnit.UNSPECIFIED
    """Unit of sizes, shares and budget. Default: TOKENS."""

    budget: Int64 = 0
    """Size of the mixture in `unit`. 0: as large as the components allow."""

    seed: Int64 = 0
    """Random seed of the sample."""

    language_shares: dict[str, float] = {}
    """Share of each language, such as `zh: 0.5, en: 0.5`.

    They are divided by their sum; records in other languages are left out. Empty: not balanced.
    """

    label_shares: dict[str, float] = {}
    """Share of each label of the sources.

    They are divided by their sum; records with other labels, or none, are left out. Empty: not balanced.
    """

    balance_labels: bool = False
    """Give each label the same share. Refused together with `label_shares`."""


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

    At least one is required unless `mixture` is set; all must belong to the same project, and none may
    occur twice.
    """

    curation: Curation | None = None
    """Curation settings."""

    progress: Progress | None = None
    """Progress of the work."""

    failure: Failure | None = None
    """Why the work failed. Set in the state FAILED only."""

    artifact_digest: str = ""
    """Digest of the artifact tree: records, rejected items, profile and manifest.

    Empty until the version is READY, and for callers below the role ENGINEER, as the tree holds records
    of test parts.
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

    `artifact_digest` then identifies the erased original. Empty for callers below the role ENGINEER.
    """

    erased_count: Int64 = 0
    """Number of records that were erased."""

    erasure: str = ""
    """Resource name of the latest erasure of one of its records. Empty: none."""

    step_reports: list[StepReport] = []
    """What each step of the curation did, in their order.

    Empty until the version is READY, and for versions of releases that did not record it.
    """

    mixture: Mixture | None = None
    """Composition of the version from other versions, in place of `sources` and `curation`.

    `sources` then lists the sources of these versions. Not set: the version is curated from its sources.
    """

    completeness: dict[str, float] = {}
    """Share of the records that have each field, from 0 to 1: `text`, `label`, `time`, and attributes by
    their name.

    Empty until the version is READY.
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

    attachments: list[Attachment] = []
    """Files of the record, read from their headers. Set by `GetRecord`."""


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

    RANDOM = "MODE_RANDOM"
    """Regardless of labels, in a random order that depends on the seed alone."""


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


class SplitFolds(Message):
    """Folds of equal size: the records that are not in the test part, near duplicates and groups in one
    fold, labels in the same shares where the mode is STRATIFIED or QUANTILES.

    One fold is the validation part, the others are the training part. Splits that differ in `fold` alone
    have the same test part and the same folds. Refused with the mode TIME (`BAD_SPLIT`).
    """

    count: int = 0
    """Number of folds, from 2 to 20."""

    fold: int = 0
    """Fold that is the validation part, from 0 to `count` - 1."""


class SplitCrossValidation(Message):
    """Nested cross-validation of a classical model, TF-IDF with logistic regression, on at most 10,000
    records that are not in the test part.

    Each fold is judged by a model that was fitted on the others; its settings are chosen by an inner
    cross-validation on these.
    """

    fold_scores: list[float] = []
    """Macro-F1 of each fold."""

    score: float = 0.0
    """Mean over the folds."""

    lower: float = 0.0
    """Lower end of the 95 % interval of the mean, corrected for the overlap of the training folds
    (Nadeau and Bengio).
    """

    upper: float = 0.0
    """Upper end of the interval."""

    settings: list[str] = []
    """Setting that the inner cross-validation chose for each fold, for example `words, C=10`."""

    record_count: Int64 = 0
    """Number of records."""


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
    `CLUSTER_STRADDLES`, `REPEATED` (repetition of a record that a mixture repeats and that is not
    trained on), `TRAINING_ONLY` (record that a labelling queue drew by uncertainty, after the start
    of the test part by time).
    """

    replayed_count: Int64 = 0
    """Number of replayed records in the training part."""

    redaction: SplitRedaction | None = None
    """Remaining parts of a REDACTED split.

    `train_digest` and `validation_digest` then identify the erased originals.
    """

    group_attribute: str = ""
    """Name of the attribute that groups records. Required by GROUPED, refused with other modes."""

    augmented_count: Int64 = 0
    """Number of augmented copies in the training part, which the step `augment` of the curation makes.

    Each names its original in the attribute `copy_of`.
    """

    folds: SplitFolds | None = None
    """Division of the records that are not in the test part into folds, where data are few.

    Not set: there are none.
    """

    cross_validation: SplitCrossValidation | None = None
    """Cross-validated scores of a classical model on the folds.

    Not set: there are no folds, or no two labels.
    """


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


class MixturePlanComponent(Message):
    """One component."""

    dataset_version: str = ""
    """Resource name of the dataset version."""

    source: str = ""
    """Resource name of the source. Empty: the whole version."""

    available_records: Int64 = 0
    """Number of records that the component has, without duplicates of earlier components."""

    available_tokens: Int64 = 0
    """Number of tokens that it has."""

    record_count: Int64 = 0
    """Number of records that are taken, repetitions included."""

    token_count: Int64 = 0
    """Number of tokens that are taken, repetitions included."""

    share: float = 0.0
    """Share of the mixture, in its unit, from 0 to 1."""

    repeats: float = 0.0
    """Mean number of times that an available record occurs."""

    max_repeats: int = 0
    """Highest number of times that one record occurs."""


class MixturePlan(Message):
    """What a mixture consists of."""

    components: list[MixturePlanComponent] = []
    """Components, in their order."""

    record_count: Int64 = 0
    """Number of records, repetitions included."""

    token_count: Int64 = 0
    """Number of tokens, repetitions included."""

    language_tokens: dict[str, Int64] = {}
    """Number of tokens by language."""

    label_records: dict[str, Int64] = {}
    """Number of records by label. Empty: labels are not balanced."""

    left_out_counts: dict[str, Int64] = {}
    """Number of available records that are not used, by reason: `DUPLICATE` (an earlier component has
    the same record or content), `OTHER_LANGUAGE`, `OTHER_LABEL`, `NOT_SAMPLED`.
    """

    max_budget: Int64 = 0
    """Largest size that the shares and `max_repeats` allow, in the unit of the mixture. 0: none."""

    problem: str = ""
    """Why the mixture cannot be built, and what to change.

    Empty: it can be built. The counts are 0 otherwise.
    """


class VersionDifference(Message):
    """Difference between two dataset versions, and between a split of each.

    Records are compared by their IDs.
    """

    name: str = ""
    """Resource name of the version that is compared."""

    base: str = ""
    """Resource name of the version that it is compared with."""

    counts: dict[str, Int64] = {}
    """Number of differences of each kind: `ADDED`, `REMOVED`, `CHANGED`, `MOVED`.

    A record that changed and moved counts in both.
    """

    unchanged_count: Int64 = 0
    """Number of records that are in both versions with the same content and label."""


class RecordDifferenceKind(OpenEnum):
    """Kind of a difference."""

    UNSPECIFIED = "KIND_UNSPECIFIED"
    """Not set."""

    ADDED = "KIND_ADDED"
    """Only in the compared version."""

    REMOVED = "KIND_REMOVED"
    """Only in the base."""

    CHANGED = "KIND_CHANGED"
    """In both, with other content or another label."""

    MOVED = "KIND_MOVED"
    """In other parts of the two splits."""


class RecordDifference(Message):
    """Difference of one record."""

    record_id: str = ""
    """ID of the record."""

    kind: RecordDifferenceKind = RecordDifferenceKind.UNSPECIFIED
    """Kind of the difference."""

    base_text: str = ""
    """Start of the text in the base. Empty for an added record."""

    text: str = ""
    """Start of the text in the compared version. Empty for a removed record."""

    base_label: str = ""
    """Label of the source in the base."""

    label: str = ""
    """Label of the source in the compared version."""

    base_part: Part = Part.UNSPECIFIED
    """Part of the split of the base. Not set: none."""

    part: Part = Part.UNSPECIFIED
    """Part of the split of the compared version. Not set: none."""


class ExportState(OpenEnum):
    """State of an export."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    QUEUED = "STATE_QUEUED"
    """Waiting to start."""

    RUNNING = "STATE_RUNNING"
    """The work is in progress."""

    READY = "STATE_READY"
    """The files are complete."""

    FAILED = "STATE_FAILED"
    """The work ended with an error; `failure` holds the reason."""

    CANCELLING = "STATE_CANCELLING"
    """Cancellation was requested; the work is stopping."""

    CANCELLED = "STATE_CANCELLED"
    """Cancelled before the work completed."""

    REDACTED = "STATE_REDACTED"
    """Records were erased, and the files with them. Create a new export of what is left."""


class ExportFormat(OpenEnum):
    """Format of the files."""

    UNSPECIFIED = "FORMAT_UNSPECIFIED"
    """Not set."""

    PARQUET = "FORMAT_PARQUET"
    """Parquet files with all columns."""

    JSONL = "FORMAT_JSONL"
    """JSON Lines in UTF-8, one record a line, in a form that can be imported."""

    CSV = "FORMAT_CSV"
    """CSV after RFC 4180 in UTF-8, with a header."""

    MEGATRON = "FORMAT_MEGATRON"
    """Indexed token files of Megatron-LM: `.bin` with the tokens, `.idx` with the lengths of the
    records.
    """

    TOKENS = "FORMAT_TOKENS"
    """Files of token IDs without a header (uint16, or uint32 for large vocabularies, little endian),
    each record followed by the end token, and `tokens.json`, which describes them.
    """

    HUGGING_FACE = "FORMAT_HUGGING_FACE"
    """Directory that `datasets.load_dataset` of Hugging Face reads: Parquet files and a dataset card."""

    LABEL_STUDIO = "FORMAT_LABEL_STUDIO"
    """JSON lists of tasks to import into Label Studio.

    `ExportQueue` writes answers and the labeling config as well.
    """


class ExportedFile(Message):
    """File of an export."""

    path: str = ""
    """Path in the tree."""

    digest: str = ""
    """SHA-256 digest of the file, by which it can be downloaded."""

    size_bytes: Int64 = 0
    """Size in bytes."""


class Export(Message):
    """Records of a dataset version or of parts of a split as files for other tools."""

    name: str = ""
    """Resource name: `projects/{project}/datasets/{dataset}/exports/{export}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    state: ExportState = ExportState.UNSPECIFIED
    """Current state."""

    dataset_version: str = ""
    """Resource name of the dataset version to export.

    Either this or `split` is required; it must be READY or REDACTED and belong to the dataset of the
    export.
    """

    split: str = ""
    """Resource name of the split to export.

    It must be READY or REDACTED and belong to the dataset of the export.
    """

    parts: list[Part] = []
    """Parts of the split.

    Default: the training and the validation part. The test part is sealed: it needs `reader` and
    `purpose`, and its reading is logged as by `OpenSplit`.
    """

    format: ExportFormat = ExportFormat.UNSPECIFIED
    """Format of the files. Required."""

    tokenizer_digest: str = ""
    """Digest of a tree that contains `tokenizer.json`, for example of a base model, or of that file
    itself.

    Required by MEGATRON and TOKENS, refused with other formats.
    """

    end_token: str = ""
    """Token at the end of each record in MEGATRON and TOKENS.

    Default: the `eos_token` in `tokenizer_config.json` of the tokenizer.
    """

    escape_formulas: bool = False
    """Put an apostrophe before cells of CSV that spreadsheets take for formulas.

    This changes such texts. Default: false.
    """

    reader: str = ""
    """Reader of the test part: the digest of a model artifact, or a resource name."""

    purpose: str = ""
    """Purpose of the export. It is logged if the test part is exported."""

    progress: Progress | None = None
    """Progress of the work."""

    failure: Failure | None = None
    """Why the work failed. Set in the state FAILED only."""

    artifact_digest: str = ""
    """Digest of the artifact tree with all files.

    Empty until the export is READY, in the state REDACTED, and for exports of the test part: `OpenExport`
    returns it.
    """

    files: list[ExportedFile] = []
    """Files of the tree. Empty where `artifact_digest` is."""

    record_count: Int64 = 0
    """Number of records."""

    token_count: Int64 = 0
    """Number of tokens of the tokenizer, end tokens included.

    0 for other formats than MEGATRON and TOKENS.
    """

    size_bytes: Int64 = 0
    """Size of all files in bytes."""


class OpenExportResponse(Message):
    """Response of `OpenExport`."""

    artifact_digest: str = ""
    """Digest of the artifact tree."""

    files: list[ExportedFile] = []
    """Its files."""


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

    shared_attachments: bool = False
    """Whether the records that have an attachment (image, audio, video, file) of one of these records
    are erased as well, with the attachment.

    Otherwise an attachment stays for as long as another record has it.
    """

    retained_attachments: list[str] = []
    """Digests of attachments of the erased records that stay, because other records have them.

    Empty until the erasure has succeeded.
    """


class Stream(Message):
    """Records that programs append one by one or in batches.

    Appended records are collected in a segment; a sealed segment is a source in the format JSONL.
    """

    name: str = ""
    """Resource name: `projects/{project}/streams/{stream}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server. Appended records do not change it."""

    display_name: str = ""
    """Name for people. At most 1,024 characters."""

    license: str = ""
    """License of the records: an SPDX identifier or a sentence.

    The sources of the stream have it.
    """

    columns: SourceColumns | None = None
    """Columns of the records, as of a source in the format JSONL."""

    segment_records: int = 0
    """Number of records at which a segment is sealed, 1 to 100,000. Default: 10,000."""

    segment_seconds: int = 0
    """Age of its first record at which a segment is sealed, in seconds, 1 to 86,400.

    Default: 3,600.
    """

    open_record_count: Int64 = 0
    """Number of records in segments that are not sealed yet. Set by the server."""

    sealed_record_count: Int64 = 0
    """Number of records in the sources of the stream. Set by the server."""

    source_count: Int64 = 0
    """Number of sources that the stream became. Set by the server."""

    latest_source: str = ""
    """Resource name of the latest source. Empty: none yet. Set by the server."""

    etag: str = ""
    """Version tag of the changeable fields. Send it with an update: a stale value is refused."""


class AppendedRecord(Message):
    """One record to append."""

    id: str = ""
    """ID that the caller gives the record, 1 to 256 characters.

    A record with the ID of an earlier record of the stream is not stored again. The ID is stored
    permanently with the record and must not contain personal data.
    """

    text: str = ""
    """Text of a plain record. Exactly one of `text` and `record_json` is set."""

    label: str = ""
    """Label of a plain record. Empty: none."""

    record_json: str = ""
    """The record as a JSON object, in one of the layouts of imports: `{"text": …, "label": …}`,
    `{"messages": […]}`, `{"prompt": …, "completion": …}`, `{"prompt": …, "chosen": …, "rejected":
    …}`.
    """


class AppendRecordsResponse(Message):
    """Response of `AppendRecords`."""

    appended_count: int = 0
    """Number of records that are new."""

    duplicate_count: int = 0
    """Number of records that were stored before, by an earlier request or earlier in this one."""


class CrawlState(OpenEnum):
    """State of a crawl."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    QUEUED = "STATE_QUEUED"
    """Waiting for a worker."""

    RUNNING = "STATE_RUNNING"
    """The work is in progress."""

    SUCCEEDED = "STATE_SUCCEEDED"
    """The work completed."""

    FAILED = "STATE_FAILED"
    """The work ended with an error; `failure` holds the reason."""

    CANCELLING = "STATE_CANCELLING"
    """Cancellation was requested."""

    CANCELLED = "STATE_CANCELLED"
    """The work was cancelled."""


class CrawlRefusal(Message):
    """Page that is not in the source."""

    url: str = ""
    """Address of the page."""

    reason: str = ""
    """Stable reason code in UPPER_SNAKE_CASE."""

    detail: str = ""
    """Details of the reason."""


class Crawl(Message):
    """Visit of web pages whose texts become a source.

    The crawler obeys `robots.txt` and waits between two requests to one host.
    """

    name: str = ""
    """Resource name: `projects/{project}/crawls/{crawl}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    state: CrawlState = CrawlState.UNSPECIFIED
    """Current state."""

    start_urls: list[str] = []
    """Addresses of the first pages, 1 to 100, with the scheme `http` or `https`. Required."""

    hosts: list[str] = []
    """Further hosts whose pages may be visited. The hosts of `start_urls` always are."""

    path_prefixes: list[str] = []
    """Only pages whose path starts with one of these are visited, such as `/docs/`.

    Empty: all paths.
    """

    license: str = ""
    """License of the texts: an SPDX identifier or a sentence. The source has it."""

    max_pages: int = 0
    """Maximum number of pages to request, 1 to 100,000. Default: 1,000."""

    max_depth: int | None = None
    """Maximum number of links from a first page to a page, 0 to 100. Not set: 10."""

    max_page_bytes: int = 0
    """Maximum size of one page in bytes, after decompression, 1 to 8,388,608.

    Default: 2,097,152.
    """

    max_seconds: int = 0
    """Seconds after which the crawl ends with the pages that it has, 1 to 86,400.

    Default: 3,600.
    """

    delay_seconds: float | None = None
    """Minimum number of seconds between two requests to one host, 0 to 60.

    Not set: 1. A longer `Crawl-delay` of the host takes precedence.
    """

    skip_sitemaps: bool = False
    """Do not read the sitemaps of the hosts."""

    previous: str = ""
    """Resource name of an earlier crawl that has succeeded.

    Its pages are requested with their `ETag` and `Last-Modified`; the source holds only new and changed
    pages. Empty: all pages.
    """

    progress: Progress | None = None
    """Progress of the work."""

    failure: Failure | None = None
    """Why the work failed. Set in the state FAILED only."""

    source: str = ""
    """Resource name of the source with the texts.

    Empty until the crawl has succeeded, and if it found no new text.
    """

    page_count: Int64 = 0
    """Number of requested pages."""

    stored_count: Int64 = 0
    """Number of pages in the source."""

    unchanged_count: Int64 = 0
    """Number of pages that have not changed since the earlier crawl."""

    refused_counts: dict[str, Int64] = {}
    """Number of pages and links that are not in the source, by reason, such as `ROBOTS_DISALLOWED` or
    `DUPLICATE`.
    """

    refusals: list[CrawlRefusal] = []
    """Up to 20 examples of refused pages."""

    stopped_by: str = ""
    """Bound that ended the crawl: `pages`, `seconds` or `bytes`. Empty: no page was left."""


class ProfileState(OpenEnum):
    """State of a profile."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    QUEUED = "STATE_QUEUED"
    """Waiting to start."""

    RUNNING = "STATE_RUNNING"
    """The work is in progress."""

    READY = "STATE_READY"
    """The report is complete."""

    FAILED = "STATE_FAILED"
    """The work ended with an error; `failure` holds the reason."""

    CANCELLING = "STATE_CANCELLING"
    """Cancellation was requested; the work is stopping."""

    CANCELLED = "STATE_CANCELLED"
    """Cancelled before the work completed."""


class Profile(Message):
    """Statistical profile of a dataset version. Records of test parts are left out."""

    name: str = ""
    """Resource name: `projects/{project}/datasets/{dataset}/profiles/{profile}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    state: ProfileState = ProfileState.UNSPECIFIED
    """Current state."""

    dataset_version: str = ""
    """Resource name of the dataset version.

    It must be READY or REDACTED and belong to the dataset of the profile.
    """

    label_set_digest: str = ""
    """Digest of a label set (`LabelSet.digest` of the labeling service).

    Empty: the labels of the sources count.
    """

    topic_count: int = 0
    """Number of topics, from 2 to 50. Default: 8."""

    progress: Progress | None = None
    """Progress of the work."""

    failure: Failure | None = None
    """Why the work failed. Set in the state FAILED only."""

    record_count: Int64 = 0
    """Number of records that the report describes. 0 until the profile is READY."""

    sealed_count: Int64 = 0
    """Number of records of test parts, which the report leaves out."""


class ProfileReportQuantile(Message):
    """Quantile."""

    share: float = 0.0
    """Share of the values that are at most `value`, from 0 to 1."""

    value: float = 0.0
    """Value."""


class ProfileReportHistogram(Message):
    """Histogram."""

    edges: list[float] = []
    """Edges of the bins, one more than there are counts, ascending."""

    counts: list[Int64] = []
    """Number of values in each bin. A bin includes its lower edge, the last bin both edges."""

    is_logarithmic: bool = False
    """True if the edges grow by a factor: the values span more than a factor of 100."""


class ProfileReportBoxPlot(Message):
    """Box plot of the values of one label."""

    label: str = ""
    """Label."""

    value_count: Int64 = 0
    """Number of values."""

    lower_whisker: float = 0.0
    """Smallest value within 1.5 interquartile ranges below the first quartile."""

    first_quartile: float = 0.0
    """First quartile."""

    median: float = 0.0
    """Median."""

    third_quartile: float = 0.0
    """Third quartile."""

    upper_whisker: float = 0.0
    """Largest value within 1.5 interquartile ranges above the third quartile."""


class ProfileReportNumericColumn(Message):
    """Numeric column."""

    name: str = ""
    """Name, for example `characters` or `attributes.priority`."""

    value_count: Int64 = 0
    """Number of finite values."""

    missing_count: Int64 = 0
    """Number of records without a value."""

    infinite_count: Int64 = 0
    """Number of values that are infinite or not a number."""

    mean: float = 0.0
    """Arithmetic mean."""

    standard_deviation: float = 0.0
    """Standard deviation of the sample. 0 for fewer than two values."""

    minimum: float = 0.0
    """Smallest value."""

    maximum: float = 0.0
    """Largest value."""

    quantiles: list[ProfileReportQuantile] = []
    """Quantiles at 1, 5, 25, 50, 75, 95 and 99 %. Their relative error is at most 1 %."""

    histogram: ProfileReportHistogram | None = None
    """Histogram."""

    outlier_count: Int64 = 0
    """Number of values beyond 1.5 interquartile ranges below the first or above the third quartile."""

    outlier_record_ids: list[str] = []
    """IDs of records with the most distant outliers, at most ten."""

    box_plots: list[ProfileReportBoxPlot] = []
    """Box plots by label, of the most frequent labels."""


class ProfileReportValueCount(Message):
    """Value with its frequency."""

    value: str = ""
    """Value; only the first 200 characters of a longer one."""

    count: Int64 = 0
    """Number of records."""


class ProfileReportValueColumn(Message):
    """Column of values."""

    name: str = ""
    """Name, for example `language` or `attributes.folder`."""

    value_count: Int64 = 0
    """Number of records with a value."""

    missing_count: Int64 = 0
    """Number of records without a value."""

    distinct_count: Int64 = 0
    """Number of different values. Estimated above 10,000."""

    top_values: list[ProfileReportValueCount] = []
    """Most frequent values, at most 50. Empty if nearly every record has its own value."""


class ProfileReportCorrelationMatrix(Message):
    """Correlation matrix."""

    names: list[str] = []
    """Names of the columns."""

    coefficients: list[float] = []
    """Coefficients from -1 to 1, row by row. 0 where a column is constant."""

    record_count: Int64 = 0
    """Number of records with all columns."""


class ProfileReportPoint(Message):
    """Point of a scatter plot."""

    x: float = 0.0
    """Value of the horizontal axis."""

    y: float = 0.0
    """Value of the vertical axis."""

    label: str = ""
    """Label of the record."""

    record_id: str = ""
    """ID of the record."""


class ProfileReportScatter(Message):
    """Records by two numeric columns."""

    x: str = ""
    """Column of the horizontal axis."""

    y: str = ""
    """Column of the vertical axis."""

    points: list[ProfileReportPoint] = []
    """The points."""


class ProfileReportCrossTable(Message):
    """Labels by the values of another column."""

    column: str = ""
    """Column of the table, for example `language`."""

    labels: list[str] = []
    """Labels: the rows."""

    values: list[str] = []
    """Values of the column: the columns."""

    counts: list[Int64] = []
    """Number of records, row by row."""

    association: float = 0.0
    """Cramér's V with the bias correction of Bergsma, from 0 (independent) to 1."""


class ProfileReportExampleRecord(Message):
    """Record with the start of its text."""

    record_id: str = ""
    """ID of the record."""

    text_start: str = ""
    """First 300 characters of the text."""

    label: str = ""
    """Label. Empty: none."""

    language: str = ""
    """Language as an ISO 639-1 code."""


class ProfileReportCluster(Message):
    """Cluster of near duplicates."""

    cluster: str = ""
    """ID of the cluster."""

    record_count: Int64 = 0
    """Number of records."""

    example: ProfileReportExampleRecord | None = None
    """A record of the cluster."""


class ProfileReportDuplicateClusters(Message):
    """Clusters of near duplicates."""

    cluster_count: Int64 = 0
    """Number of clusters with more than one record."""

    record_count: Int64 = 0
    """Number of records in them."""

    sizes: dict[str, Int64] = {}
    """Number of clusters by their size: `2`, `3`, `4-7`, `8-15`, and so on."""

    largest: list[ProfileReportCluster] = []
    """Largest clusters, at most ten."""


class ProfileReportTopic(Message):
    """Topic of texts."""

    words: list[str] = []
    """Heaviest words, at most ten."""

    share: float = 0.0
    """Share of the sampled texts whose first topic it is, from 0 to 1."""

    label_counts: dict[str, Int64] = {}
    """Number of sampled texts by label."""

    examples: list[ProfileReportExampleRecord] = []
    """Typical records, at most three."""


class ProfileReportLabelDifficulty(Message):
    """Difficulty of a label."""

    label: str = ""
    """Label."""

    record_count: Int64 = 0
    """Number of records."""

    recall: float = 0.0
    """Share of its records that the model recognised."""

    confused_with: str = ""
    """Label with which it was confused most often. Empty: none."""


class ProfileReportHardRecord(Message):
    """Record that a classical model finds hard."""

    record: ProfileReportExampleRecord | None = None
    """The record."""

    predicted: str = ""
    """Answer of the model."""

    margin: float = 0.0
    """Probability of the right label less that of the best other one."""


class ProfileReportDifficulty(Message):
    """What a classical model finds hard: logistic regression on TF-IDF, cross-validated."""

    record_count: Int64 = 0
    """Number of labelled records in the sample."""

    fold_count: int = 0
    """Number of folds. Near duplicates are in one fold."""

    accuracy: float = 0.0
    """Share of right answers on records that the model had not seen."""

    majority_share: float = 0.0
    """Share of the most frequent label."""

    margins: ProfileReportHistogram | None = None
    """Histogram of the margins: probability of the right label less that of the best other one, from -1
    to 1.
    """

    labels: list[ProfileReportLabelDifficulty] = []
    """Labels with their recall, the lowest first."""

    hardest: list[ProfileReportHardRecord] = []
    """Records with the lowest margins: hard texts and possible label errors, at most twenty."""


class ProfileReport(Message):
    """Report of a profile."""

    dataset_version: str = ""
    """Resource name of the dataset version."""

    record_count: Int64 = 0
    """Number of records that the report describes."""

    sealed_count: Int64 = 0
    """Number of records of test parts, which are left out."""

    numeric_columns: list[ProfileReportNumericColumn] = []
    """Numeric columns: `characters`, `tokens`, `characters_per_token`, the label if it is a number, and
    attributes that are numbers.
    """

    value_columns: list[ProfileReportValueColumn] = []
    """Columns of values: `language`, `label`, `source`, `license`, and attributes that are texts."""

    correlation: ProfileReportCorrelationMatrix | None = None
    """Pearson correlation of numeric columns, over the records that have them all."""

    scatters: list[ProfileReportScatter] = []
    """A sample of records by two numeric columns each."""

    cross_tables: list[ProfileReportCrossTable] = []
    """Counts of labels by the values of another column."""

    duplicate_clusters: ProfileReportDuplicateClusters | None = None
    """Clusters of near duplicates."""

    topics: list[ProfileReportTopic] = []
    """Topics of a sample of the texts."""

    difficulty: ProfileReportDifficulty | None = None
    """What a classical model finds hard. Not set: there are too few labels."""

    examples: list[ProfileReportExampleRecord] = []
    """Records drawn at random."""

    notes: list[str] = []
    """What could not be computed, one sentence each."""
