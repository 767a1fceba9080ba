"""Estimators of scikit-learn as bytes, by skops, without pickle. Equal estimators give equal bytes.

skops writes a zip file: `schema.json` names the type of every value, arrays are `.npy` files. A file is loaded only if
each type is one that an estimator of `estimators` or a transformer of `tables` consists of, and each tree stays within
its own nodes: scikit-learn follows the numbers of a tree without looking.
"""

from __future__ import annotations

import importlib
import io
import json
import sys
import warnings
import zipfile
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from typing import Any

import numpy as np

from ratoon.classical.errors import BadArtifact

MAX_BYTES = 1 << 30
"""Bytes of all members of a file when they are unpacked."""
_SCHEMA = "schema.json"
_LEARNED = "sklearn."
_HIDDEN = ("transformers", "vllm", "ray", "datasets", "peft", "accelerate", "trl")
"""Packages whose modules load others when one of their names is read."""
_LAZY = (*_HIDDEN, "torch", "pandas", "pyarrow", "matplotlib")
"""Packages that are not loaded meanwhile; those that are stay."""
ALLOWED = frozenset(
    {
        ("DTypeNode", "numpy.dtype"),
        ("DictNode", "builtins.dict"),
        ("JsonNode", "builtins.str"),
        ("ListNode", "builtins.list"),
        ("TupleNode", "builtins.tuple"),
        ("TypeNode", "builtins.str"),
        ("TypeNode", "builtins.int"),
        ("TypeNode", "numpy.float64"),
        ("TypeNode", "numpy.int64"),
        ("NdArrayNode", "numpy.bool"),
        ("NdArrayNode", "numpy.float32"),
        ("NdArrayNode", "numpy.float64"),
        ("NdArrayNode", "numpy.int32"),
        ("NdArrayNode", "numpy.int64"),
        ("NdArrayNode", "numpy.ndarray"),
        ("NdArrayNode", "numpy.uint8"),
        ("NdArrayNode", "numpy.uint64"),
        ("RandomGeneratorNode", "numpy.random._generator.Generator"),
        ("RandomStateNode", "numpy.random.mtrand.RandomState"),
        ("FunctionNode", "sklearn.feature_selection._univariate_selection.f_classif"),
        ("FunctionNode", "sklearn.feature_selection._univariate_selection.f_regression"),
        ("LossNode", "sklearn._loss._loss.CyHalfBinomialLoss"),
        ("LossNode", "sklearn._loss._loss.CyHalfMultinomialLoss"),
        ("LossNode", "sklearn._loss._loss.CyHalfSquaredError"),
        ("TreeNode", "sklearn.tree._tree.Tree"),
        ("TupleNode", "sklearn.impute._iterative._ImputerTriplet"),
        *(
            ("ObjectNode", f"sklearn.{name}")
            for name in (
                "_loss.link.IdentityLink",
                "_loss.link.Interval",
                "_loss.link.LogitLink",
                "_loss.link.MultinomialLogit",
                "_loss.loss.HalfBinomialLoss",
                "_loss.loss.HalfMultinomialLoss",
                "_loss.loss.HalfSquaredError",
                "calibration.CalibratedClassifierCV",
                "calibration._CalibratedClassifier",
                "calibration._SigmoidCalibration",
                "cluster._kmeans.KMeans",
                "decomposition._pca.PCA",
                "ensemble._forest.RandomForestClassifier",
                "ensemble._forest.RandomForestRegressor",
                "ensemble._hist_gradient_boosting.binning._BinMapper",
                "ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
                "ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor",
                "ensemble._hist_gradient_boosting.predictor.TreePredictor",
                "feature_selection._univariate_selection.SelectKBest",
                "impute._base.SimpleImputer",
                "impute._iterative.IterativeImputer",
                "impute._knn.KNNImputer",
                "linear_model._bayes.BayesianRidge",
                "linear_model._logistic.LogisticRegression",
                "linear_model._ridge.Ridge",
                "multiclass.OneVsRestClassifier",
                "multiclass._ConstantPredictor",
                "preprocessing._data.MinMaxScaler",
                "preprocessing._data.StandardScaler",
                "preprocessing._encoders.OneHotEncoder",
                "preprocessing._encoders.OrdinalEncoder",
                "preprocessing._label.LabelBinarizer",
                "preprocessing._label.LabelEncoder",
                "svm._classes.LinearSVC",
                "svm._classes.LinearSVR",
                "tree._classes.DecisionTreeClassifier",
                "tree._classes.DecisionTreeRegressor",
            )
        ),
    }
)
"""Loaders of skops, and the types that they may build."""


def dump(value: Any) -> bytes:
    """Return an estimator as bytes: skops' own, with numbers in place of addresses and without times."""
    with zipfile.ZipFile(io.BytesIO(_skops().dumps(value))) as source:
        schema = json.loads(source.read(_SCHEMA))
        arrays: dict[str, str] = {}
        _number(schema, {}, arrays)
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as sink:
            for name, numbered in arrays.items():
                sink.writestr(_entry(numbered), source.read(name))
            sink.writestr(_entry(_SCHEMA), json.dumps(schema).encode())
    return target.getvalue()


def load(data: bytes, what: str = "The file") -> Any:
    """Return the estimator of bytes; BadArtifact if they hold anything else than estimators of this library."""
    types = _checked_types(data, what)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = _skops().loads(data, trusted=sorted(types))
    except Exception as error:  # skops and scikit-learn raise whatever a damaged file makes them raise
        raise BadArtifact(f"{what} cannot be loaded: {first_line(error)}. Train the model again.") from error
    for each in objects_below(value, set()):
        _check_tree(each, what)
    return value


class _Absent(MetaPathFinder):
    """Lets packages look as if they were not installed."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        """Raise ModuleNotFoundError for them; None leaves other modules to other finders."""
        if fullname.partition(".")[0] in _LAZY:
            raise ModuleNotFoundError(f"{fullname} is absent while skops is imported.")


def _skops() -> Any:
    """Return skops. When it is imported, it looks into every loaded module, and some load others when they are read.

    These stay absent meanwhile: reading them fails, and torch and pandas alone take 600 MB.
    """
    if "skops.io" not in sys.modules:
        hidden = {name: sys.modules[name] for name in list(sys.modules) if name.partition(".")[0] in _HIDDEN}
        for name in hidden:
            del sys.modules[name]
        finder = _Absent()
        sys.meta_path.insert(0, finder)
        try:
            importlib.import_module("skops.io")
        finally:
            sys.meta_path.remove(finder)
            sys.modules.update(hidden)
    return sys.modules["skops.io"]


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _number(node: Any, ids: dict[int, int], arrays: dict[str, str]) -> None:
    """Number the objects and arrays of a schema in the order of their first place."""
    if isinstance(node, dict):
        if isinstance(node.get("__id__"), int):
            node["__id__"] = ids.setdefault(node["__id__"], len(ids) + 1)
        if isinstance(node.get("file"), str):
            node["file"] = arrays.setdefault(node["file"], f"{len(arrays)}.{node['file'].rsplit('.', 1)[-1]}")
    values = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for value in values:
        _number(value, ids, arrays)


def _checked_types(data: bytes, what: str) -> set[str]:
    """Return the types that a file names; BadArtifact for one that is not allowed, or if it is no file of skops."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as source:
            if sum(member.file_size for member in source.infolist()) > MAX_BYTES:
                raise BadArtifact(
                    f"{what} unpacks to more than {MAX_BYTES >> 20:,} MiB. Train a smaller model, for example with "
                    "another estimator."
                )
            if strange := [
                name for name in source.namelist() if name != _SCHEMA and not name.endswith(".npy")
            ]:
                raise BadArtifact(f"{what} holds {strange[0][:60]!r}, which is no array: it is not loaded.")
            schema = json.loads(source.read(_SCHEMA))
            nodes = list(_nodes(schema))
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError, NotImplementedError) as error:
        if isinstance(error, BadArtifact):
            raise
        raise BadArtifact(
            f"{what} is no file of skops: {first_line(error)}. Train the model again."
        ) from None
    types = {(str(node["__loader__"]), f"{node.get('__module__')}.{node.get('__class__')}") for node in nodes}
    if refused := sorted(types - ALLOWED):
        loader, name = refused[0]
        raise BadArtifact(
            f"{what} holds {name[:100]} (by {loader[:40]}), which is no part of a classical model: it is not loaded, "
            "because it could run code. Train the model with the recipe `classical`."
        )
    return {name for _, name in types}


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "__loader__" in node:
            yield node
        for value in node.values():
            yield from _nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _nodes(value)


def objects_below(value: Any, known: set[int]) -> Iterator[Any]:
    """Yield the objects of scikit-learn in a value."""
    if id(value) in known:
        return
    known.add(id(value))
    if isinstance(value, dict):
        for each in value.values():
            yield from objects_below(each, known)
    elif isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.dtype == object):
        for each in value:
            yield from objects_below(each, known)
    elif type(value).__module__.startswith(_LEARNED):
        yield value
        yield from objects_below(getattr(value, "__dict__", {}), known)


def _check_tree(value: Any, what: str) -> None:
    """Raise BadArtifact if a tree points outside its nodes or columns, or back to an earlier node."""
    name = type(value).__name__
    if name == "Tree":
        children = np.stack([value.children_left, value.children_right])
        inner = children[0] >= 0
        columns, total, wide = value.feature[inner], value.node_count, value.n_features
        leaves = children[1][~inner]
        places = np.flatnonzero(inner)
    elif isinstance(getattr(value, "_predictors", None), list):
        predictors = [each for stage in value._predictors for each in stage]
        if any((each.nodes["feature_idx"] >= value.n_features_in_).any() for each in predictors):
            raise BadArtifact(f"{what} holds a damaged tree: it is not loaded. Train the model again.")
        return
    elif name == "TreePredictor":
        nodes = value.nodes
        inner = nodes["is_leaf"] == 0
        children = np.stack([nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)])
        columns, total, wide = nodes["feature_idx"][inner], len(nodes), np.iinfo(np.int32).max
        leaves, places = np.array([]), np.flatnonzero(inner)
        if nodes["is_categorical"].any():
            raise BadArtifact(
                f"{what} holds a tree of categories, which no classical model has: it is not loaded."
            )
    else:
        return
    below = children[:, inner]
    ordered = bool((below > places).all() and (below < total).all())
    if not total or not ordered or (leaves >= 0).any() or (columns < 0).any() or (columns >= wide).any():
        raise BadArtifact(f"{what} holds a damaged tree: it is not loaded. Train the model again.")


def first_line(error: Exception) -> str:
    """Return the first line of an error, without a full stop."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return text.rstrip(".:")[:200]
