"""Copy the vendored files into projects, and tell whether they are still the same."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = Path(__file__).parent
_SOURCES = {
    "_shared_lib_manager.py": _PACKAGE.parent / "shared_lib_manager.py",
    "_shared_lib_consumer.py": _PACKAGE.parent / "shared_lib_consumer.py",
    "NativeLibrary.cmake": _PACKAGE / "cmake" / "NativeLibrary.cmake",
    "native_library_metadata.py": _PACKAGE / "cmake" / "native_library_metadata.py",
    "fetch_source.py": _PACKAGE / "cmake" / "fetch_source.py",
}
# Folders of other people's files, or of copies.
_PASSED_OVER = {
    *(".git", ".nox", ".tox", ".venv", "venv", "node_modules", "site-packages", "build", "upstream")
}


class VendorError(Exception):
    """The project cannot take the files; the message says why."""


@dataclass(frozen=True)
class VendoredFile:
    """A file of this distribution, and where a project has or gets its copy."""

    source: Path
    destination: Path


def vendored_files(
    project: Path,
    provider: Path | None = None,
    consumer: Path | None = None,
    *,
    upstream: bool = False,
) -> list[VendoredFile]:
    """Find the files that a project vendors, by their names.

    Args:
        project: the folder to look through; one project or several.
        provider: a Python package below it that is to get the provider's loader.
        consumer: a Python package below it that is to get the consumer's loader.
        upstream: whether the project is to get what fetches upstream's sources.

    Returns:
        The files that are there, and those that the other arguments ask for.

    Raises:
        VendorError: a folder is missing, or nothing is vendored and nothing was asked for.
    """
    if not project.is_dir():
        raise VendorError(f"{project} is not a folder")
    destinations = set(_vendored_below(project))
    for package, names in (
        (provider, ("_shared_lib_manager.py",)),
        (consumer, ("_shared_lib_consumer.py",)),
    ):
        if package is None:
            continue
        if not (project / package).is_dir():
            raise VendorError(f"{project / package} is not a folder")
        destinations |= {project / package / name for name in names}
        destinations.add(project / "cmake" / "NativeLibrary.cmake")
    if consumer is not None:
        destinations.add(project / "cmake" / "native_library_metadata.py")
    if upstream:
        destinations.add(project / "fetch_source.py")
    if not destinations:
        raise VendorError(
            f"{project} vendors no file yet; say which package gets a loader: --provider PACKAGE, "
            "--consumer PACKAGE, or both; --upstream gets what fetches upstream's sources"
        )
    return [VendoredFile(_source(file.name), file) for file in sorted(destinations)]


def drifted(files: list[VendoredFile]) -> list[VendoredFile]:
    """Return the files whose copy is missing or differs."""
    return [
        file
        for file in files
        if not file.destination.is_file()
        or file.source.read_bytes() != file.destination.read_bytes()
    ]


def vendor(files: list[VendoredFile]) -> None:
    """Copy the files."""
    for file in files:
        file.destination.parent.mkdir(parents=True, exist_ok=True)
        file.destination.write_bytes(file.source.read_bytes())


def _vendored_below(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _PASSED_OVER]
        # Others may have a fetch_source.py of their own; ours reads source.toml.
        foreign = set() if "source.toml" in names else {"fetch_source.py"}
        yield from (Path(root, name) for name in names if name in _SOURCES.keys() - foreign)


def _source(name: str) -> Path:
    source = _SOURCES[name]
    if source.is_file():
        return source
    # An editable install: the CMake files lie beside src.
    return _PACKAGE.parents[1] / "cmake" / name
