"""The providers that are installed in this environment, as their manifests describe them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from native_lib.literals import MANIFEST, REQUIRES, LiteralsError, read_literals
from native_lib.names import import_name
from native_lib.paths import is_file
from native_lib.support.shared_lib_consumer import REQUIREMENTS_FORMAT
from native_lib.support.shared_lib_fixes import pip
from native_lib.support.shared_lib_manager import MANIFEST_FORMAT

if TYPE_CHECKING:
    import importlib.metadata
    from collections.abc import Sequence


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
    """

    distribution: str
    version: str
    folder: Path
    packages: tuple[str, ...]
    libraries: tuple[InstalledLibrary, ...]
    programs: tuple[str, ...]
    requires: tuple[str, ...]


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
    # Other packages are among these, and some that are not installed because of a marker.
    lines = [line for line in distribution.requires or () if not re.search(r";.*\bextra\b", line)]
    required = (re.split(r"[^\w.-]", line)[0] for line in lines)
    return InstalledProvider(
        distribution=distribution.metadata["Name"],
        version=distribution.version,
        folder=folder,
        packages=packages,
        libraries=libraries,
        programs=programs,
        requires=(*needs, *(each for each in required if _is_provider(each))),
    )


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
