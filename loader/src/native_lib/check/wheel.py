"""What is in a wheel."""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from packaging.requirements import Requirement
    from packaging.tags import Tag
    from packaging.version import Version

    from native_lib.check.binary import Binary

_DATA_SCHEME = re.compile(r"^[^/]+\.data/(?:purelib|platlib)/")


class UnusableError(Exception):
    """A file is no wheel that can be checked; the message says why."""


class NewerFormatError(UnusableError):
    """A manifest or record has a format that is newer than this native-lib."""


@dataclass(frozen=True)
class Library:
    """A library in a provider's manifest; paths are the wheel's."""

    name: str
    file: str
    runtime_name: str
    anchor: str
    probe_symbol: str = ""  # one that it exports; empty where none is looked for


@dataclass(frozen=True)
class Manifest:
    """A provider's `_native_libs.py`."""

    path: str
    distribution: str
    version: Version
    compatibility: str
    libraries: tuple[Library, ...]


@dataclass(frozen=True)
class Required:
    """A provider in a consumer's `_native_requires.py`."""

    path: str
    distribution: str  # normalised
    version: Version
    compatibility: str
    requirement: str  # what must be installed, for messages
    libraries: tuple[str, ...]


@dataclass(frozen=True)
class Wheel:
    """What is in a wheel."""

    path: Path
    distribution: str  # normalised
    version: Version
    tags: frozenset[Tag]
    requirements: tuple[Requirement, ...]  # Requires-Dist, as far as it holds on its platform
    files: tuple[str, ...]
    symlinks: tuple[str, ...]
    binaries: tuple[Binary, ...]
    digests: Mapping[str, str]  # of the binaries' content, by path
    manifests: tuple[Manifest, ...]
    requires: tuple[Required, ...]
    texts: Mapping[str, str]  # CMake and pkg-config files
    vendored: Mapping[str, bytes]  # the loader's files

    @cached_property
    def libraries(self) -> tuple[tuple[Library, Binary], ...]:
        """The libraries of its manifests, each with its binary, where there is one.

        Without a manifest, those that a loader in it may open: all but copies of repair tools.
        """
        if not self.manifests and any(
            path.endswith("_shared_lib_manager.py") for path in self.vendored
        ):
            return tuple(
                (_by_hand(binary), binary)
                for binary in self.binaries
                if binary.is_library and not re.search(r"\.(?:libs|dylibs)/", binary.path)
            )
        binaries: dict[str, list[Binary]] = {}
        for binary in self.binaries:
            binaries.setdefault(binary.path, []).append(binary)
        return tuple(
            (library, binary)
            for manifest in self.manifests
            for library in manifest.libraries
            for binary in binaries.get(library.file, ())
        )

    def requirement(self, distribution: str) -> Requirement | None:
        """Return what Requires-Dist says of a distribution; see `requirements_on`."""
        return next(iter(self.requirements_on(distribution)), None)

    def requirements_on(self, distribution: str) -> tuple[Requirement, ...]:
        """Return what Requires-Dist says of a distribution: one for each marker.

        pip takes the lines that hold together, and those without a marker always do.
        """
        return self._required.get(canonicalize_name(distribution), ())

    def uses(self, distribution: str) -> bool:
        """Tell whether its metadata or its record names a distribution."""
        return distribution in self.recorded or bool(self.requirements_on(distribution))

    @cached_property
    def recorded(self) -> frozenset[str]:
        """The distributions that its record names."""
        return frozenset(required.distribution for required in self.requires)

    @cached_property
    def _required(self) -> dict[str, tuple[Requirement, ...]]:
        lines: dict[str, dict[str, list[Requirement]]] = {}
        for line in self.requirements:
            by_marker = lines.setdefault(canonicalize_name(line.name), {})
            by_marker.setdefault(str(line.marker or ""), []).append(line)
        return {
            name: tuple(
                _together([*(by_marker.get("", ()) if marker else ()), *same])
                for marker, same in by_marker.items()
            )
            for name, by_marker in lines.items()
        }


def _by_hand(binary: Binary) -> Library:
    """Return what a manifest would say: the loader takes the file's name for what others need."""
    name = f"@rpath/{binary.leaf}" if binary.format == "Mach-O" else binary.leaf
    return Library(name=binary.leaf, file=binary.path, runtime_name=name, anchor="")


def _together(lines: list[Requirement]) -> Requirement:
    if len(lines) == 1:
        return lines[0]
    together = copy(lines[-1])
    together.specifier = SpecifierSet(",".join(str(line.specifier) for line in lines))
    return together


def root_of(path: str) -> str:
    """Return a file's path below site-packages, if it is installed there as it stands."""
    return _DATA_SCHEME.sub("", path)
