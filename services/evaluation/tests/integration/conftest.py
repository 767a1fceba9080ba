"""Parts, models and an artifact store for the scoring tests; models are made once a session."""

from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.operations import warm
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.models import tiny_llama

LABELS = ("ham", "spam")
HAM = ("The meeting is moved to Monday, bring your notes", "The patch fixes the parser, all tests pass")
SPAM = ("You have won a free prize, click here", "Cheap loans without any credit check, act now")


def part_blob(rows):
    """A parquet part of (text, label) rows."""
    columns = {
        "record_id": [f"{index:064x}" for index in range(len(rows))],
        "content_digest": [f"{index + 1000:064x}" for index in range(len(rows))],
        "text": [text for text, _ in rows],
        "label": [label for _, label in rows],
        "language": ["en"] * len(rows),
        "chars": pa.array([len(text) for text, _ in rows], pa.int32()),
        "cluster": [str(index) for index in range(len(rows))],
        "attributes": pa.array(
            [[("html", "yes" if index % 3 else "no")] for index in range(len(rows))],
            pa.map_(pa.string(), pa.string()),
        ),
    }
    sink = BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def mails(count, spam_every=3):
    """Mails of which one in `spam_every` is spam; no two are the same."""
    return [
        (f"{SPAM[index % 2]} number {index}", "spam")
        if index % spam_every == 0
        else (f"{HAM[index % 2]} number {index}", "ham")
        for index in range(count)
    ]


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    return ArtifactStore(str(tmp_path_factory.mktemp("artifacts")))


@pytest.fixture(scope="session")
def warm_folder(tmp_path_factory):
    """Where jobs of all tests share a process, whose imports take seconds."""
    folder = tmp_path_factory.mktemp("warm")
    yield str(folder)
    warm.stop(folder)


@pytest.fixture(scope="session")
def taught_folder(tmp_path_factory):
    """A model that learnt to tell these mails apart in a few steps."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tiny_llama(tmp_path_factory.mktemp("taught"), LABELS, corpus=HAM + SPAM, seed=1)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    chats = [
        [{"role": "user", "content": t}, {"role": "assistant", "content": label}] for t, label in mails(24)
    ]
    rows = [
        torch.tensor([ids]) for ids in tokenizer.apply_chat_template(chats, return_dict=True)["input_ids"]
    ]
    torch.set_num_threads(1)
    torch.manual_seed(1)
    for step in range(96):
        ids = rows[step % len(rows)]
        targets = ids.clone()
        targets[:, :-2] = -100
        model(ids, labels=targets).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def taught(store, taught_folder):
    return store.put_tree(taught_folder)


@pytest.fixture(scope="session")
def always_ham(store, tmp_path_factory):
    return store.put_tree(tiny_llama(tmp_path_factory.mktemp("ham"), LABELS, answer="ham"))


@pytest.fixture(scope="session")
def untaught(store, tmp_path_factory):
    return store.put_tree(tiny_llama(tmp_path_factory.mktemp("untaught"), LABELS, seed=5))
