"""Compiles a module's source with the headers of a Python, and makes nothing of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import building
import pybind11

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def of(python: Path, binding: str = "c-api") -> list[str]:
    """Return the options that show a Python's headers, and a binding's, to the compiler.

    As the system's: warnings in others' headers are not ours to fix.
    """
    code = "import sysconfig; print(sysconfig.get_path('include'))"
    found = [building.run(python, "-c", code).strip()]
    if binding == "nanobind":
        found.append(building.run(sys.executable, "-m", "nanobind", "--include_dir").strip())
    if binding == "pybind11":
        found.append(pybind11.get_include())
    return [part for path in found for part in ("-isystem", path)]


def options(answers: Mapping[str, str], folder: Path, scratch: Path) -> list[str]:
    """Return the options with which a generated pair's sources find the library's headers.

    Args:
        answers: what the pair was generated from.
        folder: the pair.
        scratch: a folder for the headers that a build or upstream would bring.
    """
    library = answers["library_name"]
    export = scratch / library / "export.h"
    export.parent.mkdir(parents=True)
    export.write_text(f"#define {library.upper()}_EXPORT\n", encoding="utf-8")
    if answers["library_source"] == "upstream":
        declaration = (
            f'#ifdef __cplusplus\nextern "C"\n#endif\nconst char *{library}_version(void);\n'
        )
        for suffix in ("h", "hpp"):
            (scratch / f"{library}.{suffix}").write_text(declaration, encoding="utf-8")
    include = folder / answers["provider_name"] / "include"
    return [f"-I{scratch}", f"-I{include}", f'-D{library.upper()}_VERSION="1.0.0"']


def limited_api(version: str) -> list[str]:
    """Return the option that asks for the stable ABI of a Python; none for an empty version."""
    return [f"-DPy_LIMITED_API=0x03{int(version.partition('.')[2]):02X}0000"] if version else []


def compiles(source: Path, *given: str, standards: Sequence[str] = ("c99", "c++17")) -> None:
    """Compile a source, warnings as errors.

    Args:
        source: C, if its name ends so, or C++.
        given: further options.
        standards: of C and of C++.

    Raises:
        building.CommandError: it does not compile, or the compiler warned.
    """
    c, cxx = standards
    compiler = ["cc", f"-std={c}"] if source.suffix == ".c" else ["c++", f"-std={cxx}"]
    building.run(*compiler, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *given, source)
