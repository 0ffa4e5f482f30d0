"""A pair that wraps somebody else's library: built, installed, and told when something is missing."""

from __future__ import annotations

import shutil
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import building
import elf
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def provider(upstream_pair: building.Pair, tmp_path: Path) -> Path:
    """A copy of the provider's folder, to be broken."""
    return shutil.copytree(upstream_pair.folder / "libfoo", tmp_path / "libfoo")


def test_extension_is_served_by_the_providers_file(
    upstream_pair: building.Pair, tmp_path: Path
) -> None:
    env = building.new_environment(tmp_path / "env", upstream_pair.provider, upstream_pair.consumer)
    code = "import foo_ext; assert foo_ext.version() == '1.0.0'"
    served = env.site_packages / "libfoo" / "lib" / "libfoo__foo.so.1"
    assert building.mapped(env, code, "foo.so") == [str(served)]


def test_wheel_has_the_library_once_and_no_sources(upstream_pair: building.Pair) -> None:
    with zipfile.ZipFile(upstream_pair.provider) as archive:
        names = archive.namelist()
        assert elf.names(archive) == ["libfoo/lib/libfoo__foo.so.1"]
    assert [name for name in names if name.endswith((".c", ".toml"))] == []
    assert "libfoo/include/foo.h" in names
    assert "libfoo/lib/cmake/FOO/FOOConfig.cmake" in names


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("absent", "libfoo: foo 1.0.0 of source.toml is not in {upstream}; run: "),
        ("stale", "libfoo: foo 1.0.1 of source.toml is not in {upstream}; run: "),
    ],
)
def test_build_without_the_right_sources(provider: Path, kind: str, state: str, said: str) -> None:
    if state == "absent":
        shutil.rmtree(provider / "upstream")
    else:
        source = provider / "source.toml"
        text = source.read_text("utf-8")
        source.write_text(text.replace('version = "1.0.0"', 'version = "1.0.1"'), encoding="utf-8")
    with pytest.raises(building.CommandError) as failed:
        building.build(provider, provider.parent / "dist", kind=kind)
    upstream = provider / "upstream"
    lines = [line for line in str(failed.value).splitlines() if line.startswith("libfoo: ")]
    (line,) = lines
    assert line.startswith(said.format(upstream=upstream))
    assert line.endswith(": python native-lib/fetch_source.py")
    assert "Traceback" not in str(failed.value)


def test_cmake_alone_says_the_same(provider: Path) -> None:
    shutil.rmtree(provider / "upstream")
    command: list[str | Path] = [building.tool("cmake"), "-S", provider, "-B", provider / "build"]
    said = building.run(*command, "-DSKBUILD_PROJECT_VERSION=1.0.0", fails=True)
    assert "foo 1.0.0 of source.toml is not in" in " ".join(said.split())


def test_probe_symbol_that_is_no_function_of_the_library(provider: Path, tmp_path: Path) -> None:
    """Nobody can know upstream's functions: a wrong guess is found by the generated tests."""
    lists = provider / "CMakeLists.txt"
    text = lists.read_text("utf-8").replace("PROBE_SYMBOL foo_version", "PROBE_SYMBOL foo_nope")
    lists.write_text(text, encoding="utf-8")
    wheel = building.build(provider, tmp_path / "dist", is_right=False)
    with pytest.raises(building.CommandError, match="exports foo_nope; it does not"):
        building.check_wheels(wheel)
    env = building.new_environment(tmp_path / "env", wheel)
    building.uv("pip", "install", "--quiet", "--python", env.python, "pytest")
    options = ("-q", "-p", "no:cacheprovider")
    said = building.run(env.python, "-m", "pytest", *options, provider / "tests", fails=True)
    assert "FAILED" in said
    assert "test_probe_symbols_are_exported" in said
    told = env.run("import libfoo; libfoo.loader.load()", env={"NATIVE_LIB_DEBUG": "1"})
    assert "symbols are not verified" in told
    assert "has no foo_nope" in told


def test_post_release_keeps_name_and_bound(
    provider: Path, upstream_pair: building.Pair, tmp_path: Path
) -> None:
    source = provider / "source.toml"
    source.write_text(source.read_text("utf-8").replace("post = 0", "post = 1"), encoding="utf-8")
    out = tmp_path / "dist"
    wheel = building.build(provider, out)
    assert wheel.name.startswith("libfoo-1.0.0.post1-py3-none-")
    consumer = building.build(upstream_pair.folder / "foo-ext", out)
    with zipfile.ZipFile(consumer) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        assert "Requires-Dist: libfoo<2,>=1.0.0\n" in archive.read(name).decode()
    env = building.new_environment(tmp_path / "env", wheel, upstream_pair.consumer)
    assert env.run("import foo_ext; print(foo_ext.version())").strip() == "1.0.0"


def test_wheel_from_the_sdist_is_the_same(
    provider: Path, upstream_pair: building.Pair, tmp_path: Path
) -> None:
    sdist = building.build(provider, tmp_path / "sdist", kind="sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.glob("libfoo-1.0.0")
    wheel = building.build(unpacked, tmp_path / "dist")
    assert wheel.read_bytes() == upstream_pair.provider.read_bytes()


def test_editable_install(provider: Path, upstream_pair: building.Pair, tmp_path: Path) -> None:
    env = building.new_environment(tmp_path / "env")
    building.uv("pip", "install", "--quiet", "--python", env.python, "-e", provider)
    env.install(upstream_pair.consumer)
    assert env.run("import foo_ext; print(foo_ext.version())").strip() == "1.0.0"


def test_folders_with_spaces_and_letters(upstream_pair: building.Pair, tmp_path: Path) -> None:
    project = tmp_path / "müßige Räume" / "libfoo"
    shutil.copytree(upstream_pair.folder / "libfoo", project)
    shutil.rmtree(project / "upstream")
    archive = building.upstream_archive(project.parent)
    building.fetch_source(project, "--archive", archive, "--unpinned")
    wheel = building.build(project, tmp_path / "dist")
    env = building.new_environment(tmp_path / "env", wheel, upstream_pair.consumer)
    assert env.run("import foo_ext; print(foo_ext.version())").strip() == "1.0.0"


def test_nox_builds_sdists_and_tells_upstreams_version(
    upstream_pair: building.Pair, tmp_path: Path
) -> None:
    ignored = shutil.ignore_patterns("dist", ".nox")
    folder = shutil.copytree(upstream_pair.folder, tmp_path / "pair", ignore=ignored)
    nox = (sys.executable, "-m", "nox", "-s")
    source = folder / "libfoo" / "source.toml"
    source.write_text(source.read_text("utf-8").replace("post = 0", "post = 1"), encoding="utf-8")
    building.run(*nox, "sdists", cwd=folder)
    tag = {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "libfoo-v1.0.0.post1"}
    said = building.run(*nox, "plan", cwd=folder, env=tag)
    assert "release=provider\nfiles=libfoo-1.0.0.post1*\n" in said
    with tarfile.open(folder / "dist" / "libfoo-1.0.0.post1.tar.gz") as archive:
        assert "libfoo-1.0.0.post1/upstream/include/foo.h" in archive.getnames()
    assert (folder / "dist" / "foo_ext-1.0.0.tar.gz").is_file()
