"""Read wheels in a separate process: a crash of the parser of binaries must not end the command.

A small wheel with ELF files only is read in this process: that parser is Python, and has limits.
"""

from __future__ import annotations

import struct
import sys
import zipfile
from typing import TYPE_CHECKING

from native_lib.check.read import read_binary
from native_lib.check.read_wheel import read_wheel
from native_lib.check.wheel import UnusableError, Wheel

if TYPE_CHECKING:
    import multiprocessing.process
    from multiprocessing.connection import Connection
    from pathlib import Path

    from native_lib.check.binary import Binary

# The largest wheels in use, over a gigabyte, need a tenth of this time.
_SECONDS = 600
# The interpreter, three copies of an unpacked file, and one more in the parser.
_MEMORY, _MEMORY_OF_SIZE = 2 << 30, 20
# Larger wheels (packed or unpacked) are read in the separate process, with a memory limit.
_SMALL, _SMALL_UNPACKED = 64 << 20, 256 << 20


class _NotElfError(Exception):
    """A wheel has a binary that only lief can read."""


class Apart:
    """A process that reads wheels one after the other, and is replaced when a wheel crashes it."""

    def __init__(self) -> None:
        self._process: multiprocessing.process.BaseProcess | None = None

    def close(self) -> None:
        """End the process; the next wheel would start another."""
        self._end()

    def read(self, path: Path, *, keep_going: bool = False) -> Wheel:
        """Read a wheel; see `read_wheel`.

        Raises:
            UnusableError: as `read_wheel` does, and if reading crashes the process or takes too long.
        """
        if _is_small(path):
            try:
                return read_wheel(path, _read_elf, keep_going=keep_going)
            except _NotElfError:
                pass
        if self._process is None:
            self._start()
        try:
            self._pipe.send((path, keep_going))
            if not self._pipe.poll(_SECONDS):
                self._end()
                raise UnusableError(f"cannot be read: not done after {_SECONDS} seconds")
            result = self._pipe.recv()
        except (EOFError, OSError):
            raise UnusableError(f"cannot be read: the parser crashed ({self._end()})") from None
        if isinstance(result, UnusableError):
            raise result
        assert isinstance(result, Wheel)
        return result

    def _start(self) -> None:
        import multiprocessing  # slow to import, and most runs do not need it

        # A fork would copy locks that other threads hold, and Windows has no fork.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def _end(self) -> str:
        """End the process and say how it ended."""
        process, self._process = self._process, None
        if process is None:
            return ""
        self._pipe.close()
        process.join(0.5)
        process.kill()
        process.join()
        return f"exit status {process.exitcode}"


def _is_small(path: Path) -> bool:
    try:
        if path.stat().st_size > _SMALL:
            return False
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
            return size <= _SMALL_UNPACKED
    except (OSError, RuntimeError, ValueError, OverflowError, struct.error, zipfile.BadZipFile):
        return False  # reading says what is wrong


def _read_elf(path: str, content: bytes) -> tuple[Binary, ...]:
    if not content.startswith(b"\x7fELF"):
        raise _NotElfError
    return read_binary(path, content)


def _serve(pipe: Connection) -> None:
    """Read wheels until the other side closes the pipe."""
    while True:
        try:
            path, keep_going = pipe.recv()
        except EOFError:
            return
        try:
            _bound_memory(path)
            pipe.send(read_wheel(path, keep_going=keep_going))
        except UnusableError as error:
            pipe.send(error)
        except MemoryError:
            pipe.send(UnusableError("cannot be read: it requires more memory than the limit"))


def _bound_memory(path: Path) -> None:
    """Limit the memory of this process, where the system can."""
    if sys.platform == "linux":
        import resource

        try:
            size = path.stat().st_size
        except OSError:
            return  # reading says why
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        wanted = _MEMORY + _MEMORY_OF_SIZE * size
        if most == resource.RLIM_INFINITY or wanted < most:
            resource.setrlimit(resource.RLIMIT_AS, (wanted, most))
