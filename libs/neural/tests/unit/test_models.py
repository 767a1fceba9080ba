"""Small neural models: padding, files, and what is refused."""

import json
from dataclasses import replace

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from tokenizers.processors import TemplateProcessing

from ratoon.classical.errors import BadArtifact
from ratoon.classical.tokens import answers
from ratoon.neural import small
from ratoon.neural.model import About, NeuralModel, rows_of
from ratoon.neural.networks import Network, Shape, build, head_names
from ratoon.tasks.classify import Classify
from ratoon.tasks.regress import Regress

WORDS = ("<pad>", "<s>", "[UNK]", "a", "b", "c", "d", "e", "spam")
TASK = Classify(("ham", "spam"))
LAYERS = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 8, "intermediate_size": 16}
BERT = {"model_type": "bert", "vocab_size": len(WORDS), "max_position_embeddings": 16, **LAYERS}
DISTILBERT = {
    "model_type": "distilbert",
    "vocab_size": len(WORDS),
    "max_position_embeddings": 16,
    "dim": 8,
    "n_layers": 1,
    "n_heads": 2,
    "hidden_dim": 16,
}
MODERNBERT = {
    "model_type": "modernbert",
    "vocab_size": len(WORDS),
    "max_position_embeddings": 16,
    "pad_token_id": 0,
    **LAYERS,
    "cls_token_id": 1,
    "bos_token_id": 1,
    "eos_token_id": 1,
    "sep_token_id": 1,
    "classifier_pooling": "mean",
}
SMALL = Shape(Network.CNN, len(WORDS), 8, max_tokens=16)
SHAPES = {
    "cnn": SMALL,
    "rnn": replace(SMALL, network=Network.RNN, layers=2),
    "lstm": replace(SMALL, network=Network.LSTM),
    "gru": replace(SMALL, network=Network.GRU, bidirectional=False),
    "mlp": replace(SMALL, network=Network.MLP, activation="tanh"),
    "bert": replace(SMALL, network=Network.ENCODER, encoder=BERT),
    "distilbert": replace(SMALL, network=Network.ENCODER, encoder=DISTILBERT),
    "modernbert": replace(SMALL, network=Network.ENCODER, encoder=MODERNBERT),
}


def tokenizer() -> Tokenizer:
    built = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    built.pre_tokenizer = pre_tokenizers.Whitespace()
    built.add_special_tokens(["<pad>", "<s>"])
    built.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return built


def model_of(shape: Shape, task=TASK) -> NeuralModel:
    about = About(task, shape)
    torch.manual_seed(0)
    module = build(shape, about.outputs).eval()
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(4 if weight.dim() > 1 else 1)
    return NeuralModel(about, module, tokenizer())


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_outputs_of_a_text_do_not_depend_on_padding(shape):
    model = model_of(shape)
    texts = ["a", "b c", "a b c d e a b c d e a b"]
    ids = model.reader.ids(texts)
    rows, lengths = rows_of(ids, shape.pad)
    with torch.inference_mode():
        together = model.module(rows, lengths)
        wider = model.module(torch.nn.functional.pad(rows, (0, 3), value=shape.pad), lengths)
        alone = torch.cat([model.module(*rows_of([each], shape.pad)) for each in ids])
    assert torch.allclose(together, alone, atol=1e-5) and torch.allclose(together, wider, atol=1e-5)
    assert not torch.allclose(together[0], together[2], atol=1e-4), "the text is read at all"


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_files_give_the_same_model_and_the_same_bytes(shape):
    model = model_of(shape)
    files = model.files()
    again = small.of_files(files)
    assert isinstance(again, NeuralModel) and again.files() == files
    assert again.answer(["a b", ""]).logprobs.tolist() == model.answer(["a b", ""]).logprobs.tolist()
    rows = {model.module.get_parameter(name).shape[0] for name in head_names(model.module)}
    assert rows == {2}, "rows of the head are the labels"


def test_marks_in_a_text_are_words_and_long_texts_are_cut_at_the_end():
    reader = model_of(SMALL).reader
    marked, empty, long = reader.ids(["<s> a <pad>", "", "a " * 40])
    assert marked[0] == 1 and 1 not in marked[1:] and 0 not in marked, (
        "no mark, and no padding, out of a text"
    )
    assert empty == [1] and len(long) == 16 and long[0] == 1


def test_the_order_of_labels_is_the_order_of_outputs():
    model = model_of(SMALL)
    with torch.no_grad():
        model.module.head.weight.zero_()
        model.module.head.bias.copy_(torch.tensor([0.0, 3.0]))
    assert model.answer(["a"]).texts == ("spam",)
    (token,) = answers(model, ["a"])[0]
    assert (token.id, token.text) == (257, "spam") and [place for place, _ in token.others] == [257, 256]


def test_several_labels_and_at_least_one():
    model = model_of(SMALL, Classify(("x", "y", "z"), multi_label=True))
    with torch.no_grad():
        model.module.head.weight.zero_()
        model.module.head.bias.copy_(torch.tensor([2.0, -1.0, 1.0]))
        assert model.answer(["a"]).texts == ("x\nz",)
        model.module.head.bias.copy_(torch.tensor([-3.0, -1.0, -2.0]))
        assert model.answer(["a"]).texts == ("y",)


def test_numbers_are_scaled_back_and_stay_in_their_range():
    model = model_of(SMALL, Regress(min=0, max=5))
    model.about = replace(model.about, mean=4.0, deviation=2.0)
    with torch.no_grad():
        model.module.head.weight.zero_()
        for bias, answer in ((-0.5, "3"), (3.0, "5"), (-9.0, "0")):
            model.module.head.bias.fill_(bias)
            assert model.answer(["a"]).texts == (answer,)


def changed(files, name="neural.json", **values):
    stated = {**json.loads(files[name]), **values}
    return {**files, name: json.dumps(stated).encode()}


def test_files_that_do_not_belong_together_are_refused():
    files = model_of(SMALL).files()
    shape = json.loads(files["neural.json"])["shape"]
    other = model_of(replace(SMALL, hidden_size=4)).files()
    more = tokenizer()
    more.add_tokens(["new"])
    for damaged, sentence in (
        ({**files, "model.safetensors": other["model.safetensors"]}, "differ in"),
        ({**files, "tokenizer.json": more.to_str().encode()}, "has no vector for"),
        ({**files, "tokenizer.json": b"{"}, "is damaged"),
        ({**files, "neural.json": b"[]"}, "no JSON object"),
        ({name: data for name, data in files.items() if name != "tokenizer.json"}, "is missing"),
        (changed(files, format=2), "of the format 2"),
        (changed(files, shape={**shape, "hidden_size": 1 << 40}), "sizes that no network has"),
        (changed(files, shape={**shape, "network": "OTHER"}), "damaged"),
        (changed(files, mean="nan"), "not finite"),
    ):
        with pytest.raises(BadArtifact, match=sentence):
            NeuralModel.of_files(damaged)


def test_weights_that_are_not_finite_are_refused():
    model = model_of(SMALL)
    with torch.no_grad():
        model.module.head.weight[0, 0] = float("nan")
    with pytest.raises(BadArtifact, match="not finite"):
        NeuralModel.of_files(model.files())


def test_an_encoder_with_labels_in_another_order_or_of_another_kind_is_refused():
    shape = replace(SHAPES["bert"], encoder={**BERT, "id2label": {"0": "ham", "1": "spam"}})
    files = model_of(shape).files()
    assert NeuralModel.of_files(files).task == TASK
    swapped = {**shape.encoder, "id2label": {"0": "spam", "1": "ham"}}
    with pytest.raises(BadArtifact, match="not those of its task in their order"):
        NeuralModel.of_files(changed(files, shape={**shape.as_json(), "encoder": swapped}))
    with pytest.raises(BadArtifact, match="none of the encoders"):
        NeuralModel.of_files(changed(files, shape={**shape.as_json(), "encoder": {"model_type": "gpt2"}}))
