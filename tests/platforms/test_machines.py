"""The situations of tests/pair/test_situations.py on other machines: of 32 bits, and big-endian.

The pair is cross-built; a Debian of that machine, its glibc and its Python run it, through qemu.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Callable

import building
import pytest
from platforms.conftest import MACHINES
from platforms.elsewhere import FOO, Elsewhere

if TYPE_CHECKING:
    from pathlib import Path

Built = Callable[[str, str], "Path"]

pytestmark = pytest.mark.parametrize("machine", MACHINES, indirect=True)

# What Python says of each: the bits of a pointer, the order of bytes, and its name of the platform.
FACTS = {
    "arm64": "64 little aarch64-linux-gnu",
    "armhf": "32 little arm-linux-gnueabihf",
    "i386": "32 little i386-linux-gnu",
    "s390x": "64 big s390x-linux-gnu",
}


def test_the_python_is_of_that_machine(machine: Elsewhere, request: pytest.FixtureRequest) -> None:
    code = "import struct, sys; print(struct.calcsize('P') * 8, sys.byteorder, sys.implementation._multiarch)"
    assert machine.run(code) == FACTS[request.node.callspec.params["machine"]] + "\n"


# All is well --------------------------------------------------------------------------------------


def test_the_consumer_is_served(machine: Elsewhere) -> None:
    said = machine.run(f"{building.SQUARE}\n{building.MAPPED}\nprint(*mapped('foo.so'), sep='\\n')")
    assert said == f"9.0\n{machine.library}\n"


def test_without_the_loader_it_fails(machine: Elsewhere) -> None:
    init = machine.consumer / "__init__.py"
    init.write_text("from ._ext import square\n", encoding="utf-8")
    said = machine.fail(building.SQUARE)
    assert f"ImportError: {machine.library.name}: cannot open shared object file" in said


def test_debug_tells_what_was_chosen(machine: Elsewhere) -> None:
    assert machine.run("import foo_ext", NATIVE_LIB_DEBUG="1").splitlines() == [
        "native-lib: foo_ext requires libfoo>=1.0.0,<2, there is 1.0.0",
        f"native-lib: libfoo: foo is {machine.library} (wheel)",
    ]


def test_path_in_the_environment_is_opened_instead(machine: Elsewhere) -> None:
    other = machine.folder / "mine" / machine.library.name
    other.parent.mkdir()
    shutil.copy(machine.library, other)
    env = {"NATIVE_LIB_FOO_PATH": str(other)}
    assert machine.mapped(building.SQUARE, "foo.so", **env) == [str(other)]


# The provider is missing, too old or broken -------------------------------------------------------


def test_provider_not_installed(machine: Elsewhere) -> None:
    shutil.rmtree(machine.provider)
    assert machine.run(building.SHOW).splitlines() == [
        "LibraryNotFoundError",
        "foo_ext needs the native library 'foo' of the distribution libfoo, which is not installed.",
        f"  needed by: {machine.consumer} (built against libfoo 1.0.0)",
        '  fix:       python -m pip install "libfoo>=1.0.0,<2"',
    ]


@pytest.mark.parametrize("there", ["0.9", "2.0.0"])
def test_provider_of_a_version_that_does_not_fit(machine: Elsewhere, there: str) -> None:
    manifest = machine.provider / "_native_libs.py"
    text = manifest.read_text("utf-8")
    assert 'VERSION = "1.0.0"' in text
    manifest.write_text(text.replace('VERSION = "1.0.0"', f'VERSION = "{there}"'), "utf-8")
    assert machine.run(building.SHOW).splitlines() == [
        "LibraryVersionError",
        f"foo_ext was built against libfoo 1.0.0 and needs libfoo>=1.0.0,<2, but {there} is installed.",
        f"  provider:  {machine.provider} ({there})",
        f"  needed by: {machine.consumer} (built against 1.0.0)",
        '  fix:       python -m pip install "libfoo>=1.0.0,<2"',
    ]


@pytest.mark.parametrize(
    ("damage", "state", "system"),
    [
        ("missing", "no such file", "cannot open shared object file"),
        ("empty", "0 bytes", "file too short"),
        ("truncated", "500 bytes", "file too short"),
        ("architecture", " bytes, for another machine", ""),
    ],
)
def test_library_file_is_damaged(
    machine: Elsewhere, built: Built, damage: str, state: str, system: str
) -> None:
    content = machine.library.read_bytes()
    machine.library.unlink()
    if damage == "architecture":
        other = built("linux-x86_64", "c") / "libfoo" / "lib" / machine.library.name
        shutil.copy(other, machine.library)
    elif damage != "missing":
        machine.library.write_bytes(content[:500] if damage == "truncated" else b"")
    said = machine.run(building.SHOW)
    assert said.startswith("LibraryNotFoundError\nlibfoo cannot load its library 'foo'.\n"), said
    assert f"  file:   {machine.library} (" in said
    assert f"{state})" in said
    assert system in said
    assert '  fix:    python -m pip install --force-reinstall --no-deps "libfoo==1.0.0"' in said


@pytest.mark.skipif(
    not shutil.which("setpriv"), reason="requires setpriv (util-linux) to be refused"
)
def test_library_is_not_readable(machine: Elsewhere) -> None:
    machine.library.chmod(0)
    powers = "-dac_override,-dac_read_search"
    setpriv = ("setpriv", f"--bounding-set={powers}", f"--inh-caps={powers}")
    said = building.run(*setpriv, *machine.command(building.SHOW), cwd=machine.folder)
    assert said.startswith("LibraryNotFoundError")
    assert f"  file:   {machine.library} (" in said
    assert "Permission denied" in said


def test_something_that_the_library_needs_is_missing(machine: Elsewhere) -> None:
    other = machine.compile(machine.folder / "libother.so.2", "int other(void) { return 1; }")
    code = f"int other(void); int another(void) {{ return other(); }} {FOO}"
    machine.compile(machine.library, code, str(other))
    said = machine.run(building.SHOW)
    assert "  system: libother.so.2: cannot open shared object file" in said
    assert "  fix:    this file is intact; install what `system` names" in said


def test_no_truncation_kills_the_process(machine: Elsewhere) -> None:
    """glibc maps what is not there; the first look at it would be a bus error."""
    # Of some pages: what is cut off within one is read as zeros.
    large = "int large[1 << 11] = {1}; const int constant[1 << 11] = {1};"
    machine.compile(machine.library, f"{large} {FOO}", "-nostdlib")
    code = f"""
import ctypes, libfoo, os, resource, shutil
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
whole, cut = {str(machine.library)!r}, {str(machine.folder / "cut.so")!r}

def ends(load, step):
    found = []
    for length in range(0, os.path.getsize(whole), step):
        shutil.copy(whole, cut)
        os.truncate(cut, length)
        child = os.fork()
        if child == 0:
            os.environ["NATIVE_LIB_FOO_PATH"] = cut
            try:
                load()
            except (OSError, ImportError) as error:
                os._exit(1 if "cut.so" in str(error) else 9)
            os._exit(0)
        found.append(os.waitpid(child, 0)[1])
    print("ends", *found)

ends(libfoo.loader.load, 128)
ends(lambda: ctypes.CDLL(cut), 4096)
"""
    # qemu tells of each process that a signal ends.
    said = [line.split() for line in machine.run(code).splitlines()]
    ours, glibcs = ([int(end) for end in line[1:]] for line in said if line[0] == "ends")
    # Refused (1), or, where only section headers are cut off, loaded (0); never killed (7: SIGBUS).
    assert len(ours) == len(range(0, machine.library.stat().st_size, 128))
    assert set(ours) == {0, 256}
    # As is without the loader's own look.
    assert 7 in {end & 0x7F for end in glibcs}


# Another file owns the name or the symbols --------------------------------------------------------


def test_second_copy_loaded_first(machine: Elsewhere) -> None:
    copy = machine.stranger("theirs")
    said = machine.run(f"import ctypes; ctypes.CDLL({str(copy)!r})\n{building.SHOW}")
    assert said.startswith(
        "LibraryConflictError\nAnother file in this process already has the name"
    )
    assert f"  answers: {copy}\n  ours:    {machine.library} (libfoo 1.0.0)" in said


def test_copy_loaded_afterwards_does_no_harm(machine: Elsewhere) -> None:
    copy = machine.stranger("theirs")
    code = f"import foo_ext, ctypes; ctypes.CDLL({str(copy)!r}); print(foo_ext.square(3))"
    assert machine.run(code) == "9.0\n"


@pytest.mark.parametrize("how", ["preloaded", "global"])
def test_symbols_are_taken(machine: Elsewhere, how: str) -> None:
    """By a library of another name with the same function names."""
    # LD_PRELOAD is split at spaces, which the other folder's name has.
    stranger = machine.compile(machine.folder.parent / "theirs" / "stranger.so")
    if how == "preloaded":
        said = machine.run(building.SHOW, LD_PRELOAD=str(stranger))
    else:
        code = f"import ctypes; ctypes.CDLL({str(stranger)!r}, ctypes.RTLD_GLOBAL)\n{building.SHOW}"
        said = machine.run(code)
    assert said.startswith("LibraryConflictError\nAnother loaded file already defines foo_version,")
    assert f"  answers: {stranger}\n  ours:    {machine.library} (libfoo 1.0.0)" in said
