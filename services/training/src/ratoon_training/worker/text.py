"""Text to tokens: the tokenizer of a model from scratch, the chat template, and rendering as an engine renders.

The chat template carries the preprocessing, so that callers send raw text. It does not know torch: tokenizers and
Jinja alone render the same tokens as `tokenizer.apply_chat_template`, which a test holds them to.
"""

import json
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers

from ratoon_training.domain import lengths
from ratoon_training.domain.architectures import TokenizerKind
from ratoon_training.domain.errors import BadBaseModel
from ratoon_training.domain.lengths import PromptLimit
from ratoon_training.worker.rows import Values
from ratoon_training.worker.templates import Message, render
from ratoon_training.worker.tokenizer_kinds import UNKNOWN, VOCABULARY, trained

PAD, BOS, EOS, USER, ASSISTANT = "<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>"
"""Special tokens, with ids 0 to 4 in this order; the label tokens follow."""
CORPUS_CHARS = 4000
"""Characters of each text that the tokenizer is trained on."""
_WRITTEN = "(message['content'] | replace('\\r\\n', '\\n') | replace('\\r', '\\n') | trim)[:MAX_CHARS]"
"""A text as the template takes it: line ends as curation writes them, no white space around it, cut."""
TEMPLATE = (
    "{{ '" + BOS + "' }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ '" + ASSISTANT + "' + message['content'] + '" + EOS + "' }}"
    "{% else %}{{ '" + USER + "' + " + _WRITTEN + " }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '" + ASSISTANT + "' }}{% endif %}"
)
"""Cuts the user's text to MAX_CHARS (replaced by a number) characters and frames it by the special tokens."""
SYSTEM, TOOL, CALL = "<|system|>", "<|tool|>", "<|call|>"
"""Special tokens of models that converse, with ids 5 to 7."""
_SPEAKING = (PAD, BOS, EOS, USER, ASSISTANT, SYSTEM, TOOL, CALL)
_MAX_FREQUENCY, _TEXTS_A_FREQUENCY = 10, 400
"""A token of models that converse occurs once for each 400 texts, but need not occur more than ten times."""
CONVERSATION = (
    "{{ '" + BOS + "' }}{% if tools %}{{ '" + SYSTEM + "' + (tools | tojson) }}{% endif %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ '" + ASSISTANT + "' }}"
    "{% if message['reasoning_content'] %}{{ '<think>' + message['reasoning_content'] + '</think>' }}{% endif %}"
    "{{ message['content'] }}"
    "{% if message['tool_calls'] %}{{ '" + CALL + "' + (message['tool_calls'] | tojson) }}{% endif %}"
    "{{ '" + EOS + "' }}"
    "{% elif message['role'] == 'system' %}{{ '" + SYSTEM + "' + message['content'] }}"
    "{% elif message['role'] == 'tool' %}{{ '" + TOOL + "' + message['content'] }}"
    "{% else %}{{ '" + USER + "' + message['content'] }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '" + ASSISTANT + "' }}{% endif %}"
)
"""Template of models from scratch that answer with texts: all roles, reasoning, tools and their calls."""
INVISIBLE = (
    "[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f]"
)
"""Characters that a tokenizer from scratch does not see; joiners stay, which emoji and some scripts need."""
LIMIT_FILE = "ratoon.json"
"""File of a model directory that states where its template cuts texts."""
_SAMPLED = 5000
"""Texts whose lengths are measured to choose a limit."""
_ENCODED = 1000
"""Texts that are encoded at once."""
CUT = (
    "{%- set cut = namespace(messages=[]) -%}{%- for message in messages -%}"
    "{%- if message['role'] == 'assistant' -%}{%- set cut.messages = cut.messages + [message] -%}"
    "{%- else -%}{%- set cut.messages = cut.messages + "
    "[{'role': message['role'], 'content': " + _WRITTEN + "}] -%}{%- endif -%}"
    "{%- endfor -%}{%- set messages = cut.messages -%}"
)
"""Before another model's template: cuts all texts but the assistant's to MAX_CHARS characters."""
_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "generation_config.json",
)


@dataclass(frozen=True)
class Speech:
    """A tokenizer with its chat template and the token that ends an answer."""

    tokenizer: Tokenizer
    template: str
    bos: str
    eos: str

    special_tokens: dict[str, str] = field(default_factory=dict)
    """Names and texts of the tokenizer's special tokens, which templates may print."""

    @cached_property
    def special(self) -> frozenset[int]:
        """Ids of the special tokens."""
        added = self.tokenizer.get_added_tokens_decoder()
        return frozenset(number for number, token in added.items() if token.special) | {self.end}

    @cached_property
    def separators(self) -> tuple[str, ...]:
        """Special tokens that leave the text before them as it is."""
        added = self.tokenizer.get_added_tokens_decoder().values()
        return tuple(token.content for token in added if token.special and not token.lstrip)

    @cached_property
    def end(self) -> int:
        """Id of the token that ends a text; BadBaseModel if the tokenizer has none."""
        end = self.tokenizer.token_to_id(self.eos)
        if end is None:
            raise BadBaseModel(f"The base model's tokenizer has no end token {self.eos!r}.")
        return int(end)

    def rendered(
        self,
        messages: Sequence[Message],
        tools: Sequence[Message] = (),
        *,
        add_generation_prompt: bool = False,
    ) -> str:
        """Return a conversation as the template renders it."""
        return render(
            self.template,
            messages,
            tools=tools,
            add_generation_prompt=add_generation_prompt,
            special_tokens={**self.special_tokens, "bos_token": self.bos, "eos_token": self.eos},
        )

    def prompts(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text as a user's message that waits for an answer."""
        return self.waiting([{"role": "user", "content": text}] for text in texts)

    def waiting(self, conversations: Iterable[Sequence[Message]]) -> list[list[int]]:
        """Return the tokens of each conversation, which waits for an answer."""
        rendered = (self.rendered(each, add_generation_prompt=True) for each in conversations)
        return list(_encoded(self.tokenizer, rendered))

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a part of a rendered conversation."""
        ids: list[int] = self.tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens, special tokens included."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=False)

    def answer(self, label: str) -> list[int]:
        """The tokens of an answer, its end included."""
        ids: list[int] = self.tokenizer.encode(label, add_special_tokens=False).ids
        return [*ids, self.end]


def train_tokenizer(
    texts: Collection[str],
    labels: Sequence[str],
    vocab_size: int,
    kind: TokenizerKind = TokenizerKind.BYTE_BPE,
    field: str = VOCABULARY,
) -> Tokenizer:
    """A tokenizer of the corpus, each label one token; a function of its arguments alone. `field` limits its size.

    Its normaliser folds what does not matter to the task (width, compatibility forms, case, white space), so that a
    prompt is folded as the training text was: by the tokenizer itself.
    """
    folded = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(INVISIBLE), ""),
            normalizers.Replace(Regex(r"\s+"), " "),
        ]
    )
    special = [PAD, BOS, EOS, USER, ASSISTANT, *labels]
    tokenizer = trained(kind, _beginnings(texts), vocab_size, special, normalizer=folded, field=field)
    # A label is an answer, so it must not vanish with the special tokens when an answer is decoded.
    tokenizer.add_tokens(
        [AddedToken(label, single_word=True, normalized=False, special=False) for label in labels]
    )
    return tokenizer


def for_conversations(
    texts: Collection[str],
    vocab_size: int,
    numbers: Sequence[str] = (),
    kind: TokenizerKind = TokenizerKind.BYTE_BPE,
) -> Speech:
    """Return a tokenizer of the texts, which folds nothing and splits numbers into digits, with our template.

    Each of `numbers` is one token, if the vocabulary has room for them.
    """
    alphabet = pre_tokenizers.ByteLevel.alphabet() if kind is TokenizerKind.BYTE_BPE else []
    if len(_SPEAKING) + len(alphabet) + len(numbers) > vocab_size:
        numbers = ()
    tokenizer = trained(
        kind,
        _beginnings(texts),
        vocab_size,
        [*_SPEAKING, *numbers],
        min_frequency=_min_frequency(len(texts)),
        digits=True,
    )
    # As labels, numbers are answers, which must not vanish with the special tokens when an answer is decoded.
    tokenizer.add_tokens(
        [AddedToken(number, single_word=True, normalized=False, special=False) for number in numbers]
    )
    return Speech(tokenizer, CONVERSATION, BOS, EOS)


def _beginnings(texts: Collection[str]) -> Collection[str]:
    """Return what a tokenizer is trained on of each text."""
    return Values(lambda: (text[:CORPUS_CHARS] for text in texts), len(texts))


def _min_frequency(texts: int) -> int:
    """Return how often a token must occur in so many texts: a model does not learn one that it hardly sees."""
    return max(1, min(_MAX_FREQUENCY, texts // _TEXTS_A_FREQUENCY))


def cut_for(tokenizer: Tokenizer, texts: Collection[str], prompt_tokens: int) -> int:
    """Return how many characters of these texts make about `prompt_tokens` tokens, to the nearest ten."""
    samples = Values(lambda: (text[: prompt_tokens * 3] for text in texts), len(texts))
    tokens = sum(map(len, _encoded(tokenizer, samples)))
    per_token = sum(map(len, samples)) / max(1, tokens)
    return max(10, round(prompt_tokens * per_token / 10) * 10)


def limit_for(
    tokenizer: Tokenizer, texts: Collection[str], prompt_tokens: int, max_chars: int, positions: int
) -> PromptLimit:
    """Return the limit of these texts: `max_chars`, else about `prompt_tokens`, else chosen from their lengths."""
    if max_chars or prompt_tokens:
        characters = max_chars or cut_for(tokenizer, texts, prompt_tokens)
        return measured_limit(tokenizer, texts, characters)
    # A sample gives the lengths of all: every n-th text, so that the choice is a function of the texts alone.
    sample = list(islice(texts, 0, None, max(1, len(texts) // _SAMPLED)))
    counts = [len(ids) for ids in _encoded(tokenizer, (text[:CORPUS_CHARS] for text in sample))]
    share = len(texts) / max(1, len(sample))
    limit = lengths.token_limit(counts, positions, share)
    cut = [min(len(text), CORPUS_CHARS) for text in sample]
    return _fitting(tokenizer, texts, lengths.character_limit(cut, counts, limit), positions)


_SAFE_SHARE = 0.94
"""Share of the positions that a text of one token a character may fill."""


def _fitting(tokenizer: Tokenizer, texts: Collection[str], characters: int, positions: int) -> PromptLimit:
    """Return the limit of `characters`, or less if a text of many tokens would exceed the model's positions.

    Never at more characters than positions: an unseen text of letters at random has about a token a character. A text
    in another script may have three; the gateway cuts that by tokens.
    """
    max_tokens = positions - lengths.RESERVED_POSITIONS
    safe = lengths.fewer(max_tokens, _SAFE_SHARE)
    limit = measured_limit(tokenizer, texts, min(characters, safe))
    while limit.max_tokens > max_tokens and limit.max_characters > 10:
        limit = measured_limit(
            tokenizer, texts, lengths.fewer(limit.max_characters, max_tokens / limit.max_tokens)
        )
    return limit


def measured_limit(tokenizer: Tokenizer, texts: Collection[str], characters: int) -> PromptLimit:
    """Return a limit of `characters` with its effect on these texts; 0: no limit."""
    cut = (text[:characters] if characters else text for text in texts)
    longest = max((len(ids) for ids in _encoded(tokenizer, cut)), default=0)
    lost = sum(len(text) > characters for text in texts) if characters else 0
    return PromptLimit(longest, characters, lost / max(1, len(texts)))


def _encoded(tokenizer: Tokenizer, texts: Iterable[str]) -> Iterator[list[int]]:
    """The tokens of each text; a few texts at a time, since an encoding takes a hundred times more than its numbers."""
    left = iter(texts)
    while some := list(islice(left, _ENCODED)):
        yield from (encoding.ids for encoding in tokenizer.encode_batch(some, add_special_tokens=False))


def as_written(text: str) -> str:
    """A text as the template takes it before it cuts."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def save_limit(limit: PromptLimit, folder: Path) -> None:
    """Write the limit as a small file of the model folder."""
    values = {
        "max_prompt_tokens": limit.max_tokens,
        "max_prompt_characters": limit.max_characters,
        "cut_share": round(limit.cut_share, 6),
    }
    (folder / LIMIT_FILE).write_text(json.dumps(values, indent=1, sort_keys=True) + "\n")


def limit_of(folder: Path) -> PromptLimit:
    """Return the limit that a model directory states; zeros if it states none."""
    path = folder / LIMIT_FILE
    values = json.loads(path.read_text()) if path.exists() else {}
    return PromptLimit(
        int(values.get("max_prompt_tokens", 0)),
        int(values.get("max_prompt_characters", 0)),
        float(values.get("cut_share", 0.0)),
    )


def from_scratch(tokenizer: Tokenizer, max_chars: int) -> Speech:
    """A new tokenizer with our template."""
    return Speech(tokenizer, TEMPLATE.replace("MAX_CHARS", str(max_chars)), BOS, EOS)


def of_base(folder: Path) -> Speech:
    """The tokenizer and template of a model folder; BadBaseModel when it has none."""
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        config = json.loads((folder / "tokenizer_config.json").read_text())
    except Exception as error:
        raise BadBaseModel(
            "The base model has no readable tokenizer: it needs tokenizer.json and tokenizer_config.json, as "
            "`AutoTokenizer.save_pretrained` writes them."
        ) from error
    tokenizer.no_padding()  # some were saved while they padded or cut, which engines undo as well
    tokenizer.no_truncation()
    file = folder / "chat_template.jinja"
    template = file.read_text() if file.exists() else _default_template(config.get("chat_template"))
    if not template:
        raise BadBaseModel("The base model has no chat template: store one as chat_template.jinja.")
    tokens = {
        name: _token(value)
        for name, value in config.items()
        if name.endswith("_token") and isinstance(value, str | dict)
    }
    return Speech(
        tokenizer, template, _token(config.get("bos_token")), _token(config.get("eos_token")), tokens
    )


def pad_token(speech: Speech) -> int | None:
    """Return a token that fills rows and ends no text: the tokenizer's own, else another special one; None: no such."""
    names = ("pad_token", "unk_token", "bos_token")
    texts = (speech.special_tokens.get(name) for name in names)
    ids = (speech.tokenizer.token_to_id(text) for text in texts if text)
    return next((number for number in ids if number is not None and number != speech.end), None)


def cutting(speech: Speech, max_chars: int) -> Speech:
    """Return the same tokenizer with a template that first cuts the user's text to `max_chars` characters."""
    return replace(speech, template=CUT.replace("MAX_CHARS", str(max_chars)) + speech.template)


def copy(base: Path, folder: Path) -> None:
    """Copy the tokenizer and template files of a model directory."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _FILES:
        if (base / name).exists():
            shutil.copyfile(base / name, folder / name)


def complete(adapter: Path, base: Path) -> None:
    """Add what an adapter's directory lacks of tokenizer and chat template: peft saves neither, they are the base's."""
    if not (adapter / "tokenizer.json").exists():
        copy(base, adapter)
        return
    config, template = adapter / "tokenizer_config.json", base / "chat_template.jinja"
    own = (adapter / template.name).exists() or "chat_template" in (
        config.read_text() if config.exists() else ""
    )
    if not own and template.exists():
        shutil.copyfile(template, adapter / template.name)


def save(speech: Speech, folder: Path, max_positions: int) -> None:
    """Write the tokenizer of a model from scratch as transformers and engines load it."""
    folder.mkdir(parents=True, exist_ok=True)
    speech.tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(speech.template)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": EOS,
        "pad_token": PAD,
        **({"unk_token": UNKNOWN} if speech.tokenizer.token_to_id(UNKNOWN) is not None else {}),
        "additional_special_tokens": _turn_tokens(speech.tokenizer),
        "model_max_length": max_positions,
        "clean_up_tokenization_spaces": False,
        "add_prefix_space": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _turn_tokens(tokenizer: Tokenizer) -> list[str]:
    """Return the special tokens that begin a turn."""
    return [
        token for token in (USER, ASSISTANT, SYSTEM, TOOL, CALL) if tokenizer.token_to_id(token) is not None
    ]


def _default_template(stated: Any) -> str:
    """Return the template of a tokenizer_config.json: of several, the one that is named `default`; empty if none is."""
    if isinstance(stated, list):
        named = {each.get("name"): each.get("template") for each in stated if isinstance(each, dict)}
        return str(named.get("default") or "")
    return str(stated or "")


def _token(value: Any) -> str:
    return str(value["content"]) if isinstance(value, dict) else str(value or "")
