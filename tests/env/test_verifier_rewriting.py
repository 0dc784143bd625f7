"""Rewriting rules: those that a look at the characters leaves out would have changed nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env.verifiers.math.forms import normalize
from ccpo_env.verifiers.math.text.cleaning import CLEANING
from ccpo_env.verifiers.math.text.notation import _PLAIN
from ccpo_env.verifiers.math.text.rules import Rules, rule
from tests.env.test_verifier_rules import RULES
from tests.env.test_verifier_typed import RULES as TYPED_RULES

SETS = {"cleaning": CLEANING, "plain notation": _PLAIN}
ALL_RULES = TYPED_RULES | RULES
TEXTS = sorted({text for texts in ALL_RULES.values() for text in texts})
needles = st.sampled_from(
    sorted({needle for rules in SETS.values() for each in rules.rules for needle in each.needles})
)
pieces = needles | st.sampled_from([*r"1x{}()[]^_, $.'|-", r"\frac", r"\text{", "12", " or "])


def rewritten_one_by_one(text: str, rules: Rules) -> str:
    """Try every rule, in order."""
    for each in rules.rules:
        if any(needle in text for needle in each.needles):
            text = each.pattern.sub(each.replacement, text)
    return text


@pytest.mark.parametrize("name", SETS)
@given(text=st.lists(pieces, max_size=12).map("".join))
def test_rules_chosen_by_characters_rewrite_as_all_do(name: str, text: str) -> None:
    assert SETS[name].rewrite(text) == rewritten_one_by_one(text, SETS[name])


@pytest.mark.parametrize("name", SETS)
def test_answers_are_rewritten_as_by_all_rules(name: str) -> None:
    for text in TEXTS:
        assert SETS[name].rewrite(text) == rewritten_one_by_one(text, SETS[name]), text


@pytest.mark.parametrize("name", SETS)
@given(text=st.lists(pieces, max_size=12).map("".join))
def test_a_rule_without_its_needles_changes_nothing(name: str, text: str) -> None:
    for each in SETS[name].rules:
        if not any(needle in text for needle in each.needles):
            assert each.pattern.sub(each.replacement, text) == text, each


def test_a_rule_may_bring_the_signs_of_a_later_one_and_not_of_an_earlier_one() -> None:
    rules = Rules(rule("c", "c", "d"), rule("a", "a", "b"), rule("b", "b", "c"), rule("b", "^x"))
    assert rules.rewrite("xa") == "xc"
    assert rules.rewrite("xb") == "xc"
    assert rules.rewrite("xc") == "xd"


def test_only_rules_with_a_needle_of_the_characters_are_tried() -> None:
    def fail(_match: re.Match[str]) -> str:
        raise AssertionError

    rules = Rules(rule("ab cd", "[abc]", fail), rule("e", "e", "f"))
    assert rules.rewrite("ace ca") == "acf ca"
    with pytest.raises(AssertionError):
        rules.rewrite("ab")


@given(text=st.from_regex(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", fullmatch=True))
def test_plain_numbers_are_clean_already(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(normalize, "_PLAIN_NUMBER", re.compile("(?!)"))
        assert (normalize.clean(text), normalize.written_form(text)) == (text, text)
    assert (normalize.clean(text), normalize.written_form(text)) == (text, text)
