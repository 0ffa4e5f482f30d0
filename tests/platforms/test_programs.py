"""Programs and data for other systems: their files read, and run under Wine and on musl."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path
from typing import Callable

import building
import pytest
from platforms import binary, cross
from platforms.test_repair import apples_tools
from platforms.wine import Wine, windows_path
from programs import provider_with_program_and_data

Site = Callable[[str], Path]


@pytest.fixture(scope="session")
def site(once: Callable[[str, Callable[[Path], Path]], Path]) -> Site:
    """Return a function that builds the provider for a target, and gives its site-packages."""
    if cross.zig() is None:
        pytest.skip("requires zig's compilers (ziglang)")

    def build(target: str) -> Path:
        def make(folder: Path) -> Path:
            tool_chain = cross.Cross(cross.ALL[target], folder)
            tool_chain.build(provider_with_program_and_data(folder), "1.0.0")
            return tool_chain.site

        return once(f"programs-{target}", make)

    return build


@pytest.mark.parametrize(
    ("target", "path", "search_paths"),
    [
        ("musl-x86_64", "bin/foo-tool", ("$ORIGIN/../lib",)),
        ("macos-arm64", "bin/foo-tool", ("@loader_path/../lib",)),
        ("windows-x86_64", "lib/foo-tool.exe", ()),
    ],
)
def test_it_finds_the_library(
    site: Site, target: str, path: str, search_paths: tuple[str, ...]
) -> None:
    folder = site(target) / "libfoo"
    found = binary.read(folder / path)
    assert found.search_paths == search_paths
    assert cross.ALL[target].runtime_name("libfoo__foo", "1") in found.needed
    assert f'"foo-tool": "{path}",' in (folder / "_native_libs.py").read_text("utf-8")
    check_wheel(folder.parent, target)


def check_wheel(site: Path, target: str) -> None:
    """Let `native-lib check` look at what was built."""
    project = site.parent / "foo-wheels" / "libfoo"
    wheel = cross.pack(project, site, cross.ALL[target].tag, site.parent / "dist")
    building.check_wheels(wheel)


SCRIPT = """
import sys
sys.path[:0] = {path!r}
sys.argv[1:] = {arguments!r}
from libfoo._shared_lib_programs import foo_tool
sys.exit(foo_tool())
"""
RUN = """
import subprocess, sys
command = [sys.executable, "-c", {script!r}]
done = subprocess.run(command, input=b"a\\nb", stdout=subprocess.PIPE)
print(done.returncode, done.stdout.decode().splitlines())
"""

ASK_C = """
import ctypes, libfoo, os
(library,) = libfoo.loader.load()
foo_data = ctypes.CDLL(library.path).foo_data
foo_data.restype = ctypes.c_char_p
print((foo_data() or b"none").decode())
buffer = ctypes.create_unicode_buffer(999)
ctypes.windll.kernel32.GetEnvironmentVariableW("FOO_DATA", buffer, 999)
print(buffer.value)
"""


def test_under_wine(site: Site, wine: Callable[[str], Wine]) -> None:
    """Exit statuses, arguments and standard input; and what a DLL sees of the environment."""
    folder, machine = site("windows-x86_64"), wine("3.13")

    def run(*arguments: str) -> str:
        script = SCRIPT.format(path=[windows_path(folder)], arguments=list(arguments))
        return machine.run(RUN.format(script=script)).strip()

    odd = ["two words", 'a "quote"', "", "back\\slash\\"]
    assert run("exit", "42") == "42 []"
    # As a crash has it: 0xC0000005.
    assert run("exit", "-1073741819") == "3221225477 []"
    assert run("square", "3") == "0 ['9']"
    assert run("stdin") == "0 ['a', 'b']"
    path = windows_path(folder / "libfoo" / "lib" / "foo-tool.exe")
    told = [f"[{word}]" for word in (path, "arguments", *odd)]
    assert run("arguments", *odd) == f"0 {told}"
    data = windows_path(folder / "libfoo" / "share" / "foo")
    assert run("data") == f"0 {[data]}"
    assert machine.run(ASK_C, folder) == f"{data}\n{data}\n"
    assert machine.run(ASK_C, folder, FOO_DATA="mine") == "mine\nmine\n"


def test_repair_tools_leave_it_right(site: Site, tmp_path: Path) -> None:
    """delocate writes where the library is into it; delvewheel leaves it alone."""
    delocate = "delocate-wheel --require-archs arm64 -w {out} -v {wheel}"
    delvewheel = "delvewheel repair -w {out} -v {wheel}"
    for target, command, library in (
        ("macos-arm64", delocate, "@loader_path/../lib/libfoo__foo.1.dylib"),
        ("windows-x86_64", delvewheel, "libfoo__foo-1.dll"),
    ):
        folder = site(target)
        project = folder.parent / "foo-wheels" / "libfoo"
        wheel = cross.pack(project, folder, cross.ALL[target].tag, tmp_path / target)
        apple = apples_tools(tmp_path / "apple")
        path = f"{apple}:{Path(building.tool('delvewheel')).parent}:{os.environ['PATH']}"
        out = tmp_path / target / "repaired"
        line = command.format(out=out, wheel=wheel)
        building.run("sh", "-c", line, env={"PATH": path})
        (repaired,) = out.glob("*.whl")
        with zipfile.ZipFile(repaired) as archive:
            names = archive.namelist()
            archive.extractall(tmp_path / target / "site")
        assert [name for name in names if ".dylibs/" in name or ".libs/" in name] == []
        (name,) = (name for name in names if "foo-tool" in name)
        needed = binary.read(tmp_path / target / "site" / name).needed
        assert library in needed
        building.check_wheels(repaired)


def test_on_musl(site: Site, tmp_path: Path) -> None:
    """musl's own loader runs it."""
    loader = shutil.which("ld-musl-x86_64.so.1") or "/lib/ld-musl-x86_64.so.1"
    if not Path(loader).exists():
        pytest.skip("not available: musl (Debian: musl)")
    program = site("musl-x86_64") / "libfoo" / "bin" / "foo-tool"
    program.chmod(0o755)
    assert building.run(program, "square", "3", cwd=tmp_path) == "9\n"
