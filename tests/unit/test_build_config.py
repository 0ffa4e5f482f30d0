"""What native_lib.build reads in pyproject.toml, and what it shows the back end that it wraps."""

from __future__ import annotations

import gzip
import io
import os
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest
from native_lib import build
from native_lib.build.config import BuildError, read_config
from native_lib.build.config import toml as tomllib
from native_lib.build.inside import inside
from native_lib.build.sdist import dynamic, with_dynamic
from native_lib.build.static_toml import showing

if TYPE_CHECKING:
    from pathlib import Path

RIGHT = """
[project]
name = "squares"
version = "1"
dependencies = ["attrs"]
dynamic = ["dependencies", "readme"]
[tool.native-lib]
backend = "inner"
backend-path = ["."]
libraries = { foo = "libfoo>=1" }
"""


def project(folder: Path, old: str = "", new: str = "", inner: str = "") -> Path:
    assert old in RIGHT
    (folder / "pyproject.toml").write_text(RIGHT.replace(old, new) if old else RIGHT, "utf-8")
    (folder / "inner.py").write_text(inner, "utf-8")
    sys.modules.pop("inner", None)
    return folder


@pytest.mark.parametrize(
    ("table", "is_offered"),
    [
        ('libraries = { foo = "libfoo" }', True),
        ('libraries = { torch = "torch" }', False),
        ('libraries = { torch = "torch" }\nbounds = { torch = ">=2.11" }', True),
    ],
)
def test_metadata_is_not_offered_before_symbols_tell_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, is_offered: bool
) -> None:
    """torch has a stable ABI, which has a wider bound, and only the built wheel tells who uses it."""
    hook = "prepare_metadata_for_build_wheel"
    inner = f"def {hook}(folder, settings): pass\ndef build_editable(): pass\n"
    project(tmp_path, 'libraries = { foo = "libfoo>=1" }', table, inner)
    monkeypatch.chdir(tmp_path)
    assert hasattr(build, hook) == is_offered
    assert hasattr(build, "build_editable")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('dynamic = ["dependencies", "readme"]', "", 'write dynamic = \\["dependencies"\\]'),
        ("[tool.native-lib]", "[tool.other]", "has no table \\[tool.native-lib\\]"),
        ('backend = "inner"\n', "", "lacks backend"),
        ('"inner"', '"native_lib.build"', "is this back end itself"),
        ('"inner"', '"native_lib.build:x"', "is this back end itself"),
        ('libraries = { foo = "libfoo>=1" }', "", "names no provider"),
        ('{ foo = "libfoo>=1" }', "{}", "names no provider"),
        ('{ foo = "libfoo>=1" }', '{ foo = ">=1" }', "is not a requirement"),
        ('foo = "libfoo>=1"', "foo = 'libfoo; os = x'", "is not a requirement"),
        ("libraries", "librarys = {}\nlibraries", "unknown key: librarys"),
        ('["."]', '"."', "backend-path is a list of folders"),
        ('["."]', '[".."]', "leads out of the project"),
        ("[project]", "[project", "cannot be read"),
    ],
)
def test_wrong_table_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(BuildError, match=message) as raised:
        read_config(project(tmp_path, old, new))
    assert "\n" not in str(raised.value)


def test_marker_says_where_a_provider_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = f"libfoo; sys_platform != '{sys.platform}'"
    folder = project(tmp_path, '"libfoo>=1"', f'"{told}", bar = "libbar"')
    assert read_config(folder).providers == ("libbar",)
    # Before packaging is installed, the front end reads it.
    monkeypatch.setitem(sys.modules, "packaging.markers", None)
    assert read_config(folder).providers == (told, "libbar")


def test_static_dependencies_are_what_the_back_end_sees(tmp_path: Path) -> None:
    shown = read_config(project(tmp_path)).static
    assert shown["project"]["dependencies"] == ["attrs"]
    assert shown["project"]["dynamic"] == ["readme"]


@pytest.mark.parametrize(
    ("old", "new", "is_dynamic"),
    [
        ("", "", False),
        ('"inner"', '"setuptools.build_meta"', True),
        ("[project]", "[tool.hatch.metadata.hooks.custom]\n[project]", True),
        ("[project]", "[[tool.dynamic-metadata]]\n[project]", True),
    ],
)
def test_what_the_back_end_computes_itself_stays_dynamic(
    tmp_path: Path, old: str, new: str, is_dynamic: bool
) -> None:
    (folder := project(tmp_path, old, new)) / "pyproject.toml"
    file = folder / "pyproject.toml"
    file.write_text(file.read_text("utf-8").replace('dependencies = ["attrs"]\n', ""), "utf-8")
    shown = read_config(folder).static["project"]
    assert ("dependencies" in shown["dynamic"]) == is_dynamic
    assert ("dependencies" in shown) != is_dynamic


@pytest.mark.parametrize("file", ["setup.py", "setup.cfg"])
def test_setuptools_may_be_in_a_back_end_of_the_projects_own(tmp_path: Path, file: str) -> None:
    """A static list would have setuptools drop install_requires, with a warning that nobody sees."""
    folder = project(tmp_path, 'dependencies = ["attrs"]\n', "")
    assert "dependencies" in read_config(folder).static["project"]
    (folder / file).touch()
    assert "dependencies" not in read_config(folder).static["project"]
    assert "dependencies" in read_config(folder).static["project"]["dynamic"]


def test_tomllib_answers_otherwise_for_one_file_and_one_time() -> None:
    told, shown = {"a": {"b": 1}}, {"a": {"b": 2}}
    load, loads = tomllib.load, tomllib.loads
    with showing(told, shown):
        kept = tomllib.loads
        assert tomllib.loads("a.b = 1") == shown
        assert tomllib.load(io.BytesIO(b"a.b = 1")) == shown
        assert tomllib.loads("a.b = 3") == {"a": {"b": 3}}
        tomllib.loads("a.b = 1")["a"]["b"] = 4  # a back end may change what it read
        assert shown == {"a": {"b": 2}}
    assert (tomllib.load, tomllib.loads) == (load, loads)
    assert kept("a.b = 1") == told


def test_process_is_as_it_was_after_a_failure(tmp_path: Path) -> None:
    inner = (
        "import os\ndef fail():\n    os.environ['X'] = os.environ.pop('PATH')\n    raise EOFError\n"
    )
    config = read_config(project(tmp_path, inner=inner))
    environ, path, loads = dict(os.environ), [*sys.path], tomllib.loads
    with pytest.raises(EOFError), inside(config, are_needed=False) as back_end:
        back_end.fail()
    assert (dict(os.environ), sys.path, tomllib.loads) == (environ, path, loads)


def test_back_end_that_is_not_installed_is_named(tmp_path: Path) -> None:
    config = read_config(project(tmp_path, '"inner"', '"no_such.back_end"'))
    with (
        pytest.raises(BuildError, match=r"'no_such.back_end' .*build-system\.requires"),
        inside(config, are_needed=False),
    ):
        pass


def test_setup_that_fails_before_the_providers_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = "def get_requires_for_build_wheel(_):\n    raise EOFError\n"
    monkeypatch.chdir(project(tmp_path, inner=inner))
    with pytest.raises(EOFError):
        build.get_requires_for_build_wheel()
    said = capsys.readouterr().err
    assert said.startswith("native_lib.build: the providers are not installed yet when this fails")
    assert said.endswith(" write it into build-system.requires, too: libfoo>=1\n")


class _NoPip:
    """As setuptools' finder, which puts the standard library's distutils back where pip is looked for."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        assert name != "pip"


def test_nobody_is_asked_for_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project(tmp_path))
    monkeypatch.delitem(sys.modules, "pip", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_NoPip, *sys.meta_path])
    assert "libfoo>=1" in build.get_requires_for_build_wheel()


def test_provider_that_is_not_installed_is_named(tmp_path: Path) -> None:
    config = read_config(project(tmp_path, "libfoo>=1", "no-such-provider"))
    with pytest.raises(BuildError, match=r"no-such-provider is not installed"), inside(config):
        pass


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ("", []),
        ("def prepare_metadata_for_build_wheel(*_): ...", ["prepare_metadata_for_build_wheel"]),
        ("def build_editable(*_): ...", ["get_requires_for_build_editable", "build_editable"]),
    ],
)
def test_exactly_the_inner_optional_hooks_are_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inner: str, expected: list[str]
) -> None:
    monkeypatch.chdir(project(tmp_path, inner=inner))
    optional = [*build._OPTIONAL, "no_such_hook"]
    assert [name for name in optional if hasattr(build, name)] == expected
    requires = build.get_requires_for_build_wheel()
    assert {"libfoo>=1", "packaging>=24.2"} <= {*requires}
    assert build.get_requires_for_build_sdist() == requires


def test_pkgconf_is_required_where_there_is_no_pkg_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "pkgconf>=2.3" in build.get_requires_for_build_wheel()
    for name in ("pkg-config", "pkg-config.exe"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o755)
    assert "pkgconf>=2.3" not in build.get_requires_for_build_wheel()


def test_no_provider_is_required_if_the_systems_copy_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project(tmp_path))
    monkeypatch.setenv("NATIVE_LIB_SYSTEM", "Foo")
    assert not any("libfoo" in each for each in build.get_requires_for_build_wheel())


def test_an_error_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project(tmp_path, "[tool.native-lib]", "[tool.other]"))
    with pytest.raises(SystemExit, match=r"\Anative_lib\.build: [^\n]*\Z"):
        build.get_requires_for_build_wheel()


def test_missing_tool_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without isolation the front end installs nothing."""
    monkeypatch.chdir(project(tmp_path))
    monkeypatch.setattr(build, "_TOOLS", ("no-such-tool>=1",))
    with pytest.raises(
        SystemExit, match=r"no-such-tool is not installed here; [^\n]*no-such-tool>=1"
    ):
        build.build_wheel(str(tmp_path))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            b"Metadata-Version: 2.1\nName: a\n\nDynamic: Requires-Dist\n",
            b"Metadata-Version: 2.2\nDynamic: Requires-Dist\nName: a\n\nDynamic: Requires-Dist\n",
        ),
        (
            b"Metadata-Version: 2.4\nName: a\nDynamic: requires-dist\n",
            b"Metadata-Version: 2.4\nName: a\nDynamic: requires-dist\n",
        ),
        (
            b"Metadata-Version: 1.2\r\nName: a\r\n\r\nText",
            b"Metadata-Version: 2.2\r\nDynamic: Requires-Dist\r\nName: a\r\n\r\nText",
        ),
    ],
)
def test_sdist_says_that_requirements_are_dynamic(before: bytes, after: bytes) -> None:
    assert dynamic(before) == after
    assert dynamic(after) == after


def test_sdist_keeps_all_else(tmp_path: Path) -> None:
    old, new = tmp_path / "a-1.tar.gz", tmp_path / "out" / "a-1.tar.gz"
    long = "a-1/" + "x" * 200
    with (
        old.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=7) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name, text in (
            (long, b"1"),
            ("a-1/PKG-INFO", b"Metadata-Version: 2.1\n"),
            ("a-1/b", b""),
        ):
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(text), 0o755, 5
            archive.addfile(member, io.BytesIO(text))
    with_dynamic(old, new)
    with tarfile.open(new) as archive:
        members = archive.getmembers()
        assert [each.name for each in members] == [long, "a-1/PKG-INFO", "a-1/b"]
        assert {(each.mode, each.mtime) for each in members} == {(0o755, 5)}
    first = new.read_bytes()
    with_dynamic(old, new)
    assert new.read_bytes() == first
    assert first[4:8] == b"\7\0\0\0"
