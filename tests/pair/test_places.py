"""Wherever the two wheels lie, the operating system serves the extension from the provider's file."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Callable

import building
import cpythons
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, uses setpriv")

USE = f"""
import foo_ext
assert foo_ext.square(3) == 9
{building.MAPPED}
print("\\n".join(mapped("foo")))
"""
ODD = "Größe 日本 and spaces"


def files(provider: Path | str, consumer: Path | str | None = None) -> str:
    """What `USE` prints when the wheels lie there: each file is mapped, and once."""
    extension = f"{consumer or provider}/foo_ext/_ext.abi3.so\n"
    return "".join(sorted([extension, f"{provider}/libfoo/lib/libfoo__foo.so.1\n"]))


def unpack(wheel: Path, folder: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


# Editable ----------------------------------------------------------------------------------------


def editable(pair: building.Pair, *folders: Path) -> list[str | Path]:
    """The arguments of uv that install folders as a user does; isolated builds use the wheels."""
    wheels = pair.provider.parent
    links: list[str | Path] = [
        "--find-links",
        wheels,
        "--build-constraints",
        wheels / "constraints.txt",
    ]
    return [*links, *(part for folder in folders for part in ("-e", folder))]


def sources(env: building.Environment) -> list[Path]:
    """The folders from which Python takes the two packages."""
    said = env.run("import libfoo, foo_ext; print(libfoo.__file__, foo_ext.__file__, sep='\\n')")
    return [Path(line).parent for line in said.splitlines()]


@pytest.mark.parametrize("which", ["provider", "consumer", "both"])
def test_editable(pair: building.Pair, tmp_path: Path, which: str) -> None:
    env = building.new_environment(tmp_path / "env", pair.provider, pair.consumer)
    expected = [env.site_packages / "libfoo", env.site_packages / "foo_ext"]
    if which != "consumer":
        env.install(*editable(pair, pair.folder / "libfoo"))
        expected[0] = pair.folder / "libfoo" / "python" / "libfoo"
    if which != "provider":
        env.install(*editable(pair, pair.folder / "foo-ext"))
        expected[1] = pair.folder / "foo-ext" / "python" / "foo_ext"
    assert sources(env) == expected
    assert env.run(USE) == files(env.site_packages)
    if which != "consumer":
        (env.site_packages / "libfoo" / "lib" / "libfoo__foo.so.1").unlink()
        url = (pair.folder / "libfoo").as_uri()
        fix = f'python -m pip install --force-reinstall --no-deps -e "{url}"'
        assert env.run("import foo_ext", fails=True).endswith(f"  fix:    {fix}\n")


def test_consumer_built_against_the_editable_provider(pair: building.Pair, tmp_path: Path) -> None:
    """Without isolation a build sees the provider that is installed where pip runs."""
    env = building.new_environment(tmp_path / "env")
    tools = ("pip", "scikit-build-core", "cmake", "ninja")
    building.uv("pip", "install", "--quiet", "--python", env.python, *tools)
    path = f"{env.python.parent}{os.pathsep}{building.environment()['PATH']}"
    command = ("-m", "pip", "install", "--no-index", "--no-build-isolation", "--no-deps")
    for project in ("libfoo", "foo-ext"):
        building.run(env.python, *command, "-e", pair.folder / project, env={"PATH": path})
    assert env.run(USE) == files(env.site_packages)
    assert sources(env) == [
        pair.folder / "libfoo" / "python" / "libfoo",
        pair.folder / "foo-ext" / "python" / "foo_ext",
    ]


@pytest.mark.parametrize("project", ["libfoo", "foo-ext"])
def test_editable_inplace_is_refused(pair: building.Pair, tmp_path: Path, project: str) -> None:
    # A copy: the build leaves its files in the project's folder.
    folder = tmp_path / project
    shutil.copytree(pair.folder / project, folder)
    env = building.new_environment(tmp_path / "env")
    said = building.run(
        *(building.tool("uv"), "pip", "install", "--no-deps", "--python", env.python),
        *("-C", "editable.mode=inplace", *editable(pair, folder)),
        env={"UV_NO_CONFIG": "1"},
        fails=True,
    )
    assert said.count("CMake Error") == 1
    assert (
        "editable.mode=inplace installs nothing, so the loader would find no library and no "
        "record: use scikit-build-core's default, editable.mode=redirect"
    ) in " ".join(said.split())  # CMake breaks lines


# What pip once took ------------------------------------------------------------------------------


@pytest.mark.parametrize("record", building.ORIGINS)
def test_what_is_installed_again_is_what_was_installed(
    installed: building.Environment, tmp_path: Path, record: str
) -> None:
    """An index may not have it, or somebody else's of that name."""
    for name in ("libfoo", "libfoo-1.0.0.whl"):
        (tmp_path / name).mkdir()
    record, origin = (
        text.replace("/src/", f"{tmp_path}/") for text in (record, building.ORIGINS[record])
    )
    (info,) = installed.site_packages.glob("libfoo-*.dist-info")
    (info / "direct_url.json").write_text(record, encoding="utf-8")
    (installed.site_packages / "libfoo" / "lib" / "libfoo__foo.so.1").unlink()
    fix = f'python -m pip install --force-reinstall --no-deps "{origin}"'
    assert installed.run("import foo_ext", fails=True).endswith(f"  fix:    {fix}\n")


@pytest.mark.parametrize("is_editable", [False, True], ids=["wheel", "editable"])
def test_what_was_installed_and_is_gone(
    installed: building.Environment, tmp_path: Path, is_editable: bool
) -> None:
    """As conda's build folders are, and the wheels of a Docker build's other stage."""
    taken = tmp_path / ODD / ("libfoo" if is_editable else "libfoo-1.0.0-py3-none-any.whl")
    taken.mkdir(parents=True)
    (info,) = installed.site_packages.glob("libfoo-*.dist-info")
    how = {"dir_info": {"editable": True}} if is_editable else {"archive_info": {}}
    record = json.dumps({"url": taken.as_uri(), **how})
    (info / "direct_url.json").write_text(record, encoding="utf-8")
    (installed.site_packages / "libfoo" / "lib" / "libfoo__foo.so.1").unlink()
    command = "python -m pip install --force-reinstall --no-deps"
    there = f'{command} {"-e " * is_editable}"{taken.as_uri()}"'
    assert installed.run("import foo_ext", fails=True).endswith(f"  fix:    {there}\n")
    taken.rmdir()
    gone = f'{command} "libfoo==1.0.0"'
    assert installed.run("import foo_ext", fails=True).endswith(f"  fix:    {gone}\n")


@pytest.mark.parametrize("is_users", [False, True], ids=["target", "user's"])
def test_what_lies_where_pip_does_not_install(
    pair: building.Pair, installed: building.Environment, tmp_path: Path, is_users: bool
) -> None:
    """The command is run: it must fix."""
    base = {"PYTHONUSERBASE": str(tmp_path / "a base")}
    target = installed.users_folder(base) if is_users else tmp_path / "a target"
    building.uv("pip", "install", "-q", "--no-deps", "--target", target, pair.provider)
    (target / "libfoo-1.0.0.dist-info" / "direct_url.json").unlink()
    (target / "libfoo" / "lib" / "libfoo__foo.so.1").unlink()
    there = {"PYTHONPATH": str(target), **base}
    said = installed.run("import foo_ext", fails=True, env=there)
    command = f'--upgrade --target "{target}" --no-deps "libfoo==1.0.0"'
    assert said.endswith(f"  fix:    python -m pip install {command}\n")
    arguments = shlex.split(command)
    index = {"PIP_FIND_LINKS": str(pair.provider.parent), "PIP_NO_INDEX": "1"}
    building.run(sys.executable, "-m", "pip", "install", *arguments, env=index)
    assert installed.run(USE, env=there) == files(target, installed.site_packages)


# Installed in unusual places ---------------------------------------------------------------------


@pytest.mark.parametrize("first", ["provider", "consumer"])
def test_two_entries_of_the_path(pair: building.Pair, tmp_path: Path, first: str) -> None:
    env = building.new_environment(tmp_path / "env")
    for wheel, folder in ((pair.provider, "provider"), (pair.consumer, "consumer")):
        target = ("--target", tmp_path / folder)
        building.uv("pip", "install", "-q", "--no-deps", "--python", env.python, *target, wheel)
    second = "consumer" if first == "provider" else "provider"
    path = f"{tmp_path / first}{os.pathsep}{tmp_path / second}"
    expected = files(tmp_path / "provider", tmp_path / "consumer")
    assert env.run(USE, env={"PYTHONPATH": path}) == expected


def test_user_site(pair: building.Pair, tmp_path: Path) -> None:
    there = {"PYTHONUSERBASE": str(tmp_path / "user base")}
    python, folder = cpythons.user_site(tmp_path / "user base")
    assert (tmp_path / "user base") in folder.parents
    # As `pip install --user` does, which is refused where a system manages its Python.
    target = ("--target", folder)
    wheels = (pair.provider, pair.consumer)
    building.uv("pip", "install", "-q", "--no-deps", "--python", python, *target, *wheels)
    assert building.run(python, "-c", USE, env=there, cwd=tmp_path) == files(folder)


@pytest.fixture(scope="session")
def odd(once: Callable[[str, Callable[[Path], building.Pair]], building.Pair]) -> building.Pair:
    """A pair that was generated and built in a folder that many people have in their names."""
    return once("odd", lambda folder: building.build_pair(folder / ODD))


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_path_with_spaces_and_other_letters(
    odd: building.Pair, tmp_path: Path, encoding: str
) -> None:
    assert ODD in str(odd.folder)
    env = building.new_environment(tmp_path / ODD, odd.provider, odd.consumer)
    # Python decodes paths as UTF-8 in spite of the C locale unless it is told not to.
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    variables = ascii_only if encoding == "ascii" else {}
    ask = "import sys; print(sys.getfilesystemencoding())"
    assert env.run(ask, env=variables).strip() == encoding
    assert env.run(USE, env=variables) == files(env.site_packages)


# May not write ------------------------------------------------------------------------------------


def test_read_only_site_packages(installed: building.Environment) -> None:
    site = installed.site_packages
    everything = [installed.folder, *installed.folder.rglob("*")]
    for path in everything:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)
    # The proof that nothing can be written: neither a new file nor an old one.
    code = f"""
for name in ("new", "libfoo/__init__.py", "libfoo/lib/libfoo__foo.so.1", "libfoo/lib/new"):
    try:
        open("{site}/" + name, "ab")
    except PermissionError:
        continue
    raise SystemExit(name + " can be written")
{USE}"""
    try:
        assert building.run(
            *building.without_capabilities(), installed.python, "-c", code
        ) == files(site)
        assert not list(site.rglob("__pycache__/__init__*"))
    finally:
        for path in everything:
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)  # so that pytest can remove it


# Zip files ----------------------------------------------------------------------------------------

APPLICATION = f"""
import io, sys, zipfile

application, cache = sys.argv
with zipfile.ZipFile(application) as archive:
    for name in archive.namelist():
        if name.endswith(".whl"):
            zipfile.ZipFile(io.BytesIO(archive.read(name))).extractall(cache)
sys.path.insert(0, cache)
{USE}
"""


def test_zipped_application_that_unpacks_its_wheels(pair: building.Pair, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
        archive.writestr("__main__.py", APPLICATION)
        for wheel in (pair.provider, pair.consumer):
            archive.write(wheel, wheel.name)
    cache = tmp_path / "cache"
    assert building.run(sys.executable, tmp_path / "app.pyz", cache) == files(cache)


# Windows tells what lies below a file from nothing else that is not there.
AS_WINDOWS = """
import os
stat = os.stat
def as_windows(path, **options):
    try:
        return stat(path, **options)
    except NotADirectoryError as error:
        raise FileNotFoundError(2, "as on Windows", path) from error
os.stat = as_windows
"""


@pytest.mark.parametrize("system", ["", AS_WINDOWS], ids=["Linux", "as Windows"])
def test_provider_imported_out_of_a_zip_file(
    pair: building.Pair, tmp_path: Path, system: str
) -> None:
    """No system opens a library there, and the person who tries is told so."""
    unpack(pair.consumer, tmp_path)
    code = f"""{system}
try:
    import foo_ext
except ImportError as error:
    print(type(error).__name__, error, f"path={{error.path}}", sep="\\n")
"""
    path = f"{pair.provider}{os.pathsep}{tmp_path}"
    said = building.run(sys.executable, "-c", code, env={"PYTHONPATH": path}).splitlines()
    file = f"{pair.provider}/libfoo/lib/libfoo__foo.so.1"
    assert said[:3] == [
        "LibraryNotFoundError",
        "libfoo cannot load its library 'foo'.",
        f"  file:   {file} (inside an archive, where the system opens no library)",
    ]
    assert said[-2] == "  fix:    unpack the archive, and put the folder in its place on sys.path"
    assert said[-1] == f"path={file}"
