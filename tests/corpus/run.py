"""Check the wheels of `wheels.txt`, each alone, and compare what is found with `verdicts.toml`.

nox -s corpus -- [--json FILE] [--write]
nox -s corpus -- --learned

The second checks wheels of `learned.txt` (0.2 GB), and fails if a false alarm of `gone.toml` is back.

Exit status 1: a wheel that cannot be checked, a finding without a verdict, verdicts on what is not found any
more, docs that say otherwise (`--write` corrects them), or too many wheels with false alarms only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "loader" / "src")]  # as pytest has it

import building
from corpus import pinned, verdicts
from native_lib.check.rule import ERROR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from corpus.verdicts import Verdict

DOCS = ROOT / "docs" / "explanation" / "corpus.md"
_LIMIT = 1 / 50
_TOLD = re.compile(r"^Of \d+ wheels .*?(?=\n\n)", re.DOTALL | re.MULTILINE)
_TABLE = re.compile(r"^\| rule .*?(?=\n\n)", re.DOTALL | re.MULTILINE)
_WIDTH = 115


@dataclass(frozen=True)
class Outcome:
    """What checking a wheel gave."""

    wheel: str
    findings: tuple[dict[str, str], ...]
    crash: str  # why there is no result; empty if there is one
    seconds: float
    peak: float  # MB of memory

    @property
    def errors(self) -> tuple[dict[str, str], ...]:
        """What makes it fail."""
        return tuple(one for one in self.findings if one["severity"] == ERROR)


def main(arguments: list[str]) -> int:
    """Check, report, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all findings here")
    parser.add_argument("--write", action="store_true", help=f"write the results into {DOCS.name}")
    parser.add_argument("--learned", action="store_true", help="look for the false alarms of old")
    options = parser.parse_args(arguments)
    if options.learned:
        return _tell(back(verdicts.gone()))
    wheels = pinned.read("wheels.txt")
    outcomes = [check(path) for path in pinned.download(wheels)]
    if options.json:
        text = json.dumps([asdict(outcome) for outcome in outcomes], indent=1)
        options.json.write_text(text, encoding="utf-8")
    judged = verdicts.read()
    report(outcomes)
    told = summary(outcomes, judged, projects=len({wheel.project for wheel in wheels}))
    table = verdicts.table(judged)
    print(told, table, sep="\n\n")
    page = DOCS.read_text(encoding="utf-8")
    right = with_results(page, told, table)
    if options.write:
        page = right
        DOCS.write_text(page, encoding="utf-8")
    wrong = faults(outcomes, judged)
    wrong += [f"{DOCS.name} does not say what is above: --write"] if page != right else []
    return _tell(wrong)


def back(gone: Sequence[Verdict]) -> list[str]:
    """Check the wheels that had false alarms, and say which are back."""
    learned = pinned.read("learned.txt")
    wheels = tuple(one for one in learned if any(g.is_about_wheel(one.name) for g in gone))
    outcomes = [check(path) for path in pinned.download(wheels)]
    return [f"{one.wheel}: {one.crash}" for one in outcomes if one.crash] + [
        f"is back: {finding['wheel']}: {finding['file']}: {finding['message']}"
        for one in outcomes
        for finding in one.findings
        if verdicts.judge(gone, finding)
    ]


def _tell(wrong: Sequence[str]) -> int:
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def check(wheel: Path) -> Outcome:
    """Run `native-lib check` on one wheel."""
    command = [sys.executable, "-m", "native_lib", "check", "--format", "json", str(wheel)]
    env = building.environment({"PYTHONPATH": str(ROOT / "loader" / "src")})
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, env=env, stdout=output, stderr=errors)
        # Not Popen's own: it does not tell how much memory was used.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace").strip()
        found: tuple[dict[str, str], ...] = ()
        if process.returncode in (0, 1):
            result: dict[str, Any] = json.loads(output.read())
            found = tuple(result["findings"])
            said = ""
        else:
            said = f"exit status {process.returncode}: {said}"
    return Outcome(wheel.name, found, said, seconds, usage.ru_maxrss / 1024)


def report(outcomes: Sequence[Outcome]) -> None:
    """Print what was found, by rule, and how long it took."""
    found: Counter[tuple[str, str]] = Counter()
    wheels: Counter[tuple[str, str]] = Counter()
    for outcome in outcomes:
        each = [(finding["rule"], finding["severity"]) for finding in outcome.findings]
        found.update(each)
        wheels.update(set(each))
    print("| rule | severity | findings | wheels |", "|---|---|--:|--:|", sep="\n")
    for key in sorted(found, key=lambda key: (key[1], -wheels[key], key)):
        print(f"| {key[0]} | {key[1]} | {found[key]} | {wheels[key]} |")
    times = [outcome.seconds for outcome in outcomes]
    longest = max(outcomes, key=lambda outcome: outcome.seconds)
    largest = max(outcomes, key=lambda outcome: outcome.peak)
    print(
        f"\n{sum(times):.0f} s, a wheel {statistics.median(times):.2f} s (median) to "
        f"{longest.seconds:.1f} s ({longest.wheel}); at most {largest.peak:.0f} MB of memory "
        f"({largest.wheel})\n"
    )


def summary(outcomes: Sequence[Outcome], judged: Sequence[Verdict], projects: int) -> str:
    """Say how many wheels fail, and why."""
    fail = [outcome for outcome in outcomes if outcome.errors]
    kinds = [_kinds(outcome, judged) for outcome in fail]
    alone = kinds.count({verdicts.FALSE})
    meant = sum(verdicts.TRUE not in kind and verdicts.MEANT in kind for kind in kinds)
    return (
        f"Of {len(outcomes)} wheels of {projects} projects, {len(fail)} have an error: "
        f"{meant} only one that their project means, and {alone} only a false alarm."
    )


def faults(outcomes: Sequence[Outcome], judged: Sequence[Verdict]) -> list[str]:
    """Say what must not be."""
    crashed = [f"{one.wheel}: {one.crash}" for one in outcomes if one.crash]
    alone = [one.wheel for one in outcomes if _kinds(one, judged) == {verdicts.FALSE}]
    many = [f"fail for false alarms alone, too many: {', '.join(alone)}"]
    return [
        *crashed,
        *verdicts.differences(judged, (found for one in outcomes for found in one.findings)),
        *(many if len(alone) > _LIMIT * len(outcomes) else []),
    ]


def with_results(page: str, told: str, table: str) -> str:
    """Return the page of the docs with these results in place of those that it has."""
    page = _TOLD.sub(textwrap.fill(told, _WIDTH), page, count=1)
    return _TABLE.sub(table, page, count=1)


def _kinds(outcome: Outcome, judged: Sequence[Verdict]) -> set[str]:
    """Return how a wheel's errors are judged."""
    each = (verdicts.judge(judged, finding) for finding in outcome.errors)
    return {verdict.verdict if verdict else verdicts.TRUE for verdict in each}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
