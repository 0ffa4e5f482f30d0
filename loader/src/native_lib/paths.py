"""Whether a path is there. pathlib raises, before Python 3.14, where a folder may not be entered."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def is_there(path: str | Path) -> bool:
    """Tell whether there is something that this user can reach."""
    return os.path.exists(path)  # noqa: PTH110


def is_file(path: str | Path) -> bool:
    """Tell whether it is a file."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: str | Path) -> bool:
    """Tell whether it is a folder."""
    return os.path.isdir(path)  # noqa: PTH112
