"""Asks the operating system which libpng and which zlib this process uses, and whether they are one.

The providers' loaders say which files they opened. Everything else here is the system's own word:
which files it has mapped, and in which file the functions are that libpng and minipng call.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import _ext, _native_requires

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBPNG = "native_libpng"
ZLIB = "native_zlib"
# One function of each library, under the name that it has in the providers' builds.
LIBPNG_SYMBOL = "native_png_read_info"
ZLIB_SYMBOL = "z_crc32"


@dataclass(frozen=True)
class Library:
    """A library as its provider's loader and the operating system know it.

    Attributes:
        provider: the module that loaded it.
        path: the file that serves it, by the loader's word.
        origin: how the loader got it: ``wheel``, ``override``...
        mapped: the files of that file's name in this process; there is to be one.
    """

    provider: str
    path: str
    origin: str
    mapped: tuple[str, ...]


@dataclass(frozen=True)
class Use:
    """Which file has the function that a binary calls.

    Attributes:
        user: the binary that calls it.
        symbol: the function.
        promised: the provider whose file must have it.
        answer: the file that has it; empty if none does.
        is_global: whether it comes before all others, because it is in the global scope: the
            program's own libraries, LD_PRELOAD, and what was opened with RTLD_GLOBAL.
    """

    user: str
    symbol: str
    promised: str
    answer: str
    is_global: bool


@dataclass(frozen=True)
class Sharing:
    """What `examine` found.

    Attributes:
        versions: of libpng and zlib, as they say themselves, and of their headers at build time.
        libraries: what the providers loaded; empty if minipng was built for the system's libraries.
        uses: who calls whom.
        complaints: what is not as promised, a line for each.
    """

    versions: dict[str, str]
    libraries: tuple[Library, ...]
    uses: tuple[Use, ...]
    complaints: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """Say it, line by line."""
        versions = f"libpng {self.versions['libpng']}, zlib {self.versions['zlib']}"
        if not self.libraries and not self.complaints:
            yield f"minipng was built against the system's libraries, no wheel's: {versions}"
            return
        yield f"minipng runs with {versions}"
        for library in self.libraries:
            yield f"{library.provider}: {library.path} ({library.origin})"
            yield f"  files of that name in this process: {len(library.mapped)}"
        for use in self.uses:
            how = " (in the global scope)" if use.is_global else ""
            yield f"{Path(use.user).name} calls {use.symbol} of {use.answer or 'no file'}{how}"
        if not self.complaints:
            yield "shared: one libpng and one zlib, for libpng and minipng alike"


def examine() -> Sharing:
    """Look whether this process has one libpng and one zlib, and everybody uses them.

    Returns:
        What was found; as promised if there are no complaints.
    """
    versions = _ext.versions()
    needs = {need["provider"]: need["libraries"] for need in _native_requires.REQUIRES}
    if not needs:
        return Sharing(versions, (), (), ())
    missing = [name for name in (LIBPNG, ZLIB) if name not in needs]
    if missing:
        complaint = f"minipng was built without {' and '.join(missing)}, with {', '.join(needs)}"
        return Sharing(versions, (), (), (complaint,))
    libpng, zlib = (_library(name, needs[name]) for name in (LIBPNG, ZLIB))
    uses = (
        _use(_ext.__file__, LIBPNG_SYMBOL, libpng),
        _use(_ext.__file__, ZLIB_SYMBOL, zlib),
        _use(libpng.path, ZLIB_SYMBOL, zlib),
    )
    return Sharing(versions, (libpng, zlib), uses, tuple(_complaints((libpng, zlib), uses)))


def _library(provider: str, names: tuple[str, ...]) -> Library:
    (loaded,) = importlib.import_module(provider).loader.load(*names)
    name = os.path.normcase(Path(loaded.path).name)
    mapped = {path for path in _mapped_files() if os.path.normcase(Path(path).name) == name}
    return Library(provider, loaded.path, loaded.origin, tuple(sorted(mapped)))


def _use(user: str, symbol: str, library: Library) -> Use:
    in_global_scope = _who_answers_first(symbol)
    answer = in_global_scope or _who_answers(user, symbol, library.path)
    return Use(user, symbol, library.provider, answer, bool(in_global_scope))


def _complaints(libraries: tuple[Library, ...], uses: tuple[Use, ...]) -> Iterator[str]:
    files = {library.provider: library.path for library in libraries}
    for library in libraries:
        if len(library.mapped) != 1 or not _is_same(library.mapped[0], library.path):
            yield (
                f"{library.provider} loaded {library.path}, but mapped under that name is "
                f"{' and '.join(library.mapped) or 'no file'}"
            )
    for use in uses:
        if not _is_same(use.answer, files[use.promised]):
            how = " in the global scope" if use.is_global else ""
            yield (
                f"{use.user} is to call {use.symbol} of {files[use.promised]}, "
                f"but {use.answer or 'no file'} answers{how}"
            )


def _is_same(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except OSError:
        return False


# The operating system: the same functions on each side. ------------------------------------------

if sys.platform == "win32":  # by construction, not run

    def _kernel() -> ctypes.WinDLL:
        kernel = ctypes.WinDLL("kernel32")
        kernel.GetCurrentProcess.restype = ctypes.c_void_p
        kernel.GetModuleHandleW.restype = ctypes.c_void_p
        kernel.GetModuleHandleW.argtypes = [ctypes.c_wchar_p]
        kernel.GetModuleFileNameW.argtypes = [ctypes.c_void_p, ctypes.c_wchar_p, ctypes.c_uint32]
        kernel.K32EnumProcessModules.argtypes = [
            *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p)
        ]
        return kernel

    def _path_of(module: int | None) -> str:
        buffer = ctypes.create_unicode_buffer(32768)
        _kernel().GetModuleFileNameW(module, buffer, len(buffer))
        return buffer.value

    def _mapped_files() -> Iterator[str]:
        kernel = _kernel()
        modules = (ctypes.c_void_p * 4096)()
        needed = ctypes.c_uint32()
        kernel.K32EnumProcessModules(
            kernel.GetCurrentProcess(), modules, ctypes.sizeof(modules), ctypes.byref(needed)
        )
        count = needed.value // ctypes.sizeof(ctypes.c_void_p)
        return (_path_of(module) for module in modules[:count] if module)

    def _who_answers(user: str, symbol: str, library: str) -> str:
        """An import names its DLL, and gets the loaded module of that name."""
        module = _kernel().GetModuleHandleW(Path(library).name)
        return _path_of(module) if module else ""

    def _who_answers_first(symbol: str) -> str:
        return ""  # Windows has no global scope

else:

    def _who_answers(user: str, symbol: str, library: str) -> str:
        """Search as the loader does for a binary: in itself, then in what it needs."""
        try:
            return _file_with(ctypes.CDLL(user, mode=os.RTLD_NOLOAD), symbol)
        except OSError:  # it is not loaded
            return ""

    def _file_with(scope: ctypes.CDLL, symbol: str) -> str:
        try:
            address = ctypes.cast(scope[symbol], ctypes.c_void_p)
        except AttributeError:
            return ""
        facts = (ctypes.c_void_p * 4)()  # Dl_info: file name, base, symbol name, address
        if not ctypes.CDLL(None).dladdr(address, facts):
            return ""
        name = os.fsdecode(ctypes.cast(facts[0] or 0, ctypes.c_char_p).value or b"")
        return name if "/" in name else sys.executable  # the program is named as it was called

    if sys.platform == "darwin":  # by construction, not run

        def _mapped_files() -> Iterator[str]:
            process = ctypes.CDLL(None)
            process._dyld_get_image_name.restype = ctypes.c_char_p
            for number in range(process._dyld_image_count()):
                yield os.fsdecode(process._dyld_get_image_name(number))

        def _who_answers_first(symbol: str) -> str:
            return ""  # macOS binds to the library that was there at link time, in its namespace

    else:

        def _mapped_files() -> Iterator[str]:
            with Path("/proc/self/maps").open(encoding="utf-8", errors="surrogateescape") as maps:
                for line in maps:
                    fields = line.rstrip("\n").split(maxsplit=5)
                    if len(fields) == 6:
                        yield fields[5]

        def _who_answers_first(symbol: str) -> str:
            return _file_with(ctypes.CDLL(None), symbol)
