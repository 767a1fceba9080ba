"""Judges as their pages show them, and what evaluations say of their verdicts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ratoon.tasks.judges import METRICS_OF_KIND, JudgeKind
from ratoon_console.domain.errors import BadForm
from ratoon_console.domain.metrics import Measure, values
from ratoon_console.domain.words import JSON, count, decimal, last_part, number

KINDS = {"KIND_PAIRWISE": "compares two answers", "KIND_RUBRIC": "scores one answer from 1 to 5"}
"""Kinds of judges, as pages name them."""
_TEXTS = ("model", "criteria")


def judge_of(fields: Mapping[str, str]) -> JSON:
    """Return the judge of a form; BadForm unless it names a kind, and an endpoint or a model artifact."""
    address, digest = (fields.get(name, "").strip() for name in ("base_url", "model_digest"))
    if fields.get("kind") not in KINDS:
        raise BadForm("The judge has no kind. Go back and choose one.")
    if bool(address) == bool(digest):
        raise BadForm("Give an endpoint, or the digest of a model artifact. Go back and fill in one of them.")
    texts = {name: text for name in _TEXTS if (text := fields.get(name, "").strip())}
    source = {"baseUrl": address} if address else {"modelDigest": digest}
    return {"kind": fields["kind"], **source, **texts}


def answerer(judge: JSON) -> str:
    """Return what judges: the model at an endpoint, or an artifact."""
    if judge.get("baseUrl"):
        return f"{judge.get('model', '')} at {judge['baseUrl']}"
    return f"model artifact {judge.get('modelDigest', '')[:12]}"


def agreement_rows(judge: JSON) -> list[tuple[str, str]]:
    """Return the agreement of a judge with people, as terms with their values; empty: it is not known yet."""
    known = judge.get("agreement")
    if known is None:
        return []
    pairs = judge.get("kind") == "KIND_PAIRWISE"
    rows = [
        ("Compared pairs" if pairs else "Rated answers", count(known.get("pairCount"))),
        ("Same verdict as people", _share(known.get("raw"))),
        ("Cohen's kappa" if pairs else "Cohen's kappa, quadratic weights", _value(known.get("kappa"))),
        *([("Same verdict in both orders", _share(known.get("consistency")))] if pairs else []),
    ]
    left_out = {
        "Replies that cannot be read": "unparsableCount",
        "Prompts without a reply": "failedCount",
        "Records that were erased": "missingCount",
    }
    return rows + [(term, count(known[key])) for term, key in left_out.items() if number(known.get(key))]


def kappa(judge: JSON) -> str:
    """Return Cohen's kappa with people; a dash where there is none."""
    return _value((judge.get("agreement") or {}).get("kappa"))


@dataclass(frozen=True)
class Verdicts:
    """What one judge said about one test part, as text."""

    run: str
    time: str
    judge: str
    domain: str
    metrics: tuple[tuple[str, str], ...]
    """Titles of the metrics of the judge, with their values."""
    notes: tuple[str, ...]


def verdicts_of(run: JSON, result: JSON, measure: Measure) -> list[Verdicts]:
    """Return what the judges of a run said about a domain, in the order of the run."""
    return [_verdicts(run, result, counts, measure) for counts in result.get("judges", [])]


def verdicts_in(runs: Sequence[JSON], judge: str, measure_of: Mapping[str, Measure]) -> list[Verdicts]:
    """Return what a judge said in these runs; `measure_of` is how each run is measured, by its name."""
    return [
        each
        for run in runs
        for result in run.get("results", [])
        for each in verdicts_of(run, result, measure_of[run["name"]])
        if each.judge == last_part(judge)
    ]


def people_notes(result: JSON) -> list[str]:
    """Return what people said about a domain, one sentence each; empty: the run takes in no human ratings."""
    human = result.get("human")
    if not human:
        return []
    notes = []
    if number(human.get("pairCount")):
        notes.append(
            f"Comparisons: {count(human.get('pairCount'))} ({_record(human)})"
            + _alpha(human.get("comparisonAlpha"))
        )
    if rated := number(human.get("candidateRatingCount")):
        others = number(human.get("referenceRatingCount"))
        notes.append(
            f"Ratings: {rated:,} answers of the candidate, {others:,} of the version in production"
            + _alpha(human.get("ratingAlpha"))
        )
    return notes or ["No human ratings of these answers."]


def _verdicts(run: JSON, result: JSON, counts: JSON, measure: Measure) -> Verdicts:
    candidate = result.get("candidate", {})
    scores = values(candidate)
    is_pairwise = (
        _counts_pairs(counts) or not {"rubric_score"} & (scores | candidate.get("unmeasured", {})).keys()
    )
    names = METRICS_OF_KIND[JudgeKind.PAIRWISE if is_pairwise else JudgeKind.RUBRIC]
    return Verdicts(
        last_part(run["name"]),
        run.get("createTime", ""),
        last_part(counts["judge"]),
        result["domain"],
        tuple((measure.title(name), measure.text(name, scores.get(name))) for name in names),
        tuple(_notes(counts, is_pairwise)),
    )


def _counts_pairs(counts: JSON) -> bool:
    """Return whether a judge won, lost or tied pairs; scores of single answers are none of them."""
    return any(number(counts.get(key)) for key in ("winCount", "lossCount", "tieCount"))


def _notes(counts: JSON, is_pairwise: bool) -> Iterator[str]:
    counted = count(counts.get("verdictCount"))
    if not is_pairwise:
        yield f"{counted} answers scored"
    else:
        yield f"{counted} pairs: {_record(counts)}"
        yield (
            f"{count(counts.get('inconsistentCount'))} changed with the order; won in both orders: the first place "
            f"{count(counts.get('firstPositionCount'))}, the second {count(counts.get('secondPositionCount'))}"
        )
    for length in ("longer", "shorter"):
        if rate := counts.get(f"{length}WinRate"):
            yield (
                f"win rate {decimal(rate.get('value'))} where the candidate's answer is {length} "
                f"({count(counts.get(f'{length}Count'))})"
            )
    for key, what in (("unparsableCount", "could not be read"), ("failedCount", "got no reply")):
        if number(counts.get(key)):
            yield f"{count(counts[key])} {what}"


def _record(counts: JSON) -> str:
    won, tied, lost = (count(counts.get(key)) for key in ("winCount", "tieCount", "lossCount"))
    return f"{won} won, {tied} tied, {lost} lost"


def _alpha(value: object) -> str:
    return "" if value is None else f", Krippendorff's alpha {decimal(value)}"


def _share(value: object) -> str:
    return "–" if value is None else f"{float(str(value)):.0%}"


def _value(value: object) -> str:
    return "–" if value is None else decimal(value, 2)
