"""How far traffic is from the training data, and how far mere chance would take it. It knows no policy.

The measure is the Kullback-Leibler divergence of three distributions: words (document frequencies of the training
data's most frequent words), length and language. A sample of the training data itself diverges, too; the *noise band*
is the 99th percentile under the null hypothesis: documents are drawn with replacement both for the sample and for the
data that it is compared with, as in a bootstrap, since both are samples of the same population.

A bootstrap draws nothing that the training data do not have, so the band of a feature that is constant there would be
0. The band is therefore at least what documents of a new value do: of N training documents, the next one has a value
that none of them has with a chance of about 1 in N, and the 99th percentile of their number in the sample counts.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp, log
from random import Random

from ratoon.tasks import kinds
from ratoon.tasks.kind import DriftInput
from ratoon.tasks.kinds import TaskSpec
from ratoon_flywheel.domain.bands import widths
from ratoon_flywheel.domain.signals.features import TextFeatures

VOCABULARY_SIZE = 1000
"""Words that count one by one; all others count together."""
SAMPLE_SIZES = (50, 100, 200, 400, 1000)
"""Sample sizes whose noise band is computed; between them it is interpolated in 1/size."""
RESAMPLES = 200
QUANTILE = 0.99
_REFERENCES = 30
"""Bootstrapped references that the resamples share."""
_SMOOTHING = 0.5
"""Pseudo-count of each bin on both sides, so that an unseen bin costs something finite."""


class Feature(StrEnum):
    """What is compared."""

    WORDS = "tokens"
    LENGTH = "length"
    LANGUAGE = "language"


@dataclass(frozen=True)
class Histograms:
    """How often each bin occurs, by feature; bins are strings, `*` is all other words."""

    counts: Mapping[Feature, Mapping[str, float]]
    size: int


@dataclass(frozen=True)
class Baseline:
    """The training data of one version, as drift is measured against it."""

    training: Histograms
    noise_bands: Mapping[Feature, tuple[float, ...]]
    """For each of SAMPLE_SIZES, nats."""


@dataclass(frozen=True)
class Measure:
    """One feature of a window of traffic."""

    feature: Feature
    divergence: float
    """Nats, of the traffic from the training data."""
    null_band: float
    """The 99th percentile for samples of this size."""

    @property
    def ratio(self) -> float:
        """The divergence in widths of the noise band."""
        return widths(self.divergence, self.null_band)


def compares_answers(task: TaskSpec) -> bool:
    """Return whether drift compares the texts of answers of a task."""
    return DriftInput.ANSWER_LENGTH in kinds.kind_of(task).DRIFT_INPUTS


def baseline(documents: Sequence[TextFeatures], seed: int) -> Baseline:
    """Profile the training data and draw its noise bands; a few seconds for some thousand documents."""
    if not documents:
        raise ValueError("There is no training data to measure drift against.")
    frequencies = Counter(word for document in documents for word in document.words)
    vocabulary = {
        word
        for word, _ in sorted(frequencies.items(), key=lambda item: (-item[1], item[0]))[:VOCABULARY_SIZE]
    }
    training = histograms(documents, vocabulary)
    return Baseline(training, _noise_bands(documents, training, Random(seed)))


def histograms(documents: Iterable[TextFeatures], vocabulary: Iterable[int]) -> Histograms:
    """Count words (once a document), lengths and languages."""
    known = frozenset(vocabulary)
    words: Counter[str] = Counter({str(word): 0 for word in known})
    lengths: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    size = 0
    for document in documents:
        size += 1
        words.update(str(word) if word in known else "*" for word in document.words)
        lengths[str(document.length)] += 1
        languages[document.language] += 1
    return Histograms({Feature.WORDS: words, Feature.LENGTH: lengths, Feature.LANGUAGE: languages}, size)


def measure(
    base: Baseline, documents: Sequence[TextFeatures], compared: Collection[str] = tuple(Feature)
) -> tuple[Measure, ...]:
    """Hold a window of traffic (distinct texts) against the training data, by each of the `compared` features."""
    vocabulary = [int(word) for word in base.training.counts[Feature.WORDS] if word != "*"]
    traffic = histograms(documents, vocabulary)
    return tuple(
        Measure(
            feature,
            divergence(traffic.counts[feature], base.training.counts[feature]),
            max(
                noise_band(base.noise_bands[feature], traffic.size),
                min_noise_band(feature, base, traffic.size),
            ),
        )
        for feature in Feature
        if feature in compared
    )


def divergence(sample: Mapping[str, float], reference: Mapping[str, float]) -> float:
    """KL(sample ‖ reference) in nats over the bins of either, both smoothed by half a count a bin."""
    bins = sorted(sample.keys() | reference.keys())
    return _divergence([sample.get(name, 0) for name in bins], [reference.get(name, 0) for name in bins])


def noise_band(bands: Sequence[float], size: int) -> float:
    """The band for a sample of this size: linear in 1/size between SAMPLE_SIZES, the end values beyond them."""
    if size <= SAMPLE_SIZES[0]:
        return bands[0] * SAMPLE_SIZES[0] / max(size, 1)
    for (low, at_low), (high, at_high) in zip(
        zip(SAMPLE_SIZES, bands, strict=True), zip(SAMPLE_SIZES[1:], bands[1:], strict=False), strict=False
    ):
        if size <= high:
            share = (1 / size - 1 / high) / (1 / low - 1 / high)
            return at_high + share * (at_low - at_high)
    return bands[-1]


def min_noise_band(feature: Feature, base: Baseline, size: int) -> float:
    """Return the divergence of a sample of this size that has as many new values as chance may bring.

    Texts bring new words all the time, which the band of words has in it; it only counts where all texts have the
    same words.
    """
    if feature is Feature.WORDS and max(base.noise_bands[feature]) > 0:
        return 0.0
    counts = [float(count) for count in base.training.counts[feature].values() if count]
    documents, size = max(base.training.size, 1), max(size, 1)
    new = min(size, max(1, _poisson_quantile(size / (documents + 1))))
    a_document = size / documents
    share = (size - new) / size
    sample = [count * a_document * share for count in counts]
    return _divergence([*sample, sum(counts) / documents * new], [*counts, 0.0])


def _poisson_quantile(mean: float) -> int:
    """Return the smallest number that a Poisson variable of this mean does not exceed with probability QUANTILE."""
    if mean > 100:
        return int(mean + 2.33 * mean**0.5)
    number, chance = 0, exp(-mean)
    total = chance
    while total < QUANTILE:
        number += 1
        chance *= mean / number
        total += chance
    return number


def _divergence(sample: Sequence[float], reference: Sequence[float]) -> float:
    of_sample = sum(sample) + _SMOOTHING * len(sample)
    of_reference = sum(reference) + _SMOOTHING * len(reference)
    return sum(
        (count + _SMOOTHING)
        / of_sample
        * log((count + _SMOOTHING) / of_sample * of_reference / (other + _SMOOTHING))
        for count, other in zip(sample, reference, strict=True)
    )


def _noise_bands(
    documents: Sequence[TextFeatures], training: Histograms, random: Random
) -> dict[Feature, tuple[float, ...]]:
    """Draw samples and references from the training data, and take the quantile of their divergences."""
    indexed = {feature: _indexed(documents, list(training.counts[feature]), feature) for feature in Feature}
    widths = {feature: len(training.counts[feature]) for feature in Feature}
    drawn: dict[Feature, list[list[float]]] = {feature: [[] for _ in SAMPLE_SIZES] for feature in Feature}
    references: list[dict[Feature, list[int]]] = []
    population = range(len(documents))
    for draw in range(RESAMPLES):
        if len(references) < _REFERENCES:
            chosen = random.choices(population, k=len(documents))
            references.append({f: _counted(indexed[f], chosen, widths[f]) for f in Feature})
        reference = references[draw % _REFERENCES]
        sample = random.choices(population, k=SAMPLE_SIZES[-1])
        for feature in Feature:
            prefixes = _prefix_counts(indexed[feature], sample, widths[feature])
            for position, counts in enumerate(prefixes):
                drawn[feature][position].append(_divergence(counts, reference[feature]))
    return {feature: tuple(_quantile(values) for values in drawn[feature]) for feature in Feature}


def _indexed(documents: Sequence[TextFeatures], bins: Sequence[str], feature: Feature) -> list[list[int]]:
    """Each document as positions in the histogram."""
    position = {name: index for index, name in enumerate(bins)}
    if feature is Feature.LENGTH:
        return [[position[str(document.length)]] for document in documents]
    if feature is Feature.LANGUAGE:
        return [[position[document.language]] for document in documents]
    other = position.get("*", 0)
    by_hash = {int(name): index for name, index in position.items() if name != "*"}
    return [[by_hash.get(word, other) for word in document.words] for document in documents]


def _counted(indexed: Sequence[Sequence[int]], chosen: Iterable[int], width: int) -> list[int]:
    counts = [0] * width
    for document in chosen:
        for index in indexed[document]:
            counts[index] += 1
    return counts


def _prefix_counts(indexed: Sequence[Sequence[int]], sample: Sequence[int], width: int) -> list[list[int]]:
    """The histograms of the first 50, 100, … documents of one sample."""
    counts, results, start = [0] * width, [], 0
    for size in SAMPLE_SIZES:
        for index, more in enumerate(_counted(indexed, sample[start:size], width)):
            counts[index] += more
        results.append(list(counts))
        start = size
    return results


def _quantile(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(QUANTILE * len(ordered)))]
