"""Import scipy.stats lazily, so that commands start faster."""

from __future__ import annotations

import importlib
from typing import Any


def scipy_stats() -> Any:
    """Return the module scipy.stats.

    Raises:
        ImportError: If scipy is not installed.
    """
    try:
        return importlib.import_module("scipy.stats")
    except ImportError:
        raise ImportError(
            "scipy must be installed for p-values and intervals over seeds, got no such package; "
            "run: pip install 'ccpo-env[hf]'"
        ) from None
