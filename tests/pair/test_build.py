"""Builds: what the wheels and sdists hold, where a build finds its provider, and when it stops."""

from __future__ import annotations

import ast
import re
import shutil
import sys
import tarfile
import zipfile
from email.parser import Parser
from typing import TYPE_CHECKING, Any, Callable

import building
import pytest
from elf import dynamic_in_wheel, exports

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files")


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def information(sdist: Path) -> Message:
    with tarfile.open(sdist) as archive:
        file = archive.extractfile("foo_ext-1.0.0/PKG-INFO")
        assert file is not None
        return Parser().parsestr(file.read().decode())


def record(wheel: Path) -> Any:
    """Return what the consumer's record says; it is made of literals, to be read by tools."""
    with zipfile.ZipFile(wheel) as archive:
        tree = ast.parse(archive.read("foo_ext/_native_requires.py"))
    (requires,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "REQUIRES"
    )
    return ast.literal_eval(requires)


# What is in the wheels --------------------------------------------------------------------------


def test_names_in_the_binaries(pair: building.Pair) -> None:
    provider, consumer = dynamic_in_wheel(pair.provider), dynamic_in_wheel(pair.consumer)
    assert provider["SONAME"] == ["libfoo__foo.so.1"]
    assert "libfoo__foo.so.1" in consumer["NEEDED"]
    assert "libc.so.6" in consumer["NEEDED"]  # auditwheel knows the C library by it
    assert "libc.so.6" in provider["NEEDED"]
    for section in (provider, consumer):
        assert "RPATH" not in section
        assert "RUNPATH" not in section


def test_plain_names_in_the_binaries(plain_pair: building.Pair) -> None:
    assert dynamic_in_wheel(plain_pair.provider)["SONAME"] == ["libfoo.so.1"]
    assert "libfoo.so.1" in dynamic_in_wheel(plain_pair.consumer)["NEEDED"]


def test_files_in_the_provider(pair: building.Pair) -> None:
    assert pair.provider.name.startswith("libfoo-1.0.0-py3-none-linux_")
    with zipfile.ZipFile(pair.provider) as archive:
        names = {name for name in archive.namelist() if "dist-info" not in name}
        links = [info for info in archive.infolist() if (info.external_attr >> 28) == 0xA]
    assert names == {
        "libfoo/__init__.py",
        "libfoo/_native_libs.py",
        "libfoo/_native_libs.pyi",
        "libfoo/_shared_lib_LICENSE",
        "libfoo/_shared_lib_explain.py",
        "libfoo/_shared_lib_fixes.py",
        "libfoo/_shared_lib_wordings.py",
        "libfoo/_shared_lib_manager.py",
        "libfoo/py.typed",
        "libfoo/include/foo/export.h",
        "libfoo/include/foo/foo.h",
        "libfoo/_pyinstaller/__init__.py",
        "libfoo/_pyinstaller/hook-libfoo.py",
        "libfoo/lib/libfoo.so",
        "libfoo/lib/libfoo__foo.so.1",
        "libfoo/lib/cmake/foo/fooConfig.cmake",
        "libfoo/lib/cmake/foo/fooConfigVersion.cmake",
        "libfoo/lib/cmake/foo/fooTargets.cmake",
        "libfoo/lib/cmake/foo/fooTargets-release.cmake",
        "libfoo/lib/pkgconfig/foo.pc",
    }
    assert links == []


def test_files_in_the_consumer(pair: building.Pair) -> None:
    with zipfile.ZipFile(pair.consumer) as archive:
        names = {name for name in archive.namelist() if "dist-info" not in name}
    assert names == {
        "foo_ext/__init__.py",
        "foo_ext/_ext.abi3.so",
        "foo_ext/_ext.pyi",
        "foo_ext/_native_requires.py",
        "foo_ext/_native_requires.pyi",
        "foo_ext/_shared_lib_consumer.py",
        "foo_ext/_shared_lib_LICENSE",
        "foo_ext/_shared_lib_explain.py",
        "foo_ext/_shared_lib_fixes.py",
        "foo_ext/py.typed",
    }


def test_the_library_exports_its_own_functions_only(pair: building.Pair) -> None:
    with (
        zipfile.ZipFile(pair.provider) as archive,
        archive.open("libfoo/lib/libfoo__foo.so.1") as library,
    ):
        exported = exports(library)  # type: ignore[arg-type]
    assert exported == {"foo_version", "foo_square"}


@pytest.mark.parametrize(
    ("compatibility", "bound", "suffix"),
    [
        ("SameMajorVersion", "libfoo<2,>=1.4.2", "1"),
        ("SameMinorVersion", "libfoo<1.5,>=1.4.2", "1.4"),
        ("ExactVersion", "libfoo==1.4.2.*", "1.4.2"),
    ],
)
def test_compatibility_is_one_fact(
    tmp_path: Path, compatibility: str, bound: str, suffix: str
) -> None:
    pair = building.build_pair(tmp_path, library_version="1.4.2", compatibility=compatibility)
    assert metadata(pair.consumer).get_all("Requires-Dist") == [bound]
    assert dynamic_in_wheel(pair.provider)["SONAME"] == [f"libfoo__foo.so.{suffix}"]
    (need,) = record(pair.consumer)
    assert need["compatibility"] == compatibility
    assert need["requirement"].startswith("libfoo")


def test_wheels_do_not_remember_where_they_were_built(tmp_path: Path) -> None:
    def built(folder: str) -> list[bytes]:
        projects = building.generate(tmp_path / folder, language="cxx")
        wheels = projects / "dist"
        # With debug information, which holds folders, and without stripping it off again.
        options = {"env": {"CXXFLAGS": "-g"}, "settings": ["install.strip=false"]}
        provider = building.build(projects / "libfoo", wheels, **options)  # type: ignore[arg-type]
        consumer = building.build(projects / "foo-ext", wheels, **options)  # type: ignore[arg-type]
        return [provider.read_bytes(), consumer.read_bytes()]

    assert built("here") == built("some/where else")


@pytest.mark.parametrize("install_dir", ["", "elsewhere"])
def test_destination_as_scikit_build_core_also_writes_it(
    pair: building.Pair, tmp_path: Path, install_dir: str
) -> None:
    """With wheel.install-dir there is no other way to write a folder beside that one."""
    project, wheels = tmp_path / "foo-ext", tmp_path / "wheels"
    shutil.copytree(pair.folder / "foo-ext", project)
    lists = project / "CMakeLists.txt"
    text = lists.read_text(encoding="utf-8")
    assert text.count("DESTINATION foo_ext)") == 2
    absolute = 'DESTINATION "${SKBUILD_PLATLIB_DIR}/foo_ext")'
    lists.write_text(text.replace("DESTINATION foo_ext)", absolute), encoding="utf-8")
    wheels.mkdir()
    shutil.copy(pair.provider, wheels)
    wheel = building.build(project, wheels, settings=[f"wheel.install-dir={install_dir}"])
    assert record(wheel) == record(pair.consumer)
    with zipfile.ZipFile(wheel) as built, zipfile.ZipFile(pair.consumer) as usual:
        assert sorted(built.namelist()) == sorted(usual.namelist())
    env = building.new_environment(tmp_path / "env", pair.provider, wheel)
    assert env.run(building.SQUARE) == "9.0\n"


@pytest.mark.parametrize("components", ["extension;native_library", "extension"])
def test_project_that_installs_some_components(
    pair: building.Pair, tmp_path: Path, components: str
) -> None:
    """What the build writes is one component; a wheel without it cannot be imported."""
    project, wheels = tmp_path / "foo-ext", tmp_path / "wheels"
    shutil.copytree(pair.folder / "foo-ext", project)
    lists = project / "CMakeLists.txt"
    text = lists.read_text(encoding="utf-8")
    installed = "install(TARGETS _ext DESTINATION foo_ext"
    assert installed in text
    lists.write_text(text.replace(installed, f"{installed} COMPONENT extension"), encoding="utf-8")
    wheels.mkdir()
    shutil.copy(pair.provider, wheels)
    settings = [f"install.components={components}"]
    wheel = building.build(project, wheels, settings=settings, is_right=False)
    if components == "extension":
        with pytest.raises(building.CommandError) as found:
            building.check_wheels(wheels)
        assert "foo_ext/__init__.py" in str(found.value)
        assert "imports _native_requires, which is not in the wheel" in str(found.value)
    else:
        building.check_wheels(wheels)
        assert record(wheel) == record(pair.consumer)


# Where a build finds its provider --------------------------------------------------------------


def test_sdist_freezes_nobodys_bound(pair: building.Pair, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    shutil.copy(pair.provider, wheels)
    sdist = building.build(pair.folder / "foo-ext", wheels, kind="sdist")
    assert information(sdist).get_all("Dynamic") == ["Requires-Dist"]
    assert information(sdist).get_all("Requires-Dist") is None
    assert metadata(building.build(sdist, wheels)).get_all("Requires-Dist") == ["libfoo<2,>=1.0.0"]


def test_sdist_without_a_provider(pair: building.Pair, tmp_path: Path) -> None:
    """What a release's first job does, before there is a provider to be had."""
    env = {"NATIVE_LIB_SYSTEM": "all"}
    sdist = building.build(pair.folder / "foo-ext", tmp_path, kind="sdist", env=env)
    with tarfile.open(sdist) as archive:
        assert (
            b"Dynamic: Requires-Dist"
            in (archive.extractfile("foo_ext-1.0.0/PKG-INFO") or sys.stdin.buffer).read()
        )


def pip(pair: building.Pair, python: Path) -> None:
    for project in ("libfoo", "foo-ext"):
        building.run(
            *(python, "-m", "pip", "wheel", "-q", "--no-deps", "-w", "dist", f"./{project}"),
            cwd=pair.folder,
            env={"PIP_FIND_LINKS": "dist"},
        )


def pypa_build(pair: building.Pair, python: Path) -> None:
    for project in ("libfoo", "foo-ext"):
        building.run(
            *(python, "-m", "build", "--wheel", "--outdir", "dist", project),
            cwd=pair.folder,
            env={"PIP_FIND_LINKS": "dist"},
        )


def uv(pair: building.Pair, python: Path) -> None:
    build = [building.tool("uv"), "build", "--wheel", "--python", str(python), "--out-dir", "dist"]
    for project in ("libfoo", "foo-ext"):
        building.run(*build, project, cwd=pair.folder, env={"UV_FIND_LINKS": "dist"})


@pytest.mark.parametrize("front_end", [pip, pypa_build, uv])
def test_front_ends_as_the_generated_readme_says(
    tmp_path: Path, front_end: Callable[[building.Pair, Path], None]
) -> None:
    folder = building.generate(tmp_path)
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert re.search(r"PIP_FIND_LINKS=dist python -m pip wheel .* \./foo-ext", readme)
    assert "`UV_FIND_LINKS=dist`" in readme
    made = building.new_environment(tmp_path / "tools")
    building.uv("pip", "install", "-q", "--python", made.python, "pip", "build")
    dist = folder / "dist"
    dist.mkdir()
    front_end(building.Pair(folder, dist, dist), made.python)
    env = building.new_environment(tmp_path / "env", *dist.glob("*.whl"))
    assert env.run("import foo_ext; print(foo_ext.square(3))") == "9.0\n"


def test_generated_nox_session(tmp_path: Path) -> None:
    folder = building.generate(tmp_path / "a folder with spaces")
    said = building.run(sys.executable, "-m", "nox", "-s", "tests", cwd=folder)
    assert "8 passed" in said
    assert (folder / "dist" / "constraints.txt").read_text("utf-8").startswith("libfoo @ file:///")


# Without isolation: a build sees what is installed ------------------------------------------------


@pytest.fixture(scope="session")
def workshop(
    once: Callable[[str, Callable[[Path], building.Environment]], building.Environment],
) -> building.Environment:
    """An environment with the back end and no provider."""

    def make(folder: Path) -> building.Environment:
        env = building.new_environment(folder / "env")
        building.uv(
            "pip", "install", "-q", "--python", env.python, "pip", "scikit-build-core", "ninja"
        )
        building.uv("pip", "install", "-q", "--python", env.python, "cmake")
        return env

    return once("workshop", make)


def build_there(
    workshop: building.Environment,
    pair: building.Pair,
    out: Path,
    *settings: str,
    provider: Path | None = None,
    fails: bool = False,
    env: dict[str, str] | None = None,
) -> str:
    """Build the consumer without isolation, with a provider's folder on the path or without."""
    env = {"PATH": f"{workshop.python.parent}:{building.environment()['PATH']}", **(env or {})}
    if provider is not None:
        env["PYTHONPATH"] = str(provider)
    command: list[str | Path] = [workshop.python, "-m", "pip", "wheel", "--no-build-isolation"]
    command += [f"-C{setting}" for setting in settings]
    return building.run(
        *command, "--no-deps", "-w", out, pair.folder / "foo-ext", env=env, fails=fails
    )


@pytest.fixture
def provider(pair: building.Pair, tmp_path: Path) -> Path:
    """A folder with the provider, installed as `pip install --target` does."""
    with zipfile.ZipFile(pair.provider) as archive:
        archive.extractall(tmp_path / "target")
    return tmp_path / "target"


def test_neither_provider_nor_request(
    workshop: building.Environment, pair: building.Pair, tmp_path: Path
) -> None:
    said = build_there(workshop, pair, tmp_path, fails=True)
    assert "The library foo is needed, and its provider libfoo is not installed" in said
    assert "install the provider there (a build in isolation does it by itself)" in said
    assert "NATIVE_LIB_SYSTEM=foo" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("variable", ["foo_DIR", "foo_ROOT"])
def test_another_foo_is_refused(
    workshop: building.Environment,
    pair: building.Pair,
    provider: Path,
    tmp_path: Path,
    variable: str,
) -> None:
    elsewhere = tmp_path / "elsewhere" / "libfoo"
    shutil.copytree(provider / "libfoo", elsewhere)
    folder = elsewhere / "lib" / "cmake" / "foo" if variable == "foo_DIR" else elsewhere
    setting = f"cmake.define.{variable}={folder}"
    said = build_there(workshop, pair, tmp_path, setting, provider=provider, fails=True)
    said = " ".join(said.split())
    assert f"CMake finds foo in {elsewhere}/lib/cmake/foo" in said
    assert f"Requires-Dist comes from the provider in {provider}/libfoo" in said
    assert "NATIVE_LIB_SYSTEM=foo" in said


@pytest.fixture
def system(provider: Path, tmp_path: Path) -> Path:
    """A foo as the system has it: plain names, and no provider."""
    prefix = tmp_path / "usr"
    shutil.copytree(provider / "libfoo" / "include", prefix / "include")
    (prefix / "lib" / "pkgconfig").mkdir(parents=True)
    building.compile_library(
        'const char *foo_version(void) { return "system"; } double foo_square(double x) { return x; }',
        prefix / "lib" / "libfoo.so.3",
        soname="libfoo.so.3",
    )
    (prefix / "lib" / "libfoo.so").symlink_to("libfoo.so.3")
    return prefix


def as_cmake_package(prefix: Path) -> dict[str, str]:
    folder = prefix / "lib" / "cmake" / "foo"
    folder.mkdir(parents=True)
    (folder / "fooConfig.cmake").write_text(
        f"""add_library(foo::foo SHARED IMPORTED)
set_target_properties(foo::foo PROPERTIES IMPORTED_LOCATION {prefix}/lib/libfoo.so
    INTERFACE_INCLUDE_DIRECTORIES {prefix}/include)
""",
        encoding="utf-8",
    )
    return {"CMAKE_PREFIX_PATH": str(prefix)}


def as_pkg_config(prefix: Path, name: str = "foo") -> dict[str, str]:
    if not shutil.which("pkg-config"):
        pytest.skip("pkg-config is not installed")
    (prefix / "lib" / "pkgconfig" / f"{name}.pc").write_text(
        f"Name: foo\nDescription: foo\nVersion: 3\nCflags: -I{prefix}/include\n"
        f"Libs: -L{prefix}/lib -lfoo\n",
        encoding="utf-8",
    )
    return {"PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig")}


@pytest.mark.parametrize("found_by", [as_cmake_package, as_pkg_config])
@pytest.mark.parametrize("provider_too", [False, True], ids=["alone", "beside a provider"])
@pytest.mark.parametrize("asked", ["foo", "all"])
def test_system_library_that_was_asked_for(
    workshop: building.Environment,
    pair: building.Pair,
    provider: Path,
    system: Path,
    tmp_path: Path,
    found_by: Callable[[Path], dict[str, str]],
    provider_too: bool,
    asked: str,
) -> None:
    build_there(
        workshop,
        pair,
        tmp_path / "out",
        provider=provider if provider_too else None,
        env={"NATIVE_LIB_SYSTEM": asked, **found_by(system)},
    )
    (wheel,) = (tmp_path / "out").glob("*.whl")
    assert metadata(wheel).get_all("Requires-Dist") is None
    assert record(wheel) == ()
    assert "libfoo.so.3" in dynamic_in_wheel(wheel)["NEEDED"]
    assert "RUNPATH" not in dynamic_in_wheel(wheel)
    env = building.new_environment(tmp_path / "env", wheel)
    search = {"LD_LIBRARY_PATH": str(system / "lib"), "NATIVE_LIB_DEBUG": "1"}
    code = "import foo_ext, sys; print(foo_ext.version(), 'libfoo' in sys.modules)"
    assert env.run(code, env=search) == "system False\n"


def test_system_library_whose_names_are_others(
    workshop: building.Environment, pair: building.Pair, system: Path, tmp_path: Path
) -> None:
    """pkg-config's begins with lib, as xxHash's does, and the consumer asks for another target."""
    shutil.copytree(pair.folder / "foo-ext", tmp_path / "foo-ext")
    lists = tmp_path / "foo-ext" / "CMakeLists.txt"
    lists.write_text(lists.read_text("utf-8").replace("foo::foo", "foo::core"), encoding="utf-8")
    renamed = building.Pair(tmp_path, pair.provider, pair.consumer)
    env = {"NATIVE_LIB_SYSTEM": "foo", **as_pkg_config(system, "libfoo")}
    build_there(workshop, renamed, tmp_path / "out", env=env)
    (wheel,) = (tmp_path / "out").glob("*.whl")
    assert "libfoo.so.3" in dynamic_in_wheel(wheel)["NEEDED"]


def test_system_library_that_is_not_there(
    workshop: building.Environment, pair: building.Pair, provider: Path, tmp_path: Path
) -> None:
    said = build_there(
        *(workshop, pair, tmp_path), provider=provider, fails=True, env={"NATIVE_LIB_SYSTEM": "foo"}
    )
    said = " ".join(said.split())
    assert (
        "the system's foo, and neither CMake (foo) nor pkg-config (foo, libfoo) finds one" in said
    )
    assert "unset NATIVE_LIB_SYSTEM to use the provider" in said
    assert said.count("CMake Error") == 1
