"""Rules on paths that are true on the machine that built the wheel, and on no other."""

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

# What loaders replace by the folder of the file that has the path.
_ORIGIN = re.compile(r"^(?:\$ORIGIN|\$\{ORIGIN\}|@loader_path|@executable_path|@rpath)(?=/|$)")
_ABSOLUTE = re.compile(
    r"(?:(?<![\w.$}{/:>*-])|(?<=[\s\"'=;]-[FIL]))"  # after -I and its like, too
    r"(?:/(?!/)[\w.+@~-]+/[^\s\"';)>]+|[A-Za-z]:[/\\][^\s\"';)]+)"
)
_SYSTEMS = (
    *("/usr/include", "/usr/lib", "/System/", "/lib/", "/lib64/"),
    # Where vendors' installers put what others look for.
    *("/opt/rocm", "/opt/intel", "/usr/local/cuda"),
)


def rpath_absolute(wheels: WheelSet) -> Iterator[Finding]:
    for wheel, binary, path in _absolute(wheels):
        if _is_searched(wheel, binary):
            kind = "LC_RPATH" if binary.format == "Mach-O" else "RPATH or RUNPATH"
            yield Finding(
                *(wheel.path.name, binary.path, path),
                f"{kind} {path or '(empty: the current folder)'} is a folder of the "
                "machine, not of the wheel",
            )


def rpath_idle(wheels: WheelSet) -> Iterator[Finding]:
    for wheel, binary, path in _absolute(wheels):
        if not _is_searched(wheel, binary):
            yield Finding(
                *(wheel.path.name, binary.path, path),
                f"LC_RPATH {path} is a folder of the machine; nothing is looked for there",
            )


def _absolute(wheels: WheelSet) -> Iterator[tuple[Wheel, Binary, str]]:
    for wheel in wheels.wheels:
        for binary in wheel.binaries:
            for path in binary.search_paths:
                if not _ORIGIN.match(path):
                    yield wheel, binary, path


def _is_searched(wheel: Wheel, binary: Binary) -> bool:
    """Tell whether the loader looks into a file's search paths, for it or for what it loads."""
    return binary.format != "Mach-O" or any(
        needed.startswith("@rpath/") for other in wheel.binaries for needed in other.needed
    )


def rpath_escapes(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for binary in wheel.binaries:
            # Other schemes of a wheel's .data go to folders that only the installer knows.
            installed = root_of(binary.path)
            if re.match(r"[^/]+\.data/", installed):
                continue
            for path in binary.search_paths:
                if _ORIGIN.match(path) and _climbs_out(installed, _ORIGIN.sub("", path)):
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
                paths = (found[0] for found in _ABSOLUTE.finditer(line.partition("#")[0]))
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
    Rule("rpath-escapes", ERROR, rpath_escapes),
    Rule("build-folder", ERROR, build_folder),
)
