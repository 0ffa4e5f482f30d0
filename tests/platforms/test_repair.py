"""The real repair tools over wheels for every platform, as the template's commands call them."""

from __future__ import annotations

import os
import re
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import building
import cpythons
import nox
import pytest
import wheels
from native_lib.check.read_wheel import read_wheel
from native_lib.check.run import check
from packaging.utils import parse_wheel_filename
from platforms import binary, cross

# cibuildwheel's own commands (since 4.0), which the template's provider keeps.
DEFAULTS = {
    "Linux": "auditwheel repair -w {dest_dir} {wheel}",
    "Darwin": "delocate-wheel --require-archs {delocate_archs} -w {dest_dir} -v {wheel}",
    "Windows": "delvewheel repair -w {dest_dir} -v {wheel}",
}
# What the tools say of a library that they do not find.
SAID = {
    "Linux": 'required library "{}" could not be located',
    "Darwin": "@rpath/{} not found",
    "Windows": "Unable to find library: {}",
}

PROJECTS = ("libfoo", "foo-ext")
# The pair was built for glibc 2.17, and calls nothing that is newer than 2.5: so auditwheel says.
TAGS = {"manylinux_2_17_x86_64": "manylinux_2_5_x86_64"}

Built = Callable[[str, str], Path]


@dataclass(frozen=True)
class Repair:
    """A platform's pair, as wheels, and what repairs them."""

    target: cross.Target
    folder: Path
    site: Path
    env: dict[str, str]

    @property
    def library(self) -> str:
        return self.target.file("libfoo__foo", "1")

    def wheel(self, project: str) -> Path:
        """A project's wheel as the build back end makes it: for Linux, for no C library's version."""
        (wheel,) = (self.folder / "dist").glob(f"{project.replace('-', '_')}-*.whl")
        return wheel

    def repaired(self, project: str) -> Path:
        """The wheel that its own command made of it."""
        (wheel,) = (self.folder / "repaired").glob(f"{project.replace('-', '_')}-*.whl")
        return wheel

    def pack(self) -> None:
        linux = f"linux_{self.target.processor}"
        platform = linux if self.target.system == "Linux" else self.target.tag
        for project in PROJECTS:
            folder = self.site.parent / "foo-wheels" / project
            cross.pack(folder, self.site, platform, self.folder / "dist")

    @property
    def default(self) -> str:
        """cibuildwheel's command for the platform."""
        return DEFAULTS[self.target.system]

    def command(self, project: str) -> str:
        """The command that the template holds, or else cibuildwheel's."""
        settings = nox.project.load_toml(
            self.site.parent / "foo-wheels" / project / "pyproject.toml"
        )
        command: str = settings["tool"]["cibuildwheel"].get("repair-wheel-command", self.default)
        return re.sub("^native-lib ", f"'{sys.executable}' -m native_lib ", command)

    def finding(self) -> str:
        """A command like cibuildwheel's, of which the tool finds the provider's library."""
        folder = self.site / "libfoo" / "lib"
        if self.target.system == "Windows":
            return self.default.replace("repair", f"repair --add-path {folder}")
        variable = {"Linux": "LD_LIBRARY_PATH", "Darwin": "DYLD_LIBRARY_PATH"}
        return f"{variable[self.target.system]}={folder} {self.default}"

    def run(self, command: str, project: str, out: Path, *, fails: bool = False) -> str:
        """Run a command over a wheel, as cibuildwheel does, and return what it printed."""
        line = command.format(
            dest_dir=out, wheel=self.wheel(project), delocate_archs=self.target.processor
        )
        return building.run("sh", "-c", line, env=self.env, cwd=self.folder, fails=fails)


def unpacked(wheel: Path, folder: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def apples_tools(folder: Path) -> Path:
    """LLVM's tools under Apple's names, for delocate."""
    folder.mkdir(exist_ok=True)
    for name, llvm in (
        ("install_name_tool", "llvm-install-name-tool-14"),
        ("lipo", "llvm-lipo-14"),
    ):
        program = shutil.which(llvm)
        if program is None:
            pytest.skip(f"requires {llvm} (Debian: llvm-14)")
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(program)
    scripts = {
        "otool": 'for word; do shift; [ "$word" = -m ] || set -- "$@" "$word"; done\n'
        'exec llvm-otool-14 "$@"\n',
        "codesign": "exit 0\n",
    }
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}", encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture(params=cross.TARGETS)
def repair(
    request: pytest.FixtureRequest,
    built: Built,
    once: Callable[[str, Callable[[Path], Repair]], Repair],
) -> Repair:
    """A platform's pair, each wheel repaired by the command that the template holds."""
    target = cross.TARGETS[request.param]
    site = built(request.param, "c")

    def make(folder: Path) -> Repair:
        folders = [str(Path(sys.executable).parent)]
        if target.system == "Darwin":
            folders.insert(0, str(apples_tools(folder / "apple")))
        # The provider is installed where the consumer's wheel is repaired.
        paths = [str(building.ROOT / "loader" / "src"), str(folder / "installed")]
        env = {
            "PATH": ":".join([*folders, os.environ["PATH"]]),
            "PYTHONPATH": ":".join(paths),
        }
        made = Repair(target, folder, site, env)
        made.pack()
        for project in PROJECTS:
            made.run(made.command(project), project, folder / "repaired")
            unpacked(made.repaired("libfoo"), folder / "installed")
        return made

    return once(f"repair-{request.param}", make)


def libraries(wheel: Path) -> list[str]:
    """The provider's libraries in a wheel, under whatever name; its anchor is none."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if "libfoo__foo" in name]
    return [name for name in names if "-anchor" not in name]


def test_consumer_comes_out_without_a_copy(repair: Repair, tmp_path: Path) -> None:
    wheel = repair.repaired("foo-ext")
    assert libraries(wheel) == []
    file = unpacked(wheel, tmp_path) / "foo_ext" / repair.target.extension
    name = repair.target.runtime_name("libfoo__foo", "1")
    assert binary.read(file).needs("libfoo") == {name}
    assert binary.read(file).search_paths == ()


def test_provider_comes_out_with_its_names_unchanged(repair: Repair, tmp_path: Path) -> None:
    wheel = repair.repaired("libfoo")
    there = unpacked(wheel, tmp_path) / "libfoo" / "lib"
    here = repair.site / "libfoo" / "lib"
    assert f"libfoo/lib/{repair.library}" in libraries(wheel)
    files = [repair.library, *(file.name for file in here.glob("*-anchor.so"))]
    assert len(files) == (2 if repair.target.is_musl else 1)
    for file in files:
        assert binary.read(there / file) == binary.read(here / file)


def test_link_file_comes_out_unchanged(repair: Repair, tmp_path: Path) -> None:
    """It has a library's suffix, and is none: no tool takes it for a copy, or leaves it behind."""
    name = {"Linux": "libfoo.so", "Darwin": "libfoo.tbd", "Windows": "foo.lib"}[
        repair.target.system
    ]
    there = unpacked(repair.repaired("libfoo"), tmp_path) / "libfoo" / "lib" / name
    assert there.read_bytes() == (repair.site / "libfoo" / "lib" / name).read_bytes()
    assert repair.target.file("libfoo__foo", "1").encode() in there.read_bytes()


def test_tag_is_the_platforms(repair: Repair) -> None:
    expected = TAGS.get(repair.target.tag, repair.target.tag)
    for project in PROJECTS:
        _, _, _, tags = parse_wheel_filename(repair.repaired(project).name)
        platforms = {tag.platform for tag in tags}
        # Others only under an older name of the same: manylinux1, manylinux2014.
        assert expected in platforms
        assert all(re.match(r"manylinux[0-9]", platform) for platform in platforms - {expected})


def test_repaired_pair_passes_the_check(repair: Repair) -> None:
    report = check([repair.repaired(project) for project in PROJECTS])
    assert (report.findings, report.unusable) == ((), ())


def test_without_the_exclusion_a_copy_goes_in(repair: Repair, tmp_path: Path) -> None:
    """So that the first test can fail: the tool finds the library and takes it."""
    repair.run(repair.finding(), "foo-ext", tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    assert len(libraries(wheel)) == 1
    # The checker sees it, too, under whatever name the tool gave the copy.
    report = check([repair.repaired("libfoo"), wheel])
    assert "library-copied" in {rule.id for rule, _ in report.findings}


def test_arguments_of_native_lib_excludes_do_the_same(repair: Repair, tmp_path: Path) -> None:
    """From the manifest of what is installed; delocate compares parts of paths, the others names."""
    tool = {"Linux": "auditwheel", "Darwin": "delocate", "Windows": "delvewheel"}
    installed = unpacked(repair.repaired("libfoo"), tmp_path / "site")
    said = building.run(
        *(sys.executable, "-m", "native_lib", "excludes", "libfoo"),
        *("--tool", tool[repair.target.system]),
        env={"PYTHONPATH": f"{building.ROOT / 'loader' / 'src'}{os.pathsep}{installed}"},
    )
    repair.run(repair.finding().replace(" -w ", f" {said.strip()} -w "), "foo-ext", tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    assert libraries(wheel) == []


def unbound(wheel: Path, folder: Path) -> Path:
    """The consumer's wheel as a build makes it that knows nothing of providers."""
    ours = re.compile(r"foo_ext/_(shared_lib|native_requires).*|.*/RECORD")
    with zipfile.ZipFile(wheel) as archive:
        (own,) = (name for name in archive.namelist() if name.endswith("/RECORD"))
        files = {n: archive.read(n) for n in archive.namelist() if not ours.fullmatch(n)}
    metadata = own.replace("RECORD", "METADATA")
    files[metadata] = re.sub(rb"Requires-Dist: .*\n", b"", files[metadata])
    files["foo_ext/__init__.py"] = b"from ._ext import square, version\n"
    made = folder / wheel.name
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**files, own: wheels.record(files, own).encode()}.items():
            archive.writestr(name, content)
    return made


def test_native_lib_repair_does_it_in_one_command(repair: Repair, tmp_path: Path) -> None:
    """With the provider's wheel only, and for a wheel that knows nothing of it."""
    provider = repair.repaired("libfoo")
    command = (sys.executable, "-m", "native_lib", "repair", "-w", tmp_path / "out")
    env = {**repair.env, "PYTHONPATH": str(building.ROOT / "loader" / "src")}
    wheel = unbound(repair.wheel("foo-ext"), tmp_path)
    building.run(*command, wheel, "--provider", provider, env=env)
    (made,) = (tmp_path / "out").glob("*.whl")
    assert libraries(made) == []
    file = unpacked(made, tmp_path / "site") / "foo_ext" / repair.target.extension
    assert binary.read(file).needs("libfoo") == {repair.target.runtime_name("libfoo__foo", "1")}
    assert made.name == repair.repaired("foo-ext").name
    report = check([made, provider])
    assert (report.findings, report.unusable) == ((), ())
    (required,) = read_wheel(made).requires
    assert (required.requirement, required.libraries) == ("libfoo>=1.0.0,<2", ("foo",))
    # The provider's own wheel goes the same way.
    building.run(*command, repair.wheel("libfoo"), env=env)
    assert {each.name for each in (tmp_path / "out").glob("libfoo*")} == {provider.name}


@pytest.mark.skipif(cross.zig() is None, reason="requires zig's compilers (ziglang)")
def test_a_library_that_another_of_the_wheel_needs_stays_on_macos(tmp_path: Path) -> None:
    """delocate finds it by no RPATH, and without the exclusion refuses the wheel."""
    names = [f"liblibfoo__{name}.1.dylib" for name in ("foo", "bar")]
    needed: list[str] = []
    for name, function in zip(names, ("int foo(void)", "int bar(void)")):
        (tmp_path / "source.c").write_text(f"{function} {{ return 1; }}\n", encoding="utf-8")
        zig = (sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-macos.11.0")
        options = ("-dynamiclib", "-install_name", f"@rpath/{name}", "source.c", *needed)
        building.run(*zig, *options, "-o", name, cwd=tmp_path)
        needed.append(name)
    files = {f"libfoo/lib/{name}": (tmp_path / name).read_bytes() for name in names}
    manifest = wheels.manifest(f"lib/{names[0]}", f"@rpath/{names[0]}")
    texts = {"libfoo/_native_libs.py": manifest, "libfoo/__init__.py": ""}
    contents: dict[str, bytes | str] = {**files, **texts}
    tag = "py3-none-macosx_11_0_arm64"
    wheel = wheels.make_wheel(tmp_path / "built", "libfoo", contents, tag=tag)
    path = f"{apples_tools(tmp_path / 'tools')}:{os.environ['PATH']}"
    env = {"PATH": path, "PYTHONPATH": str(building.ROOT / "loader" / "src")}
    alone = tmp_path / "alone"
    said = building.run(building.tool("delocate-wheel"), "-w", alone, wheel, env=env, fails=True)
    assert f"@rpath/{names[0]} not found" in said
    command = (sys.executable, "-m", "native_lib", "repair", "-w", tmp_path / "out", wheel)
    building.run(*command, env=env)
    there = unpacked(tmp_path / "out" / wheel.name, tmp_path / "site")
    assert {f: (there / f).read_bytes() for f in files} == files


def test_without_exclusion_and_library_the_tool_refuses(repair: Repair, tmp_path: Path) -> None:
    said = repair.run(repair.default, "foo-ext", tmp_path, fails=True)
    assert re.search(SAID[repair.target.system].format(re.escape(repair.library)), said)


@pytest.mark.parametrize("repair", ["musl-x86_64"], indirect=True)
def test_repaired_pair_runs_on_musl(repair: Repair, tmp_path: Path) -> None:
    folders = [str(unpacked(repair.repaired(p), tmp_path / p)) for p in PROJECTS]
    code = "import foo_ext; print(foo_ext.square(3))"
    env = {"PYTHONPATH": ":".join(folders)}
    assert building.run(cpythons.need("3.13", libc="musl"), "-c", code, env=env) == "9.0\n"
