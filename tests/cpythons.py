"""The Pythons that tests run with: a test says what it needs, and this finds it, or has it made.

Looked for in this order: pyenv's folder, PATH, the Python that runs the tests, and what
`tests/machines/build-python` makes from Debian's packages.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import debian
import pytest

# Every CPython that the loader supports, in order.
VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
OLDEST, NEWEST = VERSIONS[0], VERSIONS[-1]
# The Python that runs the tests.
OWN = "{}.{}".format(*sys.version_info[:2])
# What build-python makes of each need that no Python of this machine answers.
_KINDS = {
    ("3.14", True, "glibc"): "3.14",
    ("3.15", True, "glibc"): "3.15",
    ("3.13", False, "glibc"): "free-threaded",
    ("3.13", True, "musl"): "musl",
}


class NotAvailableError(Exception):
    """This machine has no such Python, and none could be made."""


def need(version: str = OWN, *, gil: bool = True, libc: str = "glibc") -> Path:
    """Return an interpreter, or skip the test with what is missing.

    Args:
        version: of CPython, as in 3.15.
        gil: False for a free-threaded build.
        libc: ``glibc`` or ``musl``. On other systems than Linux nobody asks.
    """
    try:
        return find(version, gil=gil, libc=libc)
    except NotAvailableError as error:
        pytest.skip(str(error))


def find(version: str = OWN, *, gil: bool = True, libc: str = "glibc") -> Path:
    """Return an interpreter; see `need`.

    Raises:
        NotAvailableError: there is none.
    """
    if gil and libc == "glibc" and version in installed():
        return installed()[version]
    kind = _KINDS.get((version, gil, libc))
    if kind is None:
        raise NotAvailableError(f"not available: CPython {_words(version, gil, libc)}")
    made, said = debian.make("build-python", kind)
    if made is None:
        raise NotAvailableError(f"not available: CPython {_words(version, gil, libc)} ({said})")
    return made


@cache
def installed() -> dict[str, Path]:
    """Return the CPythons of this machine by version, the one that runs the tests among them."""
    found: dict[str, Path] = {}
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for path in sorted(home.glob("versions/3.*/bin/python")):
        found.setdefault(".".join(path.parents[1].name.split(".")[:2]), path)
    for version in VERSIONS:
        program = shutil.which(f"python{version}")
        # pyenv's shims run whatever it was told to, or nothing.
        if program and "shims" not in program:
            found.setdefault(version, Path(program))
    # Last: it is a virtual environment's, which has no user's folder, for one.
    found.setdefault(OWN, Path(sys.executable))
    return {version: found[version] for version in VERSIONS if version in found}


def has_own_sitecustomize(python: Path) -> bool:
    """Tell whether an interpreter's own library has a sitecustomize, as Debian's has.

    It comes before one in site-packages, which is then never imported.
    """
    code = (
        "import importlib.machinery, sysconfig\n"
        "paths = [sysconfig.get_path('stdlib')]\n"
        "print(importlib.machinery.PathFinder.find_spec('sitecustomize', paths) is not None)"
    )
    return _said(python, "-I", "-c", code) == "True"


def without_sitecustomize() -> Path:
    """Return the Python that runs the tests, or another one, if its own library has a sitecustomize."""
    for python in (Path(sys.executable), *reversed(installed().values())):
        if not has_own_sitecustomize(python):
            return python
    pytest.skip("not available: a CPython without a sitecustomize of its own")


def _said(python: Path, *arguments: str) -> str:
    done = subprocess.run([python, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def _words(version: str, gil: bool, libc: str) -> str:
    return (
        version + ("" if gil else " without the GIL") + ("" if libc == "glibc" else f" on {libc}")
    )


def user_site(base: Path) -> tuple[Path, Path]:
    """Return a Python that has a user site below this folder, and that site's path.

    Not this virtual environment's own: such have none. Skips where a system's Python has none.
    """
    python = installed()[OWN]
    ask = "import site; print(site.ENABLE_USER_SITE, site.getusersitepackages(), sep='\\n')"
    there = {**os.environ, "PYTHONUSERBASE": str(base)}
    said = subprocess.run(
        [python, "-c", ask], env=there, check=True, capture_output=True, text=True
    )
    enabled, folder = said.stdout.splitlines()
    if enabled != "True":
        pytest.skip(f"{python} has no user site")
    return python, Path(folder)
