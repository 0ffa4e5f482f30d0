"""`native-lib preload` has Python open a provider's libraries when it starts, and takes that back."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import building
import cpythons
import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, uses setpriv")

OPEN = f"{building.MAPPED}\nprint(*mapped('libfoo__foo'), sep='\\n')"
LIBRARY = "libfoo/lib/libfoo__foo.so.1"
MODULE = "native_lib_preload_libfoo.py"
CALLS = {
    ".pth": "import native_lib_preload_libfoo; native_lib_preload_libfoo.preload()\n",
    ".start": "native_lib_preload_libfoo:preload\n",
}


@pytest.fixture(params=sorted({cpythons.OWN, cpythons.NEWEST}))
def version(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def python(request: pytest.FixtureRequest) -> Path:
    """The Python that `installed` is for."""
    if "version" in request.fixturenames:
        return cpythons.need(request.getfixturevalue("version"))
    return Path(sys.executable)


def suffix(version: str) -> str:
    return ".start" if version == cpythons.NEWEST else ".pth"


def native_lib(
    python: Path,
    *arguments: str,
    before: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
    fails: bool = False,
) -> str:
    path = {"PYTHONPATH": str(building.loader_installed()), "PYTHONDONTWRITEBYTECODE": "1"}
    command: tuple[str | Path, ...] = (*before, python, "-m", "native_lib", *arguments)
    return building.run(*command, env={**path, **(env or {})}, fails=fails)


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*native_lib_preload*"))


def test_library_is_open_at_the_start_until_that_is_taken_back(
    version: str, installed: building.Environment
) -> None:
    site = installed.site_packages
    files = [MODULE, MODULE.replace(".py", suffix(version))]
    assert installed.run(OPEN) == "\n"
    said = native_lib(installed.python, "preload", "libfoo")
    assert said.splitlines() == [f"wrote: {site / name}" for name in files]
    assert written(site) == sorted(files)
    assert installed.run(OPEN) == f"{site / LIBRARY}\n"
    assert installed.run("import foo_ext; print(foo_ext.square(3))") == "9.0\n"
    before = {path: path.stat() for path in site.iterdir()}
    said = native_lib(installed.python, "preload", "LibFoo")
    assert said == "nothing to write: all is there already\n"
    assert {path: path.stat() for path in site.iterdir()} == before
    said = native_lib(installed.python, "preload", "--remove", "libfoo")
    assert said.splitlines() == [f"removed: {site / name}" for name in reversed(files)]
    assert written(site) == []
    assert installed.run(OPEN) == "\n"
    assert native_lib(installed.python, "preload", "--remove", "libfoo") == "nothing to remove\n"


def test_both_files_together_open_it_once(version: str, installed: building.Environment) -> None:
    native_lib(installed.python, "preload", "libfoo")
    for ending, call in CALLS.items():
        calls = (installed.site_packages / MODULE).with_suffix(ending)
        assert ending != suffix(version) or calls.read_text("utf-8") == call
        calls.write_text(call, encoding="utf-8")
    init = installed.site_packages / "libfoo" / "__init__.py"
    with init.open("a", encoding="utf-8") as file:
        file.write("\nload = loader.load\nloader.load = lambda: print('opened', load())\n")
    assert installed.run("print('starts')").count("opened") == 1


def test_python_starts_when_the_provider_is_gone(
    version: str, installed: building.Environment
) -> None:
    native_lib(installed.python, "preload", "libfoo")
    installed.uninstall("libfoo")
    assert installed.run("print('starts')") == "starts\n"
    told = installed.run("print('starts')", env={"NATIVE_LIB_DEBUG": "1"})
    reason = "ModuleNotFoundError: No module named 'libfoo'"
    assert told == f"native-lib: libfoo was not opened at start: {reason}\nstarts\n"
    assert native_lib(installed.python, "preload", "--remove", "libfoo").startswith("removed: ")
    assert written(installed.site_packages) == []


def test_doctor_lists_it(installed: building.Environment) -> None:
    native_lib(installed.python, "preload", "libfoo")
    lief = importlib.util.find_spec("lief")
    assert lief is not None
    assert lief.origin is not None
    tools = f"{building.loader_installed()}:{Path(lief.origin).parents[1]}"
    said = native_lib(installed.python, "doctor", env={"PYTHONPATH": tools})
    file = (installed.site_packages / MODULE).with_suffix(suffix(cpythons.OWN))
    assert f"libfoo is opened when Python starts: {file}\n" in said
    installed.uninstall("libfoo")
    said = native_lib(installed.python, "doctor", env={"PYTHONPATH": tools}, fails=True)
    assert f"{file} (not installed; native-lib preload --remove libfoo)\n" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["libfoo", "libbar"], "libbar is not installed here; python -m pip install libbar"),
        (
            ["foo-ext"],
            "foo-ext 1.0.0 is not a provider: it has no manifest foo_ext/_native_libs.py",
        ),
        (["--remove", "../libfoo"], "'../libfoo' is not the name of a distribution"),
    ],
    ids=["not installed", "not a provider", "not a name"],
)
def test_refused_in_one_line(
    installed: building.Environment, arguments: list[str], said: str
) -> None:
    told = native_lib(installed.python, "preload", *arguments, fails=True)
    assert told == f"native-lib: {said}\n"
    assert written(installed.site_packages) == []


def test_what_installs_a_provider_where_there_is_no_pip(installed: building.Environment) -> None:
    (installed.site_packages / "pip.py").unlink()
    told = native_lib(installed.python, "preload", "libbar", fails=True)
    uv = f'uv pip install --python "{installed.python}" libbar'
    assert told == f"native-lib: libbar is not installed here; {uv}\n"


def test_site_packages_that_may_not_be_written(installed: building.Environment) -> None:
    site = installed.site_packages
    site.chmod(0o555)
    try:
        before = tuple(building.without_capabilities())
        told = native_lib(installed.python, "preload", "libfoo", before=before, fails=True)
    finally:
        site.chmod(0o755)
    assert told == f"native-lib: {site / MODULE}: Permission denied\n"
    assert written(site) == []


def test_where_the_provider_is_the_users(pair: building.Pair, tmp_path: Path) -> None:
    """Not into site-packages, which all users share."""
    there = {"PYTHONUSERBASE": str(tmp_path / "user base")}
    python, folder = cpythons.user_site(tmp_path / "user base")
    target = ("--target", folder)
    building.uv("pip", "install", "-q", "--no-deps", "--python", python, *target, pair.provider)
    said = native_lib(python, "preload", "libfoo", env=there)
    assert said.splitlines()[0] == f"wrote: {folder / MODULE}"
    assert building.run(python, "-c", OPEN, env=there) == f"{folder / LIBRARY}\n"
    assert building.run(python, "-s", "-c", OPEN, env=there) == "\n"
    native_lib(python, "preload", "--remove", "libfoo", env=there)
    assert building.run(python, "-c", OPEN, env=there) == "\n"
