"""The template's vendored files are byte-equal copies of the loader's."""

from __future__ import annotations

import shlex
import shutil
import sys
from typing import TYPE_CHECKING

import lab
import pytest
from native_lib.cli import main
from nox.project import load_toml

if TYPE_CHECKING:
    from pathlib import Path

SUPPORT = lab.ROOT / "loader" / "src" / "native_lib" / "support"
HEADS = ("shared_lib_manager.py", "shared_lib_consumer.py", "shared_lib_explain.py")


def test_no_copy_in_this_repository_has_drifted() -> None:
    assert main(["vendor", "--check", str(lab.ROOT / "template")]) == 0


@pytest.mark.parametrize("name", HEADS)
def test_head_tells_licence_version_and_source(name: str) -> None:
    """The BSD licence asks for its notice wherever a copy goes."""
    project = load_toml(lab.ROOT / "loader" / "pyproject.toml")["project"]
    notice = (lab.ROOT / "loader" / "LICENSE").read_text("utf-8").splitlines()[2]
    assert (SUPPORT / name).read_text("utf-8").splitlines()[:3] == [
        f"# SPDX-License-Identifier: {project['license']}",
        f"# {notice}",
        f"# {project['name']} {project['version']}, {project['urls']['Source']}",
    ]


@pytest.mark.parametrize(("name", "most"), [("manager", 400), ("consumer", 160)])
def test_what_a_healthy_import_runs_is_small(name: str, most: int) -> None:
    """Its reader has ten minutes, and every start of every program pays for it."""
    lines = (SUPPORT / f"shared_lib_{name}.py").read_text("utf-8").splitlines()
    assert len(lines) <= most


@pytest.mark.parametrize("side", ["manager", "consumer"])
def test_side_that_was_vendored_alone_gets_what_explains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], side: str
) -> None:
    """It was one file once."""
    shutil.copy(SUPPORT / f"shared_lib_{side}.py", tmp_path / f"_shared_lib_{side}.py")
    explain = tmp_path / "_shared_lib_explain.py"
    assert main(["vendor", "--check", str(tmp_path)]) == 1
    assert f"missing: {explain}\n" in capsys.readouterr().out
    assert main(["vendor", str(tmp_path)]) == 0
    assert explain.read_bytes() == (SUPPORT / "shared_lib_explain.py").read_bytes()


def test_check_names_a_drifted_copy_and_vendor_fixes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = lab.generate(tmp_path)
    copy = folder / "libfoo" / "python" / "libfoo" / "_shared_lib_manager.py"
    copy.write_text("# changed\n", encoding="utf-8")
    assert main(["vendor", "--check", str(folder)]) == 1
    assert str(copy) in capsys.readouterr().out
    assert copy.read_text(encoding="utf-8") == "# changed\n"
    assert main(["vendor", str(folder)]) == 0
    assert main(["vendor", "--check", str(folder)]) == 0


def test_first_time_in_a_project(tmp_path: Path) -> None:
    (tmp_path / "python" / "bar").mkdir(parents=True)
    assert main(["vendor", str(tmp_path), "--consumer", "python/bar"]) == 0
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {
        "python/bar/_shared_lib_consumer.py",
        "python/bar/_shared_lib_explain.py",
        "cmake/NativeLibrary.cmake",
        "cmake/native_library_metadata.py",
    }


def vendored_by_a_pair(pair: Path) -> list[Path]:
    names = ("_shared_lib_*.py", "NativeLibrary.cmake", "native_library_metadata.py")
    return sorted(path for name in (*names, "fetch_source.py") for path in pair.rglob(name))


@pytest.mark.parametrize("source", ["here", "upstream"])
def test_what_a_project_names_and_lacks_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    folder = lab.generate(tmp_path, library_source=source)
    files = vendored_by_a_pair(folder)
    assert len(files) == (8 if source == "upstream" else 7)
    contents = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()
    assert main(["vendor", "--check", str(folder)]) == 1
    assert capsys.readouterr().out.splitlines()[:-1] == [f"missing: {file}" for file in files]
    assert vendored_by_a_pair(folder) == []
    assert main(["vendor", str(folder)]) == 0
    assert [file.read_bytes() for file in files] == contents


@pytest.mark.parametrize(
    "arguments",
    [[], ["--provider", "one", "--consumer", "the other"], ["--upstream"]],
    ids=["drifted", "packages", "upstream"],
)
def test_check_tells_the_command_that_fixes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    project = tmp_path / "my project"
    for package in ("one", "the other"):
        (project / package).mkdir(parents=True)
    (project / "source.toml").touch()
    if not arguments:
        (project / "one" / "_shared_lib_manager.py").write_text("old = 1\n", encoding="utf-8")
    check = ["vendor", "--check", *arguments, str(project)]
    assert main(check) == 1
    *stale, told = capsys.readouterr().out.splitlines()
    assert stale
    name, *fix = shlex.split(told.removeprefix("to bring them up to date: "))
    assert (name, main(fix)) == ("native-lib", 0)
    assert main(check) == 0


@pytest.mark.parametrize(
    "line",
    [
        "from ._shared_lib_consumer import load_requirements",
        "from . import _shared_lib_consumer",
        "from . import _native_requires, _shared_lib_consumer as consumer",
        "    from ._shared_lib_consumer import (",
    ],
)
def test_package_that_imports_a_loader_lacks_it(tmp_path: Path, line: str) -> None:
    (tmp_path / "__init__.py").write_text(f"import os\n{line}\n", encoding="utf-8")
    assert main(["vendor", str(tmp_path)]) == 0
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        *("__init__.py", "_shared_lib_consumer.py", "_shared_lib_explain.py")
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "__init__.py",
            "# from ._shared_lib_consumer import\nfrom other import _shared_lib_manager",
        ),
        ("__init__.py", "from ._shared_lib_consumer_of_mine import x"),
        ("CMakeLists.txt", "# include(cmake/NativeLibrary.cmake)\ninclude(MyNativeLibrary.cmake)"),
        ("pyproject.toml", 'provider = { path = "cmake", module = "another" }'),
        ("pyproject.toml", 'provider = { path = ".", module = "fetch_source" }'),
        ("pyproject.toml", 'provider = { path = "..", module = "native_library_metadata" }'),
    ],
)
def test_what_is_named_elsewhere_or_otherwise_is_not_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / name).write_text(text, encoding="utf-8")
    assert main(["vendor", str(project)]) == 2
    assert "vendors no file yet" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["project", name]


@pytest.mark.skipif(
    sys.platform == "win32", reason="makes symlinks, which require a privilege on Windows"
)
@pytest.mark.parametrize("name", ["CMakeLists.txt", "pyproject.toml", "__init__.py"])
def test_link_that_leads_nowhere_is_passed_over(tmp_path: Path, name: str) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / name).symlink_to("absent")
    assert main(["vendor", str(tmp_path), "--provider", "package"]) == 0
    assert main(["vendor", "--check", str(tmp_path)]) == 0


def test_line_endings_are_no_drift(tmp_path: Path) -> None:
    folder = lab.generate(tmp_path)
    for file in vendored_by_a_pair(folder):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert main(["vendor", "--check", str(folder)]) == 0


def test_what_cannot_be_written_is_one_line_and_nothing_is_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cmake").mkdir()
    old = tmp_path / "cmake" / "NativeLibrary.cmake"
    old.write_text("# old\n", encoding="utf-8")
    # No permission would hold back who runs tests as root.
    (tmp_path / "foo" / "_shared_lib_manager.py").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    assert main(["vendor", str(tmp_path), "--provider", "foo", "--consumer", "."]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith(f"native-lib: {tmp_path / 'foo' / '_shared_lib_manager.py'}: ")
    assert sorted(tmp_path.rglob("*")) == before
    assert old.read_text(encoding="utf-8") == "# old\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{folder}/absent"], "is not a folder"),
        (["{folder}"], "vendors no file yet"),
        (["{folder}", "--provider", "absent"], "is not a folder"),
        (["{folder}", "--consumer", "../"], ".. does not lie below"),
        (["{folder}", "--provider", "{folder}-other"], "-other does not lie below"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["vendor", *(part.format(folder=tmp_path) for part in arguments)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("native-lib: ")
    assert message in line
    assert list(tmp_path.iterdir()) == []
