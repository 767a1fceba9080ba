"""Which artifacts are the same model."""

import pytest

from ratoon.storage.artifacts import ArtifactStore
from ratoon_evaluation.adapters.models import StoredModels


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(str(tmp_path / "artifacts"))


def stored(store, folder, **files):
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return store.put_tree(folder)


def test_a_model_card_makes_no_other_model_and_other_weights_do(store, tmp_path):
    trained = stored(store, tmp_path / "trained", model_safetensors="1", config_json="{}")
    registered = stored(
        store, tmp_path / "registered", model_safetensors="1", config_json="{}", README_md="A card."
    )
    other = stored(store, tmp_path / "other", model_safetensors="2", config_json="{}")
    content = StoredModels(store).content
    assert trained != registered
    assert content(trained) == content(registered) != content(other)


def test_an_artifact_that_is_gone_is_the_same_as_itself_alone(store):
    content = StoredModels(store).content
    assert content("a" * 64) == content("a" * 64) != content("b" * 64)
