"""Do the fix lines of the loader's errors fix? Each fault is made, and what is told is what helps."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import building
import pytest
import wheels

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="makes ELF files, and glibc's words"
)

FOO = 'const char *foo_version(void) { return "1.0.0"; } double foo_square(double x) { return x * x; }'
# The kernel then gives no memory the right to be run that was written to, as SELinux does.
NO_NEW_CODE = "import ctypes; assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0  # PR_SET_MDWE\n"


def library(env: building.Environment) -> Path:
    return env.site_packages / "libfoo" / "lib" / "libfoo__foo.so.1"


def put(env: building.Environment, source: str, *options: str) -> Path:
    """Put another library into the provider, as if it had been built so."""
    building.compile_library(source, library(env), *options, soname="libfoo__foo.so.1")
    building.record_as_it_is(env.site_packages, library(env))
    return library(env)


def fix(said: str) -> str:
    (line,) = re.findall(r"^ *fix: +(.*)$", said, re.MULTILINE)
    return str(line)


def told(said: str) -> str:
    """Return the fix of an error about an intact file, which nobody needs to install again."""
    assert said.startswith("LibraryNotFoundError\n"), said
    assert "reinstall" not in said
    assert "pip install" not in said
    return fix(said)


def test_no_room_for_static_tls(installed: building.Environment) -> None:
    big = '__thread char big[16384] __attribute__((tls_model("initial-exec"))) = {1};\n'
    put(installed, f"{big}{FOO}\nchar *foo_big(void) {{ return big; }}")
    said = installed.run(building.SHOW)
    assert "cannot allocate memory in static TLS block" in said
    assert "  means:  this file requires memory that glibc can reserve only when" in said
    helps = told(said)
    assert helps.startswith("this file is intact; import it before other large libraries, or set ")
    (value,) = re.findall(r"GLIBC_TUNABLES=(\S+)", helps)
    assert installed.run(building.SHOW, env={"GLIBC_TUNABLES": value}) == "9.0\n"


@pytest.mark.skipif(not shutil.which("unshare"), reason="requires util-linux")
def test_file_system_mounted_noexec(installed: building.Environment) -> None:
    """In a namespace of its own, which takes the mount away with it."""
    folder = library(installed).parent
    steps = (
        f'cp -r "{folder}" "{installed.folder}/copy" && mount -t tmpfs -o noexec none "{folder}" && '
        f'cp -r "{installed.folder}"/copy/* "{folder}" && exec "$@"'
    )
    unshare = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", steps, "sh")
    try:
        said = building.run(*unshare, installed.python, "-c", building.SHOW)
    except building.CommandError as error:
        pytest.skip(f"requires the right to mount: {error}")
    assert "failed to map segment from shared object" in said
    assert "  means:  this file is on a file system mounted noexec, where no code may run" in said
    helps = (
        "this file is intact; have it mounted without noexec, or install into a folder elsewhere"
    )
    assert told(said) == helps


def test_c_library_that_is_too_old(installed: building.Environment) -> None:
    """The library was linked against a C library of the future."""
    libc = installed.folder / "future" / "libc.so.6"
    libc.parent.mkdir()
    (libc.parent / "map").write_text("GLIBC_2.99 { foo_new; };", encoding="utf-8")
    version = f"-Wl,--version-script={libc.parent / 'map'}"
    building.compile_library(
        "int foo_new(void) { return 1; }", libc, version, "-nostdlib", soname="libc.so.6"
    )
    put(
        installed,
        f"int foo_new(void);\nint foo_uses(void) {{ return foo_new(); }}\n{FOO}",
        str(libc),
    )
    said = installed.run(building.SHOW)
    assert "version `GLIBC_2.99' not found (required by " in said
    assert "  means:  this file was built for a newer system than this one\n" in said
    assert told(said).startswith("this file is intact; install a release that was built for this")
    # A frozen program has all that it needs with it, except the C library.
    said = installed.run(f"import sys; sys.frozen = True\n{building.SHOW}")
    assert fix(said).endswith("build this program again on a system that is as old as this one")


def test_executable_stack_that_is_refused(installed: building.Environment) -> None:
    put(installed, FOO, "-Wl,-z,execstack")
    said = installed.run(NO_NEW_CODE + building.SHOW)
    assert "cannot enable executable stack as shared object requires" in said
    assert "patchelf --clear-execstack" in told(said)


def test_code_that_the_loader_may_not_change(installed: building.Environment) -> None:
    """What SELinux's execmod forbids, forbidden by the kernel."""
    code = (
        '__asm__(".text\\n.globl foo_moved\\nfoo_moved: movabs $foo_data, %rax\\nret\\n");\n'
        "int foo_data = 1;\n"
    )
    if building.run("uname", "-m").strip() != "x86_64":
        pytest.skip("requires x86_64: its assembler")
    put(installed, code + FOO, "-Wl,-z,notext")
    said = installed.run(NO_NEW_CODE + building.SHOW)
    assert re.search("cannot (restore segment prot|make segment writable)", said)
    assert "its authors must compile all of it with -fPIC" in told(said)


def test_selinux_refuses_to_map_it_simulated(installed: building.Environment) -> None:
    """Simulated: glibc's words where SELinux denies `execute`, which is no file system's doing."""
    code = f"""
import _ctypes
def refuse(path, *mode):
    raise OSError(f"{{path}}: failed to map segment from shared object: Permission denied")
_ctypes.dlopen = refuse
{building.SHOW}"""
    said = installed.run(code)
    assert (
        "  means:  this file may not be run: its file system is mounted noexec, or a policy" in said
    )
    assert f"findmnt --target {library(installed)} shows how it is mounted" in told(said)


def test_something_that_it_needs_is_missing(installed: building.Environment) -> None:
    other = building.compile_library(
        "int other;", installed.folder / "libother.so.2", soname="libother.so.2"
    )
    put(installed, FOO, "-Wl,--no-as-needed", str(other))
    said = installed.run(building.SHOW)
    helps = "this file is intact; install what `system` names, in the version it names"
    assert told(said) == helps


def test_function_that_nobody_has(installed: building.Environment) -> None:
    put(installed, f"int bar(void);\nint foo_uses(void) {{ return bar(); }}\n{FOO}")
    said = installed.run(building.SHOW)
    assert "undefined symbol: bar" in said
    assert "in the version that this library was built against" in told(said)


def test_another_machines_file_that_is_intact(installed: building.Environment) -> None:
    file = library(installed)
    file.write_bytes(wheels.for_another_processor(file.read_bytes()))
    building.record_as_it_is(installed.site_packages, file)
    said = installed.run(building.SHOW)
    assert "  means:  this file is for another architecture than this Python\n" in said
    assert "an environment that was copied from another machine must be made anew" in told(said)


def test_file_that_is_no_library_and_intact(installed: building.Environment) -> None:
    """Its author put it there so; to install it again changes nothing."""
    library(installed).write_bytes(b"version https://example.org\n")
    building.record_as_it_is(installed.site_packages, library(installed))
    helps = (
        "this file is intact; report this to the authors of libfoo; only another release can help"
    )
    assert told(installed.run(building.SHOW)) == helps


@pytest.mark.skipif(not shutil.which("setpriv"), reason="requires setpriv (util-linux)")
def test_file_that_may_not_be_read(installed: building.Environment) -> None:
    library(installed).chmod(0)
    powers = "-dac_override,-dac_read_search"
    without = ("setpriv", f"--bounding-set={powers}", f"--inh-caps={powers}")
    said = building.run(*without, installed.python, "-c", building.SHOW)
    assert "Permission denied" in said
    assert told(said).startswith("give this user the right to read and execute it")


def test_damaged_file_is_installed_again(installed: building.Environment) -> None:
    """The opposite: the fix line is pip's, and is what it was."""
    library(installed).write_bytes(library(installed).read_bytes()[:7000])
    again = 'python -m pip install --force-reinstall --no-deps "libfoo==1.0.0"'
    assert fix(installed.run(building.SHOW)) == again


# An environment without pip ----------------------------------------------------------------------


def without_pip(env: building.Environment) -> building.Environment:
    (env.site_packages / "pip.py").unlink()
    return env


def test_uv_is_named_and_does_it(installed: building.Environment, pair: building.Pair) -> None:
    env = without_pip(installed)
    env.uninstall("libfoo")
    helps = fix(env.run(building.SHOW))
    assert helps == f'uv pip install --python "{env.python}" "libfoo>=1.0.0,<2"'
    links = {
        "UV_FIND_LINKS": str(pair.provider.parent),
        "UV_NO_INDEX": "1",
        "UV_CACHE_DIR": f"{env.folder}/cache",
    }
    beside = f"{Path(building.tool('uv')).parent}:{os.environ['PATH']}"
    building.run("sh", "-c", helps, env={**links, "PATH": beside})
    assert env.run(building.SHOW) == "9.0\n"
    library(env).write_bytes(b"")  # and with it, through a hard link, the file in uv's cache
    helps = fix(env.run(building.SHOW))
    assert helps.endswith('--reinstall --no-cache --no-deps "libfoo==1.0.0"')
    building.run("sh", "-c", helps, env={**links, "PATH": beside})
    assert env.run(building.SHOW) == "9.0\n"


@pytest.mark.parametrize("kind", ["conda", "ensurepip", "nothing"])
def test_what_gets_pip_is_named(installed: building.Environment, kind: str) -> None:
    env = without_pip(installed)
    env.uninstall("libfoo")
    config = env.folder / "pyvenv.cfg"
    config.write_text(re.sub(r"(?m)^uv *=.*\n", "", config.read_text("utf-8")), encoding="utf-8")
    if kind == "conda":
        (env.folder / "conda-meta").mkdir()
    # Debian's Pythons have no ensurepip.
    hide = ""
    if kind == "nothing":
        hide = (
            "from importlib.machinery import PathFinder as it; find = it.find_spec\n"
            "it.find_spec = lambda name, *more: None if name == 'ensurepip' else find(name, *more)\n"
        )
    helps = fix(env.run(hide + building.SHOW, env={"PATH": "/nowhere"}))
    begin = {
        "conda": "conda install pip, then: ",
        "ensurepip": "python -m ensurepip, then: ",
        "nothing": "install pip (this Python has none), then: ",
    }
    assert helps == f'{begin[kind]}python -m pip install "libfoo>=1.0.0,<2"'


# The process has another version than the disk ---------------------------------------------------

REPLACED = """
import libfoo, pathlib, re
manifest = pathlib.Path(libfoo.__file__).with_name("_native_libs.py")
manifest.write_text(manifest.read_text().replace('VERSION = "1.0.0"', 'VERSION = "{version}"'))
import os; os.utime(manifest, (0, 0))  # another time than the compiled file's
"""
RESTART = "restart this process: it has libfoo 1.0.0, and {version} was installed since"


@pytest.mark.parametrize("version", ["1.1.0", "0.9.0"], ids=["upgraded", "downgraded"])
def test_version_error_after_the_provider_was_replaced(
    installed: building.Environment, version: str
) -> None:
    """A consumer that was installed at the same time; pip would find nothing to do."""
    requires = installed.site_packages / "foo_ext" / "_native_requires.py"
    text = requires.read_text("utf-8").replace("'version': '1.0.0'", "'version': '1.1.0'")
    requires.write_text(text.replace(">=1.0.0,<2", ">=1.1.0,<2"), encoding="utf-8")
    said = installed.run(REPLACED.format(version=version) + building.SHOW)
    assert said.startswith("LibraryVersionError\n")
    assert "needs libfoo>=1.1.0,<2, but this process has 1.0.0.\n" in said
    assert fix(said) == RESTART.format(version=version)
    assert (installed.run(building.SHOW) == "9.0\n") == (version == "1.1.0")


def test_file_that_is_gone_after_the_provider_was_replaced(
    installed: building.Environment,
) -> None:
    """The next major version has a file of another name."""
    code = REPLACED.format(version="2.0.0")
    gone = f"pathlib.Path({str(library(installed))!r}).unlink()\n"
    said = installed.run(code + gone + building.SHOW)
    assert said.startswith("LibraryNotFoundError\n")
    assert fix(said) == RESTART.format(version="2.0.0")


def test_conflict_after_the_provider_was_replaced(installed: building.Environment) -> None:
    copy = shutil.copy(library(installed), installed.folder / "copy.so")
    before = f"import ctypes; ctypes.CDLL({str(copy)!r})\n{REPLACED.format(version='1.0.1')}"
    said = installed.run(before + building.SHOW)
    assert said.startswith("LibraryConflictError\n")
    assert fix(said) == RESTART.format(version="1.0.1")


def test_library_that_only_the_new_version_has(installed: building.Environment) -> None:
    code = REPLACED.format(version="1.1.0") + (
        "try:\n    libfoo.loader.load('bar')\nexcept ImportError as error:\n    print(error)\n"
    )
    said = installed.run(code)
    assert said.startswith("libfoo 1.0.0 ships no library 'bar'; it has foo\n")
    assert fix(said) == RESTART.format(version="1.1.0")


def test_provider_that_was_replaced_for_real(
    installed: building.Environment, tmp_path: Path
) -> None:
    """A notebook whose environment gets the next major version of the provider."""
    folder = building.generate(tmp_path, library_version="2.0.0")
    new = building.build(folder / "libfoo", tmp_path / "wheels")
    install = (building.tool("uv"), "pip", "install", "-q", "--no-deps", "--python")
    code = f"import libfoo, subprocess\nsubprocess.check_call({[*map(str, install)]!r} + "
    code += f"[{str(installed.python)!r}, {str(new)!r}])\n"
    said = installed.run(code + building.SHOW)
    assert fix(said) == RESTART.format(version="2.0.0")


def test_provider_that_was_installed_since(installed: building.Environment) -> None:
    """A folder of its name was imported before: Python does not look again."""
    place, away = installed.site_packages / "libfoo", installed.folder / "away"
    shutil.move(place, away)
    (installed.folder / "here" / "libfoo").mkdir(parents=True)
    code = (
        f"{building.SHOW}import shutil; shutil.move({str(away)!r}, {str(place)!r})\n{building.SHOW}"
    )
    said = installed.run(code, cwd=installed.folder / "here")
    first, second = re.findall(r"^ *fix: +(.*)$", said, re.MULTILINE)
    assert first == 'python -m pip install --force-reinstall "libfoo>=1.0.0,<2"'
    assert second == f"restart this process: {place / '__init__.py'} was installed since"


# A program that opened libpython itself ----------------------------------------------------------

HOST = """
#include <dlfcn.h>
#include <stdio.h>
int main(int count, char **words) {
    void *python = dlopen(words[1], RTLD_NOW | (words[2][0] == 'G' ? RTLD_GLOBAL : RTLD_LOCAL));
    if (!python) { puts(dlerror()); return 1; }
    int (*run)(int, char **) = (int (*)(int, char **))dlsym(python, "Py_BytesMain");
    char *arguments[] = {"host", "-c", words[3], 0};
    return run(3, arguments);
}
"""


@pytest.mark.parametrize("mode", ["LOCAL", "GLOBAL"])
def test_libpython_that_was_opened_locally(installed: building.Environment, mode: str) -> None:
    asked = "import sysconfig as s; print(*s.get_config_vars('LIBDIR', 'LDVERSION'))"
    folder, version = building.run(installed.python, "-c", asked).split()
    python = next(Path(folder).glob(f"libpython{version}.so.*"), None)
    if python is None:
        pytest.skip(f"requires a shared library libpython{version}")
    source, program = installed.folder / "host.c", installed.folder / "host"
    source.write_text(HOST, encoding="utf-8")
    building.run("cc", "-o", program, source, "-ldl")
    prefix = building.run(installed.python, "-c", "import sys; print(sys.base_prefix)").strip()
    env = {"PYTHONPATH": str(installed.site_packages), "PYTHONHOME": prefix}
    said = building.run(program, python, mode, building.SHOW, env=env, stderr=subprocess.PIPE)
    if mode == "GLOBAL":
        assert said == "9.0\n"
        return
    assert said.startswith("NativeLibraryError\n"), said
    assert "no extension module can be imported here, Python's own _ctypes neither" in said
    assert "built without" not in said
    assert fix(said) == "that program must open libpython with RTLD_GLOBAL, or be linked to it"


# What the loader cannot see, and the doctor does -------------------------------------------------


def test_part_of_our_symbols_in_the_global_scope(installed: building.Environment) -> None:
    """Another package opens its library with RTLD_GLOBAL. The probe symbol is not among its own."""
    package = installed.site_packages / "stranger"
    package.mkdir()
    copy = building.compile_library(
        "double foo_square(double x) { return -x; }", package / "theirs.so", soname="theirs.so"
    )
    package.joinpath("__init__.py").write_text(
        f"import ctypes; ctypes.CDLL({str(copy)!r}, ctypes.RTLD_GLOBAL)\n", encoding="utf-8"
    )
    use = "foo_ext; print(foo_ext.square(3))"
    assert installed.run(f"import stranger, {use}") == "-3.0\n"  # nobody sees that it is wrong
    assert installed.run(f"import {use}; import stranger") == "9.0\n"
    paths = f"{installed.site_packages}:{building.ROOT / 'loader' / 'src'}"
    doctor = (sys.executable, "-m", "native_lib", "doctor", "stranger", "foo_ext")
    said = building.run(*doctor, env={"PYTHONPATH": paths}, fails=True)
    assert "nothing is broken" not in said
    scope = "in the global scope once stranger is imported: calls meant for libfoo__foo.so.1"
    assert f"error: libfoo: {copy} already defines foo_square {scope}" in said
    assert "import the users of libfoo before stranger" in said
