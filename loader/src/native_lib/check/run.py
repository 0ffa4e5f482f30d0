"""Check wheels and folders of wheels."""

from __future__ import annotations

import stat
import sys
from contextlib import closing, suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from packaging.utils import InvalidSdistFilename, parse_sdist_filename

from native_lib.check.apart import Apart
from native_lib.check.choose import is_selected, selected, unused, waiver_of
from native_lib.check.config import Config
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
ALL_RULES = Config()


def check(
    paths: Sequence[Path],
    read: Callable[[Path], Wheel] | None = None,
    config: Config = ALL_RULES,
) -> Report:
    """Check files together.

    Args:
        paths: wheels, sdists, and folders of them.
        read: reads a wheel, or raises UnusableError; by default in a separate process.
        config: which rules run, and what does not count.

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
                    wheels.append(read(path) if read else apart.read(path, keep_going=True))
            except UnusableError as error:
                unusable.append((path, printable(str(error))))
    together = WheelSet(tuple(wheels), tuple(sdists), config.is_complete)
    checked = (*(wheel.path for wheel in wheels), *(sdist.path for sdist in sdists))
    return judge(together, config, checked, tuple(unusable))


def judge(
    wheels: WheelSet,
    config: Config,
    checked: tuple[Path, ...],
    unusable: tuple[tuple[Path, str], ...] = (),
) -> Report:
    """Run the rules, and tell apart what counts.

    Args:
        wheels: what the rules look at.
        config: which of them run, and which findings do not count.
        checked: whose findings are reported.
        unusable: what could not be used, and why.
    """
    rules = selected(RULES, config.select)
    # Slices of a universal binary, or versions of a provider, may have the same findings.
    all_found = dict.fromkeys((rule, found) for rule in rules for found in rule.find(wheels))
    names = {path.name for path in checked}
    # A package that was not made here is given to answer for what others need.
    known = {wheel.path.name for wheel in wheels.wheels if wheel.known}
    names = names - known or names
    found = [
        (rule, finding)
        for rule, finding in all_found
        if finding.wheel in names and is_selected(rule, finding, config.select)
    ]
    waived = {each: waiver_of(*each, config.ignore) for each in found}
    return Report(
        checked=checked,
        findings=tuple(each for each, waiver in waived.items() if waiver is None),
        unusable=unusable,
        waived=tuple((*each, waiver) for each, waiver in waived.items() if waiver),
        unused=tuple(unused(config.ignore, rules, found)),
    )


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


def run(
    paths: Sequence[Path],
    format: str,
    required: Sequence[str] = (),
    config: Config = ALL_RULES,
) -> int:
    """Check files, report, and return the exit status."""
    report = check(paths, config=config)
    return tell(report, format, config, missing(report.checked, required))


def tell(report: Report, format: str, config: Config, lacking: Sequence[str] = ()) -> int:
    """Print a report, and return the exit status."""
    for path, reason in report.unusable:
        print(f"native-lib: {printable(str(path))}: {reason}", file=sys.stderr)
    FORMATS[format](report)
    for line in lacking:
        print(f"native-lib: {line}", file=sys.stderr)
    for choice in report.unused:
        line = f"native-lib: to be ignored, but not found: {choice}"
        print(printable(line), file=sys.stderr)
    if report.unusable:
        return 2
    fails = report.has_errors or (config.is_strict and report.has_warnings)
    return 1 if fails or lacking else 0
