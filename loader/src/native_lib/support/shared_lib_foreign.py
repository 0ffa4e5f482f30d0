# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the native-lib-template authors
# From native-lib-loader 0.2.0, https://github.com/org/native-lib-template
"""The consumer's side, for packages that ship libraries and were not made with native-lib.

``..._consumer`` imports this file if a record names such a package: torch, pyarrow, NVIDIA's. They
have no loader. Most open their libraries when they are imported; what they leave is opened here.
Nothing is imported or opened before the version and the files are known to fit.
"""

import os
import sys

TYPE_CHECKING = False  # ``typing`` is not loaded in a bare interpreter
if TYPE_CHECKING:
    from typing import Any

    from . import _shared_lib_explain  # type: ignore[attr-defined, unused-ignore] # noqa: F401


class Package:
    """A package of this environment, as the messages about a provider look at it.

    Attributes:
        version: empty if it is not installed.
        root: the folder that the record's paths are below.
    """

    def __init__(self, need: "Any") -> None:
        self.provider, self.distribution = need["provider"], need["distribution"]
        self.loader = self
        self.version, self.root = _metadata(self.distribution, self.provider)
        module = sys.modules.get(self.provider)
        if self.provider and not self.version:  # frozen, or never installed: only itself tells
            module = _imported(self.provider)
        if module:
            self.ask(module, need["attribute"])
        self.paths = {
            name: os.path.join(self.root, *file.split("/")) for name, file in need["files"].items()
        }
        self.__file__ = self.paths[need["libraries"][0]]

    def ask(self, module: "Any", attribute: str) -> None:
        """Take what the imported module says: it need not be what the metadata is of."""
        self.version = str(getattr(module, attribute, self.version))
        self.root = os.path.dirname(os.path.dirname(os.path.abspath(str(module.__file__))))


class Loaded:
    """A library that consumers can use now."""

    origin = "wheel"

    def __init__(self, name: str, path: str) -> None:
        self.name, self.path = name, path


def load(need: "Any", consumer: str, folder: str) -> "list[Loaded]":
    """Have a package open what a consumer was linked with, and open what it leaves.

    Args:
        need: the entry of the consumer's record.
        consumer: its import name.
        folder: where it is.

    Raises:
        LibraryNotFoundError: the package is not installed, or is a variant without a library.
        LibraryVersionError: its version does not fit what the consumer was built against.
        ImportError: its import fails, or the system cannot open a library.
    """
    package = _checked(need, consumer, folder)
    if package.provider and _imported(package.provider) is None:
        raise _explain().no_required_provider(None, need, consumer, folder)
    package = _checked(need, consumer, folder)  # what was imported need not be what was looked at
    for name in need["by_path"]:
        _open(package, name, consumer, folder)
    return [Loaded(name, package.paths[name]) for name in need["libraries"]]


def _checked(need: "Any", consumer: str, folder: str) -> Package:
    package = Package(need)
    if not package.version:
        raise _explain().no_required_provider(None, need, consumer, folder)
    if not _explain().is_within(package.version, need["requirement"][len(package.distribution) :]):
        raise _wrong_version(package, need, consumer, folder)
    for path in package.paths.values():
        if not os.path.exists(path):
            raise _lacking(package, need, path, consumer, folder)
    return package


def _open(package: Package, name: str, consumer: str, folder: str) -> None:
    from ctypes import CDLL

    try:
        CDLL(package.paths[name])  # RTLD_LOCAL: who needs it finds it by its run-time name
    except OSError as error:
        raise _not_opened(package, name, error, consumer, folder) from error


def _metadata(distribution: str, module: str) -> "tuple[str, str]":
    """Return a version, and the folder that a package is in; nothing of what is not installed."""
    # Not the folder: pip leaves that of NVIDIA's packages behind, empty and importable.
    from importlib import metadata
    from importlib.util import find_spec

    try:
        found = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return "", ""
    spec = find_spec(module) if module and module not in sys.modules else None  # imports nothing
    place = os.path.dirname(os.path.dirname(spec.origin)) if spec and spec.origin else ""
    return str(found.version), place or str(found.locate_file(""))


# What is wrong. ----------------------------------------------------------------------------------


def _wrong_version(package: Package, need: "Any", consumer: str, folder: str) -> ImportError:
    built = f"{package.distribution} {need['version']}"
    error: ImportError = _explain().version_error(
        *(package, os.path.dirname(package.__file__)),
        f"{consumer} was built against {built} and needs",
        *(package.distribution, need["requirement"]),
        f"{folder} (built against {need['version']})",
        _fix(package, need),
    )
    return error


def _lacking(package: Package, need: "Any", path: str, consumer: str, folder: str) -> ImportError:
    built = f"{package.distribution} {need['version']}"
    return _not_found(
        *(package, path),
        f"{consumer} needs {os.path.basename(path)} of {built}, and {package.distribution} "
        f"{package.version} has no such library here: it is another variant, or damaged.",
        file=f"{path} (no such file)",
        needed_by=f"{folder} (built against {built})",
        fix=_fix(package, need, "--force-reinstall"),
    )


def _not_opened(
    package: Package, name: str, error: OSError, consumer: str, folder: str
) -> ImportError:
    there = f"{package.distribution} {package.version}"
    return _not_found(
        *(package, package.paths[name]),
        f"{consumer} needs the library {name!r} of {there}, which cannot be opened.",
        file=package.paths[name],
        system=str(error),
        needed_by=folder,
        fix=_beside("fixes").again(package.distribution, package.version),
    )


def _not_found(package: Package, path: str, headline: str, **facts: str) -> ImportError:
    explain = _explain()
    message = explain.lines(headline, **facts)
    error: ImportError = explain.LibraryNotFoundError(message, name=package.provider, path=path)
    return error


def _fix(package: Package, need: "Any", option: str = "") -> str:
    """Say what to install; pip's own index may have another variant."""
    fix = str(_beside("fixes").install(package.distribution, need["requirement"], option))
    variant = need["version"].partition("+")[2] or package.version.partition("+")[2]
    return f"{fix} (from the index that has its variant {variant})" if variant else fix


def _imported(name: str) -> "Any":
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None
    return sys.modules[name]


def _explain() -> "Any":
    return _beside("explain")


def _beside(part: str) -> "Any":
    """Import another of the loader's files."""
    name = __name__.rpartition("foreign")[0] + part
    __import__(name)
    return sys.modules[name]
