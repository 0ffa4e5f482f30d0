"""Show another back end a pyproject.toml that it can read."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from native_lib.build.config import toml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LOAD, _LOADS = toml.load, toml.loads
# What a file says, and what is shown in its place. A module that imported the functions below keeps them.
_shown: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []


@contextmanager
def showing(told: Mapping[str, Any], shown: Mapping[str, Any]) -> Iterator[None]:
    """Have tomllib return one document for another, for a time.

    Back ends written in Python read pyproject.toml with it. Before Python 3.11 that is tomli, and
    vendored copies of it are not reached.

    Args:
        told: the document as it is.
        shown: what is returned in its place.
    """
    _shown.append((told, shown))
    toml.load, toml.loads = _load, _loads
    try:
        yield
    finally:
        _shown.pop()
        if not _shown:
            toml.load, toml.loads = _LOAD, _LOADS


def _load(file: IO[bytes], /, **options: Any) -> dict[str, Any]:
    return _answer(_LOAD(file, **options))


def _loads(text: str, /, **options: Any) -> dict[str, Any]:
    return _answer(_LOADS(text, **options))


def _answer(document: dict[str, Any]) -> dict[str, Any]:
    for told, shown in _shown:
        if document == told:
            return copy.deepcopy(dict(shown))
    return document
