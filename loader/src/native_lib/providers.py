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
from native_lib.support.shared_lib_manager import MANIFEST_FORMAT

if TYPE_CHECKING:
    import importlib.metadata
    from collections.abc import Iterator, Sequence


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
        distribution: its name, as it was asked for.
        version: of the distribution.
        folder: its package, which has ``lib`` and ``include`` in it.
        packages: names of its CMake package.
        libraries: in the order of the manifest.
        requires: distributions that this one requires, providers or not.
        needs: those of them that its libraries are linked to.
    """

    distribution: str
    version: str
    folder: Path
    packages: tuple[str, ...]
    libraries: tuple[InstalledLibrary, ...]
    requires: tuple[str, ...]
    needs: tuple[str, ...]


def installed_providers(names: Sequence[str]) -> list[InstalledProvider]:
    """Return providers, and after them the providers that they require.

    Args:
        names: distributions or import names.

    Raises:
        ProvidersError: one is not installed, is not a provider, or cannot be read here.
    """
    import importlib.metadata  # slow to import, and other commands do not need it

    found: dict[str, InstalledProvider | None] = {}
    # A requirement may be another kind of package, or not installed because of its marker.
    waiting = [(name, True) for name in names]
    while waiting:
        name, must_be_one = waiting.pop(0)
        if found.get(import_name(name)) or (not must_be_one and import_name(name) in found):
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except (importlib.metadata.PackageNotFoundError, ValueError):
            if must_be_one:
                raise ProvidersError(
                    f"{name} is not installed here; python -m pip install {name}"
                ) from None
            continue
        provider = found[import_name(name)] = _read(name, distribution, must_be_one)
        if provider:
            waiting += [(need, True) for need in provider.needs]
            waiting += [(required, False) for required in provider.requires]
    return [provider for provider in found.values() if provider]


def _read(
    name: str, distribution: importlib.metadata.Distribution, must_be_one: bool
) -> InstalledProvider | None:
    package = import_name(name)
    folder = next(_folders(distribution, package), None)
    if not folder:
        if must_be_one:
            raise ProvidersError(
                f"{name} {distribution.version} is not a provider: it has no manifest "
                f"{package}/{MANIFEST}"
            )
        return None
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
        path = folder / REQUIRES
        record = _literals(path, REQUIREMENTS_FORMAT)["REQUIRES"] if is_file(path) else ()
        needs = tuple(str(entry["distribution"]) for entry in record)
    except (KeyError, TypeError, AttributeError) as error:
        raise ProvidersError(f"{path} lacks {error}") from error
    lines = [line for line in distribution.requires or () if not re.search(r";.*\bextra\b", line)]
    requires = tuple(re.split(r"[^\w.-]", line)[0] for line in lines)
    return InstalledProvider(
        name, distribution.version, folder, packages, libraries, requires, needs
    )


def _folders(distribution: importlib.metadata.Distribution, package: str) -> Iterator[Path]:
    """Return the folders that hold the manifest: of this distribution, or of its editable install."""
    folders = [Path(str(distribution.locate_file(package)))]
    import importlib.util

    spec = importlib.util.find_spec(package)  # imports nothing
    folders += map(Path, (spec.submodule_search_locations if spec else None) or ())
    yield from (folder for folder in folders if is_file(folder / MANIFEST))


def _literals(path: Path, known: int) -> dict[str, Any]:
    """Read a module of literals without importing its package, which may load something."""
    try:
        return read_literals(path, path.read_bytes(), known)
    except OSError as error:
        raise ProvidersError(f"{path} cannot be read: {error}") from error
    except LiteralsError as error:
        raise ProvidersError(str(error)) from error
