"""What only Windows can show: the rules of its loader that the loader here relies on.

loader-rules.md has them from Microsoft's documentation and from experiments under Wine, which test_windows.py
repeats. These tests run on Windows itself, in the workflow tests.yml.
"""

from __future__ import annotations

import os
import shutil
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
if sys.platform != "win32":
    pytest.skip("requires Windows: tests the rules of its loader", allow_module_level=True)

# The path of the loaded module that a name stands for, and what the calls below need.
KERNEL = """
import ctypes
kernel = ctypes.WinDLL("kernel32", use_last_error=True)
kernel.GetModuleHandleW.restype = ctypes.c_void_p
kernel.GetModuleFileNameW.argtypes = [ctypes.c_void_p, ctypes.c_wchar_p, ctypes.c_uint]
kernel.LoadLibraryExW.restype = ctypes.c_void_p
kernel.LoadLibraryExW.argtypes = [ctypes.c_wchar_p, ctypes.c_void_p, ctypes.c_uint]
kernel.FreeLibrary.argtypes = [ctypes.c_void_p]

def loaded(name):
    handle = kernel.GetModuleHandleW(name)
    if not handle:
        return None
    buffer = ctypes.create_unicode_buffer(32768)
    kernel.GetModuleFileNameW(handle, buffer, len(buffer))
    return buffer.value

def load(path, flags):
    handle = kernel.LoadLibraryExW(path, None, flags)
    return handle or f"error {ctypes.get_last_error()}"
"""
BOTH = 0x1000 | 0x100  # LOAD_LIBRARY_SEARCH_DEFAULT_DIRS, ..._DLL_LOAD_DIR: what CPython passes
NOT_FOUND, NO_PROCEDURE, INVALID_PARAMETER, NO_DLL = 126, 127, 87, 193


@pytest.fixture
def apart(pair: building.Pair, tmp_path: Path) -> Apart:
    return unpack(pair, tmp_path)


@pytest.fixture
def preload(apart: Apart) -> Callable[..., str]:
    """Load files by their paths, and then the extension module; return what the last call gave.

    That is its handle, which says nothing, or an error's number.
    """

    def run(*files: Path, flags: int = BOTH) -> str:
        lines = [f"print('first', load({str(file)!r}, {BOTH}))" for file in files]
        code = "\n".join([KERNEL, *lines, f"print(load({str(apart.extension)!r}, {flags}))"])
        said = apart.run(code).splitlines()
        assert not [line for line in said[:-1] if "error" in line]
        return said[-1] if "error" in said[-1] else "loaded"

    return run


def a_dll_without_our_exports(folder: Path) -> Path:
    """Return the path of a sound DLL that has nothing of the pair."""
    home = Path(sys.base_prefix)
    return Path(shutil.copy(home / "python3.dll", folder))


# Which file serves -------------------------------------------------------------------------------


def test_library_opened_by_path_serves_an_import_by_name(apart: Apart) -> None:
    said = apart.run(f"{building.SQUARE}\n{KERNEL}\nprint(loaded({apart.library.name!r}))")
    assert said == f"9.0\n{apart.library}\n"


def test_without_the_loader_it_fails(apart: Apart) -> None:
    apart.without_the_loader()
    assert "ImportError: DLL load failed while importing _ext" in apart.run(
        building.SQUARE, fails=True
    )


def test_without_a_preload_it_fails(preload: Callable[..., str]) -> None:
    assert preload() == f"error {NOT_FOUND}"


# Flags of a program's own: the system's search, and ALTERED_SEARCH_PATH.
@pytest.mark.parametrize("flags", [BOTH, 0, 0x8])
def test_preload_serves_whatever_the_flags(
    apart: Apart, preload: Callable[..., str], flags: int
) -> None:
    assert preload(apart.library, flags=flags) == "loaded"


def test_path_and_current_folder_are_not_searched(apart: Apart) -> None:
    """So nothing but the loaded modules can have answered."""
    apart.without_the_loader()
    shutil.copy(apart.library, apart.folder)  # the current folder
    path = os.pathsep.join([str(apart.library.parent), os.environ["PATH"]])
    assert "DLL load failed" in apart.run(building.SQUARE, env={"PATH": path}, fails=True)


def test_name_of_the_file_counts(apart: Apart, preload: Callable[..., str]) -> None:
    """Not the one that the linker wrote into it."""
    renamed = apart.library.rename(apart.library.with_name("renamed.dll"))
    assert preload(renamed) == f"error {NOT_FOUND}"


def test_case_does_not_count(apart: Apart, preload: Callable[..., str]) -> None:
    upper = apart.theirs.with_name(apart.library.name.upper())
    shutil.copy(apart.library, upper)
    assert preload(upper) == "loaded"


def test_copy_beside_the_extension_is_not_taken(apart: Apart) -> None:
    copy = Path(shutil.copy(apart.library, apart.extension.parent))
    show = f"{building.SQUARE}\n{KERNEL}\nprint(loaded({apart.library.name!r}))"
    assert apart.run(show) == f"9.0\n{apart.library}\n"
    # It is, if nothing is loaded.
    apart.without_the_loader()
    assert apart.run(show) == f"9.0\n{copy}\n"


def test_added_folder_is_not_taken(apart: Apart) -> None:
    copy = Path(shutil.copy(apart.library, apart.theirs))
    add = f"import os; kept = os.add_dll_directory({str(copy.parent)!r})"
    show = f"{add}\n{building.SQUARE}\n{KERNEL}\nprint(loaded({apart.library.name!r}))"
    assert apart.run(show) == f"9.0\n{apart.library}\n"
    apart.without_the_loader()
    assert apart.run(show) == f"9.0\n{copy}\n"


def test_of_two_files_with_one_name_the_first_serves(apart: Apart) -> None:
    """Both are loaded."""
    copy = Path(shutil.copy(apart.library, apart.theirs))
    code = f"{KERNEL}\nprint(load({str(copy)!r}, {BOTH}) != load({str(apart.library)!r}, {BOTH}))"
    assert apart.run(f"{code}\nprint(loaded({copy.name!r}))") == f"True\n{copy}\n"
    said = apart.run(f"import ctypes; ctypes.WinDLL({str(copy)!r})\n{building.SHOW}")
    assert said.startswith(
        "LibraryConflictError\nAnother file in this process already has the name"
    )
    assert f"  answers: {copy}\n" in said
    assert f"  ours:    {apart.library} (libfoo 1.0.0)" in said


def test_copy_loaded_afterwards_does_no_harm(apart: Apart) -> None:
    copy = Path(shutil.copy(apart.library, apart.theirs))
    code = f"import foo_ext, ctypes; ctypes.WinDLL({str(copy)!r}); print(foo_ext.square(3))"
    said = apart.run(f"{code}\n{KERNEL}\nprint(loaded({copy.name!r}))")
    assert said == f"9.0\n{apart.library}\n"


def test_loaded_module_that_lacks_the_function(apart: Apart, preload: Callable[..., str]) -> None:
    """The import fails, and does not look for another file. Wine fails at the call."""
    other = a_dll_without_our_exports(apart.theirs.parent).rename(apart.theirs)
    assert preload(other) == f"error {NO_PROCEDURE}"
    shutil.copy(apart.library, apart.extension.parent)
    assert preload(other) == f"error {NO_PROCEDURE}"


def test_freed_library_serves_nobody(apart: Apart) -> None:
    code = f"handle = load({str(apart.library)!r}, {BOTH}); kernel.FreeLibrary(handle)"
    said = apart.run(f"{KERNEL}\n{code}\nprint(load({str(apart.extension)!r}, {BOTH}))")
    assert said == f"error {NOT_FOUND}\n"


# The loader's own calls --------------------------------------------------------------------------


def test_flags_of_asking_by_name(apart: Apart) -> None:
    """By name, the folder of the file means nothing, and Windows refuses it."""
    name = apart.library.name
    code = f"""
print(load({name!r}, 0x1000))
first = load({str(apart.library)!r}, {BOTH})
print(load({name!r}, 0x1100), load({name!r}, 0x1000) == first)
"""
    assert apart.run(f"{KERNEL}{code}") == (f"error {NOT_FOUND}\nerror {INVALID_PARAMETER} True\n")


def test_debug_tells_that_the_name_is_verified(apart: Apart) -> None:
    said = apart.run("import foo_ext", env={"NATIVE_LIB_DEBUG": "1"})
    assert said.splitlines() == [
        "native-lib: foo_ext requires libfoo>=1.0.0,<2, there is 1.0.0",
        f"native-lib: libfoo: foo is {apart.library} (wheel)",
    ]


@pytest.mark.parametrize("damage", ["missing", "empty", "half", "text"])
def test_library_file_is_damaged(apart: Apart, damage: str) -> None:
    """Windows looks itself whether a file is whole."""
    content = apart.library.read_bytes()
    apart.library.unlink()
    damaged = {"empty": b"", "half": content[: len(content) // 2], "text": b"version https://"}
    if damage in damaged:
        apart.library.write_bytes(damaged[damage])
    said = apart.run(building.SHOW)
    assert said.startswith("LibraryNotFoundError\nlibfoo cannot load its library 'foo'.")
    assert f"  file:   {apart.library} (" in said
    assert {
        "missing": "Could not find module",  # ctypes' words
        "empty": "[WinError ",
        **dict.fromkeys(("half", "text"), f"[WinError {NO_DLL}]"),
    }[damage] in said
    assert '  fix:    python -m pip install --force-reinstall --no-deps "libfoo==1.0.0"' in said


def test_plain_name_accepts_the_copy_that_is_loaded(
    plain_pair: building.Pair, tmp_path: Path
) -> None:
    env = building.new_environment(tmp_path / "env", plain_pair.provider, plain_pair.consumer)
    (library,) = (env.site_packages / "libfoo" / "lib").glob("*.dll")
    (tmp_path / "system").mkdir()
    copy = Path(shutil.copy(library, tmp_path / "system"))
    said = env.run(f"""
import ctypes; ctypes.WinDLL({str(copy)!r})
import foo_ext, libfoo
print(foo_ext.square(3), libfoo.loader.load()[0].origin)
""")
    assert said == "9.0 already-loaded\n"


# C++ and repair ----------------------------------------------------------------------------------


def test_cxx_exceptions_and_casts_cross_the_boundary(tmp_path: Path) -> None:
    """With Microsoft's compiler and libraries."""
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


def test_repaired_by_the_templates_commands(pair: building.Pair, tmp_path: Path) -> None:
    """The consumer comes out without a copy, and works."""
    builds = building.new_environment(tmp_path / "builds", pair.provider)
    paths = (building.ROOT / "loader" / "src", builds.site_packages)
    env = {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    default = "delvewheel repair -w {dest_dir} {wheel}"
    for project, wheel in (("libfoo", pair.provider), ("foo-ext", pair.consumer)):
        settings = nox.project.load_toml(pair.folder / project / "pyproject.toml")
        command = settings["tool"]["cibuildwheel"].get("repair-wheel-command", default)
        program, *words = command.split()
        places = {"{dest_dir}": tmp_path / "repaired", "{wheel}": wheel}
        building.run(
            *(sys.executable, "-m", program.replace("-", "_")),
            *(places.get(word, word) for word in words),
            cwd=tmp_path,
            env=env,
        )
    repaired = {wheel.name.split("-")[0]: wheel for wheel in (tmp_path / "repaired").iterdir()}
    building.check_wheels(*repaired.values())
    apart = unpack(building.Pair(pair.folder, repaired["libfoo"], repaired["foo_ext"]), tmp_path)
    assert not list(apart.another.rglob("*foo__foo*.dll"))
    assert apart.run(building.SQUARE) == "9.0\n"
