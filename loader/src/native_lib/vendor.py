"""Copy the vendored files into projects, and tell whether they are still the same."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from native_lib.paths import is_file, is_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUPPORT = Path(__file__).parent / "support"
_SOURCES = {
    "_shared_lib_manager.py": _SUPPORT / "shared_lib_manager.py",
    "_shared_lib_consumer.py": _SUPPORT / "shared_lib_consumer.py",
    "_shared_lib_explain.py": _SUPPORT / "shared_lib_explain.py",
    "NativeLibrary.cmake": _SUPPORT / "NativeLibrary.cmake",
    "native_library_metadata.py": _SUPPORT / "native_library_metadata.py",
    "fetch_source.py": _SUPPORT / "fetch_source.py",
}
# What both loaders import when something is wrong, from beside themselves.
_EXPLAIN = "_shared_lib_explain.py"
# Folders of other people's files, or of copies.
_PASSED_OVER = {
    *(".git", ".nox", ".tox", ".venv", "venv", "node_modules", "site-packages", "build", "upstream")
}

# How a project's own files name those that it vendors: if one is not there, it is missing. The
# template's are no Python and no TOML, so nothing parses them.
_IMPORT = re.compile(
    r"^[ \t]*from \.(?: import (?:.*\W)?)?(_shared_lib_(?:manager|consumer))\b", re.MULTILINE
)
_INCLUDE = re.compile(
    r"^[ \t]*include\(\"?(?:\$\{CMAKE_CURRENT_(?:SOURCE|LIST)_DIR\}/)?"
    r"((?:[^\"$)]*/)?NativeLibrary\.cmake)",
    re.MULTILINE,
)
_HOOK = re.compile(
    r"^provider *= *\{(?=[^}]*\bpath *= *[\"']([^\"']*))"
    r"(?=[^}]*\bmodule *= *[\"'](native_library_metadata|fetch_source)[\"'])",
    re.MULTILINE,
)


class VendorError(Exception):
    """The project cannot take the files; the message says why."""


@dataclass(frozen=True)
class VendoredFile:
    """A file of this distribution, and where a project has or gets its copy."""

    source: Path
    destination: Path

    @property
    def is_missing(self) -> bool:
        """Whether the project has no copy."""
        return not is_file(self.destination)


def vendored_files(
    project: Path,
    provider: Path | None = None,
    consumer: Path | None = None,
    *,
    upstream: bool = False,
) -> list[VendoredFile]:
    """Find the files that a project vendors, by their names, and by what names them.

    Args:
        project: the folder to look through; one project or several.
        provider: a Python package below it that is to get the provider's loader.
        consumer: a Python package below it that is to get the consumer's loader.
        upstream: whether the project is to get what fetches upstream's sources.

    Returns:
        The files that are there, those that the project's own files name (an import, an include,
        a hook), and those that the other arguments ask for.

    Raises:
        VendorError: a folder is missing or lies elsewhere, or nothing is vendored and nothing was
            asked for.
    """
    if not is_folder(project):
        raise VendorError(f"{project} is not a folder")
    destinations = set(_vendored_below(project))
    for package, names in (
        (provider, ("_shared_lib_manager.py",)),
        (consumer, ("_shared_lib_consumer.py",)),
    ):
        if package is None:
            continue
        if not _is_below(project / package, project):
            raise VendorError(f"{project / package} does not lie below {project}")
        if not (project / package).is_dir():
            raise VendorError(f"{project / package} is not a folder")
        destinations |= {project / package / name for name in names}
        destinations.add(project / "cmake" / "NativeLibrary.cmake")
    if consumer is not None:
        destinations.add(project / "cmake" / "native_library_metadata.py")
    if upstream:
        destinations.add(project / "fetch_source.py")
    destinations |= {
        file.with_name(_EXPLAIN)
        for file in destinations
        if file.name in ("_shared_lib_manager.py", "_shared_lib_consumer.py")
    }
    if not destinations:
        raise VendorError(
            f"{project} vendors no file yet; say which package gets a loader: --provider PACKAGE, "
            "--consumer PACKAGE, or both; --upstream gets what fetches upstream's sources"
        )
    return [VendoredFile(_SOURCES[file.name], file) for file in sorted(destinations)]


def drifted(files: list[VendoredFile]) -> list[VendoredFile]:
    """Return the files whose copy is missing or differs."""
    return [
        file for file in files if file.is_missing or _lines(file.source) != _lines(file.destination)
    ]


def vendor(files: list[VendoredFile]) -> None:
    """Copy the files; if one of them cannot be written, none is.

    Raises:
        OSError: one cannot be written.
    """
    new = [file.destination for file in files if not file.destination.exists()]
    try:
        for file in files:
            file.destination.parent.mkdir(parents=True, exist_ok=True)
            # Changes nothing, and fails where writing would.
            file.destination.open("ab").close()
    except OSError:
        for path in new:
            with suppress(OSError):
                path.unlink()
        raise
    for file in files:
        file.destination.write_bytes(file.source.read_bytes())


def _lines(file: Path) -> list[bytes]:
    # Line endings are the version control's affair.
    return file.read_bytes().splitlines()


def _vendored_below(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _PASSED_OVER]
        for file in (Path(root, name) for name in names):
            found = [file] if file.name in _SOURCES else _named_by(file)
            for path in found:
                # Others may have a fetch_source.py of their own; ours reads source.toml.
                is_foreign = (
                    path.name == "fetch_source.py" and not path.with_name("source.toml").is_file()
                )
                if not is_foreign and _is_below(path, folder):
                    yield path


def _named_by(file: Path) -> list[Path]:
    """Return the vendored files that one of the project's own names, there or not."""
    if file.name == "__init__.py":
        named = [f"{module}.py" for module in _IMPORT.findall(_text(file))]
    elif file.name == "CMakeLists.txt":
        named = _INCLUDE.findall(_text(file))
    elif file.name == "pyproject.toml":
        named = [f"{path}/{module}.py" for path, module in _HOOK.findall(_text(file))]
    else:
        named = []
    return [Path(os.path.normpath(file.parent / name)) for name in named]


def _text(file: Path) -> str:
    # A link may lead nowhere.
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


def _is_below(path: Path, folder: Path) -> bool:
    # As written: what is reached through a link is the project's, too.
    whole, part = (Path(os.path.normpath(each.absolute())) for each in (folder, path))
    return part.is_relative_to(whole)
