"""What an interpreter has already loaded before a provider's loader opens anything."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from native_lib.check.binary import CorruptBinaryError
from native_lib.check.elf import soname_of

if TYPE_CHECKING:
    from collections.abc import Iterable


# In a fresh process: what this command itself imports (zlib, with the system's library) is no conflict.
_ASK = """
import sys
if sys.platform == "linux":
    with open("/proc/self/maps", "rb") as maps:
        lines = [line.split(None, 5)[5:] for line in maps]
    names = [fields[0].strip() for fields in lines if fields]
else:
    import ctypes
    system = ctypes.CDLL(None)
    system._dyld_get_image_name.restype = ctypes.c_char_p
    names = [system._dyld_get_image_name(n) or b"" for n in range(system._dyld_image_count())]
sys.stdout.buffer.write(b"\\0".join(names))
"""


@lru_cache
def loaded_files() -> tuple[str, ...]:
    """Return the libraries that an interpreter has when it starts, where the system lists them."""
    if sys.platform not in ("linux", "darwin"):
        return ()
    flags = ["-I"] if sys.flags.isolated else []
    done = subprocess.run([sys.executable, *flags, "-c", _ASK], capture_output=True, check=False)
    paths = (os.fsdecode(name) for name in done.stdout.split(b"\0"))
    return tuple(dict.fromkeys(path for path in paths if path.startswith("/")))


@lru_cache
def loaded_names() -> dict[str, str]:
    """Return those libraries by their run-time names."""
    return {name_of(file): file for file in loaded_files()}


def name_of(file: str) -> str:
    """Return the run-time name of a loaded file: on Linux its SONAME, if any."""
    try:
        with Path(file).open("rb") as opened:
            if opened.read(4) == b"\x7fELF":
                with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    return soname_of(content) or PurePath(file).name
    except (OSError, ValueError, CorruptBinaryError):
        pass
    return PurePath(file).name


def files_of_symbols(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the files that define these symbols in this process's global scope, and which ones.

    Only ELF has such a scope.
    """
    if sys.platform != "linux":
        return {}
    import ctypes

    process = ctypes.CDLL(None)
    process.dlsym.restype = ctypes.c_void_p
    process.dlsym.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
    process.dladdr.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    found: dict[str, list[str]] = {}
    for name in names:
        address = process.dlsym(process._handle, os.fsencode(name))
        if address:
            facts = (ctypes.c_void_p * 4)()  # Dl_info: file name, base, symbol name, address
            process.dladdr(address, facts)
            file = os.fsdecode(ctypes.cast(facts[0] or 0, ctypes.c_char_p).value or b"")
            # The program has the name that it was called by, which may be no path.
            found.setdefault(file if "/" in file else sys.executable, []).append(name)
    return found
