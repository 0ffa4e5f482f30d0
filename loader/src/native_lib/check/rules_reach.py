"""The rule on libraries of a wheel that its own files do not find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from native_lib.check.reach import is_for_same, lost_in
from native_lib.check.rule import ERROR, NOTE, WARNING, Finding, Rule, WheelSet
from native_lib.check.rules_platform import admitted_by, fits
from native_lib.check.system import is_system_library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from native_lib.check.binary import Binary
    from native_lib.check.reach import Lost
    from native_lib.check.wheel import Wheel


def own_library_unreached(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for lost in lost_in(wheel.binaries):
            if not _is_promised(wheel, lost.root):
                continue
            library = next((each for each in lost.of if is_for_same(each, lost.root)), None)
            # What is not there, no code can open.
            if library is None or not wheel.opens_libraries:
                yield from _finding(wheel, lost, library, wheels.not_given(wheel, lost.user))


def _is_promised(wheel: Wheel, root: Binary) -> bool:
    """Tell whether the wheel is installed where this file can be used."""
    admitted = filter(None, (admitted_by(tag.platform) for tag in wheel.tags))
    return any(not tag[0] or fits(root, tag) for tag in admitted)


def _finding(wheel: Wheel, lost: Lost, library: Binary | None, absent: str) -> Iterator[Finding]:
    """Say what is wrong; `library` is what should have been found, if there is one."""
    severity = WARNING if absent else ""
    is_systems = is_system_library(lost.needed, lost.user, wheel.tags)
    # Elsewhere the interpreter itself has loaded it, or the name is a path to the system's.
    if is_systems and (library is None or lost.user.format != "ELF"):
        return
    if library is None:
        other = lost.of[0]
        message = (
            f"needs {lost.needed} for {lost.root.platform}: {other.path} is for {other.platform}"
        )
    elif lost.earlier:
        message = f"finds {library.path} only if {lost.earlier.path} was imported before"
        severity, absent = NOTE, ""
    elif is_systems:
        message = f"gets the system's {lost.needed}: the loader does not find {library.path}"
        severity, absent = WARNING, ""
    else:
        message = f"needs {lost.needed}: the loader does not look where {library.path} is"
        if lost.unfit:
            message += f", and finds {lost.unfit.path}, which is for {lost.unfit.platform}"
    if lost.root is not lost.user:
        message += f" (with {lost.root.path})"
    if absent:
        message += f"; {absent}"
    yield Finding(wheel.path.name, lost.user.path, lost.needed, message, severity)


RULES = (Rule("own-library-unreached", ERROR, own_library_unreached),)
