# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the native-lib-template authors
# From native-lib-loader 0.2.0, https://github.com/org/native-lib-template
"""What the two loaders say when something is wrong, and how they find out why.

Neither the provider's side (``..._manager``) nor the consumer's (``..._consumer``) imports this
file in a healthy load: it makes their errors, and holds what only errors, debug lines, other
interpreters than CPython, copies of a library from elsewhere, and callers without a record need.
Functions that are named after an error return it; the caller raises it. What helps is in
``..._fixes``, and what the operating systems' loaders say in ``..._wordings``.
"""

import os
import sys

TYPE_CHECKING = False  # ``typing`` is not loaded in a bare interpreter
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    # The import below is of a name: freezers see it here, where it never runs.
    from . import _shared_lib_fixes, _shared_lib_wordings  # type: ignore[attr-defined, unused-ignore] # noqa: F401


class NativeLibraryError(ImportError):
    """A native library cannot be used; the message says which, why, and what to do."""


class LibraryNotFoundError(NativeLibraryError):
    """The provider is not installed, its file is missing, or the system cannot open it."""


class LibraryConflictError(NativeLibraryError):
    """Another file in this process answers for the library's name or for its symbols."""


class LibraryVersionError(NativeLibraryError):
    """The installed provider does not fit what the extension module was built against."""


# Both sides. -------------------------------------------------------------------------------------


def is_on(value: str) -> bool:
    """Tell what an environment variable says that is on or off."""
    return value.strip().lower() not in ("", "0", "false", "no", "off")


def debug(message: str) -> None:
    """Write a line to standard error if NATIVE_LIB_DEBUG says so."""
    # In one call: lines of interpreters that run in parallel must not run into each other. A
    # process without stderr has None there, and print would take stdout.
    if sys.stderr and is_on(os.environ.get("NATIVE_LIB_DEBUG", "")):
        sys.stderr.write(f"native-lib: {message}\n")


def newer_format(record: "Any", reader: str, known: int) -> NativeLibraryError:
    """Say that a manifest or record was written by a newer NativeLibrary.cmake."""
    return NativeLibraryError(
        f"{record.__file__} has format {record.FORMAT}, and {reader} reads formats up to {known}: "
        "update the vendored loader with `native-lib vendor`",
        name=record.__name__.rpartition(".")[0],
    )


def _beside(part: str) -> "Any":
    """Import another of the loader's files."""
    name = __name__.rpartition("explain")[0] + part
    __import__(name)
    return sys.modules[name]


def _fixes() -> "Any":
    return _beside("fixes")


def version_error(
    loader: "Any",
    provider: str,
    needs: str,
    distribution: str,
    requirement: str,
    needed_by: str,
    fix: str = "",
) -> LibraryVersionError:
    """Say that a provider's version does not fit.

    Args:
        loader: what has the provider's version and names.
        provider: where it is.
        needs: the beginning of the message, up to the requirement.
        distribution, requirement: what pip is to install, if there is no other fix.
        needed_by: who needs it, and where that is.
        fix: another one.
    """
    version, fixes = loader.version or "a version that nobody wrote down", _fixes()
    restart = fixes.restart(loader)
    there = f"{version} is installed"
    if restart or fixes.is_frozen():
        there = f"this {'process' if restart else 'program'} has {version}"
    message = lines(
        f"{needs} {requirement}, but {there}.",
        provider=f"{provider} ({version})",
        needed_by=needed_by,
        fix=restart or fix or fixes.install(distribution, requirement),
    )
    return LibraryVersionError(message, name=loader.provider, path=provider)


def lines(headline: str, **facts: str) -> str:
    """Return a message: what failed, and below it facts by name, one on each line."""
    width = max(len(name) for name in facts) + 1
    named = ((name.replace("_", " ") + ":", fact) for name, fact in facts.items())
    return "\n".join([headline, *(f"  {name:<{width}} {fact}" for name, fact in named)])


# The provider's side: what cannot be opened. -----------------------------------------------------


def no_file(loader: "Any", name: str) -> NativeLibraryError:
    """Say that a loader written by hand has no path for this operating system."""
    return NativeLibraryError(
        f"{loader.provider} names no file of its library {name!r} for {sys.platform}",
        name=loader.provider,
    )


def no_such_library(loader: "Any", name: str) -> LibraryNotFoundError:
    """Say that a library was asked for which the provider does not have."""
    message = (
        f"{loader.provider} {loader.version} ships no library {name!r}; "
        f"it has {', '.join(loader._libraries) or 'none'}"
    )
    fix = _fixes().restart(loader)
    return LibraryNotFoundError(lines(message, fix=fix) if fix else message, name=loader.provider)


def circle(loader: "Any") -> NativeLibraryError:
    """Say that providers require each other."""
    return NativeLibraryError(
        f"{loader.provider} requires itself: a provider that it requires asks for "
        f"{loader.provider} again. Providers must not require each other in a circle.",
        name=loader.provider,
    )


def no_ctypes(loader: "Any", library: "Any", error: ImportError) -> NativeLibraryError:
    """Say that this interpreter has no way to open a library."""
    if _beside("wordings").recognise(str(error))[1].get("symbol", "").startswith(("Py", "_Py")):
        message = lines(
            f"{loader.provider} cannot open {library.path}: no extension module can be imported here, "
            "Python's own _ctypes neither. The program that runs Python opened libpython so that "
            "others do not see its symbols (RTLD_LOCAL).",
            system=str(error),
            fix="that program must open libpython with RTLD_GLOBAL, or be linked to it",
        )
        return NativeLibraryError(message, name=loader.provider, path=library.path)
    return NativeLibraryError(
        f"{loader.provider} cannot open {library.path}: {error}. Opening a library requires "
        "Python's ctypes. Either this Python was built without it (without libffi), or this is an "
        "isolated subinterpreter, which has it from Python 3.13 on: use that, or import "
        f"{loader.provider} in the main interpreter only.",
        name=loader.provider,
        path=library.path,
    )


def not_found(
    loader: "Any", library: "Any", path: str, error: OSError, is_foreign: bool
) -> LibraryNotFoundError:
    """Say what the file is that the system did not open, and what the system said.

    Args:
        loader: the provider's.
        library: the one that was to be opened.
        path: the file that was tried: the provider's, or the one that an override names.
        error: the system's.
        is_foreign: whether it is an ELF file for another machine than Python's.
    """
    fixes = _fixes()
    means, fix = "", f"correct or unset NATIVE_LIB_{library.tag}_PATH"
    if path == library.path:
        fix = fixes.restart(loader)
    try:
        state = f"{os.stat(path).st_size} bytes"
        if os.path.isdir(path):
            state = "a folder"
        elif is_foreign:
            state += ", for another machine"
    except (FileNotFoundError, NotADirectoryError):
        state = "no such file"
        if _is_below_a_file(path):
            state = "inside an archive, where the system opens no library"
            fix = fix or "unpack the archive, and put the folder in its place on sys.path"
    except OSError as unreadable:  # in a folder that may not be entered
        state = str(unreadable.strerror)
    if not fix:
        means, fix = _beside("wordings").of_file(loader, library, str(error), is_foreign, fixes)
    machine = os.uname().machine if hasattr(os, "uname") else f"{sys.maxsize.bit_length() + 1} bit"
    facts = {"file": f"{path} ({state})", "system": str(error)}
    if means:
        facts["means"] = means
    facts["python"] = f"{sys.version.split()[0]} for {sys.platform}, {machine}"
    message = lines(
        f"{loader.provider} cannot load its library {library.name!r}.", **facts, fix=fix
    )
    return LibraryNotFoundError(message, name=loader.provider, path=path)


def no_program(loader: "Any", program: str, path: str, error: OSError) -> str:
    """Say which program of the provider cannot be run."""
    try:
        # Not os.access(): nothing is executable for it on a file system mounted noexec.
        state = "executable" if os.stat(path).st_mode & 0o111 else "not executable"
    except FileNotFoundError:
        state = "no such file"
    except OSError as unreadable:  # in a folder that may not be entered
        state = str(unreadable.strerror)
    means, fix = _beside("wordings").of_program(loader, path, error, _fixes())
    facts = {"file": f"{path} ({state})", "system": str(error.strerror)}
    if means:
        facts["means"] = means
    return lines(f"{loader.provider} cannot run its program {program!r}.", **facts, fix=fix)


def _is_below_a_file(path: str) -> bool:
    """Windows, asked for such a path itself, says "not found" as of every other."""
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        if os.path.isfile(path):
            return True
    return False


# The provider's side: a copy from elsewhere, on request. -------------------------------------------


def open_systems(
    loader: "Any", library: "Any", open_: "Callable[..., int]", another: "Callable[..., str | None]"
) -> "str | None":
    """Open the system's copy of a library, if there is one that consumers would find.

    Args:
        loader: the provider's.
        library: the one that was asked for.
        open_, another: the loader's functions that open a library, and tell who has its name.
    """
    leaf = os.path.basename(library.runtime_name)
    try:
        open_(leaf, loader._mode)
    except OSError as error:
        loader._debug(f"the system has no {leaf}: {error}")
        return None
    path = another(library)
    if path is None:  # macOS: the system's copy has another install name, and satisfies nobody
        loader._debug(f"the system's {leaf} does not answer to {library.runtime_name}")
    return path


# The provider's side: a bound that a caller without a record states (ctypes, cffi). ---------------

# A packaging revision (`.postN`) does not change the library.
_VERSION = r"(\d+(?:\.\d+)*)(?:\.?(dev|a|b|rc)(\d+))?(?:\.post\d+)?"
_RELEASED = (4, 0)


def check_bound(loader: "Any", bound: str) -> None:
    """Refuse a provider whose version is outside of a bound.

    Args:
        loader: the provider's.
        bound: clauses as pip reads them, with commas: ``>=1.4.2,<2``.

    Raises:
        LibraryVersionError: it is.
        ValueError: this is no bound.
    """
    if is_within(loader.version, bound):
        return
    caller = sys._getframe(2).f_globals
    raise version_error(
        *(loader, _folder_of(sys.modules.get(loader.provider))),
        f"{caller['__name__']} needs",
        *(loader.distribution, loader.distribution + "".join(bound.split())),
        str(caller.get("__file__", "no file")),
    )


def is_within(version: str, bound: str) -> bool:
    """Tell whether a version is within a bound; see `check_bound`."""
    import re

    installed = re.match(_VERSION, version)
    clauses = [
        re.fullmatch(rf"\s*(>=|<=|>|<|==|!=|~=)\s*{_VERSION}(\.\*)?\s*", clause)
        for clause in bound.split(",")
    ]
    if None in clauses:
        raise ValueError(f"{bound!r} is not a bound, such as '>=1.4,<2'")
    return bool(installed) and all(
        _is_within(_version_key(*installed.groups()), *clause.groups())
        for clause in clauses
        if installed and clause
    )


def _is_within(
    ours: "Any", operator: str, numbers: str, phase: "str | None", number: "str | None", star: str
) -> bool:
    theirs = _version_key(numbers, phase, number)
    is_same = ours == theirs
    if star or operator == "~=":
        length = numbers.count(".") + (operator != "~=")
        is_same = ours[0][:length] == theirs[0][:length]
    fits: dict[str, bool] = {
        ">=": ours >= theirs,
        "<=": ours <= theirs,
        ">": ours > theirs,
        # A pre-release of 2 is not below 2.
        "<": ours < theirs and (ours[0] != theirs[0] or theirs[1] != _RELEASED),
        "==": is_same,
        "!=": not is_same,
        "~=": is_same and ours >= theirs,
    }
    return fits[operator]


def _version_key(
    numbers: str, phase: "str | None", number: "str | None"
) -> "tuple[list[int], tuple[int, int]]":
    """Order versions as the consumer's file does, which is not in a provider's wheel."""
    release = [int(part) for part in numbers.split(".")] + [0] * 9
    before = ("dev", "a", "b", "rc").index(phase) if phase else _RELEASED[0]
    return release[:9], (before, int(number or 0))


# The provider's side: what another file answers. -------------------------------------------------


def name_conflict(loader: "Any", library: "Any", path: str, handle: int) -> str:
    """Refuse another file that has the library's name, or return its path if only to be warned."""
    other = _path_of_handle(handle)
    _conflict(
        f"Another file in this process already has the name {library.runtime_name}, so extension "
        f"modules would use it in place of {loader.provider}'s.",
        *(loader, path, other),
        f"find out what loads the other file and remove it, or call {loader.provider}.loader.load() "
        "before",
    )
    return other


def symbol_conflict(loader: "Any", library: "Any", path: str, address: int) -> None:
    """Refuse another file that would get the calls, unless symbol versions keep them apart."""
    other = _path_of_address(address)
    if _is_same_file(other, path):
        return  # it has the name as well, and that was told
    # musl, where the anchor is, ignores versions.
    if not library.anchor and _versions_keep_apart(path, other, library.probe_symbol):
        return
    _conflict(
        f"Another loaded file already defines {library.probe_symbol}, so calls meant for "
        f"{loader.provider} would go there. It is in this process's global scope: one of the "
        "interpreter's own libraries, LD_PRELOAD, or a library opened with RTLD_GLOBAL.",
        *(loader, path, other),
        "find out what puts the other file there and remove it; an author can also build "
        f"{loader.distribution} with a prefix on its symbols",
    )


def _conflict(headline: str, loader: "Any", path: str, other: str, fix: str) -> None:
    message = lines(
        headline,
        answers=other,
        ours=f"{path} ({loader.distribution} {loader.version})",
        fix=_fixes().restart(loader) or f"{fix}; set NATIVE_LIB_CONFLICT=warn to continue anyway",
    )
    if os.environ.get("NATIVE_LIB_CONFLICT") != "warn":
        raise LibraryConflictError(message, name=loader.provider, path=other)
    import warnings

    warnings.warn(message, RuntimeWarning, stacklevel=2)


def path_of_another(handle: int, ours: str) -> "str | None":
    """Return the path of a loaded library, or None if it is our own file."""
    path = _path_of_handle(handle)
    return None if _is_same_file(path, ours) else path


def _is_same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _path_of_handle(handle: int) -> str:
    import ctypes

    if sys.platform == "win32":
        ask = ctypes.WinDLL("kernel32").GetModuleFileNameW
        buffer = ctypes.create_unicode_buffer(32768)
        ask(ctypes.c_void_p(handle), buffer, len(buffer))
        return buffer.value
    process = ctypes.CDLL(None)
    if sys.platform == "darwin":
        process._dyld_get_image_name.restype = ctypes.c_char_p
        for number in range(process._dyld_image_count()):
            image = os.fsdecode(process._dyld_get_image_name(number))
            try:
                if ctypes.CDLL(image, os.RTLD_NOLOAD | os.RTLD_NOW)._handle == handle:
                    return image
            except OSError:
                pass
        return "a file that dyld does not tell"
    link_map = ctypes.POINTER(ctypes.c_void_p)()  # l_addr, l_name, ...
    process.dlinfo(ctypes.c_void_p(handle), 2, ctypes.byref(link_map))
    name = ctypes.cast(link_map[1] or 0, ctypes.c_char_p).value
    return os.path.abspath(os.fsdecode(name)) if name else sys.executable


def _path_of_address(address: int) -> str:
    import ctypes

    facts = (ctypes.c_void_p * 4)()  # Dl_info: file name, base, symbol name, address
    ctypes.CDLL(None).dladdr(ctypes.c_void_p(address), facts)
    name = os.fsdecode(ctypes.cast(facts[0] or 0, ctypes.c_char_p).value or b"")
    return name if "/" in name else sys.executable  # the program is named as it was called


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


# What the provider's side does elsewhere than on CPython, and what it asks Windows. --------------

# PyPy closes a library when nobody holds its object any longer; a reload must not forget them.
_held: "list[object]" = globals().get("_held", [])
# What Emscripten failed to open.
_refused: "dict[str | None, str]" = globals().get("_refused", {})


def open_elsewhere(path: "str | None", mode: int) -> int:
    """Open a library by the public module: PyPy's `_ctypes` returns what never compares equal."""
    import ctypes

    if path in _refused:
        raise OSError(_refused[path])
    library: Any
    try:
        if sys.platform == "win32":  # see the manager's `_open`
            flags = 0x1100 if path and os.path.isabs(path) else 0x1000
            library = ctypes.WinDLL(path, winmode=flags)
        else:
            library = ctypes.CDLL(path, mode | os.RTLD_NOW)
    except OSError as error:
        if sys.platform == "emscripten":
            # It lists a library before it reads it, and leaves it there when that fails: asked
            # again, it would say that the library is loaded.
            _refused[path] = str(error)
        raise
    _held.append(library)
    return int(library._handle)


def address_elsewhere(handle: int, symbol: str) -> int:
    """Look a symbol up in a library; PyPy's CDLL looks nothing up by a handle."""
    import ctypes

    find = ctypes.CDLL(None).dlsym
    find.restype = ctypes.c_void_p
    return find(ctypes.c_void_p(handle), symbol.encode()) or 0


def handle_of_loaded(runtime_name: str) -> "int | None":
    """Ask Windows for a loaded module; `LoadLibrary` would load one."""
    import ctypes

    ask = ctypes.WinDLL("kernel32").GetModuleHandleW  # type: ignore[attr-defined, unused-ignore]
    ask.restype = ctypes.c_void_p
    handle: int | None = ask(ctypes.c_wchar_p(runtime_name))
    return handle


# The consumer's side. ----------------------------------------------------------------------------


def no_provider(there: "Any", name: str) -> LibraryNotFoundError:
    """Say that a provider is not installed of which no record tells more than its import name."""
    what = f"This needs the native library provider {name}"
    return _no_provider(there, name, what, name.replace("_", "-"), name)


def no_required_provider(
    there: "Any", need: "Any", consumer: str, folder: str
) -> LibraryNotFoundError:
    """Say that a provider is not installed which a consumer was built against.

    Args:
        there: what was imported by its name, or None.
        need: the entry of the consumer's record.
        consumer: the consumer's import name.
        folder: where the consumer is.
    """
    libraries = " and ".join(repr(library) for library in need["libraries"])
    return _no_provider(
        *(there, need["provider"]),
        f"{consumer} needs the native library {libraries} of the distribution "
        f"{need['distribution']}",
        *(need["distribution"], need["requirement"]),
        needed_by=f"{folder} (built against {need['distribution']} {need['version']})",
    )


def _no_provider(
    there: "Any", name: str, what: str, distribution: str, requirement: str, **facts: str
) -> LibraryNotFoundError:
    file = getattr(there, "__file__", None) or ""
    fixes = _fixes()
    message = f"{what}, which is not {'in this program' if fixes.is_frozen() else 'installed'}."
    if file:
        message = f"{what}; what is importable as {name} is something else."
        facts = {"found": file, **facts}
    elif there is not None:
        # A mere folder of that name on sys.path is importable too, as a namespace package.
        found = f"{_folder_of(there)} (a folder of that name, without the package)"
        facts = {"found": found, **facts}
    facts["fix"] = fixes.appeared(name, there) or fixes.install(
        *(distribution, requirement, "--force-reinstall", file)
    )
    return LibraryNotFoundError(lines(message, **facts), name=name)


def wrong_version(provider: "Any", need: "Any", consumer: str, folder: str) -> LibraryVersionError:
    """Say which version of a provider is installed, and which one fits."""
    loader, built = provider.loader, need["version"]
    return version_error(
        *(loader, _folder_of(provider)),
        f"{consumer} was built against {need['distribution']} {built} and needs",
        *(need["distribution"], need["requirement"]),
        f"{folder} (built against {built})",
        _fixes().build_again(consumer, built, need["distribution"], loader.version),
    )


def _folder_of(module: "Any") -> str:
    file = getattr(module, "__file__", None)
    if file:
        return os.path.dirname(os.path.abspath(str(file)))
    return ", ".join(getattr(module, "__path__", ())) or "no file"
