"""Rules on what a build left in the binaries: others' code, others' symbols, its own folders."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from native_lib.check.leaks import is_standard, leaked
from native_lib.check.links import is_bundled, libraries_of, looks_like, unmangled
from native_lib.check.rule import NOTE, WARNING, Finding, Rule, WheelSet, some_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from native_lib.check.binary import Binary
    from native_lib.check.wheel import Wheel


def symbols_leaked(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for library, binary in wheel.libraries:
            of: defaultdict[str, list[str]] = defaultdict(list)
            for name, known in leaked(wheel, library, binary.own_exports).items():
                of[known].append(name)
            for known in sorted(of.keys() - {"the C++ library", "no header"}):
                names = sorted(of[known])
                message = f"exports names of {known}, which is in it as a static copy: "
                yield Finding(wheel.path.name, binary.path, names[0], message + some_of(names))


def symbols_unique(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for _, binary in wheel.libraries:
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
                for name in libraries_of(unmangled(binary.leaf)):
                    copies[name].append((wheel, binary))
    for name, twins in copies.items():
        wheel, binary = twins[0]
        for other, twin in twins[1:]:
            names = sorted({*_unique(binary)} & {*_unique(twin)})
            if names and other.distribution != wheel.distribution and binary.fits(twin):
                message = (
                    f"and {twin.path} of {other.distribution} are two copies of {name} that share "
                    f"{some_of(names)} (STB_GNU_UNIQUE)"
                )
                yield Finding(wheel.path.name, binary.path, names[0], message)


def _unique(binary: Binary) -> list[str]:
    """Return the symbols that glibc has once in a process, except the C++ library's."""
    names = {each.name for each in binary.own_exports if each.is_unique}
    return sorted(name for name in names if not is_standard(name))


def bundled_copy(wheels: WheelSet) -> Iterator[Finding]:
    providers = [each for each in wheels.wheels if each.manifests]
    for wheel in wheels.wheels:
        for provider in providers:
            # `library-copied` looks at the wheels that use it.
            if provider.distribution == wheel.distribution or wheel.uses(provider.distribution):
                continue
            for path in dict.fromkeys(binary.path for binary in wheel.binaries):
                names = [lib.name for lib, _ in provider.libraries if looks_like(path, lib)]
                if names:
                    message = (
                        f"looks like a copy of {names[0]}, which {provider.distribution} ships"
                    )
                    yield Finding(wheel.path.name, path, PurePosixPath(path).name, message)


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
