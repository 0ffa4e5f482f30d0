"""What goes wrong on users' machines, made to go wrong, and what the person there is told."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import building
import cpythons
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, makes ELF files")

FOO = (
    'const char *foo_version(void) { return "another"; } double foo_square(double x) { return -x; }'
)
SHOW = """
try:
    import foo_ext
except ImportError as error:
    print(type(error).__name__, error, f"name={error.name}", f"path={error.path}", sep="\\n")
"""
# Where pip takes the provider for installed.
AGAIN = 'python -m pip install --force-reinstall "libfoo>=1.0.0,<2"'


@pytest.fixture(params=sorted({cpythons.OWN, cpythons.NEWEST}))
def python(request: pytest.FixtureRequest) -> Path:
    return cpythons.need(request.param)


def library(env: building.Environment) -> Path:
    return env.site_packages / "libfoo" / "lib" / "libfoo__foo.so.1"


def requires(env: building.Environment, **changes: str) -> None:
    """Change what the consumer's record says, as if it had been built elsewhere."""
    record = env.site_packages / "foo_ext" / "_native_requires.py"
    text = record.read_text(encoding="utf-8")
    for key, value in changes.items():
        old = next(line for line in text.splitlines() if f"'{key}'" in line)
        text = text.replace(old, f"        '{key}': {value!r},")
    record.write_text(text, encoding="utf-8")


def provides(env: building.Environment, version: str) -> None:
    """Change the version that the provider's manifest says."""
    manifest = env.site_packages / "libfoo" / "_native_libs.py"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace('VERSION = "1.0.0"', f'VERSION = "{version}"'), "utf-8")


# The provider is missing or broken --------------------------------------------------------------


def test_provider_not_installed(installed: building.Environment) -> None:
    installed.uninstall("libfoo")
    said = installed.run(SHOW).splitlines()
    assert said == [
        "LibraryNotFoundError",
        "foo_ext needs the native library 'foo' of the distribution libfoo, which is not installed.",
        f"  needed_by: {installed.site_packages}/foo_ext (built against libfoo 1.0.0)".replace(
            "_by", " by"
        ),
        '  fix:       python -m pip install "libfoo>=1.0.0,<2"',
        "name=libfoo",
        "path=None",
    ]


def test_a_folder_of_the_providers_name_is_no_provider(installed: building.Environment) -> None:
    installed.uninstall("libfoo")
    (installed.folder / "here" / "libfoo").mkdir(parents=True)
    said = installed.run(SHOW, cwd=installed.folder / "here")
    assert said.startswith("LibraryNotFoundError")
    assert "of the distribution libfoo, which is not installed." in said
    found = f"{installed.folder}/here/libfoo (a folder of that name, without the package)"
    assert f"  found:     {found}" in said


def test_another_package_of_the_providers_name(installed: building.Environment) -> None:
    (installed.site_packages / "libfoo" / "__init__.py").write_text("", encoding="utf-8")
    said = installed.run(SHOW)
    assert "what is importable as libfoo is something else." in said
    assert f"  found:     {installed.site_packages}/libfoo/__init__.py\n" in said
    # It is the distribution's own file that was changed.
    assert f"  fix:       {AGAIN}\n" in said


def test_a_file_of_the_providers_name_is_nearer(installed: building.Environment) -> None:
    """pip could install what it likes, if it is there already."""
    nearer = installed.folder / "libfoo.py"
    nearer.write_text("", encoding="utf-8")
    said = installed.run(SHOW)
    assert f"  found:     {nearer}\n" in said
    away = "  fix:       rename or remove that file; it shadows the provider"
    assert f"{away}, which is installed\n" in said
    installed.uninstall("libfoo")
    install = 'python -m pip install "libfoo>=1.0.0,<2"'
    assert f"{away}, then: {install}\n" in installed.run(SHOW)


def test_metadata_is_all_that_is_left(installed: building.Environment) -> None:
    """pip takes the provider for installed, and would do nothing."""
    shutil.rmtree(installed.site_packages / "libfoo")
    said = installed.run(SHOW)
    assert "of the distribution libfoo, which is not installed.\n" in said
    assert f"  fix:       {AGAIN}\n" in said


def test_provider_that_imports_something_absent_is_not_taken_for_absent(
    installed: building.Environment,
) -> None:
    with (installed.site_packages / "libfoo" / "__init__.py").open("a") as file:
        file.write("import something_absent\n")
    said = installed.run(SHOW)
    assert said.startswith("ModuleNotFoundError\nNo module named 'something_absent'")


def test_provider_that_raises_is_not_taken_for_absent(installed: building.Environment) -> None:
    with (installed.site_packages / "libfoo" / "__init__.py").open("a") as file:
        file.write("raise ValueError('broken provider')\n")
    assert "ValueError: broken provider" in installed.run("import foo_ext", fails=True)


@pytest.mark.parametrize(
    ("damage", "state", "system"),
    [
        ("missing", "no such file", "cannot open shared object file"),
        ("empty", "0 bytes", "file too short"),
        ("truncated", "100 bytes", "file too short"),
        ("half", "7000 bytes", "file too short"),
        ("foreign", " bytes, for another machine", "wrong ELF class"),
        ("text", "27 bytes", "file too short"),
        ("folder", "a folder", "Is a directory"),
    ],
)
def test_library_file_is_damaged(
    installed: building.Environment, damage: str, state: str, system: str
) -> None:
    file = library(installed)
    content = file.read_bytes()
    if damage in ("missing", "folder"):
        file.unlink()
        if damage == "folder":
            file.mkdir()
    elif damage == "foreign":  # a 32 bit ELF file for this machine's loader
        file.write_bytes(content[:4] + b"\1" + content[5:])
    else:
        kept = {"empty": b"", "truncated": content[:100], "half": content[:7000]}
        file.write_bytes(kept.get(damage, b"version https://example.org"))
    said = installed.run(SHOW)
    assert said.startswith("LibraryNotFoundError\nlibfoo cannot load its library 'foo'.\n"), said
    assert f"  file:   {file} (" in said
    assert f"{state})" in said
    assert system in said
    assert '  fix:    python -m pip install --force-reinstall --no-deps "libfoo==1.0.0"' in said
    assert said.endswith(f"name=libfoo\npath={file}\n")


def test_no_truncation_kills_the_process(installed: building.Environment) -> None:
    """glibc maps what is not there; the first look at it would be a bus error."""
    code = f"""
import libfoo, os, shutil, sys
whole = {str(library(installed))!r}
size, ends = os.path.getsize(whole), set()
for length in range(0, size, 256):
    shutil.copy(whole, "cut.so")
    os.truncate("cut.so", length)
    child = os.fork()
    if child == 0:
        os.environ["NATIVE_LIB_FOO_PATH"] = "cut.so"
        try:
            libfoo.loader.load()
        except libfoo._shared_lib_manager.LibraryNotFoundError as error:
            os._exit(1 if "cut.so" in str(error) else 9)
        os._exit(0)
    ends.add(os.waitpid(child, 0)[1])
print(sorted(ends))
"""
    # Refused (1), or, where only section headers are cut off, loaded (0); never killed (7: SIGBUS).
    assert installed.run(code) == "[0, 256]\n"


def test_library_of_another_architecture(installed: building.Environment) -> None:
    file = library(installed)
    content = bytearray(file.read_bytes())
    content[18:20] = (183).to_bytes(2, "little")  # e_machine: EM_AARCH64
    file.write_bytes(content)
    said = installed.run(SHOW)
    assert said.startswith("LibraryNotFoundError")
    assert str(file) in said
    assert "cannot open shared object file" in said  # glibc's word for a foreign machine
    assert f"({len(content)} bytes, for another machine)" in said
    assert f"for linux, {building.run('uname', '-m').strip()}" in said


def test_something_that_the_library_needs_is_missing(installed: building.Environment) -> None:
    other = building.compile_library(
        "int other;", installed.folder / "libother.so.2", soname="libother.so.2"
    )
    options = ["-Wl,--no-as-needed", str(other)]
    building.compile_library(FOO, library(installed), *options, soname="libfoo__foo.so.1")
    said = installed.run(SHOW)
    assert "  system: libother.so.2: cannot open shared object file" in said
    assert "  fix:    this file is intact; install what `system` names" in said
    assert "--force-reinstall" not in said


@pytest.mark.parametrize("executable", ["None", "'/absent'", "__file__"])
def test_python_that_does_not_know_its_program(
    installed: building.Environment, executable: str
) -> None:
    library(installed).write_bytes(b"")
    said = installed.run(
        f"import sys, json; __file__ = json.__file__; sys.executable = {executable}\n{SHOW}"
    )
    assert said.startswith("LibraryNotFoundError\nlibfoo cannot load its library 'foo'.")


@pytest.mark.skipif(
    not shutil.which("setpriv"), reason="requires setpriv (util-linux) to be refused"
)
def test_library_is_not_readable(installed: building.Environment) -> None:
    file = library(installed)
    file.chmod(0)
    powers = "-dac_override,-dac_read_search"
    said = building.run(
        *(
            "setpriv",
            f"--bounding-set={powers}",
            f"--inh-caps={powers}",
            installed.python,
            "-c",
            SHOW,
        )
    )
    assert said.startswith("LibraryNotFoundError")
    assert str(file) in said
    assert "Permission denied" in said


# Versions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("compatibility", "built", "there", "fits"),
    [
        ("SameMajorVersion", "1.4.2", "1.4.2", True),
        ("SameMajorVersion", "1.4.2", "1.10.0", True),
        ("SameMajorVersion", "1.4.2", "1.4.2.post1", True),
        ("SameMajorVersion", "1.4.2.post1", "1.4.2", True),
        ("SameMajorVersion", "1.4.2", "1.4.2.post1.dev1", True),
        ("SameMajorVersion", "1.4.2rc1", "1.4.2", True),
        ("SameMajorVersion", "1.4.2", "1.4.1", False),
        ("SameMajorVersion", "1.4.2", "1.4.2rc1", False),
        ("SameMajorVersion", "1.4.2", "1.4.2.dev3", False),
        ("SameMajorVersion", "1.4.2", "2.0.0", False),
        ("SameMajorVersion", "1.4.2", "2.0.0rc1", False),
        ("SameMajorVersion", "1.4.2", "0.9", False),
        ("SameMinorVersion", "1.4.2", "1.4.10", True),
        ("SameMinorVersion", "1.4.2", "1.5.0", False),
        ("ExactVersion", "1.4.2", "1.4.2.post3", True),
        ("ExactVersion", "1.4.2", "1.4.3", False),
        ("ExactVersion", "1.4", "1.4.0", True),
    ],
)
def test_provider_version(
    installed: building.Environment, compatibility: str, built: str, there: str, fits: bool
) -> None:
    bound = f"libfoo>={built},<the next"
    requires(installed, compatibility=compatibility, version=built, requirement=bound)
    provides(installed, there)
    said = installed.run(SHOW)
    if fits:
        assert said == ""
        return
    assert said.splitlines() == [
        "LibraryVersionError",
        f"foo_ext was built against libfoo {built} and needs {bound}, but {there} is installed.",
        f"  provider:  {installed.site_packages}/libfoo ({there})",
        f"  needed by: {installed.site_packages}/foo_ext (built against {built})",
        f'  fix:       python -m pip install "{bound}"',
        "name=libfoo",
        f"path={installed.site_packages}/libfoo",
    ]


@pytest.mark.parametrize("is_users", [False, True], ids=["target", "user's"])
def test_wrong_version_where_pip_does_not_install(
    installed: building.Environment, tmp_path: Path, is_users: bool
) -> None:
    """What pip would install comes later on the path: the command alone fixes nothing."""
    provides(installed, "2.0.0")
    env = {"PYTHONUSERBASE": str(tmp_path / "base")}
    target = installed.users_folder(env) if is_users else tmp_path / "target"
    target.mkdir(parents=True)
    for part in installed.site_packages.glob("libfoo*"):
        shutil.move(part, target / part.name)
    said = installed.run(SHOW, env={"PYTHONPATH": str(target), **env})
    off = f"remove {target} from sys.path; pip does not install there"
    assert f'  fix:       {off}, then: python -m pip install "libfoo>=1.0.0,<2"\n' in said


def test_wrong_version_is_told_before_anything_is_opened(installed: building.Environment) -> None:
    provides(installed, "2.0.0")
    assert building.mapped(installed, SHOW, "foo") == []


def test_provider_of_the_next_major_version_for_real(
    installed: building.Environment, tmp_path: Path
) -> None:
    folder = building.generate(tmp_path, library_version="2.0.0")
    installed.install(building.build(folder / "libfoo", tmp_path / "wheels"))
    assert not library(installed).exists()  # its name ends in .so.2
    assert "needs libfoo>=1.0.0,<2, but 2.0.0 is installed" in installed.run(SHOW)


# Another file owns the name -------------------------------------------------------------------


def test_second_copy_loaded_first(installed: building.Environment) -> None:
    copy = building.compile_library(FOO, installed.folder / "copy.so", soname="libfoo__foo.so.1")
    said = installed.run(f"import ctypes; ctypes.CDLL({str(copy)!r})\n{SHOW}")
    assert said.startswith(
        "LibraryConflictError\nAnother file in this process already has the name"
    )
    assert f"  answers: {copy}\n" in said
    assert f"  ours:    {library(installed)} (libfoo 1.0.0)" in said
    assert "NATIVE_LIB_CONFLICT=warn" in said
    assert said.endswith(f"name=libfoo\npath={copy}\n")


def test_second_copy_is_a_warning_if_asked_for(installed: building.Environment) -> None:
    copy = building.compile_library(FOO, installed.folder / "copy.so", soname="libfoo__foo.so.1")
    said = installed.run(
        f"import ctypes; ctypes.CDLL({str(copy)!r})\nimport foo_ext; print(foo_ext.square(3))",
        env={"NATIVE_LIB_CONFLICT": "warn"},
    )
    assert "RuntimeWarning: Another file in this process already has the name" in said
    assert said.endswith("-3.0\n")  # the operating system did serve the first


def test_second_copy_is_told_once(installed: building.Environment) -> None:
    """Where it has the name, it has the symbols too; its file is no other than the one that serves."""
    source = (
        'const char *foo_version(void) { return "1"; } double foo_square(double x) { return -x; }'
    )
    copy = building.compile_library(source, installed.folder / "copy.so", soname="libfoo__foo.so.1")
    said = installed.run(
        "import foo_ext; print(foo_ext.square(3))",
        env={"NATIVE_LIB_CONFLICT": "warn", "LD_PRELOAD": str(copy)},
    )
    assert said.count("RuntimeWarning: ") == 1
    assert "Another file in this process already has the name" in said
    assert said.endswith("-3.0\n")


def test_what_is_told_is_what_answers(installed: building.Environment) -> None:
    copy = building.compile_library(FOO, installed.folder / "copy.so", soname="libfoo__foo.so.1")
    code = f"""
import ctypes, libfoo; ctypes.CDLL({str(copy)!r})
print(*libfoo.loader.load())
"""
    said = installed.run(code, env={"NATIVE_LIB_CONFLICT": "warn"})
    told = f"LoadedLibrary(name='foo', path={str(copy)!r}, origin='already-loaded')\n"
    assert said.endswith(told)


def test_our_own_file_loaded_before_is_no_conflict(installed: building.Environment) -> None:
    code = f"import ctypes; ctypes.CDLL({str(library(installed))!r}); import foo_ext"
    assert building.mapped(installed, code, "foo.so") == [str(library(installed))]


def test_copy_loaded_afterwards_does_no_harm(installed: building.Environment) -> None:
    copy = building.compile_library(FOO, installed.folder / "copy.so", soname="libfoo__foo.so.1")
    code = f"import foo_ext, ctypes; ctypes.CDLL({str(copy)!r}); print(foo_ext.square(3))"
    assert installed.run(code) == "9.0\n"


def test_symbols_that_are_taken_between_two_consumers(
    installed: building.Environment, stranger: Path
) -> None:
    """The first consumer is bound already; the second would be bound to the stranger."""
    code = f"""
import ctypes, foo_ext
ctypes.CDLL({str(stranger)!r}, ctypes.RTLD_GLOBAL)
print(foo_ext.square(3))
import sys; del sys.modules["foo_ext"], sys.modules["foo_ext._ext"]
{SHOW}"""
    said = installed.run(code)
    assert said.startswith(
        "9.0\nLibraryConflictError\nAnother loaded file already defines foo_version"
    )


def test_misleading_search_paths_are_not_followed(installed: building.Environment) -> None:
    building.compile_library(FOO, installed.folder / "libfoo__foo.so.1", soname="libfoo__foo.so.1")
    env = {"LD_LIBRARY_PATH": str(installed.folder)}
    assert installed.run("import foo_ext; print(foo_ext.square(3))", env=env) == "9.0\n"


def test_plain_name_accepts_the_copy_that_is_loaded(
    plain_pair: building.Pair, python: Path, tmp_path: Path
) -> None:
    wheels = (plain_pair.provider, plain_pair.consumer)
    env = building.new_environment(tmp_path / "env", *wheels, python=python)
    copy = building.compile_library(FOO, tmp_path / "system" / "libfoo.so.1", soname="libfoo.so.1")
    code = f"""
import ctypes; ctypes.CDLL({str(copy)!r})
import foo_ext, libfoo
print(foo_ext.square(3), *libfoo.loader.load())
"""
    assert env.run(code) == (
        f"-3.0 LoadedLibrary(name='foo', path={str(copy)!r}, origin='already-loaded')\n"
    )


# Another file owns the symbols ----------------------------------------------------------------


@pytest.fixture
def stranger(installed: building.Environment) -> Path:
    """A library of another name with the same function names."""
    return building.compile_library(FOO, installed.folder / "stranger.so", soname="stranger.so")


def test_preloaded_symbols(installed: building.Environment, stranger: Path) -> None:
    said = installed.run(SHOW, env={"LD_PRELOAD": str(stranger)})
    assert said.startswith("LibraryConflictError\nAnother loaded file already defines foo_version,")
    assert "so calls meant for libfoo would go there" in said
    assert f"  answers: {stranger}\n" in said
    assert f"  ours:    {library(installed)} (libfoo 1.0.0)" in said


def test_global_symbols(installed: building.Environment, stranger: Path) -> None:
    code = f"import ctypes; ctypes.CDLL({str(stranger)!r}, ctypes.RTLD_GLOBAL)\n{SHOW}"
    assert f"  answers: {stranger}\n" in installed.run(code)


def test_local_symbols_are_no_conflict(installed: building.Environment, stranger: Path) -> None:
    code = (
        f"import ctypes; ctypes.CDLL({str(stranger)!r})\nimport foo_ext; print(foo_ext.square(3))"
    )
    assert installed.run(code) == "9.0\n"


def test_symbols_in_the_way_are_a_warning_if_asked_for(
    installed: building.Environment, stranger: Path
) -> None:
    env = {"LD_PRELOAD": str(stranger), "NATIVE_LIB_CONFLICT": "warn"}
    said = installed.run("import foo_ext; print(foo_ext.square(3))", env=env)
    assert "RuntimeWarning: Another loaded file already defines foo_version" in said
    assert said.endswith("-3.0\n")  # the consumer really was bound to the stranger


def test_our_own_file_preloaded_is_no_conflict(installed: building.Environment) -> None:
    env = {"LD_PRELOAD": str(library(installed))}
    assert installed.run("import foo_ext; print(foo_ext.square(3))", env=env) == "9.0\n"


def test_our_own_file_loaded_globally_is_no_conflict(installed: building.Environment) -> None:
    code = f"""
import ctypes; ctypes.CDLL({str(library(installed))!r}, ctypes.RTLD_GLOBAL)
import foo_ext; print(foo_ext.square(3))
"""
    assert installed.run(code) == "9.0\n"


@pytest.mark.parametrize(
    ("ours", "theirs", "conflict"),
    [
        ("FOO_1", "BAR_1", False),
        ("FOO_1", "FOO_1", True),
        ("FOO_1", None, True),
        (None, "BAR_1", True),
    ],
)
def test_symbol_versions(
    installed: building.Environment, ours: str | None, theirs: str | None, conflict: bool
) -> None:
    """The loader's verdict is what the operating system then does with the consumer's reference."""

    def versioned(output: Path, node: str | None, factor: int, soname: str) -> Path:
        script = output.with_suffix(".map")
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"{node} {{ foo_*; }};", encoding="utf-8")
        source = f'const char *foo_version(void) {{ return "{factor}"; }}' + (
            f" double foo_square(double x) {{ return {factor} * x; }}"
        )
        options = [f"-Wl,--version-script={script}"] if node else []
        return building.compile_library(source, output, *options, soname=soname)

    env = installed
    versioned(library(env), ours, 1, "libfoo__foo.so.1")
    stranger = versioned(env.folder / "theirs" / "stranger.so", theirs, 2, "stranger.so")
    # A consumer that was linked against our versions: what the extension module would be.
    consumer = building.compile_library(
        "double foo_square(double); double asked(double x) { return foo_square(x); }",
        env.folder / "consumer.so",
        str(library(env)),
    )
    code = f"""
import ctypes, libfoo
try:
    libfoo.loader.load()
except ImportError as error:
    print(type(error).__name__)
asked = ctypes.CDLL({str(consumer)!r}).asked
asked.restype, asked.argtypes = ctypes.c_double, [ctypes.c_double]
print(asked(3))
"""
    said = env.run(code, env={"LD_PRELOAD": str(stranger)})
    assert said == ("LibraryConflictError\n6.0\n" if conflict else "3.0\n")


# What the person there can do ------------------------------------------------------------------


def test_debug_tells_what_was_chosen(installed: building.Environment) -> None:
    said = installed.run("import foo_ext", env={"NATIVE_LIB_DEBUG": "1"})
    assert said.splitlines() == [
        "native-lib: foo_ext requires libfoo>=1.0.0,<2, there is 1.0.0",
        f"native-lib: libfoo: foo is {library(installed)} (wheel)",
    ]


def test_debug_line_is_written_by_one_call(installed: building.Environment) -> None:
    """So lines of interpreters that run in parallel do not run into each other."""
    code = """
import sys
class Recorder:
    def write(self, text):
        print(repr(text))
    def flush(self):
        pass
sys.stderr = Recorder()
import foo_ext
"""
    said = installed.run(code, env={"NATIVE_LIB_DEBUG": "1"}).splitlines()
    assert said == [
        repr("native-lib: foo_ext requires libfoo>=1.0.0,<2, there is 1.0.0\n"),
        repr(f"native-lib: libfoo: foo is {library(installed)} (wheel)\n"),
    ]


@pytest.mark.parametrize("value", ["", "0", "false", "no", "off", "OFF"])
def test_debug_is_off(installed: building.Environment, value: str) -> None:
    assert installed.run("import foo_ext", env={"NATIVE_LIB_DEBUG": value}) == ""


def test_path_in_the_environment_is_opened_instead(installed: building.Environment) -> None:
    other = installed.folder / "mine" / "libfoo__foo.so.1"
    other.parent.mkdir()
    shutil.copy(library(installed), other)
    env = {"NATIVE_LIB_FOO_PATH": str(other)}
    code = "import foo_ext, libfoo; assert libfoo.loader.load()[0].origin == 'override'"
    assert building.mapped(installed, code, "foo.so", **env) == [str(other)]


def test_path_in_the_environment_does_not_win_over_a_loaded_copy(
    plain_pair: building.Pair, python: Path, tmp_path: Path
) -> None:
    env = building.new_environment(tmp_path / "env", plain_pair.provider, python=python)
    loaded = building.compile_library(
        FOO, tmp_path / "loaded" / "libfoo.so.1", soname="libfoo.so.1"
    )
    named = building.compile_library(FOO, tmp_path / "named" / "libfoo.so.1", soname="libfoo.so.1")
    said = env.run(
        f"import ctypes, libfoo; ctypes.CDLL({str(loaded)!r}); libfoo.loader.load()",
        env={"NATIVE_LIB_FOO_PATH": str(named)},
        fails=True,
    )
    assert "LibraryConflictError" in said
    assert f"  answers: {loaded}\n  ours:    {named}" in said


def test_path_in_the_environment_is_wrong(installed: building.Environment) -> None:
    said = installed.run(SHOW, env={"NATIVE_LIB_FOO_PATH": "/absent/libfoo.so"})
    assert said.startswith("LibraryNotFoundError")
    assert "  file:   /absent/libfoo.so (no such file)" in said
    assert "  fix:    correct or unset NATIVE_LIB_FOO_PATH" in said


def test_private_name_has_no_system_copy(installed: building.Environment) -> None:
    env = {"PREFER_FOO_SYSTEM_LIBRARY": "1", "NATIVE_LIB_DEBUG": "1"}
    said = installed.run("import foo_ext", env=env)
    assert "libfoo: libfoo__foo.so.1 is a private name, no system has it" in said
    assert "(wheel)" in said


@pytest.mark.parametrize(
    ("variable", "argument", "origin"),
    [
        ("1", None, "system"),
        ("0", None, "wheel"),
        ("", None, "wheel"),
        ("", True, "wheel"),
        (None, True, "system"),
        (None, False, "wheel"),
        ("no", True, "wheel"),
        ("yes", False, "system"),
    ],
)
def test_plain_name_of_the_system(
    plain_pair: building.Pair,
    python: Path,
    tmp_path: Path,
    variable: str | None,
    argument: bool | None,
    origin: str,
) -> None:
    env = building.new_environment(tmp_path / "env", plain_pair.provider, python=python)
    system = building.compile_library(
        FOO, tmp_path / "system" / "libfoo.so.1", soname="libfoo.so.1"
    )
    path = str(system) if origin == "system" else f"{env.site_packages}/libfoo/lib/libfoo.so.1"
    said = env.run(
        f"import libfoo; print(*libfoo.loader.load(prefer_system={argument}))",
        env={
            "LD_LIBRARY_PATH": str(system.parent),
            **({} if variable is None else {"PREFER_FOO_SYSTEM_LIBRARY": variable}),
        },
    )
    assert said == f"LoadedLibrary(name='foo', path={path!r}, origin={origin!r})\n"


def test_plain_name_that_the_system_lacks(
    plain_pair: building.Pair, python: Path, tmp_path: Path
) -> None:
    env = building.new_environment(tmp_path / "env", plain_pair.provider, python=python)
    said = env.run(
        "import libfoo; print(libfoo.loader.load()[0].origin)",
        env={"PREFER_FOO_SYSTEM_LIBRARY": "1", "NATIVE_LIB_DEBUG": "1"},
    )
    assert "libfoo: the system has no libfoo.so.1" in said
    assert said.endswith("wheel\n")


def test_asking_for_the_name_loads_nothing(installed: building.Environment) -> None:
    """Our file answers to no name here, and the system's search would find one that does."""
    building.compile_library(FOO, library(installed))
    other = building.compile_library(FOO, installed.folder / "other" / "libfoo__foo.so.1")
    env = {"LD_LIBRARY_PATH": str(other.parent), "NATIVE_LIB_DEBUG": "1"}
    code = "import libfoo; libfoo.loader.load()"
    assert "libfoo__foo.so.1 is not verified, no file answers to it" in installed.run(code, env=env)
    assert building.mapped(installed, code, "foo.so", **env) == [str(library(installed))]


def test_probe_symbol_that_is_not_exported(installed: building.Environment, stranger: Path) -> None:
    building.compile_library("int other;", library(installed), soname="libfoo__foo.so.1")
    env = {"LD_PRELOAD": str(stranger), "NATIVE_LIB_DEBUG": "1"}
    said = installed.run("import libfoo; libfoo.loader.load()", env=env)
    assert f"symbols are not verified, {library(installed)} has no foo_version" in said


def test_the_program_itself_holds_the_symbols(installed: building.Environment) -> None:
    """As Debian's python holds zlib's: its own, or those of a library it was linked against."""
    asked = "import sysconfig as s; print(*s.get_config_vars('INCLUDEPY', 'LIBDIR', 'LDVERSION'))"
    include, folder, version = building.run(installed.python, "-c", asked).split()
    if not list(Path(folder).glob(f"libpython{version}.*")):
        pytest.skip(f"requires a library libpython{version} to embed")
    source = installed.folder / "program.c"
    source.write_text(
        f"#include <Python.h>\n{FOO}\n"
        "int main(int count, char **words) { return Py_BytesMain(count, words); }\n",
        encoding="utf-8",
    )
    program = installed.folder / "program"
    building.run(
        *("cc", "-rdynamic", f"-I{include}", "-o", program, source, f"-L{folder}"),
        *(f"-lpython{version}", f"-Wl,-rpath,{folder}", "-lm", "-ldl", "-lpthread", "-lutil"),
    )
    env = {"PYTHONPATH": str(installed.site_packages)}
    # From 3.14 on, a Python that does not find itself warns first, on standard error.
    said = building.run(program, "-c", SHOW, env=env, stderr=subprocess.PIPE)
    assert said.startswith("LibraryConflictError")
    assert f"  answers: {program}\n" in said
