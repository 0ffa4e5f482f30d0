# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the native-lib-template authors
# From native-lib-loader 0.2.0, https://github.com/org/native-lib-template
"""The consumer's side: load the providers' libraries before an extension module needs them.

Call `load_requirements` in the package's ``__init__.py``, above the import of the extension module.
It imports each provider that the extension was linked against, insists on a version that fits, and
has it open its libraries, which the operating system's loader then finds loaded.

Made to be vendored: it imports nothing that a bare interpreter has not loaded already, and another
file, ``..._explain``, only for an error. Freezers see that import below, where it never runs.
"""

import os
import sys

TYPE_CHECKING = False  # ``typing`` is not loaded in a bare interpreter
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from . import _shared_lib_explain  # type: ignore[attr-defined, unused-ignore] # noqa: F401

    LibraryNotFoundError = LibraryVersionError = NativeLibraryError = ImportError

__all__ = ["LibraryNotFoundError", "LibraryVersionError", "NativeLibraryError"]
__all__ += ["load_library_module", "load_requirements"]
REQUIREMENTS_FORMAT = 2  # 1 has no packages that were not made with native-lib


def load_requirements(requires: "ModuleType") -> "tuple[Any, ...]":
    """Load every library that this package's extension modules were linked against.

    Args:
        requires: the module ``_native_requires``, which NativeLibrary.cmake wrote. It is empty in
            a build that uses the system's libraries (NATIVE_LIB_SYSTEM); then nothing is loaded.

    Returns:
        What the providers' loaders loaded: objects with a name, a path and an origin.

    Raises:
        LibraryNotFoundError: a provider is not installed.
        LibraryVersionError: a provider does not fit what the extension was built against.
        ImportError: whatever else the provider's loader, or its import, has to say.
    """
    if requires.FORMAT > REQUIREMENTS_FORMAT:
        raise _beside().newer_format(requires, __file__, REQUIREMENTS_FORMAT)
    consumer = requires.__name__.rpartition(".")[0]
    folder = os.path.dirname(os.path.abspath(requires.__file__ or "module"))
    loaded: list[Any] = []
    for need in requires.REQUIRES:
        if "files" in need:  # of a package that has no loader of ours
            loaded.extend(_beside("foreign").load(need, consumer, folder))
            continue
        provider = _import(need["provider"])
        if not hasattr(provider, "loader"):
            raise _beside().no_required_provider(provider, need, consumer, folder)
        _check_version(provider, need, consumer, folder)
        loaded.extend(provider.loader.load(*need["libraries"]))
    return tuple(loaded)


def load_library_module(
    name: str, prefer_system: "bool | None" = None, required: bool = False
) -> "tuple[Any, ...]":
    """Load all libraries of one provider: the plain form, without a record and its checks.

    A provider that is not installed is no error: the library may come from conda or the system,
    and the extension module finds it by itself, or fails with the system's words.

    Args:
        name: what to import to get the provider; its ``loader`` is asked to load.
        prefer_system: ask for the system's copy first.
        required: insist on the provider.

    Returns:
        What the provider's loader loaded; nothing if the provider is not installed.

    Raises:
        LibraryNotFoundError: `required`, and it is not installed; or its name is something else's.
        ImportError: whatever the provider's loader has to say.
    """
    provider = _import(name)
    if hasattr(provider, "loader"):
        loaded: tuple[Any, ...] = provider.loader.load(prefer_system=prefer_system)
        return loaded
    if required or getattr(provider, "__file__", None):
        raise _beside().no_provider(provider, name)
    _debug(f"{name} is not installed, the library is left to the system")
    return ()


def _import(name: str) -> "Any":
    """Import a provider; only its own absence counts as absence, all else is a fault to be seen."""
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        if error.name != name and not name.startswith(f"{error.name}."):
            raise
        return None
    return sys.modules[name]


def _check_version(provider: "Any", need: "Any", consumer: str, folder: str) -> None:
    installed, built = str(provider.loader.version), str(need["version"])
    _debug(f"{consumer} requires {need['requirement']}, there is {installed}")
    fixed = {"SameMajorVersion": 1, "SameMinorVersion": 2, "ExactVersion": 3}[need["compatibility"]]
    ours, theirs = _version_key(installed), _version_key(built)
    if ours[0][:fixed] != theirs[0][:fixed] or ours < theirs:
        raise _beside().wrong_version(provider, need, consumer, folder)


def _version_key(version: str) -> "tuple[list[int], list[tuple[int, int]]]":
    """Order versions as pip does, without `packaging`, which a bare interpreter lacks.

    Returns:
        The release numbers, three at least, and what orders pre-releases of the same numbers.
    """
    before_release = {"dev": -4, "a": -3, "b": -2, "rc": -1}
    release: list[int] = []
    phases: list[tuple[int, int]] = []
    for part in _parts(version):
        if part in before_release:
            phases.append((before_release[part], 0))
        elif not part.isdigit():
            break  # a packaging revision (``.postN``), which does not change the library
        elif phases:
            phases[-1] = (phases[-1][0], int(part))
        else:
            release.append(int(part))
    return release + [0] * (3 - len(release)), [*phases, (0, 0)]


def _parts(version: str) -> "list[str]":
    """Split a version into its numbers and words: 1.4.2rc1 gives 1, 4, 2, rc, 1."""
    parts = [""]
    for letter in version.partition("+")[0]:
        if letter == "." or letter.isdigit() != parts[-1].isdigit():
            parts.append("")
        parts[-1] += letter.strip(".")
    return [part for part in parts if part]


def _debug(message: str) -> None:
    if os.environ.get("NATIVE_LIB_DEBUG"):
        _beside().debug(message)


def _beside(part: str = "explain") -> "Any":
    # The loader's files share a prefix: `_shared_lib_` in a package, `shared_lib_` as plain modules.
    name = __name__.rpartition("consumer")[0] + part
    __import__(name)
    return sys.modules[name]


def __getattr__(name: str) -> "Any":
    """Import the error classes when somebody asks for them."""
    if name in __all__:
        return getattr(_beside(), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
