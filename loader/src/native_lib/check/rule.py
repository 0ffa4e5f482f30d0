"""Rules, their findings, and the set of wheels that they look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Callable

from native_lib.check.links import Link, all_links

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@dataclass(frozen=True)
class WheelSet:
    """The files that are checked together."""

    wheels: tuple[Wheel, ...]
    sdists: tuple[Sdist, ...] = ()

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """Every name that a binary of the set needs, and the files that provide it."""
        return tuple(all_links(self.wheels))


@dataclass(frozen=True)
class Rule:
    """A rule: `docs/reference/rules.md` says why it is one, and how to fix what it finds."""

    id: str
    severity: str
    find: Callable[[WheelSet], Iterator[Finding]]


def some_of(names: list[str]) -> str:
    """Name the first of many."""
    more = len(names) - _SOME
    return ", ".join(names[:_SOME]) + (f" and {more} more" if more > 0 else "")
