"""Decide from a wheel's tags whether an environment marker holds."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.markers import Marker
    from packaging.tags import Tag

# The values of marker variables, by the first part of a platform tag.
_PLATFORMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    "macosx": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
    "win": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
}
# What platform_machine is, by the end of a platform tag. Windows' Python says it in capitals.
_MACHINES = {
    "universal2": ("x86_64", "arm64"),
    "amd64": ("AMD64",),
    "win_arm64": ("ARM64",),
    "win32": ("x86", "AMD64"),  # the second where Windows has 64 bits
    **{
        name: (name,)
        for name in (
            *("x86_64", "aarch64", "arm64", "i686", "armv7l", "ppc64le", "s390x", "riscv64"),
            *("loongarch64", "ppc64"),
        )
    },
}
_PYTHONS = {"cp": ("CPython", "cpython"), "pp": ("PyPy", "pypy")}
# Minor versions of Python 3 of which a wheel may be for several; the last stands for those to come.
_MINORS = (*range(6, 17), 99)
_WORDS = {"and", "or", "in", "not"}


def may_hold(marker: Marker, tags: frozenset[Tag]) -> bool:
    """Tell whether a marker may hold where a wheel is installed, as far as its tags tell.

    Extras are not asked for.
    """
    outcomes = _outcomes(marker, tags)
    return True in outcomes if outcomes else "extra" not in str(marker)


def always_holds(marker: Marker, tags: frozenset[Tag]) -> bool:
    """Tell whether a marker holds wherever a wheel can be installed."""
    return _outcomes(marker, tags) == {True}


def _outcomes(marker: Marker, tags: frozenset[Tag]) -> set[bool]:
    """Return a marker's values in the wheel's environments; empty if the tags do not decide it."""
    told = set(re.findall(r"[a-z_]+", re.sub(r"'[^']*'|\"[^\"]*\"", "", str(marker)))) - _WORDS
    environments = [each for tag in tags for each in _environments(tag)]
    if not environments or not all(told <= each.keys() for each in environments):
        return set()
    different = {tuple(each[name] for name in sorted(told)): each for each in environments}
    return {marker.evaluate(dict(each)) for each in different.values()}


def _environments(tag: Tag) -> Iterator[dict[str, str]]:
    """Return the values of marker variables where a tag is installed, as far as it tells them."""
    for platform, machine, python in product(_platforms(tag), _machines(tag), _pythons(tag)):
        yield {"extra": "", **platform, **machine, **python}


def _platforms(tag: Tag) -> list[dict[str, str]]:
    return [values for name, values in _PLATFORMS.items() if name in tag.platform] or [{}]


def _machines(tag: Tag) -> list[dict[str, str]]:
    ends = [end for end in _MACHINES if tag.platform.endswith(end)]
    if not ends:
        return [{}]
    return [{"platform_machine": each} for each in _MACHINES[max(ends, key=len)]]


def _pythons(tag: Tag) -> Iterator[dict[str, str]]:
    found = re.fullmatch(r"(cp|pp|py)3(\d*)", tag.interpreter)
    if tag.interpreter.startswith("py2"):
        return  # a second tag of what is also for Python 3
    if not found:
        yield {}
        return
    first = int(found[2] or 0)
    later = found[1] == "py" or tag.abi == "abi3"
    implementation = _PYTHONS.get(found[1])
    for minor in _MINORS if later else (first,):
        if minor >= first:
            values = {"python_version": f"3.{minor}"}
            if implementation:
                names = "platform_python_implementation", "implementation_name"
                values.update(zip(names, implementation))
            yield values
