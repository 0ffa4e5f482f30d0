"""The consumer's side: load the providers' libraries before an extension module needs them.

Call `load_requirements` in the package's ``__init__.py``, above the import of the extension
module. It imports each provider that the extension was linked against, insists on a version that
fits, and has it open its libraries. The operating system then serves the extension from its list
of loaded libraries.

This file is made to be vendored: it needs the standard library only, and imports nothing that a
bare interpreter has not loaded already. ``native-lib vendor`` updates it. Where it comes from, and
why it is as it is: https://github.com/org/native-lib-template
"""

import os
import sys

TYPE_CHECKING = False  # ``typing`` is not loaded in a bare interpreter
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

__all__ = [
    "LibraryNotFoundError",
    "LibraryVersionError",
    "NativeLibraryError",
    "load_library_module",
    "load_requirements",
]

REQUIREMENTS_FORMAT = 1


class NativeLibraryError(ImportError):
    """A native library cannot be used; the message says which, why, and what to do."""


class LibraryNotFoundError(NativeLibraryError):
    """The provider of a library is not installed."""


class LibraryVersionError(NativeLibraryError):
    """The installed provider does not fit what the extension module was built against."""


def load_requirements(requires: "ModuleType") -> "tuple[Any, ...]":
    """Load every library that this package's extension modules were linked against.

    Args:
        requires: the module ``_native_requires``, which NativeLibrary.cmake wrote. It is empty in
            a build that uses the system's libraries (NATIVE_LIB_SYSTEM); then nothing is loaded.

    Returns:
        What the providers' loaders loaded: objects with a name, a path and an origin.

    Raises:
        LibraryNotFoundError: a provider is not installed.
        LibraryVersionError: a provider is older than what the extension was built against, or
            outside the range that its author promised to be compatible.
        ImportError: whatever else the provider's loader has to say; an error that the import of an
            installed provider raises passes through as it is.
    """
    consumer = requires.__name__.rpartition(".")[0]
    if requires.FORMAT > REQUIREMENTS_FORMAT:
        raise NativeLibraryError(
            f"{requires.__file__} has format {requires.FORMAT}, and {__file__} reads formats up to "
            f"{REQUIREMENTS_FORMAT}: update the vendored loader with `native-lib vendor`",
            name=consumer,
        )
    folder = os.path.abspath(os.path.dirname(requires.__file__ or ""))
    loaded: list[Any] = []
    for need in requires.REQUIRES:
        libraries = " and ".join(repr(library) for library in need["libraries"])
        provider = _import(need["provider"])
        if not hasattr(provider, "loader"):
            raise _no_provider(
                provider,
                need["provider"],
                f"{consumer} needs the native library {libraries} of the distribution "
                f"{need['distribution']}",
                need["distribution"],
                need["requirement"],
                needed_by=f"{folder} (built against {need['distribution']} {need['version']})",
            )
        _check_version(provider, need, consumer, folder)
        loaded.extend(provider.loader.load(*need["libraries"]))
    return tuple(loaded)


def load_library_module(name: str, prefer_system: "bool | None" = None) -> "tuple[Any, ...]":
    """Load all libraries of one provider: the plain form, without a record and its checks.

    Args:
        name: what to import to get the provider; its ``loader`` is asked to load.
        prefer_system: ask for the system's copy first. With True, a provider that is not installed
            is no error: the extension module finds the system's copy by itself.

    Returns:
        What the provider's loader loaded.

    Raises:
        LibraryNotFoundError: the provider is not installed.
        ImportError: whatever the provider's loader has to say.
    """
    provider = _import(name)
    if not hasattr(provider, "loader"):
        if not prefer_system:
            what = f"This needs the native library provider {name}"
            raise _no_provider(provider, name, what, name.replace("_", "-"), name)
        _debug(f"{name} is not installed, the system's copy is left to the system")
        return ()
    loaded: tuple[Any, ...] = provider.loader.load(prefer_system=prefer_system)
    return loaded


def _import(name: str) -> "Any":
    """Import a provider; only its own absence counts as absence, all else is a fault to be seen."""
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        if error.name != name and not name.startswith(f"{error.name}."):
            raise
        return None
    return sys.modules[name]


def _no_provider(
    there: "Any", name: str, what: str, distribution: str, requirement: str, **facts: str
) -> LibraryNotFoundError:
    """Say that a provider is not there, or what is there in its place."""
    file = getattr(there, "__file__", None) or ""
    message = f"{what}, which is not installed."
    if file:
        message = f"{what}; what is importable as {name} is something else."
        facts = {"found": file, **facts}
    elif there is not None:
        # A mere folder of that name on sys.path is importable too, as a namespace package.
        found = f"{_path_of(there)} (a folder of that name, without the package)"
        facts = {"found": found, **facts}
    facts["fix"] = _fix(distribution, requirement, "--force-reinstall", file)
    return LibraryNotFoundError(_lines(message, **facts), name=name)


def _fix(distribution: str, requirement: str, option: str = "", in_its_place: str = "") -> str:
    """Say what brings a provider, and what keeps pip from that.

    For errors only: importlib.metadata imports zlib, bz2 and lzma, and then the system's libz,
    libbz2 and liblzma have these names for as long as the process lives.

    Args:
        distribution: the provider's.
        requirement: what pip is to install.
        option: makes pip install what has metadata, of which it leaves alone what fits.
        in_its_place: a file that was imported by the provider's name.
    """
    install = f'python -m pip install "{requirement}"'
    try:
        from importlib.metadata import distribution as metadata_of
        from site import ENABLE_USER_SITE, getsitepackages, getusersitepackages

        root = str(metadata_of(distribution).locate_file(""))
        # A virtual environment's pip leaves the user's folder alone, wherever PYTHONPATH has it.
        users = [getusersitepackages()] if ENABLE_USER_SITE else []
        pips = [_real(path) for path in (*getsitepackages(), *users)]
    except (AttributeError, ImportError, LookupError, ValueError):
        return f"take that file out of Python's way, then: {install}" if in_its_place else install
    if in_its_place and not _real(in_its_place).startswith(os.path.join(_real(root), "")):
        return "take that file out of Python's way: the provider is installed"
    if _real(root) not in pips:
        return f"take {root} off sys.path, for pip does not install there, then: {install}"
    return install.replace('"', f'{option} "', 1) if option else install


def _real(path: str) -> str:
    """Return a path as it can be compared; Windows makes no difference between c: and C:."""
    return os.path.normcase(os.path.realpath(path))


def _check_version(provider: "Any", need: "Any", consumer: str, folder: str) -> None:
    installed, built = str(provider.loader.version), str(need["version"])
    fixed = {"SameMajorVersion": 1, "SameMinorVersion": 2, "ExactVersion": 3}[need["compatibility"]]
    _debug(f"{consumer} requires {need['requirement']}, there is {installed}")
    if _release(installed)[:fixed] == _release(built)[:fixed] and (
        _version_key(installed) >= _version_key(built)
    ):
        return
    raise LibraryVersionError(
        _lines(
            f"{consumer} was built against {need['distribution']} {built} and needs "
            f"{need['requirement']}, but {installed} is installed.",
            provider=f"{_path_of(provider)} ({installed})",
            needed_by=f"{folder} (built against {built})",
            fix=_fix(need["distribution"], need["requirement"]),
        ),
        name=need["provider"],
        path=_path_of(provider),
    )


def _path_of(module: "Any") -> str:
    file = getattr(module, "__file__", None)
    if file:
        return os.path.dirname(os.path.abspath(str(file)))
    return ", ".join(getattr(module, "__path__", ())) or "no file"


def _parts(version: str) -> "list[int | str]":
    """Split a version into its numbers and words: 1.4.2rc1 gives [1, 4, 2, "rc", 1]."""
    parts: list[int | str] = []
    word = ""
    for letter in version.partition("+")[0] + ".":
        if word and (letter == "." or letter.isdigit() != word.isdigit()):
            parts.append(int(word) if word.isdigit() else word)
            word = ""
        if letter != ".":
            word += letter
    return parts


def _release(version: str) -> "list[int]":
    """Return the release numbers of a version, three at least: 1.4rc1 gives [1, 4, 0]."""
    release: list[int] = []
    for part in _parts(version):
        if not isinstance(part, int):
            break
        release.append(part)
    return release + [0] * (3 - len(release))


def _version_key(version: str) -> "tuple[list[int], list[tuple[int, int]]]":
    """Order versions as pip does, without `packaging`, which a bare interpreter lacks.

    Packaging revisions (``.postN``) do not change the library, so they do not count.
    """
    before_release = {"dev": -4, "a": -3, "b": -2, "rc": -1}
    phases: list[tuple[int, int]] = []
    for part in _parts(version):
        if part == "post":
            break
        if part in before_release:
            phases.append((before_release[str(part)], 0))
        elif phases and isinstance(part, int):
            phases[-1] = (phases[-1][0], part)
    return _release(version), [*phases, (0, 0)]


def _is_on(value: str) -> bool:
    return value.strip().lower() not in ("", "0", "false", "no", "off")


def _lines(headline: str, **facts: str) -> str:
    width = max(len(name) for name in facts) + 1
    named = ((name.replace("_", " ") + ":", fact) for name, fact in facts.items())
    return "\n".join([headline, *(f"  {name:<{width}} {fact}" for name, fact in named)])


def _debug(message: str) -> None:
    # A process without stderr has None there, and print would take stdout.
    if sys.stderr and _is_on(os.environ.get("NATIVE_LIB_DEBUG", "")):
        print(f"native-lib: {message}", file=sys.stderr)
