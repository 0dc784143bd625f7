"""What `warm` imports before it forks: torch, transformers and tyro with it."""

import baselines.evaluate.command
import baselines.report.run_page
import baselines.train.command
import baselines.train.engines.command
import baselines.train.trainer  # noqa: F401
from baselines.policies.registry import load_policy

load_policy("tiny")  # imports the rest of transformers that a run needs
