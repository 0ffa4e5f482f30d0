"""Decide from a wheel's tags whether an environment marker holds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.markers import Marker
    from packaging.tags import Tag

# The values of marker variables, by the first part of a platform tag.
_PLATFORMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    "macosx": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
    "win": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
}


def may_hold(marker: Marker, tags: frozenset[Tag]) -> bool:
    """Tell whether a marker may hold where a wheel is installed, as far as its tags tell."""
    outcomes = _outcomes(marker, tags)
    return "extra" not in str(marker) and (not outcomes or True in outcomes)


def always_holds(marker: Marker, tags: frozenset[Tag]) -> bool:
    """Tell whether a marker holds wherever a wheel can be installed."""
    return _outcomes(marker, tags) == {True}


def _outcomes(marker: Marker, tags: frozenset[Tag]) -> set[bool]:
    """Return a marker's values on the wheel's platforms; empty if the tags do not decide it."""
    told = set(re.findall(r"[a-z_]+", re.sub(r"'[^']*'|\"[^\"]*\"", "", str(marker))))
    if not told <= {"sys_platform", "platform_system", "os_name", "and", "or", "in", "not"}:
        return set()  # tags say too little about the Python and the processor
    platforms = {p for tag in tags for p in _PLATFORMS if p in tag.platform}
    return {marker.evaluate(_PLATFORMS[p]) for p in platforms}
