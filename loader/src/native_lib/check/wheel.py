"""What is in a wheel."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

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

    @property
    def libraries(self) -> tuple[tuple[Library, Binary], ...]:
        """The libraries of its manifests, each with its binary, where there is one."""
        return tuple(
            (library, binary)
            for manifest in self.manifests
            for library in manifest.libraries
            for binary in self.binaries
            if binary.path == library.file
        )

    def requirement(self, distribution: str) -> Requirement | None:
        """Return what Requires-Dist says of a distribution."""
        for requirement in self.requirements:
            if canonicalize_name(requirement.name) == canonicalize_name(distribution):
                return requirement
        return None


def root_of(path: str) -> str:
    """Return a file's path below site-packages, if it is installed there as it stands."""
    return _DATA_SCHEME.sub("", path)
