"""A real Windows CPython, under Wine, imports the cross-built pair through the unchanged loader."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import building
import pytest
from platforms import cross
from platforms.wine import Wine, windows_path

# The paths of the loaded modules of a name: Windows keeps one for each file.
LOADED = """
def loaded(name):
    import ctypes
    kernel = ctypes.WinDLL("kernel32")
    kernel.GetModuleHandleW.restype = ctypes.c_void_p
    kernel.GetModuleFileNameW.argtypes = [ctypes.c_void_p, ctypes.c_wchar_p, ctypes.c_uint]
    buffer = ctypes.create_unicode_buffer(32768)
    kernel.GetModuleFileNameW(kernel.GetModuleHandleW(name), buffer, len(buffer))
    return buffer.value
"""

Built = Callable[[str, str], Path]


@dataclass(frozen=True)
class Windows:
    """A Windows Python, with provider and consumer in folders of their own."""

    wine: Wine
    folder: Path

    @property
    def one(self) -> Path:
        return self.folder / "one"

    @property
    def another(self) -> Path:
        return self.folder / "another"

    @property
    def library(self) -> Path:
        return self.one / "libfoo" / "lib" / "libfoo__foo-1.dll"

    def run(self, code: str, *, fails: bool = False, **env: str) -> str:
        return self.wine.run(code, self.one, self.another, fails=fails, **env)


@pytest.fixture(params=["3.13", "3.9"])
def windows(
    request: pytest.FixtureRequest, wine: Callable[[str], Wine], built: Built, tmp_path: Path
) -> Windows:
    made = Windows(wine(request.param), tmp_path / "a b ünï 日本")
    site = built("windows-x86_64", "c")
    shutil.copytree(site / "libfoo", made.one / "libfoo")
    shutil.copytree(site / "foo_ext", made.another / "foo_ext")
    (made.one / "pip.py").touch()  # the fix lines name what there is to install with
    return made


def test_what_wines_services_say_is_not_what_python_says(windows: Windows) -> None:
    """A service of Wine that crashed wrote into a test's output: two tests failed for it."""
    code = "import os, sys; os.write(2, b'wine: Unhandled page fault'); print(1, file=sys.stderr)"
    assert windows.run(code) == "1\n"


def test_platform_is_windows(windows: Windows) -> None:
    """As many packages ask at their import; Wine 8 dies of the question with Python 3.13."""
    if windows.wine.is_machines_own:
        pytest.skip("not available: Wine 10 (tests/machines/chroot makes it, on Debian or Ubuntu)")
    said = windows.run("import platform, foo_ext; print(platform.system(), foo_ext.square(3))")
    assert said == "Windows 9.0\n"


def test_ctypes_opens_the_dll_that_is_loaded(windows: Windows) -> None:
    code = (
        f"{building.SQUARE}\n{LOADED}\nimport ctypes, libfoo\n"
        "path = libfoo.loader.path('foo', '>=1,<2'); foo = ctypes.CDLL(path)\n"
        "foo.foo_version.restype = ctypes.c_char_p; print(foo.foo_version().decode())\n"
        "ask = ctypes.WinDLL('kernel32').GetModuleHandleW; ask.restype = ctypes.c_void_p\n"
        f"print(foo._handle == ask('{windows.library.name}'), loaded('{windows.library.name}') == path)"
    )
    assert windows.run(code).splitlines()[1:] == ["1.0.0", "True True"]


def test_different_folders_with_spaces_and_any_letters(windows: Windows) -> None:
    said = windows.run(f"{building.SQUARE}\n{LOADED}\nprint(loaded('{windows.library.name}'))")
    assert said == f"9.0\n{windows_path(windows.library)}\n"


def test_cxx(windows: Windows, built: Built) -> None:
    """Caught and cast across the boundary, with zig's libc++ in each of the two files."""
    site = built("windows-x86_64", "cxx")
    shutil.copytree(site / "libfoo", windows.one / "libfoo", dirs_exist_ok=True)
    shutil.copytree(site / "foo_ext", windows.another / "foo_ext", dirs_exist_ok=True)
    said = windows.run(
        f"""
import foo_ext
print(foo_ext.square(3), foo_ext.area_of_square(2))
try:
    foo_ext.area_of_square(-1)
except ValueError as error:
    print(error)
{LOADED}
print(loaded("{windows.library.name}"))
"""
    )
    assert said == f"9.0 4.0\na side cannot be negative\n{windows_path(windows.library)}\n"


def test_without_the_loader_it_fails(windows: Windows) -> None:
    (windows.another / "foo_ext" / "__init__.py").write_text("from ._ext import square\n", "utf-8")
    assert "ImportError: DLL load failed while importing _ext" in windows.run(
        building.SQUARE, fails=True
    )


def test_debug_tells_what_was_chosen(windows: Windows) -> None:
    said = windows.run("import foo_ext", NATIVE_LIB_DEBUG="1")
    assert said.splitlines() == [
        "native-lib: foo_ext requires libfoo>=1.0.0,<2, there is 1.0.0",
        f"native-lib: libfoo: foo is {windows_path(windows.library)} (wheel)",
    ]


def test_second_copy_loaded_first(windows: Windows) -> None:
    copy = windows.folder / "theirs" / windows.library.name
    copy.parent.mkdir()
    shutil.copy(windows.library, copy)
    said = windows.run(f"import ctypes; ctypes.WinDLL({windows_path(copy)!r})\n{building.SHOW}")
    assert said.startswith(
        "LibraryConflictError\nAnother file in this process already has the name"
    )
    assert f"  answers: {windows_path(copy)}\n" in said
    assert f"  ours:    {windows_path(windows.library)} (libfoo 1.0.0)" in said


def test_copy_loaded_afterwards_does_no_harm(windows: Windows) -> None:
    copy = windows.folder / "theirs" / windows.library.name
    copy.parent.mkdir()
    shutil.copy(windows.library, copy)
    code = (
        f"import foo_ext, ctypes; ctypes.WinDLL({windows_path(copy)!r}); print(foo_ext.square(3))"
    )
    assert windows.run(f"{code}\n{LOADED}\nprint(loaded({copy.name!r}))") == (
        f"9.0\n{windows_path(windows.library)}\n"
    )


@pytest.mark.parametrize("damage", ["missing", "empty", "half", "architecture"])
def test_library_file_is_damaged(windows: Windows, built: Built, damage: str) -> None:
    content = windows.library.read_bytes()
    windows.library.unlink()
    if damage == "architecture":
        site = built("windows-arm64", "c")
        shutil.copy(site / "libfoo" / "lib" / windows.library.name, windows.library)
    elif damage != "missing":
        windows.library.write_bytes(content[: len(content) // 2 if damage == "half" else 0])
    said = windows.run(building.SHOW)
    assert said.startswith("LibraryNotFoundError\nlibfoo cannot load its library 'foo'.")
    assert f"  file:   {windows_path(windows.library)} (" in said
    assert ("(no such file)" in said) == (damage == "missing")
    assert '  fix:    python -m pip install --force-reinstall --no-deps "libfoo==1.0.0"' in said


def test_provider_not_installed(windows: Windows) -> None:
    shutil.rmtree(windows.one / "libfoo")
    said = windows.run(building.SHOW)
    assert said.startswith(
        "LibraryNotFoundError\nfoo_ext needs the native library 'foo' of the distribution libfoo, "
        "which is not installed."
    )
    assert 'fix:       python -m pip install "libfoo>=1.0.0,<2"' in said


def test_two_providers(
    windows: Windows, once: Callable[[str, Callable[[Path], Path]], Path]
) -> None:
    target = cross.TARGETS["windows-x86_64"]
    answers = {"provider_name": "libbar", "extension_name": "bar-ext", "library_name": "bar"}
    site = once("cross-bar", lambda folder: cross.build_pair(target, folder, **answers))
    shutil.copytree(site / "libbar", windows.one / "libbar")
    shutil.copytree(site / "bar_ext", windows.another / "bar_ext")
    code = f"import foo_ext, bar_ext; print(foo_ext.square(3), bar_ext.square(4))\n{LOADED}"
    said = windows.run(f"{code}\nfor n in 'foo', 'bar': print(loaded(f'lib{{n}}__{{n}}-1.dll'))")
    bar = windows.one / "libbar" / "lib" / "libbar__bar-1.dll"
    assert said == f"9.0 16.0\n{windows_path(windows.library)}\n{windows_path(bar)}\n"


def test_beside_wines_own_zlib(wine: Callable[[str], Wine], built: Built) -> None:
    """Both in one process: each answers to its own name."""
    site = built("windows-x86_64", "reference")
    code = f"""
import ctypes, native_zlib
theirs = ctypes.WinDLL("zlib1.dll")
(ours,) = native_zlib.loader.load()
z = ctypes.CDLL(ours.path)
for function in theirs.zlibVersion, z.z_zlibVersion:
    function.restype = ctypes.c_char_p
print(theirs.zlibVersion().decode(), z.z_zlibVersion().decode(), native_zlib.loader.version)
{LOADED}
print(loaded("native_zlib__z-1.dll"))
import native_libpng; print(native_libpng.loader.load()[0].origin)
"""
    said = wine("3.13").run(code, site).splitlines()
    theirs, ours, version = said[0].split()
    assert theirs != ours == version
    file = site / "native_zlib" / "lib" / "native_zlib__z-1.dll"
    assert said[1:] == [windows_path(file), "wheel"]
