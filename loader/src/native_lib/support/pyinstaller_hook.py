# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the native-lib-template authors
# From native-lib-loader 0.2.0, https://github.com/org/native-lib-template
"""Has PyInstaller collect the provider's libraries and data, whatever they are called.

By itself it collects ``lib*.so``, and no ``libfoo__foo.so.1``. NativeLibrary.cmake installs this file
into the provider's package twice: as ``_pyinstaller/hook-<provider>.py``, which PyInstaller runs for a
program that imports the provider, and as ``_pyinstaller/__init__.py``, which says where hooks are:

    [project.entry-points.pyinstaller40]
    hook-dirs = "libfoo._pyinstaller:hook_dirs"
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
# What only builds of consumers need, and what Python imports.
_LEFT_OUT = {"include", "cmake", "pkgconfig", _HERE.name, "__pycache__"}
_SUFFIXES = {".py", ".pyi", ".pyc", ".lib", ".tbd"}


def hook_dirs() -> list[str]:
    """Return the folder that PyInstaller finds the hook in."""
    return [str(_HERE)]


def hook(hook_api: Any) -> None:
    """Collect every file of the package that a running program may need; PyInstaller calls this."""
    for file in _HERE.parent.rglob("*"):
        place = file.relative_to(_HERE.parent).parent
        if file.is_file() and file.suffix not in _SUFFIXES and not _LEFT_OUT & set(place.parts):
            # PyInstaller itself tells libraries from data, by what is in the file.
            hook_api.add_datas([(str(file), str(Path(hook_api.__name__, place)))])
