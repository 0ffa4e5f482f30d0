"""The list of others' wheels and the verdicts on them, without downloading any: `nox -s corpus` does."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus import pinned, run, verdicts
from corpus.verdicts import FALSE, MEANT, TRUE, Verdict
from native_lib.check.rules import RULES

FINDING = {
    "rule": "needed-unanswered",
    "wheel": "foo-1.0-cp313-cp313-win_amd64.whl",
    "file": "foo/_foo.pyd",
    "value": "bar.dll",
    "message": "needs bar.dll",
    "severity": "error",
}


def test_the_list_is_long_and_no_rule_was_made_with_it() -> None:
    wheels, learned = pinned.read("wheels.txt"), pinned.read("learned.txt")
    projects = {wheel.project for wheel in wheels}
    assert len(wheels) >= 150
    assert len({wheel.name for wheel in wheels}) == len(wheels)
    assert len(projects) >= 100
    assert not projects & {wheel.project for wheel in learned}


def test_verdicts_are_on_rules_and_wheels_that_there_are() -> None:
    names = [wheel.name for wheel in pinned.read("wheels.txt")]
    for verdict in verdicts.read():
        assert verdict.rule in {rule.id for rule in RULES}
        assert verdict.verdict in {TRUE, MEANT, FALSE}
        assert any(map(verdict.is_about_wheel, names)), verdict
        assert verdict.why
        assert verdict.findings > 0


def test_false_alarms_that_are_gone_are_of_rules_and_wheels_that_there_are() -> None:
    names = [wheel.name for wheel in pinned.read("learned.txt")]
    gone = verdicts.gone()
    assert {one.rule for one in gone} <= {rule.id for rule in RULES}
    for one in gone:
        assert any(map(one.is_about_wheel, names)), one
    # Those that users reported.
    for project in ("cmake", "mlx_metal", "pygame_ce", "indexed_gzip", "pywin32", "h5py"):
        assert any(one.is_about_wheel(n) for one in gone for n in names if n.startswith(project))


def test_a_false_alarm_that_is_back_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    about = Verdict("needed-unanswered", FALSE, 0, "no", wheels="pywin32-*", values="b*.dll")
    finding = {**FINDING, "wheel": "pywin32-312-cp313-cp313-win_amd64.whl"}
    found = (finding, {**finding, "value": "other.dll"})
    monkeypatch.setattr(pinned, "download", lambda wheels: [Path(one.name) for one in wheels])
    monkeypatch.setattr(run, "check", lambda path: run.Outcome(path.name, found, "", 1.0, 30.0))
    assert run.back([about]) == [
        "is back: pywin32-312-cp313-cp313-win_amd64.whl: foo/_foo.pyd: needs bar.dll"
    ]


def test_the_docs_have_the_table_and_the_length_of_the_list() -> None:
    page = run.DOCS.read_text(encoding="utf-8")
    wheels = pinned.read("wheels.txt")
    projects = len({wheel.project for wheel in wheels})
    assert verdicts.table(verdicts.read()) in page
    assert f"Of {len(wheels)} wheels of {projects} projects" in " ".join(page.split())


def test_the_session_writes_the_docs() -> None:
    page = "# Page\n\nOf 0 wheels of\n1 project.\n\nText.\n\n| rule | old |\n|---|---|\n\nEnd.\n"
    right = run.with_results(page, "Of 2 wheels of 1 projects, none.", "| rule | new |")
    assert (
        right == "# Page\n\nOf 2 wheels of 1 projects, none.\n\nText.\n\n| rule | new |\n\nEnd.\n"
    )
    longer = run.with_results(
        page, "Of 2 wheels of 1 projects, " + "and more " * 20, "| rule | new |"
    )
    assert max(map(len, longer.splitlines())) <= 115


def test_a_finding_without_a_verdict_is_told() -> None:
    about = Verdict("needed-unanswered", TRUE, 1, "so it is", wheels="other-*")
    (no_verdict, none_found) = verdicts.differences([about], [FINDING])
    assert no_verdict.startswith("no verdict: needed-unanswered, foo-1.0-cp313-cp313-win_amd64.whl")
    assert none_found.startswith("0 findings, and the verdict is on 1")
    assert not verdicts.differences([], [{**FINDING, "severity": "note"}])


def test_more_findings_than_were_judged_are_told() -> None:
    about = Verdict("needed-unanswered", TRUE, 1, "so it is", wheels="foo-*")
    assert not verdicts.differences([about], [FINDING])
    (line,) = verdicts.differences([about], [FINDING, FINDING])
    assert line == "2 findings, and the verdict is on 1: needed-unanswered, foo-*, *"


@pytest.mark.parametrize("others", [48, 49])
def test_one_wheel_in_fifty_may_fail_for_a_false_alarm(others: int) -> None:
    about = Verdict("needed-unanswered", FALSE, 1, "no", wheels="foo-*")
    fails = run.Outcome("foo.whl", (FINDING,), "", 1.0, 30.0)
    outcomes = [fails, *(run.Outcome(f"{n}.whl", (), "", 1.0, 30.0) for n in range(others))]
    told = run.faults(outcomes, [about])
    assert told == ([] if others == 49 else ["fail for false alarms alone, too many: foo.whl"])


def test_a_wheel_that_fails_for_more_than_a_false_alarm_is_no_false_alarm() -> None:
    about = Verdict("needed-unanswered", FALSE, 1, "no", files="foo/_foo.pyd")
    right = Verdict("needed-unanswered", TRUE, 1, "yes")
    outcome = run.Outcome("foo.whl", (FINDING, {**FINDING, "file": "b.pyd"}), "", 1.0, 30.0)
    assert not run.faults([outcome], [about, right])
    assert run.summary([outcome], [about, right], projects=1) == (
        "Of 1 wheels of 1 projects, 1 have an error: 0 only one that their project means, and "
        "0 only a false alarm."
    )


def test_a_crash_is_told() -> None:
    assert run.faults([run.Outcome("foo.whl", (), "exit status 2: no", 1.0, 30.0)], []) == [
        "foo.whl: exit status 2: no"
    ]


def test_a_file_that_cannot_be_checked_is_a_crash(tmp_path: Path) -> None:
    wheel = tmp_path / "foo-1.0-py3-none-any.whl"
    wheel.write_bytes(b"no archive")
    outcome = run.check(wheel)
    assert outcome.crash.startswith("exit status 2: ")
    assert outcome.seconds > 0
    assert outcome.peak > 1
