"""The providers that are installed in this environment, as their manifests describe them."""

from __future__ import annotations

import mmap
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from native_lib.check.binary import CorruptBinaryError
from native_lib.check.elf import soname_of
from native_lib.known import library_name
from native_lib.known.read import known
from native_lib.literals import MANIFEST, REQUIRES, LiteralsError, read_literals
from native_lib.names import import_name
from native_lib.paths import is_file
from native_lib.support.shared_lib_consumer import REQUIREMENTS_FORMAT
from native_lib.support.shared_lib_fixes import pip
from native_lib.support.shared_lib_manager import MANIFEST_FORMAT

if TYPE_CHECKING:
    import importlib.metadata
    from collections.abc import Sequence

    from native_lib.known import Known


class ProvidersError(Exception):
    """A provider is not installed or cannot be read; the message says which, and why."""


@dataclass(frozen=True)
class InstalledLibrary:
    """One library of a provider.

    Attributes:
        name: upstream's, such as ``png``.
        file: path below the provider's folder, with slashes.
        runtime_name: what consumers record.
        link_files: paths of the link files below that folder; none in wheels of older builds.
    """

    name: str
    file: str
    runtime_name: str
    link_files: tuple[str, ...]


@dataclass(frozen=True)
class InstalledProvider:
    """A provider.

    Attributes:
        distribution: its name.
        version: of the distribution.
        folder: its package, which has ``lib`` and ``include`` in it.
        packages: names of its CMake package.
        libraries: in the order of the manifest.
        programs: paths of its programs below the folder, with slashes.
        requires: the providers that this one requires, by its record and its metadata.
        include: further folders for the compiler, below its folder.
        is_known: whether it was not made here.
    """

    distribution: str
    version: str
    folder: Path
    packages: tuple[str, ...]
    libraries: tuple[InstalledLibrary, ...]
    programs: tuple[str, ...]
    requires: tuple[str, ...]
    include: tuple[str, ...] = ()
    is_known: bool = False


def installed_providers(names: Sequence[str]) -> list[InstalledProvider]:
    """Return providers, and after them the providers that they require.

    Args:
        names: distributions or import names.

    Raises:
        ProvidersError: one is not installed, is not a provider, or cannot be read here.
    """
    found: dict[str, InstalledProvider] = {}
    waiting = [*names]
    while waiting:
        name = waiting.pop(0)
        if import_name(name) not in found:
            provider = found[import_name(name)] = _read(name)
            waiting += provider.requires
    return [*found.values()]


def _read(name: str) -> InstalledProvider:
    distribution = _distribution(name)
    if not distribution:
        raise ProvidersError(f"{name} is not installed here; {pip(f'install {name}')}")
    folder = _folder(distribution, name)
    it = known(name)
    if not folder and it:
        return _known(distribution, it)
    if not folder:
        raise ProvidersError(
            f"{name} {distribution.version} is not a provider: it has no manifest "
            f"{import_name(name)}/{MANIFEST}"
        )
    path = folder / MANIFEST
    try:
        manifest = _literals(path, MANIFEST_FORMAT)
        libraries = tuple(
            InstalledLibrary(
                str(library),
                str(facts.get("file", "")),
                str(facts["runtime_name"]),
                tuple(facts.get("link_files", ())),
            )
            for library, facts in manifest["LIBRARIES"].items()
        )
        packages = (manifest["PACKAGE"], *manifest.get("NAMES", ()))
        programs = tuple(manifest.get("PROGRAMS", {}).values())
        path = folder / REQUIRES
        record = _literals(path, REQUIREMENTS_FORMAT)["REQUIRES"] if is_file(path) else ()
        needs = tuple(str(entry["distribution"]) for entry in record)
    except (KeyError, TypeError, AttributeError) as error:
        raise ProvidersError(f"{path} lacks {error}") from error
    return InstalledProvider(
        distribution=distribution.metadata["Name"],
        version=distribution.version,
        folder=folder,
        packages=packages,
        libraries=libraries,
        programs=programs,
        requires=(*needs, *filter(_is_provider, _required(distribution))),
    )


def _known(distribution: importlib.metadata.Distribution, it: Known) -> InstalledProvider:
    """Return what is known of a package that was not made here."""
    paths: dict[str, str] = {}
    for file in map(str, distribution.files or ()):
        path = Path(str(distribution.locate_file(file)))
        if it.chooses(file.replace("\\", "/"), sys.platform) and _has_own_name(path):
            paths.setdefault(library_name(path.name), file.replace("\\", "/"))
    if not paths:
        told = f"{distribution.metadata['Name']} {distribution.version}"
        raise ProvidersError(f"{told} has none of the libraries here that are known of it")
    folder = it.folder_of(next(iter(paths.values())))
    return InstalledProvider(
        distribution=distribution.metadata["Name"],
        version=distribution.version,
        folder=Path(str(distribution.locate_file(folder))),
        packages=it.packages,
        libraries=tuple(
            InstalledLibrary(name, path.removeprefix(f"{folder}/"), path.rpartition("/")[2], ())
            for name, path in paths.items()
        ),
        programs=(),
        requires=tuple(each for each in _required(distribution) if _is_brought(it, each)),
        include=it.include,
        is_known=True,
    )


def _has_own_name(path: Path) -> bool:
    """Tell whether a library has its file's name; not a copy that is to be a link (wheels have none)."""
    try:
        with path.open("rb") as opened:
            if opened.read(4) != b"\x7fELF":
                return True
            with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return soname_of(content) == path.name
    except (OSError, ValueError, CorruptBinaryError):  # it is missing or damaged
        return False


def _is_brought(it: Known, name: str) -> bool:
    return it.is_brought(name.lower().replace("_", "-")) and _distribution(name) is not None


def _required(distribution: importlib.metadata.Distribution) -> list[str]:
    """Return what a distribution requires: all kinds of packages, and some that are not installed."""
    lines = [line for line in distribution.requires or () if not re.search(r";.*\bextra\b", line)]
    return [re.split(r"[^\w.-]", line)[0] for line in lines]


def _distribution(name: str) -> importlib.metadata.Distribution | None:
    import importlib.metadata  # slow to import, and other commands do not need it

    try:
        return importlib.metadata.distribution(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None


def _is_provider(name: str) -> bool:
    distribution = _distribution(name)
    return bool(distribution and _folder(distribution, name))


def _folder(distribution: importlib.metadata.Distribution, name: str) -> Path | None:
    """Return the folder of a provider's manifest, of an editable install, too; None if there is none."""
    import importlib.util

    package = import_name(name)
    folders = [Path(str(distribution.locate_file(package)))]
    spec = importlib.util.find_spec(package)  # imports nothing
    folders += map(Path, (spec.submodule_search_locations if spec else None) or ())
    return next((folder for folder in folders if is_file(folder / MANIFEST)), None)


def _literals(path: Path, known: int) -> dict[str, Any]:
    """Read a module of literals without importing its package, which may load something."""
    try:
        return read_literals(path, path.read_bytes(), known)
    except OSError as error:
        raise ProvidersError(f"{path} cannot be read: {error}") from error
    except LiteralsError as error:
        raise ProvidersError(str(error)) from error
