"""Import a module in a process of its own, and see how that ends."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from native_lib.doctor.process import files_of_symbols

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Runs in a process of its own: an import may print, hang, or end it. The result goes into a file, since
# the module may use stdout; under another name first, so that no half of it is read. Arguments: the
# module, the file, whether to open a provider's libraries too, and sys.path. The file has the symbols
# that are to be looked for afterwards, when ctypes can do no harm any more.
_TRY = (
    f"""
from __future__ import annotations
import os, sys
{inspect.getsource(files_of_symbols)}"""
    + """
module, file, load, *path = sys.argv[1:]
del sys.argv[1:]
sys.path[:] = path
import importlib, json
said, me = {}, os.getpid()
with open(file + ".symbols", encoding="utf-8") as symbols:
    symbols = json.load(symbols)
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
if symbols and not said.get("error"):
    said["scope"] = files_of_symbols(symbols)
if os.getpid() != me:  # the module forked
    os._exit(0)
part = f"{file}.{me}"
with open(part, "w") as out:
    json.dump(said, out)
os.replace(part, file)
"""
)
_SECONDS = 120
_PAUSE = 0.02  # between two checks for the file
# The innermost frame that is neither Python's own nor ctypes'.
_FRAME = r'^  File "((?!<)[^"]*(?<!ctypes/__init__\.py))", line (\d+)'


@dataclass(frozen=True)
class Attempt:
    """How an import ended.

    Attributes:
        module: what was imported.
        error: the exception's type; empty if there was none.
        message: its text, or the last lines that the process printed before it ended.
        missing: the module that was not found, if that was the error.
        files: the files that the process had mapped, where the system lists them.
        scope: the files that defined symbols in its global scope, and which of those asked for.
        status: the exit status, if the process ended without a result.
        place: the file and line that it was running then, if Python printed them.
        is_loaders: whether loading a library can raise this kind of error.
    """

    module: str
    error: str = ""
    message: str = ""
    missing: str = ""
    files: tuple[str, ...] = ()
    status: int | None = None
    place: str = ""
    is_loaders: bool = True
    scope: Mapping[str, Sequence[str]] = field(default_factory=dict)


def try_import(module: str, *, load: bool = False, symbols: Sequence[str] = ()) -> Attempt:
    """Import a module in another process; with `load`, have its loader open its libraries.

    Args:
        module: its name.
        load: whether it is a provider whose loader is to open its libraries.
        symbols: what to look for afterwards in the process's global scope.

    That process looks for modules where this one does. It counts as done when it has reported how the
    import went, even if the module started threads or processes that still run.
    """
    arguments = ["-X", "faulthandler", "-c", _TRY, module]
    path = [entry for entry in sys.path if isinstance(entry, str)]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as printed:
        file = Path(folder, "said.json")
        Path(f"{file}.symbols").write_text(json.dumps(list(symbols)), encoding="utf-8")
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
    # faulthandler's report of a signal comes after what the module or a library printed.
    before, _, stack = stderr.partition("Fatal Python error: ")
    frame = re.search(_FRAME, stack, re.MULTILINE)
    place = " line ".join(frame.groups()) if frame else ""
    if status is None:
        return Attempt(module, "Timeout", f"not done after {_SECONDS} seconds", place=place)
    fatal = stack.partition("\n")[0]  # Python's own reason, or the signal's name
    last = "\n".join([*before.splitlines()[-3:], *([fatal] if ": " in fatal else [])])
    return Attempt(module, "Ended", last, status=status, place=place)


def _flags() -> list[str]:
    """Return the flags that make another Python find modules as this one does."""
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
        process.send_signal(signal.SIGABRT)  # faulthandler prints where it is
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, and those that it started."""
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _attempt(module: str, said: dict[str, Any]) -> Attempt:
    files = tuple(said.get("files", ()))
    if "error" not in said:
        return Attempt(module, files=files, scope=said.get("scope", {}))
    missing = said["name"] if said["error"] == "ModuleNotFoundError" else ""
    error, message, is_loaders = said["error"], said["message"], said["is_loaders"]
    return Attempt(module, error, message, missing, files, is_loaders=is_loaders)
