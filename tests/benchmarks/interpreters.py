"""An environment for every Python, with the provider installed as pip installs it: compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import building

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MODULES = ("libfoo", "libfoo._native_libs", "libfoo._shared_lib_manager")


class NotCompiledError(AssertionError):
    """A module came from its source, so its compilation would be measured."""


def environments(
    folder: Path, provider: Path, pythons: Mapping[str, Path]
) -> dict[str, building.Environment]:
    """Make an environment for each Python, by its full version, with the provider's wheel in it."""
    made = {}
    for python in pythons.values():
        version = full_version(python)
        environment = building.Environment(folder / version)
        # venv, because uv and virtualenv add a .pth file that has Pythons of before 3.10 load
        # a dozen modules at start: the bare interpreter would not be bare.
        building.run(python, "-I", "-m", "venv", "--without-pip", environment.folder)
        building.uv(
            *("pip", "install", "--quiet", "--no-deps", "--compile-bytecode"),
            *("--python", environment.python, provider),
        )
        insist_on_compiled_modules(environment)
        made[version] = environment
    return made


def isolated(environment: building.Environment, code: str, *options: str) -> str:
    """Run code in a fresh isolated interpreter, which looks at no variable and no user's folder."""
    return building.run(environment.python, "-I", *options, "-c", code, cwd=environment.folder)


def library_path(environment: building.Environment) -> str:
    """Return the file that the loader opens there."""
    return isolated(environment, "import libfoo; print(libfoo.loader.load()[0].path)").strip()


def full_version(python: Path) -> str:
    """Return the whole version of an interpreter: 3.12.1."""
    return building.run(python, "-I", "-c", "import sys; print(sys.version.split()[0])").strip()


def insist_on_compiled_modules(environment: building.Environment) -> None:
    """Look how Python gets the provider's modules.

    Raises:
        NotCompiledError: not all from the files that the installation compiled.
    """
    # -B, or else looking would compile what was not.
    told = isolated(environment, "import libfoo", "-v", "-B")
    compiled = sum(
        line.startswith("# code object from") and line.rstrip("'").endswith(".pyc")
        for line in told.splitlines()
        if "libfoo" in line
    )
    if compiled != len(MODULES):
        raise NotCompiledError(f"{environment.folder}: {compiled} of {len(MODULES)}\n{told}")
