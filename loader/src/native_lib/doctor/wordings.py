"""What Python says of an extension module, and how processes end.

The messages of the operating systems' loaders, and what helps, are in `shared_lib_wordings.py`.
"""

from __future__ import annotations

import signal
import sys

WINDOWS, SOURCES, PYTHON = "Windows", "sources", "Python"
WORDINGS = (
    (PYTHON, r"does not define module export function \((?P<symbol>\w+)\)"),
    (PYTHON, r"Module use of (?P<symbol>python\w+\.dll) conflicts"),
    (
        SOURCES,
        r"from partially initialized module '(?P<module>[\w.]+)'[^\n]*\((?P<file>[^()\n]+)\)$",
    ),
    (WINDOWS, r"DLL load failed while importing (?P<by>\w+)"),
)

_TWICE = (
    "usually two copies of a library, a library with another ABI than the one that was compiled "
    "against, or symbols that another library defines too"
)
_CUT_OFF = "usually a truncated library file"
_NEWER_PROCESSOR = "usually a library that was built for a newer processor than this one"
_GAVE_UP = (
    "a library gave up, usually because of an exception between two C++ runtimes, or a failed check"
)
# How a process ends when native code fails: POSIX signals, and Windows' exit status.
SIGNALS: dict[int, tuple[str, str]] = {
    0xC0000005: ("access violation", _TWICE),
    0xC0000409: ("it stopped itself", _GAVE_UP),
    0xC000001D: ("illegal instruction", _NEWER_PROCESSOR),
    0xC0000006: ("in-page error", _CUT_OFF),
    -signal.SIGSEGV: ("SIGSEGV", _TWICE),
    -signal.SIGABRT: ("SIGABRT", _GAVE_UP),
    -signal.SIGILL: ("SIGILL", _NEWER_PROCESSOR),
    -signal.SIGFPE: ("SIGFPE", "a division by zero in native code"),
}
if sys.platform != "win32":
    SIGNALS |= {
        -signal.SIGBUS: ("SIGBUS", _CUT_OFF),
        -signal.SIGSYS: ("SIGSYS", "a sandbox forbids a system call"),
        -signal.SIGKILL: ("SIGKILL", "it was killed, usually by the out-of-memory killer"),
    }
