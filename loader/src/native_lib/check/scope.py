"""Where the symbols of a file are looked for: in its wheel, and in the libraries that it needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from native_lib.check import links
from native_lib.check.system import may_have

if TYPE_CHECKING:
    from collections.abc import Iterable

    from native_lib.check.binary import Binary, Import
    from native_lib.check.links import Link
    from native_lib.check.wheel import Wheel

_Key = tuple[str, str, str]  # wheel, path, architecture
Answer = tuple["Wheel", "Binary"]


@dataclass
class Behind:
    """The libraries behind a file: those that it needs, those that these need, and so on.

    Attributes:
        libraries: the known ones: of the wheel itself, of providers, and the file itself.
        systems: names of the system's libraries.
        is_known: whether there is no other, which might have any symbol.
    """

    libraries: dict[_Key, Answer] = field(default_factory=dict)
    systems: set[str] = field(default_factory=set)
    is_known: bool = True

    def add(self, other: Behind) -> None:
        """Add the libraries behind another file."""
        self.libraries |= other.libraries
        self.systems |= other.systems
        self.is_known = self.is_known and other.is_known


class Scopes:
    """The libraries behind each file of a set."""

    def __init__(self, links_: Iterable[Link]) -> None:
        self._links: dict[_Key, list[Link]] = {}
        for link in links_:
            self._links.setdefault(_key(link.wheel, link.binary), []).append(link)
        self._behind: dict[_Key, Behind] = {}
        self._together: dict[_Key, Behind] = {}
        self._names: dict[_Key, frozenset[str]] = {}

    def of(self, wheel: Wheel, binary: Binary) -> Behind:
        """Return what is behind a file, and behind the files of its wheel that load it.

        A library finds symbols in all that was loaded together with it.
        """
        key = _key(wheel, binary)
        if key not in self._together:
            found = self._together[key] = Behind()
            for other in wheel.binaries:
                behind = self._of(wheel, other)
                if key in behind.libraries:
                    found.add(behind)
        return self._together[key]

    def may_have(
        self, wheel: Wheel, binary: Binary, symbol: Import, but: tuple[Answer, ...] = ()
    ) -> bool:
        """Tell whether something behind a file, or any file of its wheel, may have a symbol.

        The file names no library for this symbol: an ELF file, and no version; or Mach-O, and any
        library will do. Any file of the wheel counts, because its code may open files for all others.

        Args:
            wheel, binary: the file.
            symbol: what it needs.
            but: libraries that do not count.
        """
        behind = self.of(wheel, binary)
        if not behind.is_known or symbol.name in self._names_of(wheel, binary):
            return True
        libraries = (each for each in behind.libraries.values() if each not in but)
        return any(library.has(symbol) for _, library in libraries) or any(
            may_have(needed, symbol.name, binary) for needed in behind.systems
        )

    def _names_of(self, wheel: Wheel, binary: Binary) -> frozenset[str]:
        """Return what the files of a wheel export that are for the same architecture as this one."""
        key = (str(wheel.path), binary.format, binary.architecture)
        if key not in self._names:
            fitting = (other for other in wheel.binaries if other.fits(binary))
            self._names[key] = frozenset().union(*(other.own_names for other in fitting))
        return self._names[key]

    def _of(self, wheel: Wheel, binary: Binary) -> Behind:
        """Return what is behind a file, and the file itself."""
        key = _key(wheel, binary)
        if key in self._behind:
            return self._behind[key]
        found = self._behind[key] = Behind()
        waiting = [(wheel, binary)]
        while waiting:
            of = waiting.pop()
            if _key(*of) in found.libraries:
                continue
            found.libraries[_key(*of)] = of
            for link in self._links.get(_key(*of), ()):
                if link.kind == links.SYSTEM:
                    found.systems.add(link.needed)
                answers = link.answers or links.own_answers(link)
                found.is_known &= bool(answers) or link.kind == links.SYSTEM
                waiting += answers
        return found


def _key(wheel: Wheel, binary: Binary) -> _Key:
    return str(wheel.path), binary.path, binary.architecture
