"""Read the files that the build wrote: manifests, requirement records, and metadata."""

from __future__ import annotations

import ast
import re
from collections import Counter
from email.parser import BytesHeaderParser
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from native_lib.check.wheel import Library, Manifest, Required, UnusableError
from native_lib.literals import REQUIRES, LiteralsError, read_literals
from native_lib.support.shared_lib_consumer import REQUIREMENTS_FORMAT
from native_lib.support.shared_lib_manager import MANIFEST_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from packaging.markers import Marker

VENDORED = (
    *("_shared_lib_manager.py", "_shared_lib_consumer.py", "_shared_lib_programs.py"),
    "_shared_lib_foreign.py",
    *("_shared_lib_explain.py", "_shared_lib_fixes.py", "_shared_lib_wordings.py"),
)
_INSTALLED = ("_native_libs", "_native_requires", "_shared_lib_manager", "_shared_lib_consumer")
_MARKS = {REQUIRES, "_shared_lib_consumer.py"}
MAX_PACKAGE = 1 << 18
_MAX_METADATA, _MAX_LINES = 1 << 20, 100
_FOR_ALL = re.compile(rb"RTLD_GLOBAL|LoadMode\.GLOBAL|setdlopenflags")
_OPENS = re.compile(
    rb"CDLL|cdll|PyDLL|WinDLL|windll|LoadLibrary|dlopen|add_dll_directory|AddDllDirectory"
    rb"|LD_LIBRARY_PATH|DYLD_"
)
_CODE = (".py", ".pyc", ".pth", ".start")
_IMPORTED = re.compile(
    rb"(?:\b(?:import|from)\s+|\b(?:load_library_module|import_module|__import__)\(\s*['\"])(\w+)"
    rb"|load_requirements"
)
_ENDLESS = re.compile(r"\d{1000}")  # Python refuses to print much longer numbers


def manifest_of(path: str, source: bytes) -> Manifest:
    """Read a provider's manifest.

    Args:
        path: its path in the wheel or below site-packages, with slashes.
        source: what is in it.

    Raises:
        UnusableError: it is not a manifest.
    """
    values = _literals(path, source, MANIFEST_FORMAT)
    folder = PurePosixPath(path).parent
    try:
        libraries = tuple(
            Library(
                name=str(name),
                file=str(folder / library["file"]),
                runtime_name=str(library["runtime_name"]),
                anchor=str(folder / library["anchor"]) if library["anchor"] else "",
                probe_symbol=str(library.get("probe_symbol", "")),
                needs=tuple(map(str, library.get("needs", ()))),
                link_files=tuple(str(folder / each) for each in library.get("link_files", ())),
            )
            for name, library in values["LIBRARIES"].items()
        )
        others = tuple(
            (f"{key} {name}", str(folder / path))
            for key in ("PROGRAMS", "DATA_ENV")
            for name, path in values.get(key, {}).items()
        )
        return Manifest(
            path=path,
            distribution=str(values["DISTRIBUTION"]),
            version=_version(values["VERSION"]),
            compatibility=str(values["COMPATIBILITY"]),
            libraries=libraries,
            others=others,
            requirement=str(values["REQUIREMENT"]),
        )
    except (KeyError, TypeError, AttributeError, InvalidVersion) as error:
        raise UnusableError(f"{path} lacks what a manifest has: {error}") from error


def requires_of(path: str, source: bytes) -> Iterator[Required]:
    """Read a consumer's record of the providers that it was built against.

    Raises:
        UnusableError: it is not such a record.
    """
    values = _literals(path, source, REQUIREMENTS_FORMAT)
    try:
        for entry in values["REQUIRES"]:
            yield Required(
                path=path,
                distribution=canonicalize_name(entry["distribution"]),
                version=_version(entry["version"]),
                compatibility=str(entry["compatibility"]),
                requirement=str(entry["requirement"]),
                libraries=tuple(map(str, entry["libraries"])),
                is_known="files" in entry,
            )
            Requirement(str(entry["requirement"]))
    except (KeyError, TypeError, AttributeError, InvalidVersion, InvalidRequirement) as error:
        raise UnusableError(f"{path} lacks what a requirement has: {error}") from error


def imports_of(source: bytes) -> tuple[str, ...]:
    """Return which of the modules that the build installs a package's `__init__.py` imports."""
    if len(source) > MAX_PACKAGE or not any(name.encode() in source for name in _INSTALLED):
        return ()
    try:
        body = ast.parse(source).body
    except (
        SyntaxError,
        ValueError,
        RecursionError,
        MemoryError,
    ):  # for another Python, or for none
        return ()
    # In a `try` or a function the import may fail without harm.
    froms = [node for node in body if isinstance(node, ast.ImportFrom) and node.level == 1]
    names = (node.module or alias.name for node in froms for alias in node.names)
    return tuple(dict.fromkeys(name for name in names if name in _INSTALLED))


def code_with_loader(files: Iterable[str]) -> Iterator[str]:
    """Return the sources of the packages that have a loader or a record; others are not read."""
    files = [file for file in files if file.endswith(".py")]
    names = [file.rpartition("/")[::2] for file in files]
    folders = tuple({f"{folder}/" for folder, name in names if name in _MARKS})
    for file, (_, name) in zip(files, names):
        if name not in VENDORED and file.startswith(folders):
            yield file


def imported_by(source: bytes) -> Iterator[str]:
    """Return the modules that a source may import, and `load_requirements` if that is in it."""
    for found in _IMPORTED.finditer(source):
        yield (found[1] or found[0]).decode()


def opens_for_all(source: bytes) -> bool:
    """Tell whether a package's `__init__.py` may open libraries whose symbols everybody then has."""
    return _FOR_ALL.search(source) is not None


def is_code(file: str) -> bool:
    """Tell whether Python runs a file."""
    return file.endswith(_CODE)


def opens_libraries(source: bytes) -> bool:
    """Tell whether a source may open libraries, or change where they are looked for."""
    return _OPENS.search(source) is not None


def requirements_of(metadata: bytes, holds: Callable[[Marker], bool]) -> tuple[Requirement, ...]:
    """Read Requires-Dist.

    Args:
        metadata: the file METADATA.
        holds: tells whether a line with a marker counts.

    Raises:
        UnusableError: a line is not a requirement, or the file is too large.
    """
    if len(metadata) > _MAX_METADATA:
        raise UnusableError(f"METADATA is too large: {len(metadata)} bytes")
    lines = BytesHeaderParser().parsebytes(metadata).get_all("Requires-Dist", [])
    try:
        requirements = [Requirement(_bounded(str(line))) for line in lines]
    except (InvalidRequirement, InvalidVersion, RecursionError) as error:
        raise UnusableError(f"Requires-Dist cannot be read: {error}") from error
    kept = tuple(r for r in requirements if r.marker is None or holds(r.marker))
    most = max(Counter(canonicalize_name(r.name) for r in kept).values(), default=0)
    if most > _MAX_LINES:
        raise UnusableError(f"Requires-Dist names one distribution {most} times")
    return kept


def _version(text: str) -> Version:
    return Version(_bounded(text))


def _bounded(text: str) -> str:
    if _ENDLESS.search(text):
        raise InvalidVersion("a number without end")
    return text


def _literals(path: str, source: bytes, known: int) -> dict[str, Any]:
    try:
        return read_literals(path, source, known)
    except LiteralsError as error:
        raise UnusableError(str(error)) from error
