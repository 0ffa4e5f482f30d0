"""Import a module in a process of its own, and see how that ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Runs in a process of its own: an import may print, hang, or end it. What it says goes into a file, for
# stdout is the module's; under another name first, so that no half of it is read. Arguments: module,
# file, whether to open a provider's libraries, too, and where to look for modules.
_TRY = """
import sys
module, file, load, *path = sys.argv[1:]
del sys.argv[1:]
sys.path[:] = path
import importlib, json, os
said, me = {}, os.getpid()
try:
    imported = importlib.import_module(module)
    if load:
        imported.loader.load()
except BaseException as error:
    said = {
        "error": type(error).__name__,
        "is_loaders": isinstance(error, (ImportError, OSError, AttributeError)),
        "message": str(error),
        "name": str(getattr(error, "name", None) or ""),
    }
try:
    with open("/proc/self/maps", errors="surrogateescape") as maps:
        said["files"] = sorted({line.split(None, 5)[5].strip() for line in maps if "/" in line})
except OSError:
    pass
if os.getpid() != me:  # the module forked
    os._exit(0)
part = f"{file}.{me}"
with open(part, "w") as out:
    json.dump(said, out)
os.replace(part, file)
"""
_SECONDS = 120
_PAUSE = 0.02  # between two looks for the file
# The innermost line that is neither Python's own nor ctypes'.
_FRAME = r'^  File "((?!<)[^"]*(?<!ctypes/__init__\.py))", line (\d+)'


@dataclass(frozen=True)
class Attempt:
    """How an import ended.

    Attributes:
        module: what was imported.
        error: the exception's type; empty if there was none.
        message: its text, or what a process that ended printed last.
        missing: the module that was not found, if that was it.
        files: what the process had mapped then, where the system tells.
        status: with what the process ended, if it left nothing else.
        place: the file and line that were run then, where Python told.
        is_loaders: whether it is an error as loading a library raises them.
    """

    module: str
    error: str = ""
    message: str = ""
    missing: str = ""
    files: tuple[str, ...] = ()
    status: int | None = None
    place: str = ""
    is_loaders: bool = True


def try_import(module: str, *, load: bool = False) -> Attempt:
    """Import a module in another process; have its loader open its libraries, if told to.

    That process looks for modules where this one does, and counts as done when it has said how the
    import went: a thread or a process that the module started may go on for as long as it likes.
    """
    arguments = ["-X", "faulthandler", "-c", _TRY, module]
    path = [entry for entry in sys.path if isinstance(entry, str)]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as printed:
        file = Path(folder, "said.json")
        process = subprocess.Popen(
            [sys.executable, *_flags(), *arguments, str(file), "load" if load else "", *path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=printed,
            start_new_session=True,
        )
        try:
            status = _wait(process, file)
        finally:
            _end(process)
        if file.exists():
            return _attempt(module, json.loads(file.read_text("utf-8")))
        printed.seek(0)
        stderr = printed.read().decode("utf-8", "replace")
    # What faulthandler tells of a signal comes after what the module or a library printed.
    before, _, stack = stderr.partition("Fatal Python error: ")
    frame = re.search(_FRAME, stack, re.MULTILINE)
    place = " line ".join(frame.groups()) if frame else ""
    if status is None:
        return Attempt(module, "Timeout", f"not done after {_SECONDS} seconds", place=place)
    fatal = stack.partition("\n")[0]  # Python's own reason, or the signal's name
    last = "\n".join([*before.splitlines()[-3:], *([fatal] if ": " in fatal else [])])
    return Attempt(module, "Ended", last, status=status, place=place)


def _flags() -> list[str]:
    """Return what makes another Python start as this one did, as far as modules are concerned."""
    flags = {
        "-I": sys.flags.isolated,
        "-E": sys.flags.ignore_environment,
        "-s": sys.flags.no_user_site,
        "-S": sys.flags.no_site,
    }
    return [flag for flag, is_set in flags.items() if is_set]


def _wait(process: subprocess.Popen[bytes], file: Path) -> int | None:
    """Wait for the file, or for the end; return the process's status, if it ended."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and not file.exists():
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(_PAUSE)
    if sys.platform != "win32" and not file.exists():
        process.send_signal(signal.SIGABRT)  # it says where it is
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, and those that it left behind."""
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _attempt(module: str, said: dict[str, Any]) -> Attempt:
    files = tuple(said.get("files", ()))
    if "error" not in said:
        return Attempt(module, files=files)
    missing = said["name"] if said["error"] == "ModuleNotFoundError" else ""
    error, message, is_loaders = said["error"], said["message"], said["is_loaders"]
    return Attempt(module, error, message, missing, files, is_loaders=is_loaders)
