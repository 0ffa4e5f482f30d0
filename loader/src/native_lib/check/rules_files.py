"""Rules on files of which little is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from native_lib.check.read import is_named_as_library
from native_lib.check.rule import ERROR, NOTE, WARNING, Finding, Rule, WheelSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from native_lib.check.wheel import Unread

_NOTHING = "nothing in it was verified"


def unreadable(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for each in wheel.unread:
            yield Finding(wheel.path.name, each.file, each.reason, *_told(each))
        for binary in wheel.binaries:
            # Programs for a graphics card are data.
            if binary.architecture == "unknown" and is_named_as_library(binary.path):
                what = f"{binary.format} for a processor that native-lib does not know"
                message = f"is {what}: which libraries fit it was not verified"
                yield Finding(wheel.path.name, binary.path, what, message, NOTE)


def _told(each: Unread) -> tuple[str, str]:
    """Return the message and the severity."""
    if not each.is_corrupt:
        return f"is {each.reason}, which native-lib does not read: {_NOTHING}", NOTE
    # Others may be there to test what reads binaries.
    severity = ERROR if is_named_as_library(each.file) else WARNING
    return f"is corrupt: {each.reason}; {_NOTHING}", severity


RULES = (Rule("unreadable", ERROR, unreadable),)
