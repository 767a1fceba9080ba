"""Classical models of texts: choice, answers, files."""

import io
import json
import zipfile

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB

from ratoon.classical import vault
from ratoon.classical.errors import BadArtifact, CannotFit
from ratoon.classical.estimators import Estimator, classifier, regressor
from ratoon.classical.fitting import Choice, Examples, fit_texts
from ratoon.classical.model import ESTIMATOR, VOCABULARY, ClassicalModel
from ratoon.classical.words import Terms, words
from ratoon.tasks.classify import Classify
from ratoon.tasks.regress import Regress

TASK = Classify(("ham", "spam"))
TEXTS = [f"{word} number {place}" for place in range(12) for word in ("meeting notes", "win money now")]
LABELS = ["ham", "spam"] * 12
EXAMPLES = Examples(TEXTS, LABELS)
QUICK = Choice(estimators=(Estimator.LINEAR, Estimator.TREE))


@pytest.fixture(scope="module")
def model():
    return fit_texts(TASK, EXAMPLES, QUICK)


def test_a_model_answers_with_labels_and_their_probabilities(model):
    answers = model.answer(["notes of the meeting", "money money"])
    assert answers.texts == ("ham", "spam")
    assert np.exp(answers.logprobs).sum(axis=1) == pytest.approx([1.0, 1.0])


def test_features_and_estimator_are_compared_on_the_training_part(model):
    tried = {(trial.features, trial.estimator) for trial in model.about.trials}
    assert ("words", "linear") in tried and ("characters", "linear") in tried
    assert sum(estimator == "tree" for _, estimator in tried) == 1
    best = model.about.trials[0]
    assert (best.features, best.estimator) == (model.about.features, model.about.estimator)
    assert best.score == max(trial.score for trial in model.about.trials)


def test_the_same_records_and_seed_give_the_same_bytes(model):
    assert fit_texts(TASK, EXAMPLES, QUICK).files() == model.files()


def test_a_model_survives_its_files(model, tmp_path):
    model.save(tmp_path)
    again = ClassicalModel.load(tmp_path)
    assert again.about == model.about
    assert (again.answer(TEXTS).logprobs == model.answer(TEXTS).logprobs).all()


@pytest.mark.parametrize("estimator", Estimator)
def test_every_estimator_of_labels_survives_its_bytes(estimator):
    rows = np.random.default_rng(0).random((40, 3))
    fitted = classifier(estimator, 0).fit(rows, (rows[:, 0] > 0.5).astype(int))
    data = vault.dump(fitted)
    assert data == vault.dump(classifier(estimator, 0).fit(rows, (rows[:, 0] > 0.5).astype(int)))
    assert (vault.load(data).predict_proba(rows) == fitted.predict_proba(rows)).all()


@pytest.mark.parametrize("estimator", Estimator)
def test_every_estimator_of_numbers_survives_its_bytes(estimator):
    rows = np.random.default_rng(0).random((40, 3))
    fitted = regressor(estimator, 0).fit(rows, rows[:, 0])
    assert (vault.load(vault.dump(fitted)).predict(rows) == fitted.predict(rows)).all()


def test_several_labels_are_one_decision_each():
    task = Classify(("bug", "ui", "urgent"), multi_label=True)
    texts = [
        f"{a} {b} {n}" for n in range(8) for a in ("crash", "button") for b in ("now please", "some day")
    ]
    answers = [
        "\n".join(filter(None, ["bug" if "crash" in text else "ui", "urgent" if "now" in text else ""]))
        for text in texts
    ]
    model = fit_texts(task, Examples(texts, answers), Choice(estimators=(Estimator.LINEAR,)))
    assert model.answer(["crash now please", "button some day"]).texts == ("bug\nurgent", "ui")


def test_numbers_stay_within_the_range_of_the_task():
    task = Regress(min=0, max=5)
    examples = Examples(["awful", "bad", "fine", "good", "great", "superb"] * 3, [*"012345"] * 3)
    model = fit_texts(task, examples, Choice(estimators=(Estimator.LINEAR,)))
    assert all(0 <= float(text) <= 5 for text in model.answer(["superb superb great", "awful", ""]).texts)


def test_chinese_is_cut_into_words():
    assert words("这家酒店很干净") == ["这家", "酒店", "很", "干净"]
    texts = ["房间很干净", "服务很好", "非常满意", "太脏了", "服务很差", "非常失望"] * 4
    model = fit_texts(
        Classify(("好", "差")), Examples(texts, ["好", "好", "好", "差", "差", "差"] * 4), QUICK
    )
    assert model.answer(["房间干净", "太脏"]).texts == ("好", "差")


def test_a_label_that_the_training_part_lacks_is_never_answered():
    model = fit_texts(Classify(("ham", "spam", "other")), EXAMPLES, QUICK)
    answers = model.answer(TEXTS)
    assert "other" not in answers.texts
    assert answers.logprobs[:, 2].max() < -20 and np.isfinite(answers.logprobs).all()


def test_a_training_part_with_one_label_answers_with_it():
    model = fit_texts(TASK, Examples(["a b", "c d"], ["spam", "spam"]), QUICK)
    assert ClassicalModel.of_files(model.files()).answer(["what ever"]).texts == ("spam",)


@pytest.mark.parametrize(
    ("texts", "labels", "sentence"),
    [
        ([], [], "no record with an answer"),
        (["a"], ["eggs"], "'eggs' is not one of ham, spam"),
        (["", " "], ["ham", "spam"], "No text of the training part holds a word"),
    ],
)
def test_a_training_part_that_gives_no_model_is_refused(texts, labels, sentence):
    with pytest.raises(CannotFit, match=sentence):
        fit_texts(TASK, Examples(texts, labels), QUICK)


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_groups_than_folds_are_fitted(count):
    groups = [f"g{place % count}" for place in range(24)]
    model = fit_texts(TASK, Examples(TEXTS[:24], LABELS[:24], groups))
    assert model.answer(TEXTS[:1]).texts[0] in TASK.labels


def test_groups_stay_together_in_a_fold(monkeypatch):
    from ratoon.classical import fitting

    seen = []
    groups = [f"g{place // 4}" for place in range(24)]
    monkeypatch.setattr(fitting, "_score", lambda *args: seen.append((args[3], args[4])) or 0.5)
    fit_texts(TASK, Examples(TEXTS, LABELS, groups), Choice(estimators=(Estimator.LINEAR,)))
    assert seen
    for train, test in seen:
        assert not {groups[place] for place in train} & {groups[place] for place in test}


def test_a_type_that_no_model_consists_of_is_not_loaded(model):
    import skops.io  # it takes seconds

    files = model.files() | {ESTIMATOR: skops.io.dumps(MultinomialNB().fit([[1.0], [2.0]], [0, 1]))}
    with pytest.raises(BadArtifact, match=r"MultinomialNB.*could run code"):
        ClassicalModel.of_files(files)


def test_a_function_of_another_library_is_not_loaded():
    data = _changed(vault.dump(LogisticRegression()), "sklearn.linear_model._logistic", "os")
    with pytest.raises(BadArtifact, match=r"os\.LogisticRegression"):
        vault.load(data)


def test_a_tree_that_leads_outside_its_nodes_is_not_loaded():
    rows = np.random.default_rng(0).random((40, 3))
    for kind in (Estimator.TREE, Estimator.BOOSTING):
        data = vault.dump(classifier(kind, 0).fit(rows, (rows[:, 0] > 0.5).astype(int)))
        with pytest.raises(BadArtifact, match="damaged tree"):
            vault.load(_with_child(data, 10_000))
        with pytest.raises(BadArtifact, match="damaged tree"):
            vault.load(_with_child(data, 0))


def test_damaged_files_are_refused_with_their_name(model):
    files = model.files()
    for changed, sentence in (
        ({ESTIMATOR: b"PK nothing"}, "estimator.skops is no file of skops"),
        ({VOCABULARY: b"[]"}, "vocabulary.json holds no JSON object"),
        ({VOCABULARY: b'{"terms": "words", "vocabulary": ["a", "b"]}'}, "do not fit together"),
        ({"classical.json": b'{"format": 99}'}, "upgrade Ratoon"),
    ):
        with pytest.raises(BadArtifact, match=sentence):
            ClassicalModel.of_files(files | changed)
    with pytest.raises(BadArtifact, match=r"estimator\.skops is missing"):
        ClassicalModel.of_files({name: data for name, data in files.items() if name != ESTIMATOR})


def test_a_small_file_that_unpacks_to_gigabytes_is_refused(monkeypatch):
    monkeypatch.setattr(vault, "MAX_BYTES", 1000)
    with pytest.raises(BadArtifact, match="unpacks to more than"):
        vault.load(vault.dump(LogisticRegression().fit([[0.0] * 500, [1.0] * 500], [0, 1])))


def test_words_of_terms_are_those_of_the_artifact(model):
    stated = json.loads(model.files()[VOCABULARY])
    assert (stated["terms"] in tuple(Terms) and "meeting" in stated["vocabulary"]) or stated[
        "terms"
    ] == "characters"


def _members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        return {name: source.read(name) for name in source.namelist()}


def _zipped(members):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as sink:
        for name, data in members.items():
            sink.writestr(name, data)
    return target.getvalue()


def _changed(data, before, after):
    members = _members(data)
    members["schema.json"] = members["schema.json"].replace(before.encode(), after.encode())
    return _zipped(members)


def _with_child(data, child):
    members = _members(data)
    for name, content in members.items():
        array = np.load(io.BytesIO(content)) if name.endswith(".npy") else np.zeros(0)
        field = next((each for each in ("left_child", "left") if each in (array.dtype.names or ())), None)
        if field and len(array) > 1:
            array[field][0] = child
            sink = io.BytesIO()
            np.save(sink, array)
            members[name] = sink.getvalue()
            return _zipped(members)
    raise AssertionError("no tree")
