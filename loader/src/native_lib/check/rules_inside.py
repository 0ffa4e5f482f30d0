"""Rules on what a build left in the binaries: others' code, others' symbols, its own folders."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from native_lib.check.leaks import CXX, NO_HEADER, is_standard, leaked
from native_lib.check.links import (
    is_bundled,
    libraries_of,
    looks_like,
    private_distribution,
    unmangled,
)
from native_lib.check.rule import NOTE, WARNING, Finding, Rule, WheelSet, some_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from native_lib.check.binary import Binary
    from native_lib.check.wheel import Wheel


def symbols_leaked(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for library, binary in wheel.made_libraries:
            of: defaultdict[str, list[str]] = defaultdict(list)
            for name, known in leaked(wheel, library, binary.own_exports).items():
                of[known].append(name)
            for known in sorted(of.keys() - {CXX, NO_HEADER}):
                names = sorted(of[known])
                message = f"exports {some_of(names)}: a static copy of {known} is in it"
                # Elsewhere a name is bound to one library.
                severity = "" if binary.format == "ELF" else NOTE
                yield Finding(wheel.path.name, binary.path, names[0], message, severity)


def symbols_unique(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for _, binary in wheel.made_libraries:
            names = _unique(binary)
            if names:
                message = (
                    f"exports {some_of(names)} as STB_GNU_UNIQUE: any other copy of this library in "
                    "the process shares them, whatever its version"
                )
                yield Finding(wheel.path.name, binary.path, names[0], message)
    yield from _shared_by_twins(wheels)


def _shared_by_twins(wheels: WheelSet) -> Iterator[Finding]:
    """Find two bundled copies of one library, in wheels of the set, that are not separate."""
    copies: defaultdict[str, list[tuple[Wheel, Binary]]] = defaultdict(list)
    for wheel in wheels.wheels:
        for binary in wheel.binaries:
            if is_bundled(binary.path) and any(each.is_unique for each in binary.exports):
                # The shortest has no version: png of libpng16.
                name = min(libraries_of(unmangled(binary.leaf)), key=len, default="")
                if name:
                    copies[name].append((wheel, binary))
    for name, twins in copies.items():
        wheel, binary = twins[0]
        for other, twin in twins[1:]:
            names = sorted({*_unique(binary)} & {*_unique(twin)})
            if names and other.distribution != wheel.distribution and binary.fits(twin):
                message = (
                    f"shares {some_of(names)} (STB_GNU_UNIQUE) with {twin.path} of "
                    f"{other.distribution}, another copy of {name}"
                )
                yield Finding(wheel.path.name, binary.path, names[0], message)


def _unique(binary: Binary) -> list[str]:
    """Return the symbols that glibc has once in a process, except the C++ library's."""
    names = {each.name for each in binary.own_exports if each.is_unique}
    return sorted(name for name in names if not is_standard(name))


def bundled_copy(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        # `library-copied` looks at the wheels that use it, and at copies with private names.
        theirs = [
            (provider, library, original)
            for provider in wheels.wheels
            if provider.manifests
            and provider.distribution != wheel.distribution
            and not wheel.uses(provider.distribution)
            for library, original in provider.libraries
        ]
        for binary in wheel.binaries:
            if private_distribution(unmangled(binary.leaf)):
                continue
            for provider, library, original in theirs:
                if binary.fits(original) and looks_like(binary.path, library):
                    whose = f"{library.name}, which {provider.distribution} ships"
                    message = f"looks like a copy of {whose}"
                    yield Finding(wheel.path.name, binary.path, binary.leaf, message)
                    break


def build_string(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for binary in wheel.binaries:
            # The rules on search paths have these.
            found = [each for each in binary.build_folders if each not in binary.search_paths]
            if found:
                message = (
                    f"may look for files in {some_of(found)}: a folder of the machine that built it"
                )
                yield Finding(wheel.path.name, binary.path, found[0], message)


RULES = (
    Rule("symbols-leaked", WARNING, symbols_leaked),
    Rule("symbols-unique", WARNING, symbols_unique),
    Rule("bundled-copy", NOTE, bundled_copy),
    Rule("build-string", WARNING, build_string),
)
