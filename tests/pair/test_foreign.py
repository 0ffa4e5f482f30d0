"""A package that ships libraries and knows nothing of native-lib: described, and used by consumers."""

from __future__ import annotations

import re
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import building
import elf
import pytest
import wheels
from native_lib.literals import read_literals

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and ELF files")

LIBRARY = """
static int counter;
int acme_count(void) { return ++counter; }
int acme_stable_count(void) { return ++counter; }
"""
HEADER = "#define ACME_STABLE extern\nACME_STABLE int acme_stable_count(void);\n"
PACKAGE = """
import ctypes, os
__version__ = "{version}"
ctypes.CDLL(os.path.join(os.path.dirname(__file__), "lib", "libacme.so"))
"""
DESCRIPTION = """
distributions = ["acme"]
import = "acme"
version = "__version__"
compatibility = "SameMinorVersion"
folder = "acme"
opened-by-path = ["acme_more"]
brings = ["acme-runtime"]
warning = "its authors promise nothing"
[libraries]
linux = ["acme/lib/libacme*.so"]
[stable-abi]
headers = ["acme/include/*.h"]
macro = "ACME_STABLE"
"""
RUNTIME = """
distributions = ["acme-runtime"]
compatibility = "SameMajorVersion"
folder = "runtime/*"
[libraries]
linux = ["runtime/*/lib/librun*.so.*"]
"""
MODULE = """
#include <Python.h>
int {function}(void);
static PyObject *count(PyObject *self, PyObject *none) {{ return PyLong_FromLong({function}()); }}
static PyMethodDef methods[] = {{{{"count", count, METH_NOARGS, NULL}}, {{NULL, NULL, 0, NULL}}}};
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "_ext", NULL, 0, methods}};
PyMODINIT_FUNC PyInit__ext(void) {{ return PyModule_Create(&module); }}
"""
MAPPED = """
print(sorted({line.split()[-1].rpartition("/")[2] for line in open("/proc/self/maps") if "/lib" in line}))
"""


@dataclass(frozen=True)
class Acme:
    """The packages' wheels, and a project with descriptions of them.

    Attributes:
        project: its folder.
        libraries: by file name.
        wheels: of acme, by version; of acme-runtime; bound ones of consumers, by name.
    """

    project: Path
    libraries: dict[str, bytes]
    wheels: dict[str, Path]

    def native_lib(
        self, *arguments: str | Path, site: Path | None = None, fails: bool = False
    ) -> str:
        folders = [building.ROOT / "loader" / "src", *([site] if site else [])]
        env = {
            "PYTHONPATH": ":".join(map(str, folders)),
            "NATIVE_LIB_CACHE": str(self.project / "c"),
        }
        command = (sys.executable, "-m", "native_lib", *arguments)
        return building.run(*command, env=env, cwd=self.project, fails=fails)

    def site(self, folder: Path, *names: str) -> Path:
        """Install wheels into a folder."""
        folder.mkdir(exist_ok=True)
        for name in names:
            wheels.unpack(self.wheels[name], folder)
        return folder


def make(folder: Path) -> Acme:
    libraries = {
        "libacme.so": _library(folder, "libacme.so", LIBRARY),
        "libacme_more.so": _library(folder, "libacme_more.so", "int acme_more(void) { return 7; }"),
        "libhelp.so.1": _library(folder, "libhelp.so.1", "int help(void) { return 8; }"),
        "librun.so.3": _library(folder, "librun.so.3", "int run_it(void) { return 9; }"),
    }
    project = folder / "project"
    project.mkdir()
    (project / "acme.toml").write_text(DESCRIPTION, encoding="utf-8")
    (project / "runtime.toml").write_text(RUNTIME, encoding="utf-8")
    table = '[tool.native-lib]\nknown = ["acme.toml", "runtime.toml"]\n'
    (project / "pyproject.toml").write_text(table, encoding="utf-8")
    acme = Acme(project, libraries, {})
    for version in ("2.5.0", "2.5.1", "2.6.0"):
        acme.wheels[version] = _acme(folder / "dist", version, libraries)
    few = {name: content for name, content in libraries.items() if name != "libacme_more.so"}
    acme.wheels["cpu"] = _acme(folder / "dist", "2.5.0+cpu", few)
    run = {"runtime/run3/lib/librun.so.3": libraries["librun.so.3"]}
    acme.wheels["runtime"] = wheels.make_wheel(folder / "dist", "acme-runtime", run, version="3.1")
    site = acme.site(folder / "builders", "2.5.0", "runtime")
    for name, function, library, requires in (
        ("plain", "acme_count", "libacme.so", ()),
        ("other", "acme_count", "libacme.so", ("acme",)),
        ("stable", "acme_stable_count", "libacme.so", ("acme>=1",)),
        ("more", "acme_more", "libacme_more.so", ("acme",)),
        ("helped", "help", "libhelp.so.1", ("acme",)),
        ("run", "run_it", "librun.so.3", ("acme-runtime",)),
    ):
        built = _consumer(folder, name, function, site, library, requires)
        named = ["--provider", "acme"] if name == "plain" else []
        acme.native_lib("bind", *named, "-w", folder / "bound", built, site=site)
        acme.wheels[name] = folder / "bound" / built.name
    return acme


def _library(folder: Path, name: str, source: str) -> bytes:
    (folder / "library.c").write_text(source, encoding="utf-8")
    options = ("-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", folder / name)
    building.run("cc", *options, folder / "library.c")
    return (folder / name).read_bytes()


def _acme(folder: Path, version: str, libraries: dict[str, bytes]) -> Path:
    files = {
        f"acme/lib/{name}": content for name, content in libraries.items() if "run" not in name
    }
    files |= {"acme/lib/libacme_copy.so": libraries["libacme.so"]}  # of another name by its SONAME
    texts = {"acme/__init__.py": PACKAGE.format(version=version), "acme/include/acme.h": HEADER}
    requires = () if "+" in version else ("acme-runtime==3.1",)
    return wheels.make_wheel(folder, "acme", {**files, **texts}, version=version, requires=requires)


def _consumer(
    folder: Path, name: str, function: str, site: Path, library: str, requires: Iterable[str]
) -> Path:
    source, made = folder / f"{name}.c", folder / f"{name}.so"
    source.write_text(MODULE.format(function=function), encoding="utf-8")
    where = next(site.rglob(library)).parent
    include = sysconfig.get_paths()["include"]
    link = (f"-L{where}", f"-l:{library}", f"-Wl,-rpath,{where}", "-Wl,--no-as-needed", "-lc")
    building.run("cc", "-shared", "-fPIC", f"-I{include}", source, *link, "-o", made)
    files: dict[str, bytes | str] = {
        f"{name}/__init__.py": "from ._ext import count\n",
        f"{name}/_ext.so": made.read_bytes(),
    }
    return wheels.make_wheel(folder / "built", name, files, requires=requires)


@pytest.fixture(scope="module")
def acme(once: Callable[[str, Callable[[Path], Acme]], Acme]) -> Acme:
    return once("acme", make)


def run(code: str, site: Path, *, fails: bool = False) -> str:
    # A module that a test edits within a second would be taken for the one that was compiled.
    env = {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    return building.run(sys.executable, "-c", code, env=env, fails=fails)


def record(wheel: Path) -> dict[str, Any]:
    (name,) = re.findall(r"^\w+?(?=-)", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        path = f"{name}/_native_requires.py"
        return read_literals(path, archive.read(path), 2)


def requires(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        return re.findall(r"^Requires-Dist: (.*)$", archive.read(path).decode(), re.MULTILINE)


# Bind ----------------------------------------------------------------------------------------------


def test_bind_writes_bound_record_and_loader(acme: Acme) -> None:
    assert requires(acme.wheels["plain"]) == ["acme>=2.5.0,<2.6"]
    assert requires(acme.wheels["other"]) == ["acme", "acme>=2.5.0,<2.6"]
    told = record(acme.wheels["plain"])
    assert told["FORMAT"] == 2
    assert told["REQUIRES"] == (
        {
            "provider": "acme",
            "distribution": "acme",
            "version": "2.5.0",
            "compatibility": "SameMinorVersion",
            "requirement": "acme>=2.5.0,<2.6",
            "libraries": ("acme",),
            "attribute": "__version__",
            "files": {"acme": "acme/lib/libacme.so"},
            "by_path": (),
        },
    )
    with zipfile.ZipFile(acme.wheels["plain"]) as archive:
        loader = archive.read("plain/_shared_lib_foreign.py")
        assert loader == (building.SUPPORT / "shared_lib_foreign.py").read_bytes()
    dynamic = elf.dynamic_in_wheel(acme.wheels["plain"])
    assert dynamic["NEEDED"][0] == "libacme.so"
    assert "RUNPATH" not in dynamic  # it led to the builder's folder


def test_stable_abi_admits_each_newer_version(acme: Acme) -> None:
    assert requires(acme.wheels["stable"]) == ["acme>=1", "acme>=2.5.0"]


def test_what_is_beside_and_not_described_binds_nobody(acme: Acme) -> None:
    assert requires(acme.wheels["helped"]) == ["acme"]
    with zipfile.ZipFile(acme.wheels["helped"]) as archive:
        assert "helped/_native_requires.py" not in archive.namelist()


def test_package_without_python(acme: Acme, tmp_path: Path) -> None:
    assert requires(acme.wheels["run"]) == ["acme-runtime", "acme-runtime>=3.1,<4"]
    site = acme.site(tmp_path / "site", "run", "runtime")
    assert run("import run; print(run.count())", site) == "9\n"
    # pip leaves folders behind, which are importable.
    site = acme.site(tmp_path / "empty", "run")
    (site / "runtime" / "run3" / "lib").mkdir(parents=True)
    said = run("import run", site, fails=True)
    assert (
        "run needs the native library 'run' of the distribution acme-runtime, which is not" in said
    )


def test_what_comes_along_is_not_required_itself(acme: Acme, tmp_path: Path) -> None:
    """torch requires one version of NVIDIA's run time, and a bound of ours might exclude that."""
    site = acme.site(tmp_path / "builders", "2.5.0", "runtime")
    source = """
        int acme_count(void), run_it(void);
        __attribute__((visibility("hidden"))) int both(void) { return acme_count() + run_it(); }
    """
    (tmp_path / "both.c").write_text(
        f"{MODULE.format(function='both')}\n{source}", encoding="utf-8"
    )
    libraries = (
        site / "acme" / "lib" / "libacme.so",
        site / "runtime" / "run3" / "lib" / "librun.so.3",
    )
    include = sysconfig.get_paths()["include"]
    options = ("-shared", "-fPIC", f"-I{include}", "-o", tmp_path / "both.so")
    building.run("cc", *options, tmp_path / "both.c", *libraries)
    module = (tmp_path / "both.so").read_bytes()
    files: dict[str, bytes | str] = {"both/__init__.py": "", "both/_ext.so": module}
    built = wheels.make_wheel(tmp_path, "both", files, requires=["acme"])
    acme.native_lib("bind", "-w", tmp_path / "bound", built, site=site)
    bound = tmp_path / "bound" / built.name
    assert requires(bound) == ["acme", "acme>=2.5.0,<2.6"]
    alone = acme.native_lib("check", bound)
    assert "1 file checked: 0 errors, 0 warnings, 2 notes" in alone, alone
    assert "needs librun.so.3 of acme, which is not here" in alone
    said = acme.native_lib("check", bound, acme.wheels["2.5.0"], acme.wheels["runtime"])
    assert "3 files checked: 0 errors" in said
    said = acme.native_lib("check", bound, acme.wheels["2.5.0"])
    assert "2 files checked: 0 errors, 0 warnings, 1 note" in said
    # This variant requires no run time, so nothing brings the library.
    said = acme.native_lib("check", bound, acme.wheels["cpu"], fails=True)
    assert "needs librun.so.3: no wheel here" in said


def test_project_can_widen_the_bound(acme: Acme, tmp_path: Path) -> None:
    pyproject = acme.project / "pyproject.toml"
    (tmp_path / "pyproject.toml").write_text(
        pyproject.read_text("utf-8").replace(
            '"acme.toml", "runtime.toml"', f'"{acme.project}/acme.toml"'
        )
        + 'bounds = { acme = ">=2.4,<3" }\n',
        encoding="utf-8",
    )
    site = acme.site(tmp_path / "builders", "2.5.0")
    wider = Acme(tmp_path, acme.libraries, acme.wheels)
    built = acme.project.parent / "built" / acme.wheels["other"].name
    wider.native_lib("bind", "-w", tmp_path / "bound", built, site=site)
    bound = tmp_path / "bound" / built.name
    assert requires(bound) == ["acme", "acme>=2.4,<3"]
    site = acme.site(tmp_path / "site", "2.6.0")
    wheels.unpack(bound, site)
    assert run("import other; print(other.count())", site) == "1\n"
    said = wider.native_lib("check", bound)
    assert "0 errors" in said


def test_bound_that_excludes_what_was_linked_is_refused(acme: Acme, tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(DESCRIPTION, encoding="utf-8")
    table = '[tool.native-lib]\nknown = ["acme.toml"]\nbounds = { acme = ">=3" }\n'
    (tmp_path / "pyproject.toml").write_text(table, encoding="utf-8")
    built = acme.project.parent / "built" / acme.wheels["other"].name
    project, site = Acme(tmp_path, acme.libraries, acme.wheels), tmp_path / "builders"
    bind = ("bind", "-w", tmp_path / "bound", built)
    said = project.native_lib(*bind, site=acme.site(site, "2.5.0"), fails=True)
    assert "[tool.native-lib]: bounds has acme>=3, and the wheel was linked against 2.5.0" in said
    assert not (tmp_path / "bound").exists()


def test_warning_where_authors_promise_nothing(acme: Acme, tmp_path: Path) -> None:
    site = acme.site(tmp_path / "builders", "2.5.0")
    built = acme.project.parent / "built" / acme.wheels["other"].name
    said = acme.native_lib("bind", "-w", tmp_path, built, site=site)
    assert (
        "native-lib: warning: acme: its authors promise nothing; the wheel will require "
        "acme>=2.5.0,<2.6\n"
    ) in said


def test_bound_again_is_the_same(acme: Acme, tmp_path: Path) -> None:
    site = acme.site(tmp_path / "builders", "2.5.0")
    acme.native_lib("bind", "-w", tmp_path, acme.wheels["other"], site=site)
    assert (tmp_path / acme.wheels["other"].name).read_bytes() == acme.wheels["other"].read_bytes()


def test_bind_refuses_what_the_package_here_does_not_have(acme: Acme, tmp_path: Path) -> None:
    built = acme.project.parent / "built" / acme.wheels["more"].name
    bind = ("bind", "-w", tmp_path / "out", built)
    said = acme.native_lib(*bind, fails=True)
    assert "more/_ext.so needs libacme_more.so, and acme is not installed here: " in said
    said = acme.native_lib(*bind, site=acme.site(tmp_path / "cpu", "cpu"), fails=True)
    assert (
        "more/_ext.so needs libacme_more.so, and acme 2.5.0+cpu has libacme.so: bind with" in said
    )
    assert not (tmp_path / "out").exists()


def test_repair_leaves_the_libraries_out(acme: Acme, tmp_path: Path) -> None:
    site = acme.site(tmp_path / "builders", "2.5.0")
    built = acme.project.parent / "built" / acme.wheels["more"].name
    said = acme.native_lib("repair", "-w", tmp_path / "out", built, site=site)
    wheel = Path(said.splitlines()[-1])
    assert requires(wheel) == ["acme", "acme>=2.5.0,<2.6"]
    with zipfile.ZipFile(wheel) as archive:
        assert [n for n in archive.namelist() if ".so" in n] == ["more/_ext.so"]


def test_preload_says_that_there_is_no_loader(acme: Acme, tmp_path: Path) -> None:
    site = acme.site(tmp_path / "site", "2.5.0")
    said = acme.native_lib("preload", "acme", site=site, fails=True)
    assert said == (
        "native-lib: acme was not made with native-lib, and has no loader that could be called at start\n"
    )


# At import -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["plain other acme", "acme plain other", "other acme plain"])
def test_one_copy_in_every_order_of_imports(acme: Acme, tmp_path: Path, order: str) -> None:
    site = acme.site(tmp_path / "site", "2.5.1", "plain", "other")
    imports = "\n".join(f"import {name}" for name in order.split())
    said = run(f"{imports}\nprint(plain.count(), other.count())\n{MAPPED}", site)
    assert said.startswith("1 2\n")
    assert said.count("libacme") == 1


def test_library_that_the_import_leaves_is_opened(acme: Acme, tmp_path: Path) -> None:
    site = acme.site(tmp_path / "site", "2.5.0", "more")
    assert run("import more; print(more.count())", site) == "7\n"


def test_wrong_version_whose_symbols_are_all_there_is_refused_before_anything_is_opened(
    acme: Acme, tmp_path: Path
) -> None:
    site = acme.site(tmp_path / "site", "2.6.0", "plain", "stable")
    code = "import sys\ntry: import plain\nexcept ImportError as error: print(error)"
    said = run(f"{code}\nprint('acme' in sys.modules){MAPPED}", site)
    assert said.startswith(
        "plain was built against acme 2.5.0 and needs acme>=2.5.0,<2.6, but 2.6.0 is installed.\n"
    )
    assert "\nFalse\n" in said
    assert "libacme.so" not in said
    assert run("import stable; print(stable.count())", site) == "1\n"
    # It is the same if the package was imported before.
    assert "but 2.6.0 is installed" in run("import acme, plain", site, fails=True)


def test_imported_module_tells_the_version_that_metadata_does_not(
    acme: Acme, tmp_path: Path
) -> None:
    site = acme.site(tmp_path / "site", "2.5.0", "plain")
    package = site / "acme" / "__init__.py"
    package.write_text(package.read_text("utf-8").replace("2.5.0", "2.7.0"), encoding="utf-8")
    assert "but 2.7.0 is installed" in run("import plain", site, fails=True)
    for file in (site / "acme-2.5.0.dist-info").iterdir():
        file.unlink()
    (site / "acme-2.5.0.dist-info").rmdir()  # as in a frozen program
    assert "but 2.7.0 is installed" in run("import plain", site, fails=True)
    package.write_text(package.read_text("utf-8").replace("2.7.0", "2.5.3"), encoding="utf-8")
    assert run("import plain; print(plain.count())", site) == "1\n"


def test_library_that_a_variant_lacks_is_named(acme: Acme, tmp_path: Path) -> None:
    site = acme.site(tmp_path / "site", "cpu", "more")
    said = run("import more", site, fails=True)
    assert (
        "more needs libacme_more.so of acme 2.5.0, and acme 2.5.0+cpu has no such library here: it is "
        "another variant, or damaged.\n"
    ) in said
    assert f"file:      {site}/acme/lib/libacme_more.so (no such file)" in said
    assert "(from the index that has its variant cpu)" in said


def test_library_that_cannot_be_opened(acme: Acme, tmp_path: Path) -> None:
    site = acme.site(tmp_path / "site", "2.5.0", "more")
    (site / "acme" / "lib" / "libacme_more.so").write_bytes(b"damaged")
    said = run("import more", site, fails=True)
    assert "more needs the library 'acme_more' of acme 2.5.0, which cannot be opened.\n" in said
    assert "libacme_more.so: file too short" in said


def test_package_that_is_not_installed(acme: Acme, tmp_path: Path) -> None:
    said = run("import plain", acme.site(tmp_path / "site", "plain"), fails=True)
    assert (
        "plain needs the native library 'acme' of the distribution acme, which is not inst" in said
    )
    assert 'pip install "acme>=2.5.0,<2.6"' in said


def test_older_loader_says_in_one_line_that_it_is_too_old(acme: Acme, tmp_path: Path) -> None:
    site = acme.site(tmp_path / "site", "2.5.0", "plain")
    loader = site / "plain" / "_shared_lib_consumer.py"
    text = loader.read_text("utf-8")
    loader.write_text(
        re.sub(r"^(REQUIREMENTS_FORMAT) = 2", r"\1 = 1", text, flags=re.MULTILINE), "utf-8"
    )
    last = run("import plain", site, fails=True).splitlines()[-1]
    assert "plain/_native_requires.py has format 2, and " in last
    assert "reads formats up to 1: update the vendored loader with `native-lib vendor`" in last


# The other commands --------------------------------------------------------------------------------


def test_excludes_and_env(acme: Acme, tmp_path: Path) -> None:
    site = acme.site(tmp_path / "site", "2.5.0", "runtime")
    said = acme.native_lib("excludes", "--tool", "auditwheel", "acme", site=site)
    names = said.replace("--exclude", "").split()
    assert names == ["libacme.so", "libacme_more.so", "librun.so.3"]
    variables = dict(re.findall(r"export (\w+)=(\S+)", acme.native_lib("env", "acme", site=site)))
    assert "LD_LIBRARY_PATH" not in variables  # programs of the system may use these names
    prefix = variables["CMAKE_PREFIX_PATH"]
    (tmp_path / "call.c").write_text(
        "#include <acme.h>\nint main(void) { return acme_stable_count(); }", encoding="utf-8"
    )
    env = {"CPATH": variables["CPATH"], "LIBRARY_PATH": variables["LIBRARY_PATH"]}
    building.run("cc", tmp_path / "call.c", "-lacme", "-o", tmp_path / "call", env=env)
    with (tmp_path / "call").open("rb") as file:
        assert "libacme.so" in elf.dynamic(file)["NEEDED"]
    assert prefix.startswith(str(acme.project))
    for library in (site / "acme" / "lib").iterdir():
        library.unlink()
    said = acme.native_lib("env", "--format", "json", "acme", site=site, fails=True)
    assert said == "native-lib: acme 2.5.0 has none of the libraries here that are known of it\n"


def test_check_of_the_consumer_alone_and_beside_the_package(acme: Acme) -> None:
    alone = acme.native_lib("check", acme.wheels["plain"], acme.wheels["stable"])
    assert "2 files checked: 0 errors, 0 warnings, 2 notes" in alone
    assert "needs libacme.so of acme, which is not here: its names and symbols were" in alone
    names = ("plain", "other", "stable", "more", "run", "2.5.0", "runtime")
    together = acme.native_lib("check", *(acme.wheels[name] for name in names))
    assert "7 files checked: 0 errors" in together
    other = acme.native_lib("check", acme.wheels["more"], acme.wheels["cpu"], fails=True)
    assert "needs libacme_more.so: acme is here, but has no such library" in other


def test_check_finds_a_bound_that_is_missing_or_too_wide(acme: Acme) -> None:
    built = acme.project.parent / "built"
    files = (built / acme.wheels[name].name for name in ("plain", "other", "stable"))
    said = acme.native_lib("check", *files, acme.wheels["2.5.0"], fails=True)
    found = re.findall(r"(requirement-\w+) +(\w+)-1.*needs (.*)|(requirement-bound) +(\w+)-1", said)
    assert {tuple(filter(None, each))[:2] for each in found} == {
        ("requirement-missing", "plain"),
        ("requirement-bound", "other"),
    }
    assert "Requires-Dist: acme admits 2.6, which is incompatible with 2.5.0 (SameMinor" in said


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("2.5.1", ""),
        ("2.6.0", "plain: was built against acme 2.5.0 (SameMinorVersion), and 2.6.0 is installed"),
        ("cpu", "more/_ext.so needs libacme_more.so, which acme 2.5.0+cpu does not have"),
    ],
)
def test_doctor(acme: Acme, tmp_path: Path, version: str, told: str) -> None:
    names = ("more",) if version == "cpu" else ("plain", "stable", "run", "runtime")
    site = acme.site(tmp_path / "site", version, *names)
    load = [] if told else ["--load"]
    said = acme.native_lib("doctor", *load, site=site, fails=bool(told))
    assert "acme 2" in said
    lines = [line for line in said.splitlines() if line.startswith(("error", "warning", "note"))]
    assert [told in line for line in lines] == ([True] if told else []), said


def test_doctor_leaves_alone_what_nobody_uses(acme: Acme, tmp_path: Path) -> None:
    site = acme.site(tmp_path / "site", "2.5.0", "runtime")
    assert "no provider is installed" in acme.native_lib("doctor", site=site)
