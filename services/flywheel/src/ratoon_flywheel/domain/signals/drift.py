"""How far traffic is from the training data, and how far mere chance would take it. It knows no policy.

The measure is the Kullback-Leibler divergence of three distributions: words (document frequencies of the training
data's most frequent words), length and language. A sample of the training data itself diverges, too; the *noise band*
is the 99th percentile under the null hypothesis: documents are drawn with replacement both for the sample and for the
data that it is compared with, as in a bootstrap, since both are samples of the same population.

Slices are many, and one of them lies beyond a 99th percentile by chance more often than one feature of all texts does.
Their bands are those of a family of m measures: band + σ ln m, where σ is the mean excess over the 90th percentile.
That is the (1 - 0.01/m)-quantile (Bonferroni) of a distribution whose tail is exponential, so that a report without
drift has a slice beyond its band with a chance of 1 %.

A bootstrap draws nothing that the training data do not have, so the band of a feature that is constant there would be
0. The band is therefore at least what documents of a new value do: of N training documents, the next one has a value
that none of them has with a chance of about 1 in N, and the 99th percentile of their number in the sample counts.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import exp, isfinite, log
from random import Random
from statistics import NormalDist, fmean
from typing import NamedTuple

from ratoon.tasks import kinds
from ratoon.tasks.kind import DriftInput
from ratoon.tasks.kinds import TaskSpec
from ratoon_flywheel.domain.bands import widths
from ratoon_flywheel.domain.signals.features import ExchangeFeatures, TextFeatures

VOCABULARY_SIZE = 1000
"""Words that count one by one; all others count together."""
SAMPLE_SIZES = (50, 100, 200, 400, 1000)
"""Sample sizes whose noise band is computed; between them it is interpolated in 1/size."""
RESAMPLES = 200
QUANTILE = 0.99
_TAIL_FROM = 0.9
"""Quantile over which the mean excess is taken."""
MAX_SLICES, MIN_SLICE = 4, 200
"""Languages that are profiled for themselves, and the documents that each needs."""
MAX_VALUES = 8
"""Values of an attribute that are profiled for themselves; all others are one slice."""
OTHER = "(other)"
_BINS = 10
"""Bins of numbers."""
_REFERENCES = 30
"""Bootstrapped references that the resamples share."""
_SMOOTHING = 0.5
"""Pseudo-count of each bin on both sides, so that an unseen bin costs something finite."""


class Feature(StrEnum):
    """What is compared."""

    WORDS = "tokens"
    LENGTH = "length"
    LANGUAGE = "language"
    LABELS = "predicted_labels"
    NUMBERS = "predicted_numbers"
    """Tenths of the numbers of the training data."""
    ANSWER_WORDS = "answer_tokens"
    ANSWER_LENGTH = "answer_length"
    ANSWER_LANGUAGE = "answer_language"
    ANSWER_STATUS = "answer_status"
    """Shares of valid answers, invalid ones and refusals."""
    EMBEDDINGS = "embeddings"
    """Measured by sketches, not by histograms."""


PROMPT_FEATURES = (Feature.WORDS, Feature.LENGTH, Feature.LANGUAGE)
_WORDS = (Feature.WORDS, Feature.ANSWER_WORDS)
_OF_REPLY = {
    Feature.ANSWER_WORDS: Feature.WORDS,
    Feature.ANSWER_LENGTH: Feature.LENGTH,
    Feature.ANSWER_LANGUAGE: Feature.LANGUAGE,
}


class Reference(StrEnum):
    """Data that traffic is compared with."""

    TRAINING = "TRAINING"
    """The training data of the version."""
    PROMOTION = "PROMOTION"
    """The newest traffic when the version was promoted."""


class Divergence(NamedTuple):
    """How far a distribution is from another one."""

    kl: float
    """Kullback-Leibler divergence in nats."""
    js: float
    """Jensen-Shannon divergence in nats, 0 to ln 2."""
    psi: float
    """Population stability index; below 0.1 is commonly taken as stable, above 0.25 as shifted."""


@dataclass(frozen=True)
class Histograms:
    """How often each bin occurs, by feature; bins are strings, `*` is all other words."""

    counts: Mapping[Feature, Mapping[str, float]]
    size: int


@dataclass(frozen=True)
class Baseline:
    """Data of one version, as drift is measured against them."""

    training: Histograms
    noise_bands: Mapping[Feature, tuple[float, ...]]
    """For each of SAMPLE_SIZES, nats."""
    js_bands: Mapping[Feature, tuple[float, ...]] = field(default_factory=dict)
    psi_bands: Mapping[Feature, tuple[float, ...]] = field(default_factory=dict)
    edges: tuple[float, ...] = ()
    """Bounds between the bins of numbers, ascending."""
    slices: Mapping[str, "Baseline"] = field(default_factory=dict)
    """The data of one language each, by its code, and of one value of an attribute, as `name=value`, where there are
    several."""
    tails: Mapping[Feature, tuple[float, ...]] = field(default_factory=dict)
    """For each of SAMPLE_SIZES, the mean excess of the divergence over the 90th percentile, nats; empty: not known."""
    js_tails: Mapping[Feature, tuple[float, ...]] = field(default_factory=dict)
    psi_tails: Mapping[Feature, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Measure:
    """One feature of a window of traffic."""

    feature: Feature
    divergence: float
    """Nats, of the traffic from the training data."""
    null_band: float
    """The 99th percentile for samples of this size."""
    js: float = 0.0
    js_band: float = 0.0
    psi: float = 0.0
    psi_band: float = 0.0
    reference: Reference = Reference.TRAINING
    slice: str = ""
    """Name of the slice, if the texts are a part of the window."""

    @property
    def ratio(self) -> float:
        """The divergence in widths of the noise band."""
        return widths(self.divergence, self.null_band)


def compares_answers(task: TaskSpec) -> bool:
    """Return whether drift compares the texts of answers of a task."""
    return DriftInput.ANSWER_LENGTH in kinds.kind_of(task).DRIFT_INPUTS


def baseline(
    documents: Sequence[TextFeatures],
    seed: int,
    compared: Collection[str] = PROMPT_FEATURES,
    attributes: Sequence[str] = (),
) -> Baseline:
    """Profile data and draw the noise bands; a few seconds for some thousand documents.

    Features that no document has are left out. Values of the `attributes` are slices.
    """
    if not documents:
        raise ValueError("There is no training data to measure drift against.")
    whole = _profiled(documents, seed, compared)
    parts = _by_language(documents)
    for attribute in attributes:
        parts |= _by_value(documents, attribute)
    slices = {name: _profiled(part, seed, compared) for name, part in parts.items()}
    return replace(whole, slices=slices)


Parts = dict[str, Sequence[TextFeatures]]


def _by_language(documents: Sequence[TextFeatures]) -> Parts:
    languages = Counter(document.language for document in documents)
    names = [name for name, count in languages.most_common(MAX_SLICES) if count >= MIN_SLICE]
    parts: Parts = {name: [each for each in documents if each.language == name] for name in names}
    return parts if len(parts) > 1 else {}


def _by_value(documents: Sequence[TextFeatures], attribute: str) -> Parts:
    """Return the documents of the most frequent values of an attribute, and those of all other values together."""
    by_value: dict[str, list[TextFeatures]] = {}
    for document in documents:
        if (value := _value(document, attribute)) is not None:
            by_value.setdefault(value, []).append(document)
    frequent = sorted(by_value, key=lambda value: (-len(by_value[value]), value))[:MAX_VALUES]
    own = [value for value in frequent if len(by_value[value]) >= MIN_SLICE]
    parts: Parts = {f"{attribute}={value}": by_value[value] for value in own}
    rest = [each for value, some in by_value.items() if value not in own for each in some]
    if len(rest) >= MIN_SLICE:
        parts[f"{attribute}={OTHER}"] = rest
    return parts if len(parts) > 1 else {}


def _value(document: TextFeatures, attribute: str) -> str | None:
    return document.slices.get(attribute) if isinstance(document, ExchangeFeatures) else None


def _in_slice(document: TextFeatures, name: str, names: Collection[str]) -> bool:
    attribute, is_attribute, value = name.partition("=")
    if not is_attribute:
        return document.language == name
    own = _value(document, attribute)
    if own is None:
        return False
    return own == value or (value == OTHER and f"{attribute}={own}" not in names)


def _profiled(documents: Sequence[TextFeatures], seed: int, compared: Collection[str]) -> Baseline:
    edges = _edges(documents) if Feature.NUMBERS in compared else ()
    counted: list[Feature] = [f for f in Feature if f in compared and f is not Feature.EMBEDDINGS]
    used = [f for f in counted if any(_has(each, f, edges) for each in documents)]
    vocabularies = {
        feature: _vocabulary(words for each in documents for words in _words(each, feature))
        for feature in used
        if feature in _WORDS
    }
    training = histograms(documents, vocabularies, used, edges)
    (kl, js, psi), tails = _noise_bands(documents, training, Random(seed), edges)
    return Baseline(training, kl, js, psi, edges, {}, *tails)


def _vocabulary(words: Iterable[int]) -> set[int]:
    frequencies = Counter(words)
    return {
        word
        for word, _ in sorted(frequencies.items(), key=lambda item: (-item[1], item[0]))[:VOCABULARY_SIZE]
    }


def histograms(
    documents: Iterable[TextFeatures],
    vocabularies: Mapping[Feature, Collection[int]],
    features: Collection[Feature] = PROMPT_FEATURES,
    edges: Sequence[float] = (),
) -> Histograms:
    """Count the bins of features; words count once a document, those outside a vocabulary as `*`."""
    known = {feature: frozenset(vocabularies.get(feature, ())) for feature in features if feature in _WORDS}
    counts: dict[Feature, Counter[str]] = {
        feature: Counter({str(word): 0 for word in known.get(feature, ())}) for feature in features
    }
    size = 0
    for document in documents:
        size += 1
        for feature in features:
            if feature in known:
                words = known[feature]
                counts[feature].update(str(w) if w in words else "*" for w in _words(document, feature))
            else:
                counts[feature].update(_bins(document, feature, edges))
    return Histograms(counts, size)


def measure(
    base: Baseline,
    documents: Sequence[TextFeatures],
    compared: Collection[str] = tuple(Feature),
    reference: Reference = Reference.TRAINING,
    part: str = "",
    family: int = 1,
) -> tuple[Measure, ...]:
    """Hold a window of traffic (distinct texts) against a baseline, by each of the `compared` features it has.

    Noise bands are those of a family of as many measures.
    """
    features = [feature for feature in base.training.counts if feature in compared]
    vocabularies = {
        feature: [int(word) for word in base.training.counts[feature] if word != "*"]
        for feature in features
        if feature in _WORDS
    }
    traffic = histograms(documents, vocabularies, features, base.edges)
    return tuple(
        _measure(feature, base, traffic, reference, part, family)
        for feature in features
        if any(traffic.counts[feature].values())
    )


def measure_slices(
    base: Baseline,
    documents: Sequence[TextFeatures],
    compared: Collection[str] = tuple(Feature),
    promotion: Baseline | None = None,
) -> tuple[Measure, ...]:
    """Hold the texts of each slice that a baseline profiles against its data of that slice.

    All of the measures, those of the traffic at the promotion included, are one family: `noise_band` of the family.
    """
    references = [(Reference.TRAINING, base)]
    if promotion is not None:
        references.append((Reference.PROMOTION, promotion))
    windows = [
        (reference, part, texts, name)
        for reference, profile in references
        for name, part in profile.slices.items()
        if len(texts := [each for each in documents if _in_slice(each, name, profile.slices)])
        >= SAMPLE_SIZES[0]
    ]
    selected = [set(compared) - ({Feature.LANGUAGE} if "=" not in name else set()) for *_, name in windows]
    family = sum(
        len(features & part.training.counts.keys())
        for features, (_, part, _, _) in zip(selected, windows, strict=True)
    )
    return tuple(
        each
        for features, (reference, part, texts, name) in zip(selected, windows, strict=True)
        for each in measure(part, texts, features, reference, name, family)
    )


def _measure(
    feature: Feature, base: Baseline, traffic: Histograms, reference: Reference, part: str, family: int
) -> Measure:
    far = divergences(traffic.counts[feature], base.training.counts[feature])
    size = traffic.size
    kl, js, psi = (
        _family_band(bands.get(feature, ()), tails.get(feature, ()), size, family)
        for bands, tails in (
            (base.noise_bands, base.tails),
            (base.js_bands, base.js_tails),
            (base.psi_bands, base.psi_tails),
        )
    )
    lowest = min_noise_band(feature, base, size, family)
    return Measure(feature, far.kl, max(kl, lowest), far.js, js, far.psi, psi, reference, part)


def _family_band(bands: Sequence[float], tails: Sequence[float], size: int, family: int) -> float:
    """Return the band of one of a family of measures; 0 if there is none."""
    if not bands:
        return 0.0
    return noise_band(bands, size) + (noise_band(tails, size) * log(family) if tails else 0.0)


def _words(document: TextFeatures, feature: Feature) -> tuple[int, ...]:
    if feature is Feature.WORDS:
        return document.words
    reply = getattr(document, "reply", None)
    return reply.words if reply is not None else ()


def _bins(document: TextFeatures, feature: Feature, edges: Sequence[float]) -> tuple[str, ...]:
    """Return the bins of a feature that are no words; none if the document lacks it."""
    if feature is Feature.LENGTH:
        return (str(document.length),)
    if feature is Feature.LANGUAGE:
        return (document.language,)
    if not isinstance(document, ExchangeFeatures):
        return ()
    if feature is Feature.LABELS:
        return tuple(document.answer.splitlines())
    if feature is Feature.NUMBERS:
        number = _number(document)
        return () if number is None else (str(bisect_right(edges, number)),)
    if feature is Feature.ANSWER_STATUS:
        return (document.status,) if document.status else ()
    return () if document.reply is None else _bins(document.reply, _OF_REPLY[feature], edges)


def _has(document: TextFeatures, feature: Feature, edges: Sequence[float]) -> bool:
    return feature is Feature.WORDS or bool(
        _words(document, feature) if feature in _WORDS else _bins(document, feature, edges)
    )


def _number(document: TextFeatures) -> float | None:
    try:
        number = float(document.answer) if isinstance(document, ExchangeFeatures) else None
    except ValueError:
        return None
    return number if number is not None and isfinite(number) else None


def _edges(documents: Sequence[TextFeatures]) -> tuple[float, ...]:
    """Return the bounds between the tenths of the numbers, those that differ."""
    numbers = sorted(number for each in documents if (number := _number(each)) is not None)
    tenths = (numbers[len(numbers) * tenth // _BINS] for tenth in range(1, _BINS)) if numbers else ()
    return tuple(sorted(set(tenths)))


def divergences(sample: Mapping[str, float], reference: Mapping[str, float]) -> Divergence:
    """Return the divergences of a sample over the bins of either, both smoothed by half a count a bin."""
    bins = sorted(sample.keys() | reference.keys())
    return _divergences([sample.get(name, 0) for name in bins], [reference.get(name, 0) for name in bins])


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


def min_noise_band(feature: Feature, base: Baseline, size: int, family: int = 1) -> float:
    """Return the divergence of a sample of this size that has as many new values as chance may bring.

    Texts bring new words all the time, which the band of words has in it; it only counts where all texts have the
    same words.
    """
    if feature in _WORDS and max(base.noise_bands[feature]) > 0:
        return 0.0
    counts = [float(count) for count in base.training.counts[feature].values() if count]
    documents, size = max(base.training.size, 1), max(size, 1)
    new = min(size, max(1, _poisson_quantile(size / (documents + 1), 1 - (1 - QUANTILE) / family)))
    a_document = size / documents
    share = (size - new) / size
    sample = [count * a_document * share for count in counts]
    return _divergence([*sample, sum(counts) / documents * new], [*counts, 0.0])


def _poisson_quantile(mean: float, quantile: float) -> int:
    """Return the smallest number that a Poisson variable of this mean does not exceed with a probability."""
    if mean > 100:
        return int(mean + NormalDist().inv_cdf(quantile) * mean**0.5)
    number, chance = 0, exp(-mean)
    total = chance
    while total < quantile:
        number += 1
        chance *= mean / number
        total += chance
    return number


def _divergence(sample: Sequence[float], reference: Sequence[float]) -> float:
    return _divergences(sample, reference).kl


def _divergences(sample: Sequence[float], reference: Sequence[float]) -> Divergence:
    of_sample = sum(sample) + _SMOOTHING * len(sample)
    of_reference = sum(reference) + _SMOOTHING * len(reference)
    forward, backward, js = [], 0.0, 0.0
    for count, other in zip(sample, reference, strict=True):
        p, q = (count + _SMOOTHING) / of_sample, (other + _SMOOTHING) / of_reference
        ratio = log(p * of_reference / (other + _SMOOTHING))
        to_middle = -log((1 + q / p) / 2)
        forward.append(p * ratio)
        backward -= q * ratio
        js += p * to_middle + q * (to_middle - ratio)
    kl = sum(forward)
    return Divergence(kl, max(js / 2, 0.0), max(kl + backward, 0.0))


Bands = dict[Feature, tuple[float, ...]]


def _noise_bands(
    documents: Sequence[TextFeatures], training: Histograms, random: Random, edges: Sequence[float]
) -> tuple[list[Bands], list[Bands]]:
    """Draw samples and references from the training data; return quantile and tail of each of their divergences."""
    used = list(training.counts)
    indexed = {
        feature: _indexed(documents, list(training.counts[feature]), feature, edges) for feature in used
    }
    widths = {feature: len(training.counts[feature]) for feature in used}
    drawn: dict[Feature, list[list[Divergence]]] = {feature: [[] for _ in SAMPLE_SIZES] for feature in used}
    references: list[dict[Feature, list[int]]] = []
    population = range(len(documents))
    for draw in range(RESAMPLES):
        if len(references) < _REFERENCES:
            chosen = random.choices(population, k=len(documents))
            references.append({f: _counted(indexed[f], chosen, widths[f]) for f in used})
        reference = references[draw % _REFERENCES]
        sample = random.choices(population, k=SAMPLE_SIZES[-1])
        for feature in used:
            prefixes = _prefix_counts(indexed[feature], sample, widths[feature])
            for position, counts in enumerate(prefixes):
                drawn[feature][position].append(_divergences(counts, reference[feature]))
    bands, tails = (
        [
            {f: tuple(summary([each[place] for each in some]) for some in drawn[f]) for f in used}
            for place in range(len(Divergence._fields))
        ]
        for summary in (_quantile, _mean_excess)
    )
    return bands, tails


def _indexed(
    documents: Sequence[TextFeatures], bins: Sequence[str], feature: Feature, edges: Sequence[float]
) -> list[list[int]]:
    """Each document as positions in the histogram."""
    position = {name: index for index, name in enumerate(bins)}
    if feature not in _WORDS:
        return [[position[name] for name in _bins(document, feature, edges)] for document in documents]
    other = position.get("*", 0)
    by_hash = {int(name): index for name, index in position.items() if name != "*"}
    return [[by_hash.get(word, other) for word in _words(document, feature)] for document in documents]


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


def _mean_excess(values: list[float]) -> float:
    """Return by how much the values over the 90th percentile exceed it on average."""
    ordered = sorted(values)
    start = int(_TAIL_FROM * len(ordered))
    return fmean(value - ordered[start - 1] for value in ordered[start:])
