"""`native-lib check` as a gate: what is selected, ignored, and required; its table in pyproject.toml."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import building
import models
import pytest
import wheels
from native_lib.build import config as build_config
from native_lib.check import explain, installed
from native_lib.check.binary import Import
from native_lib.check.choose import Choice
from native_lib.check.config import Config, read_config, toml
from native_lib.check.report import FORMATS, Report
from native_lib.check.rule import ERROR, NOTE, WARNING, Finding, Rule, WheelSet
from native_lib.check.rules import RULES
from native_lib.check.run import judge
from native_lib.cli import main
from native_lib.doctor.installed import all_installed

if TYPE_CHECKING:
    from native_lib.check.wheel import Wheel

# One error for each, of a wheel that a model makes: (rule, value).
MISSING = ("needed-unanswered", "libbar.so.1")
ABSOLUTE = ("rpath-absolute", "/build/lib")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no project's table above the current folder."""
    monkeypatch.chdir(tmp_path)


def two_errors() -> Wheel:
    of = models.binary(models.EXTENSION, needed=("libbar.so.1",), rpath=("/build/lib",))
    return models.wheel("foo-ext", of)


def found(config: Config, *wheels: Wheel) -> list[tuple[str, str]]:
    """Return rule and value of what counts."""
    together = WheelSet(wheels, is_complete=config.is_complete)
    report = judge(together, config, tuple(wheel.path for wheel in wheels))
    return [(rule.id, finding.value) for rule, finding in report.findings]


# Select and ignore --------------------------------------------------------------------------------


def test_all_rules_without_a_choice() -> None:
    assert found(Config(), two_errors()) == [MISSING, ABSOLUTE]


@pytest.mark.parametrize(
    ("texts", "left"),
    [
        (["needed-unanswered"], [MISSING]),
        (["needed-unanswered:libbar.so.*"], [MISSING]),
        (["needed-unanswered:libbar"], []),  # as a whole
        (["needed-unanswered:foo_ext-*.whl"], [MISSING]),
        (["needed-unanswered:*/_ext.*"], [MISSING]),
        (["needed-unanswered:libbaz.so.*"], []),
        (["soname-missing"], []),
        (["rpath-absolute", "needed-unanswered:libbar.so.1"], [MISSING, ABSOLUTE]),
    ],
)
def test_select_and_ignore(texts: list[str], left: list[tuple[str, str]]) -> None:
    both = [MISSING, ABSOLUTE]
    select = Config().amended(texts, [], strict=False, complete=False)
    assert found(select, two_errors()) == left
    ignore = Config().amended([], texts, strict=False, complete=False)
    assert found(ignore, two_errors()) == [each for each in both if each not in left]


def test_what_is_ignored_is_counted_and_told_with_its_reason(
    elf: wheels.Elf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = elf.provider(tmp_path, elf.library_with_rpath("/build/lib"))
    assert main(["check", "--ignore", "rpath-absolute:/build/*", str(wheel)]) == 0
    told = capsys.readouterr()
    assert told.out == "1 file checked: 0 errors, 0 warnings, 0 notes, 1 ignored\n"
    assert told.err == ""
    table('ignore = [{ rule = "rpath-absolute", reason = "tested with it" }]')
    assert main(["check", "--format", "json", str(wheel)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["findings"] == result["unused"] == []
    (ignored,) = result["ignored"]
    assert (ignored["rule"], ignored["value"]) == ABSOLUTE
    assert ignored["severity"] == "error"
    assert ignored["reason"] == "tested with it"


def test_what_was_ignored_and_is_gone_is_told(
    elf: wheels.Elf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is no failure: another platform's wheel may have it."""
    wheel = elf.provider(tmp_path)
    table('ignore = [{ rule = "rpath-absolute", pattern = "/old", reason = "old" }]')
    assert main(["check", "--strict", str(wheel)]) == 0
    line = "native-lib: to be ignored, but not found: rpath-absolute:/old\n"
    assert capsys.readouterr().err == line
    # Its rule did not run.
    assert main(["check", "--select", "soname-missing", str(wheel)]) == 0
    assert capsys.readouterr().err == ""


def test_strict(elf: wheels.Elf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = elf.consumer(tmp_path, elf.extension(source=wheels.EXTENSION + "int more;\n"))
    command = ["check", str(wheel)]
    assert main(command) == 0
    assert "1 warning" in capsys.readouterr().out
    assert main([*command, "--strict"]) == 1
    assert main([*command, "--strict", "--ignore", "extension-exports"]) == 0
    table("strict = true")
    assert main(command) == 1


@pytest.mark.parametrize("option", ["--select", "--ignore", "--explain"])
def test_unknown_rule_is_one_line_with_the_nearest(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", option, "needed-unansered", "x.whl"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        'native-lib: there is no rule "needed-unansered"; the nearest is "needed-unanswered"\n'
    )


def test_colon_without_a_pattern(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--ignore", "soname-missing:", "x.whl"]) == 2
    told = capsys.readouterr().err
    assert told == 'native-lib: "soname-missing:" has no pattern after the colon\n'


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "name wheels or folders; or --installed, or --explain RULE"),
        (["--installed", "--require", "win_amd64"], "--require is about wheels"),
    ],
)
def test_arguments_that_do_not_go_together(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", *arguments])
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


# The table in pyproject.toml ----------------------------------------------------------------------


def table(lines: str, file: str = "pyproject.toml") -> Path:
    path = Path(file)
    path.write_text(f"[tool.native-lib.check]\n{lines}\n", encoding="utf-8")
    return path


WHOLE = """\
select = ["needed-unanswered", "rpath-absolute:/build/*"]
ignore = [
    { rule = "needed-unanswered", pattern = "libclntsh.so.*", reason = "Oracle's" },
    { rule = "rpath-absolute", reason = "ours" },
]
strict = true
complete = true"""


def test_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(WHOLE)
    whole = Config(
        select=(Choice("needed-unanswered"), Choice("rpath-absolute", "/build/*")),
        ignore=(
            Choice("needed-unanswered", "libclntsh.so.*", "Oracle's"),
            Choice("rpath-absolute", "*", "ours"),
        ),
        is_strict=True,
        is_complete=True,
    )
    assert read_config() == whole
    below = tmp_path / "src" / "foo"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert read_config() == whole
    # The nearest file is the project's, with or without a table.
    Path("pyproject.toml").write_text("[project]\n", encoding="utf-8")
    assert read_config() == Config()
    assert read_config(tmp_path / "pyproject.toml") == whole


def test_options_beside_the_table() -> None:
    table(WHOLE)
    config = read_config().amended(["unsigned"], ["dll-name:a.dll"], strict=False, complete=False)
    assert config.select == (Choice("unsigned"),)
    assert [str(each) for each in config.ignore] == [
        "needed-unanswered:libclntsh.so.*",
        "rpath-absolute",
        "dll-name:a.dll",
    ]
    assert config.ignore[-1].reason
    assert config.is_strict
    assert config.is_complete


NO_RULE = 'there is no rule "soname-mising"; the nearest is "soname-missing"'
MISTAKES = [
    ("ignor = []", 'has an unknown key "ignor"; it has complete, ignore, select, strict'),
    ("strict = 1", ": strict is neither true nor false"),
    ('complete = "yes"', ": complete is neither true nor false"),
    ('select = "unsigned"', ": select is not a list"),
    ("select = [1]", ': select[1] is not a text such as "symbol-missing"'),
    ('select = ["unsigned", "soname-mising"]', f": select[2]: {NO_RULE}"),
    ('ignore = "unsigned"', ": ignore is not a list"),
    ('ignore = ["unsigned"]', ": ignore[1] is not a table such as { rule = "),
    ('ignore = [{ reason = "x" }]', ": ignore[1] names no rule: write { rule = "),
    ('ignore = [{ rule = "unsigned" }]', ': ignore[1] has no reason: add reason = "…" to it'),
    ('ignore = [{ rule = "unsigned", reason = " " }]', ": ignore[1]: reason is not a text, or is"),
    ('ignore = [{ rule = 1, reason = "x" }]', ": ignore[1]: rule is not a text, or is empty"),
    ('ignore = [{ rule = "soname-mising", reason = "x" }]', f": ignore[1]: {NO_RULE}"),
    (
        'ignore = [{ rule = "unsigned", file = "x", reason = "x" }]',
        ': ignore[1] has an unknown key "file"; it has pattern, reason, rule',
    ),
]


@pytest.mark.parametrize(("lines", "complaint"), MISTAKES)
def test_mistake_in_the_table_is_one_line(
    lines: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(lines).resolve()
    assert main(["check", "x.whl"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith(f"native-lib: {path}: [tool.native-lib.check]")
    assert complaint in line


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"\xff", "cannot be read: 'utf-8' codec can't decode"),
        (b"[tool", "cannot be read: Expected"),
        (b"[project]", "there is no table [tool.native-lib.check] in it"),
        (b"[tool]\nnative-lib = 1", "[tool.native-lib.check]: native-lib is not a table"),
        (b"tool = 1", "[tool.native-lib.check]: tool is not a table"),
    ],
)
def test_file_that_is_no_projects(
    content: bytes | None, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        Path("other.toml").write_bytes(content)
    assert main(["check", "--config", "other.toml", "x.whl"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("native-lib: other.toml: ")
    assert complaint in line


def test_a_back_ends_table_may_have_this_one(tmp_path: Path) -> None:
    lines = (
        '[tool.native-lib]\nbackend = "setuptools.build_meta"\nlibraries = { z = "native-zlib" }\n',
        "[tool.native-lib.check]\nstrict = true\n",
    )
    Path("pyproject.toml").write_text("".join(lines), encoding="utf-8")
    assert build_config.read_config(tmp_path).providers == ("native-zlib",)
    assert read_config().is_strict


# A set that is not whole --------------------------------------------------------------------------


def needing(name: str, *bounds: str, **more: Any) -> Wheel:
    of = models.binary(models.EXTENSION, needed=(name,), **more)
    return models.wheel("foo-ext", of, bounds=bounds)


def unanswered(*wheels: Wheel, complete: bool = False) -> list[tuple[str, str]]:
    (rule,) = (rule for rule in RULES if rule.id == "needed-unanswered")
    together = WheelSet(wheels, is_complete=complete)
    return [(rule.severity_of(each), each.message) for each in rule.find(together)]


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("libacme.so", "ELF"),
        ("@rpath/libacme.dylib", "Mach-O"),
        ("acme.dll", "PE"),
    ],
)
def test_what_a_requirement_may_have_is_a_note(name: str, format: str) -> None:
    consumer = needing(name, "acme==2.14.1", format=format)
    to_be_sure = "acme is required and was not given; give its wheel to be sure"
    assert unanswered(consumer) == [(NOTE, f"needs {name}: {to_be_sure}")]
    nothing = "no wheel here, no file in this wheel and no system provides it"
    assert unanswered(consumer, complete=True) == [(ERROR, f"needs {name}: {nothing}")]
    # Without the requirement, and with its wheel.
    assert unanswered(needing(name, format=format)) == [(ERROR, f"needs {name}: {nothing}")]
    given = models.wheel("acme", models.binary("acme/lib/libother.so", format=format))
    assert unanswered(consumer, given) == [(ERROR, f"needs {name}: {nothing}")]


def test_several_requirements() -> None:
    consumer = needing("libacme.so", "acme", "acme-extra", "acme>=2", "numpy")
    told = "acme, acme-extra are required and were not given; give their wheels to be sure"
    assert unanswered(consumer) == [(NOTE, f"needs libacme.so: {told}")]


def test_requirement_that_has_no_libraries() -> None:
    """Many wheels require numpy; a library that is missing is not there."""
    ((severity, _),) = unanswered(needing("libbar.so.1", "numpy>=2", "typing_extensions"))
    assert severity == ERROR


def test_requirement_that_was_given_for_another_platform() -> None:
    given = models.wheel("acme", models.binary("acme/lib/libacme.dylib", format="Mach-O"))
    ((severity, message),) = unanswered(needing("libacme.so", "acme"), given)
    assert severity == NOTE
    assert "acme is required" in message


def test_private_name_says_whose_it_is() -> None:
    """No other requirement can have it."""
    consumer = needing("native_zlib__z.so.1", "numpy")
    assert found(Config(), consumer) == [("requirement-missing", "native_zlib__z.so.1")]
    given = models.provider()
    own = models.wheel("foo-ext", models.binary(models.EXTENSION, needed=("libfoo__bar.so.1",)))
    ((severity, message),) = unanswered(own, given)
    assert severity == ERROR
    assert "libfoo is here, but has no such library" in message


def test_provider_that_is_absent_from_a_complete_set() -> None:
    consumer = needing("native_zlib__z.so.1", "native-zlib<2,>=1")
    (rule,) = (rule for rule in RULES if rule.id == "provider-absent")
    for complete, severity in ((False, NOTE), (True, ERROR)):
        (each,) = rule.find(WheelSet((consumer,), is_complete=complete))
        assert rule.severity_of(each) == severity


def test_symbol_that_a_requirement_may_have_is_a_note() -> None:
    imports = frozenset({Import("foo_three")})
    of = models.binary(
        models.EXTENSION, needed=(models.NAME, "libc.so.6"), imports=imports, libc="glibc"
    )
    (rule,) = (rule for rule in RULES if rule.id == "symbol-missing")
    for bounds, severity in ((["libfoo<2,>=1"], ERROR), (["libfoo<2,>=1", "torch"], NOTE)):
        consumer = models.wheel("foo-ext", of, bounds=bounds)
        (each,) = rule.find(WheelSet((consumer, models.provider())))
        assert rule.severity_of(each) == severity
        assert each.message.endswith("to be sure") == (severity == NOTE)


def test_complete(elf: wheels.Elf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command's default is a set that need not be whole."""
    wheel = elf.consumer(tmp_path)
    assert main(["check", str(wheel)]) == 0
    assert "1 note" in capsys.readouterr().out
    assert main(["check", "--complete", str(wheel)]) == 1
    assert "1 error" in capsys.readouterr().out


# SARIF --------------------------------------------------------------------------------------------


def test_sarif(elf: wheels.Elf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = elf.provider(tmp_path / "my dist", elf.library_with_rpath("/build/lib:/other"))
    broken = tmp_path / "absent-1-py3-none-any.whl"
    table('ignore = [{ rule = "rpath-absolute", pattern = "/other", reason = "tried" }]')
    assert main(["check", "--format", "sarif", str(wheel), str(broken)]) == 2
    log = json.loads(capsys.readouterr().out)
    assert log["version"] == "2.1.0"
    (run_,) = log["runs"]
    driver = run_["tool"]["driver"]
    assert driver["name"] == "native-lib"
    (rule,) = driver["rules"]
    assert rule["id"] == "rpath-absolute"
    assert rule["defaultConfiguration"] == {"level": "error"}
    assert rule["helpUri"].endswith("rules.md#rpath-absolute")
    assert "**Fix it:**" in rule["help"]["markdown"]
    assert rule["shortDescription"]["text"] == (
        "RPATH, RUNPATH or LC_RPATH is a folder of the machine"
    )
    result, ignored = run_["results"]
    assert result["ruleId"] == "rpath-absolute"
    assert driver["rules"][result["ruleIndex"]] is not None
    assert result["level"] == "error"
    assert "/build/lib" in result["message"]["text"]
    assert "suppressions" not in result
    (place,) = result["locations"]
    uri = place["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == f"my%20dist/{wheel.name}"
    assert place["logicalLocations"][0]["fullyQualifiedName"].startswith(wheel.name)
    assert ignored["suppressions"] == [{"kind": "external", "justification": "tried"}]
    prints = [each["partialFingerprints"]["primaryLocationLineHash"] for each in run_["results"]]
    assert len(set(prints)) == 2
    (invocation,) = run_["invocations"]
    assert invocation["executionSuccessful"] is False
    (notification,) = invocation["toolExecutionNotifications"]
    assert "No such file" in notification["message"]["text"]


def test_sarif_of_every_rule(capsys: pytest.CaptureFixture[str]) -> None:
    """Each has its help, and each severity its level."""
    findings = [
        (rule, Finding("foo-1.whl", "x.so", str(number), "told", severity))
        for rule in RULES
        for number, severity in enumerate(("", ERROR, WARNING, NOTE))
    ]
    FORMATS["sarif"](Report((), tuple(findings), ()))
    (run_,) = json.loads(capsys.readouterr().out)["runs"]
    assert [rule["id"] for rule in run_["tool"]["driver"]["rules"]] == [r.id for r in RULES]
    for rule in run_["tool"]["driver"]["rules"]:
        assert rule["help"]["text"]
    levels = {result["level"] for result in run_["results"]}
    assert levels == {"error", "warning", "note"}


# Explain ------------------------------------------------------------------------------------------


def test_explain_prints_the_rules_part_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--explain", "unsigned"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("unsigned (error): an arm64 Mach-O file has no signature\n\nmacOS on")
    assert "**Fix it:** `codesign --force" in told
    assert told.endswith("docs/reference/rules.md#unsigned\n")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_is_explained(rule: Rule) -> None:
    told = explain.explanation(rule.id)
    assert told.summary
    assert "Fix it:" in told.markdown
    assert "](" not in told.text
    assert "\n#" not in told.markdown


def test_page_is_the_docs() -> None:
    """`nox -s regenerate` copies it."""
    page = building.ROOT / "docs" / "reference" / "rules.md"
    copy = Path(explain.__file__).with_name("rules.md")
    assert copy.read_text(encoding="utf-8") == page.read_text(encoding="utf-8")


# What is installed --------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of installed distributions: the only one on the path that has any."""
    folder = tmp_path / "site"
    folder.mkdir()
    there = partial(all_installed, [str(folder)])
    monkeypatch.setattr(installed, "all_installed", there)
    return folder


def unpack(wheel: Path, site: Path, installer: str = "pip") -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
        (info,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        names = archive.namelist()
    (site / info / "INSTALLER").write_text(f"{installer}\n", encoding="utf-8")
    (site / info / "RECORD").write_text("".join(f"{name},,\n" for name in names), encoding="utf-8")


def test_installed(
    elf: wheels.Elf, tmp_path: Path, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unpack(elf.provider(tmp_path), site)
    unpack(elf.consumer(tmp_path), site)
    assert main(["check", "--installed"]) == 0
    assert capsys.readouterr().out == "2 files checked: 0 errors, 0 warnings, 0 notes\n"
    # What is installed is complete.
    for path in site.glob("libfoo*"):
        shutil.rmtree(path)
    assert main(["check", "--installed", "--format", "json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["rule"] == "provider-absent"
    assert finding["severity"] == "error"
    assert finding["wheel"].startswith("foo_ext-")
    assert finding["wheel"].endswith(".dist-info")


def test_installed_by_name(
    elf: wheels.Elf, tmp_path: Path, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unpack(elf.provider(tmp_path, elf.library_with_rpath("/build/lib")), site)
    unpack(elf.consumer(tmp_path), site)
    assert main(["check", "--installed", "Foo_Ext"]) == 0
    assert capsys.readouterr().out == "1 file checked: 0 errors, 0 warnings, 0 notes\n"
    assert main(["check", "--installed", "libfoo"]) == 1
    assert "rpath-absolute" in capsys.readouterr().out
    assert main(["check", "--installed", "bar"]) == 2
    assert capsys.readouterr().err == "native-lib: bar is not installed here\n"


def test_installed_by_the_system(
    elf: wheels.Elf, tmp_path: Path, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unpack(elf.consumer(tmp_path), site, "debian")
    assert main(["check", "--installed"]) == 0
    assert capsys.readouterr().out == "0 files checked: 0 errors, 0 warnings, 0 notes\n"
    assert main(["check", "--installed", "foo-ext"]) == 1


def test_installed_and_damaged(
    elf: wheels.Elf, tmp_path: Path, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unpack(elf.provider(tmp_path), site)
    library = site / "libfoo" / "lib" / wheels.NAME
    library.write_bytes(library.read_bytes()[:2000])
    assert main(["check", "--installed", "--format", "json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["rule"] == "unreadable"
    assert finding["file"] == f"libfoo/lib/{wheels.NAME}"


def test_installed_with_a_letter_in_a_librarys_version(
    elf: wheels.Elf, tmp_path: Path, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """opencv-python-headless has libssl-81259c47.so.1.1.1k."""
    name = "libssl-81259c47.so.1.1.1k"
    files: dict[str, bytes | str] = {f"foo.libs/{name}": elf.library(soname=name, file=name)}
    user = elf.extension(f"-L{elf.folder}", f"-l:{name}", "-Wl,-rpath,$ORIGIN/foo.libs", source="")
    unpack(wheels.make_wheel(tmp_path, "foo", {**files, "_foo.so": user}), site)
    assert main(["check", "--installed", "--select", "needed-unanswered"]) == 0
    assert capsys.readouterr().out == "1 file checked: 0 errors, 0 warnings, 0 notes\n"


@pytest.mark.parametrize(
    ("content", "severity"),
    [
        (b"", "error"),
        (b"version https://git-lfs", "error"),
        (b"\xca\xfe\xba\xbf" + bytes(20), "note"),
    ],
)
def test_installed_and_not_understood(
    content: bytes, severity: str, tmp_path: Path, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a wheel."""
    wheel = wheels.make_wheel(tmp_path, "bad", {"bad/one.dylib": content})
    unpack(wheel, site)
    for command in (["--installed"], [str(wheel)]):
        main(["check", *command, "--format", "json", "--select", "unreadable"])
        (finding,) = json.loads(capsys.readouterr().out)["findings"]
        assert (finding["file"], finding["severity"]) == ("bad/one.dylib", severity)


# In CI --------------------------------------------------------------------------------------------


def test_cibuildwheels_audit_command(elf: wheels.Elf, tmp_path: Path) -> None:
    """The lines of the page, run as cibuildwheel runs them: by a shell, in the project's folder."""
    helpers = pytest.importorskip("cibuildwheel.util.helpers", reason="needs Python 3.11")
    page = building.ROOT / "docs" / "how-to" / "check-others-wheels.md"
    blocks = re.findall(r"^```toml\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    Path("pyproject.toml").write_text("\n".join(blocks), encoding="utf-8")
    (command,) = toml.loads("\n".join(blocks))["tool"]["cibuildwheel"]["audit-command"]
    script = tmp_path / "bin" / "native-lib"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m native_lib "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    path = os.pathsep.join((str(script.parent), os.environ["PATH"]))
    source = str(building.ROOT / "loader" / "src")
    env = building.environment({"PYTHONPATH": source, "PATH": path})

    def audit(wheel: Path) -> tuple[int, str]:
        prepared = helpers.prepare_command(command, wheel=wheel, project=".", package=".")
        done = subprocess.run(
            prepared, shell=True, env=env, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    files: dict[str, bytes | str] = {"foo/_foo.so": elf.extension(soname="libclntsh.so.21.1")}
    wheel = wheels.make_wheel(tmp_path, "foo", files)
    assert audit(wheel) == (0, "1 file checked: 0 errors, 0 warnings, 0 notes, 1 ignored\n")
    files = {"foo/_foo.so": elf.extension(soname="libother.so.1")}
    status, told = audit(wheels.make_wheel(tmp_path, "foo", files))
    assert status == 1
    assert "needs libother.so.1" in told
