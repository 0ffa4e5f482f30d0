"""The arguments that keep providers' libraries out of a consumer's wheel when it is repaired."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from native_lib.literals import MANIFEST, REQUIRES, LiteralsError, read_literals
from native_lib.names import import_name
from native_lib.support.shared_lib_consumer import REQUIREMENTS_FORMAT
from native_lib.support.shared_lib_manager import MANIFEST_FORMAT

if TYPE_CHECKING:
    import importlib.metadata

# auditwheel compares the NEEDED name, delocate a part of the path, delvewheel the DLL's name.
_SUFFIXES = {"auditwheel": ".so", "delocate": ".dylib", "delvewheel": ".dll"}
TOOLS = tuple(_SUFFIXES)


class ExcludesError(Exception):
    """The arguments cannot be determined; the message says why."""


@dataclass(frozen=True)
class _Installed:
    runtime_names: tuple[str, ...]
    requires: tuple[str, ...]  # the providers that this one needs


def excludes(providers: list[str], tool: str) -> list[str]:
    """Return the arguments for a repair tool.

    Args:
        providers: distributions that are installed in this environment.
        tool: one of `TOOLS`.

    Returns:
        An option and a name for each of their libraries, and for those of the providers that they need.

    Raises:
        ExcludesError: one is not installed, is not a provider, is for another platform, or has a
            manifest that cannot be read here.
    """
    names: list[str] = []
    seen: set[str] = set()
    waiting = list(providers)
    while waiting:
        provider = waiting.pop(0)
        key = import_name(provider)
        if key in seen:
            continue
        seen.add(key)
        installed = _read(provider)
        for name in (PurePosixPath(runtime_name).name for runtime_name in installed.runtime_names):
            if _SUFFIXES[tool] not in name.lower():
                raise ExcludesError(
                    f"{provider}'s library here is {name}, which {tool} cannot handle"
                )
            names.append(name)
        waiting += installed.requires
    return [argument for name in names for argument in ("--exclude", name)]


def _read(provider: str) -> _Installed:
    import importlib.metadata  # slow to import, and other commands do not need it

    try:
        distribution = importlib.metadata.distribution(provider)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        raise ExcludesError(
            f"{provider} is not installed here; python -m pip install {provider}"
        ) from None
    package = import_name(provider)
    manifest = _file(distribution, f"{package}/{MANIFEST}")
    if not manifest:
        raise ExcludesError(
            f"{provider} {distribution.version} is not a provider: it has no manifest "
            f"{package}/{MANIFEST}"
        )
    requires = _file(distribution, f"{package}/{REQUIRES}")
    path = manifest
    try:
        libraries = _literals(path, MANIFEST_FORMAT)["LIBRARIES"].values()
        runtime_names = tuple(str(library["runtime_name"]) for library in libraries)
        if not requires:
            return _Installed(runtime_names, ())
        path = requires
        entries = _literals(path, REQUIREMENTS_FORMAT)["REQUIRES"]
        return _Installed(runtime_names, tuple(str(entry["distribution"]) for entry in entries))
    except (KeyError, TypeError, AttributeError) as error:
        raise ExcludesError(f"{path} lacks {error}") from error


def _file(distribution: importlib.metadata.Distribution, name: str) -> Path | None:
    for file in distribution.files or ():
        if file.as_posix() == name:
            return Path(str(distribution.locate_file(file)))
    return None


def _literals(path: Path, known: int) -> dict[str, Any]:
    """Read a module of literals without importing its package, which may load something."""
    try:
        return read_literals(path, path.read_bytes(), known)
    except OSError as error:
        raise ExcludesError(f"{path} cannot be read: {error}") from error
    except LiteralsError as error:
        raise ExcludesError(str(error)) from error
