"""``python -m baselines.play``: take the place of one agent and play with the rest of the team."""

import sys

from baselines.evaluate.human_play import main

if __name__ == "__main__":
    sys.exit(main())
