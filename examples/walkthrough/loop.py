"""The loop by the typed client. Run it while Ratoon is up: `python examples/walkthrough/loop.py`."""

# %% [markdown]
# # The loop, step by step
#
# This walkthrough trains a small model that recognizes the language of a sentence, serves it, gives feedback on its
# answers, and lets it be retrained. It calls each stage by itself; a pipeline run does the same in one call. It takes
# two minutes on a laptop. The code is `examples/walkthrough/loop.py`: a script, and a notebook in editors that know
# `# %%` cells.
#
# Prepare it with `make env`, `python scripts/zoo.py languages` (sentences of a public package) and `ratoon up`.

# %% [markdown]
# ## Connect
# Without arguments, the client uses `RATOON_ENDPOINT` and `RATOON_API_KEY`, or the installation on this machine.

# %%
import csv
import io
import time

from sentences import LANGUAGES, LICENSE, read_sentences

from ratoon.client import OperationFailedError, Ratoon, types

client = Ratoon(timeout=120)
sentences = {language: read_sentences(language) for language in LANGUAGES}

# %% [markdown]
# ## Create a project
# A project says which labels the model answers with. The gate and the training are those of later pipeline runs; here
# the gate is lenient, because 100 sentences measure little. Omit `gate` in a real project.

# %%
project = client.projects.create(
    project_id="languages",
    labels=LANGUAGES,
    instructions="In which language is the sentence?",
    gate=types.ProjectGate(new_domain_threshold=-0.5, old_domain_threshold=-0.5, baseline_margin=1),
    training=types.ProjectTrainingDefaults(continue_epochs=2, replay_count=200),
    rollout=types.ProjectRolloutDefaults(bake_seconds=3),
)

# %% [markdown]
# ## Upload a file
# A source is a file in the artifact store with a description: its format, its columns, its license.

# %%
table = io.StringIO()
rows = csv.writer(table)
rows.writerow(["text", "language"])
for language, lines in sentences.items():
    rows.writerows([line, language] for line in lines[:200])
source = client.sources.create(
    project.name,
    source_id="sentences",
    display_name="Sentences of chatterbot-corpus",
    format=types.SourceFormat.CSV,
    digest=client.blobs.upload(table.getvalue().encode()),
    columns=types.SourceColumns(text="text", label="language"),
    license=LICENSE,
)

# %% [markdown]
# ## Build a dataset version
# Curation normalizes texts, rejects what is not text, and finds duplicates. `wait` returns the final state.

# %%
dataset = client.datasets.create(project.name, dataset_id="languages")
version = client.dataset_versions.create(dataset.name, sources=[source.name])
version = client.dataset_versions.wait(version.name, timeout=120)
print(f"{version.record_count} records, {version.rejected_count} rejected")

# %% [markdown]
# ## Freeze labels, and split
# The labels came with the file. A label set is immutable, and so is a split; the test part of a split is sealed, and
# each reading of it is logged.

# %%
guideline = client.guidelines.create(project.name, guideline_id="languages", labels=LANGUAGES)
labels = client.label_sets.create(
    project.name, dataset_version=version.name, guideline=guideline.name, review_sample_size=5
)
labels = client.label_sets.wait(labels.name, timeout=120)
split = client.splits.create(
    dataset.name,
    dataset_version=version.name,
    label_set_digest=labels.digest,
    ratios=types.SplitRatios(train=0.7, validation=0.1, test=0.2),
)
split = client.splits.wait(split.name, timeout=120)
print(labels.class_counts, {part.part.name: part.record_count for part in split.parts})

# %% [markdown]
# ## Train
# Without a base model, training starts from scratch: a Llama with a million parameters, in half a minute. `on_state`
# is called with each state.


# %%
def report(state: types.TrainingRun | types.PipelineRun) -> None:
    """Print how far a run is."""
    if state.progress and state.progress.message:
        print(f"  {state.progress.message}")


run = client.training_runs.create(
    project.name,
    train_digest=split.train_digest,
    validation_digest=split.validation_digest,
    recipe=types.Recipe(labels=LANGUAGES, epochs=4, seed=1),
)
run = client.training_runs.wait(run.name, timeout=600, on_state=report)

# %% [markdown]
# ## Evaluate
# The evaluation scores the candidate on the sealed test part, next to simple baselines, and holds it against the gate.

# %%
evaluation = client.evaluation_runs.create(
    project.name,
    candidate_digest=run.artifact_digest,
    labels=LANGUAGES,
    domains=[types.Domain(name="base", split=split.name)],
    gate=[types.GateRule(kind=types.GateRuleKind.BEATS_MAJORITY, domain="base")],
)
evaluation = client.evaluation_runs.wait(evaluation.name, timeout=300)
scores = evaluation.results[0].candidate
assert evaluation.verdict is not None and scores is not None and scores.macro_f1 is not None
print(f"{evaluation.verdict.summary} Macro-F1 {scores.macro_f1.value:.2f}")

# %% [markdown]
# ## Register
# Registration verifies and signs the model. The lineage ties the version to all that it was made of.

# %%
model = client.models.create(project.name, model_id="languages", display_name="Languages")
first = client.model_versions.create(
    model.name,
    artifact_digest=run.artifact_digest,
    golden_source_digest=split.validation_digest,
    scores={"base.macro_f1": scores.macro_f1.value},
    changelog="First version, trained from scratch.",
    lineage=types.Lineage(
        dataset_version=version.name,
        label_set=labels.name,
        split=split.name,
        training_run=run.name,
        evaluation_run=evaluation.name,
    ),
)
first = client.model_versions.wait(first.name, timeout=300)

# %% [markdown]
# ## Roll out
# A rollout starts an engine, checks that it serves the signed weights, moves the traffic to it, and at its end moves
# the alias `production`.

# %%
deployment = client.deployments.create(project.name, deployment_id="languages", model=model.name)
rollout = client.rollouts.create(deployment.name, to_version=first.name, bake=types.RolloutBake(seconds=3))
client.rollouts.wait(rollout.name, timeout=300)
print(client.aliases.get(f"{model.name}/aliases/production").version, "serves")

# %% [markdown]
# ## Chat, and give feedback
# Each answer has an ID; feedback refers to it. Here a user corrects or confirms every answer.

# %%
questions = [
    (lines[position], language) for position in range(200, 240) for language, lines in sentences.items()
]
right = 0
for line, language in questions:
    answer = client.chat.completions.create("languages", line, max_tokens=4, temperature=0)
    is_right = answer.text == language
    client.chat.feedback(answer.answer_id, thumb="up" if is_right else "down", correction=language)
    right += is_right
print(f"{right} of {len(questions)} right; the last answer is by {answer.version}")

# %% [markdown]
# ## Retrain
# Answers are captured in segments, which close every few seconds. A pipeline run without sources trains on the
# corrected answers. It does all of the above, and replaces the version that serves if the gate accepts the new one. A
# policy starts such runs automatically, on drift, on errors or on a schedule.

# %%
for _ in range(60):
    if sum(segment.answer_count for segment in client.traffic_segments.list(project.name)) >= len(questions):
        break
    time.sleep(1)
retraining = client.pipeline_runs.create(project.name)
try:
    client.pipeline_runs.wait(retraining.name, timeout=900, on_state=report)
except OperationFailedError as ended:
    print(f"No new version serves: {ended}")
else:
    print(client.chat.completions.create("languages", questions[0][0], max_tokens=4).version, "serves now")
for change in client.alias_changes.list(model.name):
    print(f"{change.change_time:%X} {change.from_version or '–'} → {change.to_version}: {change.reason}")
