"""Print findings: as a table, as JSON, as GitHub's annotations, or as SARIF."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from native_lib.check.rule import ERROR, NOTE, WARNING, Finding

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from native_lib.check.choose import Choice
    from native_lib.check.rule import Rule

_COLOURS = {ERROR: "red", WARNING: "yellow", NOTE: "cyan"}
_GITHUB = {ERROR: "error", WARNING: "warning", NOTE: "notice"}
# Names come from binaries: control characters are shown as escapes, not sent to the terminal.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
# For one rule and one wheel.
_MAX_ROWS = 100
# A log has no width, and a truncated name is useless.
_LOG_WIDTH = 1000


@dataclass(frozen=True)
class Report:
    """What a run of the checker found."""

    checked: tuple[Path, ...]
    findings: tuple[tuple[Rule, Finding], ...]
    unusable: tuple[tuple[Path, str], ...]
    waived: tuple[tuple[Rule, Finding, Choice], ...] = ()  # what does not count, and why
    unused: tuple[Choice, ...] = ()  # waivers of nothing

    @property
    def has_errors(self) -> bool:
        """Whether a finding is an error."""
        return self._has(ERROR)

    @property
    def has_warnings(self) -> bool:
        """Whether a finding is a warning."""
        return self._has(WARNING)

    def _has(self, severity: str) -> bool:
        return any(rule.severity_of(finding) == severity for rule, finding in self.findings)


def printable(text: str) -> str:
    """Return a text on one line, with unprintable characters as escapes."""
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


def print_table(report: Report) -> None:
    """Print a table for people, and a summary line."""
    console = Console(soft_wrap=False, highlight=False)
    if not console.is_terminal:
        console.width = _LOG_WIDTH
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=bool(report.findings))
    for heading in ("severity", "rule", "wheel: file", "finding"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("severity", "rule"))
    rows = Counter((rule, finding.wheel) for rule, finding in report.findings)
    told: Counter[tuple[Rule, str]] = Counter()
    for rule, finding in report.findings:
        key = rule, finding.wheel
        told[key] += 1
        where = f"{finding.wheel}: {finding.file}" if finding.file else finding.wheel
        message = finding.message
        if told[key] == _MAX_ROWS < rows[key]:
            where, more = finding.wheel, rows[key] - _MAX_ROWS + 1
            message = f"and {more} more; --format json lists all"
        if told[key] <= _MAX_ROWS:
            severity = rule.severity_of(finding)
            table.add_row(
                Text(severity, style=_COLOURS[severity]),
                *(Text(printable(text)) for text in (rule.id, where, message)),
            )
    if report.findings:
        console.print(table)
    count = Counter(rule.severity_of(finding) for rule, finding in report.findings)
    summary = ", ".join(_plural(count[severity], severity) for severity in (ERROR, WARNING, NOTE))
    if report.waived:
        summary += f", {len(report.waived)} ignored"
    console.print(f"{_plural(len(report.checked), 'file')} checked: {summary}")


def _plural(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def print_json(report: Report) -> None:
    """Print one JSON object."""
    result = {
        "checked": [str(path) for path in report.checked],
        "findings": [_as_object(rule, finding) for rule, finding in report.findings],
        "ignored": [
            {**_as_object(rule, finding), "reason": choice.reason}
            for rule, finding, choice in report.waived
        ],
        "unused": [asdict(choice) for choice in report.unused],
        "unusable": [{"file": str(path), "reason": reason} for path, reason in report.unusable],
    }
    print(json.dumps(result, indent=2))


def _as_object(rule: Rule, finding: Finding) -> dict[str, str]:
    return {"rule": rule.id, **asdict(finding), "severity": rule.severity_of(finding)}


def print_github(report: Report) -> None:
    """Print workflow commands that GitHub shows as annotations."""
    for rule, finding in report.findings:
        where = ": ".join(part for part in (finding.wheel, finding.file, finding.message) if part)
        title = _escaped(rule.id, ":,")
        print(f"::{_GITHUB[rule.severity_of(finding)]} title={title}::{_escaped(printable(where))}")
    for path, reason in report.unusable:
        print(f"::error title=unusable::{_escaped(printable(f'{path}: {reason}'))}")


def print_sarif(report: Report) -> None:
    """Print a SARIF log."""
    from native_lib.check.sarif import sarif  # most runs do not need what it reads

    print(json.dumps(sarif(report), indent=2))


def _escaped(text: str, more: str = "") -> str:
    for character in ("%", "\r", "\n", *more):
        text = text.replace(character, f"%{ord(character):02X}")
    return text


FORMATS: dict[str, Callable[[Report], None]] = {
    "table": print_table,
    "json": print_json,
    "github": print_github,
    "sarif": print_sarif,
}
