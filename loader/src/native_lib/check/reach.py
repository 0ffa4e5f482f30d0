"""What the operating system's loader finds of a wheel's own libraries when a module is imported.

Rules of glibc, musl, dyld and Windows; each is named where it forces a line.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from native_lib.check.binary import Binary

_SCHEME = re.compile(r"[^/]+\.data/(\w+)/(.*)")
_PYTHON = re.compile(r"(?<![^/])python3[.\d]*t?(?![^/])")
# What loaders replace by the folder of the file that has the path.
_ORIGINS = {"ELF": ("$ORIGIN", "${ORIGIN}"), "Mach-O": ("@loader_path",)}


@dataclass(frozen=True)
class Lost:
    """A library of the wheel that the loader does not find for a file of the wheel.

    Attributes:
        root: the extension module or program with which the file is loaded.
        user: the file.
        needed: the name that it looks for.
        of: the files of the wheel that have this name.
        unfit: one of them, if the loader finds it, and it is for another platform.
        earlier: another module, whose import loads the library.
    """

    root: Binary
    user: Binary
    needed: str
    of: tuple[Binary, ...]
    unfit: Binary | None = None
    earlier: Binary | None = None


def lost_in(binaries: Sequence[Binary]) -> list[Lost]:
    """Import each extension module, start each program of a wheel, and return what is not found.

    Only those: what opens another file by its path may have loaded what that file needs.
    """
    files = _Files(binaries)
    processes = [_Process(files, root) for root in binaries if _is_root(root)]
    return [
        replace(lost, earlier=next((p.root for p in processes if p.may_serve(lost)), None))
        for process in processes
        for lost in process.lost
    ]


def _is_root(binary: Binary) -> bool:
    is_script = _installed(binary).startswith(("bin/", "scripts/"))
    return binary.is_extension_module or (is_script and not binary.is_library)


def _installed(binary: Binary) -> str:
    """Return where an installer puts a file, from the prefix, without Python's version."""
    is_windows = binary.format == "PE"
    site = "lib/site-packages/" if is_windows else "lib/python3/site-packages/"
    scheme = _SCHEME.fullmatch(binary.path)
    places = {"data": "", "scripts": "scripts/" if is_windows else "bin/"}
    place = places.get(scheme[1], site) if scheme else site
    path = _normal(place + (scheme[2] if scheme else binary.path))
    return path.lower() if is_windows else path


def _normal(path: str) -> str:
    return _PYTHON.sub("python3", posixpath.normpath(path))


class _Files:
    """The files of a wheel, by what a loader looks for."""

    def __init__(self, binaries: Sequence[Binary]) -> None:
        self._at: dict[str, list[Binary]] = {}
        self._named: dict[str, list[Binary]] = {}
        self._folders: dict[str, str] = {}
        for binary in binaries:
            path = _installed(binary)
            self._at.setdefault(path, []).append(binary)
            self._folders[binary.path] = posixpath.dirname(path)
            for name in {posixpath.basename(path), _leaf(_key(binary.known_as, binary))}:
                self._named.setdefault(name, []).append(binary)

    def named(self, needed: str, user: Binary) -> tuple[Binary, ...]:
        """Return the files that have a name, whatever they are for."""
        there = self._named.get(_leaf(_key(needed, user)), ())
        return tuple(each for each in there if each.format == user.format)

    def found(self, needed: str, chain: tuple[Binary, ...]) -> Iterator[Binary]:
        """Return the files at the places where the loader looks, in its order.

        Args:
            needed: the name that a file needs.
            chain: the file, what it was loaded for, and so on, up to the module that is imported.
        """
        for folder, name in self._places(needed, chain):
            yield from self._at.get(_normal(posixpath.join(folder, name)), ())

    def _places(self, needed: str, chain: tuple[Binary, ...]) -> Iterator[tuple[str, str]]:
        user, root = chain[0], chain[-1]
        if user.format == "PE":
            # LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR: the folder of what is imported, for all that it loads; and
            # the folder of python.exe.
            yield from ((self._folders[root.path], needed), ("", needed))
        elif user.format == "ELF":
            yield from ((folder, needed) for folder in self._searched(chain))
        else:
            start, _, rest = needed.partition("/")
            if start == "@rpath":
                yield from ((folder, rest) for folder in self._searched(chain))
            elif (folder := self._folder(start, user, root)) is not None:
                yield folder, rest

    def _searched(self, chain: tuple[Binary, ...]) -> Iterator[str]:
        """Return the folders of the wheel in which names are looked for."""
        user, root = chain[0], chain[-1]
        # musl and dyld take all paths of the chain; glibc takes the RPATH of what has no RUNPATH, and only
        # if the file itself has none.
        takes_all = all(each.libc != "glibc" for each in chain)
        for each in chain:
            if each is user or takes_all or not (user.runpath or each.runpath):
                for path in each.runpath or each.rpath:
                    folder = self._folder(path, each, root)
                    if folder is not None:
                        yield folder

    def _folder(self, path: str, user: Binary, root: Binary) -> str | None:
        """Return the folder that a path means, if it may be one of the wheel's."""
        start, _, rest = path.partition("/")
        if start in _ORIGINS[user.format]:
            origin = self._folders[user.path]
        elif start == "@executable_path":
            origin = "bin" if root.is_extension_module else self._folders[root.path]
        else:
            return None
        return posixpath.join(origin, rest.lstrip("/"))


class _Process:
    """An import: the names that are loaded then, and what is not found."""

    def __init__(self, files: _Files, root: Binary) -> None:
        self.root = root
        self.lost: list[Lost] = []
        self._names = {*_names(root)}
        loaded = {root.path}
        # All that a file needs is loaded before what these need: glibc, musl.
        waiting: list[tuple[Binary, ...]] = [(root,)]
        for chain in waiting:
            user = chain[0]
            for needed in user.needed:
                name, of = _key(needed, user), files.named(needed, user)
                if not of or name in self._names or needed in user.optional:
                    continue
                there = list(files.found(name, chain))
                found = next((each for each in there if is_for_same(each, root)), None)
                if found is None:
                    self.lost.append(Lost(root, user, needed, of, next(iter(there), None)))
                    continue
                # dyld knows it by its path and its install name only.
                self._names |= {*_names(found), *(() if user.format == "Mach-O" else (name,))}
                if found.path not in loaded:
                    loaded.add(found.path)
                    waiting.append((found, *chain))
        # The order of dyld and Windows differs a little, and may serve what is lost here.
        if root.format != "ELF":
            self.lost = [lost for lost in self.lost if not self._has(lost)]

    def _has(self, lost: Lost) -> bool:
        return _key(lost.needed, lost.user) in self._names

    def may_serve(self, lost: Lost) -> bool:
        """Tell whether this import, if it comes first, loads what is lost in another."""
        is_other = self.root is not lost.root and is_for_same(self.root, lost.root)
        return is_other and self._has(lost)


def is_for_same(one: Binary, other: Binary) -> bool:
    """Tell whether a process that has loaded one file can load another.

    A file for another C library may work: musl takes glibc's names for its own.
    """
    return (one.format, one.architecture) == (other.format, other.architecture)


def _names(binary: Binary) -> Iterator[str]:
    """Return the names by which a loaded file is found again."""
    if binary.known_as:
        yield _key(binary.known_as, binary)


def _key(name: str, binary: Binary) -> str:
    return name.lower() if binary.format == "PE" else name


def _leaf(name: str) -> str:
    return name.rpartition("/")[2]
