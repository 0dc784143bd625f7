from __future__ import annotations

import json
from io import StringIO

import pytest
from rich.console import Console

from baselines.train.logging.degeneracy_warning import DegeneracyWatch
from baselines.train.training_run import warn


def metrics(
    *,
    degenerate: float = 1.0,
    rate: float | None = 0.5,
    groups: int = 32,
    correlation: float | None = 1.0,
):
    return {
        "rollout/groups": groups,
        "credit/thinker_0/signal_rate": rate,
        "credit/thinker_0/degenerate": degenerate,
        "credit/thinker_0/slope_vs_shared": 1.1,
        "credit/thinker_0/correlation_vs_shared": correlation,
    }


def watch(*, centres: bool = True, allocator: str = "counterfactual") -> DegeneracyWatch:
    return DegeneracyWatch(allocator, "grpo", centres, ["thinker_0"])


def test_warning_names_what_is_cancelled_by_what_and_the_remedy():
    warning = watch().warning(metrics())
    assert warning is not None
    for part in (
        "counterfactual credit with a task-level baseline is cancelled",
        "group-centred advantage of grpo",
        "(slope thinker_0 1.100)",
        "--optimizer reinforce_pp, or --allocator branch",
        "docs/degeneracy.md",
    ):
        assert part in warning


def test_warning_comes_once():
    seen = watch()
    assert seen.warning(metrics()) is not None
    assert seen.warning(metrics()) is None


def test_warning_waits_until_a_critic_has_its_full_weight():
    seen = watch(allocator="critic")
    for weight in (0.0, 0.9):
        assert seen.warning({**metrics(), "critic/thinker_0/weight": weight}) is None
    assert seen.warning({**metrics(), "critic/thinker_0/weight": 1.0}) is not None


def test_warning_waits_for_enough_groups_over_several_steps():
    seen = watch()
    assert [seen.warning(metrics(groups=3)) is None for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    "step",
    [
        metrics(degenerate=0.0),
        metrics(rate=0.0),
        metrics(rate=None),
    ],
    ids=["informative", "no signal", "no group"],
)
def test_warning_is_silent_when_it_has_nothing_to_say(step):
    assert watch().warning(step) is None


def test_one_informative_step_is_enough_against_degeneracy():
    seen = watch()
    seen.warning(metrics(degenerate=0.0, correlation=0.5))
    assert [seen.warning(metrics()) for _ in range(5)] == [None] * 5
    assert seen.is_settled


def test_credit_that_is_practically_the_shared_reward_is_told_after_enough_groups():
    seen = watch()
    # 16 groups with a signal in each step: 0.99 on average, over 64 of them.
    steps = [metrics(degenerate=0.0, correlation=0.985 + 0.005 * (k % 3)) for k in range(5)]
    warnings = [seen.warning(step) for step in steps]
    assert [warning is None for warning in warnings] == [True, True, True, False, True]
    assert warnings[3].startswith(
        "counterfactual credit is practically the shared reward with grpo: correlation of the "
        "advantage with the shared one thinker_0 0.989; use --optimizer reinforce_pp, or"
    )


@pytest.mark.parametrize("correlation", [0.98, 0.5, -1.0, None])
def test_credit_that_differs_is_not_warned_of(correlation):
    seen = watch()
    steps = [metrics(degenerate=0.0, correlation=correlation)] * 6
    assert [seen.warning(step) for step in steps] == [None] * 6


def test_watch_goes_on_from_a_checkpoint():
    unbroken, step = watch(), metrics(degenerate=0.0, correlation=0.99)
    resumed = watch()
    for _ in range(3):
        unbroken.warning(step)
        resumed.warning(step)
        again = watch()
        again.load_json(json.loads(json.dumps(resumed.to_json())))
        resumed = again
    assert resumed == unbroken
    assert resumed.warning(step) == unbroken.warning(step) is not None


def test_shared_credit_is_what_it_is():
    assert watch(allocator="shared").warning(metrics()) is None


def test_remedy_does_not_name_the_optimizer_in_use():
    warning = watch(centres=False).warning(metrics())
    assert "reinforce_pp" not in warning
    assert "--allocator branch" in warning


@pytest.mark.parametrize(("groups", "is_warned"), [(7, False), (8, True)])
def test_warning_needs_four_groups_with_a_signal(groups, is_warned):
    seen = watch()
    assert (seen.warning(metrics(groups=groups, rate=0.5)) is not None) == is_warned
    assert seen.num_groups == groups / 2
    assert seen.is_settled == is_warned


def of_two(first: dict[str, float | None], second: dict[str, float | None]):
    own = {
        f"credit/{agent}/{name}": value
        for agent, values in (("thinker_0", first), ("thinker_1", second))
        for name, value in values.items()
    }
    return {"rollout/groups": 8, **own}


def test_warning_names_the_agents_with_a_signal():
    def warning(first, second):
        seen = DegeneracyWatch("counterfactual", "grpo", True, ["thinker_0", "thinker_1"])
        return seen.warning(of_two(first, second)), seen

    signal = {"signal_rate": 0.5, "degenerate": 1.0, "slope_vs_shared": 1.1}
    signal |= {"correlation_vs_shared": 1.0}
    silent = {"signal_rate": 0.0, "degenerate": 1.0, "slope_vs_shared": None}
    text, _ = warning(signal, {**signal, "signal_rate": 0.1, "slope_vs_shared": None})
    assert "(slope thinker_0 1.100, thinker_1 0.000)" in text
    text, seen = warning(signal, silent)
    assert "(slope thinker_0 1.100)" in text
    assert seen.num_groups == 4.0  # of the agent with the most
    assert warning(silent, silent)[0] is None
    # One agent whose credit is not degenerate is enough.
    text, seen = warning(signal, {**signal, "degenerate": 0.0})
    assert text is None
    assert not seen.is_degenerate


def test_a_warning_is_wrapped_to_the_width_of_the_terminal():
    file = StringIO()
    words = "counterfactual credit with a task-level baseline is cancelled by " * 4
    warn(Console(file=file, width=80), words.strip())
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert " ".join(file.getvalue().split()) == f"warning: {words.strip()}"
