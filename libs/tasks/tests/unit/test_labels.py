import unicodedata

import pytest

from ratoon.tasks.labels import duplicate_sentence, duplicates, label_key, match_label

LABELS = ("Billing", "technical", "Réclamation", "好评", "out of scope")


@pytest.mark.parametrize(
    "spelling, label",
    [
        ("Billing", "Billing"),
        ("BILLING", "Billing"),
        ("billing\u00a0", "Billing"),
        ("\u200bbilling\ufeff", "Billing"),
        (" \u3000Billing\r\n", "Billing"),
        ("Bil\u00adling", "Billing"),
        ("TECHNICAL", "technical"),
        ("\u202etechnical\u202c", "technical"),
        (unicodedata.normalize("NFD", "Réclamation"), "Réclamation"),
        (unicodedata.normalize("NFD", "RÉCLAMATION"), "Réclamation"),
        ("好评 ", "好评"),
        ("Out\u00a0of \t scope", "out of scope"),
        ("Reclamation", None),
        ("billings", None),
        ("", None),
        ("\u200b", None),
        ("\ud800", None),
        ("\u3164\u2800", None),
        ("好评\U000e0100", "好评"),
    ],
)
def test_a_spelling_of_a_label_names_it_in_the_projects_spelling(spelling, label):
    assert match_label(spelling, LABELS) == label
    assert match_label(spelling, list(LABELS)) == label


@pytest.mark.parametrize(
    "one, other",
    [
        ("Straße", "STRASSE"),
        ("Maße", "Masse"),
        ("ΟΔΟΣ", "οδος"),
        ("ﬁnance", "finance"),
        ("ISTANBUL", "istanbul"),
        ("İ", "i\u0307"),
        ("❤\ufe0f", "❤"),
        ("Å", "\u212b"),
        ("한국", unicodedata.normalize("NFD", "한국")),
        ("a\u200c", "a"),
    ],
)
def test_equal(one, other):
    assert label_key(one) == label_key(other)


@pytest.mark.parametrize(
    "one, other",
    [
        ("ı", "i"),
        ("İstanbul", "istanbul"),
        ("ＶＩＰ", "VIP"),
        ("m²", "m2"),
        ("①", "1"),
        ("ham", "Ham!"),
        ("a b", "ab"),
        ("é", "e"),
        ("می\u200cخواهم", "میخواهم"),
        ("👨\u200d💻", "👨💻"),
        ("0", "00"),
        (
            "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e007f",
            "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e007f",
        ),
    ],
)
def test_different(one, other):
    assert label_key(one) != label_key(other)


def test_the_key_of_a_key_is_the_key():
    for label in (
        "Straße",
        "İ",
        "ΟΔΟΣ",
        "a\u0345b",
        "ǰ",
        "\u1e9e",
        "Ünïcode \u00a0 x",
        "\u0130\u0307",
        "ᾳ\u0313",
    ):
        assert label_key(label_key(label)) == label_key(label)


def test_two_spellings_of_one_label_are_named():
    decomposed = unicodedata.normalize("NFD", "Réclamation")
    assert duplicates(["Réclamation", "Société", decomposed]) == [("Réclamation", decomposed)]
    assert duplicates(["a", "b", "a", "A "]) == [("a", "a"), ("a", "A ")]
    assert duplicates(LABELS) == []
    assert duplicate_sentence("Spam", "spam").startswith("Labels 'Spam' and 'spam' are the same label")
    assert r"'R\xe9clamation' and 'Re\u0301clamation'" in duplicate_sentence("Réclamation", decomposed)
    assert r"'a\u200b'" in duplicate_sentence("a", "a\u200b")


def test_of_labels_that_were_stored_as_two_the_exact_one_counts_then_the_first():
    assert match_label("Ham", ("ham", "Ham")) == "Ham"
    assert match_label("HAM", ("ham", "Ham")) == "ham"
