"""The provider's side: open a wheel's shared libraries before anybody needs them.

A provider wheel ships a shared library, a consumer wheel has an extension module that was linked
against it and ships no copy. Opened here by its absolute path, the library enters the operating
system's list of loaded libraries; when the extension module is imported later, the system finds
its dependency in that list, wherever the two wheels are installed. No search path, no environment
variable and no global symbol is involved.

This file is made to be vendored: it needs the standard library only, and imports nothing that a
bare interpreter has not loaded already, so that importing a provider costs next to nothing.
``native-lib vendor`` updates it. Where it comes from, and why it is as it is:
https://github.com/org/native-lib-template
"""

import os
import sys
from _thread import RLock, get_ident

TYPE_CHECKING = False  # ``typing`` is not loaded in a bare interpreter
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

__all__ = [
    "LibraryConflictError",
    "LibraryLoader",
    "LibraryNotFoundError",
    "LoadMode",
    "LoadedLibrary",
    "NativeLibraryError",
    "PlatformLibrary",
]

MANIFEST_FORMAT = 1


class NativeLibraryError(ImportError):
    """A native library cannot be used; the message says which, why, and what to do."""


class LibraryNotFoundError(NativeLibraryError):
    """The library's file is missing, or the operating system cannot open it."""


class LibraryConflictError(NativeLibraryError):
    """Another file in this process answers for the library's name or for its symbols."""


class LoadMode:
    """How a library's symbols are seen by others. Has no effect on Windows.

    ``LOCAL`` is right for nearly everybody: consumers reach the library because they were linked
    to it. ``GLOBAL`` also puts every symbol into the scope that all later libraries search first,
    where it can take the place of somebody else's: the last resort for plugins that were not
    linked to what they use.
    """

    LOCAL = getattr(os, "RTLD_LOCAL", 0)
    GLOBAL = getattr(os, "RTLD_GLOBAL", 0)


class PlatformLibrary:
    """The file of one library on each operating system, for loaders written by hand.

    Args:
        Linux, Darwin, Windows: the path on that system, absolute or relative to the folder of the
            module that makes the `LibraryLoader`.
        default: the path on every system that has none.
    """

    def __init__(
        self,
        Linux: "str | None" = None,
        Darwin: "str | None" = None,
        Windows: "str | None" = None,
        default: "str | None" = None,
    ) -> None:
        self.Linux = Linux
        self.Darwin = Darwin
        self.Windows = Windows
        self.default = default

    def path(self) -> "str | None":
        """Return the path for the running system, or None where there is none."""
        system = {"linux": self.Linux, "darwin": self.Darwin, "win32": self.Windows}
        return system.get(sys.platform) or self.default


class LoadedLibrary:
    """What `LibraryLoader.load` did for one library.

    Attributes:
        name: the library's name in the manifest.
        path: the file that serves it, as far as the operating system tells.
        origin: ``wheel`` (the provider's own file), ``system`` (found by the system's search, as
            asked for), ``already-loaded`` (somebody loaded it before, under the same name), or
            ``override`` (the file that NATIVE_LIB_<NAME>_PATH names).
    """

    def __init__(self, name: str, path: str, origin: str) -> None:
        self.name = name
        self.path = path
        self.origin = origin

    def __repr__(self) -> str:
        return f"LoadedLibrary(name={self.name!r}, path={self.path!r}, origin={self.origin!r})"


class _Library:
    """One library that a provider ships, as its manifest describes it."""

    def __init__(
        self,
        name: str,
        path: str,
        runtime_name: str,
        anchor: str = "",
        probe_symbol: str = "",
        needs: "tuple[str, ...]" = (),
    ) -> None:
        self.name = name
        self.path = path
        self.runtime_name = runtime_name
        self.anchor = anchor
        self.probe_symbol = probe_symbol
        self.needs = needs
        # Whether the name belongs to one provider (``libfoo__foo``), not to the system.
        self.is_private = "__" in os.path.basename(runtime_name)
        # Its part of the environment variables' names: my-lib gives MY_LIB.
        self.tag = "".join(letter if letter.isalnum() else "_" for letter in name).upper()


def _library_by_hand(
    name: str, files: PlatformLibrary, provider: str, module_file: "str | None"
) -> _Library:
    path = files.path()
    if not path:
        raise NativeLibraryError(
            f"{provider} names no file of its library {name!r} for {sys.platform}"
        )
    path = os.path.join(os.path.abspath(os.path.dirname(module_file or "")), os.path.normpath(path))
    leaf = os.path.basename(path)
    # Nobody wrote down what consumers record, so it is the convention's.
    return _Library(name, path, f"@rpath/{leaf}" if sys.platform == "darwin" else leaf)


def _in_folder(folder: str, path: str) -> str:
    """Join with the system's separator; Microsoft asks for backslashes in LoadLibraryEx."""
    return os.path.join(folder, *path.split("/"))


class LibraryLoader:
    """Opens the shared libraries of one provider, each once in a process.

    Making a loader loads nothing: build back ends import providers while they build consumers.

    Args:
        libraries: a file for each library, by name, in the order in which they must be opened.
        mode: see `LoadMode`.
        requires: called before the first library is opened; a provider that requires other
            providers loads them here.
        provider: how messages name the provider; the calling module's name if it is empty.
        version: the provider's version; consumers compare it with what they were built against.
        distribution: what pip calls the provider.

    Raises:
        NativeLibraryError: a library has no file for this operating system.
    """

    def __init__(
        self,
        libraries: "Mapping[str, PlatformLibrary | _Library]",
        mode: int = LoadMode.LOCAL,
        requires: "Callable[[], object] | None" = None,
        *,
        provider: str = "",
        version: str = "",
        distribution: str = "",
    ) -> None:
        caller = sys._getframe(1).f_globals
        self.provider = provider or caller.get("__name__", "")
        self.version = version
        self.distribution = distribution or self.provider.replace("_", "-")
        self._libraries: dict[str, _Library] = {}
        for name, library in libraries.items():
            if isinstance(library, PlatformLibrary):
                library = _library_by_hand(name, library, self.provider, caller.get("__file__"))
            self._libraries[name] = library
        self._mode = mode
        self._requires = requires
        self._requiring: set[tuple[int, int]] = set()
        self._loaded: dict[str, LoadedLibrary] = {}
        self._handles: dict[str, int] = {}

    @classmethod
    def from_manifest(
        cls,
        manifest: "ModuleType",
        mode: int = LoadMode.LOCAL,
        requires: "Callable[[], object] | None" = None,
    ) -> "LibraryLoader":
        """Make the loader of the libraries that NativeLibrary.cmake wrote down.

        Args:
            manifest: the module ``_native_libs``; it lies next to the installed libraries, so its
                ``__file__`` finds them in an editable install too.
            mode: see `LoadMode`.
            requires: as for the class.

        Returns:
            A loader that has loaded nothing yet.

        Raises:
            NativeLibraryError: the manifest is in a newer format than this file understands.
        """
        provider = manifest.__name__.rpartition(".")[0]
        if manifest.FORMAT > MANIFEST_FORMAT:
            raise NativeLibraryError(
                f"{manifest.__file__} has format {manifest.FORMAT}, and {__file__} reads formats "
                f"up to {MANIFEST_FORMAT}: update the vendored loader with `native-lib vendor`"
            )
        folder = os.path.abspath(os.path.dirname(manifest.__file__ or ""))
        libraries = {
            name: _Library(
                name,
                _in_folder(folder, facts["file"]),
                facts["runtime_name"],
                facts["anchor"] and _in_folder(folder, facts["anchor"]),
                facts["probe_symbol"],
                facts["needs"],
            )
            for name, facts in manifest.LIBRARIES.items()
        }
        return cls(
            libraries,
            mode,
            requires,
            provider=provider,
            version=manifest.VERSION,
            distribution=manifest.DISTRIBUTION,
        )

    def load(self, *names: str, prefer_system: "bool | None" = None) -> "tuple[LoadedLibrary, ...]":
        """Open the libraries, and first what they need; once, however often it is called.

        Args:
            names: which of the provider's libraries; all of them if none is named.
            prefer_system: ask for the system's copy first. PREFER_<NAME>_SYSTEM_LIBRARY in the
                environment decides where it is set. Has no effect on private names, which no
                system has.

        Returns:
            What serves each of the named libraries.

        Raises:
            LibraryNotFoundError: a file is missing or cannot be opened.
            LibraryConflictError: another file owns the library's name, or its symbols.
            NativeLibraryError: providers require each other in a circle, or this interpreter
                offers no way to open a library.
        """
        wanted = names or tuple(self._libraries)
        if self._requires is not None and not all(name in self._loaded for name in wanted):
            self._load_required_providers(self._requires)
        with _lock:
            for name in wanted:
                self._load(name, prefer_system)
            for name, handle in self._handles.items():
                # Each time: what entered the global scope since would take the next consumer's symbols.
                _check_symbols(self, self._libraries[name], handle)
        return tuple(self._loaded[name] for name in wanted)

    def _load_required_providers(self, requires: "Callable[[], object]") -> None:
        """Not under the lock: two threads that load two providers must not wait for each other."""
        # With the process: a fork leaves the other threads' entries behind, and reuses their numbers.
        thread = (os.getpid(), get_ident())
        if thread in self._requiring:
            raise NativeLibraryError(
                f"{self.provider} requires itself: a provider that it requires asks for "
                f"{self.provider} again. Providers must not require each other in a circle."
            )
        self._requiring.add(thread)
        try:
            requires()
        finally:
            self._requiring.discard(thread)

    def _load(self, name: str, prefer_system: "bool | None") -> None:
        if name in self._loaded:
            return
        if name not in self._libraries:
            raise LibraryNotFoundError(
                f"{self.provider} {self.version} ships no library {name!r}; "
                f"it has {', '.join(self._libraries) or 'none'}",
                name=self.provider,
            )
        library = self._libraries[name]
        for needed in library.needs:
            self._load(needed, prefer_system)
        for step in _STEPS:
            try:
                loaded = step(self, library, prefer_system)
            except NativeLibraryError:
                raise
            except ImportError as error:
                raise NativeLibraryError(
                    f"{self.provider} cannot open {library.path}: {error}. Opening a library takes "
                    "Python's ctypes. Either this Python was built without it (without libffi), or "
                    "this is an isolated subinterpreter, which has it from Python 3.13 on: use "
                    f"that, or import {self.provider} in the main interpreter only.",
                    name=self.provider,
                    path=library.path,
                ) from error
            if loaded is not None:
                _debug(f"{self.provider}: {name} is {loaded.path} ({loaded.origin})")
                self._loaded[name] = loaded
                return


# How a library is found: the first step that answers wins. ---------------------------------------


def _from_override(
    loader: LibraryLoader, library: _Library, prefer_system: "bool | None"
) -> "LoadedLibrary | None":
    variable = f"NATIVE_LIB_{library.tag}_PATH"
    path = os.environ.get(variable)
    if not path:
        return None
    _debug(f"{loader.provider}: {variable} names {path}")
    path = os.path.abspath(path)
    answers = _open_checked(loader, library, path, f"correct or unset {variable}")
    return LoadedLibrary(library.name, answers, _origin(answers, path, "override"))


def _from_loaded_copy(
    loader: LibraryLoader, library: _Library, prefer_system: "bool | None"
) -> "LoadedLibrary | None":
    """A plain name may be shared with the system, and whoever came first serves everybody."""
    if library.is_private:
        return None
    path = _path_of_loaded(library.runtime_name)
    if path is None or _same_file(path, library.path):
        return None
    return LoadedLibrary(library.name, path, "already-loaded")


def _from_system(
    loader: LibraryLoader, library: _Library, prefer_system: "bool | None"
) -> "LoadedLibrary | None":
    value = os.environ.get(f"PREFER_{library.tag}_SYSTEM_LIBRARY")
    if not (prefer_system if value is None else _is_on(value)):
        return None
    if library.is_private:
        _debug(f"{loader.provider}: {library.runtime_name} is a private name, no system has it")
        return None
    leaf = os.path.basename(library.runtime_name)
    try:
        _open(leaf, loader._mode)
    except OSError as error:
        _debug(f"{loader.provider}: the system has no {leaf}: {error}")
        return None
    path = _path_of_loaded(library.runtime_name)
    if path is None:  # macOS: the system's copy has another install name, and satisfies nobody
        _debug(f"{loader.provider}: the system's {leaf} does not answer to {library.runtime_name}")
        return None
    return None if _same_file(path, library.path) else LoadedLibrary(library.name, path, "system")


def _from_wheel(
    loader: LibraryLoader, library: _Library, prefer_system: "bool | None"
) -> LoadedLibrary:
    answers = _open_checked(loader, library, library.path)
    return LoadedLibrary(library.name, answers, _origin(answers, library.path, "wheel"))


def _origin(answers: str, path: str, origin: str) -> str:
    """Another file than the one that was opened answers where a conflict is only warned of."""
    return origin if answers == path else "already-loaded"


_STEPS = (_from_override, _from_loaded_copy, _from_system, _from_wheel)


# Opening a file, and asking the system who answers for it. ---------------------------------------


def _open_checked(loader: LibraryLoader, library: _Library, path: str, fix: str = "") -> str:
    """Open a file, and return the file that answers to the library's name from now on."""
    try:
        _refuse_truncated(path)
        if library.anchor and _is_foreign(path):
            # musl does not look, and runs whatever code is there: the process would die.
            raise OSError(f"{path}: for another machine")
        handle = _open(path, loader._mode)
        if library.anchor and path == library.path:
            # musl: a library that was opened by its path has no name that others could find. The
            # anchor needs the library by name and finds it beside itself, which gives it one. Not
            # first: a search passes over a file that it cannot use, and does not say why.
            _open(library.anchor, loader._mode)
    except OSError as error:
        raise _not_found(loader, library, path, error, fix) from None
    answers = _check_name(loader, library, path, handle)
    if library.probe_symbol:
        loader._handles[library.name] = handle
    return answers


def _check_name(loader: LibraryLoader, library: _Library, path: str, handle: int) -> str:
    """Ask for the run-time name without loading: consumers get whatever file answers."""
    by_name = _handle_by_name(library.runtime_name, path)
    if by_name == handle:
        return path
    if by_name is None:
        _debug(f"{loader.provider}: {library.runtime_name} is not verified, no file answers to it")
        return path
    other = _path_of_handle(by_name)
    _conflict(
        loader,
        f"Another file in this process already has the name {library.runtime_name}, so extension "
        f"modules would use it in place of {loader.provider}'s.",
        other,
        path,
        fix="find out who loads the first file and remove it, or call "
        f"{loader.provider}.loader.load() before",
    )
    return other


def _check_symbols(loader: LibraryLoader, library: _Library, handle: int) -> None:
    """ELF: symbols are searched in the global scope first, whatever file NEEDED led to."""
    if not library.probe_symbol:
        return
    path = loader._loaded[library.name].path
    ours = _address_of(handle, library.probe_symbol)
    if ours is None:
        _debug(f"{loader.provider}: symbols are not verified, {path} has no {library.probe_symbol}")
        return
    in_global_scope = _address_of(None, library.probe_symbol)
    if in_global_scope in (None, ours):
        return
    other = _path_of_address(in_global_scope)
    if _same_file(other, path):
        return  # it has the name as well, and that was told
    if not library.anchor and _versions_keep_apart(path, other, library.probe_symbol):
        return
    _conflict(
        loader,
        f"The symbols of {loader.provider}'s library are taken: {library.probe_symbol} is answered "
        "by another file in this process's global scope (the interpreter's own libraries, "
        "LD_PRELOAD, or a library opened with RTLD_GLOBAL).",
        other,
        path,
        fix="find out what puts the first file there and remove it; an author can also build "
        f"{loader.distribution} with a prefix on its symbols",
    )


def _conflict(loader: LibraryLoader, what: str, other: str, path: str, fix: str) -> None:
    message = _lines(
        what,
        answers=other,
        ours=f"{path} ({loader.distribution} {loader.version})",
        fix=f"{fix}; NATIVE_LIB_CONFLICT=warn goes on with it",
    )
    if os.environ.get("NATIVE_LIB_CONFLICT") != "warn":
        raise LibraryConflictError(message, name=loader.provider, path=other)
    import warnings

    warnings.warn(message, RuntimeWarning, stacklevel=2)


def _not_found(
    loader: LibraryLoader, library: _Library, path: str, error: OSError, fix: str
) -> LibraryNotFoundError:
    is_whole = False
    try:
        state = f"{os.stat(path).st_size} bytes"
        if os.path.isdir(path):
            state = "a folder"
        elif _is_foreign(path):
            state += ", for another machine"  # glibc calls that "No such file or directory"
        else:
            # glibc and musl begin with the file that they stumbled over, and end with who needed it.
            stumbled = str(error).partition(" (")[0]
            ours = path in stumbled or (library.anchor != "" and library.anchor in stumbled)
            is_whole = sys.platform == "linux" and not ours
    except (FileNotFoundError, NotADirectoryError):
        state = "no such file"
        if _is_below_a_file(path):
            state = "inside an archive, where the system opens no library"
            fix = fix or "unpack the archive, and put the folder in its place on sys.path"
    except OSError as unreadable:  # in a folder that may not be entered
        state = str(unreadable.strerror)
    if is_whole and not fix:
        fix = "the file itself is whole; install what `system` names, in the version it names"
    machine = os.uname().machine if hasattr(os, "uname") else f"{sys.maxsize.bit_length() + 1} bit"
    message = _lines(
        f"{loader.provider} cannot load its library {library.name!r}.",
        file=f"{path} ({state})",
        system=str(error),
        python=f"{sys.version.split()[0]} for {sys.platform}, {machine}",
        fix=fix or f"python -m pip install {_again(loader)}",
    )
    return LibraryNotFoundError(message, name=loader.provider, path=path)


def _again(loader: LibraryLoader) -> str:
    """Say to pip what to install again: what it took then (PEP 610), which no index may have."""
    where = "--force-reinstall --no-deps"
    what = f"{loader.distribution}=={loader.version}" if loader.version else loader.distribution
    try:
        from importlib.metadata import distribution
        from json import loads
        from site import ENABLE_USER_SITE, getsitepackages, getusersitepackages

        metadata = distribution(loader.distribution)
        root = str(metadata.locate_file(""))
        # A virtual environment's pip leaves the user's folder alone, wherever PYTHONPATH has it.
        users = [getusersitepackages()] if ENABLE_USER_SITE else []
        if not any(_same_file(root, pips) for pips in (*getsitepackages(), *users)):
            where = f'--upgrade --target "{root}" --no-deps'
        record = loads(metadata.read_text("direct_url.json") or "{}")
        url = record["url"]
        if _is_gone(url):
            return f'{where} "{what}"'
        if "vcs_info" in record:
            url = f"{record['vcs_info']['vcs']}+{url}@{record['vcs_info']['commit_id']}"
        if record.get("subdirectory"):
            url += f"#subdirectory={record['subdirectory']}"
        if record.get("dir_info", {}).get("editable"):
            where += " -e"
        what = url
    except (AttributeError, ImportError, LookupError, TypeError, ValueError):
        pass  # no metadata, or no such record: it was an index's
    return f'{where} "{what}"'


def _is_gone(url: str) -> bool:
    """Whether a URL names a file that is not there: conda and Docker remove what they built from."""
    from urllib.parse import unquote_to_bytes, urlsplit

    parts = urlsplit(url)
    path = os.fsdecode(unquote_to_bytes(parts.path))
    if sys.platform == "win32":  # file:///C:/folder, or file://server/folder
        path = f"//{parts.netloc}{path}" if parts.netloc else path[1:]
    return parts.scheme == "file" and not os.path.exists(path)


def _is_below_a_file(path: str) -> bool:
    """Windows, asked for such a path itself, says "not found" as of every other."""
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        if os.path.isfile(path):
            return True
    return False


def _is_foreign(path: str) -> bool:
    """Whether two ELF files, a library's and Python's, are for different machines."""
    try:
        with open(path, "rb") as library, open(sys.executable or "", "rb") as python:
            ours, theirs = library.read(20), python.read(20)
    except OSError:
        return False
    both_elf = ours[:4] == theirs[:4] == b"\x7fELF"  # the executable may be a script
    return both_elf and (ours[4:6], ours[18:]) != (theirs[4:6], theirs[18:])


def _versions_keep_apart(path: str, other: str, symbol: str) -> bool:
    """Whether a consumer's reference stays with ours although the other file comes first.

    glibc, ``check_match`` in elf/dl-lookup.c: a reference with a version passes over definitions
    of other versions, but takes one of the base version, and any of a file without versions.
    """
    ours, others = _symbol_versions(path, symbol), _symbol_versions(other, symbol)
    return bool(ours and others) and "" not in ours | others and not ours & others


def _symbol_versions(path: str, symbol: str) -> "set[str]":
    """Return the version names under which an ELF file defines a symbol; "" stands for none."""
    import struct

    try:
        with open(path, "rb") as file:
            data = file.read()
        order = "<" if data[5] == 1 else ">"
        if data[4] == 2:
            section_format, symbol_format, defined_in = "IIQQQQIIQQ", "IBBHQQ", 3
            (table,), sizes_at = struct.unpack_from(order + "Q", data, 0x28), 0x3A
        else:
            section_format, symbol_format, defined_in = "IIIIIIIIII", "IIIBBH", 5
            (table,), sizes_at = struct.unpack_from(order + "I", data, 0x20), 0x2E
        size, count = struct.unpack_from(order + "HH", data, sizes_at)
        sections = [
            struct.unpack_from(order + section_format, data, table + size * number)
            for number in range(count)
        ]
        by_type = {section[1]: section for section in sections}

        def string(section: "tuple[int, ...]", offset: int) -> str:
            start = sections[section[6]][4] + offset
            return data[start : data.index(b"\0", start)].decode()

        versions, indices = {}, ()
        if 0x6FFFFFFD in by_type:  # SHT_GNU_verdef
            section = by_type[0x6FFFFFFD]
            at, following = section[4], 1
            while following:
                _, flags, index, _, _, names, following = struct.unpack_from(
                    order + "HHHHIII", data, at
                )
                (name,) = struct.unpack_from(order + "I", data, at + names)
                versions[index] = "" if flags & 1 else string(section, name)
                at += following
            section = by_type[0x6FFFFFFF]  # SHT_GNU_versym
            indices = struct.unpack_from(f"{order}{section[5] // 2}H", data, section[4])
        symbols = by_type[11]  # SHT_DYNSYM
        size = struct.calcsize(order + symbol_format)
        found = set()
        for number in range(symbols[5] // size):
            entry = struct.unpack_from(order + symbol_format, data, symbols[4] + size * number)
            if entry[defined_in] and string(symbols, entry[0]) == symbol:
                found.add(versions.get(indices[number] & 0x7FFF, "") if indices else "")
        return found
    except (OSError, IndexError, KeyError, ValueError, struct.error):
        return set()


# The operating system: the same functions on each side. ------------------------------------------

if sys.platform == "win32":
    _SEARCH_DEFAULT_DIRS = 0x1000
    _SEARCH_DLL_LOAD_DIR = 0x100

    def _open(path: str, mode: int) -> int:
        """Open a file by its path, or a name by the system's search; see the other `_open` below."""
        beside = _SEARCH_DLL_LOAD_DIR if os.path.isabs(path) else 0
        if sys.implementation.name == "cpython":
            try:
                from _ctypes import LoadLibrary
            except ImportError:
                pass
            else:
                return LoadLibrary(path, _SEARCH_DEFAULT_DIRS | beside)
        import ctypes

        library = ctypes.WinDLL(path, winmode=_SEARCH_DEFAULT_DIRS | beside)
        _held.append(library)
        return library._handle

    def _handle_by_name(runtime_name: str, path: str) -> "int | None":
        """Windows looks among the loaded modules first; asked after a load, it loads nothing."""
        if os.path.basename(path).lower() != runtime_name.lower():
            return None  # opened as an override under another name: asking would load a file
        try:
            return _open(runtime_name, LoadMode.LOCAL)
        except OSError:
            return None

    def _path_of_loaded(runtime_name: str) -> "str | None":
        import ctypes

        kernel = ctypes.WinDLL("kernel32")
        kernel.GetModuleHandleW.restype = ctypes.c_void_p
        kernel.GetModuleHandleW.argtypes = [ctypes.c_wchar_p]
        handle = kernel.GetModuleHandleW(runtime_name)
        return _path_of_handle(handle) if handle else None

    def _path_of_handle(handle: int) -> str:
        import ctypes

        kernel = ctypes.WinDLL("kernel32")
        kernel.GetModuleFileNameW.argtypes = [ctypes.c_void_p, ctypes.c_wchar_p, ctypes.c_uint]
        buffer = ctypes.create_unicode_buffer(32768)
        kernel.GetModuleFileNameW(handle, buffer, len(buffer))
        return buffer.value

    def _address_of(handle: "int | None", symbol: str) -> "int | None":
        return None  # an import names its DLL: nobody can come between

    def _path_of_address(address: int) -> str:
        return ""

    def _refuse_truncated(path: str) -> None:
        """Windows is taken to look for itself (not tried)."""

else:
    _NOLOAD = getattr(os, "RTLD_NOLOAD", 4)

    def _open(path: "str | None", mode: int) -> int:
        """Open a file by its path, or a name by the system's search; None is the global scope.

        Calls what ``ctypes.CDLL`` calls, for a quarter of what importing ctypes costs. Elsewhere
        than on CPython ``_ctypes`` is another module: PyPy's returns objects that never compare
        equal.
        """
        if sys.implementation.name == "cpython":
            try:
                from _ctypes import dlopen
            except ImportError:
                pass
            else:
                # The stub forgets that the path may be None.
                return dlopen(path, mode | os.RTLD_NOW)  # type: ignore[arg-type]
        import ctypes

        library = ctypes.CDLL(path, mode | os.RTLD_NOW)
        _held.append(library)
        return library._handle

    def _handle_by_name(runtime_name: str, path: str) -> "int | None":
        try:
            return _open(runtime_name, _NOLOAD)
        except OSError:
            return None

    def _path_of_loaded(runtime_name: str) -> "str | None":
        handle = _handle_by_name(runtime_name, "")
        return None if handle is None else _path_of_handle(handle)

    def _address_of(handle: "int | None", symbol: str) -> "int | None":
        """Look a symbol up in a library, or in the global scope (None)."""
        if handle is None:
            handle = _open(None, LoadMode.LOCAL)
        try:
            from _ctypes import dlsym
        except ImportError:
            import ctypes

            # Not CDLL(None, handle=handle): PyPy's looks nothing up by a handle.
            find = ctypes.CDLL(None).dlsym
            find.restype = ctypes.c_void_p
            address: int | None = find(ctypes.c_void_p(handle), symbol.encode())
            return address
        try:
            return dlsym(handle, symbol)
        except OSError:
            return None

    def _path_of_address(address: int) -> str:
        import ctypes

        facts = (ctypes.c_void_p * 4)()  # Dl_info: file name, base, symbol name, address
        ctypes.CDLL(None).dladdr(ctypes.c_void_p(address), facts)
        name = os.fsdecode(ctypes.cast(facts[0] or 0, ctypes.c_char_p).value or b"")
        return name if "/" in name else sys.executable  # the program is named as it was called

    if sys.platform == "darwin":

        def _path_of_handle(handle: int) -> str:
            import ctypes

            process = ctypes.CDLL(None)
            process._dyld_get_image_name.restype = ctypes.c_char_p
            for number in range(process._dyld_image_count()):
                image = os.fsdecode(process._dyld_get_image_name(number))
                if _handle_by_name(image, image) == handle:
                    return image
            return "a file that dyld does not tell"

        def _refuse_truncated(path: str) -> None:
            """dyld is taken to look for itself (not tried)."""

    else:

        def _path_of_handle(handle: int) -> str:
            import ctypes

            link_map = ctypes.POINTER(ctypes.c_void_p)()  # l_addr, l_name, ...
            ctypes.CDLL(None).dlinfo(ctypes.c_void_p(handle), 2, ctypes.byref(link_map))
            name = ctypes.cast(link_map[1] or 0, ctypes.c_char_p).value
            return os.path.abspath(os.fsdecode(name)) if name else sys.executable

        def _refuse_truncated(path: str) -> None:
            """Neither glibc nor musl looks whether an ELF file is whole: the process would die.

            Raises:
                OSError: a segment goes on behind the end of the file.
            """
            try:
                file = os.open(path, os.O_RDONLY)
            except OSError:
                return  # the loader has words for it
            try:
                head = os.read(file, 1024).ljust(1024, b"\0")
                size = os.lseek(file, 0, os.SEEK_END)
            finally:
                os.close(file)
            wide = sys.maxsize > 2**32
            if head[:5] != (b"\x7fELF\2" if wide else b"\x7fELF\1"):
                return  # the loader refuses what is made for other machines
            words = memoryview(head).cast("Q" if wide else "I")
            # Where the program headers begin, and how long each is; in its words 1 and 4 are a
            # segment's offset and size.
            first, step = (words[4] // 8, 7) if wide else (words[7] // 4, 8)
            count = int.from_bytes(head[0x38:0x3A] if wide else head[0x2C:0x2E], sys.byteorder)
            for at in range(first, min(first + step * count, len(words) - 4), step):
                end = words[at + 1] + words[at + 4]
                if end > size:
                    raise OSError(f"{path}: file too short, a segment ends at byte {end}")


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.samestat(os.stat(one), os.stat(other))
    except OSError:
        return False


def _is_on(value: str) -> bool:
    return value.strip().lower() not in ("", "0", "false", "no", "off")


def _lines(headline: str, **facts: str) -> str:
    width = max(len(name) for name in facts) + 1
    named = ((name.replace("_", " ") + ":", fact) for name, fact in facts.items())
    return "\n".join([headline, *(f"  {name:<{width}} {fact}" for name, fact in named)])


def _debug(message: str) -> None:
    value = os.environ.get("NATIVE_LIB_DEBUG")
    # A process without stderr has None there, and print would take stdout.
    if sys.stderr and value and _is_on(value):
        print(f"native-lib: {message}", file=sys.stderr)


# PyPy closes a library when nobody holds its object any longer; a reload must not forget them.
_held: "list[object]" = globals().get("_held", [])

_lock = RLock()


def _renew_lock() -> None:
    """A thread that held the lock while another one forked does not exist in the child."""
    global _lock
    _lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
