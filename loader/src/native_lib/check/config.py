"""What a project says about its checks: ``[tool.native-lib.check]`` of pyproject.toml."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from native_lib.check.choose import Choice, ChoiceError, choice_of, rule_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

toml: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

_NAME = "pyproject.toml"
_TABLE = "[tool.native-lib.check]"
_BY_COMMAND = "ignored on the command line"
_EXAMPLE = '{ rule = "needed-unanswered", pattern = "libclntsh.so.*", reason = "…" }'


@dataclass(frozen=True)
class Config:
    """How wheels are checked.

    Attributes:
        select: the rules that run; all if empty.
        ignore: findings that do not count.
        is_strict: whether warnings fail.
        is_complete: whether all that the wheels require is among them.
    """

    select: tuple[Choice, ...] = ()
    ignore: tuple[Choice, ...] = ()
    is_strict: bool = False
    is_complete: bool = False

    def amended(
        self, select: Sequence[str], ignore: Sequence[str], *, strict: bool, complete: bool
    ) -> Config:
        """Return what holds with the options of a command line.

        Args:
            select: in place of the table's.
            ignore: beside the table's.
            strict: true if the table or the command line says so; so is `complete`.

        Raises:
            ChoiceError: there is no such rule.
        """
        waivers = (replace(choice_of(text), reason=_BY_COMMAND) for text in ignore)
        return Config(
            select=tuple(map(choice_of, select)) or self.select,
            ignore=(*self.ignore, *waivers),
            is_strict=self.is_strict or strict,
            is_complete=self.is_complete or complete,
        )


def read_config(file: Path | None = None) -> Config:
    """Read a project's table.

    Args:
        file: its pyproject.toml; by default the first that is in the current folder or above it, and
            it need not have the table.

    Raises:
        ChoiceError: it cannot be read, or says what cannot be meant.
    """
    path = file or _nearest(Path.cwd())
    if path is None:
        return Config()
    try:
        table = _table(path)
        if table is None and file is not None:
            raise ChoiceError(f"there is no table {_TABLE} in it")
        return _config(table or {})
    except OSError as error:
        raise ChoiceError(f"{path}: cannot be read: {error.strerror}") from None
    except ChoiceError as error:
        raise ChoiceError(f"{path}: {error}") from None
    except ValueError as error:  # TOML's, and what is not UTF-8
        raise ChoiceError(f"{path}: cannot be read: {error}") from None


def _nearest(folder: Path) -> Path | None:
    files = (each / _NAME for each in (folder, *folder.parents))
    return next((file for file in files if file.is_file()), None)


def _table(path: Path) -> Mapping[str, Any] | None:
    table: Any = toml.loads(path.read_text(encoding="utf-8"))
    for key in ("tool", "native-lib", "check"):
        table = table.get(key)
        if table is None:
            return None
        if not isinstance(table, dict):
            raise ChoiceError(f"{_TABLE}: {key} is not a table")
    return dict(table)


def _config(table: Mapping[str, Any]) -> Config:
    _require_keys(table, "", ("complete", "ignore", "select", "strict"))
    return Config(
        select=tuple(
            _choice(f"select[{number}]", told)
            for number, told in enumerate(_list(table, "select"), 1)
        ),
        ignore=tuple(
            _waiver(f"ignore[{number}]", told)
            for number, told in enumerate(_list(table, "ignore"), 1)
        ),
        is_strict=_flag(table, "strict"),
        is_complete=_flag(table, "complete"),
    )


def _choice(where: str, told: object) -> Choice:
    if not isinstance(told, str):
        raise ChoiceError(f'{_TABLE}: {where} is not a text such as "symbol-missing"')
    with _placed(where):
        return choice_of(told)


def _waiver(where: str, told: object) -> Choice:
    if not isinstance(told, dict):
        raise ChoiceError(f"{_TABLE}: {where} is not a table such as {_EXAMPLE}")
    _require_keys(told, f" {where}", ("pattern", "reason", "rule"))
    for key, value in told.items():
        if not isinstance(value, str) or not value.strip():
            raise ChoiceError(f"{_TABLE}: {where}: {key} is not a text, or is empty")
    if "rule" not in told:
        raise ChoiceError(f"{_TABLE}: {where} names no rule: write {_EXAMPLE}")
    if "reason" not in told:
        raise ChoiceError(f'{_TABLE}: {where} has no reason: add reason = "…" to it')
    with _placed(where):
        rule = rule_named(told["rule"])
    return Choice(rule.id, told.get("pattern", "*"), told["reason"])


@contextmanager
def _placed(where: str) -> Iterator[None]:
    """Put where it stands before what is wrong."""
    try:
        yield
    except ChoiceError as error:
        raise ChoiceError(f"{_TABLE}: {where}: {error}") from None


def _list(table: Mapping[str, Any], key: str) -> list[object]:
    told = table.get(key, [])
    if not isinstance(told, list):
        raise ChoiceError(f"{_TABLE}: {key} is not a list")
    return told


def _flag(table: Mapping[str, Any], key: str) -> bool:
    told = table.get(key, False)
    if not isinstance(told, bool):
        raise ChoiceError(f"{_TABLE}: {key} is neither true nor false")
    return told


def _require_keys(table: Mapping[str, Any], where: str, known: tuple[str, ...]) -> None:
    unknown = sorted(table.keys() - known)
    if unknown:
        raise ChoiceError(
            f'{_TABLE}{":" if where else ""}{where} has an unknown key "{unknown[0]}"; '
            f"it has {', '.join(known)}"
        )
