"""What a project's labels and settings can be, and what a change of labels means."""

import json
import re
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ratoon.tasks.classify import Classify
from ratoon.tasks.compute import Accelerator, Compute, Dtype
from ratoon.tasks.generate import Generate
from ratoon.tasks.judges import JudgeKind, Requirements
from ratoon.tasks.regress import Regress
from ratoon_flywheel.domain.errors import (
    BadPolicy,
    BadProject,
    BadRecipe,
    JudgeNotTrusted,
    LabelServed,
    NoBaseModel,
    SettingNotSupported,
)
from ratoon_flywheel.domain.judges import HumanRatings, Judge, check_known
from ratoon_flywheel.domain.kinds.classify import change_notices, lack
from ratoon_flywheel.domain.pipelines import policies
from ratoon_flywheel.domain.pipelines.policies import Policy
from ratoon_flywheel.domain.pipelines.support import chain_of, check_base, check_supported, recipe_of
from ratoon_flywheel.domain.project_settings import (
    Budget,
    CompressionSettings,
    CurationStep,
    DataRequirements,
    ExportSettings,
    MetricGate,
    StageCompute,
    TuningDefaults,
)
from ratoon_flywheel.domain.projects import (
    Gate,
    Method,
    Project,
    RolloutDefaults,
    SplitDefaults,
    SplitRule,
    TrainingDefaults,
    changed,
    checked,
    merged_task,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
V1 = "projects/p/models/p/versions/v1.0"
CHAT = {"task": Generate()}
WITH_JUDGE = CHAT | {"judges": ("pairs",)}


def project(*labels: str, **settings: object) -> Project:
    return Project("projects/p", NOW, NOW, Classify(labels or ("ham", "spam")), **settings)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Billing", "billing"),
        ("Réclamation", unicodedata.normalize("NFD", "Réclamation")),
        ("Straße", "STRASSE"),
        ("same", "same"),
    ],
)
def test_two_labels_that_are_the_same_cannot_make_a_project_and_both_are_named(one, other):
    with pytest.raises(BadProject, match="are the same label") as refused:
        checked(project(one, "third", other))
    assert refused.value.field == "labels"
    message = str(refused.value)
    assert (repr(one) in message and repr(other) in message) or (
        ascii(one) in message and ascii(other) in message
    )


@pytest.mark.parametrize(
    "label", ["", " ", "\u200b", "a  b", "a\u00a0b", "a\u200bb", "\ufeffham", "a\u0000", "\ud800", "x" * 65]
)
def test_what_a_label_cannot_be(label):
    with pytest.raises(BadProject):
        checked(project("ham", label))


@pytest.mark.parametrize(
    "labels", [("ı", "i"), ("ＶＩＰ", "VIP"), ("m²", "m2"), ("好评", "差评"), ("👍", "👎")]
)
def test_labels_that_differ_make_a_project(labels):
    assert checked(project(*labels)).labels == labels


@pytest.mark.parametrize(
    ("field", "settings"),
    [
        ("rollout.bake_seconds", {"rollout": RolloutDefaults(1e300)}),
        ("training.epochs", {"training": TrainingDefaults(epochs=1e9)}),
        ("training.learning_rate", {"training": TrainingDefaults(learning_rate=float("inf"))}),
        ("training.layers", {"training": TrainingDefaults(layers=2**31 - 1)}),
        ("training.seed", {"training": TrainingDefaults(seed=-1)}),
        ("traffic_retention_days", {"traffic_retention_days": 2**31 - 1}),
        ("gate.baseline_margin", {"gate": Gate(baseline_margin=float("nan"))}),
        ("gate.baseline_margin", {"gate": Gate(baseline_margin=1.5)}),
        ("gate.old_domain_threshold", {"gate": Gate(old_domain_threshold=-2.0)}),
        ("split.fold_count", {"split": SplitDefaults(fold_count=21)}),
        ("split.fold", {"split": SplitDefaults(fold_count=5, fold=5)}),
        ("split.fold", {"split": SplitDefaults(fold=1)}),
        ("split.fold_count", {"split": SplitDefaults(mode=SplitRule.TIME, fold_count=5)}),
        ("split.test_share", {"split": SplitDefaults(test_share=0.0)}),
    ],
)
def test_settings_have_bounds_on_both_sides(field, settings):
    with pytest.raises(BadProject) as refused:
        checked(project(**settings))
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("settle_seconds", 1e300),
        ("cooldown_seconds", 1e12),
        ("schedule_seconds", 1e300),
        ("drift_threshold", float("inf")),
        ("min_answers", 2**31 - 1),
        ("budget_runs", -1),
    ],
)
def test_a_policy_has_bounds_on_both_sides(field, value):
    with pytest.raises(BadPolicy) as refused:
        policies.checked(replace(Policy("projects/p/policies/d", NOW, NOW), **{field: value}))
    assert refused.value.field == field


def test_a_label_that_production_answers_with_goes_only_when_that_is_allowed():
    before, after = project("ham", "spam", "news"), project("ham", "spam")
    with pytest.raises(LabelServed, match=r"v1\.0 is in production and answers with 'news'"):
        change_notices(before.task, after.task, V1, False)
    (notice,) = change_notices(before.task, after.task, V1, True)
    assert "still answers with it" in notice
    (notice,) = change_notices(before.task, after.task, "", False)
    assert notice.startswith("Removed: 'news'.")


def test_an_added_label_has_a_notice_and_a_new_spelling_is_neither_added_nor_removed():
    (notice,) = change_notices(Classify(("ham", "spam")), Classify(("Ham", "SPAM", "news")), V1, False)
    assert notice.startswith("New: 'news'.")
    assert change_notices(Classify(("ham", "spam")), Classify(("Ham", "SPAM")), V1, False) == ()


SEVERAL = Classify(("a", "b"), multi_label=True)
SCORE = Regress("points", 0, 5)


@pytest.mark.parametrize(
    ("before", "task", "labels", "merged"),
    [
        (None, None, ("a", "b"), Classify(("a", "b"))),
        (None, Classify(("a", "b")), None, Classify(("a", "b"))),
        (None, Classify(("a", "b")), ("a", "b"), Classify(("a", "b"))),
        (None, Classify((), multi_label=True), ("a", "b"), Classify(("a", "b"), multi_label=True)),
        (None, SCORE, None, SCORE),
        (None, SCORE, (), SCORE),
        (SCORE, None, None, SCORE),
        (Classify(("a", "b")), None, ("a", "c"), Classify(("a", "c"))),
        (Classify(("a", "b")), None, (), Classify(())),
        (Classify(("a", "b")), Classify(("a", "b")), ("a", "c"), Classify(("a", "c"))),
        (Classify(("a", "b")), Classify(("a", "c")), ("a", "b"), Classify(("a", "c"))),
    ],
)
def test_the_task_that_a_request_means(before, task, labels, merged):
    assert merged_task(before, task, labels) == merged


@pytest.mark.parametrize(
    ("before", "task", "labels", "field"),
    [
        (None, Classify(("a", "b")), ("a", "c"), "labels"),
        (Classify(("a", "b")), Classify(("a", "c")), ("a", "d"), "labels"),
        (None, SCORE, ("a", "b"), "labels"),
        (SCORE, None, ("a", "b"), "labels"),
        (Classify(("a", "b")), SCORE, None, "task"),
    ],
)
def test_requests_that_contradict_themselves_or_the_project(before, task, labels, field):
    with pytest.raises(BadProject) as refused:
        merged_task(before, task, labels)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"task": Regress(min=2, max=1)}, "task.regress.max"),
        ({"task": Generate(json_schema="{}")}, "task.generate.json_schema"),
        ({"primary_metric": "mae"}, "primary_metric"),
        ({"task": Generate(), "primary_metric": "answer_length"}, "primary_metric"),
        ({"metrics": ("accuracy", "accuracy")}, "metrics"),
        ({"metrics": ("rouge_l",)}, "metrics"),
        ({"metric_gates": (MetricGate("accuracy"),)}, "metric_gates"),
        ({"metric_gates": (MetricGate("accuracy", 1.5),)}, "metric_gates"),
        ({"metric_gates": (MetricGate("accuracy", max_loss=-0.1),)}, "metric_gates"),
        ({"metric_gates": (MetricGate("accuracy", 0.5), MetricGate("accuracy", 0.6))}, "metric_gates"),
        ({"data_requirements": DataRequirements(-1)}, "data_requirements.min_records"),
        (
            {"task": SCORE, "data_requirements": DataRequirements(0, 5)},
            "data_requirements.min_records_per_label",
        ),
        ({"data_requirements": DataRequirements(languages=("English",))}, "data_requirements.languages"),
        ({"data_requirements": DataRequirements(licenses=("",))}, "data_requirements.licenses"),
        ({"budget": Budget(max_hours=float("nan"))}, "budget.max_hours"),
        ({"budget": Budget(max_cost=5.0)}, "budget.currency"),
        ({"budget": Budget(max_cost=5.0, currency="euro")}, "budget.currency"),
        ({"compute": StageCompute(serving=Compute(devices=65))}, "compute.serving.devices"),
        ({"compression": CompressionSettings(group_size=64)}, "compression.method"),
        ({"exports": (ExportSettings("ONNX"),) * 2}, "exports"),
        ({"exports": (ExportSettings(""),)}, "exports"),
        ({"exports": (ExportSettings("ONNX", "Q8_0"),)}, "exports"),
        ({"compression": CompressionSettings("PRUNED")}, "compression.method"),
        ({"compression": CompressionSettings("FLOAT16", "GPTQ")}, "compression.rounding"),
        ({"compression": CompressionSettings("INT8", group_size=64)}, "compression.group_size"),
        ({"compression": CompressionSettings("INT8", max_quality_loss=-0.1)}, "compression.max_quality_loss"),
        ({"compression": CompressionSettings("INT8", max_quality_loss=2)}, "compression.max_quality_loss"),
        ({"recipes": ("dpo",)}, "recipes"),
        ({"task": Generate(), "retraining_recipes": ("dpo", "dpo")}, "retraining_recipes"),
        ({"curation": (CurationStep(""),)}, "curation"),
        ({"tuning": TuningDefaults(max_tokens=8)}, "tuning.max_tokens"),
        ({"tuning": TuningDefaults(gradient_accumulation=5000)}, "tuning.gradient_accumulation"),
        (
            {
                "task": Generate(),
                "training": TrainingDefaults(method=Method.DEFAULT),
                "tuning": TuningDefaults(new_tokens=("a",)),
            },
            "tuning.new_tokens",
        ),
        ({"tuning": TuningDefaults(new_tokens=("a", "a"))}, "tuning.new_tokens"),
        ({"tuning": TuningDefaults(new_tokens=("a ",))}, "tuning.new_tokens"),
        ({"tuning": TuningDefaults(new_tokens=("",))}, "tuning.new_tokens"),
        ({"group_attribute": "x" * 65}, "group_attribute"),
        ({"suites": ("projects/other/suites/hard",)}, "suites"),
        ({"suites": ("hard", "projects/p/suites/hard")}, "suites"),
        ({"suites": tuple(f"s{number}" for number in range(21))}, "suites"),
        ({"metric_gates": (MetricGate("suite:hard.accuracy", 0.5),)}, "metric_gates"),
        ({"suites": ("hard",), "metric_gates": (MetricGate("suite:hard.accuracy", 1.5),)}, "metric_gates"),
        ({"suites": ("hard",), "metric_gates": (MetricGate("suite:hard.accuracy"),)}, "metric_gates"),
        (
            {"suites": ("hard",), "metric_gates": (MetricGate("suite:hard.accuracy", max_loss=0.1),)},
            "metric_gates",
        ),
        ({"suites": ("hard",), "metric_gates": (MetricGate("suite:hard/a.x", 0.5),) * 2}, "metric_gates"),
        ({"judges": ("pairs",)}, "judges"),
        ({"human_ratings": HumanRatings()}, "human_ratings"),
        ({"metric_gates": (MetricGate("judge_win_rate", 0.5),)}, "metric_gates"),
        (CHAT | {"metric_gates": (MetricGate("human_rating", 3),)}, "metric_gates"),
        (CHAT | {"judges": ("pairs", "scores", "more")}, "judges"),
        (CHAT | {"judges": ("pairs", "projects/p/judges/pairs")}, "judges"),
        (CHAT | {"judges": ("projects/other/judges/pairs",)}, "judges"),
        (CHAT | {"judges": ("projects/p/judges/",)}, "judges"),
        (CHAT | {"judges": ("projects/p/suites/pairs",)}, "judges"),
        (CHAT | {"judge_requirements": Requirements(-1)}, "judge_requirements"),
        (CHAT | {"judge_requirements": Requirements(min_kappa=float("nan"))}, "judge_requirements"),
        (CHAT | {"human_ratings": HumanRatings("v1", "v1")}, "human_ratings.reference_origin"),
        (CHAT | {"human_ratings": HumanRatings("v" * 501)}, "human_ratings.candidate_origin"),
        (WITH_JUDGE | {"metric_gates": (MetricGate("judge_win_rate", 1.5),)}, "metric_gates"),
        (WITH_JUDGE | {"metric_gates": (MetricGate("judge_win_rate", max_loss=0.1),)}, "metric_gates"),
        (WITH_JUDGE | {"metric_gates": (MetricGate("rubric_score", 0.5),)}, "metric_gates"),
        (WITH_JUDGE | {"metric_gates": (MetricGate("human_win_rate", 0.5),)}, "metric_gates"),
        (WITH_JUDGE | {"primary_metric": "rubric_score"}, "primary_metric"),
    ],
)
def test_settings_that_a_project_cannot_have(settings, field):
    with pytest.raises(BadProject) as refused:
        checked(replace(project(), **settings))
    assert refused.value.field == field


def test_a_project_of_any_kind_can_be():
    for task in (Generate(), SCORE, SEVERAL):
        settings = replace(project(), task=task, recipes=("sft",), compute=StageCompute(training=Compute()))
        assert checked(settings).task == task
    assert replace(project(), task=SCORE).decisive_metric.name == "mae"
    assert replace(project(), primary_metric="accuracy").decisive_metric.name == "accuracy"


def test_the_primary_metric_of_the_kind_is_the_default():
    assert checked(replace(project(), primary_metric="macro_f1")) == project()


def test_suites_are_stored_by_their_resource_names():
    named = checked(replace(project(), suites=("hard", "projects/p/suites/v1.easy")))
    assert named.suites == ("projects/p/suites/hard", "projects/p/suites/v1.easy")
    bounded = replace(named, metric_gates=(MetricGate("suite:v1.easy/typos.pass@1", 0.2, 5.0),))
    assert checked(bounded) == bounded
    check_supported(bounded)


def test_gates_name_metrics_of_judges_and_people():
    gates = (MetricGate("judge_win_rate", 0.5), MetricGate("rubric_score", 3, max_loss=0.2))
    people = (MetricGate("human_win_rate", 0.4), MetricGate("human_rating", max_loss=0.3))
    settings = WITH_JUDGE | {"human_ratings": HumanRatings(), "metric_gates": (*gates, *people)}
    with_gates = checked(replace(project(), **settings))
    assert with_gates.judges == ("projects/p/judges/pairs",)
    check_supported(with_gates)


def known(kind=JudgeKind.PAIRWISE, **more):
    return Judge(
        f"projects/p/judges/{kind.lower()}", kind, **{"state": "SUCCEEDED", "pairs": 50, "kappa": 0.4, **more}
    )


def test_a_judge_that_people_do_not_bear_out_does_not_gate():
    gates, defaults = (MetricGate("judge_win_rate", 0.5),), Requirements()
    check_known([known(), known(JudgeKind.RUBRIC, pairs=0, kappa=None)], gates, defaults)
    check_known([known(pairs=0)], (), defaults)
    check_known([known(pairs=10, kappa=0.1)], gates, Requirements(10, 0.1))
    for doubtful in (known(pairs=49), known(kappa=0.39), known(kappa=None)):
        with pytest.raises(JudgeNotTrusted, match="A gate names judge_win_rate"):
            check_known([doubtful], gates, defaults)
    for judges in ([known(JudgeKind.RUBRIC)], [known(), known()], [known(state="RUNNING")]):
        with pytest.raises(BadProject):
            check_known(judges, gates, defaults)


def test_the_etag_marks_every_setting():
    changes = [
        {"task": Classify(("ham", "spam"), multi_label=True)},
        {"primary_metric": "accuracy"},
        {"budget": Budget(5)},
        {"compute": StageCompute(training=Compute(Accelerator.CUDA))},
        {"recipes": ("sft",)},
        {"retraining_recipes": ("sft",)},
        {"group_attribute": "user"},
        {"tuning": TuningDefaults(packed=True)},
        {"tuning": TuningDefaults(new_tokens=("kubelet",))},
        {"suites": ("projects/p/suites/hard",)},
        {"judges": ("projects/p/judges/pairs",)},
        {"judge_requirements": Requirements(min_kappa=0.5)},
        {"human_ratings": HumanRatings()},
        {"human_ratings": HumanRatings("v2", "v1")},
        {"compression": CompressionSettings("INT4", "GPTQ")},
    ]
    etags = {replace(project(), **change).etag for change in changes}
    assert len(etags - {project().etag}) == len(changes)


def test_a_part_of_a_setting_can_be_changed_alone():
    before = replace(project(), budget=Budget(5, 1.0))
    update = replace(project(), budget=Budget(9, 9.0))
    assert changed(before, update, ("budget.max_runs",)).budget == Budget(9, 1.0)
    assert changed(before, replace(project("a", "b"), display_name="x"), ("labels",)).labels == ("a", "b")


def test_a_part_of_a_nested_setting_can_be_changed_alone():
    before = replace(project(), training=TrainingDefaults(neural='{"network": "NETWORK_GRU", "layers": 2}'))
    training = TrainingDefaults(seed=9, neural='{"network": "NETWORK_CNN", "max_tokens": 32}')
    update = replace(
        project(), training=training, compute=StageCompute(Compute(devices=2), Compute(devices=3))
    )
    after = changed(before, update, ("training.neural.network", "compute.training.devices"))
    assert json.loads(after.training.neural) == {"network": "NETWORK_CNN", "layers": 2}
    assert (after.training.seed, after.compute) == (0, StageCompute(Compute(devices=2)))
    unset = changed(before, project(), ("training.neural.network", "training.neural.layers"))
    assert unset.training.neural == ""
    assert changed(project(), update, ("training.neural.max_tokens",)).training.neural == '{"max_tokens": 32}'


@pytest.mark.parametrize("field", ["training.other", "training.seed.x", "compute.training.other"])
def test_a_part_that_a_setting_does_not_have_is_refused(field):
    with pytest.raises(BadProject, match=f"{field} cannot be changed"):
        changed(project(), project(), (field,))


@pytest.mark.parametrize(
    ("settings", "error", "names"),
    [
        ({"primary_metric": "auc"}, SettingNotSupported, "primary_metric"),
        ({"primary_metric": "micro_f1"}, SettingNotSupported, "primary_metric"),
        (
            {"task": SEVERAL, "metric_gates": (MetricGate("auc", 0.5),)},
            SettingNotSupported,
            r"metric_gates \(auc\)",
        ),
        ({"metrics": ("accuracy", "calibration_error")}, SettingNotSupported, "metrics"),
        ({"metric_gates": (MetricGate("recall", 0.5),)}, SettingNotSupported, r"metric_gates \(recall\)"),
        ({"metric_gates": (MetricGate("auc", max_loss=0.1),)}, SettingNotSupported, "metric_gates"),
        (
            {"compute": StageCompute(serving=Compute(devices=2))},
            SettingNotSupported,
            r"compute\.serving\.devices",
        ),
        (
            {"compute": StageCompute(evaluation=Compute(Accelerator.NEURON))},
            SettingNotSupported,
            r"compute\.evaluation\.accelerator",
        ),
        (
            {"compute": StageCompute(training=Compute(dtype=Dtype.FLOAT16))},
            SettingNotSupported,
            "compute.training.dtype",
        ),
        ({"curation": (CurationStep("minhash"),)}, SettingNotSupported, "curation"),
        (
            {"task": Generate(), "retraining_recipes": ("pretrain", "sft")},
            SettingNotSupported,
            "retraining_recipes",
        ),
        ({"task": Generate(), "primary_metric": "win_rate"}, SettingNotSupported, "primary_metric"),
        (
            {"task": Generate(), "metric_gates": (MetricGate("human_rating", 3),)},
            SettingNotSupported,
            "human_rating",
        ),
    ],
)
def test_what_pipeline_runs_do_not_support_yet_is_refused_by_name(settings, error, names):
    with pytest.raises(error, match=names):
        check_supported(replace(project(), **settings))


def test_pipeline_runs_support_several_labels_of_a_record():
    gates = (MetricGate("micro_f1", 0.5), MetricGate("recall", max_loss=0.1))
    metrics = ("accuracy", "precision")
    check_supported(
        replace(project(), task=SEVERAL, primary_metric="micro_f1", metrics=metrics, metric_gates=gates)
    )


@pytest.mark.parametrize(
    ("project_of", "gate", "sentence"),
    [
        (
            Classify(("a", "b")),
            Gate(1.5),
            "new_domain_threshold is a difference in macro-F1: from -1 to 1, not 1.5.",
        ),
        (Generate(), Gate(0, -2), "old_domain_threshold is a difference in ROUGE-L: from -1 to 1, not -2."),
        (
            SCORE,
            Gate(baseline_margin=-1),
            "baseline_margin is a difference in MAE: finite, 0 or more, not -1.",
        ),
        (SCORE, Gate(float("inf")), "new_domain_threshold is a difference in MAE: finite, not inf."),
    ],
)
def test_the_bounds_of_the_gate_are_those_of_the_primary_metric(project_of, gate, sentence):
    with pytest.raises(BadProject, match=re.escape(sentence)):
        checked(replace(project(), task=project_of, gate=gate))
    assert checked(replace(project(), task=SCORE, gate=Gate(5.0, -20.0, 8.0))).gate.baseline_margin == 8.0


def test_models_that_generate_start_from_a_base_model_unless_training_from_scratch_is_asked_for():
    left_out = TrainingDefaults(method=Method.DEFAULT)
    assert checked(replace(project(), training=left_out)) == checked(project())
    assert checked(replace(project(), task=SCORE, training=left_out)).training.method is Method.FULL
    writer = checked(replace(project(), task=Generate(), training=left_out))
    with pytest.raises(NoBaseModel, match="no base model: upload one"):
        check_base(writer)
    check_base(
        replace(writer, training=TrainingDefaults(method=Method.DEFAULT, base_artifact_digest="a" * 64))
    )
    check_base(replace(writer, training=TrainingDefaults(method=Method.FULL)))


@pytest.mark.parametrize(
    ("settings", "retrains", "requested", "recipe"),
    [
        ({}, False, "", "sft"),
        ({"recipes": ("sft",)}, True, "", "sft"),
        ({"task": Generate(), "retraining_recipes": ("dpo",)}, False, "", "sft"),
        ({"task": Generate(), "retraining_recipes": ("dpo",)}, True, "sft", "sft"),
        ({"task": Generate(), "retraining_recipes": ("auto",)}, True, "", "auto"),
        ({"task": Generate()}, True, "kto", "kto"),
    ],
)
def test_a_run_has_the_requested_recipe_or_that_of_the_project(settings, retrains, requested, recipe):
    assert recipe_of(replace(project(), **settings), retrains, requested) == recipe


def test_a_run_of_sources_has_the_recipes_that_follow_unless_it_names_its_own():
    value = replace(project(), task=Generate(), recipes=("pretrain", "sft", "dpo"))
    assert (recipe_of(value, False), chain_of(value, False)) == ("pretrain", ("sft", "dpo"))
    assert chain_of(value, False, "sft") == chain_of(value, True) == ()
    assert chain_of(replace(value, retraining_recipes=("sft", "dpo")), True) == ("dpo",)


def test_recipes_that_runs_cannot_have():
    with pytest.raises(BadRecipe, match="'dpo' is not one of the recipes sft"):
        recipe_of(project(), True, "dpo")
    with pytest.raises(BadProject, match="distillation has no teacher"):
        recipe_of(replace(project(), task=Generate()), True, "distillation")
    for settings, retrains in (({"task": Generate()}, False), ({}, True)):
        with pytest.raises(BadRecipe, match="'auto' is not one of the recipes"):
            recipe_of(replace(project(), **settings), retrains, "auto")


def test_what_pipeline_runs_support():
    for settings in (
        {},
        {"metrics": ("accuracy", "perplexity")},
        {"recipes": ("sft",)},
        {"data_requirements": DataRequirements(5, 2, (), ("en",), ("CC0-1.0",))},
        {"metric_gates": (MetricGate("accuracy", 0.8, 1.0),)},
        {"metric_gates": (MetricGate("macro_f1", max_loss=0.1),)},
        {"primary_metric": "accuracy", "metric_gates": (MetricGate("accuracy", max_loss=0.1),)},
        {"task": Generate(), "recipes": ("dpo",), "retraining_recipes": ("auto",)},
        {"task": Generate(), "recipes": ("pretrain", "sft", "dpo"), "retraining_recipes": ("grpo",)},
        {"task": Generate(), "primary_metric": "chrf", "metrics": ("bleu",)},
        {"task": Generate(), "metric_gates": (MetricGate("answer_length", max_value=200.0),)},
        {"task": SCORE, "primary_metric": "rmse", "metric_gates": (MetricGate("r2", 0.2, max_loss=0.05),)},
    ):
        check_supported(replace(project(), **settings))


@pytest.mark.parametrize(
    ("requirements", "lacks"),
    [
        (DataRequirements(), ""),
        (DataRequirements(20, 10), ""),
        (DataRequirements(21), "the project requires 21 records"),
        (DataRequirements(0, 11), "the project requires 11 records of each label"),
    ],
)
def test_requirements_on_the_number_of_records(requirements, lacks):
    counts = {"ham": 10, "spam": 10}
    sentence = lack(Classify(("ham", "spam")), counts, 20, (0.8, 0.1, 0.1), False, requirements)
    assert (lacks in sentence) and bool(sentence) is bool(lacks)
