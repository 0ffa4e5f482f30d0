"""The variables that show providers to a build."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import uuid
from typing import TYPE_CHECKING

from native_lib.prefix import cached_prefix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from native_lib.providers import InstalledProvider

FORMATS = ("sh", "json", "github")


def build_variables(
    providers: Sequence[InstalledProvider],
    environ: Mapping[str, str],
    prefix: Path | None = None,
) -> dict[str, str]:
    """Return the variables that show providers to a build, through a prefix.

    Args:
        providers: what `installed_providers` returns.
        environ: what is set already; lists of folders keep what they have, behind the prefix.
        prefix: the prefix; one in the cache if None.

    Raises:
        PrefixError: the prefix cannot be made.
    """
    prefix = prefix or cached_prefix(providers)
    include = [prefix / "include", *(prefix / each for p in providers for each in p.include)]
    lists = {
        "CMAKE_PREFIX_PATH": [prefix],
        "PKG_CONFIG_PATH": [prefix / "lib" / "pkgconfig"],
        # GCC's and clang's.
        "CPATH": include,
        "LIBRARY_PATH": [prefix / "lib"],
    }
    if sys.platform == "win32":
        lists |= {"INCLUDE": include, "LIB": [prefix / "lib"]}
    elif sys.platform != "darwin" and _are_private(providers):
        # ld.bfd looks there for what a provider's library needs; without it a program that calls
        # libpng cannot be linked, and configure would do without libpng. And it runs such programs.
        lists["LD_LIBRARY_PATH"] = [prefix / "lib"]
    found = {name: _prepended(folders, environ.get(name, "")) for name, folders in lists.items()}
    for package in (package for provider in providers for package in provider.packages):
        for name in (package, package.upper()):
            # What no shell can set is found through CMAKE_PREFIX_PATH.
            if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                # The prefix in both: that is what setup.py files and FindXXX.cmake modules expect,
                # and of the environment's <package>_DIR, unlike its own variable, CMake does, too.
                found |= {f"{name}_ROOT": str(prefix), f"{name}_DIR": str(prefix)}
    return found


def as_text(variables: Mapping[str, str], form: str) -> str:
    """Return variables as one of `FORMATS`: for a shell, for programs, for GITHUB_ENV's file."""
    if form == "json":
        return json.dumps(variables, indent=2) + "\n"
    if form == "sh":
        return "".join(f"export {name}={shlex.quote(v)}\n" for name, v in variables.items())
    # A line that no value has, whatever lines it has.
    end = f"native-lib-{uuid.uuid4().hex}"
    return "".join(f"{name}<<{end}\n{value}\n{end}\n" for name, value in variables.items())


def _are_private(providers: Sequence[InstalledProvider]) -> bool:
    """Tell whether no other program can need a file of these, as it could one with a plain name."""
    return all("__" in each.runtime_name for provider in providers for each in provider.libraries)


def _prepended(folders: Sequence[Path], told: str) -> str:
    first = [*map(str, folders)]
    others = [part for part in told.split(os.pathsep) if part not in first] if told else []
    return os.pathsep.join([*first, *others])
