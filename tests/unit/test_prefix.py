"""The commands `native-lib prefix` and `native-lib env`: folders, variables, and what they refuse."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import building
import pytest
import wheels
from native_lib import environment, prefix
from native_lib.cli import main
from native_lib.providers import installed_providers

if TYPE_CHECKING:
    from collections.abc import Mapping

LINUX = ("lib/libfoo__foo.so.1", "libfoo__foo.so.1", "lib/libfoo.so")
MACOS = ("lib/libfoo__foo.1.dylib", "@rpath/libfoo__foo.1.dylib", "lib/libfoo.tbd")
WINDOWS = ("lib/libfoo__foo-1.dll", "libfoo__foo-1.dll", "lib/foo.lib")
PC = "prefix=${pcfiledir}/../..\nName: foo\nVersion: 1.0\nLibs: -L${prefix}/lib -lfoo\n"
posix = pytest.mark.skipif(sys.platform == "win32", reason="makes symbolic links")


class Site:
    """A folder on sys.path, with providers that are files and no more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(
        self,
        name: str = "libfoo",
        library: str = "foo",
        names: tuple[str, str, str] = LINUX,
        *,
        requires: str = "",
        lists: str = "",
        more: Mapping[str, str] | None = None,
    ) -> Path:
        """Install a provider: its library, a header, its packages, and these further files."""
        package, version = name.replace("-", "_"), "1.0.0"
        file, runtime_name, link_file = (
            each.replace("libfoo__", f"{package}__").replace("foo", library) for each in names
        )
        if name == "libfoo":
            file, runtime_name, link_file = names
        manifest = wheels.manifest(file, runtime_name, link_file=link_file, distribution=name)
        manifest = manifest.replace("'foo'", f"'{library}'")
        info = f"{package}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        texts = {
            f"{info}/METADATA": metadata + requires,
            f"{package}/__init__.py": "raise SystemExit('imported')\n",
            f"{package}/_native_libs.py": manifest + lists,
            f"{package}/{file}": f"the library {library}",
            f"{package}/include/{library}.h": f"/* {library} */\n",
            f"{package}/lib/pkgconfig/{library}.pc": PC,
            f"{package}/lib/cmake/{library}/{library}Config.cmake": "# targets\n",
            f"{package}/lib/cmake/{library}/{library}ConfigVersion.cmake": "# version\n",
            f"{package}/lib/cmake/{library}/{library}Targets.cmake": "# targets\n",
            **{f"{package}/{path}": text for path, text in (more or {}).items()},
        }
        if file.endswith(".dll"):
            texts[f"{package}/{file.rpartition('-')[0]}.lib"] = "the import library"
        for path, text in texts.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text, encoding="utf-8")
        return self.folder / package


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A folder on sys.path, and a cache."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("NATIVE_LIB_CACHE", str(tmp_path / "cache"))
    return Site(folder)


def files(folder: Path) -> dict[str, str]:
    """Return what is below a folder: where a link leads, or what a file says."""
    found = {}
    for parent, folders, names in os.walk(folder):
        for path in (Path(parent, name) for name in (*folders, *names)):
            if path.is_symlink():
                found[path.relative_to(folder).as_posix()] = os.readlink(path)  # noqa: PTH115
            elif path.is_file():
                found[path.relative_to(folder).as_posix()] = path.read_text("utf-8")
    return found


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Run the command, which must refuse in one line, and return that line."""
    capsys.readouterr()
    assert main([str(part) for part in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("native-lib: ")
    return line


# The folder --------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize(
    ("names", "link"), [(LINUX, "libfoo.so"), (MACOS, "libfoo.dylib")], ids=["Linux", "macOS"]
)
def test_both_names_lead_to_the_providers_file(
    site: Site,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    names: tuple[str, str, str],
    link: str,
) -> None:
    more = {"bin/tool": "", "share/foo/data": "", names[2]: "INPUT"}
    provider = site.add(names=names, more=more, lists="PROGRAMS = {'tool': 'bin/tool'}\n")
    out = tmp_path / "a" / "prefix"
    assert main(["prefix", str(out), "LibFoo"]) == 0
    assert capsys.readouterr().out == f"{out}: libfoo 1.0.0\n"
    found = files(out)
    cmake = (provider / "lib" / "cmake" / "foo").as_posix()
    assert found.pop("native-lib-prefix.json")
    assert found == {
        f"lib/{Path(names[0]).name}": str(provider / names[0]),
        # Not the link file, which only a linker can read.
        f"lib/{link}": str(provider / names[0]),
        "include/foo.h": str(provider / "include" / "foo.h"),
        "bin/tool": str(provider / "bin" / "tool"),
        "share/foo": str(provider / "share" / "foo"),
        "lib/pkgconfig/foo.pc": PC,
        "lib/cmake/foo/fooConfig.cmake": "# Written by native-lib: the package is in the provider's "
        f"wheel.\nset(${{CMAKE_FIND_PACKAGE_NAME}}_DIR [==[{cmake}]==])\n"
        f"include([==[{cmake}/fooConfig.cmake]==])\n",
        "lib/cmake/foo/fooConfigVersion.cmake": "# Written by native-lib: the package is in the "
        f"provider's wheel.\ninclude([==[{cmake}/fooConfigVersion.cmake]==])\n",
    }


def test_copies_on_windows(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix, "_COPIES", True)
    more = {"include/more/foo.h": "/* more */\n", "lib/tool.exe": "the tool"}
    site.add(names=WINDOWS, more=more, lists="PROGRAMS = {'tool': 'lib/tool.exe'}\n")
    assert main(["prefix", str(tmp_path / "prefix"), "libfoo"]) == 0
    found = files(tmp_path / "prefix")
    assert found["bin/libfoo__foo-1.dll"] == "the library foo"
    assert found["bin/tool.exe"] == "the tool"
    assert found["lib/libfoo__foo.lib"] == found["lib/foo.lib"] == "the import library"
    assert found["include/foo.h"] == "/* foo */\n"
    assert found["include/more/foo.h"] == "/* more */\n"
    before = (tmp_path / "prefix").stat().st_ino
    assert main(["prefix", str(tmp_path / "prefix"), "libfoo"]) == 0
    assert (tmp_path / "prefix").stat().st_ino == before
    # An editable install that was built again.
    header = site.folder / "libfoo" / "include" / "foo.h"
    header.write_text("/* a longer foo */\n", encoding="utf-8")
    assert main(["prefix", str(tmp_path / "prefix"), "libfoo"]) == 0
    assert files(tmp_path / "prefix")["include/foo.h"] == "/* a longer foo */\n"


@posix
def test_what_providers_require_comes_along(site: Site, tmp_path: Path) -> None:
    """By the record of what it is linked to, and by its metadata, where that is a provider."""
    site.add()
    site.add("lib-bar", "bar", more={"_native_requires.py": wheels.requires()})
    lines = (
        'Requires-Dist: Lib.Bar>=1; python_version > "3"\nRequires-Dist: absent ; extra == "x"\n'
    )
    site.add("lib-baz", "baz", requires=lines + "Requires-Dist: pytest\n")
    assert main(["prefix", str(tmp_path / "prefix"), "lib_baz"]) == 0
    assert sorted(files(tmp_path / "prefix" / "include")) == ["bar.h", "baz.h", "foo.h"]


@posix
def test_folders_of_several_providers_are_merged(site: Site, tmp_path: Path) -> None:
    common = {"include/common/deep/{}.h": "", "include/{}/own.h": ""}
    for name in ("foo", "bar"):
        more = {path.format(name): text for path, text in common.items()}
        site.add(f"lib{name}", name, more=more)
    assert main(["prefix", str(tmp_path / "prefix"), "libfoo", "libbar"]) == 0
    assert files(tmp_path / "prefix" / "include") == {
        path: str(site.folder / f"lib{name}" / "include" / path)
        for name in ("foo", "bar")
        for path in (f"{name}.h", name, f"common/deep/{name}.h")
    }


@posix
def test_manifest_of_an_older_build(site: Site, tmp_path: Path) -> None:
    site.add(names=(*LINUX[:2], ""))
    assert main(["prefix", str(tmp_path / "prefix"), "libfoo"]) == 0
    assert "libfoo.so" in files(tmp_path / "prefix" / "lib")


@posix
def test_package_that_is_called_like_a_version_file(site: Site, tmp_path: Path) -> None:
    site.add("libconversion", "Conversion")
    assert main(["prefix", str(tmp_path / "prefix"), "libconversion"]) == 0
    found = files(tmp_path / "prefix" / "lib" / "cmake" / "Conversion")
    assert "_DIR " in found["ConversionConfig.cmake"]
    assert "_DIR " not in found["ConversionConfigVersion.cmake"]


@posix
def test_several_names_to_link_by(site: Site, tmp_path: Path) -> None:
    provider = site.add()
    manifest = provider / "_native_libs.py"
    text = manifest.read_text("utf-8").replace(
        "('lib/libfoo.so',)", "('lib/libf.so', 'lib/libf2.so')"
    )
    manifest.write_text(text, encoding="utf-8")
    assert main(["prefix", str(tmp_path / "prefix"), "libfoo"]) == 0
    found = {path for path in files(tmp_path / "prefix" / "lib") if ".so" in path}
    assert found == {"libf.so", "libf2.so", "libfoo__foo.so.1"}


@posix
def test_second_call_changes_nothing(site: Site, tmp_path: Path) -> None:
    site.add()
    out = tmp_path / "prefix"
    main(["prefix", str(out), "libfoo"])
    before = out.stat()
    main(["prefix", str(out), "libfoo"])
    assert out.stat() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prefix", "site"]


@posix
def test_earlier_prefix_is_brought_up_to_date(site: Site, tmp_path: Path) -> None:
    site.add()
    site.add("libbar", "bar")
    out = tmp_path / "prefix"
    out.mkdir()
    main(["prefix", str(out), "libfoo"])
    main(["prefix", str(out), "libbar"])
    assert sorted(files(out / "include")) == ["bar.h"]
    (out / "lib" / "libbar.so").unlink()
    main(["prefix", str(out), "libbar"])
    assert (out / "lib" / "libbar.so").read_text("utf-8") == "the library bar"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prefix", "site"]


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("there", ["folder", "file", "parent"])
def test_something_else_is_there(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], there: str
) -> None:
    site.add()
    out = tmp_path / "out"
    if there == "folder":
        out.mkdir()
        (out / "work").write_text("of days", encoding="utf-8")
    else:
        out.write_text("of days", encoding="utf-8")
    before = files(tmp_path)
    said = refused(capsys, "prefix", out / "x" if there == "parent" else out, "libfoo")
    if there == "parent":
        assert str(out) in said
    else:
        assert f"{out} is neither empty nor a prefix that native-lib made" in said
    assert files(tmp_path) == before


@pytest.mark.parametrize("command", [("prefix", "out"), ("env",)])
def test_providers_folder_that_cannot_be_read(
    site: Site,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    site.add()

    def closed(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", closed)  # the tests may run as root, who may read all
    said = refused(capsys, *command, "libfoo")
    assert said.endswith(f"{Path('libfoo', 'include')}: Permission denied")


@pytest.mark.parametrize("command", [("prefix", "out"), ("env",)])
@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["absent"], "absent is not installed here; python -m pip install absent"),
        (["pytest"], " is not a provider: it has no manifest pytest/_native_libs.py"),
        (["needy"], "libfoo is not installed here"),
        (
            ["libbar", "libbar-fork"],
            "libbar and libbar-fork both have include/bar.h; make a prefix of each",
        ),
        (
            ["libbar", "other-bar"],
            "libbar and other-bar both have lib/libbar.so; make a prefix of each",
        ),
        (["damaged"], "/damaged/lib/damaged__qux.so.1 is missing; python -m pip install --force-"),
    ],
)
def test_providers_that_cannot_be_used(
    site: Site,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: tuple[str, ...],
    names: list[str],
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    site.add("needy", "needy", more={"_native_requires.py": wheels.requires()})
    site.add("libbar", "bar")
    fork = site.add("libbar-fork", "bar")
    (fork / "_native_libs.py").write_text(
        (fork / "_native_libs.py").read_text("utf-8").replace("lib/libbar.so", "lib/libfork.so"),
        encoding="utf-8",
    )
    shutil.rmtree(fork / "lib" / "pkgconfig")
    shutil.rmtree(fork / "lib" / "cmake")
    shutil.rmtree(site.add("other-bar", "bar") / "include")
    (site.add("damaged", "qux") / "lib" / "damaged__qux.so.1").unlink()
    assert reason in refused(capsys, *command, *names).replace("\\", "/")
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_nothing_is_left_when_the_disk_is_full(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add()
    out = tmp_path / "prefix"
    main(["prefix", str(out), "libfoo"])
    before = files(tmp_path)
    site.add("libbar", "bar")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(out))

    monkeypatch.setattr(Path, "symlink_to", full)
    monkeypatch.setattr(shutil, "copy2", full)
    assert "No space left on device" in refused(capsys, "prefix", out, "libfoo", "libbar")
    kept = {path: text for path, text in files(tmp_path).items() if "libbar" not in path}
    assert kept == before


# The variables -----------------------------------------------------------------------------------


def variables(environ: Mapping[str, str], *names: str) -> dict[str, str]:
    return environment.build_variables(installed_providers(names or ("libfoo",)), environ)


def test_variables(site: Site, tmp_path: Path) -> None:
    site.add(lists="NAMES = ('Foo', 'foo-compat')\n")
    found = variables({"CPATH": "/usr/own", "LIBRARY_PATH": "", "foo_ROOT": "/usr"})
    (folder,) = (tmp_path / "cache" / "prefix").iterdir()
    expected = {
        "CMAKE_PREFIX_PATH": f"{folder}",
        "PKG_CONFIG_PATH": f"{folder / 'lib' / 'pkgconfig'}",
        "CPATH": f"{folder / 'include'}{os.pathsep}/usr/own",
        "LIBRARY_PATH": f"{folder / 'lib'}",
        **{
            f"{name}_{what}": f"{folder}"
            for name in ("foo", "FOO", "Foo")
            for what in ("ROOT", "DIR")
        },
    }
    if sys.platform == "linux":
        expected["LD_LIBRARY_PATH"] = f"{folder / 'lib'}"
    if sys.platform == "win32":
        expected |= {"INCLUDE": f"{folder / 'include'}", "LIB": f"{folder / 'lib'}"}
    assert found == expected
    # A second time, in the shell that has them: nothing is longer.
    assert variables(found) == {**found, "CPATH": found["CPATH"]}


def test_variables_of_compilers_for_windows(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add(names=WINDOWS)
    monkeypatch.setattr(sys, "platform", "win32")
    found = variables({"LIB": "own"})
    (folder,) = (tmp_path / "cache" / "prefix").iterdir()
    assert found["LIB"] == f"{folder / 'lib'}{os.pathsep}own"
    assert found["INCLUDE"] == str(folder / "include")
    assert "LD_LIBRARY_PATH" not in found


def test_plain_names_do_not_reach_other_programs(site: Site) -> None:
    """git and curl need libz.so.1, too, and must not get the provider's."""
    site.add(names=("lib/libfoo.so.1", "libfoo.so.1", "lib/libfoo.so"))
    assert "LD_LIBRARY_PATH" not in variables({})


@posix
@pytest.mark.parametrize("name", ["a b", "it's", 'say "so"', "$HOME `id`", "ünï"])
def test_shell_reads_what_was_meant(
    site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    site.add()
    monkeypatch.setenv("NATIVE_LIB_CACHE", str(tmp_path / name))
    assert main(["env", "libfoo"]) == 0
    script = f'set -eu\n{capsys.readouterr().out}\nprintf %s "$CPATH"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True, env={})
    (folder,) = (tmp_path / name / "prefix").iterdir()
    assert done.stdout.decode() == str(folder / "include")


@posix
def test_eval_fails_with_the_command(site: Site) -> None:
    """`eval "$(false)"` succeeds; a build must not go on without the provider."""
    command = f'"{sys.executable}" -m native_lib env absent'
    env = {"PYTHONPATH": str(building.ROOT / "loader" / "src")}
    said = building.run("sh", "-c", f'eval "$({command})" && echo built', env=env, fails=True)
    assert said == "native-lib: absent is not installed here; python -m pip install absent\n"


def test_json(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.add()
    assert main(["env", "libfoo", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == variables(dict(os.environ))


def read_github_file(text: str) -> dict[str, str]:
    """Read what GitHub's runner reads: NAME<<END, lines, END."""
    found, lines = {}, iter(text.splitlines())
    for line in lines:
        name, end = line.split("<<")
        value = []
        while (line := next(lines)) != end:
            value.append(line)
        found[name] = "\n".join(value)
    return found


def test_githubs_file(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site.add()
    monkeypatch.setenv("CPATH", "two\nlines")
    monkeypatch.delenv("GITHUB_ENV", raising=False)
    assert main(["env", "libfoo", "--format", "github"]) == 0
    printed = read_github_file(capsys.readouterr().out)
    assert printed == variables(dict(os.environ))
    file = tmp_path / "github"
    file.write_text("A=1\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_ENV", str(file))
    assert main(["env", "libfoo", "--format", "github"]) == 0
    assert capsys.readouterr().out == ""
    assert file.read_text("utf-8").startswith("A=1\n")
    assert read_github_file(file.read_text("utf-8")[4:]) == printed
    monkeypatch.setenv("GITHUB_ENV", str(tmp_path / "absent" / "file"))
    assert str(tmp_path / "absent" / "file") in refused(
        capsys, "env", "libfoo", "--format", "github"
    )


# The cache ---------------------------------------------------------------------------------------


@posix
def test_same_providers_have_the_same_folder(site: Site, tmp_path: Path) -> None:
    site.add()
    first = variables({})
    folder = Path(first["foo_ROOT"])
    before = folder.stat()
    assert variables({}, "LibFoo") == first
    site.add("libbar", "bar")
    names = ("libfoo", "libbar")
    roots = {variables({}, *order)["foo_ROOT"] for order in (names, names[::-1])}
    assert len(roots) == 1
    assert folder.stat() == before
    # Another version is another folder, and a build that knows the first still finds it.
    info = site.folder / "libfoo-1.0.0.dist-info"
    text = (info / "METADATA").read_text("utf-8").replace("1.0.0", "1.1.0")
    (info / "METADATA").write_text(text, encoding="utf-8")
    assert variables({})["foo_ROOT"] != str(folder)
    assert folder.stat() == before


@posix
def test_stale_entry_is_made_anew(site: Site) -> None:
    provider = site.add()
    folder = Path(variables({})["foo_ROOT"])
    # What cleans caches up by age may leave half of it.
    (folder / "include" / "foo.h").unlink()
    shutil.rmtree(folder / "lib" / "cmake")
    assert variables({})["foo_ROOT"] == str(folder)
    assert os.readlink(folder / "include" / "foo.h") == str(provider / "include" / "foo.h")  # noqa: PTH115
    assert (folder / "lib" / "cmake" / "foo" / "fooConfig.cmake").is_file()


@posix
def test_dead_entries_go(site: Site, tmp_path: Path) -> None:
    """Isolated builds have providers in a folder of their own, which nobody sees again."""
    site.add()
    living = Path(variables({})["foo_ROOT"])
    gone = site.add("libgone", "gone")
    dead = Path(variables({}, "libgone")["CMAKE_PREFIX_PATH"])
    both = Path(variables({}, "libfoo", "libgone")["CMAKE_PREFIX_PATH"])
    shutil.rmtree(gone)
    (living.parent / "another").mkdir()
    (living.parent / "another" / prefix.MARKER).write_text("[1]", encoding="utf-8")
    site.add("libbar", "bar")
    variables({}, "libbar")
    assert living.is_dir()
    assert both.is_dir()
    assert (living.parent / "another").is_dir()
    assert not dead.exists()


@posix
@pytest.mark.parametrize("there", ["nothing", "stale"])
def test_at_the_same_time(site: Site, tmp_path: Path, there: str) -> None:
    site.add()
    if there == "stale":
        (Path(variables({})["foo_ROOT"]) / "lib" / "libfoo.so").unlink()
    folders = (building.ROOT / "loader" / "src", site.folder)
    env = {"PYTHONPATH": os.pathsep.join(map(str, folders))}
    env["NATIVE_LIB_CACHE"] = str(tmp_path / "cache")
    command = (sys.executable, "-m", "native_lib", "env", "libfoo")
    with ThreadPoolExecutor(8) as threads:
        said = {*threads.map(lambda _: building.run(*command, env=env), range(8))}
    assert len(said) == 1
    (folder,) = (tmp_path / "cache" / "prefix").iterdir()
    assert (folder / "lib" / "libfoo.so").read_text("utf-8") == "the library foo"


@posix
@pytest.mark.parametrize(
    ("system", "told", "expected"),
    [
        ("linux", {}, "{home}/.cache/native-lib"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/native-lib"),
        ("linux", {"XDG_CACHE_HOME": "x"}, "{home}/.cache/native-lib"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, "{home}/Library/Caches/native-lib"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/native-lib"),
        ("win32", {}, "{home}/AppData/Local/native-lib"),
        ("linux", {"XDG_CACHE_HOME": "/x", "NATIVE_LIB_CACHE": "/own"}, "/own"),
    ],
)
def test_where_the_cache_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    told: dict[str, str],
    expected: str,
) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "NATIVE_LIB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": str(tmp_path), **told}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", system)
    assert str(prefix.cache_folder()) == expected.format(home=tmp_path)


def test_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "NATIVE_LIB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", fail)
    with pytest.raises(prefix.PrefixError, match="set NATIVE_LIB_CACHE"):
        prefix.cache_folder()


def test_home_that_is_none(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where distributions build packages: the file below cannot be a folder."""
    site.add()
    (tmp_path / "home").touch()
    monkeypatch.setenv("NATIVE_LIB_CACHE", str(tmp_path / "home" / "cache"))
    with pytest.raises(prefix.PrefixError, match="; set NATIVE_LIB_CACHE to a folder that can be"):
        variables({})
