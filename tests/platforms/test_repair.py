"""The real repair tools over wheels for every platform, with the commands that the template holds."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import lab
import nox
import pytest
from platforms import binary, cross

# cibuildwheel's own commands, where the template's provider keeps them.
DEFAULTS = {
    "Linux": "auditwheel repair -w {dest_dir} {wheel}",
    "Darwin": "delocate-wheel --require-archs {delocate_archs} -w {dest_dir} -v {wheel}",
}
SECTIONS = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}
EXCLUSIONS = {
    "Linux": "--exclude 'libfoo__*'",
    "Darwin": "--exclude libfoo__",
    "Windows": "--exclude libfoo__*.dll",
}

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

    def wheel(self, package: str) -> Path:
        python = "cp39-abi3" if package == "foo_ext" else "py3-none"
        system = "linux_" + self.target.processor
        tag = system if self.target.system == "Linux" else self.target.tag
        return cross.pack(self.site, package, "1.0.0", f"{python}-{tag}", self.folder / "dist")

    def command(self, project: str) -> str:
        settings = nox.project.load_toml(
            self.site.parent / "foo-wheels" / project / "pyproject.toml"
        )
        section = settings["tool"]["cibuildwheel"].get(SECTIONS[self.target.system], {})
        command: str = section.get("repair-wheel-command") or DEFAULTS[self.target.system]
        return command

    def run(self, command: str, wheel: Path, *, fails: bool = False) -> dict[str, bytes]:
        """Run a command, as cibuildwheel does, and return the contents of the wheel it made."""
        made = self.folder / "repaired"
        line = command.format(dest_dir=made, wheel=wheel, delocate_archs=self.target.processor)
        lab.run("sh", "-c", line, env=self.env, cwd=self.folder, fails=fails)
        if fails:
            return {}
        (repaired,) = made.glob("*.whl")
        with zipfile.ZipFile(repaired) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


def apples_tools(folder: Path) -> Path:
    """LLVM's tools under Apple's names, for delocate."""
    folder.mkdir()
    for name, llvm in (
        ("install_name_tool", "llvm-install-name-tool-14"),
        ("lipo", "llvm-lipo-14"),
    ):
        program = shutil.which(llvm)
        if program is None:
            pytest.skip(f"takes {llvm} (Debian: llvm-14)")
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


# Not musl: auditwheel asks the machine's own C library, and looks for musl under Alpine's names.
@pytest.fixture(params=[name for name, target in cross.TARGETS.items() if not target.is_musl])
def repair(request: pytest.FixtureRequest, built: Built, tmp_path: Path) -> Repair:
    target = cross.TARGETS[request.param]
    site = built(request.param, "c")
    folders = [str(Path(sys.executable).parent)]
    if target.system == "Darwin":
        folders.insert(0, str(apples_tools(tmp_path / "apple")))
        # The command asks python where the provider is installed.
        env = lab.new_environment(tmp_path / "env")
        shutil.copytree(site / "libfoo", env.site_packages / "libfoo")
        folders.insert(0, str(env.python.parent))
    return Repair(target, tmp_path, site, {"PATH": ":".join([*folders, os.environ["PATH"]])})


def libraries(contents: dict[str, bytes]) -> list[str]:
    return [name for name in contents if "libfoo__foo" in name]


def test_consumer_comes_out_without_a_copy(repair: Repair) -> None:
    contents = repair.run(repair.command("foo-ext"), repair.wheel("foo_ext"))
    assert libraries(contents) == []
    extension = f"foo_ext/{repair.target.extension}"
    file = repair.folder / repair.target.extension
    file.write_bytes(contents[extension])
    name = repair.target.runtime_name("libfoo__foo", "1")
    assert binary.read(file).needs("libfoo") == {name}
    assert binary.read(file).search_paths == ()


def test_provider_comes_out_with_its_names_unchanged(repair: Repair) -> None:
    contents = repair.run(repair.command("libfoo"), repair.wheel("libfoo"))
    path = f"libfoo/lib/{repair.library}"
    assert path in libraries(contents)
    file = repair.folder / repair.library
    file.write_bytes(contents[path])
    assert binary.read(file) == binary.read(repair.site / path)


def test_without_the_exclusion_a_copy_goes_in(repair: Repair) -> None:
    """So that the first test can fail: the tool finds the library and takes it."""
    command = repair.command("foo-ext")
    assert EXCLUSIONS[repair.target.system] in command
    command = command.replace(EXCLUSIONS[repair.target.system], "")
    folder = repair.site / "libfoo" / "lib"
    if repair.target.system == "Linux":
        command = f"LD_LIBRARY_PATH={folder} {command}"
    elif repair.target.system == "Windows":
        command = command.replace("repair", f"repair --add-path {folder}")
    assert len(libraries(repair.run(command, repair.wheel("foo_ext")))) == 1


def test_without_exclusion_and_library_the_tool_refuses(repair: Repair) -> None:
    command = repair.command("foo-ext").replace(EXCLUSIONS[repair.target.system], "")
    if repair.target.system == "Darwin":
        command = command[command.index("delocate-wheel") :]
    repair.run(command, repair.wheel("foo_ext"), fails=True)
