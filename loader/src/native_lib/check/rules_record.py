"""Rules on what loads the libraries that a wheel needs: its record, the loader, its code."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from native_lib.check import links
from native_lib.check.rule import ERROR, WARNING, Finding, Rule, WheelSet
from native_lib.check.system import is_system_library
from native_lib.check.wheel import root_of
from native_lib.names import import_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from native_lib.check.binary import Binary
    from native_lib.check.links import Link
    from native_lib.check.wheel import Required, Wheel

_RECORD, _LOADER = "_native_requires.py", "_shared_lib_consumer.py"
_ORIGIN = re.compile(r"(?:\$ORIGIN|\$\{ORIGIN\}|@loader_path)(?=/|$)")
_Library = tuple[str, str]  # a distribution, and the name that one of its libraries is found by


def not_loaded(wheels: WheelSet) -> Iterator[Finding]:
    for wheel, link, why in _unloaded(wheels):
        if not _is_systems(link):
            message = f"needs {link.needed} of {link.distribution}, and nothing loads it: {why}"
            yield Finding(wheel.path.name, link.binary.path, link.needed, message)


def record_differs(wheels: WheelSet) -> Iterator[Finding]:
    for wheel, link, why in _unloaded(wheels):
        if _is_systems(link):
            message = f"needs {link.needed} of {link.distribution}, and gets the system's: {why}"
            yield Finding(wheel.path.name, link.binary.path, link.needed, message)
    providers = {wheel.distribution for wheel in wheels.wheels if wheel.manifests}
    for wheel in wheels.wheels:
        # A wheel without binaries uses the libraries by their paths, as ctypes and cffi do.
        if not wheel.binaries or not _loads(wheel):
            continue
        needed = {
            other.distribution
            for binary in wheel.binaries
            for other, _ in wheels.scopes.of(wheel, binary).libraries.values()
        }
        recorded = {required.distribution: required.path for required in wheel.requires}
        required = {name for name in providers if wheel.requirements_on(name)}
        for name in sorted((required | (recorded.keys() & providers)) - needed):
            if import_name(name) not in wheel.imported:
                who = "the record" if name in recorded else "Requires-Dist"
                message = f"{who} names {name}, and no file of the wheel needs a library of it"
                yield Finding(wheel.path.name, recorded.get(name, ""), name, message)


def _unloaded(wheels: WheelSet) -> Iterator[tuple[Wheel, Link, str]]:
    """Yield what a wheel needs of a provider and does not load, once for each name, and say why."""
    for wheel in filter(_loads, wheels.wheels):
        first: dict[str, Link] = {}
        for link in wheels.links:
            if link.wheel is wheel and link.kind in (links.PROVIDER, links.ABSENT):
                first.setdefault(link.needed, link)
        why_not = _why_not(wheel) if first else ""
        loaded = set() if why_not else _loaded_by_record(wheel, wheels)
        if loaded is None:
            continue
        for link in first.values():
            names = {(link.distribution, binary.known_as) for _, binary in link.answers}
            # A package that was not made here is there, and brings along what is not.
            if link.kind == links.ABSENT and link.distribution in wheel.recorded:
                continue
            is_found = any(_reaches(own, b) for own in wheel.binaries for _, b in link.answers)
            if not (is_found or names & loaded or import_name(link.distribution) in wheel.imported):
                why = why_not or f"{_RECORD} names neither it nor a library that needs it"
                yield wheel, link, why


def _is_systems(link: Link) -> bool:
    """Tell whether a file can be imported without the provider, because it finds the system's library."""
    return is_system_library(link.needed, link.binary, link.wheel.tags)


def _loads(wheel: Wheel) -> bool:
    """Tell whether a wheel loads libraries by the loader; others do it in a way of their own."""
    return bool(wheel.requires) or _has_loader(wheel)


def _has_loader(wheel: Wheel) -> bool:
    """Tell whether the loader is in a wheel, or in a distribution that it requires."""
    is_there = any(path.endswith(_LOADER) for path in wheel.vendored)
    return is_there or wheel.uses("native-lib-loader")


def _why_not(wheel: Wheel) -> str:
    """Say why a wheel's record loads nothing; an empty text if it does, as far as the files tell."""
    if not wheel.requires:
        has_record = any(path.endswith(f"/{_RECORD}") for path in wheel.files)
        return f"{_RECORD} is empty" if has_record else f"the wheel has a loader, and no {_RECORD}"
    if not _has_loader(wheel):
        return f"the wheel has {_RECORD}, and no {_LOADER} that reads it"
    return "" if "load_requirements" in wheel.imported else "no code calls load_requirements()"


def _loaded_by_record(wheel: Wheel, wheels: WheelSet) -> set[_Library] | None:
    """Return the libraries that a record loads, with what these need; None if a provider is absent."""
    loaded: set[_Library] = set()
    waiting = list(wheel.requires)
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while waiting:
        required = waiting.pop()
        key = required.distribution, required.libraries
        if key in seen:
            continue
        seen.add(key)
        providers = [each for each in wheels.wheels if each.distribution == required.distribution]
        if not providers:
            return None
        for provider in providers:
            waiting += provider.requires
            loaded |= _brought(provider, wheels)
            for binary in _opened(provider, required):
                behind = wheels.scopes.of(provider, binary).libraries
                loaded |= {(other.distribution, each.known_as) for other, each in behind.values()}
    return loaded


def _brought(provider: Wheel, wheels: WheelSet) -> set[_Library]:
    """Return the libraries that a package opens which was not made here: those that come along with it."""
    it = provider.known
    brought = (each for each in wheels.wheels if it and it.is_brought(each.distribution))
    return {(each.distribution, b.known_as) for each in brought for _, b in each.libraries}


def _opened(provider: Wheel, required: Required) -> Iterator[Binary]:
    """Return the libraries that a provider's loader opens for an entry of a record."""
    needs = {library.name: library.needs for library, _ in provider.libraries}
    names, waiting = set(), list(required.libraries or needs)
    while waiting:
        name = waiting.pop()
        if name not in names:
            names.add(name)
            waiting += needs.get(name, ())
    for library, binary in provider.libraries:
        if library.name in names or provider.is_by_hand:
            yield binary


def _reaches(binary: Binary, other: Binary) -> bool:
    """Tell whether a file's search paths lead to the folder that another wheel's file is installed in."""
    folder = posixpath.dirname(root_of(binary.path))
    there = posixpath.normpath(posixpath.dirname(root_of(other.path)))
    paths = (_ORIGIN.sub(".", path) for path in binary.search_paths if _ORIGIN.match(path))
    return any(posixpath.normpath(posixpath.join(folder, path)) == there for path in paths)


RULES = (
    Rule("not-loaded", ERROR, not_loaded),
    Rule("record-differs", WARNING, record_differs),
)
