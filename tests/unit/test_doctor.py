"""`native-lib doctor`: what is wrong in an environment, and what an import's error means."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import building
import pytest
import wheels
from native_lib.check.binary import Binary
from native_lib.doctor import resolve
from native_lib.doctor.attempt import Attempt
from native_lib.doctor.diagnose import explain
from native_lib.doctor.findings import problems_of
from native_lib.doctor.installed import Environment, Installed, read_environment
from native_lib.doctor.picture import picture
from native_lib.support.shared_lib_wordings import HELP, MACHINE
from native_lib.vendor import VendorError, changes

SOURCES = building.ROOT / "loader" / "src"
TOOLS = sysconfig.get_path("purelib")  # rich, packaging and lief


def insist_on_a_command_or_words(fix: str) -> None:
    """What begins like a command can be run as it stands, with nothing behind it."""
    if fix.startswith("native-lib"):
        assert re.fullmatch(r'native-lib vendor "[^"]+"', fix), fix
    elif fix.startswith(("python", "pip")):
        option, what = r"(?: -{1,2}[a-z-]+| :all:)", r'(?: "[^"]+"| [a-z0-9-]+)'
        assert re.fullmatch(rf"python -m pip install{option}*{what}+", fix), fix


class Site:
    """A folder that wheels are unpacked into, as an installer does, and the command over it."""

    def __init__(self, elf: wheels.Elf, folder: Path) -> None:
        self.elf = elf
        self.work = folder / "work"
        # A folder that pip installs to: of a virtual environment, made by hand in no time.
        self.python = folder / "venv" / "bin" / "python"
        self.folder = Path(
            sysconfig.get_path("purelib", "posix_prefix", vars={"base": str(folder / "venv")})
        )
        self.python.parent.mkdir(parents=True)
        self.folder.mkdir(parents=True)
        base = Path(sys._base_executable)  # type: ignore[attr-defined]
        self.python.symlink_to(base)
        alone = "include-system-site-packages = false"
        config = folder / "venv" / "pyvenv.cfg"
        config.write_text(f"home = {base.parent}\n{alone}\n", encoding="utf-8")
        self.library = self.folder / "libfoo" / "lib" / wheels.NAME
        self.extension = self.folder / "foo_ext" / "_ext.abi3.so"

    def install(self, wheel: Path) -> None:
        wheels.unpack(wheel, self.folder)

    def provider(self, **how: object) -> None:
        self.install(self.elf.provider(self.work, **how))  # type: ignore[arg-type]

    def consumer(self, **how: str) -> None:
        self.install(self.elf.consumer(self.work, **how))  # type: ignore[arg-type]

    def doctor(self, *arguments: str, path: str = "", **env: str) -> tuple[int, str]:
        """Run the command with nothing else on the path but what it needs itself."""
        paths = f"{path}{self.folder}:{SOURCES}:{TOOLS}"
        done = subprocess.run(
            [self.python, "-m", "native_lib", "doctor", *arguments],
            env=building.environment({"PYTHONPATH": paths, **env}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        return done.returncode, done.stdout

    def problems(self, *arguments: str, path: str = "", **env: str) -> list[tuple[str, str, str]]:
        status, out = self.doctor(*arguments, "--format", "json", path=path, **env)
        found = json.loads(out)["problems"]
        for problem in found:
            insist_on_a_command_or_words(problem["fix"])
        assert status == any(problem["severity"] == "error" for problem in found)
        return [
            (problem["id"], problem["distribution"], f"{problem['message']} | {problem['fix']}")
            for problem in found
            if problem["distribution"] in ("libfoo", "foo-ext", "libfoo2", "other", "foo_ext")
        ]


@pytest.fixture
def site(elf: wheels.Elf, tmp_path: Path) -> Site:
    return Site(elf, tmp_path)


@pytest.fixture
def pair(site: Site) -> Site:
    site.provider()
    site.consumer()
    return site


# What there is ------------------------------------------------------------------------------------


def test_tree(pair: Site) -> None:
    status, out = pair.doctor()
    assert status == 0
    assert "libfoo 1.0.0: provider\n" in out
    assert f"foo: {pair.library}\n" in out
    assert "used by foo-ext 1.0.0 (requires libfoo>=1.0.0,<2)\n" in out
    assert f"foo_ext/_ext.abi3.so needs {wheels.NAME}: {pair.library}\n" in out
    assert out.endswith("nothing is broken\n")


def test_json(pair: Site) -> None:
    _, out = pair.doctor("--format", "json")
    found = json.loads(out)
    (provider,) = (each for each in found["providers"] if each["distribution"] == "libfoo")
    assert provider["consumers"] == ["foo-ext"]
    assert provider["required_as"] == {"foo-ext": "libfoo>=1.0.0,<2"}
    assert provider["requires"] == []
    assert provider["libraries"] == [
        {"name": "foo", "runtime_name": wheels.NAME, "file": str(pair.library)}
    ]
    (need,) = (each for each in found["needs"] if each["name"] == wheels.NAME)
    assert (need["consumer"], need["by"], need["answer"]) == (
        *("foo-ext", "provider"),
        str(pair.library),
    )


def test_nothing_is_imported(pair: Site) -> None:
    for package in ("libfoo", "foo_ext"):
        (pair.folder / package / "__init__.py").write_text("raise SystemExit('imported')", "utf-8")
    assert pair.doctor()[0] == 0


def test_no_provider(site: Site) -> None:
    wheels.unpack(wheels.make_wheel(site.work, "other", {"other.py": ""}), site.folder)
    status, out = site.doctor()
    assert status == 0
    assert "libfoo" not in out


def test_consumer_that_left_no_record_is_found_by_what_it_needs(site: Site) -> None:
    site.provider()
    site.consumer(bound="", record=False)  # type: ignore[arg-type]
    assert f"_ext.abi3.so needs {wheels.NAME}: {site.library}" in site.doctor()[1]


def test_picture(pair: Site) -> None:
    _, out = pair.doctor("--format", "svg")
    root = ElementTree.fromstring(out)
    texts = [element.text or "" for element in root.iter() if element.tag.endswith("}text")]
    assert "libfoo 1.0.0" in texts
    assert "foo-ext 1.0.0" in texts
    assert len([element for element in root.iter() if element.tag.endswith("}path")]) >= 1


def test_picture_shows_a_provider_that_is_missing(site: Site) -> None:
    site.consumer()
    root = ElementTree.fromstring(site.doctor("--format", "svg")[1])
    texts = [element.text for element in root.iter() if element.tag.endswith("}text")]
    assert ("libfoo" in texts, "is not installed" in texts) == (True, True)


def test_picture_of_a_chain_has_no_box_on_another() -> None:
    versions = dict.fromkeys(("a", "b", "c", "d<&>"), "1")
    lines = [("b", "a"), ("c", "b"), ("c", "a"), ("d<&>", "a")]
    root = ElementTree.fromstring(picture(versions, {"a": ["x"], "b": ["y"]}, lines, ["c"]))
    boxes = [e for e in root.iter() if e.tag.endswith("}rect") and e.get("class") != "page"]
    places = {(box.get("x"), box.get("y")) for box in boxes}
    assert len(places) == len(boxes) == 4
    assert len([e for e in root.iter() if "broken" in (e.get("class") or "")]) == 3


# What is wrong ------------------------------------------------------------------------------------


def only(found: list[tuple[str, str, str]]) -> tuple[str, str, str]:
    (one,) = found
    return one


def test_provider_is_missing(site: Site) -> None:
    site.consumer()
    kind, of, said = only(site.problems())
    assert (kind, of) == ("provider-missing", "foo-ext")
    assert said == (
        "requires libfoo>=1.0.0,<2, and libfoo is not installed"
        ' | python -m pip install "libfoo>=1.0.0,<2"'
    )


@pytest.mark.parametrize("version", ["0.9.0", "1.0.0rc1", "2.0.0", "2.0.0rc1"])
def test_version_outside_of_the_bound(site: Site, version: str) -> None:
    site.provider(version=version)
    site.consumer()
    kind, of, said = only(site.problems())
    assert (kind, of) == ("provider-version", "foo-ext")
    assert f"built against libfoo 1.0.0 (SameMajorVersion), and {version} is installed" in said
    assert said.endswith('| python -m pip install "libfoo>=1.0.0,<2"')


@pytest.mark.parametrize("version", ["1.7.2", "1.0.0.post3", "1.1.0rc1"])
def test_version_that_fits(site: Site, version: str) -> None:
    site.provider(version=version)
    site.consumer()
    assert site.problems() == []


def test_provider_that_requires_a_provider_says_so(pair: Site) -> None:
    pair.install(
        wheels.make_wheel(
            pair.work,
            "libbar",
            {
                "libbar/_native_libs.py": wheels.manifest("lib/bar.so", "libbar__bar.so.1")
                .replace("'foo'", "'bar'")
                .replace("'libfoo'", "'libbar'"),
                "libbar/_shared_lib_manager.py": wheels.LOADER.read_bytes(),
                "libbar/lib/bar.so": pair.elf.library(soname="libbar__bar.so.1", source="int bar;"),
            },
            requires=["libfoo>=1,<2"],
        )
    )
    assert pair.problems() == []
    assert "requires libfoo<2,>=1\n" in pair.doctor()[1]
    providers = json.loads(pair.doctor("--format", "json")[1])["providers"]
    required = {each["distribution"]: each["requires"] for each in providers}
    assert required == {"libbar": ["libfoo"], "libfoo": []}


def test_another_abi_is_installed(site: Site) -> None:
    """One problem, told once, with the bound in its fix."""
    other = "libfoo__foo.so.2"
    library = site.elf.library(soname=other)
    wheel = site.elf.provider(site.work, library, version="2.0.0", file=other, runtime_name=other)
    site.install(wheel)
    site.consumer()
    site.folder.joinpath("foo_ext", "__init__.py").write_text("from . import _ext\n")
    wanted = '| python -m pip install "libfoo>=1.0.0,<2"'
    found = site.problems("foo_ext")
    assert [each[0] for each in found] == ["import-failed", "provider-version"]
    assert all(each[2].endswith(wanted) for each in found)
    assert f"needs {wheels.NAME}, which libfoo 2.0.0 does not have" in found[0][2]


def test_library_is_missing(pair: Site) -> None:
    pair.library.unlink()
    kind, of, said = only(pair.problems())
    assert (kind, of) == ("file-missing", "libfoo")
    assert said.startswith(f"{pair.library} is missing | python -m pip install --force-reinstall")
    assert f"needs {wheels.NAME}: nobody\n" in pair.doctor()[1]  # not: one for another machine


def test_link_file_that_leads_nowhere(site: Site) -> None:
    link = site.folder / "libfoo" / "lib" / "libfoo.so"
    site.provider(
        link_file="lib/libfoo.so", more={"libfoo/lib/libfoo.so": f"INPUT({wheels.NAME})\n"}
    )
    assert site.problems() == []
    link.write_text("INPUT(libother.so)\n", encoding="utf-8")
    kind, of, said = only(site.problems())
    assert (kind, of) == ("link-file", "libfoo")
    assert said.startswith(
        f"libfoo/lib/libfoo.so: does not lead to {wheels.NAME} | python -m pip install --force-reinstall"
    )
    # What is missing is told once.
    link.unlink()
    kind, of, said = only(site.problems())
    assert (kind, of) == ("file-missing", "libfoo")
    assert said.startswith(f"{link} is missing | ")
    link.write_text(f"INPUT({wheels.NAME})\n", encoding="utf-8")
    site.library.unlink()
    kind, of, said = only(site.problems())
    assert (kind, of) == ("file-missing", "libfoo")
    assert said.startswith(f"{site.library} is missing | ")


def test_extension_module_is_missing(pair: Site) -> None:
    """Python's own words are of a module that nobody has; RECORD knows whose it is."""
    pair.extension.unlink()
    pair.folder.joinpath("foo_ext", "__init__.py").write_text("import foo_ext._ext\n")
    again = 'python -m pip install --force-reinstall --no-deps "foo-ext==1.0.0"'
    assert only(pair.problems()) == (
        *("file-missing", "foo-ext"),
        f"{pair.extension} is missing | {again}",
    )
    first, _ = pair.problems("foo_ext")
    why = "the file of foo-ext 1.0.0 is missing, or is for another Python"
    assert first == (
        "import-failed",
        "foo_ext",
        f"import foo_ext: No module named 'foo_ext._ext': {why} | {again}",
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [("", "is empty"), ("no library\n", "which is not a library"), (None, "Is a directory")],
)
def test_library_is_none(pair: Site, content: str | None, reason: str) -> None:
    pair.library.unlink()
    if content is None:
        pair.library.mkdir()
    else:
        pair.library.write_text(content)
    found = pair.problems()
    assert {each[1] for each in found} == {"libfoo"}
    assert reason in found[0][2]
    assert found[0][2].endswith(
        '| python -m pip install --force-reinstall --no-deps "libfoo==1.0.0"'
    )


def test_library_with_another_name(pair: Site) -> None:
    """One fault, one problem; and the import's words are explained by it."""
    pair.library.write_bytes(pair.elf.library(soname="libfoo.so.9"))
    kind, of, said = only(pair.problems())
    assert (kind, of) == ("manifest-differs", "libfoo")
    again = '| python -m pip install --force-reinstall --no-deps "libfoo==1.0.0"'
    assert said.endswith(again)
    pair.folder.joinpath("foo_ext", "__init__.py").write_text("from . import _ext\n")
    first, second = pair.problems("foo_ext")
    assert f"needs {wheels.NAME}, but {pair.library} has another name: it was modified" in first[2]
    assert first[2].endswith(again)
    assert second[0] == "manifest-differs"


def test_library_is_cut_off(pair: Site) -> None:
    pair.library.write_bytes(pair.library.read_bytes()[:500])
    kind, of, said = only(pair.problems())
    assert (kind, of) == ("unreadable", "libfoo")
    assert f"{pair.library} cannot be read: " in said
    assert '"libfoo==1.0.0"' in said


def test_library_of_another_machine(pair: Site) -> None:
    pair.library.write_bytes(wheels.for_another_processor(pair.library.read_bytes()))
    kind, of, said = only(pair.problems())
    assert (kind, of) == ("architecture", "libfoo")
    assert "this Python for ELF" in said


def test_symbol_that_the_provider_lost(site: Site) -> None:
    site.consumer()
    site.install(site.elf.provider(site.work, site.elf.library(source="int foo_two;")))
    kind, of, said = only(site.problems())
    assert (kind, of) == ("symbol-missing", "foo-ext")
    assert "needs foo_one" in said
    # Not the consumer again: its provider took something away, or is damaged.
    built = '"libfoo==1.0.0"'
    assert said.endswith(f"| python -m pip install --force-reinstall --no-deps {built}")
    origin = next(site.work.glob("libfoo-*.whl")).as_uri()
    record = site.folder / "libfoo-1.0.0.dist-info" / "direct_url.json"
    record.write_text(f'{{"url": "{origin}", "archive_info": {{}}}}')
    assert only(site.problems())[2].endswith(f'--no-deps "{origin}"')
    record.unlink()
    site.folder.joinpath("foo_ext", "__init__.py").write_text(
        "import ctypes, libfoo\n"
        "for file in ('../libfoo/lib/libfoo__foo.so.1', '_ext.abi3.so'):\n"
        "    ctypes.CDLL(__file__.replace('__init__.py', file), 2)\n"
    )
    first, _ = site.problems("foo_ext")
    assert "calls foo_one, but the library that it uses has no such function" in first[2]
    assert first[2].endswith(f"--no-deps {built}")


def test_two_providers_of_one_name(pair: Site) -> None:
    again = wheels.make_wheel(
        pair.work,
        "libfoo2",
        {
            "libfoo2/_native_libs.py": wheels.manifest(distribution="libfoo2"),
            f"libfoo2/lib/{wheels.NAME}": pair.library.read_bytes(),
        },
    )
    pair.install(again)
    (said,) = (each[2] for each in pair.problems() if each[0] == "name-twice")
    assert said.startswith(f"libfoo and libfoo2 both ship {wheels.NAME}: ")


@pytest.mark.parametrize("file", ["other/lib/engine.so", f"other/lib/{wheels.NAME}"])
def test_another_distribution_has_the_name(pair: Site, file: str) -> None:
    """It is not a provider, and has no manifest; what it opens first serves the provider's users."""
    files: dict[str, bytes | str] = {"other/__init__.py": "", file: pair.library.read_bytes()}
    pair.install(wheels.make_wheel(pair.work, "other", files))
    (said,) = (each for each in pair.problems() if each[0] == "name-twice")
    assert said[2].startswith(f"libfoo and other both ship {wheels.NAME}: ")
    assert said[2].endswith("python -m pip uninstall other")
    (pair.folder / "other" / "__init__.py").write_text(
        f"import ctypes; ctypes.CDLL(__file__.replace('other/__init__.py', '{file}'))\n"
    )
    (pair.folder / "libfoo" / "__init__.py").write_text(REAL_LOADER)
    code = "import other, libfoo; libfoo.loader.load()"
    env = building.environment({"PYTHONPATH": str(pair.folder)})
    command = [str(pair.python), "-c", code]
    done = subprocess.run(command, env=env, stderr=subprocess.PIPE, text=True, check=False)
    assert "LibraryConflictError" in done.stderr


def test_another_distribution_has_a_plain_name(site: Site) -> None:
    plain = "libfoo.so.1"
    library = site.elf.library(soname=plain, file=plain)
    site.install(site.elf.provider(site.work, library, file=plain, runtime_name=plain))
    site.install(wheels.make_wheel(site.work, "other", {f"other/{plain}": library}))
    assert [each[0] for each in site.problems()] == ["name-twice"]
    assert site.doctor()[0] == 0


def test_copy_in_a_consumer(site: Site) -> None:
    site.provider()
    copy = site.library.read_bytes()
    site.consumer(more={"foo_ext.libs/libfoo__foo-1a2b3c4d.so.1": copy})  # type: ignore[arg-type]
    kind, of, said = only(site.problems())
    assert (kind, of) == ("library-copied", "foo-ext")
    assert "has a copy of libfoo__foo.so.1" in said


def test_copy_in_a_package_that_does_not_use_the_provider(pair: Site) -> None:
    files: dict[str, bytes | str] = {"other.libs/libfoo-1a2b3c4d.so.1": pair.library.read_bytes()}
    pair.install(wheels.make_wheel(pair.work, "other", files))
    kind, of, said = only(pair.problems())
    # It kept the name inside: the one that is loaded first serves the users of both.
    assert (kind, of) == ("name-twice", "libfoo")
    assert said.startswith(f"libfoo and other both ship {wheels.NAME}: ")
    assert said.endswith("python -m pip uninstall other")


def test_copy_under_another_name(pair: Site) -> None:
    copy = pair.elf.library(soname="libfoo-1a2b3c4d.so.1")
    files: dict[str, bytes | str] = {"other.libs/libfoo-1a2b3c4d.so.1": copy}
    pair.install(wheels.make_wheel(pair.work, "other", files))
    kind, of, said = only(pair.problems())
    assert (kind, of) == ("bundled-copy", "other")
    assert "other.libs/libfoo-1a2b3c4d.so.1 looks like a copy of foo, which libfoo ships" in said


def test_copy_in_a_consumer_of_another_provider(pair: Site) -> None:
    copy = pair.elf.library(soname="libbar-1a2b3c4d.so.1", source="int another;")
    pair.install(
        wheels.make_wheel(
            pair.work,
            "libbar",
            {
                "libbar/_native_libs.py": wheels.manifest("lib/bar.so", "libbar__bar.so.1")
                .replace("'foo'", "'bar'")
                .replace("'libfoo'", "'libbar'"),
                "libbar/_shared_lib_manager.py": wheels.LOADER.read_bytes(),
                "libbar/lib/bar.so": pair.elf.library(soname="libbar__bar.so.1"),
            },
        )
    )
    pair.consumer(more={"foo_ext.libs/libbar-1a2b3c4d.so.1": copy})  # type: ignore[arg-type]
    assert [each[:2] for each in pair.problems()] == [("bundled-copy", "foo-ext")]


def test_loader_that_drifted(site: Site) -> None:
    site.install(site.elf.provider(site.work, more={"libfoo/_shared_lib_manager.py": "older = 1"}))
    kind, of, said = only(site.problems())
    assert (kind, of) == ("loader-differs", "libfoo")
    assert said.endswith(
        "modified | report this to the authors of libfoo; only a new release can fix it"
    )


def test_wheel_that_lacks_its_record(pair: Site) -> None:
    package = {"foo_ext/__init__.py": "from . import _native_requires\n"}
    pair.consumer(more=package, record=False)  # type: ignore[arg-type]
    (said,) = (each[2] for each in pair.problems() if each[:2] == ("record-missing", "foo-ext"))
    assert said == (
        "foo_ext/__init__.py: imports _native_requires, which is not in the wheel | report this to "
        "the authors of foo-ext; only a new release can fix it"
    )


def test_two_versions_on_the_path(pair: Site, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    wheels.unpack(pair.elf.provider(pair.work / "old", version="0.5"), hidden)
    found = pair.problems(PYTHONPATH=f"{pair.folder}:{hidden}:{SOURCES}:{TOOLS}")
    kind, of, said = only(found)
    assert (kind, of) == ("shadowed", "libfoo")
    assert f"0.5 in {hidden} is never imported: 1.0.0 in {pair.folder} comes first" in said
    # pip would uninstall the one that works.
    assert "pip uninstall" not in said
    assert f"remove {hidden} from sys.path" in said


def test_editable_install(pair: Site) -> None:
    info = pair.folder / "libfoo-1.0.0.dist-info"
    source = pair.work / "lib foo"
    source.mkdir()
    url = source.as_uri()
    (info / "direct_url.json").write_text(f'{{"url": "{url}", "dir_info": {{"editable": true}}}}')
    kind, of, said = only(pair.problems())
    assert (kind, of) == ("editable", "libfoo")
    assert "after a change in C or CMake, install it again" in said
    pair.library.unlink()
    (said,) = (each[2] for each in pair.problems() if each[0] == "file-missing")
    assert said.endswith(f'--force-reinstall --no-deps -e "{url}"')


def test_editable_installs_sources(site: Site) -> None:
    """Its loader is there, and not in RECORD; and there it may be gone."""
    source = site.work / "lib foo"
    package = source / "python" / "libfoo"
    package.mkdir(parents=True)
    site.provider()
    record = site.folder / "libfoo-1.0.0.dist-info" / "RECORD"
    lines = record.read_text("utf-8").splitlines()
    record.write_text("\n".join(line for line in lines if ".py" not in line or "_native" in line))
    url = f'{{"url": "{source.as_uri()}", "dir_info": {{"editable": true}}}}'
    (record.parent / "direct_url.json").write_text(url)
    assert [each[0] for each in site.problems()] == ["editable", "loader-foreign"]
    loader = package / "_shared_lib_manager.py"
    shutil.copy(wheels.LOADER, loader)
    assert [each[0] for each in site.problems()] == ["editable"]
    loader.write_text("older = 1\n", encoding="utf-8")
    found = {each[0]: each[2] for each in site.problems()}
    assert found["loader-differs"] == (
        f"{loader}: differs from the file of this native-lib: it is older, or was modified"
        f' | native-lib vendor "{source}"'
    )
    source.rename(site.work / "moved")
    found = {each[0]: each[2] for each in site.problems()}
    assert f"is an editable install of {source}, which does not exist" in found["file-missing"]
    assert "editable" not in found


def test_what_was_installed_from_where_nothing_is_any_more(pair: Site) -> None:
    """conda's packages name a folder of the machine that built them; containers, a file that went."""
    url = '{"url": "file:///home/conda/libfoo_1/work", "dir_info": {}}'
    (pair.folder / "libfoo-1.0.0.dist-info" / "direct_url.json").write_text(url)
    pair.library.unlink()
    assert only(pair.problems())[2].endswith('--no-deps "libfoo==1.0.0"')


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and ELF's global scope")
def test_name_and_symbols_that_are_taken(pair: Site, tmp_path: Path) -> None:
    assert pair.problems() == []
    taken = shutil.copy(pair.library, tmp_path / wheels.NAME)
    found = {each[0]: each[2] for each in pair.problems(LD_PRELOAD=str(taken))}
    assert f"this interpreter has already loaded {taken}" in found["name-taken"]
    assert f"{taken} already defines foo_one, foo_two in this" in found["symbol-taken"]


@pytest.mark.skipif(sys.platform != "linux", reason="ELF's global scope, and LD_PRELOAD")
@pytest.mark.parametrize(
    "theirs", ["", "FOO_1 {foo_one;};", "FOO_2 {foo_one;};", "FOO_1 {foo_two;};"]
)
@pytest.mark.parametrize("ours", ["", "FOO_1 {foo_one; foo_two;};"])
def test_symbols_are_taken_where_the_system_takes_them(site: Site, ours: str, theirs: str) -> None:
    def versions(name: str, text: str) -> tuple[str, ...]:
        script = site.work / name
        script.write_text(text)
        return (f"-Wl,--version-script={script}",) if text else ()

    site.work.mkdir()
    site.install(site.elf.provider(site.work, site.elf.library(*versions("ours", ours))))
    taken = site.work / "taken.so"
    source = "int foo_one(void) { return 3; }\nint foo_two(void) { return 3; }\n"
    site.elf.library(*versions("theirs", theirs), source=source, soname=None, file=str(taken))
    user = building.compile_library(
        "int foo_one(void);\nint value(void) { return foo_one(); }\n",
        *(site.work / "user.so", str(site.library), "-nostdlib"),
    )
    code = f"import ctypes; ours = ctypes.CDLL({str(site.library)!r}); "
    code += f"print(ctypes.CDLL({str(user)!r}).value())"
    env = building.environment({"LD_PRELOAD": str(taken)})
    value = subprocess.check_output([sys.executable, "-c", code], env=env, text=True).strip()
    found = [each[2] for each in site.problems(LD_PRELOAD=str(taken)) if each[0] == "symbol-taken"]
    named = [f"{taken} already defines foo_one" in said for said in found]
    assert any(named) == (value == "3")
    assert value in ("1", "3")


@pytest.mark.skipif(sys.platform != "linux", reason="reads ELF's global scope")
def test_taken_symbols_are_named_but_for_weak_ones(site: Site, tmp_path: Path) -> None:
    names = ["foo_five", "foo_four", "foo_one", "foo_three", "foo_two"]
    source = "".join(f"int {name}(void) {{ return 1; }}\n" for name in names)
    weak = "__attribute__((weak)) int foo_weak(void) { return 1; }\n"
    site.install(site.elf.provider(site.work, site.elf.library(source=source + weak)))
    taken = shutil.copy(site.library, tmp_path / "taken.so")
    (said,) = (each[2] for each in site.problems(LD_PRELOAD=str(taken)) if "symbol" in each[0])
    assert f"{taken} already defines foo_five, foo_four, foo_one and 2 more in this" in said
    only_weak = site.elf.library(source=weak, soname=None, file=str(tmp_path / "weak.so"))
    assert only_weak
    found = site.problems(LD_PRELOAD=str(tmp_path / "weak.so"))
    assert [each for each in found if each[0] == "symbol-taken"] == []
    manifest = site.folder / "libfoo" / "_native_libs.py"
    text = manifest.read_text("utf-8").replace("'probe_symbol': ''", "'probe_symbol': 'foo_weak'")
    manifest.write_text(text, encoding="utf-8")
    (said,) = (
        each[2]
        for each in site.problems(LD_PRELOAD=str(tmp_path / "weak.so"))
        if "symbol" in each[0]
    )
    assert "weak.so already defines foo_weak in this interpreter's" in said


@pytest.mark.skipif(sys.platform != "linux", reason="reads ELF's global scope")
def test_plain_names_may_be_anothers_and_symbols_the_systems(site: Site, tmp_path: Path) -> None:
    plain = "libfoo.so.1"
    source = "int foo_one(void) { return 1; }\nint foo_two(void) { return 2; }\n"
    library = site.elf.library(soname=plain, file=plain, source=source)
    site.install(site.elf.provider(site.work, library, file=plain, runtime_name=plain))
    theirs = tmp_path / "theirs.so"
    theirs.write_bytes(library)
    kind, of, said = only(site.problems(LD_PRELOAD=str(theirs)))
    assert (kind, of) == ("name-taken", "libfoo")
    assert f"this interpreter has already loaded {theirs}, which has the name {plain}" in said
    assert said.endswith("; it is used instead, as plain names allow | ")
    # What glibc has since, and a library brings for older ones.
    site.provider()
    compatible = f"{source}int reallocarray(void) {{ return 1; }}\n"
    site.install(site.elf.provider(site.work, site.elf.library(source=compatible)))
    assert site.problems() == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_the_command_imports_itself_is_no_conflict(site: Site) -> None:
    """It has zlib, and with that the system's library; a bare interpreter has not."""
    ask = "import zlib; print([line.split()[-1] for line in open('/proc/self/maps') if '/libz' in line])"
    (mapped, *_) = eval(subprocess.check_output([site.python, "-c", ask], text=True)) or [""]
    if not mapped:
        pytest.skip("this Python's zlib is in the program itself, or linked statically")
    name = "libz.so.1"
    library = site.elf.library(soname=name, file=name)
    site.install(site.elf.provider(site.work, library, file=name, runtime_name=name))
    assert site.problems() == []


def test_bound_of_the_metadata_beside_a_record(site: Site) -> None:
    site.provider(version="1.5.0")
    site.consumer(bound="libfoo>=1.0.0,<1.5")
    kind, of, said = only(site.problems())
    assert (kind, of) == ("provider-version", "foo-ext")
    assert "requires libfoo<1.5,>=1.0.0, and 1.5.0 is installed | python -m pip install" in said


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("METADATA", b"Name: odd\nVersion: 1\nAuthor: Jos\xe9\n"),
        ("METADATA", b"Name: odd\nVersion: 1\nRequires-Dist: libfoo; sys_platform ~= '3'\n"),
        ("METADATA", b"Name: odd\nVersion: 1\nRequires-Dist: libfoo; 'x' in extras\n"),
        ("METADATA", b"Version: 1\n"),
        ("RECORD", b"odd/\xe9.py,,\n"),
        ("RECORD", b'odd/__init__.py,,\n"odd/a.py,,\n' + b"x" * 200_000),
        ("direct_url.json", b'{"url": "file:///\xe9"}'),
    ],
    ids=[
        "latin-1",
        "marker",
        "unknown in marker",
        "no name",
        "latin-1 record",
        "damaged record",
        "latin-1 origin",
    ],
)
def test_odd_metadata_of_others_ends_nothing(pair: Site, file: str, content: bytes) -> None:
    pair.install(wheels.make_wheel(pair.work, "odd", {"odd/__init__.py": ""}))
    (pair.folder / "odd-1.0.0.dist-info" / file).write_bytes(content)
    assert pair.problems() == []
    assert json.loads(pair.doctor("--format", "json")[1])["providers"] != []


def test_provider_whose_metadata_is_odd_is_a_provider(pair: Site) -> None:
    info = pair.folder / "libfoo-1.0.0.dist-info"
    with (info / "METADATA").open("ab") as metadata:
        metadata.write(b"Author: Jos\xe9\n")
    with (info / "RECORD").open("ab") as record:
        record.write(b'"libfoo/\xe9')
    assert "libfoo 1.0.0: provider\n  " in pair.doctor()[1].replace("│", " ").replace("├──", "")


def test_provider_without_a_record(pair: Site) -> None:
    """Debian's packages have none."""
    (pair.folder / "libfoo-1.0.0.dist-info" / "RECORD").unlink()
    assert pair.problems() == []
    assert f"foo_ext/_ext.abi3.so needs {wheels.NAME}: {pair.library}\n" in pair.doctor()[1]


def test_without_a_record_each_answers_for_itself(pair: Site) -> None:
    wheels.unpack(
        pair.elf.consumer(pair.work, more={"foo_ext/_shared_lib_consumer.py": "older = 1"}),
        pair.folder,
    )
    for info in pair.folder.glob("*.dist-info"):
        (info / "RECORD").unlink()
    assert [each[:2] for each in pair.problems()] == [("loader-differs", "foo-ext")]
    assert pair.doctor()[1].count(f"foo: {pair.library}\n") == 1


@pytest.mark.parametrize("name", ["/", "/usr/share/zoneinfo", "../../.."])
def test_name_that_is_a_path(pair: Site, name: str) -> None:
    info = pair.folder / "odd-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    assert pair.problems() == []


def test_files_that_are_links_to_elsewhere(pair: Site, tmp_path: Path) -> None:
    """As uv installs with --link-mode=symlink."""
    for number, file in enumerate(pair.folder.rglob("*.py")):
        there = tmp_path / f"cache{number}"
        file.rename(there)
        file.symlink_to(there)
    assert pair.problems() == []


@pytest.mark.parametrize("version", ["0.5", "1.0.0", "1.0-unknown"])
def test_something_else_has_the_providers_name(site: Site, version: str) -> None:
    files: dict[str, bytes | str] = {"libfoo/__init__.py": ""}
    site.install(wheels.make_wheel(site.work, "libfoo", files, version=version))
    site.consumer()
    kind, of, said = only(site.problems())
    assert (kind, of) == ("needed-unanswered", "foo-ext")
    assert f"needs {wheels.NAME}, which libfoo {version} does not have | " in said
    assert said.endswith('python -m pip install --force-reinstall "libfoo>=1.0.0,<2"')


def test_folders_that_may_not_be_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    stat = os.stat

    def refuse(path: str | Path, *more: object, **options: object) -> os.stat_result:
        if str(path).startswith("/closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *more, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/closed/lib")
    assert resolve._by_system("libnobody.so.1", ["/closed"]) == ""
    url = "file:///closed/libfoo-1.0.0-py3-none-any.whl"
    each = Installed("libfoo", "1.0.0", Path("/"), Path("/"), (), url, is_editable=False)
    assert '"libfoo==1.0.0"' in each.again
    with pytest.raises(VendorError, match="closed is not a folder"):
        changes(Path("/closed"))


def test_helper_for_another_system_is_there_on_purpose(pair: Site) -> None:
    environment = read_environment([str(pair.folder)])
    helper = Binary("foo_ext/inject.dll", "PE", "x86_64", "")
    wheels_with = tuple(
        replace(wheel, binaries=(*wheel.binaries, helper)) if not wheel.manifests else wheel
        for wheel in environment.wheels
    )
    found = problems_of(replace(environment, wheels=wheels_with), ())
    assert [each.id for each in found if each.id == "architecture"] == []
    only_it = tuple(
        replace(wheel, binaries=(helper,)) if not wheel.manifests else wheel
        for wheel in environment.wheels
    )
    found = problems_of(replace(environment, wheels=only_it), ())
    assert [each.id for each in found if each.id == "architecture"] == ["architecture"]


def test_users_copy_over_the_systems_is_pips_own_doing(
    pair: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    wheels.unpack(pair.elf.provider(pair.work / "old", version="0.5"), other)
    environment = read_environment([str(pair.folder), str(other)])
    assert "shadowed" in [each.id for each in problems_of(environment, ())]
    monkeypatch.setattr(Installed, "is_pips", property(lambda each: True))
    assert "shadowed" not in [each.id for each in problems_of(environment, ())]


def test_foreign_loader_is_not_judged(site: Site) -> None:
    files: dict[str, bytes | str] = {
        "libfoo/__init__.py": "opens = 'its library in a way of its own'",
        "libfoo/_native_libs.py": wheels.manifest(),
        f"libfoo/lib/{wheels.NAME}": site.elf.library(),
    }
    site.install(wheels.make_wheel(site.work, "libfoo", files))
    assert [each[0] for each in site.problems("--load")] == ["loader-foreign"]


def test_folder_that_is_twice_on_the_path(pair: Site, tmp_path: Path) -> None:
    """As lib64 and lib are in Fedora's virtual environments."""
    link = tmp_path / "lib64"
    link.symlink_to(pair.folder)
    assert pair.problems(PYTHONPATH=f"{link}:{pair.folder}:{SOURCES}:{TOOLS}") == []


def test_archive_on_the_path(site: Site, tmp_path: Path) -> None:
    archive = tmp_path / "ar.zip"
    site.provider()
    shutil.make_archive(str(archive.with_suffix("")), "zip", site.folder)
    shutil.rmtree(site.folder / "libfoo")
    shutil.rmtree(site.folder / "libfoo-1.0.0.dist-info")
    found = site.problems(path=f"{archive}:")
    assert found
    assert all(
        each[2].endswith("| unpack the archive, and put its folder on sys.path instead")
        for each in found
    )


def test_damaged_metadata_is_told_and_the_rest_is_shown(pair: Site) -> None:
    (pair.folder / "libfoo" / "_native_libs.py").write_text("LIBRARIES = call()")
    (other,) = (each for each in pair.problems() if each[0] == "unreadable")
    assert "is not made of literals" in other[2]


@pytest.mark.parametrize(
    ("file", "newest"), [("libfoo/_native_libs.py", 1), ("foo_ext/_native_requires.py", 2)]
)
def test_newer_format_is_told(pair: Site, file: str, newest: int) -> None:
    path = pair.folder / file
    newer = path.read_text("utf-8").replace("FORMAT = 1", f"FORMAT = {newest + 1}")
    path.write_text(newer, encoding="utf-8")
    told = [each[2] for each in pair.problems() if each[0] == "unreadable"]
    assert len(told) == 1
    said = f"has format {newest + 1}, and this native-lib reads formats up to {newest}: update it"
    assert f"{file} {said}" in told[0]
    # Its own loader may well read it: nothing is known to be broken.
    assert told[0].endswith('| python -m pip install --upgrade "native-lib-loader[tools]"')
    assert pair.doctor()[0] == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "which cannot be read: No such file or directory"),
        ("copy", "which is used instead of {ours}"),
        ("", "which is not a library"),
        ("cut off", "which is damaged: its tables point outside"),
        ("renamed", f"whose run-time name is libother.so, not {wheels.NAME}"),
    ],
)
def test_file_that_the_environment_names(
    pair: Site, tmp_path: Path, content: str | None, says: str
) -> None:
    file = tmp_path / "theirs.so"
    library = pair.library.read_bytes()
    contents = {"copy": library, "cut off": library[:500], "": b""}
    contents["renamed"] = pair.elf.library(soname="libother.so")
    if content is not None:
        file.write_bytes(contents[content])
    kind, of, said = only(pair.problems(NATIVE_LIB_FOO_PATH=str(file)))
    assert (kind, of) == ("override", "libfoo")
    assert said.startswith(f"NATIVE_LIB_FOO_PATH names {file}, {says.format(ours=pair.library)}")
    assert said.endswith(" | correct or unset NATIVE_LIB_FOO_PATH")
    status, _ = pair.doctor(NATIVE_LIB_FOO_PATH=str(file))
    assert status == (content != "copy")
    (pair.folder / "foo_ext" / "__init__.py").write_text("from . import _ext\n")
    first, *_ = pair.problems("foo_ext", NATIVE_LIB_FOO_PATH=str(file))
    assert (
        f"needs {wheels.NAME}, but NATIVE_LIB_FOO_PATH names another file | correct or" in first[2]
    )


def test_something_else_is_imported(pair: Site, tmp_path: Path) -> None:
    """pip could install what it likes."""
    (tmp_path / "libfoo.py").write_text("")
    kind, of, said = only(pair.problems(path=f"{tmp_path}:"))
    assert (kind, of) == ("imported-elsewhere", "libfoo")
    assert said == (
        f"import libfoo finds {tmp_path / 'libfoo.py'}, not the package in {pair.folder} | "
        "rename or remove that file, or run Python in another folder"
    )
    (tmp_path / "libfoo.py").unlink()
    (tmp_path / "libfoo").mkdir()  # a mere folder hides no package
    assert pair.problems(path=f"{tmp_path}:") == []


def test_wrong_version_where_pip_does_not_install(pair: Site, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    wheels.unpack(pair.elf.provider(pair.work / "new", version="2.0.0"), target)
    found = {each[0]: each[2] for each in pair.problems(path=f"{target}:")}
    off = f"| remove {target} from sys.path"
    assert found["provider-version"].endswith(
        f'{off}; pip does not install there, then: python -m pip install "libfoo>=1.0.0,<2"'
    )
    assert found["shadowed"].endswith(f"{off} (PYTHONPATH, --target)")


def test_what_pip_would_install_elsewhere_is_installed_where_it_was(
    pair: Site, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    wheels.unpack(pair.elf.provider(pair.work / "new", version="1.1.0"), target)
    (target / "libfoo" / "lib" / wheels.NAME).unlink()
    found = {each[0]: each[2] for each in pair.problems(path=f"{target}:")}
    assert found["file-missing"].endswith(
        f'| python -m pip install --upgrade --target "{target}" --no-deps "libfoo==1.1.0"'
    )


def test_two_versions_in_one_folder(pair: Site) -> None:
    old = pair.folder / "libfoo-1.0.0.dist-info"
    shutil.copytree(old, pair.folder / "libfoo-0.9.0.dist-info")
    for file in (pair.folder / "libfoo-0.9.0.dist-info").iterdir():
        text = file.read_text("utf-8")
        file.write_text(text.replace("Version: 1", "Version: 0.9").replace("-1.0.0.d", "-0.9.0.d"))
    found = {each[0]: each[2] for each in pair.problems()}
    assert found["shadowed"].endswith(
        "| uninstall libfoo until pip finds none, then install it once"
    )


@pytest.mark.parametrize(
    ("prefix", "base", "is_told"),
    [
        ("venv", "other", False),  # the environment's own, before its base's
        ("venv", "third", True),  # before one that is not its base's
        ("third", "other", True),  # before its base's, and not the environment's own
    ],
)
def test_a_virtual_environment_may_have_its_own(
    pair: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    prefix: str,
    base: str,
    is_told: bool,
) -> None:
    other = tmp_path / "other" / "site-packages"
    other.mkdir(parents=True)
    wheels.unpack(pair.elf.provider(pair.work / "old", version="0.5"), other)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / prefix))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path / base))
    environment = read_environment([str(pair.folder), str(other)])
    found = [problem.id for problem in problems_of(environment, ())]
    assert ("shadowed" in found) == is_told


@pytest.mark.parametrize("record", building.ORIGINS)
def test_what_is_installed_again_is_what_was_installed(pair: Site, record: str) -> None:
    there = pair.work.as_posix()  # the archive and the folder are there
    for name in ("libfoo-1.0.0.whl", "libfoo"):
        (pair.work / name).mkdir()
    again = building.ORIGINS[record].replace("/src/", f"{there}/")
    record = record.replace("/src/", f"{there}/")
    (pair.folder / "libfoo-1.0.0.dist-info" / "direct_url.json").write_text(record)
    pair.library.unlink()
    kind, _, said = only(pair.problems())
    assert kind == "file-missing"
    assert said.endswith(f'| python -m pip install --force-reinstall --no-deps "{again}"')


def test_loader_that_is_missing_is_not_one_that_differs(site: Site) -> None:
    site.provider(more={"libfoo/_shared_lib_manager.py": ""})
    loader = site.folder / "libfoo" / "_shared_lib_manager.py"
    loader.unlink()
    kind, _, said = only(site.problems())
    assert (kind, said.partition(" |")[0]) == ("file-missing", f"{loader} is missing")
    site.library.unlink()
    (site.folder / "libfoo" / "__init__.py").unlink()
    kind, _, said = only(site.problems())
    assert kind == "file-missing"
    assert "is missing, and so are 2 more of its files | python -m pip install" in said


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only: tests SONAMEs")
def test_a_loaded_file_has_the_name_that_it_says(pair: Site, tmp_path: Path) -> None:
    stranger = tmp_path / wheels.NAME
    stranger.write_bytes(pair.elf.library(soname="libstranger.so", source="int strange;"))
    assert pair.problems(LD_PRELOAD=str(stranger)) == []
    copy = shutil.copy(pair.library, tmp_path / "copy.so")
    found = {each[0]: each[2] for each in pair.problems(LD_PRELOAD=str(copy))}
    assert (
        f"this interpreter has already loaded {copy}, which has the name {wheels.NAME}"
        in (found["name-taken"])
    )


def test_manifest_that_is_gone_is_told_once(pair: Site) -> None:
    manifest = pair.folder / "libfoo" / "_native_libs.py"
    manifest.unlink()
    kind, of, said = only(pair.problems())
    assert (kind, of) == ("unreadable", "libfoo")
    assert f"{manifest}: No such file or directory" in said


def test_tag_that_is_none(pair: Site) -> None:
    (pair.folder / "libfoo-1.0.0.dist-info" / "WHEEL").write_text("Tag: foo\n")
    kind, of, _ = only(pair.problems())
    assert (kind, of) == ("unreadable", "libfoo")


def test_requirement_of_another_system_does_not_count(site: Site) -> None:
    site.provider()
    site.install(
        site.elf.consumer(site.work, bound="libfoo>=7; sys_platform == 'other'", record=False)
    )
    assert site.problems() == []


def test_requirement_without_a_record(site: Site) -> None:
    site.provider()
    site.install(site.elf.consumer(site.work, bound="libfoo>=7; os_name != 'other'", record=False))
    kind, of, said = only(site.problems())
    assert (kind, of) == ("provider-version", "foo-ext")
    assert said.endswith(
        'requires libfoo>=7, and 1.0.0 is installed | python -m pip install "libfoo>=7"'
    )


def test_extra_makes_no_consumer(pair: Site) -> None:
    wheel = wheels.make_wheel(
        pair.work, "other", {"other.py": ""}, requires=["libfoo>=7; extra == 'fast'"]
    )
    pair.install(wheel)
    assert pair.problems() == []
    assert "used by other" not in pair.doctor()[1]


def test_copy_of_a_library_with_a_digit_in_its_name(pair: Site) -> None:
    manifest = pair.folder / "libfoo" / "_native_libs.py"
    manifest.write_text(manifest.read_text("utf-8").replace("'foo':", "'lz4':"), "utf-8")
    copy = pair.elf.library(soname="liblz4-1a2b3c4d.so.1")
    files: dict[str, bytes | str] = {"other.libs/liblz4-1a2b3c4d.so.1": copy}
    pair.install(wheels.make_wheel(pair.work, "other", files))
    assert "bundled-copy" in {each[0] for each in pair.problems()}


def test_our_own_file_is_no_conflict(pair: Site, tmp_path: Path) -> None:
    """Whoever opened it, and by whatever path."""
    manifest = pair.folder / "libfoo" / "_native_libs.py"
    text = manifest.read_text("utf-8").replace("'probe_symbol': ''", "'probe_symbol': 'foo_one'")
    manifest.write_text(text, encoding="utf-8")
    link = tmp_path / "link"
    link.symlink_to(pair.folder)
    preloaded = str(link / "libfoo" / "lib" / wheels.NAME)
    assert pair.problems(LD_PRELOAD=preloaded) == []


LOADER = """
import ctypes, os
class loader:
    def load():
        ctypes.CDLL(os.environ.get("OTHER") or os.path.dirname(__file__) + "/lib/libfoo__foo.so.1")
"""


def test_load_says_which_file_serves(pair: Site, tmp_path: Path) -> None:
    (pair.folder / "libfoo" / "__init__.py").write_text(LOADER)
    consumer = pair.folder / "foo_ext" / "__init__.py"
    # The module has no init function to speak of: it is opened only.
    consumer.write_text(
        "import ctypes, libfoo; libfoo.loader.load()\n"
        "ctypes.CDLL(__file__.replace('__init__.py', '_ext.abi3.so'))\n"
    )
    assert pair.problems("--load") == []
    other = shutil.copy(pair.library, tmp_path / wheels.NAME)
    kind, of, said = only(pair.problems("--load", OTHER=str(other)))
    assert (kind, of) == ("served-by-another", "foo-ext")
    assert f"{wheels.NAME} is {other} in this process, not {pair.library}" in said


REAL_LOADER = """
from . import _native_libs
from ._shared_lib_manager import LibraryLoader
loader = LibraryLoader.from_manifest(_native_libs)
"""
OPENS = (
    "import ctypes, libfoo; libfoo.loader.load()\n"
    "ctypes.CDLL(__file__.replace('__init__.py', '_ext.abi3.so'))\n"
)


def answers(site: Site, *arguments: str, **env: str) -> list[str]:
    """Return the files that answer the consumer's needs of the provider."""
    found = json.loads(site.doctor(*arguments, "--format", "json", **env)[1])
    return [need["answer"] for need in found["needs"] if need["distribution"] == "libfoo"]


def test_the_file_that_an_override_names_answers(pair: Site, tmp_path: Path) -> None:
    (pair.folder / "libfoo" / "__init__.py").write_text(REAL_LOADER)
    (pair.folder / "foo_ext" / "__init__.py").write_text(OPENS)
    copy = str(shutil.copy(pair.library, tmp_path / "copy.so"))
    for load in ((), ("--load",)):
        assert answers(pair, *load) == [str(pair.library)]
        assert answers(pair, *load, NATIVE_LIB_FOO_PATH=copy) == [copy]
        found = pair.problems(*load, NATIVE_LIB_FOO_PATH=copy)
        assert [each[0] for each in found] == ["override"]


@pytest.mark.skipif(sys.platform != "linux", reason="LD_LIBRARY_PATH and LD_PRELOAD")
def test_the_systems_copy_answers_for_a_plain_name_where_it_is_preferred(
    site: Site, tmp_path: Path
) -> None:
    plain = "libfoo.so.1"
    library = site.elf.library(soname=plain, file=plain)
    site.install(site.elf.provider(site.work, library, file=plain, runtime_name=plain))
    site.install(site.elf.consumer(site.work, site.elf.extension(soname=plain)))
    (site.folder / "libfoo" / "__init__.py").write_text(REAL_LOADER)
    (site.folder / "foo_ext" / "__init__.py").write_text(OPENS)
    ours, systems = str(site.folder / "libfoo" / "lib" / plain), tmp_path / plain
    systems.write_bytes(library)
    there = {"LD_LIBRARY_PATH": str(tmp_path)}
    for load in ((), ("--load",)):
        assert answers(site, *load, **there) == [ours]
        preferred = {**there, "PREFER_FOO_SYSTEM_LIBRARY": "1"}
        assert answers(site, *load, **preferred) == [str(systems)]
        assert site.problems(*load, **preferred) == []
        assert answers(site, *load, LD_PRELOAD=str(systems)) == [str(systems)]


def test_second_file_of_the_name_does_no_harm_if_ours_is_there(pair: Site, tmp_path: Path) -> None:
    other = tmp_path / "z" / wheels.NAME  # after ours, in every order
    other.parent.mkdir()
    shutil.copy(pair.library, other)
    (pair.folder / "libfoo" / "__init__.py").write_text(LOADER)
    consumer = pair.folder / "foo_ext" / "__init__.py"
    consumer.write_text(
        "import ctypes, libfoo; libfoo.loader.load()\n"
        "ctypes.CDLL(__file__.replace('__init__.py', '_ext.abi3.so'))\n"
        f"ctypes.CDLL({str(other)!r})\n"
    )
    assert pair.problems("--load") == []


def test_load_imports_what_has_the_manifest_and_the_record(pair: Site) -> None:
    """A second package of a provider has no loader; an editable install records no __init__.py."""
    (pair.folder / "libfoo" / "__init__.py").write_text(LOADER)
    (pair.folder / "foo_ext" / "__init__.py").write_text("")
    record = next(pair.folder.glob("libfoo-*.dist-info")) / "RECORD"
    text = record.read_text("utf-8").replace(
        "libfoo/__init__.py,,\n", "libfoo_tools/__init__.py,,\n"
    )
    record.write_text(text, encoding="utf-8")
    (pair.folder / "libfoo_tools").mkdir()
    (pair.folder / "libfoo_tools" / "__init__.py").write_text("")
    assert pair.problems("--load") == []
    (pair.folder / "libfoo" / "__init__.py").write_text("no python\n")
    found = [each for each in pair.problems("--load") if each[1] == "libfoo"]
    assert [each[0] for each in found] == ["import-failed"]


def test_provider_whose_loader_is_gone(pair: Site) -> None:
    """It imports, and nothing says what is wrong."""
    (pair.folder / "libfoo" / "__init__.py").write_text("")
    found = [each for each in pair.problems("--load") if each[1] == "libfoo"]
    assert [each[0] for each in found] == ["import-failed"]
    assert "module 'libfoo' has no attribute 'loader': it is something else" in found[0][2]
    assert found[0][2].endswith('--force-reinstall --no-deps "libfoo==1.0.0"')


def test_load_imports_what_this_command_cannot_read(pair: Site) -> None:
    record = pair.folder / "foo_ext" / "_native_requires.py"
    record.write_text(record.read_text("utf-8").replace("FORMAT = 1", "FORMAT = 2"))
    (pair.folder / "foo_ext" / "__init__.py").write_text("raise ImportError('format 2')\n")
    assert pair.doctor()[0] == 0
    (pair.folder / "libfoo" / "__init__.py").write_text(LOADER)
    found = {each[0]: each[1] for each in pair.problems("--load")}
    assert found["import-failed"] == "foo_ext"


def test_load_that_fails_is_explained(pair: Site) -> None:
    text = 'class loader:\n    def load():\n        raise ImportError("libfoo cannot\\n  fix:    do this")\n'
    (pair.folder / "libfoo" / "__init__.py").write_text(text)
    found = [each for each in pair.problems("--load") if each[1] == "libfoo"]
    assert [(each[0], each[2]) for each in found] == [
        ("import-failed", "import libfoo: libfoo cannot | do this")
    ]


# Imports that fail --------------------------------------------------------------------------------


def test_module_that_imports(pair: Site) -> None:
    status, out = pair.doctor("json")
    assert status == 0
    assert out.endswith("json was imported\nnothing is broken\n")


@pytest.mark.parametrize("printed", ["bye", "1", "null", '["ImportError", "no", ""]'])
def test_module_that_prints(pair: Site, printed: str) -> None:
    text = f"import atexit; atexit.register(print, {printed!r})\n"
    (pair.folder / "talks.py").write_text(text)
    assert pair.doctor("talks")[0] == 0


def test_module_that_is_not_there(pair: Site) -> None:
    status, out = pair.doctor("no_such_module")
    assert status == 1
    assert "import no_such_module: No module named 'no_such_module'" in out


def test_module_that_is_called_like_its_distribution(pair: Site) -> None:
    status, out = pair.doctor("foo-ext")
    assert status == 1
    assert "    the module is called foo_ext\n" in out


def test_consumer_that_opens_nothing_first(pair: Site) -> None:
    """glibc's own words, from a real import."""
    pair.folder.joinpath("foo_ext", "__init__.py").write_text("from . import _ext\n")
    status, out = pair.doctor("foo_ext")
    assert status == 1
    assert (
        f"needs {wheels.NAME}. libfoo 1.0.0 ships it ({pair.library}), but it was not opened" in out
    )
    assert "import libfoo and call its loader.load() first; the package that needs it should" in out
    assert "reinstall" not in out


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only: tests glibc's and musl's messages")
def test_extension_module_for_another_machine(pair: Site) -> None:
    """glibc has no other words for it than for a file that is not there."""
    pair.extension.write_bytes(wheels.for_another_processor(pair.extension.read_bytes()))
    pair.folder.joinpath("foo_ext", "__init__.py").write_text(
        "import ctypes; ctypes.CDLL(__file__.replace('__init__.py', '_ext.abi3.so'))\n"
    )
    first, second = pair.problems("foo_ext")
    assert f"{pair.extension} is for another architecture than this Python | " in first[2]
    assert first[2].endswith('| python -m pip install --force-reinstall --no-deps "foo-ext==1.0.0"')
    assert second[0] == "architecture"
    building.record_as_it_is(pair.folder, pair.extension)  # so it came
    for problem in pair.problems("foo_ext"):
        assert problem[2].endswith(f"| {HELP[MACHINE][1]}")
    pair.extension.unlink()
    first, second = pair.problems("foo_ext")
    assert f"{pair.extension} is missing | python -m pip install" in first[2]
    assert second[0] == "file-missing"


def test_source_folder_in_the_place_of_what_is_installed(pair: Site, tmp_path: Path) -> None:
    package = tmp_path / "sources" / "foo_ext"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from . import _native_requires\n")
    first, *_ = pair.problems("foo_ext", path=f"{package.parent}:")
    assert f"{package / '__init__.py'} is in a source folder, not the installed package" in first[2]
    assert "run Python in another folder" in first[2]


def test_process_that_ends(pair: Site) -> None:
    pair.folder.joinpath("foo_ext", "__init__.py").write_text("import os; os.abort()\n")
    status, out = pair.doctor("foo_ext")
    assert status == 1
    assert "the process ended with -6" in out


NOT_FOUND = "needs {name} of libbar, which is not installed | python -m pip install libbar"
WORDS = {
    "glibc, missing": (
        "libbar__bar.so.1: cannot open shared object file: No such file or directory",
        NOT_FOUND.format(name="libbar__bar.so.1"),
    ),
    "musl, missing": (
        "Error loading shared library libbar__bar.so.1: No such file or directory (needed by /a/_ext.so)",
        "/a/_ext.so " + NOT_FOUND.format(name="libbar__bar.so.1"),
    ),
    "dyld, missing": (
        (
            "dlopen(/a/_ext.so, 0x0002): Library not loaded: @rpath/libbar__bar.1.dylib\n"
            "  Referenced from: <4C4C44> /a/_ext.so\n  Reason: tried: '/usr/lib/libbar__bar.1.dylib'"
        ),
        "/a/_ext.so " + NOT_FOUND.format(name="libbar__bar.1.dylib"),
    ),
    "Windows, missing": (
        "DLL load failed while importing _ext: The specified module could not be found.",
        "a DLL that _ext needs was not found (Windows does not say which one)",
    ),
    "system's, missing": (
        "libGL.so.1: cannot open shared object file: No such file or directory",
        "needs libGL.so.1, which no provider here ships and the system does not have",
    ),
    "glibc, symbol": (
        "/a/_ext.so: undefined symbol: foo_cube, version FOO_2",
        "/a/_ext.so calls foo_cube, version FOO_2, but the library that it uses has no such",
    ),
    "glibc before 2.30, symbol": (
        (
            "/a/_ext.so: symbol foo_cube, version FOO_2 not defined in file libfoo.so.1 with link time "
            "reference"
        ),
        "calls foo_cube, version FOO_2",
    ),
    "musl, symbol": (
        "Error relocating /a/_ext.so: foo_cube: symbol not found",
        "/a/_ext.so calls foo_cube, but",
    ),
    "dyld, symbol": (
        "dlopen(/a/_ext.so, 0x0002): Symbol not found: _foo_cube\n  Referenced from: /a/_ext.so",
        "calls foo_cube, but",
    ),
    "dyld, flat symbol": (
        "dlopen(/a/_ext.so, 0x0002): symbol not found in flat namespace '_foo_cube'",
        "calls foo_cube, but",
    ),
    "Windows, symbol": (
        "DLL load failed while importing _ext: The specified procedure could not be found.",
        "calls a function (Windows does not say which one)",
    ),
    "glibc is older": (
        "/lib/libc.so.6: version `GLIBC_2.38' not found (required by /a/_ext.so)",
        (
            "/a/_ext.so needs version GLIBC_2.38, but /lib/libc.so.6 does not have it: it was built for a "
            "newer system than this one"
        ),
    ),
    "another copy's version": (
        "/b/libfoo.so.1: version `FOO_1.1' not found (required by /a/_ext.so)",
        "another copy of the library was loaded first",
    ),
    "a path with spaces": (
        "/a b/_ext.so: undefined symbol: foo_cube",
        "/a b/_ext.so calls foo_cube, but",
    ),
    "a sentence before it": (
        "Original error was: libbar__bar.so.1: cannot open shared object file: No such file or directory",
        NOT_FOUND.format(name="libbar__bar.so.1"),
    ),
    "Wine, missing": (
        "DLL load failed while importing _ext: Module not found.",
        "a DLL that _ext needs was not found",
    ),
    "Windows, anything else": (
        "DLL load failed while importing _ext: A dynamic link library (DLL) initialization routine failed.",
        "Windows could not load _ext: DLL load failed while importing _ext: A dynamic link library",
    ),
    "glibc, machine": (
        "/a/_ext.so: wrong ELF class: ELFCLASS32",
        "for another architecture than this",
    ),
    "dyld, machine": (
        (
            "tried: '/a/_ext.so' (mach-o file, but is an incompatible architecture (have 'x86_64', need "
            "'arm64'))"
        ),
        "for another architecture than this Python (have x86_64, need arm64)",
    ),
    "Windows, machine": (
        "DLL load failed while importing _ext: %1 is not a valid Win32 application.",
        "for another architecture than this",
    ),
    "glibc, damaged": ("/a/libfoo.so.1: invalid ELF header", "/a/libfoo.so.1 is damaged"),
    "glibc, cut off": ("/a/libfoo.so.1: file too short", "/a/libfoo.so.1 is damaged"),
    "musl, damaged": (
        "Error loading shared library /a/libfoo.so.1: Exec format error",
        "/a/libfoo.so.1 is damaged",
    ),
    "dyld, signature": (
        "(code signature in <4C4C> '/a/libfoo.1.dylib' not valid for use in process)",
        "a library has a signature that macOS does not accept",
    ),
    "glibc, static TLS": (
        "/a/libfoo.so.1: cannot allocate memory in static TLS block",
        "requires memory that glibc can reserve only when the program starts",
    ),
    "none of these": ("division by zero", "ImportError: division by zero"),
}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return read_environment([str(tmp_path_factory.mktemp("empty"))])


@pytest.mark.parametrize("case", WORDS)
def test_every_loaders_words(case: str, empty: Environment) -> None:
    said, expected = WORDS[case]
    problem = explain(Attempt("foo_ext", "ImportError", said), empty)
    assert expected in f"{problem.message} | {problem.fix}"
    assert problem.fix
    insist_on_a_command_or_words(problem.fix)


def test_our_own_errors_are_passed_on(empty: Environment) -> None:
    text = "libfoo cannot load its library 'foo'.\n  file:   /a (no such file)\n  fix:    do this"
    problem = explain(Attempt("foo_ext", "LibraryNotFoundError", text), empty)
    assert problem.message == (
        "import foo_ext: libfoo cannot load its library 'foo'. file: /a (no such file)"
    )
    assert problem.fix == "do this"


def test_our_own_errors_without_a_fix_are_no_riddle(empty: Environment) -> None:
    text = (
        "/a/_native_libs.py has format 2, and /b reads formats up to 1: update the vendored loader"
    )
    problem = explain(Attempt("foo_ext", "NativeLibraryError", text), empty)
    assert (problem.message, problem.fix) == (
        f"import foo_ext: NativeLibraryError: {text}",
        "do what the message says",
    )


# What an import does to others, though it goes well -----------------------------------------------


def stranger(site: Site, source: str, *, mode: str = "RTLD_GLOBAL", **files: str) -> Path:
    """Install a package that opens a library of its own when it is imported."""
    library = site.elf.library(source=source, soname="stranger.so", file="stranger.so")
    opens = (
        "import ctypes, os\nctypes.CDLL(os.path.join(os.path.dirname(__file__), 'stranger.so'), "
    )
    code = f"{opens}ctypes.{mode})\n"
    wheel = wheels.make_wheel(
        site.work, "other", {"other/__init__.py": code, "other/stranger.so": library, **files}
    )
    site.install(wheel)
    return site.folder / "other" / "stranger.so"


@pytest.mark.skipif(sys.platform != "linux", reason="ELF's global scope")
def test_module_that_puts_a_part_of_ours_into_the_global_scope(pair: Site) -> None:
    """The provider's loader asks for the probe symbol only, and takes no offence."""
    file = stranger(pair, "int foo_one(void) { return -1; }")
    assert pair.problems() == []
    kind, of, said = only(pair.problems("other"))
    assert (kind, of) == ("symbol-taken", "libfoo")
    where = "in the global scope once other is imported: calls meant for libfoo__foo.so.1 would go"
    assert f"{file} already defines foo_one {where}" in said
    assert said.endswith("import the users of libfoo before other")
    status, out = pair.doctor("other")
    assert status == 1
    assert "nothing is broken" not in out


@pytest.mark.skipif(sys.platform != "linux", reason="ELF's global scope")
@pytest.mark.parametrize(
    ("source", "mode", "severities"),
    [
        ("int foo_one(void) { return -1; }", "RTLD_LOCAL", []),
        ("int foo_two(void) { return -1; }", "RTLD_GLOBAL", ["warning"]),  # nobody calls it
        ("int bar(void) { return -1; }", "RTLD_GLOBAL", []),
    ],
)
def test_what_does_no_harm_in_the_global_scope(
    pair: Site, source: str, mode: str, severities: list[str]
) -> None:
    stranger(pair, source, mode=mode)
    status, out = pair.doctor("other", "--format", "json")
    assert [each["severity"] for each in json.loads(out)["problems"]] == severities
    assert status == 0


@pytest.mark.skipif(sys.platform != "linux", reason="ELF's global scope")
def test_our_own_file_in_the_global_scope_does_no_harm(pair: Site) -> None:
    init = pair.folder / "foo_ext" / "__init__.py"
    init.write_text(f"import ctypes\nctypes.CDLL({str(pair.library)!r}, ctypes.RTLD_GLOBAL)\n")
    assert pair.problems("foo_ext") == []


@pytest.mark.skipif(sys.platform != "linux", reason="STB_GNU_UNIQUE")
@pytest.mark.parametrize("is_linked", [False, True], ids=["copy", "user"])
def test_state_that_two_copies_share(site: Site, is_linked: bool) -> None:
    """Under another name, opened with RTLD_LOCAL; what includes our headers is to share it."""
    source = "struct foo_state {{ static inline int count = 0; }};\n"
    source += 'extern "C" int *{}_count(void) {{ return &foo_state::count; }}\n'
    made = site.elf.folder / "made"
    options = ("-std=c++17", "-x", "c++", "-nostdlib")
    ours = building.compile_library(
        *(source.format("foo"), made / "ours.so", *options), soname=wheels.NAME, compiler="c++"
    )
    link = ("-Wl,--no-as-needed", "-x", "none", str(ours)) if is_linked else ()
    theirs = building.compile_library(
        source.format("other"), made / "theirs.so", *options, *link, compiler="c++"
    )
    if b"_ZN9foo_state5countE" not in ours.read_bytes():
        pytest.skip("this compiler makes no unique symbols")
    site.install(site.elf.provider(site.work, ours.read_bytes()))
    stranger(site, "int other;", mode="RTLD_LOCAL")
    file = site.folder / "other" / "stranger.so"
    shutil.copy(theirs, file)
    code = f"""
import ctypes
ours, theirs = ctypes.CDLL({str(site.library)!r}), ctypes.CDLL({str(file)!r})
ours.foo_count.restype = theirs.other_count.restype = ctypes.POINTER(ctypes.c_int)
ours.foo_count()[0] = 7
"""
    init = site.folder / "other" / "__init__.py"
    init.write_text(f"{code}assert theirs.other_count()[0] == 7\n")  # it is one state indeed
    found = site.problems("other")
    if is_linked:
        assert found == []
        return
    kind, of, said = only(found)
    assert (kind, of) == ("state-shared", "libfoo")
    assert f"{file} and {site.library} share the C++ state _ZN9foo_state5countE" in said


@pytest.mark.parametrize("how", ["bare name", "path", "needed", "search path", "opened first"])
def test_library_that_opens_a_neighbour(site: Site, how: str) -> None:
    name = "libfoo_ops.so.1"
    source = f'{wheels.LIBRARY}const char *foo_opens = "{"/" if how == "path" else ""}{name}";\n'
    more: dict[str, bytes | str] = {
        f"libfoo/lib/{name}": site.elf.library(source="int foo_ops;", soname=name, file=name)
    }
    options = ["-Wl,-rpath,$ORIGIN"] if how == "search path" else []
    if how == "needed":
        options = ["-Wl,--no-as-needed", str(site.elf.folder / name)]
    library = site.elf.library(*options, source=source)
    site.install(site.elf.provider(site.work, library, more=more))
    if how == "opened first":
        manifest = site.folder / "libfoo" / "_native_libs.py"
        head, _, libraries = manifest.read_text("utf-8").partition("LIBRARIES = ")
        found = ast.literal_eval(libraries)
        found["ops"] = {**found["foo"], "file": f"lib/{name}", "runtime_name": name}
        found["foo"]["needs"] = ("ops",)
        manifest.write_text(f"{head}LIBRARIES = {found!r}\n", encoding="utf-8")
    problems = site.problems()
    if how == "bare name":
        kind, of, said = only(problems)
        assert (kind, of) == ("plugin-unfound", "libfoo")
        assert f"{site.library} seems to open {name} by its bare name" in said
    else:
        assert [each for each in problems if each[0] == "plugin-unfound"] == []


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's and musl's messages")
def test_module_that_was_not_linked_to_its_library(site: Site) -> None:
    site.provider()
    extension = building.compile_library(
        wheels.EXTENSION, site.elf.folder / "unlinked.so", "-nostdlib"
    ).read_bytes()
    site.consumer(extension=extension)  # type: ignore[arg-type]
    init = site.folder / "foo_ext" / "__init__.py"
    init.write_text("import libfoo\nfrom . import _ext\n")
    said = next(each[2] for each in site.problems("foo_ext") if each[0] == "import-failed")
    assert (
        f"_ext.abi3.so calls foo_one, which {wheels.NAME} of libfoo has, but the file was not"
        in said
    )
    assert "its authors must link it to that library" in said
    assert "has no such function" not in said


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's and musl's messages")
def test_module_that_was_linked_to_nobody(site: Site) -> None:
    source = "int bar_one(void);\nint PyInit__ext(void) { return bar_one(); }\n"
    extension = building.compile_library(
        source, site.elf.folder / "alone.so", "-nostdlib"
    ).read_bytes()
    site.consumer(extension=extension, record=False, bound="")  # type: ignore[arg-type]
    site.folder.joinpath("foo_ext", "__init__.py").write_text("from . import _ext\n")
    said = next(each[2] for each in site.problems("foo_ext") if each[0] == "import-failed")
    assert "calls bar_one, but was not linked to a library that has it: it needs no library" in said
