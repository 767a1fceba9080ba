"""Generated answers against transformers, one prompt at a time and without padding; prompts against the template."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from ratoon.storage.models import ModelFolder
from ratoon.tasks.kind import Record, Turn
from ratoon.tasks.records import template_messages
from ratoon.testkit.models import tiny_llama
from ratoon_evaluation.worker import cards
from ratoon_evaluation.worker.decoding import Decoding, penalised, sampled
from ratoon_evaluation.worker.generator import Generator, Prompt, first_stop
from ratoon_evaluation.worker.models import LoadedModel
from ratoon_evaluation.worker.prompts import BadChatTemplate, Prompts
from ratoon_evaluation.worker.suites.likelihood import Texts
from ratoon_training.domain.recipes import TrainOn
from ratoon_training.worker.conversations import samples_of
from ratoon_training.worker.text import of_base
from services.training.tests.integration.templates import ENDS, TEMPLATES, write_tokenizer

LICENSE = (Path(__file__).parents[4] / "LICENSE").read_text()
PARAGRAPHS = [" ".join(each.split()) for each in LICENSE.split("\n\n") if len(each) > 60][:24]


def ignore(done):
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_llama(
        tmp_path_factory.mktemp("writer"), seed=3, corpus=PARAGRAPHS, vocabulary=600, max_chars=3000
    )


@pytest.fixture(scope="module")
def loaded(folder):
    return LoadedModel(ModelFolder(folder), 1)


@pytest.fixture(scope="module")
def prompts(loaded):
    """Paragraphs of the license: the first words are the prompt, the others the reference."""
    render = Prompts(loaded.tokenizer, loaded.ends.tolist())
    each = []
    for number, text in enumerate(PARAGRAPHS):
        record = Record((Turn("user", text[: 30 + 10 * number]),))
        tokens = render.prompt(record)
        each.append(Prompt(tokens, render.answer(record, text[-40:], tokens)))
    return each


def test_answers_are_those_of_transformers(folder, loaded, prompts):
    answers = Generator(loaded, Decoding(24)).answer(prompts, ignore)
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    for row, prompt in enumerate(prompts):
        with torch.inference_mode():
            written = model.generate(torch.tensor([prompt.tokens]), max_new_tokens=24, do_sample=False)[0]
            logprobs = model(torch.tensor([prompt.tokens + prompt.reference])).logits[0].log_softmax(-1)
        new = written[len(prompt.tokens) :]
        assert answers.texts[row] == tokenizer.decode(new, skip_special_tokens=True).strip()
        assert answers.tokens[row] == len(new)
        places = range(len(prompt.tokens) - 1, len(prompt.tokens) + len(prompt.reference) - 1)
        nll = -sum(logprobs[at, token].item() for at, token in zip(places, prompt.reference, strict=True))
        assert answers.nll[row] == pytest.approx(nll, rel=1e-5)
        assert answers.nll_tokens[row] == len(prompt.reference)


@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_what_all_prompts_begin_with_is_read_once(loaded, prompts, penalty, monkeypatch):
    examples = [prompts[-1].tokens[at % len(prompts[-1].tokens)] for at in range(200)]
    few_shot = [Prompt(examples + each.tokens, each.reference) for each in prompts[:9]]
    generator, read = Generator(loaded, Decoding(16, repetition_penalty=penalty)), []
    alone = [generator.answer([each], ignore) for each in few_shot]
    padded = LoadedModel.padded
    monkeypatch.setattr(LoadedModel, "padded", lambda self, rows: read.extend(rows) or padded(self, rows))
    together = generator.answer(few_shot, ignore)
    assert max(map(len, read)) < 200
    assert together.texts == tuple(each.texts[0] for each in alone)
    assert together.nll == pytest.approx([each.nll[0] for each in alone], rel=1e-4)


def architecture(name):
    """A small configuration: grouped heads, parallel residuals, a sliding window, windows in every second layer."""
    import transformers

    sizes = dict(
        vocab_size=600,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    if name == "gpt_neox":
        return transformers.GPTNeoXConfig(**sizes)
    grouped = sizes | {"num_key_value_heads": 2}
    if name == "qwen2":
        return transformers.Qwen2Config(**grouped, tie_word_embeddings=True)
    if name == "mistral":
        return transformers.MistralConfig(**grouped, sliding_window=8)
    return transformers.Gemma2Config(**grouped, head_dim=16, sliding_window=8)


@pytest.mark.parametrize("name", ["qwen2", "gpt_neox", "mistral", "gemma2"])
def test_other_architectures_answer_as_in_transformers(folder, tmp_path, name):
    torch.manual_seed(4)
    model = AutoModelForCausalLM.from_config(architecture(name)).eval()
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    loaded = LoadedModel(ModelFolder(tmp_path), 1)
    assert loaded.parameters == cards.read_card(ModelFolder(tmp_path), "d").parameters
    prompts = [Prompt(list(range(5, 5 + length)), [50, 60, 70, 2]) for length in (30, 4, 11, 23)]
    answers = Generator(loaded, Decoding(12)).answer(prompts, ignore)
    for row, prompt in enumerate(prompts):
        ids = torch.tensor([prompt.tokens])
        written = loaded.model.generate(
            ids, max_new_tokens=12, do_sample=False, attention_mask=torch.ones_like(ids)
        )
        assert (
            answers.texts[row]
            == loaded.tokenizer.decode(written[0][len(prompt.tokens) :], skip_special_tokens=True).strip()
        )
        logprobs = loaded.model(torch.tensor([prompt.tokens + prompt.reference])).logits[0].log_softmax(-1)
        start = len(prompt.tokens) - 1
        nll = -sum(logprobs[start + at, token].item() for at, token in enumerate(prompt.reference))
        assert answers.nll[row] == pytest.approx(nll, rel=1e-4)


def test_a_penalty_of_repetition_is_that_of_transformers(folder, loaded, prompts):
    answers = Generator(loaded, Decoding(16, repetition_penalty=1.5)).answer(prompts[:6], ignore)
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    how = GenerationConfig(
        max_new_tokens=16, do_sample=False, repetition_penalty=1.5, eos_token_id=2, pad_token_id=0
    )
    for row, prompt in enumerate(prompts[:6]):
        written = model.generate(torch.tensor([prompt.tokens]), generation_config=how)[0]
        assert (
            answers.texts[row]
            == tokenizer.decode(written[len(prompt.tokens) :], skip_special_tokens=True).strip()
        )


@pytest.mark.parametrize(
    "decoding",
    [Decoding(20), Decoding(20, 0.9, 0.9, 50, 0.01, 1.1, ("e ", "\n"), seed=7)],
    ids=["greedy", "sampled"],
)
def test_an_answer_does_not_depend_on_its_batch(loaded, prompts, decoding):
    together = Generator(loaded, decoding).answer(prompts, ignore)
    for row, prompt in enumerate(prompts):
        alone = Generator(loaded, decoding).answer([prompt], ignore)
        assert (alone.texts[0], alone.tokens[0], alone.finish[0]) == (
            together.texts[row],
            together.tokens[row],
            together.finish[row],
        )


def test_the_seed_decides_sampled_answers_alone(loaded, prompts):
    def texts(**settings):
        return Generator(loaded, Decoding(12, **settings)).answer(prompts[:4], ignore).texts

    assert texts(temperature=1.0, seed=1) == texts(temperature=1.0, seed=1) != texts(temperature=1.0, seed=2)
    assert texts(seed=1) == texts(seed=2)


def test_draws_follow_the_probabilities_that_the_filters_keep():
    logits = torch.tensor([[2.0, 1.0, 0.5, 0.0, -1.0, -3.0]]).repeat(20_000, 1)
    draws = np.random.default_rng(1).random(20_000)
    shares = np.bincount(sampled(logits, Decoding(1, 0.7, 0.9, 4, 0.05), draws), minlength=6) / 20_000
    retained = (logits[0].double() / 0.7).softmax(-1)
    retained[4:] = 0
    retained /= retained.sum()
    retained[(retained.cumsum(-1) - retained) >= 0.9] = 0
    expected = (retained / retained.sum()).tolist()
    assert shares == pytest.approx(expected, abs=0.01)
    assert shares[3:].tolist() == [0, 0, 0]
    penalty = penalised(torch.tensor([[2.0, -1.0, 3.0]]), torch.tensor([[True, True, False]]), 2.0)
    assert penalty.tolist() == [[1.0, -2.0, 3.0]]


def test_a_model_that_ends_its_answer_is_not_made_to_go_on(tmp_path):
    loaded = LoadedModel(ModelFolder(tiny_llama(tmp_path, answer="spam")), 1)
    render = Prompts(loaded.tokenizer, loaded.ends.tolist())
    each = [Prompt(render.prompt(Record((Turn("user", text),)))) for text in ("a", "b" * 90, "c d")]
    answers = Generator(loaded, Decoding(50)).answer(each, ignore)
    assert set(answers.texts) == {"spam"}
    assert answers.tokens.tolist() == [2, 2, 2]
    assert set(answers.finish) == {"stop"}


def test_a_prompt_that_leaves_no_token_for_an_answer_is_unfit(loaded, prompts):
    limit = loaded.max_positions
    lengths = [limit + 5, limit, limit - 1, limit - 3]
    each = [Prompt((prompts[0].tokens * limit)[:length], [1, 2]) for length in lengths]
    done = []
    answers = Generator(loaded, Decoding(8)).answer(each, done.append)
    assert answers.unfit.tolist() == [True, True, False, False]
    assert answers.tokens.tolist() == [0, 0, 1, 3]
    assert answers.nll_tokens.tolist() == [0, 0, 0, 2]
    assert done[-1] == 4


def test_stop_texts_end_an_answer_before_them():
    assert first_stop("5\nQuestion: 6\n#### 9", ("\n", "Q")) == "5"
    assert first_stop("\n\n42\nnext", ("\n",)).strip() == "42", "white space at the beginning ends nothing"
    assert first_stop("no stop", ("###",)) is None
    assert first_stop("\n\n", ("\n",)) is None


def test_stop_texts_are_found_across_tokens(loaded, prompts):
    whole = Generator(loaded, Decoding(24)).answer(prompts[:3], ignore)
    for prompt, text in zip(prompts[:3], whole.texts, strict=True):
        stop = text[6:9]
        (cut,) = Generator(loaded, Decoding(24, stop=(stop,))).answer([prompt], ignore).texts
        assert cut == text[: text.find(stop)].strip()


CHAT = Record(
    (
        Turn("system", "You are brief."),
        Turn("user", "What is the weather?"),
        Turn(
            "assistant",
            "",
            tool_calls='[{"type":"function","function":{"name":"weather","arguments":"{\\"at\\":\\"Rome\\"}"}}]',
        ),
        Turn("tool", "sunny", tool_call_id="1"),
        Turn("user", "And tomorrow?"),
    ),
    ("Rain.",),
    tools='[{"type":"function","function":{"name":"weather","parameters":{}}}]',
)
CHATML = (
    "{{ bos_token }}{% if tools %}{{ '<|user|>' + tools | tojson }}{% endif %}{% for message in messages %}"
    "{{ '<|user|>' + message['role'] + ' ' + message['content'] }}"
    "{% if message.tool_calls %}{{ message.tool_calls | tojson }}{% endif %}"
    "{{ eos_token + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|user|>assistant ' }}{% endif %}"
)


@pytest.fixture
def tokenizer(folder):
    """A tokenizer that adds a token of its own at the beginning of each text, as many do."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    assert tokenizer("x")["input_ids"][0] == 1
    tokenizer.chat_template = CHATML
    return tokenizer


def test_prompts_are_those_of_the_template_with_tools_and_one_beginning(tokenizer):
    ids = Prompts(tokenizer, [2]).prompt(CHAT)
    expected = tokenizer.apply_chat_template(
        template_messages(CHAT.turns),
        tools=[{"type": "function", "function": {"name": "weather", "parameters": {}}}],
        add_generation_prompt=True,
        return_dict=True,
    )["input_ids"]
    assert ids == expected
    assert ids.count(1) == 1
    text = tokenizer.decode(ids)
    assert "You are brief." in text
    assert '"at": "Rome"' in text


SPOKEN = (Turn("user", "How are you?"), Turn("assistant", " Fine, \nthanks "), Turn("user", "Weather?"))
BRIEF = Turn("system", "Be brief.")


@pytest.mark.parametrize("adds_bos", [False, True])
@pytest.mark.parametrize(
    ("name", "record"),
    [
        *((name, Record(SPOKEN, ("Rain.",))) for name in TEMPLATES),
        *((name, Record((BRIEF, *SPOKEN), ("Rain.",))) for name in TEMPLATES if name != "gemma"),
        *((name, Record(CHAT.turns, CHAT.answers, tools=CHAT.tools)) for name in ("llama", "qwen")),
    ],
)
def test_prompts_and_references_are_what_training_learns(tmp_path, name, record, adds_bos):
    """T02, T09: the same tokens in training and evaluation, whatever a template or a tokenizer adds."""
    write_tokenizer(tmp_path, TEMPLATES[name], adds_bos=adds_bos)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    prompts = Prompts(tokenizer, [tokenizer.convert_tokens_to_ids(ENDS[name])])
    prompt = prompts.prompt(record)
    answered = [*prompt, *prompts.answer(record, record.answers[0], prompt)]
    *_, learned = samples_of(of_base(tmp_path), record, TrainOn.ALL_ASSISTANT_TURNS)
    assert learned.ids[: len(answered)] == answered
    assert not any(learned.targets[: len(prompt)][-4:])
    assert tokenizer.decode(answered).count("Be brief.") == (BRIEF in record.turns)


@pytest.mark.parametrize("text", ["Hi there", "<s>Hi there"])
def test_a_plain_text_has_one_beginning(tokenizer, text):
    """T02: as it is, with its own beginning, and as a context before a continuation."""
    texts = Texts(tokenizer)
    assert tokenizer.bos_token_id == 1
    before, following = texts.pair(text, " you")
    for ids in (texts.encode(text), before):
        assert (ids[0], ids.count(1)) == (1, 1)
    assert following
    assert 1 not in following
    assert texts.pair("", "Hi")[0] == [1]
    assert 1 not in texts.pair("", "Hi")[1]


def test_a_reference_is_the_rest_of_the_conversation_up_to_its_end(tokenizer):
    prompts = Prompts(tokenizer, [2])
    prompt = prompts.prompt(CHAT)
    reference = prompts.answer(CHAT, "Rain.", prompt)
    assert tokenizer.decode(reference) == "Rain.</s>"


def test_a_template_that_rewrites_the_prompt_still_gives_a_reference(tokenizer):
    tokenizer.chat_template = "{{ messages | length }}{{ messages[-1]['content'] }}"
    prompts = Prompts(tokenizer, [2])
    record = Record((Turn("user", "Hello"),))
    assert tokenizer.decode(prompts.answer(record, "Rain.", prompts.prompt(record))) == "Rain.</s>"


def test_a_template_that_leaves_the_system_message_out_is_refused(tokenizer):
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role != 'system' %}{{ m.content }}{% endif %}{% endfor %}"
    )
    with pytest.raises(BadChatTemplate, match="system"):
        Prompts(tokenizer, [2]).prompt(CHAT)
    assert Prompts(tokenizer, [2]).prompt(Record((Turn("user", "Hello"),)))


def test_a_template_that_cuts_a_long_system_message_is_accepted(tokenizer):
    tokenizer.chat_template = "{% for message in messages %}{{ message.content[:20] }}{% endfor %}"
    long = Record((Turn("system", "You are brief. " * 9), Turn("user", "Hello")))
    assert tokenizer.decode(Prompts(tokenizer, [2]).prompt(long)) == "You are brief. You aHello"


def test_a_template_prints_the_same_date_on_every_day(tokenizer):
    tokenizer.chat_template = "{{ strftime_now('%d %b %Y') }}{{ messages[-1]['content'] }}"
    prompt = Prompts(tokenizer, [2]).prompt(Record((Turn("user", "Hello"),)))
    assert tokenizer.decode(prompt) == "26 Jul 2024Hello"


@pytest.mark.parametrize("fault", ["{{ messages[9].content }}", "{{ 1 + 'a' }}", "{% for %}"])
def test_a_template_with_a_fault_says_so(tokenizer, fault):
    tokenizer.chat_template = fault
    with pytest.raises(BadChatTemplate, match="cannot render"):
        Prompts(tokenizer, [2]).prompt(CHAT)


def test_a_template_that_refuses_a_role_says_so(tokenizer):
    tokenizer.chat_template = "{{ raise_exception('System role not supported') }}"
    with pytest.raises(BadChatTemplate, match="System role not supported"):
        Prompts(tokenizer, [2]).prompt(CHAT)


def test_examples_stand_between_the_system_message_and_the_prompt(tokenizer):
    shot = Record((Turn("system", "You are long."), Turn("user", "Sun?")), ("Yes.",))
    text = tokenizer.decode(Prompts(tokenizer, [2], [shot]).prompt(CHAT))
    places = [text.index(each) for each in ("You are brief.", "Sun?", "Yes.", "What is the weather?")]
    assert places == sorted(places)
    assert "You are long." not in text


OPEN = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
GEMMA = (
    "{% for message in messages %}<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}\n"
    "{{ message.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)


@pytest.mark.parametrize(
    ("template", "is_continued"),
    [
        (OPEN, True),
        (GEMMA, True),
        (OPEN.replace("assistant\n{% endif", "assistant\n<think>\n\n</think>\n\n{% endif"), False),
        (OPEN.replace("message.content", "message.content.split('</think>')[-1]"), False),
        (OPEN.replace("message.content", "message.content | upper"), False),
        ("{% if messages[-1].role == 'assistant' %}{{ raise_exception('no') }}{% endif %}" + OPEN, False),
        ("{{ messages[0].content }}{% if add_generation_prompt %}\n{% endif %}", False),
    ],
    ids=["chatml", "gemma", "thinking", "without thoughts", "changed", "refused", "left out"],
)
def test_an_answer_is_continued_where_the_template_can_leave_it_open(folder, template, is_continued):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = template
    prompts = Prompts(tokenizer, [2])
    record = Record((Turn("user", "How many?"),))
    opening = "<think>One</think>I count three.\n\nTherefore, the answer is"
    tokens = prompts.continued(record, opening)
    assert (tokens is not None) is is_continued
    assert prompts.opened(record, opening) == (tokens or prompts.prompt(record))
    if tokens is not None:
        assert tokenizer.decode(tokens) == tokenizer.decode(prompts.prompt(record)) + opening
