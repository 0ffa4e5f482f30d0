"""What is in a wheel."""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from native_lib.check.compatibility import can_replace
from native_lib.check.leaks import Headers
from native_lib.check.markers import always_holds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from packaging.tags import Tag
    from packaging.version import Version

    from native_lib.check.binary import Binary
    from native_lib.check.packing import Packing
    from native_lib.known import Known

_DATA_SCHEME = re.compile(r"^[^/]+\.data/(?:purelib|platlib)/")


class UnusableError(Exception):
    """A file cannot be checked; the message says why."""


@dataclass(frozen=True)
class Library:
    """A library in a provider's manifest; paths are the wheel's."""

    name: str
    file: str
    runtime_name: str
    anchor: str
    probe_symbol: str = ""  # a symbol that it exports; may be empty
    needs: tuple[str, ...] = ()  # names of those that the loader opens before it
    link_files: tuple[str, ...] = ()  # by which a linker finds it


@dataclass(frozen=True)
class Manifest:
    """A provider's `_native_libs.py`, or what one would say of a package that was not made here."""

    path: str
    distribution: str
    version: Version
    compatibility: str
    libraries: tuple[Library, ...]
    # Programs, and the data that DATA_ENV names: what each is, and its file or folder in the wheel.
    others: tuple[tuple[str, str], ...] = ()
    requirement: str = ""  # what a consumer's wheel requires
    known: Known | None = None  # what is known of a package that was not made here
    stable: frozenset[str] = frozenset()  # symbols that it promises to keep in every release

    def with_promise(self, compatibility: str, requirement: str) -> Manifest:
        """Return it with another promise."""
        return replace(self, compatibility=compatibility, requirement=requirement)


@dataclass(frozen=True)
class Required:
    """A provider in a consumer's `_native_requires.py`."""

    path: str
    distribution: str  # normalised
    version: Version
    compatibility: str
    requirement: str  # what must be installed
    libraries: tuple[str, ...]
    is_known: bool = False  # whether it is a package that was not made here

    def admits(self, version: Version) -> bool:
        """Tell whether the consumer's loader accepts a version."""
        if self.is_known:
            specifier = Requirement(self.requirement).specifier
            return specifier.contains(version, prereleases=True)
        return can_replace(version, self.version, self.compatibility)


@dataclass(frozen=True)
class Unread:
    """A binary that was not read, and why."""

    file: str  # in the wheel
    reason: str
    is_corrupt: bool  # or of a kind that is not known here


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
    imports: Mapping[str, tuple[str, ...]]  # modules of the build's, by the __init__.py that does
    link_files: Mapping[str, bytes] = field(default_factory=dict)
    packing: Packing | None = None  # None for what is no archive
    unread: tuple[Unread, ...] = ()
    headers: Headers = field(default_factory=Headers)  # a provider's
    # What the code of a package with a loader or a record imports, and `load_requirements` if it has that.
    imported: frozenset[str] = frozenset()
    opens_for_all: bool = False  # an __init__.py has RTLD_GLOBAL, or the like, in it
    # Its code has names in it by which one opens libraries, or says where they are looked for. Only looked
    # at if the loader does not find one of its libraries.
    opens_libraries: bool = False

    @cached_property
    def unread_files(self) -> frozenset[str]:
        """The binaries of which nothing is known but that they are there."""
        return frozenset(each.file for each in self.unread)

    @cached_property
    def libraries(self) -> tuple[tuple[Library, Binary], ...]:
        """The libraries in its manifests, each with its binary, if that is in the wheel.

        A wheel written by hand has no manifest: those that its loader may open for others.
        """
        if self.is_by_hand:
            return tuple((_by_hand(b), b) for b in self.binaries if self._is_for_others(b))
        binaries: dict[str, list[Binary]] = {}
        for binary in self.binaries:
            binaries.setdefault(binary.path, []).append(binary)
        return tuple(
            (library, binary)
            for manifest in self.manifests
            for library in manifest.libraries
            for binary in binaries.get(library.file, ())
        )

    @cached_property
    def made_libraries(self) -> tuple[tuple[Library, Binary], ...]:
        """The libraries without those of a package that was not made here, and has rules of its own."""
        return () if self.known else self.libraries

    @cached_property
    def known(self) -> Known | None:
        """What is known of it, if it was not made here."""
        return next((manifest.known for manifest in self.manifests if manifest.known), None)

    @cached_property
    def is_by_hand(self) -> bool:
        """Whether it has a loader and no manifest."""
        loader = "_shared_lib_manager.py"
        return not self.manifests and any(path.endswith(loader) for path in self.vendored)

    def _is_for_others(self, binary: Binary) -> bool:
        """Tell whether it is a library for others: not a repair tool's copy, an anchor or a plugin."""
        if not binary.is_library or re.search(r"\.(?:libs|dylibs)/", binary.path):
            return False
        if binary.format != "ELF":
            return True
        is_user = not self._leaves.isdisjoint({*binary.needed} - {binary.leaf})
        if binary.runtime_name:
            return bool(binary.own_exports) or not is_user
        # A file that is opened by its path, or found by its file's name, needs no SONAME. A version in
        # the file's name means that others look for it.
        is_plugin = binary.leaf.endswith(".so")
        return not (is_plugin or is_user or self.finds(binary))

    def finds(self, binary: Binary) -> bool:
        """Tell whether one of its ELF files NEEDs this one and finds it by its search paths."""
        return any(user.finds(binary) for user in self._users.get(binary.leaf, ()))

    @cached_property
    def _leaves(self) -> frozenset[str]:
        return frozenset(binary.leaf for binary in self.binaries)

    @cached_property
    def _users(self) -> dict[str, list[Binary]]:
        """The files that need each name."""
        users: dict[str, list[Binary]] = {}
        for binary in self.binaries:
            for name in dict.fromkeys(binary.needed):
                users.setdefault(name, []).append(binary)
        return users

    def requirement(self, distribution: str) -> Requirement | None:
        """Return what Requires-Dist says of a distribution; see `requirements_on`."""
        return next(iter(self.requirements_on(distribution)), None)

    def requirements_on(self, distribution: str) -> tuple[Requirement, ...]:
        """Return what Requires-Dist says of a distribution: one for each marker.

        All lines whose markers hold apply together. Lines without a marker always do, and so do lines
        whose marker holds on each of the wheel's platforms.
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
            marker = line.marker and not always_holds(line.marker, self.tags) and str(line.marker)
            by_marker.setdefault(marker or "", []).append(line)
        return {
            name: tuple(
                _together([*(by_marker.get("", ()) if marker else ()), *same])
                for marker, same in by_marker.items()
            )
            for name, by_marker in lines.items()
        }


def _by_hand(binary: Binary) -> Library:
    """Return what a manifest would say; without one, the loader uses the file's name."""
    name = f"@rpath/{binary.leaf}" if binary.format == "Mach-O" else binary.leaf
    return Library(name=binary.leaf, file=binary.path, runtime_name=name, anchor="")


def _together(lines: list[Requirement]) -> Requirement:
    if len(lines) == 1:
        return lines[0]
    together = copy(lines[-1])
    together.specifier = SpecifierSet(",".join(str(line.specifier) for line in lines))
    return together


def root_of(path: str) -> str:
    """Return a file's path below site-packages, without a wheel's .data folder."""
    return _DATA_SCHEME.sub("", path)
