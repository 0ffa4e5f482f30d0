"""`native-lib vendor`: what a project holds of the build support, kept up to date and moved."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from typing import TYPE_CHECKING

import building
import docs_pages
import pytest
from native_lib.cli import main
from native_lib.vendor import support_files

if TYPE_CHECKING:
    from pathlib import Path

PROVIDER, CONSUMER = support_files(["provider"]), support_files(["consumer"])


def vendored_by_a_pair(pair: Path) -> list[Path]:
    return sorted(path for path in pair.rglob("native-lib/*") if path.is_file())


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_no_file_of_the_loader_stands_in_this_repository_twice() -> None:
    texts = {file.read_bytes(): file for file in building.SUPPORT.iterdir() if file.is_file()}
    names = {file.name for file in texts.values()} - {"__init__.py", "LICENSE"}
    found = [
        path
        for part in ("template", "reference-packages")
        for path in (building.ROOT / part).rglob("*")
        if path.name.lstrip("_") in names and not {"upstream", "build"} & set(path.parts)
    ]
    assert found == []


def test_every_file_says_licence_version_and_source() -> None:
    pyproject = (building.ROOT / "loader" / "pyproject.toml").read_text("utf-8")
    (version,) = re.findall(r'^version = "(.*)"', pyproject, re.MULTILINE)
    head = (
        "# SPDX-License-Identifier: BSD-3-Clause\n"
        "# Copyright (c) the native-lib-template authors\n"
        f"# From native-lib-loader {version}, https://github.com/org/native-lib-template\n"
    )
    files = support_files(["provider", "consumer", "source"])
    wrong = [
        name
        for name, content in files.items()
        if name != "LICENSE" and not content.decode("utf-8").startswith(head)
    ]
    assert wrong == [], f"the first three lines of these must be:\n{head}"
    assert PROVIDER["LICENSE"] == (building.SUPPORT / "LICENSE").read_bytes()


def test_both_sides_are_at_most_1020_lines_of_cmake() -> None:
    texts = [file.read_text("utf-8") for file in building.SUPPORT.glob("*.cmake")]
    assert texts
    assert sum(len(text.splitlines()) for text in texts) <= 1020
    assert not re.search(r"^macro\(", "\n".join(texts), re.MULTILINE)


@pytest.mark.parametrize(("name", "most"), [("manager", 400), ("consumer", 160)])
def test_what_a_healthy_import_runs_is_small(name: str, most: int) -> None:
    """Its reader has ten minutes, and every start of every program pays for it."""
    lines = (building.SUPPORT / f"shared_lib_{name}.py").read_text("utf-8").splitlines()
    assert len(lines) <= most, f"{name}: move words to shared_lib_explain.py"


@pytest.mark.parametrize("side", ["manager", "consumer"])
def test_side_that_was_vendored_alone_gets_what_explains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], side: str
) -> None:
    """It was one file once."""
    shutil.copy(building.SUPPORT / f"shared_lib_{side}.py", tmp_path / f"_shared_lib_{side}.py")
    explain = tmp_path / "_shared_lib_explain.py"
    assert main(["vendor", "--check", str(tmp_path)]) == 1
    assert f"missing: {explain}\n" in capsys.readouterr().out
    assert main(["vendor", str(tmp_path)]) == 0
    for name in ("shared_lib_explain.py", "shared_lib_fixes.py"):
        assert (tmp_path / f"_{name}").read_bytes() == (building.SUPPORT / name).read_bytes()


def test_a_generated_pair_holds_what_each_side_needs(tmp_path: Path) -> None:
    folder = building.generate(tmp_path)
    assert main(["vendor", "--check", str(folder)]) == 0
    assert {path.name for path in (folder / "libfoo" / "native-lib").iterdir()} == set(PROVIDER)
    assert {path.name for path in (folder / "foo-ext" / "native-lib").iterdir()} == set(CONSUMER)


@pytest.mark.parametrize("function", ["archive", "prebuilt"])
def test_call_alone_brings_what_archives_need(tmp_path: Path, function: str) -> None:
    folder = building.generate(tmp_path) / "libfoo"
    lists = folder / "CMakeLists.txt"
    lists.write_text(
        f"{lists.read_text('utf-8')}native_library_{function}(bar)\n", encoding="utf-8"
    )
    assert main(["vendor", "--check", str(folder)]) == 1
    assert main(["vendor", str(folder)]) == 0
    expected = set(PROVIDER) | set(support_files(["archive"]))
    assert {path.name for path in (folder / "native-lib").iterdir()} == expected


def test_check_names_a_drifted_copy_and_vendor_fixes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = building.generate(tmp_path)
    copy = folder / "libfoo" / "native-lib" / "shared_lib_manager.py"
    copy.write_text("# changed\n", encoding="utf-8")
    assert main(["vendor", "--check", str(folder)]) == 1
    assert f"drifted: {copy}\n" in capsys.readouterr().out
    assert copy.read_text(encoding="utf-8") == "# changed\n"
    assert main(["vendor", str(folder)]) == 0
    assert f"updated: {copy}\n" in capsys.readouterr().out
    assert main(["vendor", "--check", str(folder)]) == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--provider"], {f"native-lib/{name}" for name in PROVIDER}),
        (["--consumer"], {f"native-lib/{name}" for name in CONSUMER}),
        (["--provider", "--consumer"], {f"native-lib/{name}" for name in {**PROVIDER, **CONSUMER}}),
        (
            ["--provider", "--upstream"],
            {f"native-lib/{name}" for name in (*PROVIDER, "fetch_source.py")},
        ),
    ],
)
def test_first_time_in_a_project(tmp_path: Path, arguments: list[str], expected: set[str]) -> None:
    assert main(["vendor", str(tmp_path), *arguments]) == 0
    assert set(tree(tmp_path)) == expected


def test_package_of_a_project_whose_build_brings_the_loader(tmp_path: Path) -> None:
    """Also before its CMakeLists.txt includes anything."""
    (tmp_path / "foo").mkdir()
    imports = "from ._shared_lib_consumer import load_requirements\n"
    (tmp_path / "foo" / "__init__.py").write_text(imports, encoding="utf-8")
    for arguments in ([], ["--check"]):
        assert main(["vendor", str(tmp_path), "--consumer", *arguments]) == 0
        assert main(["vendor", str(tmp_path), *arguments]) == 0
    assert [path.name for path in (tmp_path / "foo").iterdir()] == ["__init__.py"]


@pytest.mark.parametrize(
    ("sides", "names"),
    [
        (["--consumer"], "consumer"),
        (["--provider"], "manager wordings"),
        (["--consumer", "--provider"], "consumer manager wordings"),
    ],
)
def test_loader_alone_for_another_build_system(
    tmp_path: Path, sides: list[str], names: str
) -> None:
    package = tmp_path / "src" / "bar"
    docs_pages.write(package / "__init__.py", "")
    assert main(["vendor", str(package), *sides, "--loader-only"]) == 0
    assert {path.name for path in package.iterdir()} == {
        "__init__.py",
        *("_shared_lib_explain.py", "_shared_lib_fixes.py", "_shared_lib_LICENSE"),
        *(f"_shared_lib_{name}.py" for name in names.split()),
    }
    # Nothing is missing: each side can be imported, and has words for what is wrong.
    loaders = {"consumer": "load_requirements", "manager": "LibraryNotFoundError"}
    for name in set(names.split()) & loaders.keys():
        code = f"from bar._shared_lib_{name} import {loaders[name]}"
        building.run(sys.executable, "-c", code, env={"PYTHONPATH": str(package.parent)})
    (package / "_shared_lib_explain.py").write_text("old = 1\n", encoding="utf-8")
    assert main(["vendor", "--check", str(tmp_path)]) == 1
    assert main(["vendor", str(tmp_path)]) == 0
    assert main(["vendor", "--check", str(tmp_path)]) == 0


@pytest.mark.parametrize(
    ("page", "number"),
    [
        ("vendor.md", len(PROVIDER) + len(CONSUMER)),
        ("provider-requires-provider.md", len({**PROVIDER, **CONSUMER})),
        ("use-from.md", len(CONSUMER)),
    ],
)
def test_pages_count_the_vendored_files(page: str, number: int) -> None:
    text = (docs_pages.HOW_TO / page).read_text("utf-8")
    (first, *_) = re.findall(r"^ *(\d+) vendored files are up to date$", text, re.MULTILINE)
    assert int(first) == number


def test_page_lists_what_a_provider_gets_as_a_consumer() -> None:
    text = (docs_pages.HOW_TO / "provider-requires-provider.md").read_text("utf-8")
    listed = re.findall(r"^ *updated: libtop/native-lib/(.*)$", text, re.MULTILINE)
    assert listed == sorted(set(CONSUMER) - set(PROVIDER))


@pytest.mark.skipif(sys.platform == "win32", reason="the page shows paths with slashes")
def test_what_the_page_shows_of_the_loader_only(tmp_path: Path) -> None:
    for package in ("my-consumer/src/my_consumer", "my-provider/src/my_provider"):
        docs_pages.write(tmp_path / package / "__init__.py", "")
    text = (docs_pages.HOW_TO / "vendor.md").read_text("utf-8")
    assert docs_pages.play(docs_pages.section(text, "The loader only"), tmp_path) == 2


@pytest.mark.parametrize("source", ["here", "upstream"])
def test_what_a_project_names_and_lacks_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    folder = building.generate(tmp_path, library_source=source)
    files = vendored_by_a_pair(folder)
    assert len(files) == len(PROVIDER) + len(CONSUMER) + (source == "upstream")
    contents = [file.read_bytes() for file in files]
    for project in ("libfoo", "foo-ext"):
        shutil.rmtree(folder / project / "native-lib")
    assert main(["vendor", "--check", str(folder)]) == 1
    assert capsys.readouterr().out.splitlines()[:-1] == [f"missing: {file}" for file in files]
    assert vendored_by_a_pair(folder) == []
    assert main(["vendor", str(folder)]) == 0
    assert [file.read_bytes() for file in files] == contents


@pytest.mark.parametrize(
    "arguments",
    [[], ["--provider", "--consumer", "--loader-only"], ["--upstream"]],
    ids=["drifted", "package", "upstream"],
)
def test_check_tells_the_command_that_fixes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    project = tmp_path / "my project"
    (project / "one").mkdir(parents=True)
    (project / "__init__.py").touch()
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
    assert {path.name for path in tmp_path.iterdir()} == {
        *("__init__.py", "_shared_lib_consumer.py"),
        *("_shared_lib_explain.py", "_shared_lib_fixes.py", "_shared_lib_LICENSE"),
    }


@pytest.mark.parametrize("way", ["vendored", "requirement"])
def test_package_that_imports_a_loader_that_the_build_brings(tmp_path: Path, way: str) -> None:
    folder = building.generate(tmp_path, loader=way)
    assert main(["vendor", str(folder)]) == (0 if way == "vendored" else 2)
    assert not [*folder.rglob("_shared_lib_*.py")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "__init__.py",
            "# from ._shared_lib_consumer import\nfrom other import _shared_lib_manager",
        ),
        ("__init__.py", "from ._shared_lib_consumer_of_mine import x"),
        (
            "CMakeLists.txt",
            "# include(native-lib/NativeLibrary.cmake)\ninclude(MyNativeLibrary.cmake)",
        ),
        ("CMakeLists.txt", "include(NativeLibrary)"),
        ("native-lib/of_mine.py", "x = 1"),
        ("pyproject.toml", 'provider = { path = "native-lib", module = "another" }'),
        ("pyproject.toml", 'provider = { path = ".", module = "fetch_source" }'),
        ("pyproject.toml", 'provider = { path = "..", module = "native_library_metadata" }'),
        ("pyproject.toml", 'provider = "native_library"'),
    ],
)
def test_what_is_named_elsewhere_or_otherwise_is_not_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    project = tmp_path / "project"
    (project / name).parent.mkdir(parents=True)
    (project / name).write_text(text, encoding="utf-8")
    assert main(["vendor", str(project)]) == 2
    assert "vendors no file yet" in capsys.readouterr().err
    assert set(tree(tmp_path)) == {f"project/{name}"}


@pytest.mark.skipif(
    sys.platform == "win32", reason="makes symlinks, which require a privilege on Windows"
)
@pytest.mark.parametrize("name", ["CMakeLists.txt", "pyproject.toml", "__init__.py"])
def test_link_that_leads_nowhere_is_passed_over(tmp_path: Path, name: str) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / name).symlink_to("absent")
    assert main(["vendor", str(tmp_path), "--provider"]) == 0
    assert main(["vendor", "--check", str(tmp_path)]) == 0


def test_line_endings_are_no_drift(tmp_path: Path) -> None:
    folder = building.generate(tmp_path)
    for file in vendored_by_a_pair(folder):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert main(["vendor", "--check", str(folder)]) == 0


def test_what_cannot_be_written_is_one_line_and_nothing_is_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "native-lib" / "NativeLibrary.cmake"
    old.parent.mkdir()
    old.write_text("# old\n", encoding="utf-8")
    # No permission would hold back who runs tests as root.
    (tmp_path / "native-lib" / "shared_lib_manager.py").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    assert main(["vendor", str(tmp_path), "--provider"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith(f"native-lib: {tmp_path / 'native-lib' / 'shared_lib_manager.py'}: ")
    assert sorted(tmp_path.rglob("*")) == before
    assert old.read_text(encoding="utf-8") == "# old\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{folder}/absent"], "is not a folder"),
        (["{folder}"], "vendors no file yet"),
        (
            ["{folder}", "--loader-only", "--consumer"],
            "has no __init__.py: with --loader-only name",
        ),
        (["{folder}", "--loader-only"], "--loader-only goes with --provider, --consumer, or both"),
        (["{folder}", "--loader-only", "--consumer", "--upstream"], "and nothing else"),
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


# The old layout ------------------------------------------------------------------------------------


def old_pair(folder: Path, **answers: str) -> Path:
    """Return a pair as it was generated before there was a folder native-lib/."""
    pair = building.generate(folder, **answers)
    for project, package, loader in (
        (pair / "libfoo", "libfoo", "manager"),
        (pair / "foo-ext", "foo_ext", "consumer"),
    ):
        new = project / "native-lib"
        (project / "cmake").mkdir()
        (project / "cmake" / "NativeLibrary.cmake").write_text("# old\n", encoding="utf-8")
        copy = project / "python" / package / f"_shared_lib_{loader}.py"
        copy.write_text("# old\n", encoding="utf-8")
        if loader == "consumer":
            shutil.copy(new / "native_library_metadata.py", project / "cmake")
        if (new / "fetch_source.py").exists():
            shutil.copy(new / "fetch_source.py", project)
        shutil.rmtree(new)
        for name in ("CMakeLists.txt", "pyproject.toml"):
            text = (project / name).read_text(encoding="utf-8")
            text = text.replace("native-lib/NativeLibrary.cmake", "cmake/NativeLibrary.cmake")
            text = text.replace('path = "native-lib", module = "f', 'path = ".", module = "f')
            text = text.replace('path = "native-lib", module = "n', 'path = "cmake", module = "n')
            (project / name).write_text(text, encoding="utf-8")
    noxfile = pair / "noxfile.py"
    text = noxfile.read_text(encoding="utf-8").replace("/native-lib/fetch", "/fetch")
    noxfile.write_text(text, encoding="utf-8")
    return pair


@pytest.mark.parametrize("source", ["here", "upstream"])
def test_pair_of_the_old_layout_becomes_one_of_the_new(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    new = building.generate(tmp_path / "new", library_source=source)
    old = old_pair(tmp_path / "old", library_source=source)
    own = old / "libfoo" / "cmake" / "FindMine.cmake"
    own.write_text("# hers\n", encoding="utf-8")
    before = tree(old)
    assert main(["vendor", "--check", str(old)]) == 1
    assert f"old: {old / 'libfoo' / 'cmake' / 'NativeLibrary.cmake'}\n" in capsys.readouterr().out
    assert tree(old) == before
    assert main(["vendor", str(old)]) == 0
    said = capsys.readouterr().out
    assert (
        f"removed: {old / 'foo-ext' / 'python' / 'foo_ext' / '_shared_lib_consumer.py'}\n" in said
    )
    # What a person wrote is for a person to change.
    assert ("names a file that is now in native-lib/: " in said) == (source == "upstream")
    assert ("noxfile.py:" in said) == (source == "upstream")
    assert main(["vendor", "--check", str(old)]) == 0
    found = tree(old)
    assert found.pop("libfoo/cmake/FindMine.cmake") == b"# hers\n"
    expected = tree(new)
    if source == "upstream":
        del found["noxfile.py"], expected["noxfile.py"]
    assert found == expected
    assert not (old / "foo-ext" / "cmake").exists()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("CMakeLists.txt", "include(${mine}/NativeLibrary.cmake)\n", "does not say include(cmake/"),
        (
            "pyproject.toml",
            'provider.module = "native_library_metadata"\n',
            "names native_library_metadata in a way that this does not understand",
        ),
    ],
)
def test_what_cannot_be_moved_is_one_line_and_nothing_is_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, message: str
) -> None:
    old = old_pair(tmp_path)
    (old / "foo-ext" / name).write_text(text, encoding="utf-8")
    before = tree(old)
    assert main(["vendor", str(old)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"native-lib: {old / 'foo-ext' / name} ")
    assert message in line
    assert tree(old) == before
