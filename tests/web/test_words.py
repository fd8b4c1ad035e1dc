import pytest

from bloodcell.errors import WeightsError
from webui.parts.words import error_words, plain_words, sentence_words

PICTURE = "unknown setting ![x](http://elsewhere.example/leak.png)"


def shown(text: str) -> str:
    """Return what Markdown makes of a text: escaped punctuation becomes the punctuation."""
    return text.replace("\\", "")


def test_a_picture_of_another_host_in_an_error_is_no_picture() -> None:
    words = error_words(WeightsError(PICTURE))
    assert "![" not in words
    assert "\\](" in words
    assert shown(words) == PICTURE


@pytest.mark.parametrize("text", ["`code`", "**bold**", "<img src=x>", "[a](b)", "# head", "a | b", "$x$"])
def test_every_sign_of_markdown_is_escaped(text: str) -> None:
    words = plain_words(text)
    assert shown(words) == text
    assert all(words[place - 1] == "\\" for place, sign in enumerate(words) if sign in "`*<>[]#|$")


def test_line_breaks_do_not_begin_a_heading_or_a_list() -> None:
    assert plain_words("one\n\n- two") == "one - two"


@pytest.mark.parametrize(("reason", "sentence"), [("disk full", "Disk full."), ("look in ..", "Look in ..")])
def test_a_reason_becomes_a_sentence_and_keeps_its_dots(reason: str, sentence: str) -> None:
    assert sentence_words(reason) == sentence
