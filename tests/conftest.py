"""Settings of the whole test run: one thread, and hypothesis without a time limit."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by torch when a test imports it

# A loaded machine is slow, which says nothing about the code under test.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(autouse=True, scope="session")
def _one_torch_thread() -> None:
    if "torch" in sys.modules:  # do not make a run without torch pay for it
        sys.modules["torch"].set_num_threads(1)
