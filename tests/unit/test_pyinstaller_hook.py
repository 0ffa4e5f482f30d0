"""What PyInstaller's hook collects, on every platform; `tests/pair/test_frozen.py` freezes for real."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import building

if TYPE_CHECKING:
    from types import ModuleType

# As installed on Linux, on musl, on macOS and on Windows, and an author's own data and plugins.
NEEDED = {
    *("lib/libfoo__foo.so.1", "lib/libfoo__foo-anchor.so", "lib/libfoo__foo.1.dylib"),
    *("lib/libfoo__foo-1.dll", "share/foo/data.bin", "lib/plugins/libfoo-png.so"),
}
FOR_BUILDS = {
    *("include/foo/foo.h", "lib/cmake/foo/fooConfig.cmake", "lib/pkgconfig/foo.pc"),
    *("lib/foo.lib", "lib/libfoo__foo.lib", "lib/libfoo.tbd"),
}
PYTHONS = {"__init__.py", "_native_libs.py", "_native_libs.pyi", "__pycache__/__init__.pyc"}


class HookApi:
    """What PyInstaller passes to a hook, as far as it is used."""

    __name__ = "libfoo"

    def __init__(self) -> None:
        self.collected: set[tuple[str, str]] = set()

    def add_datas(self, pairs: list[tuple[str, str]]) -> None:
        self.collected |= set(pairs)


def load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("hook", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_hook_collects_what_a_program_needs(tmp_path: Path) -> None:
    package = tmp_path / "libfoo"
    for name in (*NEEDED, *FOR_BUILDS, *PYTHONS):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(name, encoding="utf-8")
    (package / "_pyinstaller").mkdir()
    hook, init = (package / "_pyinstaller" / name for name in ("hook-libfoo.py", "__init__.py"))
    for copy in (hook, init):
        shutil.copy(building.SUPPORT / "pyinstaller_hook.py", copy)
    assert load(init).hook_dirs() == [str(package / "_pyinstaller")]
    api = HookApi()
    load(hook).hook(api)
    assert api.collected == {
        (str(package / name), str(Path("libfoo", name).parent)) for name in NEEDED
    }
