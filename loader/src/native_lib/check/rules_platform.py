"""Rules of single platforms, on a wheel's tags, and on sdists."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from native_lib.check.binary import INIT_FUNCTIONS
from native_lib.check.rule import ERROR, WARNING, Finding, Rule, WheelSet, some_of
from native_lib.check.system import interpreters_symbols

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.tags import Tag

    from native_lib.check.binary import Binary
    from native_lib.check.wheel import Wheel

    _Admitted = tuple[str, set[str], str]  # format, architectures, and C library

_RECORD = "native_library_source.json"
_SOURCES = Path(__file__).parents[1] / "support"
_MACOS_TAG = re.compile(r"macosx_(\d+)_(\d+)_(\w+)")
_MACOS_ARCHITECTURES = {"arm64": {"aarch64"}, "x86_64": {"x86_64"}, "i386": {"i686"}}
_MACOS_UNIVERSAL = {"universal2": {"aarch64", "x86_64"}, "intel": {"x86_64", "i686"}}
# Names that tools export by themselves: C++'s of types, which it compares by address; libstdc++'s, of which
# manylinux' GCC links a part statically; linkers' of sections; OpenMP's; Cython's; PyO3's; and nanobind's
# exceptions.
_STD = r"_Z(?:Z|GTt|GV|TV|TT)*N?K?(?:S[tabsiod]|9__gnu_cxx|11__gnu_debug|10__cxxabiv1)"
_OTHERS = r"__cxa_|__start_|__stop_|\.gomp_critical_user_|__[pP]yx_|PYO3_INTROSPECTION_|_Z(?:TV)?NK?8nanobind"
_TOOLS_OWN = re.compile(rf"_ZT[IS]|{_STD}|{_OTHERS}")
_WINDOWS_TAGS = {"win_amd64": "x86_64", "win_arm64": "aarch64", "win32": "i686"}


def anchor_missing(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for library, binary in wheel.made_libraries:
            if binary.format != "ELF" or not _is_for_musl(wheel, binary):
                continue
            # A library that NEEDs itself is its own anchor.
            anchors = [binary, *(b for b in wheel.binaries if b.path == library.anchor)]
            # In a wheel written by hand, any file may be the anchor: for example an extension module.
            is_found = wheel.is_by_hand and wheel.finds(binary)
            if not is_found and not any(anchor.finds(binary) for anchor in anchors):
                value = library.anchor or "no anchor"
                yield Finding(
                    *(wheel.path.name, binary.path, value),
                    f"{value}: on musl no consumer finds {binary.runtime_name}, because no file "
                    "NEEDs it and finds it by RUNPATH $ORIGIN",
                )


def _is_for_musl(wheel: Wheel, binary: Binary) -> bool:
    if binary.libc:
        return binary.libc == "musl"
    return any(tag.platform.startswith("musllinux") for tag in wheel.tags)


def unsigned(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        # An app for iOS is signed as a whole, when it is built.
        if all(tag.platform.startswith("ios_") for tag in wheel.tags):
            continue
        for binary in wheel.binaries:
            is_arm64 = (binary.format, binary.architecture) == ("Mach-O", "aarch64")
            if is_arm64 and not binary.is_signed:
                message = (
                    "arm64 without a signature, not even an ad hoc one: macOS refuses to load it"
                )
                yield Finding(wheel.path.name, binary.path, "arm64", message)


def symbols_interposed(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for _, binary in wheel.made_libraries:
            held = sorted({e.name for e in binary.exports} & interpreters_symbols())
            if binary.format == "ELF" and held:
                yield Finding(
                    *(wheel.path.name, binary.path, held[0]),
                    f"exports {some_of(held)}, which some interpreters have in their global scope: "
                    "there, calls go to the interpreter's copy",
                )


def extension_exports(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for binary in wheel.binaries:
            # On Windows an export serves only importers that name this file.
            if not binary.is_extension_module or binary.format == "PE":
                continue
            more = sorted(
                export.name
                for export in binary.own_exports
                if not (
                    export.is_weak
                    or export.name.startswith(INIT_FUNCTIONS)
                    or _TOOLS_OWN.match(export.name)
                )
            )
            if more:
                message = f"exports more than its init function: {some_of(more)}"
                yield Finding(wheel.path.name, binary.path, more[0], message)


def executable_stack(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for binary in wheel.binaries:
            if binary.has_executable_stack:
                message = (
                    "requires an executable stack, or does not say: glibc 2.41 refuses to load it"
                )
                yield Finding(wheel.path.name, binary.path, "PT_GNU_STACK", message)


def text_relocations(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for binary in wheel.binaries:
            if binary.has_text_relocations:
                message = (
                    "DT_TEXTREL: the loader writes into its code, so processes cannot share it"
                )
                yield Finding(wheel.path.name, binary.path, "DT_TEXTREL", message)


def tag_platform(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        platforms = sorted({tag.platform for tag in wheel.tags})
        admitted = [admitted_by(platform) for platform in platforms]
        if not platforms or None in admitted:
            continue
        for binary in wheel.binaries:
            # Installers contain launchers for every Windows architecture.
            if binary.leaf.endswith(".exe"):
                continue
            if not _fits_one(binary, admitted) and not _is_chosen(wheel, binary, admitted):
                yield Finding(
                    *(wheel.path.name, binary.path, binary.platform),
                    f"is for {binary.platform}, the wheel's tag for {', '.join(platforms)}",
                )


_ANY: _Admitted = ("", set(), "")


def admitted_by(platform: str) -> _Admitted | None:
    """Return format, architectures and C library of a platform tag; None if it is unknown."""
    macos = _MACOS_TAG.fullmatch(platform)
    if macos:
        known = {**_MACOS_ARCHITECTURES, **_MACOS_UNIVERSAL}
        return ("Mach-O", known[macos[3]], "") if macos[3] in known else None
    if platform in _WINDOWS_TAGS:
        return "PE", {_WINDOWS_TAGS[platform]}, ""
    linux = re.fullmatch(r"(manylinux|musllinux|linux)\w*?_(x86_64|i686|[a-z]+[0-9]+\w*)", platform)
    if linux:
        return "ELF", {linux[2]}, {"manylinux": "glibc", "musllinux": "musl"}.get(linux[1], "")
    return _ANY if platform == "any" else None


def _fits_one(binary: Binary, admitted: list[_Admitted | None]) -> bool:
    return any(fits(binary, tag) for tag in admitted if tag is not None)


def _is_chosen(wheel: Wheel, binary: Binary, admitted: list[_Admitted | None]) -> bool:
    """Tell whether a library is one of several for different machines, of which programs choose one.

    In a wheel for any platform, the others are for other machines; else one beside it fits the tag.
    """
    if binary.is_extension_module:
        return False
    parent = PurePosixPath(binary.folder).parent
    return any(
        (other.format, other.architecture) != (binary.format, binary.architecture)
        and (
            _ANY in admitted
            or (
                PurePosixPath(other.folder).parent == parent
                and not other.is_extension_module
                and _fits_one(other, admitted)
            )
        )
        for other in wheel.binaries
    )


def fits(binary: Binary, admitted: _Admitted) -> bool:
    format, architectures, libc = admitted
    if binary.architecture == "unknown":
        return binary.format == format
    return (
        binary.format == format
        and binary.architecture in architectures
        and (not libc or binary.libc in ("", libc))
    )


def minimum_os(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        said = [m for m in (_MACOS_TAG.fullmatch(t.platform) for t in wheel.tags) if m]
        if not said:
            continue
        oldest = min((int(m[1]), int(m[2])) for m in said)
        for binary in wheel.binaries:
            # arm64 exists since 11.0, so a universal wheel's tag may be older.
            floor = max(oldest, (11, 0)) if binary.architecture == "aarch64" else oldest
            if binary.format == "Mach-O" and binary.minimum_os[:2] > floor:
                least = ".".join(map(str, binary.minimum_os[:2]))
                yield Finding(
                    *(wheel.path.name, binary.path, least),
                    f"is for macOS {least} and later, the wheel's tag for "
                    f"{floor[0]}.{floor[1]} and later",
                )


def tag_python(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        tied = sorted({tag.interpreter for tag in wheel.tags if _is_tied(tag)})
        if tied and wheel.binaries and not any(binary.uses_python for binary in wheel.binaries):
            yield Finding(
                *(wheel.path.name, "", ".".join(tied)),
                f"the tag {'.'.join(tied)} ties it to a Python, but nothing in it uses Python",
            )


def _is_tied(tag: Tag) -> bool:
    return not tag.interpreter.startswith("py")


def loader_differs(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for name, content in wheel.vendored.items():
            current = _SOURCES / PurePosixPath(name).name.lstrip("_")
            # Version control may change line endings.
            if content.splitlines() != current.read_bytes().splitlines():
                message = "differs from the file of this native-lib: it is older, or was modified"
                yield Finding(wheel.path.name, name, name, message)


def sdist_without_upstream(wheels: WheelSet) -> Iterator[Finding]:
    for sdist in wheels.sdists:
        for source in sdist.files:
            if PurePosixPath(source).name != "source.toml" or "upstream/" in source:
                continue
            folder = source.removesuffix("source.toml")
            ours = (f"{folder}native-lib/fetch_source.py", f"{folder}fetch_source.py")
            is_ours = not sdist.files.isdisjoint(ours)
            upstream = f"{folder}upstream/"
            record = f"{upstream}{_RECORD}"  # describes the sources, and is none
            if is_ours and not any(f.startswith(upstream) and f != record for f in sdist.files):
                message = f"has {source} and no sources in {upstream}: it cannot be built offline"
                yield Finding(sdist.path.name, source, upstream, message)


RULES = (
    Rule("anchor-missing", ERROR, anchor_missing),
    Rule("unsigned", ERROR, unsigned),
    Rule("symbols-interposed", WARNING, symbols_interposed),
    Rule("extension-exports", WARNING, extension_exports),
    Rule("executable-stack", ERROR, executable_stack),
    Rule("text-relocations", WARNING, text_relocations),
    Rule("tag-platform", ERROR, tag_platform),
    Rule("minimum-os", WARNING, minimum_os),
    Rule("tag-python", WARNING, tag_python),
    Rule("loader-differs", WARNING, loader_differs),
    Rule("sdist-without-upstream", ERROR, sdist_without_upstream),
)
