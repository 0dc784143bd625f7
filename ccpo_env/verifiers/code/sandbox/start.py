"""Start `supervisor.main` as a script, without the packages that these modules lie in."""

from __future__ import annotations

import os
import sys
from types import ModuleType

PACKAGE = "ccpo_env.verifiers.code.sandbox"


def main() -> None:
    """Put empty packages in the place of ours, which would import numpy and much else."""
    parts = PACKAGE.split(".")
    for end in range(1, len(parts) + 1):
        module = ModuleType(".".join(parts[:end]))
        module.__path__ = [os.path.dirname(os.path.abspath(__file__))] if end == len(parts) else []
        sys.modules[module.__name__] = module

    from ccpo_env.verifiers.code.sandbox import supervisor

    supervisor.main()


if __name__ == "__main__":
    main()
