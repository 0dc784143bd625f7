"""Credit for teams of language models: allocators, optimizers, policies and the trainer."""

import sys

from baselines.common.errors import is_command, report_and_exit

if is_command(sys.argv):
    sys.excepthook = report_and_exit
