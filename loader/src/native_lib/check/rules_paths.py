"""Rules on paths that exist only on the machine that built the wheel."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from native_lib.check.rule import ERROR, WARNING, Finding, Rule, WheelSet
from native_lib.check.wheel import root_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from native_lib.check.binary import Binary
    from native_lib.check.wheel import Wheel

# Loaders replace these by the folder of the file that has the search path.
_ORIGINS = {
    "ELF": re.compile(r"^(?:\$ORIGIN|\$\{ORIGIN\})(?=/|$)"),
    "Mach-O": re.compile(r"^@loader_path(?=/|$)"),
}
_MACHO_PROGRAMS = re.compile(r"^@(?:loader|executable)_path(?=/|$)")
_ABSOLUTE = re.compile(
    # Also after -I and the like, and in generator expressions.
    r"(?:(?<![\w.$}{/:>*-])|(?<=[\s\"'=;]-[FIL])|-isystem|-iquote|\$<\w+:|>:|file://)"
    r"(/(?!/)[\w.+@~-]+/[^\s\"';)>]+|[A-Za-z]:[/\\][^\s\"';)>]+)"
)
# A single folder, in pkg-config's files only: elsewhere, /x may be a regular expression or anything.
# The system's own folders are no build folders: sysconfdir=/etc.
_PREFIX = re.compile(r"\s*\w+\s*=\s*(/(?!(?:usr|etc|var|run|tmp)/?\s*$)[\w.+@~-]+)/?\s*$")
_SYSTEMS = (
    *("/usr/include", "/usr/lib", "/System/", "/lib/", "/lib64/"),
    # Vendors' installers put libraries here that others look for.
    *("/opt/rocm", "/opt/intel", "/usr/local/cuda"),
)


def rpath_absolute(wheels: WheelSet) -> Iterator[Finding]:
    for wheel, binary, path, is_searched in _absolute(wheels):
        if is_searched:
            kind = "LC_RPATH" if binary.format == "Mach-O" else "RPATH or RUNPATH"
            yield Finding(
                *(wheel.path.name, binary.path, path),
                f"{kind} {path or '(empty: the current folder)'} is a folder of the "
                "machine, not of the wheel",
            )


def rpath_idle(wheels: WheelSet) -> Iterator[Finding]:
    for wheel, binary, path, is_searched in _absolute(wheels):
        if not is_searched:
            yield Finding(
                *(wheel.path.name, binary.path, path),
                f"LC_RPATH {path} is a folder of the machine; nothing is searched for there",
            )


def _absolute(wheels: WheelSet) -> Iterator[tuple[Wheel, Binary, str, bool]]:
    """Yield absolute search paths, and whether the loader ever searches them."""
    for wheel in wheels.wheels:
        needed = (name for binary in wheel.binaries for name in binary.needed)
        is_needed = any(name.startswith("@rpath/") for name in needed)
        for binary in wheel.binaries:
            for path in binary.search_paths:
                if _below_origin(binary, path) is None:
                    yield wheel, binary, path, is_needed or binary.format != "Mach-O"


def _below_origin(binary: Binary, path: str) -> str | None:
    """Return what follows the file's own folder in a search path; None if it begins elsewhere."""
    origin = _ORIGINS.get(binary.format)
    if binary.format == "Mach-O" and not (binary.is_library or binary.is_extension_module):
        origin = _MACHO_PROGRAMS
    found = origin.match(path) if origin else None
    return path[found.end() :] if found else None


def duplicate_rpath(wheels: WheelSet) -> Iterator[Finding]:
    # dyld's `Header::validSemanticsRPath` compares the texts.
    for wheel in wheels.wheels:
        for binary in wheel.binaries:
            if binary.format != "Mach-O":
                continue
            for path in dict.fromkeys(binary.rpath):
                if (times := binary.rpath.count(path)) > 1:
                    yield Finding(
                        *(wheel.path.name, binary.path, path),
                        f"has LC_RPATH {path} {times} times; macOS 15.4 refuses such files",
                    )


def rpath_escapes(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for binary in wheel.binaries:
            # Where a wheel's other .data folders end up, only the installer knows.
            installed = root_of(binary.path)
            if re.match(r"[^/]+\.data/", installed):
                continue
            for path in binary.search_paths:
                below = _below_origin(binary, path)
                if below is not None and _climbs_out(installed, below):
                    yield Finding(
                        *(wheel.path.name, binary.path, path),
                        f"RPATH {path} leads out of the folder that the wheel is installed in",
                    )


def _climbs_out(installed: str, path: str) -> bool:
    depth = len(PurePosixPath(installed).parts) - 1
    for part in PurePosixPath(path.lstrip("/")).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False


def build_folder(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for name, text in wheel.texts.items():
            for line in text.splitlines():
                code = line.partition("#")[0]
                paths = [found[1] for found in _ABSOLUTE.finditer(code)]
                if name.endswith(".pc") and (prefix := _PREFIX.match(code)):
                    paths = [prefix[1]]
                path = next((path for path in paths if not path.startswith(_SYSTEMS)), None)
                if path:
                    yield Finding(
                        *(wheel.path.name, name, path),
                        f"has {path}, a folder of the machine that built it",
                    )
                    break


RULES = (
    Rule("rpath-absolute", ERROR, rpath_absolute),
    Rule("rpath-idle", WARNING, rpath_idle),
    Rule("duplicate-rpath", ERROR, duplicate_rpath),
    Rule("rpath-escapes", ERROR, rpath_escapes),
    Rule("build-folder", ERROR, build_folder),
)
