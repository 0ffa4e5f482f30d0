"""The situations of tests/pair/test_situations.py, each made on musl; in its order.

Left out, as no C library has a part in it: what importable provider is none (a mere folder, another
package or file, one that raises), what pip would then do, and the values of NATIVE_LIB_DEBUG.
"""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING, Callable

import building
import pytest
from platforms import cross
from platforms.elsewhere import FOO, Elsewhere

if TYPE_CHECKING:
    from pathlib import Path

Built = Callable[[str, str], "Path"]
Once = Callable[[str, Callable[["Path"], "Path"]], "Path"]

TARGET = cross.TARGETS["musl-x86_64"]
PROVIDER = "libfoo__foo.so.1"


def provides(musl: Elsewhere, version: str) -> None:
    """Change the version that the provider's manifest says."""
    manifest = musl.provider / "_native_libs.py"
    text = manifest.read_text("utf-8")
    assert 'VERSION = "1.0.0"' in text
    manifest.write_text(text.replace('VERSION = "1.0.0"', f'VERSION = "{version}"'), "utf-8")


# The provider is missing or broken --------------------------------------------------------------


def test_provider_not_installed(musl: Elsewhere) -> None:
    shutil.rmtree(musl.provider)
    assert musl.run(building.SHOW).splitlines() == [
        "LibraryNotFoundError",
        "foo_ext needs the native library 'foo' of the distribution libfoo, which is not installed.",
        f"  needed by: {musl.consumer} (built against libfoo 1.0.0)",
        '  fix:       python -m pip install "libfoo>=1.0.0,<2"',
    ]


@pytest.mark.parametrize(
    ("damage", "state", "system"),
    [
        ("missing", "no such file", "No such file or directory"),
        ("empty", "0 bytes", "Exec format error"),
        ("truncated", "100 bytes", "file too short"),
        ("half", "1000 bytes", "file too short"),
        ("foreign", " bytes, for another machine", "for another machine"),
        ("text", "27 bytes", "Exec format error"),
        ("folder", "a folder", "Is a directory"),
    ],
)
def test_library_file_is_damaged(musl: Elsewhere, damage: str, state: str, system: str) -> None:
    content = musl.library.read_bytes()
    if damage in ("missing", "folder"):
        musl.library.unlink()
        if damage == "folder":
            musl.library.mkdir()
    elif damage == "foreign":  # an ELF file of 32 bits, which musl would map all the same
        musl.library.write_bytes(content[:4] + b"\1" + content[5:])
    else:
        kept = {"empty": b"", "truncated": content[:100], "half": content[:1000]}
        musl.library.write_bytes(kept.get(damage, b"version https://example.org"))
    said = musl.run(building.SHOW)
    assert said.startswith("LibraryNotFoundError\nlibfoo cannot load its library 'foo'.\n"), said
    assert f"  file:   {musl.library} (" in said
    assert f"{state})" in said
    assert system in said
    assert '  fix:    python -m pip install --force-reinstall --no-deps "libfoo==1.0.0"' in said


def test_no_truncation_kills_the_process(musl: Elsewhere) -> None:
    """musl, too, maps what is not there."""
    code = f"""
import libfoo, os, shutil
whole, cut = {str(musl.library)!r}, {str(musl.folder / "cut.so")!r}
size, ends = os.path.getsize(whole), set()
for length in range(0, size, 256):
    shutil.copy(whole, cut)
    os.truncate(cut, length)
    child = os.fork()
    if child == 0:
        os.environ["NATIVE_LIB_FOO_PATH"] = cut
        try:
            libfoo.loader.load()
        except libfoo._shared_lib_manager.LibraryNotFoundError as error:
            os._exit(1 if "cut.so" in str(error) else 9)
        os._exit(0)
    ends.add(os.waitpid(child, 0)[1])
print(sorted(ends))
"""
    # Refused (1), or, where only section headers are cut off, loaded (0); never killed (7: SIGBUS).
    assert musl.run(code) == "[0, 256]\n"


def test_library_of_another_architecture(musl: Elsewhere, built: Built) -> None:
    """musl does not look; without the loader's own look the process dies of its first instruction."""
    shutil.copy(built("linux-aarch64", "c") / "libfoo" / "lib" / PROVIDER, musl.library)
    said = musl.run(building.SHOW)
    assert said.startswith("LibraryNotFoundError\nlibfoo cannot load its library 'foo'.")
    assert f"{musl.library} ({musl.library.stat().st_size} bytes, for another machine)" in said


def test_something_that_the_library_needs_is_missing(musl: Elsewhere) -> None:
    other = musl.compile(musl.folder / "libother.so.2", "int other(void) { return 1; }")
    code = f"int other(void); int another(void) {{ return other(); }} {FOO}"
    musl.compile(musl.library, code, str(other))
    said = musl.run(building.SHOW)
    assert "  system: Error loading shared library libother.so.2: No such file" in said
    assert "  fix:    this file is intact; install what `system` names" in said
    assert "--force-reinstall" not in said


@pytest.mark.parametrize("executable", ["None", "'/absent'", "json.__file__"])
def test_python_that_does_not_know_its_program(musl: Elsewhere, executable: str) -> None:
    musl.library.write_bytes(b"")
    said = musl.run(f"import sys, json; sys.executable = {executable}\n{building.SHOW}")
    assert said.startswith("LibraryNotFoundError\nlibfoo cannot load its library 'foo'.")


@pytest.mark.skipif(
    not shutil.which("setpriv"), reason="requires setpriv (util-linux) to be refused"
)
@pytest.mark.parametrize("file", [PROVIDER, "libfoo__foo-anchor.so"])
def test_library_is_not_readable(musl: Elsewhere, file: str) -> None:
    musl.library.with_name(file).chmod(0)
    powers = "-dac_override,-dac_read_search"
    setpriv = ("setpriv", f"--bounding-set={powers}", f"--inh-caps={powers}")
    said = building.run(*setpriv, musl.python, "-c", building.SHOW, env=musl.env)
    assert said.startswith("LibraryNotFoundError")
    assert f"  file:   {musl.library} (" in said
    assert "Permission denied" in said


def test_anchor_is_missing(musl: Elsewhere) -> None:
    """A row of musl's own: the library's file is whole, and another one lacks."""
    musl.library.with_name("libfoo__foo-anchor.so").unlink()
    said = musl.run(building.SHOW)
    assert said.startswith("LibraryNotFoundError")
    assert "libfoo__foo-anchor.so: No such file or directory" in said
    assert '  fix:    python -m pip install --force-reinstall --no-deps "libfoo==1.0.0"' in said


# Versions: the loader is the same, so of test_situations.py's rows one of each kind ---------------


@pytest.mark.parametrize(
    ("there", "fits"), [("1.10.0", True), ("1.0.0.post1", True), ("0.9", False), ("2.0.0", False)]
)
def test_provider_version(musl: Elsewhere, there: str, fits: bool) -> None:
    bound = "libfoo>=1.0.0,<2"
    provides(musl, there)
    said = musl.run(building.SHOW)
    if fits:
        assert said == "9.0\n"
        return
    assert said.splitlines() == [
        "LibraryVersionError",
        f"foo_ext was built against libfoo 1.0.0 and needs {bound}, but {there} is installed.",
        f"  provider:  {musl.provider} ({there})",
        f"  needed by: {musl.consumer} (built against 1.0.0)",
        f'  fix:       python -m pip install "{bound}"',
    ]


def test_ctypes_in_one_line(musl: Elsewhere) -> None:
    """musl knows a library by its file, too: ctypes is given the loaded one."""
    path = 'libfoo.loader.path("foo", ">=1.0.0,<2")'
    code = (
        f"import ctypes, libfoo, foo_ext; foo = ctypes.CDLL({path}).foo_square; "
        "foo.argtypes, foo.restype = [ctypes.c_double], ctypes.c_double; assert foo(1.5) == 2.25"
    )
    assert musl.mapped(code, "foo.so") == [str(musl.library)]
    provides(musl, "2.0.0")
    said = musl.fail(f"import libfoo; {path}")
    assert "LibraryVersionError: " in said
    assert "needs libfoo>=1.0.0,<2, but 2.0.0 is installed." in said


def test_wrong_version_is_told_before_anything_is_opened(musl: Elsewhere) -> None:
    provides(musl, "2.0.0")
    assert musl.mapped(building.SHOW, "foo") == []


def test_provider_of_the_next_major_version_for_real(musl: Elsewhere, once: Once) -> None:
    site = once(
        "cross-2-musl", lambda folder: cross.build_pair(TARGET, folder, library_version="2.0.0")
    )
    shutil.rmtree(musl.provider)
    shutil.copytree(site / "libfoo", musl.provider)
    assert not musl.library.exists()  # its name ends in .so.2
    assert "needs libfoo>=1.0.0,<2, but 2.0.0 is installed" in musl.run(building.SHOW)


# Another file owns the name -------------------------------------------------------------------


def test_second_copy_loaded_first(musl: Elsewhere) -> None:
    """Found by its name, as musl wants it."""
    copy = musl.stranger("theirs")
    code = f"import ctypes; ctypes.CDLL('{copy.name}')\n{building.SHOW}"
    said = musl.run(code, LD_LIBRARY_PATH=str(copy.parent))
    assert said.startswith(
        "LibraryConflictError\nAnother file in this process already has the name"
    )
    assert f"  answers: {copy}\n  ours:    {musl.library} (libfoo 1.0.0)" in said
    assert "NATIVE_LIB_CONFLICT=warn" in said


@pytest.mark.parametrize("when", ["before", "afterwards"])
def test_copy_that_is_opened_by_its_path_has_no_name_to_take(musl: Elsewhere, when: str) -> None:
    """Before ours, glibc's rule is another: there it is a conflict."""
    theirs = f"import ctypes; ctypes.CDLL({str(musl.stranger('theirs'))!r})"
    code = [theirs, "import foo_ext"]
    code = [*(code if when == "before" else reversed(code)), building.SQUARE]
    assert musl.run("\n".join(code)) == "9.0\n"


def test_second_copy_is_a_warning_if_asked_for(musl: Elsewhere) -> None:
    copy = musl.stranger("theirs")
    code = f"import ctypes; ctypes.CDLL('{copy.name}')\n{building.SQUARE}"
    said = musl.run(code, LD_LIBRARY_PATH=str(copy.parent), NATIVE_LIB_CONFLICT="warn")
    assert "RuntimeWarning: Another file in this process already has the name" in said
    assert said.endswith("-3.0\n")  # musl did serve the first


def test_second_copy_is_told_once(musl: Elsewhere) -> None:
    """Preloaded by its name, as a path would give it none; it then has the symbols, too."""
    copy = musl.stranger("theirs")
    said = musl.run(
        building.SQUARE,
        LD_PRELOAD=copy.name,
        LD_LIBRARY_PATH=str(copy.parent),
        NATIVE_LIB_CONFLICT="warn",
    )
    assert said.count("RuntimeWarning: ") == 1
    assert "Another file in this process already has the name" in said
    assert said.endswith("-3.0\n")


def test_what_is_told_is_what_answers(musl: Elsewhere) -> None:
    copy = musl.stranger("theirs")
    code = f"import ctypes, libfoo; ctypes.CDLL('{copy.name}'); print(*libfoo.loader.load())"
    said = musl.run(code, LD_LIBRARY_PATH=str(copy.parent), NATIVE_LIB_CONFLICT="warn")
    told = f"LoadedLibrary(name='foo', path={str(copy)!r}, origin='already-loaded')\n"
    assert said.endswith(told)


def test_our_own_file_loaded_before_is_no_conflict(musl: Elsewhere) -> None:
    code = f"import ctypes; ctypes.CDLL({str(musl.library)!r})\n{building.SQUARE}"
    assert musl.run(code) == "9.0\n"
    assert musl.mapped(code, "foo.so") == [str(musl.library)]


def test_search_path_that_has_another_copy_is_no_silent_mixture(musl: Elsewhere) -> None:
    """musl looks into LD_LIBRARY_PATH before the anchor's own folder; glibc does not look there."""
    copy = musl.stranger("theirs")
    said = musl.run(building.SHOW, LD_LIBRARY_PATH=str(copy.parent))
    assert said.startswith("LibraryConflictError")
    assert f"  answers: {copy}\n" in said


# Another file owns the symbols ----------------------------------------------------------------


@pytest.fixture
def stranger(musl: Elsewhere) -> Path:
    """A library of another name with the same function names."""
    return musl.compile(musl.folder / "theirs" / "stranger.so")


def test_preloaded_symbols(musl: Elsewhere, stranger: Path) -> None:
    said = musl.run(building.SHOW, LD_PRELOAD=str(stranger))
    assert said.startswith("LibraryConflictError\nAnother loaded file already defines foo_version")
    assert f"  answers: {stranger}\n" in said
    assert f"  ours:    {musl.library} (libfoo 1.0.0)" in said


def test_global_symbols(musl: Elsewhere, stranger: Path) -> None:
    code = f"import ctypes; ctypes.CDLL({str(stranger)!r}, ctypes.RTLD_GLOBAL)\n{building.SHOW}"
    assert f"  answers: {stranger}\n" in musl.run(code)


def test_local_symbols_are_no_conflict(musl: Elsewhere, stranger: Path) -> None:
    assert musl.run(f"import ctypes; ctypes.CDLL({str(stranger)!r})\n{building.SQUARE}") == "9.0\n"


def test_symbols_in_the_way_are_a_warning_if_asked_for(musl: Elsewhere, stranger: Path) -> None:
    said = musl.run(building.SQUARE, LD_PRELOAD=str(stranger), NATIVE_LIB_CONFLICT="warn")
    assert "RuntimeWarning: Another loaded file already defines foo_version" in said
    assert said.endswith("-3.0\n")  # the consumer really was bound to the stranger


def test_symbols_that_are_taken_between_two_consumers(musl: Elsewhere, stranger: Path) -> None:
    code = f"""
import ctypes, foo_ext
ctypes.CDLL({str(stranger)!r}, ctypes.RTLD_GLOBAL)
print(foo_ext.square(3))
import sys; del sys.modules["foo_ext"], sys.modules["foo_ext._ext"]
{building.SHOW}"""
    said = musl.run(code)
    assert said.startswith(
        "9.0\nLibraryConflictError\nAnother loaded file already defines foo_version"
    )


def test_our_own_file_preloaded_is_no_conflict(musl: Elsewhere) -> None:
    assert musl.run(building.SQUARE, LD_PRELOAD=str(musl.library)) == "9.0\n"


def test_our_own_file_loaded_globally_is_no_conflict(musl: Elsewhere) -> None:
    code = (
        f"import ctypes; ctypes.CDLL({str(musl.library)!r}, ctypes.RTLD_GLOBAL)\n{building.SQUARE}"
    )
    assert musl.run(code) == "9.0\n"


@pytest.mark.parametrize("theirs", ["FOO_1", "BAR_1", ""])
def test_symbol_versions_keep_nothing_apart(musl: Elsewhere, theirs: str) -> None:
    """The loader's verdict is what musl then does: it reads no versions."""

    def versioned(file: Path, node: str, factor: int) -> Path:
        file.parent.mkdir(exist_ok=True)
        script = file.with_suffix(".map")
        script.write_text(f"{node} {{ foo_*; }};", encoding="utf-8")
        source = f'const char *foo_version(void) {{ return "{factor}"; }}'
        source += f" double foo_square(double x) {{ return {factor} * x; }}"
        return musl.compile(file, source, *([f"-Wl,--version-script={script}"] if node else []))

    versioned(musl.library, "FOO_1", 1)
    stranger = versioned(musl.folder / "theirs" / "stranger.so", theirs, 2)
    # A consumer that was linked against our versions: what the extension module would be.
    consumer = musl.compile(
        musl.folder / "consumer.so",
        "double foo_square(double); double asked(double x) { return foo_square(x); }",
        str(musl.library),
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
    assert musl.run(code, LD_PRELOAD=str(stranger)) == "LibraryConflictError\n6.0\n"
    assert musl.run(code) == "3.0\n"


def test_probe_symbol_that_is_not_exported(musl: Elsewhere, stranger: Path) -> None:
    musl.compile(musl.library, "int other;")
    code = "import libfoo; libfoo.loader.load()"
    said = musl.run(code, LD_PRELOAD=str(stranger), NATIVE_LIB_DEBUG="1")
    assert f"symbols are not verified, {musl.library} has no foo_version" in said


def test_the_program_itself_holds_the_symbols(musl: Elsewhere) -> None:
    """As a python that was linked against another copy of the library."""
    if not (compiler := shutil.which("musl-gcc")):
        pytest.skip(
            "requires musl-gcc (Debian: musl-tools) for a program around libpython's archive"
        )
    source, program = musl.folder / "program.c", musl.folder / "program"
    source.write_text(
        f"#include <Python.h>\n{FOO}\n"
        "int main(int count, char **words) { return Py_BytesMain(count, words); }\n",
        encoding="utf-8",
    )
    home = musl.python.parent.parent
    (archive,) = home.glob("lib/libpython3.*.a")
    include = home / "include" / archive.stem.replace("lib", "")
    building.run(compiler, "-rdynamic", f"-I{include}", "-o", program, source, archive, "-lm")
    said = building.run(program, "-c", building.SHOW, env={"PYTHONHOME": str(home), **musl.env})
    assert said.startswith("LibraryConflictError\nAnother loaded file already defines foo_version")
    assert f"  answers: {program}\n" in said


# What the person there can do ------------------------------------------------------------------


def test_debug_tells_what_was_chosen(musl: Elsewhere) -> None:
    said = musl.run("import foo_ext", NATIVE_LIB_DEBUG="1")
    assert said.splitlines() == [
        "native-lib: foo_ext requires libfoo>=1.0.0,<2, there is 1.0.0",
        f"native-lib: libfoo: foo is {musl.library} (wheel)",
    ]


def copied(musl: Elsewhere) -> Path:
    other = musl.folder / "mine" / PROVIDER
    other.parent.mkdir()
    shutil.copy(musl.library, other)
    return other


def test_path_in_the_environment_satisfies_nobody(musl: Elsewhere) -> None:
    """As documented: the anchor belongs to the wheel's file."""
    other = copied(musl)
    env = {"NATIVE_LIB_FOO_PATH": str(other), "NATIVE_LIB_DEBUG": "1"}
    said = musl.run(building.SHOW, **env)
    assert f"libfoo: {PROVIDER} is not verified, no file answers to it" in said
    assert f"libfoo: foo is {other} (override)" in said
    assert f"Error loading shared library {PROVIDER}: No such file or directory" in said


def test_path_in_the_environment_to_a_file_that_is_its_own_anchor(musl: Elsewhere) -> None:
    other = copied(musl)
    building.run(building.tool("patchelf"), "--add-needed", PROVIDER, other)
    building.run(building.tool("patchelf"), "--set-rpath", "$ORIGIN", other)
    env = {"NATIVE_LIB_FOO_PATH": str(other)}
    code = f"{building.SQUARE}; import libfoo; print(libfoo.loader.load()[0].origin)"
    assert musl.run(code, **env) == "9.0\noverride\n"
    assert musl.mapped(building.SQUARE, "foo.so", **env) == [str(other)]


def test_path_in_the_environment_is_wrong(musl: Elsewhere) -> None:
    said = musl.run(building.SHOW, NATIVE_LIB_FOO_PATH="/absent/libfoo.so")
    assert said.startswith("LibraryNotFoundError")
    assert "  file:   /absent/libfoo.so (no such file)" in said
    assert "  fix:    correct or unset NATIVE_LIB_FOO_PATH" in said


def test_private_name_has_no_system_copy(musl: Elsewhere) -> None:
    said = musl.run("import foo_ext", PREFER_FOO_SYSTEM_LIBRARY="1", NATIVE_LIB_DEBUG="1")
    assert f"libfoo: {PROVIDER} is a private name, no system has it" in said
    assert "(wheel)" in said


# Plain names ----------------------------------------------------------------------------------


@pytest.fixture
def plain(musl: Elsewhere, once: Once) -> Elsewhere:
    """The pair with plain names (mangle: no)."""
    site = once("cross-plain-musl", lambda folder: cross.build_pair(TARGET, folder, mangle="no"))
    made = dataclasses.replace(musl, folder=musl.folder / "plain", library_name="libfoo.so.1")
    made.add(site, "libfoo", "foo_ext")
    return made


ORIGIN = "import libfoo; print(*libfoo.loader.load(prefer_system={}))"


def test_plain_name_accepts_the_copy_that_is_loaded(plain: Elsewhere) -> None:
    copy = plain.stranger("system")
    code = f"import ctypes; ctypes.CDLL('{copy.name}')\n{building.SQUARE}\n{ORIGIN.format(None)}"
    assert plain.run(code, LD_LIBRARY_PATH=str(copy.parent)) == (
        f"-3.0\nLoadedLibrary(name='foo', path={str(copy)!r}, origin='already-loaded')\n"
    )


def test_path_in_the_environment_does_not_win_over_a_loaded_copy(plain: Elsewhere) -> None:
    loaded, named = plain.stranger("loaded"), plain.stranger("named")
    said = plain.fail(
        f"import ctypes, libfoo; ctypes.CDLL('{loaded.name}'); libfoo.loader.load()",
        LD_LIBRARY_PATH=str(loaded.parent),
        NATIVE_LIB_FOO_PATH=str(named),
    )
    assert "LibraryConflictError" in said
    assert f"  answers: {loaded}\n  ours:    {named}" in said


@pytest.mark.parametrize(("variable", "argument"), [("1", None), ("yes", False), (None, True)])
def test_plain_name_of_the_system(
    plain: Elsewhere, variable: str | None, argument: bool | None
) -> None:
    system = plain.stranger("system")
    env = {} if variable is None else {"PREFER_FOO_SYSTEM_LIBRARY": variable}
    said = plain.run(
        f"{ORIGIN.format(argument)}; {building.SQUARE}", LD_LIBRARY_PATH=str(system.parent), **env
    )
    assert said == f"LoadedLibrary(name='foo', path={str(system)!r}, origin='system')\n-3.0\n"


@pytest.mark.parametrize(
    ("variable", "argument"), [("0", None), ("", None), ("", True), ("no", True), (None, False)]
)
def test_plain_name_of_the_wheel(
    plain: Elsewhere, variable: str | None, argument: bool | None
) -> None:
    """Against LD_LIBRARY_PATH the anchor cannot win, whatever is asked for: musl looks there first."""
    env = {} if variable is None else {"PREFER_FOO_SYSTEM_LIBRARY": variable}
    code = f"{ORIGIN.format(argument)}; {building.SQUARE}"
    told = f"LoadedLibrary(name='foo', path={str(plain.library)!r}, origin='wheel')\n"
    assert plain.run(code, **env) == f"{told}9.0\n"
    system = str(plain.stranger("system").parent)
    assert "LibraryConflictError" in plain.fail(code, LD_LIBRARY_PATH=system, **env)


def test_plain_name_that_the_system_lacks(plain: Elsewhere) -> None:
    said = plain.run(
        f"{ORIGIN.format(None)}; {building.SQUARE}",
        PREFER_FOO_SYSTEM_LIBRARY="1",
        NATIVE_LIB_DEBUG="1",
    )
    assert "libfoo: the system has no libfoo.so.1" in said
    assert said.endswith("origin='wheel')\n9.0\n")


def test_asking_for_the_name_loads_nothing(musl: Elsewhere) -> None:
    """A file that was opened by its path answers to no name, and musl's search would find another."""
    ours, other = copied(musl), musl.stranger("other")
    env = {
        "NATIVE_LIB_FOO_PATH": str(ours),
        "LD_LIBRARY_PATH": str(other.parent),
        "NATIVE_LIB_DEBUG": "1",
    }
    code = "import libfoo; libfoo.loader.load()"
    assert f"{PROVIDER} is not verified, no file answers to it" in musl.run(code, **env)
    assert musl.mapped(code, "foo.so", **env) == [str(ours)]
