"""Programs and data that come with a library: installed, editable, and in a consumer's build."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import building
import pytest
from native_lib.support.shared_lib_wordings import HELP, MACHINE, RELOCATION
from programs import add_program, provider_with_program_and_data

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runs ELF programs, reads /proc")


@dataclass(frozen=True)
class Tools:
    """Two providers with a program each; libtop's library needs libfoo's, which has data."""

    foo_project: Path
    top_project: Path
    foo: Path
    top: Path


@pytest.fixture(scope="session")
def tools(once: Callable[[str, Callable[[Path], Tools]], Tools]) -> Tools:
    """The providers, built."""

    def make(folder: Path) -> Tools:
        foo = provider_with_program_and_data(folder / "base")
        with (foo / "CMakeLists.txt").open("a", encoding="utf-8") as file:
            # In the build folder, too.
            file.write("add_custom_command(TARGET foo_tool POST_BUILD COMMAND foo_tool exit 0)\n")
        names = {"library_name": "top", "provider_name": "libtop", "extension_name": "top-ext"}
        top = building.generate(folder / "above", **names) / "libtop"
        building.require_libfoo(top)
        add_program(top, "top")
        wheels = folder / "dist"
        return Tools(foo, top, building.build(foo, wheels), building.build(top, wheels))

    return once("tools", make)


@pytest.fixture(scope="session")
def tools_env(
    tools: Tools,
    once: Callable[[str, Callable[[Path], building.Environment]], building.Environment],
) -> building.Environment:
    """Both providers, installed; for tests that only look."""
    make = lambda folder: building.new_environment(folder / "env", tools.foo, tools.top)
    return once("tools_env", make)


def program(env: building.Environment, name: str = "foo-tool") -> Path:
    return env.python.with_name(name)


def test_it_gets_its_arguments_as_they_are(tools_env: building.Environment) -> None:
    arguments = ["two words", "\"quotes\" and 'others'", "", "back\\slash", "$HOME", "müßig"]
    said = building.run(program(tools_env), "arguments", *arguments).splitlines()
    its_path = tools_env.site_packages / "libfoo" / "bin" / "foo-tool"
    assert said == [f"[{text}]" for text in (its_path, "arguments", *arguments)]


@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_exit_status_is_the_programs(tools_env: building.Environment, status: int) -> None:
    done = subprocess.run([program(tools_env), "exit", str(status)], check=False)
    assert done.returncode == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGABRT])
def test_wait_status_is_the_programs(tools_env: building.Environment, number: int) -> None:
    done = subprocess.run([program(tools_env), "raise", str(number)], check=False)
    assert done.returncode == -number


def as_in_a_terminal() -> None:
    """Undo what was inherited: nohup, and a shell's `&`, have children ignore these."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_reaches_the_program(tools_env: building.Environment, number: int) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [program(tools_env), "stdin"],
        stdin=pipe,
        stdout=pipe,
        preexec_fn=as_in_a_terminal,  # noqa: PLW1509 - no thread runs here
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"a")
        process.stdin.flush()
        assert process.stdout.read(1) == b"a"  # so the program runs
        process.send_signal(number)
    assert process.returncode == -number


def test_standard_input_is_the_programs(tools_env: building.Environment) -> None:
    text = bytes(range(256)) * 99
    done = subprocess.run(
        [program(tools_env), "stdin"], input=text, stdout=subprocess.PIPE, check=True
    )
    assert done.stdout == text


def test_python_leaves_no_signal_ignored(tools_env: building.Environment) -> None:
    """Python ignores SIGPIPE; with it, `foo-tool | head` would not end."""
    path = tools_env.site_packages / "libfoo" / "bin" / "foo-tool"
    ignored = building.run(program(tools_env), "ignored")
    assert ignored == building.run(path, "ignored")
    assert str(int(signal.SIGPIPE)) not in ignored.split()


@pytest.mark.parametrize("places", ["together", "apart"])
def test_program_uses_its_own_and_other_wheels_libraries(
    tools: Tools, tools_env: building.Environment, tmp_path: Path, places: str
) -> None:
    env, foo, variables = tools_env, tools_env.site_packages, {}
    if places == "apart":
        env = building.new_environment(tmp_path / "env", tools.top)
        foo = tmp_path / "elsewhere"
        with zipfile.ZipFile(tools.foo) as archive:
            archive.extractall(foo)
        variables = {"PYTHONPATH": str(foo)}
    said = building.run(program(env, "top-tool"), "maps", env=variables).splitlines()
    assert sorted(said) == sorted(
        [
            f"{env.site_packages}/libtop/lib/libtop__top.so.1",
            f"{foo}/libfoo/lib/libfoo__foo.so.1",
        ]
    )
    assert building.run(program(env, "top-tool"), "square", "3", env=variables) == "10\n"


def test_required_provider_is_missing(tools: Tools, tmp_path: Path) -> None:
    env = building.new_environment(tmp_path / "env", tools.top)
    said = building.run(program(env, "top-tool"), fails=True)
    assert said.startswith("top-tool: libtop needs the native library 'foo'")
    assert '  fix:       python -m pip install "libfoo>=1.0.0,<2"\n' in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("damage", "status", "state"),
    [("removed", 127, "no such file"), ("no program", 126, "executable")],
)
def test_program_that_cannot_be_run(
    tools: Tools, tmp_path: Path, damage: str, status: int, state: str
) -> None:
    env = building.new_environment(tmp_path / "env", tools.foo)
    file = env.site_packages / "libfoo" / "bin" / "foo-tool"
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(b"\x7fELF and nothing else")
    done = subprocess.run([program(env)], stderr=subprocess.PIPE, encoding="utf-8", check=False)
    assert done.returncode == status
    first, where, _, fix = done.stderr.splitlines()
    assert first == "libfoo cannot run its program 'foo-tool'."
    assert where == f"  file:   {file} ({state})"
    assert fix == '  fix:    python -m pip install --force-reinstall --no-deps "libfoo==1.0.0"'


INTERPRETER = (b"/lib64/ld-linux-x86-64.so.2", b"/lib64/ld-musl-x86-64.so.1\0")


@pytest.mark.parametrize(
    ("change", "means", "helps"),
    [
        # Not a real one: qemu may be there, and runs it.
        pytest.param(lambda elf: elf[:4] + b"other", "is for another architecture", MACHINE),
        pytest.param(
            lambda elf: elf.replace(INTERPRETER[0], INTERPRETER[1][: len(INTERPRETER[0])]),
            "was built for another C library",
            RELOCATION,
        ),
    ],
    ids=["another machine's", "another C library's"],
)
def test_intact_program_is_not_to_be_installed_again(
    tools: Tools, tmp_path: Path, change: Callable[[bytes], bytes], means: str, helps: str
) -> None:
    env = building.new_environment(tmp_path / "env", tools.foo)
    file = env.site_packages / "libfoo" / "bin" / "foo-tool"
    whole = file.read_bytes()
    if change(whole) == whole:
        pytest.skip("requires x86_64: the name of its loader")
    file.write_bytes(change(whole))
    building.record_as_it_is(env.site_packages, file)
    said = building.run(program(env), fails=True)
    assert f"  file:   {file} (executable)\n" in said
    assert f"  means:  this file {means}" in said
    assert said.endswith(f"  fix:    {HELP[helps][1]}\n")


def test_program_that_lost_its_permission(tools: Tools, tmp_path: Path) -> None:
    """As zipfile unpacks a wheel; the command is run."""
    env = building.new_environment(tmp_path / "env", tools.foo)
    file = env.site_packages / "libfoo" / "bin" / "foo-tool"
    file.chmod(0o644)
    done = subprocess.run([program(env)], stderr=subprocess.PIPE, encoding="utf-8", check=False)
    assert done.returncode == 126
    _, where, _, fix = done.stderr.splitlines()
    assert where == f"  file:   {file} (not executable)"
    assert fix == f'  fix:    chmod +x "{file}"'
    building.run("sh", "-c", fix.split(None, 1)[1])
    assert building.run(program(env), "square", "3") == "9\n"


def test_system_says_what_is_wrong_with_an_intact_program(
    tools_env: building.Environment,
) -> None:
    said = building.run(
        tools_env.python,
        "-c",
        "import libfoo._shared_lib_programs as p, sys\n"
        "sys.argv[1:] = ['x' * 200_000]  # longer than Linux takes\n"
        "print(p.foo_tool())",
        stderr=subprocess.STDOUT,
    )
    assert "  system: Argument list too long\n  means:  this file is intact\n" in said
    assert said.endswith("126\n")


@pytest.mark.parametrize("package", ["foo", "top"])
def test_it_runs_in_a_consumers_build(
    tools_env: building.Environment, tmp_path: Path, package: str
) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(user NONE)\n"
        f"find_package({package} CONFIG REQUIRED)\n"
        f"add_custom_command(OUTPUT out.txt COMMAND {package}::{package}_tool square 3 > out.txt)\n"
        "add_custom_target(all_of_it ALL DEPENDS out.txt)\n",
        encoding="utf-8",
    )
    build = tmp_path / "build"
    folder = tools_env.site_packages / f"lib{package}"
    cmake = building.tool("cmake")
    building.run(cmake, "-G", "Ninja", "-S", tmp_path, "-B", build, f"-D{package}_ROOT={folder}")
    building.run(cmake, "--build", build)
    assert (build / "out.txt").read_text("utf-8") == {"foo": "9\n", "top": "10\n"}[package]


def test_what_the_wheel_holds(tools: Tools) -> None:
    with zipfile.ZipFile(tools.foo) as archive:
        (tool,) = (entry for entry in archive.infolist() if "foo-tool" in entry.filename)
        manifest = archive.read("libfoo/_native_libs.py").decode()
        assert str(tools.foo_project).encode() not in archive.read(tool)
    assert tool.filename == "libfoo/bin/foo-tool"
    assert tool.external_attr >> 16 & 0o111 == 0o111
    assert 'PROGRAMS = {\n    "foo-tool": "bin/foo-tool",\n}\n' in manifest
    assert 'DATA_ENV = {\n    "FOO_DATA": "share/foo",\n}\n' in manifest


def test_another_build_folder_gives_the_same_wheel(tools: Tools, tmp_path: Path) -> None:
    """Also the program that needs a library of another wheel, of one more temporary folder."""
    shutil.copy(tools.foo, tmp_path)
    wheel = building.build(tools.top_project, tmp_path)
    assert wheel.read_bytes() == tools.top.read_bytes()


def test_check_finds_data_that_nobody_installs(tools: Tools, tmp_path: Path) -> None:
    wheel = tmp_path / tools.foo.name
    with zipfile.ZipFile(tools.foo) as whole, zipfile.ZipFile(wheel, "w") as part:
        for entry in whole.infolist():
            if "/share/" not in entry.filename:
                part.writestr(entry, whole.read(entry))
    with pytest.raises(building.CommandError, match=r"libfoo/share/foo \(DATA_ENV FOO_DATA\)"):
        building.check_wheels(wheel)


def test_editable_install(tools: Tools, tmp_path: Path) -> None:
    env = building.new_environment(tmp_path / "env")
    building.uv("pip", "install", "--quiet", "--python", env.python, "-e", tools.foo_project)
    assert building.run(program(env), "square", "3") == "9\n"
    folder = Path(building.run(program(env), "data").strip())
    assert (folder / "words.txt").read_text("utf-8") == "some words\n"
    assert env.run(GETENV).strip() == str(folder)


# The data's variable ------------------------------------------------------------------------------

# What C code sees.
GETENV = """
import ctypes, libfoo
(library,) = libfoo.loader.load()
foo_data = ctypes.CDLL(library.path).foo_data
foo_data.restype = ctypes.c_char_p
print(foo_data().decode())
"""


def folder_of(env: building.Environment) -> str:
    return str(env.site_packages / "libfoo" / "share" / "foo")


@pytest.mark.parametrize("set_before", [None, "", "/of/the/user"])
def test_variable_is_set_unless_the_user_has_set_it(
    tools_env: building.Environment, set_before: str | None
) -> None:
    variables = {} if set_before is None else {"FOO_DATA": set_before}
    expected = set_before or folder_of(tools_env)
    assert tools_env.run(GETENV, env=variables) == f"{expected}\n"
    assert building.run(program(tools_env), "data", env=variables) == f"{expected}\n"


def test_debug_line_tells_it(tools_env: building.Environment) -> None:
    folder, debug = folder_of(tools_env), {"NATIVE_LIB_DEBUG": "1"}
    code = "import libfoo; libfoo.loader.load()"
    said = tools_env.run(code, env=debug).splitlines()
    assert said[0] == f"native-lib: libfoo: FOO_DATA is {folder}"
    said = tools_env.run(code, env={**debug, "FOO_DATA": "/of/the/user"}).splitlines()
    assert said[0] == "native-lib: libfoo: FOO_DATA stays /of/the/user"
    said = building.run(program(tools_env), env=debug).splitlines()
    assert said[1] == f"native-lib: libfoo: foo-tool is {folder[:-9]}bin/foo-tool"


def test_import_alone_sets_nothing(tools_env: building.Environment) -> None:
    assert tools_env.run("import libfoo, os; print(os.environ.get('FOO_DATA'))") == "None\n"


def test_variable_is_set_by_a_program_for_what_it_requires(
    tools_env: building.Environment,
) -> None:
    said = building.run(program(tools_env, "top-tool"), "data")
    assert said == f"{folder_of(tools_env)}\n"


def test_another_environments_value_is_not_the_users(
    tools: Tools, tools_env: building.Environment, tmp_path: Path
) -> None:
    """A process starts another environment's Python, which inherits what its loader has set."""
    other = building.new_environment(tmp_path / "env", tools.foo)
    code = (
        "import libfoo, os, subprocess; libfoo.loader.load()\n"
        f"subprocess.run([{str(program(other))!r}, 'data'])\n"
        "os.environ['FOO_DATA'] = '/of/the/user'\n"
        f"subprocess.run([{str(program(other))!r}, 'data'])\n"
    )
    assert tools_env.run(code) == f"{folder_of(other)}\n/of/the/user\n"


def test_auditwheel_leaves_the_program_right(tools: Tools, tmp_path: Path) -> None:
    auditwheel = building.tool("auditwheel")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    repaired = []
    for wheel in (tools.foo, tools.top):
        command = (auditwheel, "repair", "--exclude", "libfoo__*", "-w", tmp_path / "out", wheel)
        building.run(*command, env={"PATH": path})
        (found,) = (tmp_path / "out").glob(f"{wheel.name.split('-')[0]}-*")
        repaired.append(found)
    building.check_wheels(*repaired)
    env = building.new_environment(tmp_path / "env", *repaired)
    assert building.run(program(env, "top-tool"), "square", "3") == "10\n"
    said = building.run(program(env), "maps").strip()
    assert said == f"{env.site_packages}/libfoo/lib/libfoo__foo.so.1"
