"""Credit for teams of language models: allocators, optimizers, policies and the trainer."""

import sys

from baselines.common.errors import say_what_to_install

if sys.argv[:1] == ["-m"]:  # so while Python looks for the module of python -m baselines.<script>
    sys.excepthook = say_what_to_install
