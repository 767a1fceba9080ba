"""Ways to look into data. Run it after `loop.py`: `python examples/walkthrough/data.py`."""

# %% [markdown]
# # Working with data
#
# This walkthrough reads the data of [the loop](loop.py): lists and pages, a preview before an import, a version that is
# watched while it is built, the difference of two versions, wrong answers, and an erasure. The code is
# `examples/walkthrough/data.py`.

# %%
from collections import Counter

from ratoon.client import Ratoon, types

client = Ratoon()
project, dataset = "projects/languages", "projects/languages/datasets/languages"

# %% [markdown]
# ## Lists
# Iterating over a list yields the items of all pages. `iter_pages` goes page by page, with the token to go on from.
# The records of a sealed test part are in no list: 480 of the 600 are here.

# %%
print([source.display_name for source in client.sources.list(project)])
first = next(iter(client.dataset_versions.list(dataset)))
records = list(client.records.list(first.name))
print(Counter(record.source_label for record in records))
print([len(page.items) for page in client.records.list(first.name, page_size=250).iter_pages()])

# %% [markdown]
# ## Preview an import
# A preview reads the beginning of a file and shows what would become of it; nothing is stored. Here one row has no
# text, and one is too short and has no label.

# %%
rows = "text,language\nWaar is het station?,dutch\n,english\nOk,\nDove si trova la stazione?,italian\n"
source = types.Source(
    digest=client.blobs.upload(rows.encode()),
    format=types.SourceFormat.CSV,
    columns=types.SourceColumns(text="text", label="language"),
)
preview = client.sources.preview(project, digest=source.digest, format=source.format, columns=source.columns)
print(f"{preview.record_count} of {preview.item_count} items become records")
for rejected in preview.rejections:
    print(f"  {rejected.source_path}: {rejected.reason}")

# %% [markdown]
# ## Watch a version while it is built
# A watch yields the current state and then each newer one, until the final one. It resumes after a broken connection.
# This version keeps the sentences that language detection takes for Dutch or Italian.

# %%
curation = types.Curation(languages=["nl", "it"])
second = client.dataset_versions.create(dataset, sources=first.sources, curation=curation)
for state in client.dataset_versions.watch(second.name):
    print(f"  {state.state.name} {state.progress.fraction if state.progress else 0:.0%}")
    second = state

# %% [markdown]
# ## Compare two versions
# The ID of a record follows from the bytes of its item, so the same item has the same ID in every version.

# %%
before = {record.record_id: record for record in records}
after = {record.record_id for record in client.records.list(second.name)}
removed = [record for record_id, record in before.items() if record_id not in after]
print(
    f"{first.record_count} → {second.record_count} records; "
    f"removed outside the test part, by label: {Counter(each.source_label for each in removed)}"
)
for record in [each for each in removed if each.source_label != "english"][:3]:
    print(f"  {record.source_label}, detected as {record.language}: {record.text}")
print(Counter(item.reason for item in client.rejections.list(second.name)))

# %% [markdown]
# ## Wrong answers
# An evaluation keeps the wrong answers on the sealed test part. Each reading of the part is logged.

# %%
evaluation = next(iter(client.evaluation_runs.list(project)))
for case in client.bad_cases.list(evaluation.name):
    print(f"  {case.label}, answered {case.predicted}: {case.text}")
split = evaluation.domains[0].split
print([reading.purpose for reading in client.split_readings.list(split)])

# %% [markdown]
# ## Where a record went, and its erasure
# The lineage of a record lists the versions and the parts of splits that hold it. An erasure removes it from all of
# them for good: the versions are REDACTED, and later imports reject the item. Models that were trained on it are found
# by the splits; they are not changed.

# %%
record = records[0]
lineage = client.records.lineage(project, record.record_id)
print(lineage.dataset_versions, [(place.split, place.part.name) for place in lineage.placements])
erasure = client.erasures.create(project, record_ids=[record.record_id], reason="Requested by its author.")
erasure = client.erasures.wait(erasure.name, timeout=120)
print(f"{erasure.name} {erasure.state.name}: {len(erasure.dataset_versions)} versions")
print(client.dataset_versions.get(first.name).state.name)
assert record.record_id not in {each.record_id for each in client.records.list(first.name)}
for model_version in client.model_versions.list("projects/languages/models/languages"):
    if model_version.lineage and model_version.lineage.split in {place.split for place in lineage.placements}:
        print(f"{model_version.name} was trained with it")
