"""Reports of profiles as the API returns them, small."""

from services.console.tests.resources import JSON


def report(version: str, records: int) -> JSON:
    """Return a report of a version with this many records; its texts are short and odd."""
    edges = [1.0, 10.0, 100.0, 1000.0]
    boxes = [
        {
            "label": label,
            "valueCount": "20",
            "lowerWhisker": 5,
            "firstQuartile": 20,
            "median": 60 + place,
            "thirdQuartile": 90,
            "upperWhisker": 300,
        }
        for place, label in enumerate(("spam", "<ham>"))
    ]
    characters = {
        "name": "characters",
        "valueCount": str(records),
        "missingCount": "1",
        "mean": 123.4,
        "standardDeviation": 50,
        "minimum": 1,
        "maximum": 1000,
        "quantiles": [
            {"share": share, "value": 1000 * share} for share in (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
        ],
        "histogram": {"edges": edges, "counts": ["10", str(records - 12), "2"], "isLogarithmic": True},
        "outlierCount": "2",
        "outlierRecordIds": ["0" * 64],
        "boxPlots": boxes,
    }
    flat = {"name": "attributes.priority", "valueCount": "0", "missingCount": str(records)}
    example = {"recordId": "0" * 64, "textStart": "Lunch at <noon>?", "label": "<ham>", "language": "en"}
    return {
        "datasetVersion": version,
        "recordCount": str(records),
        "sealedCount": "6",
        "numericColumns": [characters, flat],
        "valueColumns": [
            {
                "name": "language",
                "valueCount": str(records),
                "distinctCount": "2",
                "topValues": [{"value": "en", "count": "30"}, {"value": "zh", "count": "4"}],
            },
            {"name": "attributes.subject", "valueCount": str(records), "distinctCount": str(records)},
        ],
        "correlation": {
            "names": ["characters", "tokens"],
            "coefficients": [1, -0.5, -0.5, 1],
            "recordCount": str(records),
        },
        "scatters": [
            {
                "x": "characters",
                "y": "tokens",
                "points": [{"x": 1, "y": 2, "label": "spam", "recordId": "0" * 64}, {"x": 5, "y": 1}],
            }
        ],
        "crossTables": [
            {
                "column": "language",
                "labels": ["spam", "<ham>"],
                "values": ["en", "zh"],
                "counts": ["20", "1", "10", "3"],
                "association": 0.2,
            }
        ],
        "duplicateClusters": {
            "clusterCount": "2",
            "recordCount": "5",
            "sizes": {"2": "1", "3": "1"},
            "largest": [{"cluster": "c", "recordCount": "3", "example": example}],
        },
        "topics": [
            {"words": ["lunch", "noon"], "share": 0.6, "labelCounts": {"<ham>": "9"}, "examples": [example]}
        ],
        "difficulty": {
            "recordCount": "34",
            "foldCount": 5,
            "accuracy": 0.9,
            "majorityShare": 0.6,
            "margins": {"edges": [-1, 0, 1], "counts": ["3", "31"]},
            "labels": [{"label": "<ham>", "recordCount": "13", "recall": 0.8, "confusedWith": "spam"}],
            "hardest": [{"record": example, "predicted": "spam", "margin": -0.7}],
        },
        "examples": [example],
        "notes": ["Topics are of a sample."],
    }
