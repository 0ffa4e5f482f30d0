"""Rules on what a wheel's platform tags promise: every tag of several, to every binary."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from native_lib.check.rule import ERROR, Finding, Rule, WheelSet
from native_lib.check.rules_platform import admitted_by, fits
from native_lib.check.system import NEVER, is_system_library, manylinux_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from native_lib.check.binary import Binary
    from native_lib.check.wheel import Wheel

_MANYLINUX = re.compile(r"manylinux(?:(1|2010|2014)|_2_(\d+))_(\w+)")
_OLD_NAMES = {"1": 5, "2010": 12, "2014": 17}
# In the names of files of which a wheel has one for each architecture.
_ARCHITECTURE = re.compile(r"aarch64|arm64|amd64|x86_64|x64", re.IGNORECASE)
# In the names of files of which a wheel has one for each C library.
_LIBC = re.compile(r"[-_]?(?:linux[-_]?)?(?:manylinux|musllinux|glibc|gnu|musl)\w*", re.IGNORECASE)


def tag_versions(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        tags = sorted({tag.platform for tag in wheel.tags})
        promises = [
            (int(found[2] or _OLD_NAMES[found[1]]), found[3], found[0])
            for found in map(_MANYLINUX.fullmatch, tags)
            if found
        ]
        for binary in wheel.binaries:
            # The oldest system that a tag admits has the fewest versions.
            promise = min((p for p in promises if p[1] == binary.architecture), default=None)
            if promise is None or binary.format != "ELF":
                continue
            needs = sorted(
                (least, library, version)
                for library, version in binary.needed_versions
                if is_system_library(library, binary)
                and (least := manylinux_with(version, binary.architecture, promise[0]))
                and not _has(wheel, binary, library)
            )
            if needs:
                least, library, version = needs[-1]
                yield Finding(
                    *(wheel.path.name, binary.path, version),
                    f"needs {version} of {library}, which not every system has that the tag "
                    f"{promise[2]} promises: {_advice(least)}",
                )


def _has(wheel: Wheel, user: Binary, library: str) -> bool:
    """Tell whether a wheel brings a library itself."""
    return any(library in (b.leaf, b.runtime_name) and b.fits(user) for b in wheel.binaries)


def _advice(least: int) -> str:
    return "it is glibc's own" if least == NEVER else f"manylinux_2_{least} is the first"


def tag_libc(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        platforms = sorted({tag.platform for tag in wheel.tags})
        admitted = [tag for tag in map(admitted_by, platforms) if tag]
        for platform in platforms:
            _, architectures, libc = admitted_by(platform) or ("", set(), "")
            for binary in wheel.binaries if libc else ():
                is_other = binary.libc not in ("", libc) and binary.architecture in architectures
                # With nothing that any tag admits, it is `tag-platform`'s.
                if (
                    is_other
                    and any(fits(binary, tag) for tag in admitted)
                    and not _is_left_alone(wheel, binary, libc)
                ):
                    yield Finding(
                        *(wheel.path.name, binary.path, platform),
                        f"is for {binary.libc}, and the wheel's tag {platform} promises {libc}",
                    )


def _is_left_alone(wheel: Wheel, binary: Binary, libc: str) -> bool:
    """Tell whether systems with this C library do without a file for another.

    Only files for the other load it, or there is the same for this one.
    """
    fitting = [b for b in wheel.binaries if b.architecture == binary.architecture]
    users = [b for b in fitting if binary.leaf in b.needed and b is not binary]
    if users:
        return all(user.libc == binary.libc for user in users)
    return any(b.libc == libc and _in_any_libc(b) == _in_any_libc(binary) for b in fitting)


def _in_any_libc(binary: Binary) -> str:
    """Return a file's name without what is in it for a C library: a word, or CPython's suffix."""
    return _LIBC.sub("", binary.leaf.partition(".")[0])


def tag_architecture(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        promised: dict[str, set[str]] = {}
        for format, architectures, _ in filter(None, (admitted_by(t.platform) for t in wheel.tags)):
            # No macOS that runs today's Pythons runs programs for i386.
            wanted = architectures - {"i686"} if format == "Mach-O" else architectures
            promised.setdefault(format, set()).update(wanted)
        there: dict[tuple[str, str], list[Binary]] = {}
        for binary in wheel.binaries:
            there.setdefault((binary.format, _in_place_of(binary)), []).append(binary)
        for (format, _), binaries in there.items():
            wanted, found = promised.get(format, set()), {b.architecture for b in binaries}
            # With nothing that the tag admits, it is `tag-platform`'s.
            if wanted & found and not wanted <= found:
                lacking = ", ".join(sorted(wanted - found))
                where = binaries[0].path if format == "Mach-O" else ""
                yield Finding(
                    *(wheel.path.name, where, lacking),
                    f"has nothing for {lacking}, which the wheel's tag promises",
                )


def _in_place_of(binary: Binary) -> str:
    """Return what files have in common of which a process loads one.

    A macOS wheel has one file for all architectures, or files with the architecture in their
    names; other systems' wheels have files that cannot be told apart.
    """
    return _ARCHITECTURE.sub("*", binary.path) if binary.format == "Mach-O" else ""


RULES = (
    Rule("tag-versions", ERROR, tag_versions),
    Rule("tag-libc", ERROR, tag_libc),
    Rule("tag-architecture", ERROR, tag_architecture),
)
