"""Whether a path exists. Before Python 3.14, pathlib raises where a folder may not be entered."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def is_there(path: str | Path) -> bool:
    """Tell whether a path exists and this user can reach it."""
    return os.path.exists(path)  # noqa: PTH110


def is_file(path: str | Path) -> bool:
    """Tell whether it is a file."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: str | Path) -> bool:
    """Tell whether it is a folder."""
    return os.path.isdir(path)  # noqa: PTH112
