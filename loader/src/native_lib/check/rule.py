"""Rules, their findings, and the set of wheels that they look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Callable

from packaging.utils import canonicalize_name

from native_lib.check.links import Link, all_links
from native_lib.check.scope import Scopes
from native_lib.check.system import has_no_libraries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from native_lib.check.binary import Binary
    from native_lib.check.sdist import Sdist
    from native_lib.check.wheel import Wheel

ERROR, WARNING, NOTE = "error", "warning", "note"
_SOME = 3  # symbols in a message


@dataclass(frozen=True)
class Finding:
    """One fault, and where it is."""

    wheel: str
    file: str  # in the wheel; empty if it is about the wheel as a whole
    value: str  # what is wrong there: a name, a path, a symbol
    message: str  # one line with the value in it
    severity: str = ""  # if it is another than its rule's


@dataclass(frozen=True)
class WheelSet:
    """The files that are checked together."""

    wheels: tuple[Wheel, ...]
    sdists: tuple[Sdist, ...] = ()
    is_complete: bool = False  # whether all that the wheels require is among them

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """Every name that a binary of the set needs, and the files that provide it."""
        return tuple(all_links(self.wheels))

    def not_given(self, wheel: Wheel, binary: Binary) -> str:
        """Say what a wheel requires that is not here, and that may have what a binary needs.

        Empty if there is nothing like that: what nothing here answers, nothing answers.
        """
        if self.is_complete:
            return ""
        given = {
            other.distribution
            for other in self.wheels
            if not other.binaries or any(b.fits(binary) for b in other.binaries)
        }
        required = dict.fromkeys(canonicalize_name(line.name) for line in wheel.requirements)
        absent = [n for n in required if n not in given and not has_no_libraries(n)]
        if not absent:
            return ""
        are, their = ("are", "their wheels") if absent[1:] else ("is", "its wheel")
        were = "were" if absent[1:] else "was"
        return f"{some_of(absent)} {are} required and {were} not given; give {their} to be sure"

    @cached_property
    def scopes(self) -> Scopes:
        """Where the symbols of each file are looked for."""
        return Scopes(self.links)


@dataclass(frozen=True)
class Rule:
    """A rule: `docs/reference/rules.md` says why it is one, and how to fix what it finds."""

    id: str
    severity: str
    find: Callable[[WheelSet], Iterator[Finding]]

    def severity_of(self, finding: Finding) -> str:
        """Return how bad one of its findings is."""
        return finding.severity or self.severity


def some_of(names: Sequence[str]) -> str:
    """Name the first of many."""
    more = len(names) - _SOME
    return ", ".join(names[:_SOME]) + (f" and {more} more" if more > 0 else "")
