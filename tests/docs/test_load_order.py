"""The recipes for opening a library when Python starts do so, and never keep Python from starting."""

from __future__ import annotations

import pkgutil
import platform
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import building
import cpythons
import pytest
from docs_pages import steps

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

PAGE = building.ROOT / "docs" / "explanation" / "load-order.md"
FILES = {step.file: step.shown for step in steps(PAGE.read_text("utf-8")) if step.file}
MODULE, PTH, CUSTOM, START = (
    "native_lib_preload_libfoo.py",
    "native_lib_preload_libfoo.pth",
    "sitecustomize.py",
    "native_lib_preload_libfoo.start",
)
# Python 3.15 and newer read .start files.
STARTS = "3.15"
RECIPES = {
    "pth": (MODULE, PTH),
    "sitecustomize": (MODULE, CUSTOM),
    "pth-and-start": (MODULE, PTH, START),
    "start": (MODULE, START),
}
CASES = [
    (version, recipe)
    for version in sorted({cpythons.OWN, STARTS}, key=cpythons.VERSIONS.index)
    for recipe in RECIPES
    if recipe != "start" or version == STARTS
]
OPEN = f"{building.MAPPED}\nprint(len(mapped('libfoo__foo.so.1')))"
LIBRARY = "libfoo/lib/libfoo__foo.so.1"


def interpreter(version: str, recipe: str) -> Path:
    """An interpreter on which a recipe can run: a sitecustomize of its own library comes first."""
    if recipe == "sitecustomize" and version == cpythons.OWN:
        return cpythons.without_sitecustomize()
    return cpythons.need(version)


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def started(
    request: pytest.FixtureRequest, pair: building.Pair, tmp_path_factory: pytest.TempPathFactory
) -> building.Environment:
    """An environment with the pair and a recipe, for tests that break nothing."""
    version, recipe = request.param
    folder = tmp_path_factory.mktemp(recipe)
    python = interpreter(version, recipe)
    made = building.new_environment(folder, pair.provider, pair.consumer, python=python)
    return put(made, *RECIPES[recipe])


@pytest.fixture(params=CASES, ids="-".join)
def recipe(request: pytest.FixtureRequest) -> str:
    """The name of a recipe; `installed` is then for the Python on which it is tried."""
    name: str = request.param[1]
    return name


@pytest.fixture
def python(request: pytest.FixtureRequest) -> Path:
    """The Python that `installed` is for: that of the recipe, if the test has one."""
    spec = getattr(request.node, "callspec", None)
    return interpreter(*spec.params["recipe"]) if spec else Path(sys.executable)


def put(env: building.Environment, *names: str) -> building.Environment:
    for name in names:
        (env.site_packages / name).write_text(FILES[name], encoding="utf-8")
    return env


def start(
    env: building.Environment, *options: str, code: str = OPEN, **variables: str
) -> list[str]:
    return building.run(
        env.python, *options, "-c", code, env=variables, cwd=env.folder
    ).splitlines()


def test_page_has_the_files() -> None:
    assert set(FILES) == {MODULE, PTH, CUSTOM, START}
    ours = building.ROOT / "loader" / "src" / "native_lib" / "at_start.py"
    assert FILES[MODULE] == ours.read_text("utf-8")


def test_library_is_open_before_the_first_line(started: building.Environment) -> None:
    assert start(started) == ["1"]
    assert start(started, code="import foo_ext; print(foo_ext.square(3))") == ["9.0"]
    said = start(started, NATIVE_LIB_DEBUG="1")
    assert said[0].startswith("native-lib: libfoo: foo is /")
    assert said[1:] == ["1"]


@pytest.mark.parametrize("flag", ["-I", "-E", "-s"])
def test_flags_that_leave_site_packages(started: building.Environment, flag: str) -> None:
    assert start(started, flag) == ["1"]


@pytest.mark.parametrize("flags", [("-S",), ("-I", "-S")])
def test_flags_without_site(started: building.Environment, flags: tuple[str, ...]) -> None:
    assert start(started, *flags) == ["0"]


def test_spawned_process(started: building.Environment) -> None:
    code = (
        "import multiprocessing, native_lib_preload_libfoo, runpy, sys\n"
        f"open('worker.py', 'w').write({building.MAPPED!r} + '\\ndef work():\\n"
        '    print(len(mapped("libfoo__foo.so.1")), flush=True)\\n\')\n'
        "sys.path.insert(0, ''); from worker import work\n"
        "process = multiprocessing.get_context('spawn').Process(target=work)\n"
        "process.start(); process.join()"
    )
    assert start(started, code=code) == ["1"]


def absent(site: Path) -> None:
    shutil.rmtree(site / "libfoo")


def edit(name: str, content: str) -> Callable[[Path], None]:
    def change(site: Path) -> None:
        (site / name).write_text(content, encoding="utf-8")

    return change


def missing(site: Path) -> None:
    (site / LIBRARY).unlink()


def truncated(site: Path) -> None:
    content = (site / LIBRARY).read_bytes()
    (site / LIBRARY).write_bytes(content[: len(content) // 2])


BROKEN = {
    "absent": absent,
    "library missing": missing,
    "library truncated": truncated,
    "library empty": edit(LIBRARY, ""),
    "raises": edit("libfoo/__init__.py", "raise RuntimeError('one\\ntwo')\n"),
    "syntax error": edit("libfoo/__init__.py", "no python\n"),
    "exits": edit("libfoo/__init__.py", "import sys; sys.exit(3)\n"),
    "is interrupted": edit("libfoo/__init__.py", "raise KeyboardInterrupt\n"),
    "closes": edit("libfoo/__init__.py", "raise GeneratorExit\n"),
    # As PyO3 makes them.
    "panics": edit(
        "libfoo/__init__.py",
        "class PanicException(BaseException): ...\nraise PanicException('x')\n",
    ),
    "another module": edit("libfoo/__init__.py", ""),
    "manifest": edit("libfoo/_native_libs.py", "FORMAT = 1\n"),
}


def test_python_starts_whatever_the_provider_is(
    recipe: str, installed: building.Environment
) -> None:
    put(installed, *RECIPES[recipe])
    site = installed.site_packages
    shutil.copytree(site / "libfoo", site.parent / "whole")
    for name, damage in BROKEN.items():
        shutil.rmtree(site / "libfoo", ignore_errors=True)
        shutil.copytree(site.parent / "whole", site / "libfoo")
        damage(site)
        assert start(installed, code="print('starts')") == ["starts"], name
        said = start(installed, code="print('starts')", NATIVE_LIB_DEBUG="1")
        assert len(said) == 2, (name, said)
        assert said[0].startswith("native-lib: libfoo was not opened at start: "), name
        closed = ["sh", "-c", '"$0" -c "print(1)" 2>&-', str(installed.python)]
        assert building.run(*closed, env={"NATIVE_LIB_DEBUG": "1"}) == "1\n", name


def test_python_starts_when_the_error_cannot_be_told(
    recipe: str, installed: building.Environment
) -> None:
    put(installed, *RECIPES[recipe])
    code = "class Mute(BaseException):\n    def __str__(self): raise self\nraise Mute\n"
    edit("libfoo/__init__.py", code)(installed.site_packages)
    assert start(installed, code="print('starts')", NATIVE_LIB_DEBUG="1") == ["starts"]


def test_module_of_a_pth_file_is_missing(installed: building.Environment) -> None:
    put(installed, PTH)
    said = start(installed, code="print('starts')")
    assert said[-1] == "starts"
    assert any("No module named 'native_lib_preload_libfoo'" in line for line in said)


def test_start_file_names_what_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / MODULE).write_text(FILES[MODULE], encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    (line,) = FILES[START].splitlines()
    try:
        assert pkgutil.resolve_name(line)() is None
    finally:
        sys.modules.pop("native_lib_preload_libfoo", None)


def test_older_pythons_pass_over_a_start_file(pair: building.Pair, tmp_path: Path) -> None:
    older = cpythons.need("3.14")
    env = building.new_environment(tmp_path, pair.provider, pair.consumer, python=older)
    put(env, MODULE, START)
    assert start(env) == ["0"]


def test_start_file_takes_the_place_of_the_pth_file(pair: building.Pair, tmp_path: Path) -> None:
    """PEP 829: import lines are ignored where there is a .start file of the same name."""
    newest = cpythons.need(STARTS)
    env = building.new_environment(tmp_path, pair.provider, pair.consumer, python=newest)
    put(env, MODULE, PTH, START)
    (env.site_packages / PTH).write_text("import sys; print('the .pth file')\n", encoding="utf-8")
    assert start(env) == ["1"]
    (env.site_packages / START).unlink()
    assert start(env)[-2:] == ["the .pth file", "0"]


def stranger(folder: Path) -> Path:
    """Another library of the plain name, which answers wrongly."""
    return building.compile_library(
        'const char *foo_version(void) { return "1.0.0"; }\n'
        "double foo_square(double x) { return -x; }\n",
        folder / "libfoo.so.1",
        soname="libfoo.so.1",
    )


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="Linux only: elsewhere files are named by other rules"
)
def test_plain_names_the_first_serves(plain_pair: building.Pair, tmp_path: Path) -> None:
    env = building.new_environment(tmp_path / "env", plain_pair.provider, plain_pair.consumer)
    other = stranger(tmp_path)
    code = f"import ctypes; ctypes.CDLL({str(other)!r}); import foo_ext; print(foo_ext.square(3))"
    assert start(env, code=code) == ["-3.0"]
    put(env, MODULE, PTH)
    assert start(env, code=code) == ["9.0"]


@pytest.mark.parametrize(
    ("before", "square"),
    [
        ("import foo_ext, ctypes", "-3.0"),
        ("import libfoo, foo_ext, ctypes; libfoo.loader.load()", "9.0"),
    ],
    ids=["the first use decides", "an explicit load is not deferred"],
)
def test_plain_names_with_lazy_imports(
    plain_pair: building.Pair, tmp_path: Path, before: str, square: str
) -> None:
    wheels = (plain_pair.provider, plain_pair.consumer)
    env = building.new_environment(tmp_path / "env", *wheels, python=cpythons.need("3.15"))
    other = stranger(tmp_path)
    code = f"{before}; ctypes.CDLL({str(other)!r}); print(foo_ext.square(3))"
    assert start(env, code=code) == ["9.0"]  # as the statements stand
    assert start(env, "-X", "lazy_imports=all", code=code) == [square]


def test_sitecustomize_of_debian_comes_first() -> None:
    debian = Path("/usr/bin/python3")
    theirs = list(Path("/usr/lib").glob("python3.*/sitecustomize.py"))
    if not theirs or not debian.exists():
        pytest.skip("requires Debian's Python")
    said = building.run(debian, "-c", "import sitecustomize; print(sitecustomize.__file__)").strip()
    assert "/site-packages/" not in said
    assert "/dist-packages/" not in said
