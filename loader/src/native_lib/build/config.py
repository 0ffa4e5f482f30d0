"""What pyproject.toml says about the build: ``[tool.native-lib]``."""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from native_lib.known.read import known
from native_lib.support.native_library_metadata import is_from_system

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

toml: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

# `native_lib.known` reads two of them, and `native-lib check` the last.
_KEYS = {"backend", "backend-path", "libraries", "known", "bounds", "check"}
_ITSELF = "native_lib.build"
# By which of these tables another back end computes dependencies itself.
_COMPUTING = (
    ("setuptools", "dynamic", "dependencies"),
    ("hatch", "metadata", "hooks"),
    ("scikit-build", "metadata", "dependencies"),
    ("dynamic-metadata",),
)


class BuildError(Exception):
    """A project cannot be built; the message says why, and what to do."""


@dataclass(frozen=True)
class Config:
    """How a project is built.

    Attributes:
        root: the project's folder.
        backend: the back end that builds it, as ``build-backend`` names one.
        backend_path: folders in which that is looked for first, absolute.
        providers: requirements on the providers to build against.
        system: by distribution, the library whose system copy NATIVE_LIB_SYSTEM asks for.
        document: pyproject.toml.
    """

    root: Path
    backend: str
    backend_path: tuple[str, ...]
    providers: tuple[str, ...]
    system: Mapping[str, str]
    document: Mapping[str, Any]

    @property
    def is_bound_by_symbols(self) -> bool:
        """Whether only the built wheel tells a bound: a provider has a stable ABI beside the other."""
        described = (known(distribution_of(told)) for told in self.providers)
        return any(each and each.stable and not each.bound for each in described)

    @property
    def static(self) -> dict[str, Any]:
        """The document as the back end can read it.

        Hardly any reads dependencies that are static and dynamic at once (PEP 808), and most refuse
        dynamic ones that nothing of theirs computes.
        """
        document = dict(self.document)
        if "project" not in document:
            return document
        project = document["project"] = dict(document["project"])
        tools = document.get("tool", {})
        computes = self._is_setuptools or any(_has(tools, keys) for keys in _COMPUTING)
        if "dependencies" in project or not computes:
            project["dynamic"] = [each for each in project["dynamic"] if each != "dependencies"]
            project.setdefault("dependencies", [])
        return document

    @property
    def _is_setuptools(self) -> bool:
        """Whether setup.py or setup.cfg may have install_requires, which a static list would replace."""
        has_setup = any((self.root / f"setup.{end}").exists() for end in ("py", "cfg"))
        # One in the project itself is setuptools with additions, most often.
        return self.backend.startswith("setuptools") or bool(self.backend_path and has_setup)


def distribution_of(requirement: str) -> str:
    """Return the normalised name of what a requirement is on."""
    found = re.match(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)", requirement)
    if not found:
        raise BuildError(f"[tool.native-lib]: {requirement!r} in libraries is not a requirement")
    return re.sub(r"[-_.]+", "-", found[1]).lower()


def _holds(requirement: str) -> bool:
    """Tell whether a requirement's marker holds where this runs."""
    marker = requirement.partition(";")[2].strip()
    try:
        from packaging.markers import InvalidMarker, Marker
    except ImportError:
        return True  # before the build requirements are installed: who installs them reads it
    try:
        return not marker or Marker(marker).evaluate()
    except InvalidMarker:
        raise BuildError(
            f"[tool.native-lib]: {requirement!r} in libraries is not a requirement"
        ) from None


def read_config(root: Path) -> Config:
    """Read a project's pyproject.toml.

    Raises:
        BuildError: it is not what this back end can work with.
    """
    try:
        document = toml.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BuildError(f"pyproject.toml cannot be read: {error}") from None
    table = document.get("tool", {}).get("native-lib")
    if not isinstance(table, dict):
        raise BuildError(
            "pyproject.toml has no table [tool.native-lib]: write backend = "
            '"setuptools.build_meta" (what built the project before) and libraries = '
            '{ foo = "libfoo" } into it'
        )
    unknown = sorted(table.keys() - _KEYS)
    if unknown:
        raise BuildError(f"[tool.native-lib] has an unknown key: {', '.join(unknown)}")
    backend = table.get("backend")
    if not isinstance(backend, str) or not backend:
        raise BuildError(
            '[tool.native-lib] lacks backend, what built the project before: "setuptools.build_meta", '
            '"mesonpy", "hatchling.build", …'
        )
    if backend.partition(":")[0] == _ITSELF:
        raise BuildError(
            f"[tool.native-lib]: backend = {backend!r} is this back end itself; name the one that builds "
            "the project"
        )
    libraries = table.get("libraries")
    if (
        not isinstance(libraries, dict)
        or not libraries
        or not all(isinstance(each, str) for each in libraries.values())
    ):
        raise BuildError(
            '[tool.native-lib] names no provider: write, for example, libraries = { zlib = "native-zlib" }'
        )
    project = document.get("project")
    if project is not None and "dependencies" not in project.get("dynamic", ()):
        raise BuildError(
            'pyproject.toml: write dynamic = ["dependencies"] into [project], beside what is dynamic '
            "already: the build adds the providers' bounds. Without it uv installs the package without "
            "them. A list of dependencies may stay"
        )
    used = {library: told for library, told in libraries.items() if not is_from_system(library)}
    names = {distribution_of(told) for told in used.values()}
    system = {distribution_of(told): library for library, told in libraries.items()}
    return Config(
        root=root,
        backend=backend,
        backend_path=_backend_path(root, table.get("backend-path", [])),
        providers=tuple(dict.fromkeys(filter(_holds, used.values()))),
        system={name: library for name, library in system.items() if name not in names},
        document=document,
    )


def _backend_path(root: Path, told: object) -> tuple[str, ...]:
    if not isinstance(told, list) or not all(isinstance(each, str) for each in told):
        raise BuildError("[tool.native-lib]: backend-path is a list of folders")
    folders = [(root / each).resolve() for each in told]
    outside = [each for each in folders if not each.is_relative_to(root.resolve())]
    if outside:
        raise BuildError(f"[tool.native-lib]: backend-path leads out of the project: {outside[0]}")
    return tuple(map(str, folders))


def _has(tables: Mapping[str, Any], keys: tuple[str, ...]) -> bool:
    for key in keys:
        if not isinstance(tables, dict) or key not in tables:
            return False
        tables = tables[key]
    return True
