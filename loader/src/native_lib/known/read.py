"""Read the descriptions: those that come with native-lib, and a project's own."""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from native_lib.known import COMPATIBILITIES, PLATFORMS, Known, KnownError, StableAbi

if TYPE_CHECKING:
    from collections.abc import Mapping

toml: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

_KEYS = (
    *("distributions", "import", "version", "compatibility", "folder", "include", "packages"),
    *("brings", "opened-by-path", "warning", "libraries", "stable-abi"),
)
_TABLE = "[tool.native-lib]"
_BOUND = re.compile(r"(?:(?:>=|<=|>|<|==|!=|~=)\d[\w.*]*(?:,(?!$)|$))+")


def known(distribution: str) -> Known | None:
    """Return what is known of a distribution; None if that is nothing.

    Args:
        distribution: its name, normalised or not.

    Raises:
        KnownError: a description is wrong.
    """
    name = re.sub(r"[-_.]+", "-", distribution).lower()
    own, bounds = _project()
    found = next((each for each in (*own, *_ours()) if each.is_of(name)), None)
    return replace(found, bound=bounds.get(name, "")) if found else None


def all_known() -> tuple[Known, ...]:
    """Return all descriptions, a project's own first.

    Raises:
        KnownError: one is wrong.
    """
    return (*_project()[0], *_ours())


def read_description(file: Path) -> Known:
    """Read a description.

    Raises:
        KnownError: it cannot be read, or says what cannot be meant.
    """
    try:
        return _description(toml.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise KnownError(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # TOML's, and what is not UTF-8
        raise KnownError(f"{file}: cannot be read: {error}") from None
    except KnownError as error:
        raise KnownError(f"{file}: {error}") from None


@lru_cache
def _ours() -> tuple[Known, ...]:
    return tuple(map(read_description, sorted(Path(__file__).parent.glob("*.toml"))))


def _project() -> tuple[tuple[Known, ...], Mapping[str, str]]:
    """Return what the nearest pyproject.toml says: descriptions, and bounds by distribution."""
    here = Path.cwd()
    files = (each / "pyproject.toml" for each in (here, *here.parents))
    file = next((file for file in files if file.is_file()), None)
    return _of_project(file, file.stat().st_mtime_ns) if file else ((), {})


@lru_cache
def _of_project(file: Path, _changed: int) -> tuple[tuple[Known, ...], Mapping[str, str]]:
    try:
        table = toml.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("native-lib", {})
    except (OSError, ValueError, AttributeError):
        return (), {}  # who needs that file says what is wrong with it
    if not isinstance(table, dict):
        return (), {}
    bounds = table.get("bounds", {})
    if not isinstance(bounds, dict):
        raise KnownError(f'{file}: {_TABLE}: bounds is not a table such as {{ torch = ">=2.11" }}')
    for name, bound in bounds.items():
        if not isinstance(bound, str) or not _BOUND.fullmatch(bound.replace(" ", "")):
            raise KnownError(
                f'{file}: {_TABLE}: the bound of {name} is not one such as ">=2.11,<3"'
            )
    try:
        paths = _texts(table, "known")
    except KnownError as error:
        raise KnownError(f"{file}: {_TABLE}: {error}") from None
    own = tuple(read_description(file.parent / path) for path in paths)
    normal = {re.sub(r"[-_.]+", "-", name).lower(): bound for name, bound in bounds.items()}
    return own, {name: bound.replace(" ", "") for name, bound in normal.items()}


def _description(table: Mapping[str, Any]) -> Known:
    _refuse_unknown(table, _KEYS, "")
    distributions = tuple(
        re.sub(r"[-_.]+", "-", each).lower() for each in _texts(table, "distributions", needed=True)
    )
    libraries = _table(table, "libraries")
    if not libraries:
        raise KnownError(
            'it has no libraries: write [libraries] and linux = ["torch/lib/libc10*.so"], or the like'
        )
    _refuse_unknown(libraries, tuple(PLATFORMS.values()), "libraries.")
    patterns = {
        platform: tuple(
            _path(f"libraries.{platform}", each) for each in _texts(libraries, platform)
        )
        for platform in libraries
    }
    compatibility = _text(table, "compatibility")
    if compatibility not in COMPATIBILITIES:
        raise KnownError(
            f"compatibility is {compatibility or 'missing'!r}, not one of {', '.join(COMPATIBILITIES)}"
        )
    module, attribute = _text(table, "import"), _text(table, "version")
    if module and not module.isidentifier():
        raise KnownError(f"import is {module!r}, which is no top-level module's name")
    if attribute and not (module and attribute.isidentifier()):
        raise KnownError(
            f"version is {attribute!r}, not the name of an attribute of what import names; without it "
            "the metadata tells the version"
        )
    return Known(
        distributions=distributions,
        folder=_path("folder", _text(table, "folder", needed=True)),
        libraries=patterns,
        compatibility=compatibility,
        module=module,
        attribute=attribute,
        by_path=_texts(table, "opened-by-path"),
        brings=_texts(table, "brings"),
        include=tuple(_path("include", each) for each in _texts(table, "include")),
        packages=_texts(table, "packages"),
        warning=_text(table, "warning"),
        stable=_stable(_table(table, "stable-abi")),
    )


def _stable(table: Mapping[str, Any]) -> StableAbi | None:
    if not table:
        return None
    _refuse_unknown(table, ("headers", "macro"), "stable-abi.")
    headers = _texts(table, "headers", needed=True, where="stable-abi.")
    macro = _text(table, "macro", needed=True, where="stable-abi.")
    return StableAbi(tuple(_path("stable-abi.headers", each) for each in headers), macro)


def _refuse_unknown(table: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    unknown = sorted(table.keys() - {*keys})
    if unknown:
        raise KnownError(f'there is no key "{where}{unknown[0]}"; there are {", ".join(keys)}')


def _path(key: str, path: str) -> str:
    if not re.fullmatch(r"[^/\\:]+(?:/[^/\\:]+)*", path) or ".." in path.split("/"):
        raise KnownError(f"{key} has {path!r}, which is no path below site-packages, with slashes")
    return path


_KINDS: Mapping[str, Callable[[object], bool]] = {
    "a text": lambda told: isinstance(told, str) and bool(told),
    "a list of texts": lambda told: (
        isinstance(told, list) and all(isinstance(each, str) and each for each in told)
    ),
    "a table": lambda told: isinstance(told, dict),
}


def _told(
    table: Mapping[str, Any], key: str, kind: str, *, needed: bool = False, where: str = ""
) -> Any:
    told = table.get(key)
    if told is None and needed:
        raise KnownError(f"it has no key {where}{key}, {kind}")
    if told is not None and not _KINDS[kind](told):
        raise KnownError(f"{where}{key} is not {kind}")
    return told


def _text(table: Mapping[str, Any], key: str, **how: Any) -> str:
    return _told(table, key, "a text", **how) or ""


def _texts(table: Mapping[str, Any], key: str, **how: Any) -> tuple[str, ...]:
    return tuple(_told(table, key, "a list of texts", **how) or ())


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return _told(table, key, "a table") or {}
