"""What only macOS can show: the rules of its loader (dyld) that the loader here relies on.

loader-rules.md has them from dyld's sources. No other machine runs Mach-O files, so these tests run in
the workflow tests.yml only.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import building
import nox
import pytest
from platforms.two_folders import Apart, unpack

if TYPE_CHECKING:
    from typing import Callable

# As a whole: a line for each would hide what else was skipped.
if sys.platform != "darwin":
    pytest.skip("requires macOS: tests the rules of its loader", allow_module_level=True)

NAME = "@rpath/libfoo__foo.1.dylib"
# Not what the pair's library answers, so that it shows which file did.
FOO = (
    'const char *foo_version(void) { return "another"; } double foo_square(double x) { return -x; }'
)
# The loaded files whose name has a part in it, as dyld lists them.
IMAGES = """
def images(part):
    import ctypes, os
    process = ctypes.CDLL(None)
    process._dyld_get_image_name.restype = ctypes.c_char_p
    count = process._dyld_image_count()
    paths = [os.fsdecode(process._dyld_get_image_name(number)) for number in range(count)]
    return [os.path.realpath(path) for path in paths if part in os.path.basename(path)]
"""


@pytest.fixture
def apart(pair: building.Pair, tmp_path: Path) -> Apart:
    return unpack(pair, tmp_path)


def compile_dylib(source: str, output: Path, name: str, *options: str | Path) -> Path:
    """Compile C source to a library with an install name; the linker signs it."""
    output.parent.mkdir(parents=True, exist_ok=True)
    file = output.with_suffix(".c")
    file.write_text(source, encoding="utf-8")
    building.run("cc", "-dynamiclib", "-install_name", name, "-o", output, file, *options)
    return output


def real(path: Path) -> str:
    return os.path.realpath(path)


# Which file serves -------------------------------------------------------------------------------


def test_library_opened_by_path_serves_a_dependency_by_install_name(apart: Apart) -> None:
    said = apart.run(f"{building.SQUARE}\n{IMAGES}\nprint(*images('libfoo__foo'), sep='\\n')")
    assert said == f"9.0\n{real(apart.library)}\n"


def test_extension_has_no_search_path(apart: Apart) -> None:
    """So that the test above shows what it says."""
    said = building.run("otool", "-l", apart.extension)
    assert NAME in said
    assert "LC_RPATH" not in said


def test_without_the_loader_it_fails(apart: Apart) -> None:
    apart.without_the_loader()
    assert f"Library not loaded: {NAME}" in apart.run(building.SQUARE, fails=True)


def test_name_and_path_give_one_handle(apart: Apart) -> None:
    """The loader's check of which file answers."""
    code = f"""
import ctypes, os
def by_name():
    return ctypes.CDLL({NAME!r}, os.RTLD_NOW | os.RTLD_NOLOAD)._handle
try:
    print(by_name())
except OSError:
    print("nobody")
print(ctypes.CDLL({str(apart.library)!r})._handle == by_name())
"""
    assert apart.run(code) == "nobody\nTrue\n"


def test_debug_tells_that_the_name_is_verified(apart: Apart) -> None:
    said = apart.run("import foo_ext", env={"NATIVE_LIB_DEBUG": "1"})
    assert said.splitlines() == [
        "native-lib: foo_ext requires libfoo>=1.0.0,<2, there is 1.0.0",
        f"native-lib: libfoo: foo is {apart.library} (wheel)",
    ]


def test_search_path_to_another_copy_is_not_followed(apart: Apart) -> None:
    """dyld asks its loaded images before it uses LC_RPATH."""
    compile_dylib(FOO, apart.theirs, NAME)
    building.run("install_name_tool", "-add_rpath", apart.theirs.parent, apart.extension)
    building.run("codesign", "--force", "--sign", "-", apart.extension)
    assert apart.run(building.SQUARE) == "9.0\n"
    # It leads there, if nothing is loaded.
    apart.without_the_loader()
    assert apart.run(building.SQUARE) == "-3.0\n"


def test_second_copy_loaded_first(apart: Apart) -> None:
    compile_dylib(FOO, apart.theirs, NAME)
    said = apart.run(f"import ctypes; ctypes.CDLL({str(apart.theirs)!r})\n{building.SHOW}")
    assert said.startswith(
        "LibraryConflictError\nAnother file in this process already has the name"
    )
    assert f"{apart.theirs}\n" in said
    assert f"  ours:    {apart.library} (libfoo 1.0.0)" in said


def test_of_two_files_with_one_name_the_first_serves(apart: Apart) -> None:
    """Both are mapped."""
    compile_dylib(FOO, apart.theirs, NAME)
    code = f"import ctypes; ctypes.CDLL({str(apart.theirs)!r})\n{building.SQUARE}\n{IMAGES}"
    said = apart.run(f"{code}\nprint(*images('libfoo__foo'))", env={"NATIVE_LIB_CONFLICT": "warn"})
    assert f"-3.0\n{real(apart.theirs)} {real(apart.library)}\n" in said


def test_copy_loaded_afterwards_does_no_harm(apart: Apart) -> None:
    compile_dylib(FOO, apart.theirs, NAME)
    code = f"import foo_ext, ctypes; ctypes.CDLL({str(apart.theirs)!r}); print(foo_ext.square(3))"
    assert apart.run(code) == "9.0\n"


# What users set --------------------------------------------------------------------------------


@pytest.fixture
def run_with(apart: Apart) -> Callable[..., str]:
    """Run code with one of dyld's variables, which a hardened program does not get."""

    def run(code: str, variable: str, value: Path) -> str:
        env = {variable: str(value)}
        if apart.run(f"import os; print(os.environ.get({variable!r}))", env=env) == "None\n":
            pytest.skip(f"this Python is hardened, and gets no {variable}")
        return apart.run(code, env=env)

    return run


def test_library_path_redirects_the_opening_by_path(
    apart: Apart, run_with: Callable[..., str]
) -> None:
    """By the file's name alone: no other library may have it."""
    compile_dylib(FOO, apart.theirs, NAME)
    code = f"import ctypes; ctypes.CDLL({str(apart.library)!r})\n{IMAGES}"
    code = f"{code}\nprint(*images('libfoo__foo'))"
    said = run_with(code, "DYLD_LIBRARY_PATH", apart.theirs.parent)
    assert said == f"{real(apart.theirs)}\n"


def test_inserted_symbols_do_not_come_between(apart: Apart, run_with: Callable[..., str]) -> None:
    """A symbol's reference names the library that it is taken from (two-level namespace)."""
    stranger = compile_dylib(FOO, apart.folder / "stranger.dylib", "stranger.dylib")
    assert run_with(building.SQUARE, "DYLD_INSERT_LIBRARIES", stranger) == "9.0\n"


def test_global_symbols_do_not_come_between(apart: Apart) -> None:
    stranger = compile_dylib(FOO, apart.folder / "stranger.dylib", "stranger.dylib")
    code = f"import ctypes; ctypes.CDLL({str(stranger)!r}, ctypes.RTLD_GLOBAL)\n{building.SQUARE}"
    assert apart.run(code) == "9.0\n"


def test_symbols_stay_local(apart: Apart) -> None:
    code = "import ctypes, foo_ext; print(hasattr(ctypes.CDLL(None), 'foo_square'))"
    assert apart.run(code) == "False\n"


# Names and versions that are not ours ------------------------------------------------------------

LOAD = "import ctypes, sys\nfor path in sys.argv[1:]: library = ctypes.CDLL(path)\n"


@pytest.mark.parametrize("form", ["@rpath/libx.dylib", "/nowhere/libx.dylib", "libx.dylib"])
def test_forms_of_install_names(form: str, tmp_path: Path) -> None:
    """From macOS 12 on every form is found among what is loaded; before, @rpath only."""
    library = compile_dylib("int x(void) { return 7; }", tmp_path / "one" / "libx.dylib", form)
    source = "int x(void); int y(void) { return x(); }"
    user = compile_dylib(source, tmp_path / "another" / "liby.dylib", "liby.dylib", library)
    code = f"{LOAD}print(library.y())"
    building.run(sys.executable, "-c", code, user, cwd=tmp_path, fails=True)
    assert building.run(sys.executable, "-c", code, library, user, cwd=tmp_path) == "7\n"


def test_compatibility_versions_are_not_enforced(tmp_path: Path) -> None:
    """So that only names and our own check of versions count."""
    file, source = tmp_path / "libx.dylib", "int x(void) { return 7; }"

    def compile_version(version: str) -> Path:
        options = ("-compatibility_version", version, "-current_version", version)
        return compile_dylib(source, file, "@rpath/libx.dylib", *options)

    needs_two = "int x(void); int y(void) { return x(); }"
    user = compile_dylib(needs_two, tmp_path / "liby.dylib", "liby.dylib", compile_version("2"))
    file.unlink()  # the system remembers a file's signature
    code = f"{LOAD}print(library.y())"
    assert (
        building.run(sys.executable, "-c", code, compile_version("1"), user, cwd=tmp_path) == "7\n"
    )


def test_plain_name_accepts_the_copy_that_is_loaded(
    plain_pair: building.Pair, tmp_path: Path
) -> None:
    env = building.new_environment(tmp_path / "env", plain_pair.provider, plain_pair.consumer)
    copy = compile_dylib(FOO, tmp_path / "system" / "libfoo.1.dylib", "@rpath/libfoo.1.dylib")
    said = env.run(f"""
import ctypes; ctypes.CDLL({str(copy)!r})
import foo_ext, libfoo
print(foo_ext.square(3), libfoo.loader.load()[0].origin)
""")
    assert said == "-3.0 already-loaded\n"


# What is wrong with files ----------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["missing", "empty", "half", "text"])
def test_library_file_is_damaged(apart: Apart, damage: str) -> None:
    content = apart.library.read_bytes()
    apart.library.unlink()
    damaged = {"empty": b"", "half": content[: len(content) // 2], "text": b"version https://"}
    if damage in damaged:
        apart.library.write_bytes(damaged[damage])
    said = apart.run(building.SHOW)
    assert said.startswith("LibraryNotFoundError\nlibfoo cannot load its library 'foo'.")
    assert f"  file:   {apart.library} (" in said
    assert '  fix:    python -m pip install --force-reinstall --no-deps "libfoo==1.0.0"' in said


# C++, repair, signatures -------------------------------------------------------------------------


def test_cxx_exceptions_and_casts_cross_the_boundary(tmp_path: Path) -> None:
    """With the system's libc++, which compares types by address on some processors."""
    apart = unpack(building.build_pair(tmp_path / "pair", language="cxx"), tmp_path)
    said = apart.run("""
import foo_ext
print(foo_ext.square(3), foo_ext.area_of_square(2))
try:
    foo_ext.area_of_square(-1)
except ValueError as error:
    print(error)
""")
    assert said == "9.0 4.0\na side cannot be negative\n"


def test_signatures_are_valid(apart: Apart) -> None:
    if platform.machine() != "arm64":
        pytest.skip("only arm64 requires signatures")
    building.run("codesign", "--verify", "--strict", apart.library, apart.extension)


def test_repaired_by_the_templates_commands(pair: building.Pair, tmp_path: Path) -> None:
    """With Apple's own tools; the consumer comes out without a copy, and both are still signed."""
    builds = building.new_environment(tmp_path / "builds", pair.provider)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    paths = (building.ROOT / "loader" / "src", builds.site_packages)
    env = {"PATH": path, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    default = "delocate-wheel --require-archs {delocate_archs} -w {dest_dir} -v {wheel}"
    for project, wheel in (("libfoo", pair.provider), ("foo-ext", pair.consumer)):
        settings = nox.project.load_toml(pair.folder / project / "pyproject.toml")
        command = settings["tool"]["cibuildwheel"].get("repair-wheel-command", default)
        line = re.sub("^native-lib ", f"'{sys.executable}' -m native_lib ", command).format(
            dest_dir=tmp_path / "repaired", wheel=wheel, delocate_archs=platform.machine()
        )
        building.run("sh", "-c", line, env=env, cwd=tmp_path)
    repaired = {wheel.name.split("-")[0]: wheel for wheel in (tmp_path / "repaired").iterdir()}
    building.check_wheels(*repaired.values())
    apart = unpack(building.Pair(pair.folder, repaired["libfoo"], repaired["foo_ext"]), tmp_path)
    assert not list(apart.another.rglob("*.dylib"))
    assert apart.run(building.SQUARE) == "9.0\n"
    if platform.machine() == "arm64":
        building.run("codesign", "--verify", "--strict", apart.library, apart.extension)
