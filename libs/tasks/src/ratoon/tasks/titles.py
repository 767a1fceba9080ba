"""Names of metrics in sentences and tables."""

from collections.abc import Mapping

_TITLES: Mapping[str, str] = {
    "macro_f1": "macro-F1",
    "micro_f1": "micro-F1",
    "auc": "AUC",
    "rouge_l": "ROUGE-L",
    "token_f1": "token F1",
    "bleu": "BLEU",
    "chrf": "chrF",
    "distinct_1": "distinct-1",
    "distinct_2": "distinct-2",
    "json_validity": "JSON validity",
    "json_field_f1": "JSON field F1",
    "pass_at_1": "pass@1",
    "mae": "MAE",
    "mse": "MSE",
    "rmse": "RMSE",
    "r2": "R²",
    "spearman": "Spearman's ρ",
}
"""Names that differ from the identifier without its underscores."""


def metric_title(name: str) -> str:
    """Return the name of a metric for people: `ROUGE-L` for `rouge_l`, `exact match` for `exact_match`."""
    return _TITLES.get(name, name.replace("_", " "))
