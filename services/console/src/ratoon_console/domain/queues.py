"""Forms of labelling queues and guidelines, and the resources that they describe."""

import re
from collections.abc import Mapping
from datetime import datetime

from ratoon_console.domain.errors import BadForm
from ratoon_console.domain.words import JSON, last_part, number

STRATEGIES = {
    "STRATEGY_RANDOM": "at random",
    "STRATEGY_MARGIN": "those between two labels",
    "STRATEGY_ENTROPY": "those of which the model knows least",
    "STRATEGY_LABEL_ERRORS": "those whose label is probably wrong",
}
"""How a queue chooses records."""
PROPOSALS = {
    "": "none",
    "ORIGIN_RULES": "rules",
    "ORIGIN_CLASSICAL": "a model of the labels so far",
    "ORIGIN_ENDPOINT": "an endpoint",
}
"""Where proposed answers come from."""
WORKS = {
    "WORK_ANSWER": "give the answer",
    "WORK_RATE": "rate an answer",
    "WORK_COMPARE": "choose the better of two answers",
}
"""What annotators do with a record of a queue."""
ANSWERS = {
    "classify": "one label",
    "several": "several labels",
    "spans": "marked words",
    "generate": "a text",
    "regress": "a number",
}
"""What annotators enter."""
EARLIER = {
    "EARLIER_ANSWERS_KEEP": "stay valid",
    "EARLIER_ANSWERS_ASK_AGAIN": "are requested again",
}
"""What a new version of a guideline means for earlier answers."""
_PATTERN = re.compile(r"/(.+)/")
_INTAKE = re.compile(
    r"(?P<id>[a-z0-9-]+)\s*:\s*(?P<words>[^,]+?)(?:\s*,\s*(?P<day>\d+) a day)?(?:\s*,\s*(?P<total>\d+) in all)?"
)
"""Rule by which answers enter a queue, as a line of its form."""


def queue_of(fields: Mapping[str, str], project: str) -> JSON:
    """Return the settings of a queue by its form; BadForm if one cannot be read."""
    dataset, _, version = _text(fields, "version").partition("/")
    if bool(dataset) is not bool(version):
        raise BadForm("Enter a dataset version as dataset/version, for example mail/v1.")
    deadline = _text(fields, "deadline")
    settings: JSON = {
        "datasetVersion": f"projects/{project}/datasets/{dataset}/versions/{version}" if dataset else "",
        "guideline": _text(fields, "guideline"),
        "filter": _text(fields, "filter"),
        "overlap": int(_number(fields, "overlap", 1)),
        "goldShare": _number(fields, "gold_share", 0) / 100,
        "reviewShare": _number(fields, "review_share", 0) / 100,
        "reviewers": [each.strip() for each in _text(fields, "reviewers").split(",") if each.strip()],
        "paused": fields.get("paused") == "yes",
        "refillRule": {
            "size": int(_number(fields, "size", 50)),
            "threshold": int(_number(fields, "threshold", 0)),
            "maxTasks": int(_number(fields, "max_tasks", 0)),
            "strategy": _text(fields, "strategy") or "STRATEGY_RANDOM",
            "randomShare": _number(fields, "random_share", 30) / 100,
            "minGain": _number(fields, "min_gain", 0),
        },
        "preLabels": _pre_labels(fields),
        "intakeRules": [_intake_rule(line) for line in _text(fields, "intake").splitlines() if line.strip()],
    }
    if work := _text(fields, "work"):
        settings |= {"work": work, "scales": _lines(fields, "scales")}
    if deadline:
        try:
            settings["deadline"] = datetime.fromisoformat(deadline).isoformat() + "Z"
        except ValueError:
            raise BadForm(f"{deadline!r} is no time.") from None
    return settings


def _pre_labels(fields: Mapping[str, str]) -> JSON:
    origin = _text(fields, "origin")
    if not origin:
        return {}
    chosen: JSON = {"origin": origin, "blindShare": _number(fields, "blind_share", 0) / 100}
    if origin == "ORIGIN_RULES":
        chosen["rules"] = [_rule(line) for line in _text(fields, "rules").splitlines() if line.strip()]
    if origin == "ORIGIN_ENDPOINT":
        chosen["endpoint"] = {"baseUrl": _text(fields, "base_url"), "model": _text(fields, "model")}
    return chosen


def _rule(line: str) -> JSON:
    label, separator, rest = line.partition(":")
    pattern = _PATTERN.fullmatch(rest.strip())
    if not separator or not rest.strip():
        raise BadForm(f"{line!r} is no rule. Write it as label: word, word or label: /pattern/.")
    if pattern:
        return {"label": label.strip(), "pattern": pattern[1]}
    return {"label": label.strip(), "keywords": [each.strip() for each in rest.split(",") if each.strip()]}


def rules_text(queue: JSON) -> str:
    """Return the rules of a queue as its form has them."""
    rules = queue.get("preLabels", {}).get("rules", [])
    return "\n".join(
        f"{each['label']}: "
        + (f"/{each['pattern']}/" if each.get("pattern") else ", ".join(each["keywords"]))
        for each in rules
    )


def _intake_rule(line: str) -> JSON:
    """Return a rule by which answers enter a queue, by its line of the form."""
    matched = _INTAKE.fullmatch(line.strip())
    words = matched["words"].split() if matched else []
    read = _SOURCES.get(words[0]) if words else None
    if matched is None or read is None:
        raise BadForm(
            f"{line!r} is no rule. Write it as id: low-rated 2, id: traffic 1% or id: bad-cases RUN, and at the end "
            "100 a day, 1000 in all."
        )
    limits = {"maxPerDay": int(matched["day"] or 0), "maxTasks": int(matched["total"] or 0)}
    return {
        "id": matched["id"],
        **read(words[1:]),
        **{name: value for name, value in limits.items() if value},
    }


def _traffic(words: list[str]) -> JSON:
    share = next((each for each in words if each.endswith("%")), "1%")
    choice = "CHOICE_UNCERTAIN" if "uncertain" in words else "CHOICE_RANDOM"
    try:
        return {
            "traffic": {"share": float(share[:-1]) / 100, "choice": choice, "deployment": _deployment(words)}
        }
    except ValueError:
        raise BadForm(f"{share!r} is no share.") from None


def _low_rated(words: list[str]) -> JSON:
    rating = next((int(each) for each in words if each.isdecimal()), 2)
    conflicts = "conflicts" in words
    return {"lowRated": {"maxRating": rating, "conflicts": conflicts, "deployment": _deployment(words)}}


def _bad_cases(words: list[str]) -> JSON:
    return {"badCases": {"evaluationRun": words[0] if words else ""}}


def _deployment(words: list[str]) -> str:
    return words[words.index("of") + 1] if "of" in words[:-1] else ""


_SOURCES = {"traffic": _traffic, "low-rated": _low_rated, "bad-cases": _bad_cases}
"""Reading of the words of a rule, by its source."""


def intake_text(queue: JSON) -> str:
    """Return the rules by which answers enter a queue as its form has them."""
    return "\n".join(
        f"{each['id']}: {_source_words(each)}, {number(each.get('maxPerDay'))} a day, "
        f"{number(each.get('maxTasks'))} in all"
        for each in queue.get("intakeRules", [])
    )


def _source_words(rule: JSON) -> str:
    if "traffic" in rule:
        source = rule["traffic"]
        certain = " uncertain" if source.get("choice") == "CHOICE_UNCERTAIN" else ""
        return f"traffic {100 * source.get('share', 0):g}%{certain}{_of(source)}"
    if "lowRated" in rule:
        source = rule["lowRated"]
        conflicts = " conflicts" if source.get("conflicts") else ""
        return f"low-rated {source.get('maxRating', 2)}{conflicts}{_of(source)}"
    run = rule.get("badCases", {}).get("evaluationRun", "")
    return f"bad-cases {last_part(run)}".strip()


def _of(source: JSON) -> str:
    return f" of {last_part(source['deployment'])}" if source.get("deployment") else ""


def intake_rows(queue: JSON, today: str) -> list[JSON]:
    """Return the rules by which answers enter a queue, in words and with their counts; `today` is YYYY-MM-DD (UTC)."""
    counts = {each["rule"]: each for each in queue.get("intakeCounts", [])}
    return [_intake_row(rule, counts.get(rule["id"], {}), today) for rule in queue.get("intakeRules", [])]


def _intake_row(rule: JSON, count: JSON, today: str) -> JSON:
    return {
        "id": rule["id"],
        "words": _source_words(rule).replace("-", " "),
        "total": number(count.get("taskCount")),
        "most": number(rule.get("maxTasks")),
        "today": number(count.get("dayCount")) if count.get("day") == today else 0,
        "a_day": number(rule.get("maxPerDay")),
        "returned": number(count.get("returnedCount")),
        "problem": count.get("problem", ""),
    }


def guideline_of(fields: Mapping[str, str]) -> JSON:
    """Return a guideline by its form; BadForm if an example cannot be read."""
    answers, labels = _text(fields, "answers"), _lines(fields, "labels")
    settings: JSON = {**sections_of(fields)}
    if answers == "classify":
        settings["labels"] = labels
    elif answers == "several":
        settings["task"] = {"classify": {"labels": labels, "multiLabel": True}}
    elif answers == "spans":
        overlap = "OVERLAP_NESTED" if fields.get("nested") == "yes" else "OVERLAP_NONE"
        settings["marks"] = {"spans": {"labels": labels, "overlap": overlap}}
    elif answers == "regress":
        bounds = {name: _number(fields, name, 0) for name in ("min", "max") if _text(fields, name)}
        settings["task"] = {"regress": bounds}
    else:
        settings["task"] = {"generate": {}}
    return settings


def sections_of(fields: Mapping[str, str]) -> JSON:
    """Return the sections of a guideline by its form."""
    return {
        "instructions": _text(fields, "instructions"),
        "purpose": _text(fields, "purpose"),
        "ambiguity": _text(fields, "ambiguity"),
        "examples": [_example(line) for line in _text(fields, "examples").splitlines() if line.strip()],
    }


def _example(line: str) -> JSON:
    parts = [part.strip() for part in line.split("|")]
    if len(parts) not in (2, 3) or not all(parts[:2]):
        raise BadForm(f"{line!r} is no example. Write it as answer | text | explanation.")
    return dict(zip(("label", "text", "explanation"), parts, strict=False))


def examples_text(guideline: JSON) -> str:
    """Return the examples of a guideline as its form has them."""
    return "\n".join(
        " | ".join(
            str(each[key]).replace("\n", " ") for key in ("label", "text", "explanation") if each.get(key)
        )
        for each in guideline.get("examples", [])
    )


def imported_words(result: JSON) -> str:
    """Return what an import of annotations did, as a sentence."""
    left_out = ", ".join(
        f"{number(count):,} {reason.lower().replace('_', ' ')}"
        for reason, count in result.get("leftOutCounts", {}).items()
    )
    existing = number(result.get("existingCount"))
    known = f" {existing:,} were stored before." if existing else ""
    return f"{number(result.get('createdCount')):,} annotations are stored.{known}" + (
        f" Left out: {left_out}." if left_out else ""
    )


def _text(fields: Mapping[str, str], name: str) -> str:
    return fields.get(name, "").replace("\r\n", "\n").strip()


def _lines(fields: Mapping[str, str], name: str) -> list[str]:
    return [each.strip() for each in _text(fields, name).replace("\n", ",").split(",") if each.strip()]


def _number(fields: Mapping[str, str], name: str, default: float) -> float:
    text = _text(fields, name).replace(",", ".")
    try:
        return float(text) if text else default
    except ValueError:
        raise BadForm(f"{text!r} is not a number. Go back and correct it.") from None
