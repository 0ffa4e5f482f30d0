"""native_lib.build: the projects of docs/how-to/any-back-end.md, and the rules of wrapping a back end."""

from __future__ import annotations

import re
import shutil
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import building
import cpythons
import docs_pages
import elf
import pytest
from native_lib.cli import main

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and ELF files")

PAGE = (docs_pages.HOW_TO / "any-back-end.md").read_text("utf-8")
KINDS = ("setuptools", "cffi", "Meson", "hatchling", "scikit-build-core")
USE = "import squares; assert squares.square(3) == 9.0"
BOUND = "libfoo>=1.0.0,<2"
NO_PROVIDER = (
    "LibraryNotFoundError: squares needs the native library 'foo' of the distribution libfoo"
)
# What pyo3 and pkg-config require, and what that requires.
CRATES = (
    "autocfg cfg-if indoc libc lock-api memoffset once-cell parking-lot parking-lot-core pkg-config "
    "proc-macro2 pyo3 pyo3-build-config pyo3-ffi pyo3-macros pyo3-macros-backend quote scopeguard "
    "smallvec syn target-lexicon unicode-ident unindent"
)
HOOK = """
import json, sys
import native_lib.build as back_end
name, *arguments = sys.argv[1:]
read = lambda text: json.loads(text) if text.startswith("{") else text or None
print(json.dumps(getattr(back_end, name)(*map(read, arguments))))
"""


def write_project(folder: Path, kind: str) -> Path:
    """Write a project as the page shows it."""
    docs_pages.save(PAGE.partition("\n## ")[0], folder)
    docs_pages.save(docs_pages.section(PAGE, kind), folder)
    if kind == "Meson":  # whose sdists are made by git
        git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org")
        for arguments in (("init", "-q"), ("add", "."), ("commit", "-qm", "All")):
            building.run(*git, *arguments, cwd=folder)
    return folder


@dataclass(frozen=True)
class Builder:
    """An environment with everything that builds need, as it is in a build in isolation."""

    env: building.Environment
    index: Path
    cache: Path

    def hook(
        self,
        project: Path,
        name: str,
        *arguments: object,
        fails: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """Call a hook in a process of its own, as front ends do, and return what it printed."""
        scripts = self.env.python.parent
        told = {
            "NATIVE_LIB_CACHE": str(self.cache),
            "PATH": f"{scripts}:/usr/bin:/bin",
            "LDSHARED": "cc -shared",  # pyenv's Pythons hand a RUNPATH of their own on
            **(env or {}),
        }
        given = [str(each or "") for each in arguments]
        python = self.env.python
        return building.run(python, "-c", HOOK, name, *given, cwd=project, env=told, fails=fails)

    def wheel(self, project: Path, out: Path, env: Mapping[str, str] | None = None) -> Path:
        """Build a wheel, and return it."""
        out.mkdir(parents=True)
        self.hook(project, "build_wheel", out, env=env)
        (wheel,) = out.glob("*.whl")
        return wheel

    def isolated(self) -> dict[str, str]:
        """Return what has pip, build and uv take our wheels when they build in isolation."""
        constraints = str(self.index / "constraints.txt")
        return {
            "NATIVE_LIB_CACHE": str(self.cache),
            "PIP_FIND_LINKS": str(self.index),
            "PIP_BUILD_CONSTRAINT": constraints,
            "PIP_CONSTRAINT": constraints,
            "UV_FIND_LINKS": str(self.index),
            "UV_BUILD_CONSTRAINT": constraints,
            "LDSHARED": "cc -shared",
        }


@pytest.fixture(scope="module")
def builder(
    pair: building.Pair, once: Callable[[str, Callable[[Path], Builder]], Builder]
) -> Builder:
    def make(folder: Path) -> Builder:
        index = folder / "index"
        index.mkdir()
        wheels = [
            Path(shutil.copy(each, index)) for each in (pair.provider, building.loader_wheel())
        ]
        lines = (f"{each.name.split('-')[0]} @ {each.as_uri()}\n" for each in wheels)
        (index / "constraints.txt").write_text("".join(lines), encoding="utf-8")
        env = building.new_environment(folder / "env", *wheels)
        (env.site_packages / "pip.py").unlink()
        named = "pip build packaging setuptools cffi meson-python hatchling scikit-build-core ninja cmake maturin"
        building.uv("pip", "install", "--quiet", "--python", env.python, *named.split())
        return Builder(env, index, folder / "cache")

    return once("wrapping_builder", make)


@pytest.fixture(scope="module")
def setuptools_wheel(builder: Builder, once: Callable[[str, Callable[[Path], Path]], Path]) -> Path:
    def make(folder: Path) -> Path:
        return builder.wheel(write_project(folder / "src", "setuptools"), folder / "out")

    return once("wrapped_setuptools", make)


@pytest.fixture(scope="module")
def cargo() -> str:
    program = shutil.which("cargo")
    if not program or sys.version_info >= (3, 12):
        pytest.skip("not available: cargo, with a CPython up to 3.11")
    return str(Path(program).parent)


@pytest.fixture(scope="module")
def crates(once: Callable[[str, Callable[[Path], Path]], Path]) -> Path:
    """A folder of Debian's crates, unpacked and not installed."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        pytest.skip("not available: the crates are Debian's packages")

    def make(folder: Path) -> Path:
        named = [f"librust-{crate}-dev" for crate in CRATES.split()]
        building.run("apt-get", "download", *named, cwd=folder)
        for package in folder.glob("*.deb"):
            building.run("dpkg-deb", "-x", package, folder / "root")
        return folder / "root" / "usr" / "share" / "cargo" / "registry"

    try:
        return once("wrapping_crates", make)
    except building.CommandError as error:
        pytest.skip(f"not available: Debian's crates: {str(error)[-300:]}")


def metadata_of(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return archive.read(name).decode("utf-8")


def required(metadata: str) -> list[str]:
    return re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE)


def serves(env: building.Environment, **variables: str) -> bool:
    """Whether the package works, with the installed provider's library."""
    library = f"{env.site_packages}/libfoo/lib/libfoo__foo.so.1"
    return building.mapped(env, USE, "libfoo", **variables) == [library]


# The back ends ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_project_of_the_page(
    builder: Builder, pair: building.Pair, kind: str, tmp_path: Path
) -> None:
    build_and_use(builder, pair, kind, tmp_path)


def test_maturin(
    builder: Builder, pair: building.Pair, crates: Path, tmp_path: Path, cargo: str
) -> None:
    """PyO3 and the crate pkg-config of Debian, whose pyo3 is for CPython 3.11 at most."""
    (tmp_path / "config.toml").write_text(
        '[source.crates-io]\nreplace-with = "debian"\n'
        f'[source.debian]\ndirectory = "{crates}"\n[net]\noffline = true\n',
        encoding="utf-8",
    )
    path = f"{builder.env.python.parent}:{cargo}:/usr/bin:/bin"
    told = {"CARGO_HOME": str(tmp_path), "CARGO_TARGET_DIR": str(tmp_path / "target")}
    told["PATH"] = path
    build_and_use(builder, pair, "maturin", tmp_path, told)
    (tmp_path / "editable").mkdir()
    builder.hook(tmp_path / "src", "build_editable", tmp_path / "editable", env=told)
    wheels = (tmp_path / "editable").glob("*.whl")
    assert serves(building.new_environment(tmp_path / "editor", pair.provider, *wheels))


def build_and_use(
    builder: Builder,
    pair: building.Pair,
    kind: str,
    tmp_path: Path,
    env: Mapping[str, str] | None = None,
) -> None:
    """Build a project of the page by the hooks, and use the wheel."""
    project = write_project(tmp_path / "src", kind)
    requires = builder.hook(project, "get_requires_for_build_wheel", env=env)
    assert '"libfoo"' in requires
    prepared = ""
    if kind != "Meson":  # mesonpy has no such hook
        (tmp_path / "metadata").mkdir()
        hook = "prepare_metadata_for_build_wheel"
        builder.hook(project, hook, tmp_path / "metadata", env=env)
        prepared = str(tmp_path / "metadata" / "squares-1.0.dist-info")
    out = tmp_path / "out"
    out.mkdir()
    builder.hook(project, "build_wheel", out, "", prepared, env=env)
    (wheel,) = out.glob("*.whl")
    told = metadata_of(wheel)
    assert required(told) == (["cffi>=1.17"] if kind == "cffi" else []) + [BOUND]
    if prepared:
        assert Path(prepared, "METADATA").read_text("utf-8") == told
    dynamic = elf.dynamic_in_wheel(wheel)
    assert "libfoo__foo.so.1" in dynamic["NEEDED"]
    assert "RUNPATH" not in dynamic
    building.check_wheels(wheel, pair.provider)
    # What is bound is not bound again, by cibuildwheel's repair for example.
    command = ["bind", str(wheel), "-w", str(tmp_path / "again"), "--provider", str(pair.provider)]
    assert main(command) == 0
    assert (tmp_path / "again" / wheel.name).read_bytes() == wheel.read_bytes()
    used = building.new_environment(tmp_path / "env", pair.provider, wheel)
    if kind == "cffi":
        building.uv("pip", "install", "--quiet", "--python", used.python, "cffi")
    assert serves(used)
    used.uninstall("libfoo")
    assert NO_PROVIDER in used.run(USE, fails=True)


@pytest.mark.parametrize("kind", ["setuptools", "Meson", "hatchling", "scikit-build-core"])
def test_sdist_says_that_requirements_are_dynamic(
    builder: Builder, kind: str, tmp_path: Path
) -> None:
    builder.hook(write_project(tmp_path / "src", kind), "build_sdist", tmp_path)
    with tarfile.open(tmp_path / "squares-1.0.tar.gz") as archive:
        file = archive.extractfile("squares-1.0/PKG-INFO")
        text = file.read().decode("utf-8") if file else ""
        assert "squares-1.0/pyproject.toml" in archive.getnames()
    assert "Dynamic: Requires-Dist" in text.splitlines()
    assert BOUND not in text
    assert float(re.findall(r"^Metadata-Version: (.*)$", text, re.MULTILINE)[0]) >= 2.2


# The front ends -----------------------------------------------------------------------------------


@pytest.mark.parametrize("front_end", ["pip", "build", "uv"])
def test_front_end_installs_the_provider(builder: Builder, front_end: str, tmp_path: Path) -> None:
    project = write_project(tmp_path / "src", "cffi")  # static dependencies and dynamic ones
    env = building.new_environment(tmp_path / "env")
    if front_end == "build":
        # An sdist, and a wheel from it.
        command: list[str | Path] = ["build", "--outdir", tmp_path / "out", project]
        building.run(builder.env.python, "-m", *command, env=builder.isolated())
        (project,) = (tmp_path / "out").glob("*.whl")
    if front_end == "pip":
        command = ["pip", "--quiet", "--python", env.python, "install", project]
        building.run(builder.env.python, "-m", *command, env=builder.isolated())
    else:
        building.uv("pip", "install", "--python", env.python, project, env=builder.isolated())
    assert serves(env)
    assert not (env.site_packages / "native_lib").exists()


def test_oldest_python(builder: Builder, pair: building.Pair, tmp_path: Path) -> None:
    """Before Python 3.11, pyproject.toml is read with tomli."""
    python = cpythons.need("3.9")
    env = building.new_environment(tmp_path / "env", pair.provider, python=python)
    named = (building.loader_wheel(), "hatchling", "setuptools", "packaging")
    building.uv("pip", "install", "--quiet", "--python", env.python, *named)
    oldest = Builder(env, builder.index, builder.cache)
    wheel = oldest.wheel(write_project(tmp_path / "src", "hatchling"), tmp_path / "out")
    assert required(metadata_of(wheel)) == [BOUND]
    assert serves(building.new_environment(tmp_path / "used", pair.provider, wheel, python=python))


# The rules ----------------------------------------------------------------------------------------


def test_system_library_on_request(builder: Builder, tmp_path: Path) -> None:
    system = tmp_path / "system"
    building.compile_library(
        "double foo_square(double n) { return n * n; }", system / "libfoo.so", soname="libfoo.so.7"
    )
    shutil.copy(system / "libfoo.so", system / "libfoo.so.7")
    headers = builder.env.site_packages / "libfoo" / "include"
    told = {"CFLAGS": f"-I{headers}", "LDFLAGS": f"-L{system}"}
    project = write_project(tmp_path / "src", "setuptools")
    wheel = builder.wheel(project, tmp_path / "out", {"NATIVE_LIB_SYSTEM": "foo", **told})
    assert required(metadata_of(wheel)) == []
    with zipfile.ZipFile(wheel) as archive:
        assert not [name for name in archive.namelist() if "native" in name or "shared_lib" in name]
    env = building.new_environment(tmp_path / "env", wheel)
    files = building.mapped(env, USE, "libfoo", LD_LIBRARY_PATH=str(system))
    assert files == [f"{system}/libfoo.so.7"]
    # The same library, where the provider's was meant: the silent failure of every migration.
    shutil.rmtree(project / "build")
    told["LD_LIBRARY_PATH"] = str(system)
    (tmp_path / "none").mkdir()
    said = builder.hook(project, "build_wheel", tmp_path / "none", fails=True, env=told)
    assert (
        "none of its binaries needs libfoo__foo.so.1 of libfoo; it linked libfoo.so.7 of "
        f"{system}: " in said
    )
    assert "Traceback" not in said
    assert not [*(tmp_path / "none").iterdir()]


def test_package_without_a_binary_needs_no_wrapping(builder: Builder, tmp_path: Path) -> None:
    """As of ctypes: the message says what to do instead."""
    project = write_project(tmp_path / "src", "setuptools")
    (project / "setup.py").write_text("import setuptools\nsetuptools.setup()\n", encoding="utf-8")
    said = builder.hook(project, "build_wheel", tmp_path, fails=True)
    assert (
        "none of its binaries needs libfoo__foo.so.1 of libfoo; it has none: a package that opens the "
        'library with ctypes or cffi\'s ABI mode needs no "native_lib.build"' in said
    )
    assert not [*tmp_path.glob("*.whl")]


def test_what_an_earlier_build_left_is_no_systems_library(builder: Builder, tmp_path: Path) -> None:
    project = write_project(tmp_path / "src", "setuptools")
    builder.wheel(project, tmp_path / "out")
    said = builder.hook(
        project, "build_wheel", tmp_path, fails=True, env={"NATIVE_LIB_SYSTEM": "all"}
    )
    assert re.search(
        r"squares/_ext\S* needs libfoo__foo\.so\.1 of libfoo, and NATIVE_LIB_SYSTEM", said
    )
    assert "remove its build folder" in said


def test_provider_that_is_not_named_is_refused(
    builder: Builder, setuptools_wheel: Path, tmp_path: Path
) -> None:
    """A back end that only returns a wheel which needs libfoo, though the project names another."""
    project = back_end_that_returns(setuptools_wheel, tmp_path / "src")
    building.edit(project / "pyproject.toml", 'foo = "libfoo"', 'bar = "libbar"')
    fake = tmp_path / "libbar"
    shutil.copytree(builder.env.site_packages / "libfoo", fake / "libbar")
    building.edit(fake / "libbar" / "_native_libs.py", '"libfoo"', '"libbar"')
    (fake / "libbar-1.0.0.dist-info").mkdir()
    (fake / "libbar-1.0.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: libbar\nVersion: 1.0.0\n", encoding="utf-8"
    )
    said = builder.hook(project, "build_wheel", tmp_path, fails=True, env={"PYTHONPATH": str(fake)})
    assert "needs libfoo__foo.so.1 of libfoo, which [tool.native-lib] does not name" in said


def back_end_that_returns(wheel: Path, project: Path, metadata: str = "") -> Path:
    """Write a project whose back end copies a wheel, and prepares a METADATA."""
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "native_lib.build"\n'
        '[project]\nname = "squares"\nversion = "1.0"\ndynamic = ["dependencies"]\n'
        '[tool.native-lib]\nbackend = "copies"\nbackend-path = ["."]\nlibraries = { foo = "libfoo" }\n',
        encoding="utf-8",
    )
    (project / "copies.py").write_text(
        "import pathlib, shutil\n\n"
        "def build_wheel(folder, settings, metadata):\n"
        "    assert metadata is None, 'scikit-build-core would compare it'\n"
        f"    return pathlib.Path(shutil.copy({str(wheel)!r}, folder)).name\n\n"
        "def prepare_metadata_for_build_wheel(folder, settings):\n"
        "    path = pathlib.Path(folder, 'squares-1.0.dist-info')\n"
        "    path.mkdir()\n"
        f"    (path / 'METADATA').write_text({metadata!r})\n"
        "    return path.name\n",
        encoding="utf-8",
    )
    return project


def test_metadata_that_differs_is_refused(
    builder: Builder, setuptools_wheel: Path, tmp_path: Path
) -> None:
    told = metadata_of(setuptools_wheel).replace("Version: 1.0\n", "Version: 1.0\nSummary: x\n")
    project = back_end_that_returns(setuptools_wheel, tmp_path / "src", told)
    builder.hook(project, "prepare_metadata_for_build_wheel", tmp_path)
    prepared = tmp_path / "squares-1.0.dist-info"
    assert required((prepared / "METADATA").read_text("utf-8")) == [BOUND]
    said = builder.hook(project, "build_wheel", tmp_path, "", prepared, fails=True)
    assert "METADATA differs from what prepare_metadata_for_build_wheel returned: " in said
    assert "Summary: x" in said
    assert not [*tmp_path.glob("*.whl")]


@pytest.mark.parametrize("kind", ["Meson", "scikit-build-core"])
def test_kept_build_folder_finds_a_provider_that_is_elsewhere(
    builder: Builder, pair: building.Pair, kind: str, tmp_path: Path
) -> None:
    """Every build in isolation has its provider in another folder; build folders remember the first."""
    project = write_project(tmp_path / "src", kind)
    for name in ("first", "second"):
        site, out = tmp_path / name, tmp_path / f"{name}-out"
        out.mkdir()
        with zipfile.ZipFile(pair.provider) as archive:
            archive.extractall(site)
        settings = '{"build-dir": "build"}'
        builder.hook(project, "build_wheel", out, settings, env={"PYTHONPATH": str(site)})
        (wheel,) = out.glob("*.whl")
        assert "libfoo__foo.so.1" in elf.dynamic_in_wheel(wheel)["NEEDED"]
        ninja = (project / "build" / "build.ninja").read_text("utf-8")
        if kind == "Meson":
            assert str(builder.cache / "prefix") in ninja
            assert str(site) not in ninja
        shutil.rmtree(site)
        (project / "squares" / "_ext.c").touch()


def test_repair_changes_nothing_that_is_bound(
    pair: building.Pair, setuptools_wheel: Path, tmp_path: Path
) -> None:
    """cibuildwheel repairs what the back end bound; the provider's library still stays out."""
    command = ["repair", str(setuptools_wheel), "-w", str(tmp_path)]
    assert main([*command, "--provider", str(pair.provider)]) == 0
    (repaired,) = tmp_path.glob("*manylinux*.whl")
    with zipfile.ZipFile(setuptools_wheel) as old, zipfile.ZipFile(repaired) as new:
        assert not [name for name in new.namelist() if ".libs/" in name]
        sources = [name for name in old.namelist() if name.endswith((".py", "METADATA"))]
        assert [new.read(name) for name in sources] == [old.read(name) for name in sources]
    assert required(metadata_of(repaired)) == [BOUND]


SPY = """
import os, sys
from setuptools import build_meta

def __getattr__(name):
    hook = getattr(build_meta, name)
    def spy(*arguments):
        with open("log", "a") as file:
            print(name, os.environ.get("foo_ROOT"), os.environ.get("PKG_CONFIG_PATH"), file=file)
        return hook(*arguments)
    return spy
"""


def test_every_hook_sees_the_providers_at_one_place(builder: Builder, tmp_path: Path) -> None:
    """setup.py files are run by all hooks, meson-python configures for an sdist, too."""
    project = write_project(tmp_path / "src", "setuptools")
    (project / "spy.py").write_text(SPY, encoding="utf-8")
    building.edit(
        project / "pyproject.toml", '"setuptools.build_meta"', '"spy"\nbackend-path = ["."]'
    )
    for kind in ("wheel", "editable", "sdist"):
        builder.hook(project, f"get_requires_for_build_{kind}")
        if kind != "sdist":
            builder.hook(project, f"prepare_metadata_for_build_{kind}", tmp_path)
        builder.hook(project, f"build_{kind}", tmp_path)
    hooks = [line.split() for line in (project / "log").read_text("utf-8").splitlines()]
    assert len({name for name, *_ in hooks}) == 8
    for is_editable in (False, True):
        places = {tuple(seen) for name, *seen in hooks if name.endswith("editable") == is_editable}
        ((root, pkg_config),) = places
        assert root.startswith(f"{builder.cache}/prefix/")
        assert pkg_config == f"{root}/lib/pkgconfig"


# Editable installs --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["setuptools", "Meson", "hatchling", "scikit-build-core"])
def test_editable_install(builder: Builder, pair: building.Pair, kind: str, tmp_path: Path) -> None:
    project = write_project(tmp_path / "src", kind)
    sources = {
        file: file.read_bytes()
        for file in project.rglob("*")
        if file.is_file() and ".git" not in file.parts
    }
    env = (
        builder.env
        if kind == "Meson"
        else building.new_environment(tmp_path / "env", pair.provider)
    )
    command: list[str | Path] = ["pip", "--python", env.python]
    command += ["install", "--no-build-isolation", "--no-deps", "-e"]
    told = {**builder.isolated(), "PATH": f"{builder.env.python.parent}:/usr/bin:/bin"}
    if kind == "Meson":
        del told["PIP_BUILD_CONSTRAINT"]
    else:
        command.remove("--no-build-isolation")
    # Twice is once.
    for _ in range(2):
        building.run(builder.env.python, "-m", *command, project, env=told)
    try:
        assert serves(env, PATH=told["PATH"])
        assert {file: file.read_bytes() for file in sources} == sources
        said = env.run("import squares; print(squares.__file__)", env={"PATH": told["PATH"]})
        assert said.strip() == str(project / "squares" / "__init__.py")
        assert "native" not in (project / "squares" / "__init__.py").read_text("utf-8")
        (info,) = env.site_packages.glob("squares-1.0.dist-info")
        assert required((info / "METADATA").read_text("utf-8")) == [BOUND]
        # Nothing is loaded for others' extension modules, nor when Python starts.
        others = "import sys, _ctypes, json"
        assert building.mapped(env, others, "libfoo", PATH=told["PATH"]) == []
        if kind != "Meson":  # whose environment is used by other tests
            env.uninstall("libfoo")
            assert NO_PROVIDER in env.run(USE, env={"PATH": told["PATH"]}, fails=True)
    finally:
        env.uninstall("squares")


def test_editable_install_of_meson_in_isolation_is_refused(
    builder: Builder, tmp_path: Path
) -> None:
    project = write_project(tmp_path / "src", "Meson")
    env = building.new_environment(tmp_path / "env")
    command = ("pip", "--python", env.python, "install", "-e", project)
    said = building.run(builder.env.python, "-m", *command, env=builder.isolated(), fails=True)
    assert "native_lib.build: an editable install with meson-python builds again at import" in said
    assert "--no-build-isolation" in said
