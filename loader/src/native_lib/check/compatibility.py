"""Which versions of a provider can replace which; see docs/reference/files.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterator

# How many release numbers must be the same. The last three are promises of packages not made here.
_SAME = {
    "SameMajorVersion": 1,
    "SameMinorVersion": 2,
    "ExactVersion": 3,
    "SameVersion": 99,
    "AnyNewerVersion": 0,
    "BySoname": 0,
}


def can_replace(later: Version, earlier: Version, compatibility: str) -> bool:
    """Tell whether a consumer that was built against the earlier version accepts the later one."""
    return _head(later, compatibility) == _head(earlier, compatibility) and _packaged(
        earlier
    ) <= _packaged(later)


def _head(version: Version, compatibility: str) -> tuple[int, ...]:
    same = _SAME.get(compatibility, 3)
    return (version.epoch, *[*version.release, *[0] * same][:same])


def _packaged(version: Version) -> Version:
    """Return a version without the parts that only describe the packaging."""
    return Version(re.sub(r"\.post\d+(\.dev\d+)?|\+.*", "", str(version)))


def next_incompatible(version: Version, compatibility: str) -> Version | None:
    """Return the first release that is newer and incompatible; None if each newer one is compatible."""
    release = [*version.release, 0, 0][: _SAME.get(compatibility, 3)]
    if not release:
        return None
    release[-1] += 1
    return Version(".".join(map(str, release)))


def incompatible(version: Version, compatibility: str) -> Iterator[Version]:
    """Return examples of versions that a consumer's loader refuses: too new, and too old."""
    newer = next_incompatible(version, compatibility)
    if newer:
        yield newer
        yield Version(f"{newer}.0.1")
        yield Version(f"{newer.major + 7}.0")
    major, minor, micro = [*version.release, 0, 0][:3]
    if micro:
        yield Version(f"{major}.{minor}.{micro - 1}")
    if minor:
        yield Version(f"{major}.{minor - 1}.99")
    if major:
        yield Version(f"{major - 1}.99")
