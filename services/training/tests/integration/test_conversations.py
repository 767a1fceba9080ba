"""Conversations as samples: rendered as transformers does, and learned where the assistant speaks, for any template."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.records import messages
from ratoon_training.domain.errors import BadChatTemplate
from ratoon_training.domain.recipes import TrainOn
from ratoon_training.worker import text
from ratoon_training.worker.conversations import Sample, samples_of
from ratoon_training.worker.templates import DATE
from ratoon_training.worker.text import Speech

from .templates import CORPUS, ENDS, GPT2_WORDS, LLAMA, MARKED, QWEN, SMOLLM, TEMPLATES, write_tokenizer

USER, ASSISTANT, SYSTEM, TOOL = Role.USER, Role.ASSISTANT, Role.SYSTEM, Role.TOOL
CHAT = (Turn(USER, "How are you?"), Turn(ASSISTANT, " Fine, \nthanks "), Turn(USER, "Weather?"))
CALL = '[{"function": {"arguments": {"city": "Berlin"}, "name": "weather"}, "id": "1", "type": "function"}]'
TOOLS = '[{"function": {"description": "Say <ü>", "name": "weather", "parameters": {}}, "type": "function"}]'
CALLED = (
    Turn(SYSTEM, "Be brief."),
    Turn(USER, "Weather?"),
    Turn(ASSISTANT, "", tool_calls=CALL),
    Turn(TOOL, '{"sky": "rain"}', tool_call_id="1", name="weather"),
)
each_template = pytest.mark.parametrize("name", TEMPLATES)


def speech_of(folder: Path, template: str, **options: Any) -> Speech:
    return text.of_base(write_tokenizer(folder, template, **options))


def learned(speech: Speech, samples: Sequence[Sample]) -> list[str]:
    """Return the texts of the runs of learned tokens."""
    runs: list[list[int]] = []
    for sample in samples:
        marks = [False, *sample.targets]
        for place, token in enumerate(sample.ids):
            if sample.targets[place]:
                runs = runs if marks[place] else [*runs, []]
                runs[-1].append(token)
    return [speech.decode(run) for run in runs]


def rendered(folder: Path, turns: Sequence[Turn], tools: str = "", **options: Any) -> list[int]:
    """Return what transformers makes of a conversation."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    declared = json.loads(tools) if tools else None
    ids: list[int] = tokenizer.apply_chat_template(
        messages(turns), tools=declared, return_dict=False, **options
    )
    return ids


@each_template
@pytest.mark.parametrize("adds_bos", [False, True])
def test_tokens_are_those_of_transformers(tmp_path, name, adds_bos):
    speech = speech_of(tmp_path, TEMPLATES[name], adds_bos=adds_bos)
    record = Record(CHAT, ("Rain.",))
    *_, last = samples_of(speech, record, TrainOn.ALL_ASSISTANT_TURNS)
    answered = (*CHAT, Turn(ASSISTANT, "Rain."))
    assert last.ids == rendered(tmp_path, answered)
    assert speech.waiting([messages(CHAT)]) == [rendered(tmp_path, CHAT, add_generation_prompt=True)]
    bos = speech.tokenizer.token_to_id("<bos>")
    assert last.ids.count(bos) == (name in ("llama", "gemma")), "the template alone writes it"
    assert last.ids[0] == bos or bos not in last.ids


def test_a_prompt_keeps_its_tokens_even_if_the_answer_would_change_them(tmp_path):
    speech = speech_of(tmp_path, LLAMA, words=GPT2_WORDS)
    samples = samples_of(speech, Record(CHAT, ("Rain.",)), TrainOn.ALL_ASSISTANT_TURNS)
    prompt = rendered(tmp_path, CHAT, add_generation_prompt=True)
    assert prompt != rendered(tmp_path, (*CHAT, Turn(ASSISTANT, "Rain.")))[: len(prompt)]
    assert samples[-1].ids[: len(prompt)] == prompt, "what inference gives the model"
    assert learned(speech, samples) == ["Fine, \nthanks<|eot_id|>", "Rain.<|eot_id|>"]


@each_template
def test_exactly_the_assistants_turns_are_learned_each_with_its_end(tmp_path, name):
    """T05: also with templates that do not mark the turns."""
    speech, end = speech_of(tmp_path, TEMPLATES[name]), ENDS[name]
    samples = samples_of(speech, Record(CHAT, ("Rain.",)), TrainOn.ALL_ASSISTANT_TURNS)
    first, second = learned(speech, samples)
    empty = "<think>\n\n</think>\n\n" if name == "qwen" else ""
    assert first.removeprefix(empty).strip() == f" Fine, \nthanks {end}".strip() or name in ("llama", "gemma")
    assert "".join(first.split()) == "".join(f"{empty}Fine,thanks{end}".split())
    assert second == f"{empty}Rain.{end}"
    share = sum(sample.learned for sample in samples) / sum(len(sample.ids) for sample in samples)
    assert 0 < share < 0.5
    (last,) = samples_of(speech, Record(CHAT, ("Rain.",)), TrainOn.LAST_ANSWER)
    assert learned(speech, [last]) == [second]


def test_turns_share_a_sample_unless_the_template_rewrites_earlier_ones(tmp_path):
    record = Record(CHAT, ("Rain.",))
    counts = {
        name: len(samples_of(speech_of(tmp_path / name, template), record, TrainOn.ALL_ASSISTANT_TURNS))
        for name, template in TEMPLATES.items()
    }
    assert counts == {"smollm": 1, "marked": 1, "llama": 1, "qwen": 2, "gemma": 1}


def test_marks_of_a_template_are_those_of_transformers(tmp_path):
    speech = speech_of(tmp_path, MARKED)
    (sample,) = samples_of(speech, Record(CHAT, ("Rain.",)), TrainOn.ALL_ASSISTANT_TURNS)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    marked = tokenizer.apply_chat_template(
        messages((*CHAT, Turn(ASSISTANT, "Rain."))), return_dict=True, return_assistant_tokens_mask=True
    )
    assert sample.targets == [bool(mark) for mark in marked["assistant_masks"]]


@pytest.mark.parametrize("name", ["llama", "qwen"])
def test_tools_and_their_calls_are_rendered_as_transformers_does(tmp_path, name):
    speech = speech_of(tmp_path, TEMPLATES[name])
    record = Record(CALLED, ("Rain.",), tools=TOOLS)
    samples = samples_of(speech, record, TrainOn.ALL_ASSISTANT_TURNS)
    assert samples[-1].ids == rendered(tmp_path, (*CALLED, Turn(ASSISTANT, "Rain.")), TOOLS)
    call, answer = learned(speech, samples)
    assert '"name": "weather"' in call and '{"city": "Berlin"}' in call
    assert answer.endswith(f"Rain.{ENDS[name]}")


@pytest.mark.parametrize("arguments", ['{"city": "Berlin"}', '{\\"city\\": \\"Berlin\\"}'])
def test_arguments_of_calls_are_objects_for_a_template_even_if_the_api_gave_a_string(tmp_path, arguments):
    quoted = arguments if arguments[1] == '"' else f'"{arguments}"'
    turn = Turn(ASSISTANT, "", tool_calls=CALL.replace('{"city": "Berlin"}', quoted))
    speech = speech_of(tmp_path, LLAMA)
    record = Record((*CALLED[:2], turn, CALLED[3]), ("Rain.",), tools=TOOLS)
    call, _ = learned(speech, samples_of(speech, record, TrainOn.ALL_ASSISTANT_TURNS))
    assert call == '{"name": "weather", "parameters": {"city": "Berlin"}}<|eot_id|>'


@pytest.mark.parametrize(
    ("template", "turns", "tools", "lost"),
    [
        (SMOLLM, CALLED, "", "weather"),
        (SMOLLM, (Turn(USER, "Weather?"),), TOOLS, "tool 'weather'"),
        (SMOLLM, (Turn(USER, "Hi"), Turn(ASSISTANT, "x", reasoning="because")), "", "because"),
        (
            SMOLLM.replace(
                "{{'<|im_start|>'", "{% if message['role'] != 'system' %}{{'<|im_start|>'"
            ).replace("{% endfor %}", "{% endif %}{% endfor %}"),
            CALLED[:2],
            "",
            "system message 'Be brief.'",
        ),
        (TEMPLATES["gemma"], CALLED[:2], "", "System role not supported"),
        (TEMPLATES["gemma"], (CHAT[0], *CHAT), "", "must alternate"),
    ],
)
def test_text_that_a_template_loses_is_named(tmp_path, template, turns, tools, lost):
    speech = speech_of(tmp_path, template)
    with pytest.raises(BadChatTemplate, match="chat template of the base model") as refused:
        samples_of(speech, Record(turns, ("Rain.",), tools=tools), TrainOn.ALL_ASSISTANT_TURNS)
    assert lost in str(refused.value)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (SMOLLM.replace("+ '<|im_end|>' + '\n'", "+ '\n'"), "without a special token"),
        (SMOLLM.replace("<|im_start|>assistant\n' }}{% endif", "assistant: ' }}{% endif"), "otherwise than"),
        (SMOLLM.replace("+ message['content']", "+ message['content'][:3]"), "leaves out"),
        (
            SMOLLM.replace("'\n' + message['content']", "'\n' + 'Sure! ' + message['content']"),
            "as 'Sure! Rain",
        ),
        ("{% for message in messages %}{{ nothing.there }}{% endfor %}", "does not render"),
        ("{% for message in messages %}", "does not render"),
        (SMOLLM + "{{ messages.append(1) }}", "does not render"),
    ],
)
def test_a_template_that_would_teach_something_else_is_refused(tmp_path, changed, says):
    speech = speech_of(tmp_path, changed)
    with pytest.raises(BadChatTemplate, match=says):
        samples_of(speech, Record((Turn(USER, "Weather?"),), ("Rain.",)), TrainOn.ALL_ASSISTANT_TURNS)


def test_text_that_a_template_adds_to_answers_is_refused(tmp_path):
    adding = SMOLLM.replace(
        "+ message['content']", "+ ('Sure! ' if message.role == 'assistant' else '') + message['content']"
    )
    with pytest.raises(BadChatTemplate, match=r"renders the answer 'Rain\.' as 'Sure! Rain"):
        samples_of(
            speech_of(tmp_path, adding), Record((Turn(USER, "Weather?"),), ("Rain.",)), TrainOn.LAST_ANSWER
        )


def test_special_tokens_around_and_within_an_answer_are_part_of_it(tmp_path):
    headed = SMOLLM.replace("<|im_start|>assistant\n' }}{% endif", "<|im_start|>assistant' }}{% endif")
    headed = headed.replace("message['role'] + '\n'", "message['role'] + '<pad>final<eos>'")
    doubled = headed.replace("+ '<|im_end|>' + '\n'", "+ '<eos><|im_end|>' + '\n' + '<eos>'")
    speech = speech_of(tmp_path, doubled)
    record = Record((Turn(USER, "Weather?"),), ("Say <|im_end|> to end.",))
    samples = samples_of(speech, record, TrainOn.ALL_ASSISTANT_TURNS)
    assert learned(speech, samples) == ["<pad>final<eos>Say <|im_end|> to end.<eos><|im_end|>"]


THOUGHT = [
    Turn(ASSISTANT, "<think>r1</think>x1"),
    Turn(ASSISTANT, "r1</think>x1"),
    Turn(ASSISTANT, "x1", reasoning="r1"),
]


@pytest.mark.parametrize("turn", THOUGHT)
def test_reasoning_of_every_turn_is_learned_and_left_out_of_later_prompts(tmp_path, turn):
    """T08: nor is it wrapped a second time."""
    speech = speech_of(tmp_path, QWEN)
    turns = (Turn(USER, "u1"), turn, Turn(USER, "u2"))
    second = replace(turn, content=turn.content.replace("1", "2"), reasoning=turn.reasoning.replace("1", "2"))
    samples = samples_of(speech, Record((*turns, second)), TrainOn.ALL_ASSISTANT_TURNS)
    assert learned(speech, samples) == [
        "<think>\nr1\n</think>\n\nx1<|im_end|>",
        "<think>\nr2\n</think>\n\nx2<|im_end|>",
    ]
    plain = (turns[0], Turn(ASSISTANT, "x1", reasoning="r1"), turns[2])
    prompt = rendered(tmp_path, plain, add_generation_prompt=True)
    assert samples[1].ids[: len(prompt)] == prompt, "what inference renders for the same history"
    assert "r1" not in speech.decode(prompt)


def test_reasoning_goes_into_the_content_of_a_template_that_knows_the_marks_alone(tmp_path):
    marks = SMOLLM + "{# <think> </think> #}"
    speech = speech_of(tmp_path, marks)
    (sample,) = samples_of(speech, Record((Turn(USER, "u"), THOUGHT[2])), TrainOn.ALL_ASSISTANT_TURNS)
    assert learned(speech, [sample]) == ["<think>\nr1\n</think>\n\nx1<|im_end|>"]


def test_the_end_token_is_learned_even_if_padding_uses_the_same_token(tmp_path):
    speech = speech_of(tmp_path, SMOLLM, eos="<|im_end|>", pad="<|im_end|>")
    (sample,) = samples_of(speech, Record((Turn(USER, "a"),), ("b",)), TrainOn.ALL_ASSISTANT_TURNS)
    assert learned(speech, [sample]) == ["b<|im_end|>"]


def test_a_default_system_prompt_is_that_of_inference_and_not_learned(tmp_path):
    speech = speech_of(tmp_path, SMOLLM)
    (sample,) = samples_of(speech, Record((Turn(USER, "a"),), ("b",)), TrainOn.ALL_ASSISTANT_TURNS)
    prompt = rendered(tmp_path, (Turn(USER, "a"),), add_generation_prompt=True)
    assert sample.ids[: len(prompt)] == prompt
    assert speech.decode(sample.ids).count("You are a helpful assistant.") == 1


def test_several_references_share_the_weight_of_their_record(tmp_path):
    speech = speech_of(tmp_path, LLAMA)
    samples = samples_of(speech, Record(CHAT, ("a", "b"), weight=3.0), TrainOn.LAST_ANSWER)
    assert [(run, sample.weight) for run, sample in zip(learned(speech, samples), samples, strict=True)] == [
        ("a<|eot_id|>", 1.5),
        ("b<|eot_id|>", 1.5),
    ]


@pytest.mark.parametrize("adds_bos", [False, True])
def test_a_plain_text_has_one_beginning_and_one_end(tmp_path, adds_bos):
    speech = speech_of(tmp_path, LLAMA, adds_bos=adds_bos)
    (sample,) = samples_of(speech, Record((), (CORPUS[0],)), TrainOn.ALL_ASSISTANT_TURNS)
    assert speech.decode(sample.ids) == "<bos>" * adds_bos + CORPUS[0] + "<eos>"
    assert sample.learned == len(sample.ids) - 1
    (ended,) = samples_of(speech, Record((), (CORPUS[0] + "<eos>",)), TrainOn.ALL_ASSISTANT_TURNS)
    assert ended.ids == sample.ids


def test_a_prompt_without_an_answer_has_nothing_to_learn(tmp_path):
    speech = speech_of(tmp_path, SMOLLM)
    assert samples_of(speech, Record((Turn(USER, "a"),)), TrainOn.ALL_ASSISTANT_TURNS) == []
    assert len(samples_of(speech, Record(CHAT), TrainOn.ALL_ASSISTANT_TURNS)) == 1
    assert samples_of(speech, Record(CHAT), TrainOn.LAST_ANSWER) == []


def test_a_tokenizer_from_scratch_takes_every_kind_of_turn_and_folds_nothing(tmp_path):
    speech = text.for_conversations([*CORPUS, "Grüße"], 400)
    text.save(speech, tmp_path, 256)
    turns = (*CALLED, Turn(ASSISTANT, "It  rains.\r\n", reasoning="Look: 日本 10,5"), Turn(USER, "Sure?"))
    samples = samples_of(
        text.of_base(tmp_path), Record(turns, ("YES \u00a0 25",), tools=TOOLS), TrainOn.ALL_ASSISTANT_TURNS
    )
    assert [sample.ids for sample in samples] == [
        rendered(tmp_path, (*turns, Turn(ASSISTANT, "YES \u00a0 25")), TOOLS)
    ]
    call, first, second = learned(speech, samples)
    assert call.startswith("<|call|>[{") and call.endswith("</s>")
    assert (first, second) == ("<think>Look: 日本 10,5</think>It  rains.\r\n</s>", "YES \u00a0 25</s>")


@pytest.mark.parametrize(
    "stated",
    [SMOLLM, [{"name": "tool_use", "template": QWEN}, {"name": "default", "template": SMOLLM}]],
)
def test_a_template_in_the_configuration_of_the_tokenizer_is_read(tmp_path, stated):
    write_tokenizer(tmp_path, SMOLLM)
    (tmp_path / "chat_template.jinja").unlink()
    config = tmp_path / "tokenizer_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "chat_template": stated}))
    speech = text.of_base(tmp_path)
    assert speech.waiting([messages(CHAT)]) == [rendered(tmp_path, CHAT, add_generation_prompt=True)]


def test_a_tokenizer_that_changes_answers_is_refused(tmp_path):
    folding = text.from_scratch(text.train_tokenizer(CORPUS, ("ham", "spam"), 400), 100)
    with pytest.raises(BadChatTemplate, match=r"reads the answer 'Rain\.' as 'rain\.'"):
        samples_of(folding, Record((Turn(USER, "Weather?"),), ("Rain.",)), TrainOn.LAST_ANSWER)
    samples_of(folding, Record((Turn(USER, "Weather?"),), ("rain",)), TrainOn.LAST_ANSWER)


def test_dates_in_templates_do_not_change_with_the_day(tmp_path):
    dated = "{{ strftime_now('%d %b %Y') }}" + SMOLLM
    speech = speech_of(tmp_path, dated)
    assert speech.rendered(messages(CHAT)).startswith(DATE.strftime("26 Jul 2024"))
