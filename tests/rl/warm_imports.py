"""Imports of `warm` before it forks, torch and transformers included."""

import baselines.evaluate.command
import baselines.report.run_page
import baselines.train.command
import baselines.train.engines.command
import baselines.train.trainer  # noqa: F401
from baselines.policies.registry import load_policy

load_policy("tiny")  # imports the other modules of transformers that a run needs
