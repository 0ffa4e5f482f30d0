"""Rules on paths that exist only on the machine that built the wheel."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from native_lib.check.rule import ERROR, WARNING, Finding, Rule, WheelSet
from native_lib.check.system import is_always_loaded
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
# CMake finds a package by this file, in a folder that has the package's name or is named cmake.
_PACKAGE = re.compile(r"(?:.*/)?([^/]+)/([^/]+?)(?:Config|-config)\.cmake")
_BRACKET_COMMENT = re.compile(r"#\[(=*)\[.*?\]\1\]", re.DOTALL)
_SYSTEMS = (
    *("/usr/include", "/usr/lib", "/System/", "/lib/", "/lib64/"),
    # Vendors' installers put libraries here that others look for.
    *("/opt/rocm", "/opt/intel", "/usr/local/cuda"),
)


def rpath_absolute(wheels: WheelSet) -> Iterator[Finding]:
    for wheel, binary, path, is_searched in _search_paths(wheels):
        if is_searched and _is_absolute(binary, path):
            yield Finding(
                *(wheel.path.name, binary.path, path),
                f"{_told(binary, path)} is a folder of the machine, not of the wheel",
            )


def rpath_idle(wheels: WheelSet) -> Iterator[Finding]:
    for wheel, binary, path, is_searched in _search_paths(wheels):
        if not is_searched and (_is_absolute(binary, path) or _leads_out(binary, path)):
            is_out = _leads_out(binary, path)
            where = "is outside of site-packages" if is_out else "is a folder of the machine"
            yield Finding(
                *(wheel.path.name, binary.path, path),
                f"{_told(binary, path)} {where}; nothing is searched for there",
            )


def _told(binary: Binary, path: str) -> str:
    kind = "LC_RPATH" if binary.format == "Mach-O" else "RPATH or RUNPATH"
    return f"{kind} {path or '(empty: the current folder)'}"


def _search_paths(wheels: WheelSet) -> Iterator[tuple[Wheel, Binary, str, bool]]:
    """Yield all search paths, and whether the loader ever searches them."""
    for wheel in wheels.wheels:
        needed = (name for binary in wheel.binaries for name in binary.needed)
        is_needed = any(name.startswith("@rpath/") for name in needed)
        for binary in wheel.binaries:
            for path in binary.search_paths:
                is_searched = is_needed if binary.format == "Mach-O" else _searches(binary)
                yield wheel, binary, path, is_searched


def _searches(binary: Binary) -> bool:
    """Tell whether the loader looks for anything in an ELF file's search paths.

    Not if it needs what is loaded already, and opens nothing by itself: dlopen() looks there, too.
    """
    is_program = not (binary.is_library or binary.is_extension_module)
    opens = any(symbol.name.startswith("dlopen") for symbol in binary.imports)
    return is_program or opens or not all(map(is_always_loaded, binary.needed))


def _is_absolute(binary: Binary, path: str) -> bool:
    return _below_origin(binary, path) is None


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
    for wheel, binary, path, is_searched in _search_paths(wheels):
        if is_searched and _leads_out(binary, path):
            yield Finding(
                *(wheel.path.name, binary.path, path),
                f"RPATH {path} leads out of the folder that the wheel is installed in",
            )


def _leads_out(binary: Binary, path: str) -> bool:
    """Tell whether a search path begins in the file's folder and leads out of site-packages."""
    installed = root_of(binary.path)
    below = _below_origin(binary, path)
    # Where a wheel's other .data folders end up, only the installer knows.
    if below is None or re.match(r"[^/]+\.data/", installed):
        return False
    depth = len(PurePosixPath(installed).parts) - 1
    for part in PurePosixPath(below.lstrip("/")).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False


def build_folder(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for name, text in _of_packages(wheel):
            for line in _BRACKET_COMMENT.sub("", text).splitlines():
                code = line.partition("#")[0]
                paths = [found[1] for found in _ABSOLUTE.finditer(code)]
                if name.endswith(".pc") and (prefix := _PREFIX.match(code)):
                    paths = [prefix[1]]
                # A path with a variable in it is no folder of one machine.
                built = (
                    path for path in paths if not path.startswith(_SYSTEMS) and "$" not in path
                )
                path = next(built, None)
                if path:
                    yield Finding(
                        *(wheel.path.name, name, path),
                        f"has {path}, a folder of the machine that built it",
                    )
                    break


def _of_packages(wheel: Wheel) -> Iterator[tuple[str, str]]:
    """Yield the pkg-config files, and the CMake files that belong to a package.

    Other CMake files are modules. People write those, and Find modules too, with the folders in which
    some machines have what is looked for.
    """
    configs = (_PACKAGE.fullmatch(name) for name in wheel.texts)
    folders = tuple(
        f"{PurePosixPath(config[0]).parent}/"
        for config in configs
        if config and config[1].lower().startswith(("cmake", config[2].lower()))
    )
    for name, text in wheel.texts.items():
        is_find_module = PurePosixPath(name).name.startswith("Find")
        if name.endswith(".pc") or (name.startswith(folders) and not is_find_module):
            yield name, text


RULES = (
    Rule("rpath-absolute", ERROR, rpath_absolute),
    Rule("rpath-idle", WARNING, rpath_idle),
    Rule("duplicate-rpath", ERROR, duplicate_rpath),
    Rule("rpath-escapes", ERROR, rpath_escapes),
    Rule("build-folder", ERROR, build_folder),
)
