"""`make` by id, `api_test`, `seed_test`, `parallel_api_test`, `max_cycles_test` and conversions."""

from __future__ import annotations

from typing import Any

import pettingzoo
import pettingzoo.test as pz
import pytest
from pettingzoo.utils.conversions import aec_to_parallel, turn_based_aec_to_parallel

import ccpo_env
from tests.clients.conftest import each_environment

pytestmark = [pytest.mark.client("PettingZoo"), pytest.mark.filterwarnings("ignore")]


@each_environment("think_solve-v0", "vote-v0", "debate-v0", "signal-v0")
def test_aec_env_is_made_by_its_id_and_passes_the_tests(name: str, text: dict[str, Any]) -> None:
    arguments = {} if name == "signal-v0" else text
    make = lambda: pettingzoo.make("aec", f"ccpo_env/{name}", **arguments)  # noqa: E731
    pz.api_test(make(), num_cycles=10)
    pz.seed_test(make, num_cycles=10)
    pz.parallel_api_test(turn_based_aec_to_parallel(make()), num_cycles=10)
    assert set(make().action_spaces) == set(make().observation_spaces) == {*make().possible_agents}


@pytest.mark.environment("vote-v0", "vote-v0 parallel")
def test_vote_is_simultaneous(text: dict[str, Any]) -> None:
    pz.parallel_api_test(pettingzoo.make("parallel", "ccpo_env/vote-v0", **text), num_cycles=10)
    pz.parallel_api_test(aec_to_parallel(ccpo_env.vote_v0(**text)), num_cycles=10)
    pz.max_cycles_test(ccpo_env.vote_v0)
