# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the native-lib-template authors
# From native-lib-loader 0.2.0, https://github.com/org/native-lib-template
"""The provider's side: open a wheel's shared libraries before an extension module needs them.

Opened here by its absolute path, a library enters the operating system's list of loaded libraries,
and the system finds it there for extension modules: no search path or global symbol is involved.

`LibraryLoader._find` lists where a library may come from, `_open_checked` how it is opened. Nothing
is imported that a bare interpreter lacks, and ``..._explain`` for what is rare (freezers: below).
"""

import os
import sys
from _thread import RLock, get_ident

TYPE_CHECKING = False  # ``typing`` is not loaded in a bare interpreter
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType
    from typing import Any, Union

    from . import _shared_lib_explain  # type: ignore[attr-defined, unused-ignore] # noqa: F401

    _Path = Union[str, os.PathLike[str], None]
    _Requires = Union[Callable[[], object], None]
    LibraryConflictError = LibraryNotFoundError = NativeLibraryError = ImportError

__all__ = ["LibraryConflictError", "LibraryNotFoundError", "NativeLibraryError"]
__all__ += ["LibraryLoader", "LoadMode", "LoadedLibrary", "PlatformLibrary"]
MANIFEST_FORMAT = 1


class LoadMode:
    """How others see a library's symbols: ``GLOBAL`` is the last resort. No effect on Windows."""

    LOCAL = getattr(os, "RTLD_LOCAL", 0)
    GLOBAL = getattr(os, "RTLD_GLOBAL", 0)


class PlatformLibrary:
    """The file of one library on each operating system, for loaders written by hand.

    Args:
        Linux, Darwin, Windows: the path on that system, relative to the module's folder or absolute.
        default: the path on every other system, or a function that returns it.
    """

    def __init__(
        self,
        Linux: "_Path" = None,
        Darwin: "_Path" = None,
        Windows: "_Path" = None,
        default: "_Path | Callable[[], _Path]" = None,
    ) -> None:
        self._paths = {"linux": Linux, "darwin": Darwin, "win32": Windows}
        self._default = default

    def path(self) -> "str | None":
        """Return the path for the running system, or None where there is none."""
        path = self._paths.get(sys.platform) or self._default
        path = path() if callable(path) else path
        return os.fspath(path) if path else None


class LoadedLibrary:
    """What `LibraryLoader.load` did for one library.

    Attributes:
        name: the library's name in the manifest.
        path: the file that serves it, as far as the operating system tells.
        origin: ``wheel``, ``override`` (NATIVE_LIB_<NAME>_PATH), ``system`` or ``already-loaded``.
    """

    def __init__(self, name: str, path: str, origin: str) -> None:
        self.name, self.path, self.origin = name, path, origin

    def __repr__(self) -> str:
        return f"LoadedLibrary(name={self.name!r}, path={self.path!r}, origin={self.origin!r})"


class _Library:
    """One library that a provider ships, as its manifest describes it."""

    def __init__(self, name: str, folder: str, facts: "Mapping[str, Any]") -> None:
        self.name = name
        # `normpath` for the system's separator: Microsoft asks for backslashes in LoadLibraryEx.
        self.path = os.path.join(folder, os.path.normpath(facts["file"]))
        self.anchor = os.path.join(folder, facts["anchor"]) if facts.get("anchor") else ""
        self.runtime_name: str = facts["runtime_name"]
        self.probe_symbol: str = facts.get("probe_symbol", "")
        self.needs: tuple[str, ...] = facts.get("needs", ())
        # Whether the name belongs to one provider (``libfoo__foo``), not to the system.
        self.is_private = "__" in os.path.basename(self.runtime_name)
        # Its part of the environment variables' names: my-lib gives MY_LIB.
        self.tag = "".join(letter if letter.isalnum() else "_" for letter in name).upper()


class LibraryLoader:
    """Opens the shared libraries of one provider, each once in a process.

    Making a loader loads nothing: build back ends import providers while they build consumers.

    Args:
        libraries: a file for each library, by name, in the order in which they must be opened.
        mode: see `LoadMode`.
        requires: called before the first library is opened; loads what the provider requires.
        provider: how messages name the provider; the calling module's name if it is empty.
        version: the provider's version; consumers compare it with what they were built against.
        distribution: what pip calls the provider.

    Raises:
        NativeLibraryError: a library has no file for this operating system.
    """

    def __init__(
        self,
        libraries: "Mapping[str, PlatformLibrary]",
        mode: int = LoadMode.LOCAL,
        requires: "_Requires" = None,
        *,
        provider: str = "",
        version: str = "",
        distribution: str = "",
    ) -> None:
        caller = sys._getframe(1).f_globals
        self.provider = provider or caller.get("__name__", "")
        self.version, self._mode, self._requires = version, mode, requires
        self.distribution = distribution or self.provider.replace("_", "-")
        self._requiring: set[tuple[int, int]] = set()
        self._loaded: dict[str, LoadedLibrary] = {}
        self._handles: dict[str, int] = {}
        self._data_env: dict[str, str] = {}
        folder = os.path.dirname(os.path.abspath(caller.get("__file__") or "module"))
        self._libraries: dict[str, _Library] = {}
        for name, files in libraries.items():
            if not (path := files.path()):
                raise _explain().no_file(self, name)
            # Nobody wrote down which name consumers record, so it is the convention's.
            prefix = "@rpath/" if sys.platform == "darwin" else ""
            facts = {"file": path, "runtime_name": prefix + os.path.basename(path)}
            self._libraries[name] = _Library(name, folder, facts)

    @classmethod
    def from_manifest(
        cls, manifest: "ModuleType", mode: int = LoadMode.LOCAL, requires: "_Requires" = None
    ) -> "LibraryLoader":
        """Make the loader of the libraries that NativeLibrary.cmake wrote down.

        Args:
            manifest: the module ``_native_libs``; it lies next to the installed libraries.
            mode, requires: as for the class.

        Returns:
            A loader that has loaded nothing yet.

        Raises:
            NativeLibraryError: the manifest is in a newer format than this file understands.
        """
        if manifest.FORMAT > MANIFEST_FORMAT:
            raise _explain().newer_format(manifest, __file__, MANIFEST_FORMAT)
        loader = cls({}, mode, requires, provider=manifest.__name__.rpartition(".")[0])
        loader.version, loader.distribution = manifest.VERSION, manifest.DISTRIBUTION
        folder = os.path.dirname(os.path.abspath(manifest.__file__ or "module"))
        for name, facts in manifest.LIBRARIES.items():
            loader._libraries[name] = _Library(name, folder, facts)
        for variable, path in getattr(manifest, "DATA_ENV", {}).items():
            loader._data_env[variable] = os.path.join(folder, os.path.normpath(path))
        return loader

    def load(self, *names: str, prefer_system: "bool | None" = None) -> "tuple[LoadedLibrary, ...]":
        """Open the libraries, and first what they need; once, however often it is called.

        Args:
            names: which of the provider's libraries; all of them if none is named.
            prefer_system: ask for the system's copy first; PREFER_<NAME>_SYSTEM_LIBRARY overrides it.

        Returns:
            What serves each of the named libraries.

        Raises:
            LibraryNotFoundError: a file is missing or cannot be opened.
            LibraryConflictError: another file owns the library's name, or its symbols.
            NativeLibraryError: providers require each other, or this Python has no ctypes.
        """
        wanted = names or tuple(self._libraries)
        if self._requires is not None and not all(name in self._loaded for name in wanted):
            self._load_required_providers(self._requires)
        with _locks.setdefault(os.getpid(), RLock()):
            for name in wanted:
                self._load(name, prefer_system)
            for name, handle in self._handles.items():
                # Each time: what entered the global scope since would take the next consumer's symbols.
                self._check_symbols(self._libraries[name], handle)
        return tuple(self._loaded[name] for name in wanted)

    def path(self, name: str, bound: str) -> str:
        """Load a library, and return its file: for `ctypes.CDLL` and cffi's `ffi.dlopen`.

        Args:
            name, bound: the library's; the provider's versions that fit, as in ``>=1.4,<2``.

        Raises:
            LibraryVersionError, ImportError: another version is installed; what `load` raises.
        """
        _explain().check_bound(self, bound)
        return self.load(name)[0].path

    def _load_required_providers(self, requires: "Callable[[], object]") -> None:
        """Not under the lock: two threads that load two providers must not wait for each other."""
        # By process: a fork leaves other threads' entries behind, and reuses their numbers.
        if (thread := (os.getpid(), get_ident())) in self._requiring:
            raise _explain().circle(self)
        self._requiring.add(thread)
        try:
            requires()
        finally:
            self._requiring.discard(thread)

    def _load(self, name: str, prefer_system: "bool | None") -> None:
        if name in self._loaded:
            return
        if (library := self._libraries.get(name)) is None:
            raise _explain().no_such_library(self, name)
        for needed in library.needs:
            self._load(needed, prefer_system)
        try:
            loaded = self._loaded[name] = self._find(library, prefer_system)
        except _explain().NativeLibraryError:
            raise
        except ImportError as error:
            raise _explain().no_ctypes(self, library, error) from error
        self._debug(f"{name} is {loaded.path} ({loaded.origin})")

    def _find(self, library: _Library, prefer_system: "bool | None") -> LoadedLibrary:
        """Look where a library may come from; the first answer counts."""
        if override := os.environ.get(f"NATIVE_LIB_{library.tag}_PATH"):
            self._debug(f"NATIVE_LIB_{library.tag}_PATH names {override}")
            return self._open_checked(library, os.path.abspath(override), "override")
        # A plain name may be shared with the system, and whoever came first serves everybody.
        if not library.is_private and (another := _path_of_another(library)):
            return LoadedLibrary(library.name, another, "already-loaded")
        value = os.environ.get(f"PREFER_{library.tag}_SYSTEM_LIBRARY")
        asked = prefer_system if value is None else _explain().is_on(value)
        if asked and library.is_private:
            self._debug(f"{library.runtime_name} is a private name, no system has it")
        elif asked and (path := _explain().open_systems(self, library, _open, _path_of_another)):
            return LoadedLibrary(library.name, path, "system")
        return self._open_checked(library, library.path, "wheel")

    def _set_data_env(self) -> None:
        """Tell the libraries where their data is; what the user has set stays."""
        for variable, path in self._data_env.items():
            ours = f"NATIVE_LIB_SET_{variable}"
            value = os.environ.get(variable)
            # What another environment's loader set in a parent process is not the user's.
            if value != path and value in (None, "", os.environ.get(ours)):
                os.environ[variable] = os.environ[ours] = value = path
            self._debug(f"{variable} {'is' if value == path else 'stays'} {value}")

    def _open_checked(self, library: _Library, path: str, origin: str) -> LoadedLibrary:
        self._set_data_env()
        try:
            _refuse_truncated(path)
            if library.anchor and _is_foreign(path):
                # musl does not look, and runs whatever code is there: the process would die.
                raise OSError(f"{path}: for another machine")
            handle = _open(path, self._mode)
            if library.anchor and path == library.path:
                # musl: opened by its path, it has no name for others. The anchor needs it by name,
                # which gives it one. Not first: a search passes over a bad file without a word.
                _open(library.anchor, self._mode)
        except OSError as error:
            raise _explain().not_found(self, library, path, error, _is_foreign(path)) from None
        answers = self._check_name(library, path, handle)
        if library.probe_symbol:
            self._handles[library.name] = handle
        # Another file than the one that was opened answers where a conflict is only warned of.
        return LoadedLibrary(library.name, answers, origin if answers == path else "already-loaded")

    def _check_name(self, library: _Library, path: str, handle: int) -> str:
        """Ask for the run-time name without loading: consumers get whatever file answers."""
        by_name = _handle_by_name(library.runtime_name, path)
        if by_name is None:
            self._debug(f"{library.runtime_name} is not verified, no file answers to it")
        elif by_name != handle:
            path = _explain().name_conflict(self, library, path, by_name)
        return path

    def _check_symbols(self, library: _Library, handle: int) -> None:
        """ELF: symbols are searched in the global scope first, whatever file NEEDED led to."""
        path, symbol = self._loaded[library.name].path, library.probe_symbol
        ours = _address_of(handle, symbol)
        if ours is None:
            self._debug(f"symbols are not verified, {path} has no {symbol}")
        elif (answers := _address_of(_open(None, LoadMode.LOCAL), symbol)) not in (None, ours):
            _explain().symbol_conflict(self, library, path, answers)

    def _debug(self, message: str) -> None:
        if os.environ.get("NATIVE_LIB_DEBUG"):
            _explain().debug(f"{self.provider}: {message}")


def _explain() -> "Any":
    # The loader's files share a prefix: `_shared_lib_` in a package, `shared_lib_` as plain modules.
    name = __name__.rpartition("manager")[0] + "explain"
    __import__(name)
    return sys.modules[name]


def __getattr__(name: str) -> "Any":
    """Import the error classes when somebody asks for them."""
    if name in __all__:
        return getattr(_explain(), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# Where the operating systems differ. -------------------------------------------------------------


def _open(path: "str | None", mode: int) -> int:
    """Open a file by its path, or a name by the system's search; None is the global scope."""
    if sys.implementation.name != "cpython" or sys.platform == "emscripten":
        return int(_explain().open_elsewhere(path, mode))
    # What `ctypes.CDLL` calls, for a quarter of what importing ctypes costs.
    import _ctypes

    if sys.platform == "win32":
        # LOAD_LIBRARY_SEARCH_DEFAULT_DIRS, and for a path LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR.
        return _ctypes.LoadLibrary(str(path), 0x1100 if os.path.isabs(str(path)) else 0x1000)
    return _ctypes.dlopen(path, mode | os.RTLD_NOW)  # type: ignore[arg-type, unused-ignore]


def _handle_by_name(runtime_name: str, path: str) -> "int | None":
    """Ask without loading. Windows, asked after a load, looks among the loaded modules first."""
    if sys.platform == "win32" and os.path.basename(path).lower() != runtime_name.lower():
        return None  # opened as an override under another name: asking would load a file
    try:
        return _open(runtime_name, getattr(os, "RTLD_NOLOAD", 4))
    except OSError:
        return None


def _path_of_another(library: _Library) -> "str | None":
    """Return the file that answers to a library's name, if another than its own does."""
    if sys.platform == "win32":
        handle = _explain().handle_of_loaded(library.runtime_name)
    else:
        handle = _handle_by_name(library.runtime_name, library.path)
    return _explain().path_of_another(handle, library.path) if handle else None


def _address_of(handle: int, symbol: str) -> "int | None":
    if sys.platform == "win32":
        return None  # an import names its DLL: nobody can come between
    if sys.implementation.name != "cpython":
        return int(_explain().address_elsewhere(handle, symbol)) or None
    import _ctypes

    try:
        return _ctypes.dlsym(handle, symbol)
    except OSError:
        return None


def _refuse_truncated(path: str) -> None:
    """Neither glibc nor musl looks whether an ELF file is whole: the process would die."""
    # Windows and macOS are taken to look for themselves (not tried).
    try:
        with open(path, "rb", buffering=0) as file:
            head = file.read(1024).ljust(1024, b"\0")
            size = file.seek(0, os.SEEK_END)
    except OSError:
        return  # the loader has words for it
    wide = sys.maxsize > 2**32
    if head[:5] != (b"\x7fELF\2" if wide else b"\x7fELF\1"):
        return  # the loader refuses what is made for other machines
    words = memoryview(head).cast("Q" if wide else "I")
    # Where the program headers begin, and how long each is; its words 1 and 4 are offset and size.
    first, step = (words[4] // 8, 7) if wide else (words[7] // 4, 8)
    count = int.from_bytes(head[0x38:0x3A] if wide else head[0x2C:0x2E], sys.byteorder)
    for at in range(first, min(first + step * count, len(words) - 4), step):
        if (end := words[at + 1] + words[at + 4]) > size:
            raise OSError(f"{path}: file too short, a segment ends at byte {end}")


def _is_foreign(path: str) -> bool:
    """Whether two ELF files, a library's and Python's, are for different machines."""
    try:
        with open(path, "rb") as library, open(sys.executable or "", "rb") as python:
            ours, theirs = library.read(20), python.read(20)
    except OSError:
        return False
    both_elf = ours[:4] == theirs[:4] == b"\x7fELF"  # the executable may be a script
    return both_elf and (ours[4:6], ours[18:]) != (theirs[4:6], theirs[18:])


# By process: a thread that held the lock while another one forked does not exist in the child. (A
# hook of `os.register_at_fork` would keep the module alive, which costs a tenth of an import.)
_locks = {os.getpid(): RLock()}
