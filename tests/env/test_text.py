"""Text from a model is made valid and short enough, and nothing else happens to it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env.text import clip_middle, valid_unicode

# Lone surrogates (Cs) stand in it often; st.text would hardly ever draw one.
any_text = st.lists(st.characters() | st.characters(categories=["Cs"])).map("".join)
MARK = re.compile(r"\n\[… (\d+) characters cut …\]\n")


@given(text=st.text(max_size=300), max_chars=st.integers(0, 300))
def test_clip_middle_keeps_to_the_limit_and_counts_what_is_gone(text: str, max_chars: int) -> None:
    clipped, num_cut = clip_middle(text, max_chars)
    assert len(clipped) <= max_chars
    assert (num_cut == 0) == (clipped == text)
    if num_cut and (mark := MARK.search(clipped)):
        head, tail = clipped[: mark.start()], clipped[mark.end() :]
        assert text.startswith(head)
        assert text.endswith(tail)
        assert len(head) + len(tail) + num_cut == len(text)
        assert int(mark[1]) == num_cut
        assert 0 <= len(head) - len(tail) <= 1


@pytest.mark.parametrize("max_chars", range(60))
def test_clip_middle_keeps_to_every_limit(max_chars: int) -> None:
    clipped, num_cut = clip_middle("a" * 60, max_chars)
    assert max_chars - 1 <= len(clipped) <= max_chars
    assert num_cut == 60 - clipped.count("a") + ("characters" in clipped) * 2


@given(text=st.text(max_size=300), max_chars=st.integers(1, 300))
def test_clip_middle_leaves_a_clipped_text_alone(text: str, max_chars: int) -> None:
    clipped, _ = clip_middle(text, max_chars)
    assert clip_middle(clipped, max_chars) == (clipped, 0)


def test_clip_middle_by_hand() -> None:
    # The mark with the number 1000 has 27 characters, so 23 of 50 are left for the text; as 977
    # has a digit less, the result is 49 long.
    text = "a" * 500 + "b" * 500
    mark = "\n[… 977 characters cut …]\n"
    assert clip_middle(text, 50) == (f"{'a' * 12}{mark}{'b' * 11}", 977)


@pytest.mark.parametrize(("max_chars", "clipped"), [(0, ""), (1, "a"), (9, "abcabcabc")])
def test_clip_middle_keeps_the_beginning_when_there_is_no_room_for_a_mark(
    max_chars: int, clipped: str
) -> None:
    assert clip_middle("abc" * 100, max_chars) == (clipped, 300 - max_chars)


@given(text=st.text())
def test_valid_unicode_leaves_valid_text_alone(text: str) -> None:
    assert valid_unicode(text) == text


@given(text=any_text)
def test_valid_unicode_can_be_encoded_and_loses_nothing_but_surrogates(text: str) -> None:
    repaired = valid_unicode(text)
    repaired.encode()
    assert valid_unicode(repaired) == repaired
    surrogates = re.compile("[\ud800-\udfff]+")
    pieces = [re.escape(piece) for piece in surrogates.split(text)]
    # Surrogates side by side become one character if they are a pair, else one each.
    assert re.fullmatch("[\ufffd\U00010000-\U0010ffff]+".join(pieces), repaired)


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("a\ud800", "a\ufffd"),
        ("\udfffb", "\ufffdb"),
        ("\ud800a\udc00", "\ufffda\ufffd"),
        ("\ud83d\ude00", "😀"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\ud83d\ud83d\ude00", "\ufffd😀"),
        ("\ufeffa", "\ufeffa"),
        ("\ufffe\ud800", "\ufffe\ufffd"),
        ("", ""),
    ],
    ids=ascii,
)
def test_valid_unicode_by_hand(text: str, repaired: str) -> None:
    assert valid_unicode(text) == repaired
