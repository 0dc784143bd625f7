"""Imports of `warm` before it forks, torch and transformers included."""

import baselines.evaluate.command
import baselines.report.run_page
import baselines.train.command
import baselines.train.engines.command
import baselines.train.trainer
from baselines.policies.registry import load_policy

# Figures take seconds, as in tests/conftest.py.
baselines.report.run_page.plots = lambda *_args, **_kwargs: {}
load_policy("tiny")  # imports the other modules of transformers that a run needs
