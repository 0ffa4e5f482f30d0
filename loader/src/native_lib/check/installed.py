"""Check what is installed in the environment of this Python, in place of wheels."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from native_lib.check.choose import ChoiceError
from native_lib.check.reach import lost_in
from native_lib.check.read import unknown_kind
from native_lib.check.records import is_code, opens_libraries
from native_lib.check.report import printable
from native_lib.check.rule import WheelSet
from native_lib.check.run import judge
from native_lib.check.wheel import Unread
from native_lib.doctor.installed import Unreadable, all_installed, wheels_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from native_lib.check.config import Config
    from native_lib.check.report import Report
    from native_lib.check.wheel import Wheel
    from native_lib.doctor.installed import Installed

# Their packages use libraries of the system or the conda environment, which is right for them.
_OTHER_INSTALLERS = ("conda", "debian", "rpm")


def check_installed(names: Sequence[str], config: Config) -> Report:
    """Check the distributions that are installed here, all of them together.

    Args:
        names: what is reported; by default all that conda or the system did not install.
        config: which rules run, and what does not count.

    Raises:
        ChoiceError: one of the names is not installed.
    """
    there, _ = all_installed()
    asked = [canonicalize_name(name) for name in names]
    for name in asked:
        if name not in there:
            raise ChoiceError(f"{name} is not installed here")
    wheels: list[Wheel] = []
    unusable: list[tuple[Path, str]] = []
    for each in there.values():
        if each.binaries:
            unreadable: list[Unreadable] = []
            wheels += (_whole(each, wheel, unreadable) for wheel in wheels_of([each], unreadable))
            if is_reported(each, asked):
                unusable += (
                    (lost.file, printable(lost.reason))
                    for lost in unreadable
                    if lost.file == each.info
                )
    reported = [wheel for wheel in wheels if is_reported(there[wheel.distribution], asked)]
    checked = tuple(wheel.path for wheel in reported)
    together = WheelSet(tuple(wheels), is_complete=True)
    return judge(together, config, checked, tuple(unusable))


def is_reported(each: Installed, asked: Sequence[str]) -> bool:
    """Tell whether findings in a distribution are reported."""
    if asked:
        return each.name in asked
    try:
        installer = (each.info / "INSTALLER").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return True
    return installer not in _OTHER_INSTALLERS


def _whole(each: Installed, wheel: Wheel, unreadable: Sequence[Unreadable]) -> Wheel:
    """Add to a wheel what doctor does not look at."""
    unnamed = (b.path for b in wheel.binaries if b.format == "PE" or not b.runtime_name)
    return replace(
        wheel,
        digests={path: _digest(each.root / path) for path in dict.fromkeys(unnamed)},
        texts={
            file: _text(each.root / file) for file in each.files if file.endswith((".cmake", ".pc"))
        },
        opens_libraries=bool(lost_in(wheel.binaries))
        and any(opens_libraries(_bytes(each.root / file)) for file in each.files if is_code(file)),
        unread=(
            *(
                Unread(lost.file.relative_to(each.root).as_posix(), lost.reason, is_corrupt=True)
                for lost in unreadable
                if lost.file != each.info
            ),
            *(
                Unread(file, kind, is_corrupt=False)
                for file in each.binaries
                if (kind := unknown_kind(file, _head(each.root / file)))
            ),
        ),
    )


def _head(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(8)
    except OSError:
        return b""


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return str(file)


def _text(file: Path) -> str:
    return _bytes(file).decode("utf-8", "replace")


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
