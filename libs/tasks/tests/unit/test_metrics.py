"""Metrics of texts and numbers on values known from their papers, from other implementations, or by hand."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.tasks.number_metrics import mae, mse, r2, rmse, spearman
from ratoon.tasks.text_metrics import (
    bleu,
    bleu_tokenizer,
    bleu_tokens,
    chrf,
    distinct_n,
    exact_match,
    is_refusal,
    json_field_f1,
    rouge_l,
    rouge_l_of_texts,
    token_f1,
    words,
)

CAT = ["the", "cat", "is", "on", "the", "mat"]
ANSWERS = ["The cat sat on the mat.", "Invoice overdue: please pay today", "你好 世界"]
REFERENCES = [
    ["The cat is on the mat.", "There is a cat on the mat"],
    ["Please pay the overdue invoice today", "Invoice overdue"],
    ["你好 世界 好", "你们好"],
]


def test_bleu_of_the_papers_example():
    the = ["the", "the", "the", "the", "the", "the", "the"]
    also = ["there", "is", "a", "cat", "on", "the", "mat"]
    assert bleu([the], [[CAT, also]], max_order=1) == pytest.approx(2 / 7)


def test_bleu_of_the_same_text_is_one_and_of_a_short_one_pays_for_brevity():
    assert bleu([CAT], [[CAT]]) == pytest.approx(1)
    assert bleu([CAT[:4]], [[CAT]]) == pytest.approx(math.exp(1 - 6 / 4))


def test_bleu_multiplies_the_orders():
    candidate = ["the", "cat", "the", "cat", "on", "the", "mat"]
    # unigrams 5/7 (two cats and three thes against one and two), bigrams 3/6
    assert bleu([candidate], [[CAT]], max_order=2) == pytest.approx(math.sqrt(5 / 7 * 3 / 6))


def test_bleu_of_two_references_is_sacrebleus():
    answers = ["the cat sat on the mat today", "please pay the invoice now"]
    references = [
        ["the cat is on the mat", "the cat sat on a mat today"],
        ["please pay the invoice today", "you must pay the invoice now"],
    ]
    split = [[each.split() for each in several] for several in references]
    assert 100 * bleu([each.split() for each in answers], split) == pytest.approx(78.25422900366438)


def test_bleu_without_a_match_is_zero():
    assert bleu([["dog"]], [[CAT]]) == 0


def license_pairs():
    """Lines of the license with every fourth word left out, the lines, and other lines as second references."""
    text = (Path(__file__).parents[4] / "LICENSE").read_text()
    lines = [line.strip() for line in text.splitlines() if len(line.split()) > 5][:120]
    answers = [
        " ".join(word for place, word in enumerate(line.split()) if (place + number) % 4)
        for number, line in enumerate(lines)
    ]
    return answers, lines, lines[1:] + lines[:1]


def corpus_bleu(answers, *references):
    """BLEU as sacrebleu's `corpus_bleu` gives it, with the tokenizer of the references."""
    tokenizer = bleu_tokenizer(text for each in references for text in each)
    split = [[bleu_tokens(text, tokenizer) for text in each] for each in (answers, *references)]
    return 100 * bleu(split[0], list(zip(*split[1:], strict=True)))


def test_a_corpus_scores_as_sacrebleu_and_rouge_score_do():
    answers, lines, others = license_pairs()
    assert corpus_bleu(answers, lines, others) == pytest.approx(41.199970661425546)
    assert corpus_bleu(answers, lines) == pytest.approx(35.8905381794752)
    references = list(zip(lines, others, strict=True))
    assert 100 * chrf(answers, references) == pytest.approx(68.67776370385685)
    scores = [rouge_l_of_texts(answer, each) for answer, each in zip(answers, references, strict=True)]
    assert sum(scores) == pytest.approx(102.4507476180958)


def test_bleu_of_orders_without_a_match_is_smoothed_as_sacrebleu_does():
    answers = ["the dog sat here", "one cat on a mat"]
    references = ["a dog was here today", "the cat lay on a rug"]
    assert corpus_bleu(answers, references) == pytest.approx(12.841098204900373)
    assert corpus_bleu(["Paris"], ["Paris"]) == 0, "no text has four tokens"


def test_bleu_tokens_are_sacrebleus():
    answer, reference = (
        'It costs $1,299.50 (net) &amp; more - "now"!',
        "It costs $1,299.50 net & more -- now!",
    )
    assert corpus_bleu([answer], [reference]) == pytest.approx(23.397625978961173)


WALK = "今天天气很好我们去公园散步吧"


def test_chinese_is_cut_into_characters():
    assert corpus_bleu([WALK], [WALK]) == pytest.approx(100)
    assert corpus_bleu([WALK[:-1]], [WALK]) == pytest.approx(92.59610786423164)
    answers = ["今天天气很好，我们去公园散步吧。", "模型 GPT-4 在“测试集”上的准确率是 91.5%。"]
    references = ["今天天气不错，我们去公园散步。", "模型 GPT-4 在“验证集”上的准确率为 91.5%！"]
    assert corpus_bleu(answers, references) == pytest.approx(58.74812720260256)
    assert rouge_l_of_texts(WALK, [WALK]) == 1
    assert rouge_l_of_texts(WALK[:-1], [WALK]) == pytest.approx(0.963, abs=1e-3)
    assert rouge_l_of_texts("模型 GPT 很好", ["模型 GPT 很差"]) == pytest.approx(0.8)


def test_the_tokenizer_follows_the_scripts_of_the_references():
    assert bleu_tokenizer(["plain", "text"]) == "13a"
    assert bleu_tokenizer(["plain", "天气"]) == "zh"
    assert bleu_tokenizer(["天気がいい", "plain"]) == bleu_tokenizer(["สวัสดี"]) == "char"
    assert bleu_tokens("天気が いい", "char") == list("天気がいい")


def test_refusals_are_recognised_by_their_first_words():
    for refusal in (
        "I'm sorry, but I can’t help with that.",
        "As an AI language model, I have no opinion.",
        "Unfortunately I am unable to provide medical advice.",
        "很抱歉，我无法回答这个问题。",
    ):
        assert is_refusal(refusal)
    for answer in (
        "I cannot wait to see you!",
        "Paris",
        "",
        "我不能去公园",
        "x" * 300 + " I cannot help you",
    ):
        assert not is_refusal(answer)


def test_the_sign_of_a_number_counts():
    assert exact_match("3", ["-3"]) == 0
    assert exact_match("\u22123", ["-3"]) == exact_match("well-3", ["well 3"]) == 1
    assert exact_match("Paris \n", ["Paris"]) == 1


def test_chrf_is_sacrebleus():
    assert 100 * chrf(ANSWERS, REFERENCES) == pytest.approx(72.45631483577647)
    each = [100 * chrf([answer], [several]) for answer, several in zip(ANSWERS, REFERENCES, strict=True)]
    assert each == pytest.approx([67.17273492330233, 79.1516107968314, 72.57346393588602])


def test_chrf_at_its_ends():
    assert chrf(["same"], [["same"]]) == pytest.approx(1)
    assert chrf(["abc"], [["xyz"]]) == chrf([""], [["xyz"]]) == 0


def test_rouge_l_of_lins_example():
    reference = ["police", "killed", "the", "gunman"]
    assert rouge_l(["police", "kill", "the", "gunman"], reference) == pytest.approx(0.75)
    assert rouge_l(["the", "gunman", "kill", "police"], reference) == pytest.approx(0.5)
    assert rouge_l([], reference) == 0


def test_rouge_l_of_texts_is_that_of_the_rouge_score_package_and_of_the_best_reference():
    assert rouge_l_of_texts(ANSWERS[1], REFERENCES[1][:1]) == pytest.approx(0.5454545454545454)
    assert rouge_l_of_texts(ANSWERS[0], REFERENCES[0]) == pytest.approx(0.8333333333333334)


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_rouge_l_is_symmetric_and_a_share(left, right):
    assert rouge_l(left, right) == rouge_l(right, left)
    assert 0 <= rouge_l(left, right) <= 1


def test_distinct_n_counts_over_all_texts():
    assert distinct_n([CAT], 1) == pytest.approx(5 / 6)
    assert distinct_n([CAT, CAT], 2) == pytest.approx(0.5)
    assert distinct_n([["one"]], 2) == 0


def test_words_of_any_script():
    assert words("Ça va? L'été_2024!") == ["ça", "va", "l", "été", "2024"]
    assert words("你好 world") == ["你", "好", "world"]


def test_exact_match_and_token_f1_leave_out_case_punctuation_and_articles():
    assert exact_match("The Eiffel Tower.", ["eiffel tower", "Paris"]) == 1
    assert exact_match("Eiffel", ["eiffel tower"]) == 0
    assert token_f1("the cat sat", ["a cat sat down", "dog"]) == pytest.approx(2 * 2 / 5)
    assert token_f1("?", ["!"]) == 0
    assert token_f1("?", ["word"]) == 0
    with pytest.raises(ValueError, match="no reference"):
        exact_match("x", [])


@pytest.mark.parametrize("reference", ["A", "the", "\N{THUMBS UP SIGN}", "<=", "\u2212"])
def test_an_answer_of_articles_or_symbols_is_right_as_it_is_alone(reference):
    for metric in (exact_match, token_f1):
        assert metric(f" {reference} ", [reference]) == 1
        assert [metric(wrong, [reference]) for wrong in ("", "B", "an", "?", "\N{THUMBS DOWN SIGN}")] == [
            0
        ] * 5


def test_json_fields_are_compared_by_path_and_value():
    right = '{"name": "Ann", "tags": ["a", "b"], "age": 3}'
    assert json_field_f1('{"age": 3, "tags": ["b", "a"], "name": "Ann"}', right) == 1
    assert json_field_f1('{"name": "Ann", "age": "3"}', right) == pytest.approx(2 * 1 / 6)
    assert json_field_f1("{", right) == 0
    assert json_field_f1("{}", "{}") == 1


def test_errors_of_numbers():
    assert mse([1, 2, 3], [1, 4, 6]) == pytest.approx(13 / 3)
    assert rmse([1, 2, 3], [1, 4, 6]) == pytest.approx(math.sqrt(13 / 3))
    assert mae([1, 2, 3], [1, 4, 6]) == pytest.approx(5 / 3)
    for metric in (mse, mae, rmse, r2, spearman):
        with pytest.raises(ValueError, match="no value"):
            metric([], [])
        with pytest.raises(ValueError):
            metric([1.0, 2.0], [1.0])


def test_r2_is_scikit_learns_and_spearman_is_scipys():
    truth, predicted = [1.0, 2.5, 2.5, 4.0, 5.5], [0.5, 3.0, 2.0, 2.0, 7.0]
    assert r2(truth, predicted) == pytest.approx(0.4017094017094017)
    assert spearman(truth, predicted) == pytest.approx(0.7631578947368421)
    assert spearman([1, 2, 3], [9, 5, 1]) == -1


def test_what_a_constant_side_leaves_undefined_is_none():
    assert r2([2, 2], [1, 3]) is None
    assert spearman([1, 2], [5, 5]) is None
