"""Check wheels and folders of wheels."""

from __future__ import annotations

import stat
import sys
from contextlib import closing, suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from packaging.utils import InvalidSdistFilename, parse_sdist_filename

from native_lib.check.apart import Apart
from native_lib.check.report import FORMATS, Report, printable
from native_lib.check.rule import WheelSet
from native_lib.check.rules import RULES
from native_lib.check.sdist import Sdist, read_sdist
from native_lib.check.wheel import UnusableError, Wheel
from native_lib.file_names import parse_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_SDIST = ".tar.gz"


def check(paths: Sequence[Path], read: Callable[[Path], Wheel] | None = None) -> Report:
    """Check files together.

    Args:
        paths: wheels, sdists, and folders of them.
        read: reads a wheel, or raises UnusableError; by default in a separate process.

    Returns:
        What was found, and what could not be used.
    """
    wheels: list[Wheel] = []
    sdists: list[Sdist] = []
    unusable: list[tuple[Path, str]] = []
    with closing(Apart()) as apart:
        for path in dict.fromkeys(file for given in paths for file in _files(given)):
            try:
                _require_file(path)
                if path.name.endswith(_SDIST):
                    sdists.append(read_sdist(path))
                else:
                    wheels.append((read or apart.read)(path))
            except UnusableError as error:
                unusable.append((path, printable(str(error))))
    together = WheelSet(tuple(wheels), tuple(sdists))
    # Slices of a universal binary, or versions of a provider, may have the same findings.
    findings = dict.fromkeys((rule, found) for rule in RULES for found in rule.find(together))
    checked = (*(wheel.path for wheel in wheels), *(sdist.path for sdist in sdists))
    return Report(checked, tuple(findings), tuple(unusable))


def _files(given: Path) -> Iterator[Path]:
    """Return a folder's wheels and sdists; the path itself if it has none, or is no folder."""
    try:
        there = given.iterdir() if given.is_dir() else ()
        found = sorted(path for path in there if path.name.endswith((".whl", _SDIST)))
    except OSError:
        found = []  # `_require_file` says why
    yield from found or [given]


def _require_file(path: Path) -> None:
    """Raise an UnusableError unless a path is a regular file: reading a pipe would never end."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            next(path.iterdir(), None)
            raise UnusableError("no wheel in this folder")
    except OSError as error:
        raise UnusableError(f"cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise UnusableError("cannot be read: it is not a regular file")


def missing(files: Sequence[Path], required: Sequence[str]) -> list[str]:
    """Say which distributions lack a wheel for a platform, by the names of their wheels and sdists.

    Args:
        files: wheels, and sdists, of which those count that have a name as such files have it.
        required: platform tags, or patterns of them. A wheel for `any` serves for all.
    """
    platforms: dict[str, set[str]] = {}
    for file in files:
        if file.name.endswith(_SDIST):
            with suppress(InvalidSdistFilename):
                platforms.setdefault(parse_sdist_filename(file.name)[0], set())
        else:
            name, _, tags = parse_wheel(file.name)
            platforms.setdefault(name, set()).update(tag.platform for tag in tags)
    return [
        f"no wheel of {name} for {pattern}"
        for name, there in sorted(platforms.items())
        for pattern in required
        if not any(tag == "any" or fnmatchcase(tag, pattern) for tag in there)
    ]


def run(paths: Sequence[Path], format: str, required: Sequence[str] = ()) -> int:
    """Check, report, and return the exit status."""
    report = check(paths)
    lacking = missing(report.checked, required)
    for path, reason in report.unusable:
        print(f"native-lib: {printable(str(path))}: {reason}", file=sys.stderr)
    FORMATS[format](report)
    for line in lacking:
        print(f"native-lib: {line}", file=sys.stderr)
    if report.unusable:
        return 2
    return 1 if report.has_errors or lacking else 0
