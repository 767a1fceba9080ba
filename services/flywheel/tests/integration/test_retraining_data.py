"""Feedback on free text becomes sources: corrections train, preferences and judged answers are kept for later."""

import json

import pytest

from ratoon.common.v1 import task_pb2
from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import pipeline_run_pb2, project_pb2
from ratoon.registry.v1 import model_pb2, model_version_pb2
from ratoon.testkit.waiting import until
from ratoon.training.v1 import distillation_pb2, grpo_pb2

PARENT = "projects/mail"
Run = pipeline_run_pb2.PipelineRun
TASK = task_pb2.TaskSpec(generate=task_pb2.Generate(form="FORM_CHAT"))


@pytest.fixture(autouse=True)
def served(env):
    """A project that writes subject lines, whose version v1.0 serves."""
    project = project_pb2.Project(task=TASK)
    env.flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=project))
    alias = f"{PARENT}/models/mail/aliases/production"
    env.peers.resources[env.version] = model_version_pb2.ModelVersion(
        name=env.version, artifact_digest="c" * 64
    )
    env.peers.resources[alias] = model_pb2.Alias(name=alias, version=env.version)


def retrained(env):
    request = pb.CreatePipelineRunRequest(parent=PARENT, pipeline_run={})
    run = env.flywheel.CreatePipelineRun(request)
    return until(lambda: ended(env, run.name))


def ended(env, name):
    run = env.flywheel.GetPipelineRun(pb.GetPipelineRunRequest(name=name))
    return run if run.HasField("failure") or run.state == Run.STATE_SUCCEEDED else None


def lines(env, source):
    return [json.loads(line) for line in env.peers.artifacts.read(source.digest).splitlines()]


def test_corrections_train_and_preferences_and_unpaired_ones_are_retained(env):
    corrected = env.answered(["first mail", "second mail"], "A subject", users=["ann", "bob"])
    env.send_feedback(corrected[0], correction="Budget of May", user="ann")
    env.send_feedback(corrected[1], correction="Lunch on Friday")
    liked, disliked = env.answered(["third mail", "fourth mail"], "Another subject")
    env.send_feedback(liked, thumb=1)
    env.send_feedback(disliked, thumb=-1)
    (better,) = env.answered(["fifth mail"], "Good subject")
    (worse,) = env.answered(["fifth mail"], "Bad subject")
    env.send_feedback(better, rejected_answer_id=worse)
    run = retrained(env)
    assert (run.state, run.recipe) == (Run.STATE_SUCCEEDED, "sft")
    answers, preferences, unpaired = env.peers.created_resources("Source")
    (version,) = env.peers.created_resources("DatasetVersion")
    assert list(version.sources) == [answers.name], "only right answers train"
    rows = lines(env, answers)
    assert [row["messages"] for row in rows] == [
        [
            {"role": "system", "content": "Ham or spam?"},
            {"role": "user", "content": text},
            {"role": "assistant", "content": correction},
        ]
        for text, correction in (("first mail", "Budget of May"), ("second mail", "Lunch on Friday"))
    ]
    assert list(answers.columns.attributes) == ["version", "user", "consent", "feedback"]
    assert all(set(answers.columns.attributes) <= row.keys() for row in rows)
    assert {(row["version"], row["feedback"], row["consent"]) for row in rows} == {
        (env.version, "CORRECTION", "TRAINING")
    }
    assert len({row["user"] for row in rows} - {"", "ann", "bob"}) == 2, "users are marks"
    (pair,) = lines(env, preferences)
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("Good subject", "Bad subject")
    assert sorted(row["label"] for row in lines(env, unpaired)) == [False, True]
    note = "Kept as sources for other recipes than sft: 1 preference and 2 unpaired preferences."
    assert run.stages[0].message.endswith(note)
    (registered,) = env.peers.created_resources("ModelVersion")
    assert note in registered.changelog


def test_without_a_right_answer_a_retraining_ends_and_says_what_there_is(env):
    env.send_feedback(env.answered(["a mail"], "A subject")[0], thumb=1)
    run = retrained(env)
    assert (run.state, run.failure.reason) == (Run.STATE_FAILED, "NOTHING_TO_LEARN")
    assert run.failure.message.endswith(
        "There are 1 unpaired preference, which the recipes dpo and kto learn from."
    )
    assert not env.peers.created_resources("Source")


def preferred(env, count):
    for number in range(count):
        (better,) = env.answered([f"mail {number}"], "Good subject")
        (worse,) = env.answered([f"mail {number}"], "Bad subject")
        env.send_feedback(better, rejected_answer_id=worse)


def set_recipes(env, *recipes):
    tuning = project_pb2.Project.TuningDefaults(
        preference_learning_rate=3e-5, beta=0.2, preference_loss="PREFERENCE_LOSS_IPO"
    )
    project = project_pb2.Project(name=PARENT, retraining_recipes=recipes, tuning=tuning)
    mask = {"paths": ["retraining_recipes", "tuning"]}
    env.flywheel.UpdateProject(pb.UpdateProjectRequest(project=project, update_mask=mask))


def test_preferences_train_by_dpo_if_the_project_says_so(env):
    set_recipes(env, "dpo")
    preferred(env, 2)
    env.send_feedback(env.answered(["another mail"], "A subject")[0], correction="Budget")
    run = retrained(env)
    assert (run.state, run.recipe) == (Run.STATE_SUCCEEDED, "dpo")
    sources = env.peers.created_resources("Source")
    (version,) = env.peers.created_resources("DatasetVersion")
    taken = next(source for source in sources if source.name in version.sources)
    assert (len(version.sources), len(lines(env, taken))) == (1, 2)
    assert "chosen" in lines(env, taken)[0]
    (training,) = env.peers.created_resources("TrainingRun")
    recipe = training.recipe
    assert (recipe.objective, recipe.preference_loss) == (recipe.OBJECTIVE_DPO, recipe.PREFERENCE_LOSS_IPO)
    assert (recipe.learning_rate, recipe.beta) == (3e-5, 0.2)
    assert run.stages[0].message.endswith("Kept as sources for other recipes than dpo: 1 right answer.")
    assert len(env.peers.created_resources("EvaluationRun")) == 1, "it is gated like any other version"


def test_auto_takes_the_recipe_with_the_most_feedback(env):
    set_recipes(env, "auto")
    preferred(env, 1)
    for answer in env.answered(["one", "two", "three"], "A subject"):
        env.send_feedback(answer, thumb=-1)
    run = retrained(env)
    assert (run.state, run.recipe) == (Run.STATE_SUCCEEDED, "kto")
    (version,) = env.peers.created_resources("DatasetVersion")
    assert len(version.sources) == 2, "a preference is a good and a bad answer"
    (training,) = env.peers.created_resources("TrainingRun")
    recipe = training.recipe
    assert (recipe.objective, recipe.preference_loss) == (recipe.OBJECTIVE_KTO, 0), "of DPO alone"


def test_a_project_with_rewards_learns_from_answers_of_its_own(env):
    rewards = [grpo_pb2.Reward(pattern="^[A-Z]", weight=0.5), grpo_pb2.Reward(exact_match=True, weight=1.0)]
    tuning = project_pb2.Project.TuningDefaults(rewards=rewards, preference_learning_rate=3e-5)
    project = project_pb2.Project(name=PARENT, retraining_recipes=["auto"], tuning=tuning)
    mask = {"paths": ["retraining_recipes", "tuning"]}
    updated = env.flywheel.UpdateProject(pb.UpdateProjectRequest(project=project, update_mask=mask))
    assert list(updated.tuning.rewards) == rewards
    env.send_feedback(env.answered(["a mail"], "A subject")[0], correction="Budget of May")
    run = retrained(env)
    assert (run.state, run.recipe) == (Run.STATE_SUCCEEDED, "grpo")
    (training,) = env.peers.created_resources("TrainingRun")
    recipe = training.recipe
    assert (recipe.objective, recipe.learning_rate) == (recipe.OBJECTIVE_GRPO, 3e-5)
    assert list(recipe.grpo.rewards) == rewards


def test_a_chain_of_recipes_trains_each_on_the_artifact_of_the_one_before(env):
    project = project_pb2.Project(name=PARENT, recipes=["continued_pretrain", "sft"])
    env.flywheel.UpdateProject(pb.UpdateProjectRequest(project=project, update_mask={"paths": ["recipes"]}))
    request = pb.CreatePipelineRunRequest(
        parent=PARENT, pipeline_run={"sources": [f"{PARENT}/sources/mails"]}
    )
    created = env.flywheel.CreatePipelineRun(request)
    assert list(created.following_recipes) == ["sft"]
    run = until(lambda: ended(env, created.name))
    assert (run.state, run.recipe) == (Run.STATE_SUCCEEDED, "sft")
    first, second = env.peers.created_resources("TrainingRun")
    assert first.recipe.objective == first.recipe.OBJECTIVE_PRETRAIN
    assert second.recipe.objective == second.recipe.OBJECTIVE_UNSPECIFIED
    (trained,) = run.trained_recipes
    assert (trained.recipe, trained.training_run) == ("continued_pretrain", first.name)
    assert second.base_artifact_digest == trained.artifact_digest
    assert run.products.training_run == second.name
    assert len(env.peers.created_resources("EvaluationRun")) == 1


def test_a_run_says_how_much_feedback_is_on_empty_answers(env):
    set_recipes(env, "dpo")
    preferred(env, 1)
    (better,) = env.answered(["a mail"], "Good subject")
    (worse,) = env.answered(["a mail"], " ")
    env.send_feedback(better, rejected_answer_id=worse)
    run = retrained(env)
    assert run.state == Run.STATE_SUCCEEDED
    says = "Feedback that became no record: 1 on an empty answer, or on one whose text is gone."
    assert run.stages[0].message.endswith(says)


def test_a_retraining_trains_by_each_recipe_of_its_chain(env):
    set_recipes(env, "sft", "reward_model", "dpo")
    preferred(env, 2)
    env.send_feedback(env.answered(["another mail"], "A subject")[0], correction="Budget")
    run = retrained(env)
    assert (run.state, run.recipe) == (Run.STATE_SUCCEEDED, "dpo")
    (version,) = env.peers.created_resources("DatasetVersion")
    assert len(version.sources) == 2, "right answers and preferences"
    supervised, judge, aligned = env.peers.created_resources("TrainingRun")
    assert [each.recipe for each in run.trained_recipes] == ["sft", "reward_model"]
    first, second = (each.artifact_digest for each in run.trained_recipes)
    assert judge.recipe.objective == judge.recipe.OBJECTIVE_REWARD_MODEL
    assert supervised.base_artifact_digest == "c" * 64
    assert judge.base_artifact_digest == aligned.base_artifact_digest == first, "it writes no text"
    assert aligned.recipe.reward_model_artifact_digest == second
    assert len(env.peers.created_resources("EvaluationRun")) == 1


def test_a_retraining_leaves_out_recipes_of_its_chain_that_have_no_feedback(env):
    set_recipes(env, "sft", "kto")
    env.send_feedback(env.answered(["a mail"], "A subject")[0], thumb=-1)
    run = retrained(env)
    assert (run.state, run.recipe, list(run.following_recipes)) == (Run.STATE_SUCCEEDED, "kto", [])
    assert run.stages[0].message.endswith("Without feedback for sft: the run trains by kto.")
    assert len(env.peers.created_resources("TrainingRun")) == 1


def test_a_student_learns_from_the_teacher_of_the_project(env):
    teacher = distillation_pb2.Distillation(
        base_url="http://127.0.0.1:9/v1", model="large", level="LEVEL_SEQUENCE", max_new_tokens=8
    )
    tuning = project_pb2.Project.TuningDefaults(distillation=teacher)
    project = project_pb2.Project(name=PARENT, retraining_recipes=["distillation"], tuning=tuning)
    mask = {"paths": ["retraining_recipes", "tuning"]}
    updated = env.flywheel.UpdateProject(pb.UpdateProjectRequest(project=project, update_mask=mask))
    assert updated.tuning.distillation == teacher
    env.send_feedback(env.answered(["a mail"], "A subject")[0], correction="Budget of May")
    assert retrained(env).state == Run.STATE_SUCCEEDED
    (training,) = env.peers.created_resources("TrainingRun")
    assert training.recipe.objective == training.recipe.OBJECTIVE_DISTILLATION
    assert training.recipe.distillation == teacher


def test_a_recipe_without_its_feedback_ends_and_says_what_there_is(env):
    set_recipes(env, "dpo")
    env.send_feedback(env.answered(["a mail"], "A subject")[0], thumb=1)
    run = retrained(env)
    assert run.failure.reason == "NOTHING_TO_LEARN"
    assert (
        "has no preferences since the last retraining, from which the recipe dpo learns"
        in run.failure.message
    )


def test_serving_hears_of_thumbs_and_not_of_every_rewritten_text(env):
    corrected, liked, disliked = env.answered(
        ["one", "two", "three"], "A subject", users=["ann", "bob", "eve"]
    )
    env.send_feedback(corrected, thumb=-1, correction="Another subject")
    env.send_feedback(liked, thumb=1)
    env.send_feedback(disliked, thumb=-1)
    until(lambda: sum(each.positive_count + each.negative_count for each in env.peers.quality) >= 2)
    assert sum(each.negative_count for each in env.peers.quality) == 1
    assert sum(each.positive_count for each in env.peers.quality) == 1
