"""What the command lines of all rooms share."""

from __future__ import annotations

from typing import Annotated

import tyro

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
"""A setting that its flag turns on."""
