"""What `native-lib check` finds in the wheels of `wheels.txt`, judged: `verdicts.toml`.

`gone.toml` has false alarms that wheels of `learned.txt` had.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from corpus.pinned import HERE
from native_lib.check.config import toml
from native_lib.check.rule import NOTE
from native_lib.check.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TRUE, MEANT, FALSE = "true", "meant", "false"
_HEAD = ("| rule | severity | findings | of these meant | false alarms |", "|---|---|--:|--:|--:|")


@dataclass(frozen=True)
class Verdict:
    """One judgement about some findings.

    Attributes:
        rule: whose findings.
        wheels: a pattern of the wheels' file names.
        files: a pattern of the files in them.
        values: a pattern of what the findings are about: a name, a path, a symbol.
        verdict: `true`; `meant` if it is true, and the project says that it wants it so; or `false`.
        findings: how many there are.
        why: in a few words.
    """

    rule: str
    verdict: str
    findings: int
    why: str
    wheels: str = "*"
    files: str = "*"
    values: str = "*"

    def __str__(self) -> str:
        return f"{self.rule}, {self.wheels}, {self.files}"

    def is_about_wheel(self, name: str) -> bool:
        """Tell whether it judges findings in a wheel, which has this file name."""
        return fnmatchcase(name, self.wheels)

    def is_about(self, finding: Mapping[str, str]) -> bool:
        """Tell whether it judges a finding, as `--format json` prints it."""
        return (
            finding["rule"] == self.rule
            and self.is_about_wheel(finding["wheel"])
            and fnmatchcase(finding["file"], self.files)
            and fnmatchcase(finding["value"], self.values)
        )


def read() -> tuple[Verdict, ...]:
    """Return all, in the file's order: the first that is about a finding counts."""
    return tuple(Verdict(**one) for one in _toml("verdicts")["verdicts"])


def gone() -> tuple[Verdict, ...]:
    """Return the false alarms that there must not be again."""
    return tuple(Verdict(verdict=FALSE, findings=0, **one) for one in _toml("gone")["gone"])


def _toml(name: str) -> dict[str, Any]:
    return dict(toml.loads((HERE / f"{name}.toml").read_text(encoding="utf-8")))


def judge(verdicts: Sequence[Verdict], finding: Mapping[str, str]) -> Verdict | None:
    """Return the verdict on a finding. Notes need none."""
    if finding["severity"] == NOTE:
        return None
    return next((verdict for verdict in verdicts if verdict.is_about(finding)), None)


def differences(verdicts: Sequence[Verdict], findings: Iterable[Mapping[str, str]]) -> list[str]:
    """Say what the verdicts do not know, or know otherwise."""
    judged: Counter[Verdict] = Counter()
    said = []
    for finding in findings:
        verdict = judge(verdicts, finding)
        if verdict:
            judged[verdict] += 1
        elif finding["severity"] != NOTE:
            where = f"{finding['wheel']}: {finding['file']}"
            said.append(f"no verdict: {finding['rule']}, {where}: {finding['message']}")
    return said + [
        f"{judged[verdict]} findings, and the verdict is on {verdict.findings}: {verdict}"
        for verdict in verdicts
        if judged[verdict] != verdict.findings
    ]


def table(verdicts: Iterable[Verdict]) -> str:
    """Return the table of false alarms as Markdown, for the docs."""
    count: Counter[tuple[str, str]] = Counter()
    for verdict in verdicts:
        count[verdict.rule, verdict.verdict] += verdict.findings
    rows = []
    for rule in RULES:
        meant, false = count[rule.id, MEANT], count[rule.id, FALSE]
        if found := count[rule.id, TRUE] + meant + false:
            name = f"[`{rule.id}`](../reference/rules.md#{rule.id})"
            rows.append(f"| {name} | {rule.severity} | {found} | {meant} | {false} |")
    return "\n".join((*_HEAD, *rows))
