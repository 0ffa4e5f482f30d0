"""More than one: libraries in a provider, providers in a process, providers of providers."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Callable

import building
import pytest
from building import edit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, makes ELF files")


# Two providers that know nothing of each other ----------------------------------------------------


@pytest.fixture(scope="session")
def newer(
    once: Callable[[str, Callable[[Path], building.Pair]], building.Pair],
) -> building.Pair:
    """A pair with the same function names in another provider, as for a new ABI under its own name."""

    def make(folder: Path) -> building.Pair:
        answers = {"provider_name": "libfoo2", "extension_name": "foo2-ext"}
        generated = building.generate(folder, **answers, library_version="2.0.0")
        edit(generated / "libfoo2" / "src" / "foo.c", "return value * value", "return -value")
        wheels = generated / "dist"
        provider = building.build(generated / "libfoo2", wheels)
        return building.Pair(generated, provider, building.build(generated / "foo2-ext", wheels))

    return once("newer", make)


@pytest.mark.parametrize("order", ["foo_ext, foo2_ext", "foo2_ext, foo_ext"])
def test_symbols_do_not_leak(
    pair: building.Pair, newer: building.Pair, tmp_path: Path, order: str
) -> None:
    wheels = (pair.provider, pair.consumer, newer.provider, newer.consumer)
    env = building.new_environment(tmp_path / "env", *wheels)
    building.check_wheels(*wheels)
    code = f"import {order}; assert (foo_ext.square(3), foo2_ext.square(3)) == (9, -3)"
    assert building.mapped(env, code, "foo.so") == [
        f"{env.site_packages}/libfoo/lib/libfoo__foo.so.1",
        f"{env.site_packages}/libfoo2/lib/libfoo2__foo.so.2",
    ]


# Several libraries in one provider -------------------------------------------------------------


@pytest.fixture(scope="session")
def family(once: Callable[[str, Callable[[Path], building.Pair]], building.Pair]) -> building.Pair:
    """A pair whose provider ships foo and bar; bar calls foo, and the consumer calls bar only."""

    def make(folder: Path) -> building.Pair:
        generated = building.generate(folder)
        provider, consumer = generated / "libfoo", generated / "foo-ext"
        (provider / "src" / "bar.c").write_text(
            "#include <foo/bar_export.h>\n#include <foo/foo.h>\n"
            "BAR_EXPORT double bar_cube(double x);\n"
            "double bar_cube(double x) { return x * foo_square(x); }\n",
            encoding="utf-8",
        )
        lists = provider / "CMakeLists.txt"
        edit(
            lists,
            "# Names the files",
            "add_library(bar SHARED src/bar.c)\ntarget_link_libraries(bar PRIVATE foo)\n\n# Names the files",
        )
        edit(
            lists,
            "native_library_provider(\n    foo\n",
            "native_library_provider(\n    foo\n    bar\n",
        )
        edit(lists, "PROBE_SYMBOL foo_version", "PROBE_SYMBOL foo_version bar_cube")
        edit(lists, "EXPORT_HEADER foo/export.h", "EXPORT_HEADER foo/export.h foo/bar_export.h")
        edit(consumer / "CMakeLists.txt", "foo::foo", "foo::bar")
        source = consumer / "src" / "_ext.c"
        edit(source, "#include <foo/foo.h>", "double bar_cube(double);")
        edit(source, "foo_square(value)", "bar_cube(value)")
        edit(source, "foo_version()", '"none"')
        wheels = generated / "dist"
        wheel = building.build(provider, wheels)
        return building.Pair(generated, wheel, building.build(consumer, wheels))

    return once("family", make)


def test_a_library_is_loaded_after_what_it_needs(family: building.Pair, tmp_path: Path) -> None:
    env = building.new_environment(tmp_path / "env", family.provider, family.consumer)
    said = env.run(
        "import foo_ext; print(foo_ext.square(3))", env={"NATIVE_LIB_DEBUG": "1"}
    ).splitlines()
    assert said == [
        "native-lib: foo_ext requires libfoo>=1.0.0,<2, there is 1.0.0",
        f"native-lib: libfoo: foo is {env.site_packages}/libfoo/lib/libfoo__foo.so.1 (wheel)",
        f"native-lib: libfoo: bar is {env.site_packages}/libfoo/lib/libfoo__bar.so.1 (wheel)",
        "27.0",
    ]


def test_only_what_is_asked_for_is_loaded(family: building.Pair, tmp_path: Path) -> None:
    env = building.new_environment(tmp_path / "env", family.provider)
    code = "import libfoo; assert [x.name for x in libfoo.loader.load('foo')] == ['foo']"
    assert len(building.mapped(env, code, "libfoo__")) == 1
    said = env.run("import libfoo; libfoo.loader.load('baz')", fails=True)
    assert "LibraryNotFoundError: libfoo 1.0.0 ships no library 'baz'; it has foo, bar" in said


# A provider that requires a provider ---------------------------------------------------------------


def test_dependencies_are_loaded_first(chain: list[Path], tmp_path: Path) -> None:
    env = building.new_environment(tmp_path / "env", *chain)
    said = env.run(
        "import top_ext; print(top_ext.square(3))", env={"NATIVE_LIB_DEBUG": "1"}
    ).splitlines()
    assert said == [
        "native-lib: top_ext requires libtop>=1.0.0,<2, there is 1.0.0",
        "native-lib: libtop requires libfoo>=1.0.0,<2, there is 1.0.0",
        f"native-lib: libfoo: foo is {env.site_packages}/libfoo/lib/libfoo__foo.so.1 (wheel)",
        f"native-lib: libtop: top is {env.site_packages}/libtop/lib/libtop__top.so.1 (wheel)",
        "10.0",
    ]


def test_provider_of_a_provider_is_missing(chain: list[Path], tmp_path: Path) -> None:
    env = building.new_environment(tmp_path / "env", *chain[1:])
    said = env.run("import top_ext", fails=True)
    assert "libtop needs the native library 'foo' of the distribution libfoo" in said
    assert 'python -m pip install "libfoo>=1.0.0,<2"' in said


def test_provider_of_a_provider_is_too_old(chain: list[Path], tmp_path: Path) -> None:
    env = building.new_environment(tmp_path / "env", *chain)
    edit(env.site_packages / "libfoo" / "_native_libs.py", '"1.0.0"', '"0.9.0"')
    said = env.run("import top_ext", fails=True)
    assert "libtop was built against libfoo 1.0.0 and needs libfoo>=1.0.0,<2, but 0.9.0" in said


# The plain form, written by hand ---------------------------------------------------------------

INIT = """
from shared_lib_manager import LibraryLoader, LoadMode, PlatformLibrary
from shared_lib_consumer import load_library_module

loader = LibraryLoader({libraries}, {options})
"""


def by_hand(folder: Path, name: str, libraries: str, options: str = "") -> None:
    """Write a provider as a person does who uses the installed loader."""
    package = folder / name
    package.mkdir(parents=True)
    text = INIT.format(libraries=libraries, options=options)
    (package / "__init__.py").write_text(text, encoding="utf-8")


LOAD_MODULE = "from shared_lib_consumer import load_library_module as load\n"


def run_by_hand(
    folder: Path, code: str, fails: bool = False, env: Mapping[str, str] | None = None
) -> str:
    path = f"{folder}:{building.ROOT / 'loader' / 'src'}"
    return building.run(
        sys.executable, "-c", code, env={"PYTHONPATH": path, **(env or {})}, fails=fails
    )


def answer(number: int) -> str:
    return f"int answer(void) {{ return {number}; }}"


@pytest.mark.parametrize("libraries", ["Linux='lib/libhand.so.1'", "default='lib/libhand.so.1'"])
def test_written_by_hand(tmp_path: Path, libraries: str) -> None:
    library = building.compile_library(
        answer(42), tmp_path / "hand" / "lib" / "libhand.so.1", soname="libhand.so.1"
    )
    package = tmp_path / "hand" / "__init__.py"
    text = INIT.format(libraries=f"{{'hand': PlatformLibrary({libraries})}}", options="")
    package.write_text(text, encoding="utf-8")
    said = run_by_hand(
        tmp_path,
        "from shared_lib_consumer import load_library_module\n"
        "print(*load_library_module('hand'))\n"
        "import ctypes; print(ctypes.CDLL('libhand.so.1').answer())",
    )
    assert said == (f"LoadedLibrary(name='hand', path={str(library)!r}, origin='wheel')\n42\n")


def test_path_is_relative_to_the_module(tmp_path: Path) -> None:
    """Also where the module has no path of its own."""
    file = building.compile_library(
        answer(42), tmp_path / "lib" / "libhand.so.1", soname="libhand.so.1"
    )
    code = (
        "from shared_lib_manager import *\n"
        "hand = LibraryLoader({'hand': PlatformLibrary(default='lib/libhand.so.1')})\n"
        "print(hand.load()[0].path)"
    )
    env = {"PYTHONPATH": str(building.ROOT / "loader" / "src")}
    assert building.run(sys.executable, "-c", code, env=env, cwd=tmp_path) == f"{file}\n"


def test_no_file_for_this_system(tmp_path: Path) -> None:
    by_hand(tmp_path, "hand", "{'hand': PlatformLibrary(Windows='hand.dll')}")
    said = run_by_hand(tmp_path, "import hand", fails=True)
    assert "NativeLibraryError: hand names no file of its library 'hand' for linux" in said


@pytest.mark.parametrize(("mode", "visible"), [("LOCAL", False), ("GLOBAL", True)])
def test_load_mode(tmp_path: Path, mode: str, visible: bool) -> None:
    library = "{'hand': PlatformLibrary(default='libhand.so.1')}"
    by_hand(tmp_path, "hand", library, f"mode=LoadMode.{mode}")
    building.compile_library(answer(42), tmp_path / "hand" / "libhand.so.1", soname="libhand.so.1")
    said = run_by_hand(
        tmp_path,
        "import ctypes, hand; hand.loader.load(); print(hasattr(ctypes.CDLL(None), 'answer'))",
    )
    assert said == f"{visible}\n"


@pytest.mark.parametrize("preferred", [None, False, True])
def test_absent_provider_is_no_error(tmp_path: Path, preferred: bool | None) -> None:
    """The library may come from conda or the system."""
    code = f"print(load('absent', prefer_system={preferred}))"
    debug = {"NATIVE_LIB_DEBUG": "1"}
    assert run_by_hand(tmp_path, f"{LOAD_MODULE}{code}") == "()\n"
    assert run_by_hand(tmp_path, f"{LOAD_MODULE}{code}", env=debug) == (
        "native-lib: absent is not installed, the library is left to the system\n()\n"
    )


@pytest.mark.parametrize("preferred", [None, True])
def test_absent_provider_that_is_required(tmp_path: Path, preferred: bool | None) -> None:
    code = f"{LOAD_MODULE}load('absent', prefer_system={preferred}, required=True)"
    said = run_by_hand(tmp_path, code, fails=True)
    assert (
        "LibraryNotFoundError: This needs the native library provider absent, which is not" in said
    )
    assert said.endswith('  fix: python -m pip install "absent"\n')


def test_another_module_of_the_providers_name_is_no_absence(tmp_path: Path) -> None:
    (tmp_path / "hand.py").write_text("", encoding="utf-8")
    said = run_by_hand(tmp_path, f"{LOAD_MODULE}load('hand')", fails=True)
    assert "provider hand; what is importable as hand is something else." in said
    assert f"  found: {tmp_path / 'hand.py'}\n" in said


def test_provider_that_imports_something_absent_is_not_absent(tmp_path: Path) -> None:
    (tmp_path / "hand.py").write_text("import something_absent", encoding="utf-8")
    said = run_by_hand(tmp_path, f"{LOAD_MODULE}load('hand')", fails=True)
    assert said.endswith("ModuleNotFoundError: No module named 'something_absent'\n")


@pytest.mark.parametrize(
    "argument",
    [
        "Linux=pathlib.Path('lib', 'libhand.so.1')",
        "default=pathlib.Path('lib', 'libhand.so.1')",
        "default=lambda: 'lib/libhand.so.1'",
        "Windows='x.dll', default=lambda: pathlib.Path(__file__).parent / 'lib' / 'libhand.so.1'",
    ],
)
def test_path_may_be_a_path_or_come_from_a_function(tmp_path: Path, argument: str) -> None:
    by_hand(tmp_path, "hand", f"{{'hand': PlatformLibrary({argument})}}")
    package = tmp_path / "hand" / "__init__.py"
    package.write_text(f"import pathlib\n{package.read_text('utf-8')}", encoding="utf-8")
    file = tmp_path / "hand" / "lib" / "libhand.so.1"
    building.compile_library(answer(42), file, soname="libhand.so.1")
    said = run_by_hand(tmp_path, "import hand; print(*hand.loader.load())")
    assert said == f"LoadedLibrary(name='hand', path={str(file)!r}, origin='wheel')\n"


def test_function_that_knows_no_path(tmp_path: Path) -> None:
    by_hand(tmp_path, "hand", "{'hand': PlatformLibrary(default=lambda: None)}")
    said = run_by_hand(tmp_path, "import hand", fails=True)
    assert "NativeLibraryError: hand names no file of its library 'hand' for linux" in said


ERRORS = """
import {manager} as manager, {consumer} as consumer, sys
assert not any(name.endswith("shared_lib_explain") for name in sys.modules)
from {manager} import LibraryConflictError, LibraryNotFoundError, NativeLibraryError
from {consumer} import LibraryVersionError
assert consumer.LibraryNotFoundError is LibraryNotFoundError
assert issubclass(NativeLibraryError, ImportError)
for error in (LibraryConflictError, LibraryNotFoundError, LibraryVersionError):
    assert issubclass(error, NativeLibraryError)
    assert error.__module__ in {explain!r}, error.__module__
try:
    manager.absent
except AttributeError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("manager", "source", "explain"),
    [
        ("my_manager._shared_lib_manager", "", "my_manager._shared_lib_explain"),
        ("shared_lib_manager", "native_lib/support", "shared_lib_explain"),
        ("shared_lib_manager", ".", "native_lib.support.shared_lib_explain"),
        ("native_lib.support.shared_lib_manager", ".", "native_lib.support.shared_lib_explain"),
    ],
    ids=["vendored", "plain", "installed", "support"],
)
def test_error_classes_wherever_the_files_lie(
    tmp_path: Path, manager: str, source: str, explain: str
) -> None:
    """The sides import the third file from beside themselves, by the name that they have."""
    package = tmp_path / "my_manager"
    package.mkdir()
    (package / "__init__.py").touch()
    for file in (building.ROOT / "loader" / "src" / "native_lib" / "support").glob(
        "shared_lib_*.py"
    ):
        shutil.copy(file, package / f"_{file.name}")
    consumer = manager.rpartition("manager")[0] + "consumer"
    path = building.ROOT / "loader" / "src" / source if source else tmp_path
    code = ERRORS.format(manager=manager, consumer=consumer, explain=explain)
    said = building.run(sys.executable, "-c", code, env={"PYTHONPATH": str(path)})
    assert said.endswith("shared_lib_manager' has no attribute 'absent'\n")


def test_name_becomes_an_environment_variable(tmp_path: Path) -> None:
    by_hand(tmp_path, "hand", "{'my-lib': PlatformLibrary(default='libhand.so.1')}")
    building.compile_library(answer(1), tmp_path / "hand" / "libhand.so.1", soname="libhand.so.1")
    other = building.compile_library(
        answer(2), tmp_path / "other" / "libhand.so.1", soname="libhand.so.1"
    )
    env = {
        "PYTHONPATH": f"{tmp_path}:{building.ROOT / 'loader' / 'src'}",
        "NATIVE_LIB_MY_LIB_PATH": str(other),
    }
    code = "import hand; print(hand.loader.load()[0].path)"
    assert building.run(sys.executable, "-c", code, env=env) == f"{other}\n"


def test_providers_must_not_require_each_other_in_a_circle(tmp_path: Path) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        library = f"{{'{name}': PlatformLibrary(default='lib{name}.so.1')}}"
        by_hand(tmp_path, name, library, f"requires=lambda: load_library_module('{other}')")
        file = tmp_path / name / f"lib{name}.so.1"
        building.compile_library(answer(1), file, soname=file.name)
    said = run_by_hand(tmp_path, "import one; one.loader.load()", fails=True)
    assert "NativeLibraryError: one requires itself" in said
    assert "Providers must not require each other in a circle." in said


def test_a_newer_manifest_is_refused(installed: building.Environment) -> None:
    edit(installed.site_packages / "libfoo" / "_native_libs.py", "FORMAT = 1", "FORMAT = 2")
    said = installed.run("import foo_ext", fails=True)
    assert "has format 2" in said
    assert "`native-lib vendor`" in said


def test_a_newer_record_is_refused(installed: building.Environment) -> None:
    edit(installed.site_packages / "foo_ext" / "_native_requires.py", "FORMAT = 1", "FORMAT = 3")
    said = installed.run("import foo_ext", fails=True)
    assert "has format 3" in said
    assert "`native-lib vendor`" in said
