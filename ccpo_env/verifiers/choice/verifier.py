"""The verifier "choice": which option of a multiple-choice question a response states."""

from __future__ import annotations

from dataclasses import dataclass

from ccpo_env.types import Task, Verdict


@dataclass(frozen=True, slots=True)
class ChoiceVerifier:
    r"""The verifier "choice": compares the option that a response states with the gold one.

    The last box with an option counts, else the closing statement. The letter of an option stands
    for it, and so does its text if no other option has the same. Several options, a letter
    that is none of them and what is negated are wrong. Only what follows the last `</think>` is
    read. Time is linear in the length of the response.

    Args:
        choices: Texts of the options in order; none: they are letters from A on.
        asks_exception: Whether the question asks which option does not fit: then "Portugal (C) does
            not border France." states an answer.
    """

    choices: tuple[str, ...] = ()
    asks_exception: bool = False

    def for_task(self, task: Task) -> ChoiceVerifier:
        """Return the verifier of the answers to one task, which knows its options."""
        from ccpo_env.verifiers.choice.excepted import asks_exception

        return ChoiceVerifier(task.choices, asks_exception(task.question))

    def __call__(self, response: str, gold: str) -> Verdict:
        """Return whether a response states the gold option.

        Args:
            response: Full response of a model.
            gold: Letter of the right option, or its text.

        Returns:
            "correct", "wrong", or "no_answer"; "error" if the gold answer is no option.
        """
        wanted = self._gold(gold)
        if wanted is None:
            return Verdict(
                "error",
                detail=f"gold must be the letter or the text of one option, got {gold!r} for "
                f"{len(self.choices)} options; check the task's answer and choices",
            )
        answer = self.answer_of(response, wanted)
        if answer is None:
            return Verdict("no_answer")
        return Verdict("correct" if answer == wanted else "wrong", answer)

    def category(self, answer: str) -> str:
        """Return the category of an answer, as its verdict reports it: its letter."""
        return answer

    def answer_of(self, response: object, gold: str = "A") -> str | None:
        """Return the answer of a response by which it is compared: the letter of its option.

        Args:
            response: Full response of a model; anything but text has no answer.
            gold: A letter that is an option where the options are unknown.

        Returns:
            A letter; several joined by commas, "not C", or "other" for what is no option; None
            without an answer. Two responses answer alike exactly if theirs are equal.
        """
        from ccpo_env.verifiers.choice.reading import stated_answer  # compiles many patterns

        if not isinstance(response, str):
            return None
        return stated_answer(response, self.choices, gold, is_exception=self.asks_exception)

    def _gold(self, gold: object) -> str | None:
        from ccpo_env.verifiers.choice.reading import gold_letter

        return gold_letter(gold, self.choices) if isinstance(gold, str) else None
