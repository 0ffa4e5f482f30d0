"""Packages that ship libraries and were not made with this project: what is known of them, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# By the format of the files.
PLATFORMS = {"ELF": "linux", "Mach-O": "darwin", "PE": "win32"}
# Rules of compatibility: CMake's words, and three more.
SAME_VERSION, ANY_NEWER = "SameVersion", "AnyNewerVersion"
COMPATIBILITIES = (
    *("SameMajorVersion", "SameMinorVersion", "ExactVersion"),
    *(SAME_VERSION, ANY_NEWER, "BySoname"),
)


class KnownError(Exception):
    """A description, or what pyproject.toml says of one, is wrong; the message says where, and how."""


@dataclass(frozen=True)
class StableAbi:
    """Where a package lists the symbols that stay.

    Attributes:
        headers: patterns of paths below site-packages.
        macro: marks their declarations.
    """

    headers: tuple[str, ...]
    macro: str

    def names(self, header: str) -> set[str]:
        """Return the functions that a header declares with the macro."""
        text = re.sub(r"(?s:/\*.*?\*/)|//.*|(?m:^[ \t]*#.*)", "", header)
        marked = re.findall(rf"(?<!\w){re.escape(self.macro)}\s([^;{{()]*)\(", text)
        return {words[-1] for words in (re.findall(r"\w+", each) for each in marked) if words}


@dataclass(frozen=True)
class Known:
    """What is known of a package; docs/reference/known.md says what each key means.

    Paths and patterns are below site-packages, with slashes; `*` stands for a part of one name.

    Attributes:
        distributions: patterns of normalised names.
        folder: has `include` and the like in it.
        libraries: patterns by `sys.platform`.
        compatibility: one of `COMPATIBILITIES`.
        module: what is imported; empty if there is no Python in it.
        attribute: of the module, its version; empty if only metadata tells.
        by_path: patterns of the names of libraries that the import does not open.
        brings: patterns of distributions that it requires in one version, and whose libraries it opens.
        include: further folders for the compiler, below the folder.
        packages: names of its CMake packages.
        warning: what its authors do not promise.
        stable: where it lists the symbols that stay; None if it has no such list.
        bound: what the project admits instead of what the rule of compatibility does.
    """

    distributions: tuple[str, ...]
    folder: str
    libraries: Mapping[str, tuple[str, ...]]
    compatibility: str
    module: str = ""
    attribute: str = ""
    by_path: tuple[str, ...] = ()
    brings: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    warning: str = ""
    stable: StableAbi | None = None
    bound: str = field(default="", compare=False)

    def is_of(self, distribution: str) -> bool:
        """Tell whether it describes a distribution."""
        return matches(distribution, self.distributions)

    def is_brought(self, distribution: str) -> bool:
        """Tell whether a distribution comes along with this one."""
        return matches(distribution, self.brings)

    def may_bring(self, other: Known) -> bool:
        """Tell whether some distributions of another description come along with this one."""
        return any(matches(pattern, self.brings) for pattern in other.distributions)

    def chooses(self, path: str, platform: str) -> bool:
        """Tell whether a file is one of the libraries, as far as its path tells."""
        return any(is_path_like(path, pattern) for pattern in self.libraries.get(platform, ()))

    def may_have(self, leaf: str, platform: str) -> bool:
        """Tell whether a library may have this name."""
        patterns = (each.rpartition("/")[2] for each in self.libraries.get(platform, ()))
        return matches(leaf, patterns)

    def is_by_path(self, library: str) -> bool:
        """Tell whether the import leaves a library to others, by the library's name."""
        return not self.module or matches(library, self.by_path)

    def folder_of(self, library: str) -> str:
        """Return the folder in which a library's `include` is, by the library's path."""
        return "/".join(library.split("/")[: self.folder.count("/") + 1])


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a name is like one of some patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def is_path_like(path: str, pattern: str) -> bool:
    """Tell whether a path is like a pattern; `*` matches no slash."""
    parts, patterns = path.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


def library_name(leaf: str) -> str:
    """Return a library's name from its file's: libarrow.so.2600, libarrow.2600.dylib and arrow.dll are arrow."""
    found = re.fullmatch(r"(?:lib)?(.+?)(?:(?:\.\d+)*\.dylib|\.so[.\d]*|\.dll)", leaf)
    return found[1] if found else leaf


def requirement_of(distribution: str, version: str, compatibility: str, bound: str = "") -> str:
    """Return what a consumer requires that was built against a version.

    Args:
        distribution: its name.
        version: of which the local part (`+cpu`) is left out: no bound can have it.
        compatibility: one of `COMPATIBILITIES`.
        bound: what the project says instead.
    """
    if bound:
        return f"{distribution}{bound}"
    public = version.partition("+")[0]
    if compatibility == SAME_VERSION:
        return f"{distribution}=={public}"
    numbers = [int(part) for part in re.findall(r"\d+", re.match(r"[\d.]*", public)[0])]  # type: ignore[index]
    same = {"SameMajorVersion": 1, "SameMinorVersion": 2, "ExactVersion": 3}.get(compatibility)
    if not same:
        return f"{distribution}>={public}"
    head = [*numbers, 0, 0][:same]
    end = ".".join(map(str, [*head[:-1], head[-1] + 1]))
    return f"{distribution}>={public},<{end}"
