"""Texts to tokens and back: what a word is, who is unknown, where start and end stand."""

import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from culpa.influence.words import Vocabulary, fit_vocabulary
from culpa.influence.words.tokens import END, MOST_POSITIONS, PADDING, SPECIAL, START, UNKNOWN, split

TEXTS = ["the card is lost", "the card came", "where is the money", "the money came"]


def test_words_are_those_of_scikit_learn_where_it_loses_nothing():
    text = "Top-up FAILED, twice: error 404 (again)? email me_at example.org"
    assert split(text) == CountVectorizer().build_analyzer()(text)


def test_words_of_one_letter_inner_apostrophes_and_combining_marks_stay():
    assert split("I haven't, 'have' I?") == ["i", "haven't", "have", "i"]
    assert split("ọ́mọ̀ हिन्दी") == ["ọ́mọ̀", "हिन्दी"]


def test_one_word_in_two_unicode_forms_is_one_word():
    composed, apart = "caf\u00e9", "cafe\u0301"
    assert split(composed) == split(apart)


def test_the_most_held_words_come_first_and_ties_by_the_alphabet():
    assert fit_vocabulary(TEXTS).words == (*SPECIAL, "the", "came", "card", "is", "money")
    assert fit_vocabulary(TEXTS, most=2).words == (*SPECIAL, "the", "came")
    assert "lost" in fit_vocabulary(TEXTS, least=1).words


def test_a_word_counts_once_a_row():
    assert fit_vocabulary(["so so so", "it is", "it is"]).words == (*SPECIAL, "is", "it")


def test_where_no_word_comes_twice_all_are_known():
    assert fit_vocabulary(["one", "two"]).words == (*SPECIAL, "one", "two")
    assert fit_vocabulary([None, ""]).words == SPECIAL


def test_the_order_of_the_texts_does_not_matter():
    assert fit_vocabulary(TEXTS) == fit_vocabulary(TEXTS[::-1])


def test_a_row_is_start_words_end_padding():
    vocabulary = fit_vocabulary(TEXTS)
    found = vocabulary.encode(["the gold card", "", None])
    assert found.dtype == np.int32
    assert found.tolist() == [
        [START, 4, UNKNOWN, 6, END, PADDING],
        [START, END, *[PADDING] * 4],
        [START, END, *[PADDING] * 4],
    ]
    assert vocabulary.decode(found)[0] == ["[start]", "the", "[unknown]", "card", "[end]"]


def test_known_words_come_back_as_they_were():
    vocabulary = fit_vocabulary(TEXTS, least=1)
    assert [" ".join(words[1:-1]) for words in vocabulary.decode(vocabulary.encode(TEXTS))] == TEXTS


def test_all_but_one_in_a_hundred_rows_are_whole_and_the_longest_end_with_the_end():
    texts = ["a b c"] * 150 + ["a b c d e f g h"]
    vocabulary = fit_vocabulary(texts, least=1)
    assert vocabulary.positions == 5
    assert vocabulary.encode(texts)[-1].tolist() == [START, *vocabulary.encode(["a b c"])[0, 1:4], END]
    assert fit_vocabulary(["word " * 500]).positions == MOST_POSITIONS


def test_no_text_can_speak_a_special_word():
    assert fit_vocabulary(["[start] [padding] padding", "padding"]).words == (*SPECIAL, "padding")


def test_it_can_be_kept_as_json():
    vocabulary = fit_vocabulary(TEXTS)
    words, positions = json.loads(json.dumps([vocabulary.words, vocabulary.positions]))
    assert Vocabulary(tuple(words), positions) == vocabulary


def test_tokens_need_no_torch():
    """The module by itself: its package imports the reader as well."""
    code = (
        "import importlib.util, sys\n"
        "spec = importlib.util.spec_from_file_location('tokens', sys.argv[1])\n"
        "sys.modules['tokens'] = module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "print(module.fit_vocabulary(['a b'] * 3).positions, 'torch' in sys.modules)"
    )
    path = sys.modules[Vocabulary.__module__].__file__
    found = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["4", "False"]


@pytest.mark.parametrize("options", [{"texts": []}, {"least": 0}, {"most": 0}])
def test_limits_below_one_are_refused(options):
    with pytest.raises(ValueError, match="needed one or more of each"):
        fit_vocabulary(**{"texts": TEXTS, **options})
