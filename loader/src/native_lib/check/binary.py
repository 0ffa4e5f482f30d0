"""One model of a binary, for ELF, Mach-O and PE."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

# What linkers define in every file.
_LINKERS_OWN = {
    *("_init", "_fini", "_edata", "_end", "__bss_start", "__end__", "_bss_end__", "__bss_end__"),
    *("_mh_dylib_header", "_mh_bundle_header", "__dso_handle", "DllMain", "DllMainCRTStartup"),
}
# What Python calls when it imports an extension module (PEP 489, PEP 793); U: not ASCII.
INIT_FUNCTIONS = ("PyInit_", "PyInitU_", "PyModExport_", "PyModExportU_")

_ORIGIN = re.compile(r"\$(?:ORIGIN|\{ORIGIN\})(?:/+(.*))?")


class CorruptBinaryError(Exception):
    """A file starts like a binary, but is not a valid one; the message says what is wrong."""


@dataclass(frozen=True)
class Export:
    """A symbol that a binary defines for others."""

    name: str
    version: str = ""
    is_weak: bool = False  # in C++: every user has a copy
    is_unique: bool = False  # STB_GNU_UNIQUE: glibc has it once in a process

    def __str__(self) -> str:
        return "@".join(part for part in (self.name, self.version) if part)


@dataclass(frozen=True)
class Import:
    """A symbol that a binary needs from another."""

    name: str
    version: str = ""
    library: str = ""  # as in `needed`; ELF has it only for symbols with a version
    is_weak: bool = False  # may be missing

    def __str__(self) -> str:
        return "@".join(part for part in (self.name, self.version) if part)


@dataclass(frozen=True)
class Binary:
    """The facts in a binary that rules look at."""

    path: str  # in the wheel
    format: str  # ELF, Mach-O or PE
    architecture: str  # as in Linux' wheel tags: x86_64, aarch64, …
    runtime_name: str  # SONAME, install name, or the name in a DLL's export directory
    needed: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()  # of these: weak (Mach-O), loaded at first use (PE)
    rpath: tuple[str, ...] = ()  # Mach-O: LC_RPATH
    runpath: tuple[str, ...] = ()
    exports: frozenset[Export] = frozenset()
    imports: frozenset[Import] = frozenset()
    needed_versions: frozenset[tuple[str, str]] = frozenset()  # ELF: library, and its version
    libc: str = ""  # glibc, musl, bionic (Android), or empty if the file does not tell
    minimum_os: tuple[int, ...] = ()
    is_signed: bool = False
    has_executable_stack: bool = False
    has_text_relocations: bool = False
    build_folders: tuple[str, ...] = ()  # some strings with folders of the machine that built it

    @property
    def leaf(self) -> str:
        """The file's name without its folder."""
        return PurePosixPath(self.path).name

    @property
    def folder(self) -> str:
        """The folder of the wheel that it is in."""
        return posixpath.normpath(posixpath.dirname(self.path))

    @property
    def known_as(self) -> str:
        """The name by which others find it once it is open; on Windows the file's name."""
        return self.leaf if self.format == "PE" else self.runtime_name

    @property
    def search_paths(self) -> tuple[str, ...]:
        """The folders in which the file says that its libraries are."""
        return self.rpath + self.runpath

    @cached_property
    def searched(self) -> frozenset[str]:
        """The folders of the wheel in which an ELF file's libraries are looked for."""
        found = (_ORIGIN.fullmatch(path) for path in self.search_paths)
        folders = (posixpath.join(self.folder, path[1] or "") for path in found if path)
        return frozenset(map(posixpath.normpath, folders))

    def finds(self, other: Binary) -> bool:
        """Tell whether this ELF file NEEDs another one of its wheel and finds it by its search paths."""
        return other.leaf in self.needed and other.folder in self.searched

    @cached_property
    def own_exports(self) -> frozenset[Export]:
        """The exports without those that linkers define in every file."""
        return frozenset(export for export in self.exports if export.name not in _LINKERS_OWN)

    @cached_property
    def own_names(self) -> frozenset[str]:
        """The names of `own_exports`."""
        return frozenset(export.name for export in self.own_exports)

    @cached_property
    def versions_by_name(self) -> dict[str, set[str]]:
        """The exports' versions, by name."""
        found: dict[str, set[str]] = {}
        for export in self.exports:
            found.setdefault(export.name, set()).add(export.version)
        return found

    @cached_property
    def has_versions(self) -> bool:
        """Whether its exports have versions."""
        return any(export.version for export in self.exports)

    def has(self, symbol: Import | Export) -> bool:
        """Tell whether it provides a symbol: by name, and by version where both have one.

        glibc's rule; on other systems there are no versions.
        """
        versions = self.versions_by_name.get(symbol.name)
        if versions is None:
            return False
        return not symbol.version or symbol.version in versions or self._answers_any_version

    @cached_property
    def _answers_any_version(self) -> bool:
        """Whether its symbols, which have no versions, also serve a file that asks for a version.

        glibc accepts them, but aborts if the file has no table of versions at all, not even for its
        own needs (an assertion in `check_match`). musl looks at names only.
        """
        has_table = self.libc == "musl" or any(symbol.version for symbol in self.imports)
        return has_table and not self.has_versions

    @property
    def is_extension_module(self) -> bool:
        """Whether Python can import it."""
        return any(export.name.startswith(INIT_FUNCTIONS) for export in self.exports)

    @property
    def is_library(self) -> bool:
        """Whether it is a library by its names, and not an extension module or a program."""
        by_file = ".so" in self.leaf or self.leaf.endswith(".dylib")
        return not self.is_extension_module and (by_file or bool(self.runtime_name))

    @property
    def uses_python(self) -> bool:
        """Whether it is an extension module, or needs the interpreter or a library built on it."""
        return (
            self.is_extension_module
            or any(symbol.name.startswith(("Py", "_Py")) for symbol in self.imports)
            or any("python" in name.lower() for name in self.needed)
        )

    def fits(self, other: Binary) -> bool:
        """Tell whether one process can load both."""
        return (
            (self.format, self.architecture) == (other.format, other.architecture)
            # A file that uses nothing of a C library works with any.
            and (self.libc == other.libc or not self.libc or not other.libc)
        )

    @property
    def platform(self) -> str:
        """What `fits` compares, for people."""
        return " ".join(part for part in (self.format, self.architecture, self.libc) if part)


def require(condition: bool, complaint: str) -> None:
    """Raise a CorruptBinaryError with this complaint unless a condition holds."""
    if not condition:
        raise CorruptBinaryError(complaint)


def text(name: str | bytes) -> str:
    """Return a name from a binary as text; lief gives bytes if it is not UTF-8."""
    return name if isinstance(name, str) else name.decode("utf-8", "backslashreplace")
