"""`native-lib bind` over made wheels, and what it refuses."""

from __future__ import annotations

import ast
import json
import re
import sys
import zipfile
from typing import TYPE_CHECKING, BinaryIO, cast

import building
import macho_and_pe
import pytest
import wheels
from native_lib.bind import BindError
from native_lib.bind.bind import bind, plan_of
from native_lib.bind.init_file import CALL
from native_lib.bind.providers import read_named
from native_lib.check.read_wheel import read_wheel
from native_lib.check.run import check

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ABI3 = wheels.LINUX.replace("py3-none", "cp311-abi3")
INFO = "foo_ext-1.0.0.dist-info"
ADDED = [
    *("_native_requires.py", "_shared_lib_consumer.py", "_shared_lib_explain.py"),
    "_shared_lib_fixes.py",
    "_shared_lib_LICENSE",
]


def unbound(
    folder: Path,
    extension: bytes,
    files: Mapping[str, bytes | str] | None = None,
    *,
    module: str = "foo_ext/_ext.abi3.so",
    tag: str = ABI3,
    requires: tuple[str, ...] = (),
) -> Path:
    """Return a wheel as a build makes it that knows nothing of providers."""
    given: dict[str, bytes | str] = {
        "foo_ext/__init__.py": '"""Doc."""\n\nfrom . import _ext\n',
        module: extension,
    }
    given |= dict(files or {})
    return wheels.make_wheel(folder, "foo-ext", given, tag=tag, requires=requires)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def record_is_right(wheel: Path) -> bool:
    files = contents(wheel)
    own = next(name for name in files if name.endswith(".dist-info/RECORD"))
    told = files.pop(own).decode()
    made = wheels.record(files, own)
    return sorted(told.splitlines()) == sorted(made.splitlines())


def bound(wheel: Path, provider: Path, folder: Path) -> dict[str, bytes]:
    """Bind a wheel, check the result together with the provider, and return what is in it."""
    (made,) = bind([wheel], folder, [str(provider)])
    assert made == folder / wheel.name
    assert record_is_right(made)
    report = check([made, provider])
    assert [(r.id, f) for r, f in report.findings if r.severity_of(f) == "error"] == []
    assert report.unusable == ()
    # Twice is once.
    (again,) = bind([made], folder / "again", [str(provider)])
    assert again.read_bytes() == made.read_bytes()
    return contents(made)


def requires_of(files: Mapping[str, bytes], package: str = "foo_ext") -> list[dict[str, object]]:
    values = {
        node.targets[0].id: ast.literal_eval(node.value)  # type: ignore[attr-defined]
        for node in ast.parse(files[f"{package}/_native_requires.py"]).body
        if isinstance(node, ast.Assign)
    }
    return [*values["REQUIRES"]]


def refused(wheel: Path, folder: Path, *providers: Path | str) -> str:
    """Return the line with which a wheel is refused; nothing is written."""
    with pytest.raises(BindError) as error:
        bind([wheel], folder / "out", [str(provider) for provider in providers])
    assert not (folder / "out").exists()
    line = str(error.value)
    assert "\n" not in line
    return line


def test_everything_is_written_and_all_else_stays(elf: wheels.Elf, tmp_path: Path) -> None:
    provider = elf.provider(tmp_path / "p")
    wheel = unbound(
        tmp_path,
        elf.extension(),
        {
            "foo_ext/py.typed": "",
            "foo_ext/__init__.pyi": "x: int\n",
            # As packages have it that bring others.
            "foo_ext/_vendor/bar-1.dist-info/METADATA": "Name: bar\n",
        },
    )
    before, files = contents(wheel), bound(wheel, provider, tmp_path / "out")
    assert [name for name in files if name not in before] == [f"foo_ext/{n}" for n in ADDED]
    changed = {name for name in before if files[name] != before[name]}
    assert changed == {"foo_ext/__init__.py", f"{INFO}/METADATA", f"{INFO}/RECORD"}
    assert files["foo_ext/__init__.py"].decode() == f'"""Doc."""\n\n{CALL}\nfrom . import _ext\n'
    assert b"\nRequires-Dist: libfoo>=1.0.0,<2\n" in files[f"{INFO}/METADATA"]
    assert requires_of(files) == [
        {
            "provider": "libfoo",
            "distribution": "libfoo",
            "version": "1.0.0",
            "compatibility": "SameMajorVersion",
            "requirement": "libfoo>=1.0.0,<2",
            "libraries": ("foo",),
        }
    ]


def test_same_input_gives_the_same_bytes(elf: wheels.Elf, tmp_path: Path) -> None:
    provider = elf.provider(tmp_path / "p")
    wheel = unbound(tmp_path, elf.extension())
    first, second = (bind([wheel], tmp_path / n, [str(provider)])[0] for n in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_members_are_copied_as_they_are_compressed(elf: wheels.Elf, tmp_path: Path) -> None:
    """Also those whose sizes stand behind the data, and their modes, times and order."""
    provider = elf.provider(tmp_path / "p")
    made = unbound(tmp_path / "made", elf.extension())
    wheel = tmp_path / made.name
    with wheel.open("wb") as raw, zipfile.ZipFile(cast("BinaryIO", _Pipe(raw)), "w") as archive:
        for name, content in contents(made).items():
            member = zipfile.ZipInfo(name, (2001, 2, 3, 4, 5, 6))
            member.external_attr, member.compress_type = 0o100755 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
    with zipfile.ZipFile(wheel) as archive:
        assert all(member.flag_bits & 8 for member in archive.infolist())
    files = bound(wheel, provider, tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "out" / wheel.name) as archive:
        members = archive.infolist()
    assert {member.date_time for member in members} == {(2001, 2, 3, 4, 5, 6)}
    assert {member.external_attr for member in members} == {0o100755 << 16}
    assert [n for n in files if n in contents(made)] == [*contents(made)]


class _Pipe:
    """A file that cannot be written twice, so that zipfile puts sizes behind the data."""

    def __init__(self, raw: BinaryIO) -> None:
        self.write, self.flush = raw.write, raw.flush


def test_wheel_that_needs_no_provider_is_copied(elf: wheels.Elf, tmp_path: Path) -> None:
    extension = elf.extension(soname="libother.so.1")
    wheel = unbound(tmp_path, extension)
    (made,) = bind([wheel], tmp_path / "out")
    assert made.read_bytes() == wheel.read_bytes()
    assert plan_of(wheel).providers == ()


def test_output_may_be_the_input(elf: wheels.Elf, tmp_path: Path) -> None:
    provider = elf.provider(tmp_path / "p")
    wheel = unbound(tmp_path, elf.extension())
    (made,) = bind([wheel], tmp_path, [str(provider)])
    assert made == wheel
    assert read_wheel(wheel).recorded == {"libfoo"}


# Where the module is, what else is in the wheel, and the packages that get the call.
PLACES: dict[str, tuple[str, dict[str, str], list[str]]] = {
    "sub-package": (
        "foo_ext/sub/deep/_ext.abi3.so",
        {"foo_ext/sub/__init__.py": "", "foo_ext/sub/deep/__init__.py": ""},
        ["foo_ext"],
    ),
    "folder without __init__ below a package": ("foo_ext/lib/_ext.abi3.so", {}, ["foo_ext"]),
    "namespace": ("ns/bar/_ext.abi3.so", {"ns/bar/__init__.py": ""}, ["ns/bar"]),
    "old namespace": (
        "ns/bar/_ext.abi3.so",
        {
            "ns/__init__.py": "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n",
            "ns/bar/__init__.py": "",
        },
        ["ns/bar"],
    ),
    "platlib": (
        "foo_ext-1.0.0.data/platlib/foo_ext/_ext.abi3.so",
        {},
        ["foo_ext"],
    ),
    "platlib, package too": (
        "foo_ext-1.0.0.data/platlib/bar/_ext.abi3.so",
        {"foo_ext-1.0.0.data/platlib/bar/__init__.py": ""},
        ["foo_ext-1.0.0.data/platlib/bar"],
    ),
    "package that has a record": (
        "foo_ext/sub/_ext.abi3.so",
        {
            "foo_ext/sub/__init__.py": "",
            "foo_ext/sub/_native_requires.py": wheels.requires(),
        },
        ["foo_ext/sub"],
    ),
}


@pytest.mark.parametrize("name", PLACES)
def test_call_goes_where_every_import_passes(name: str, elf: wheels.Elf, tmp_path: Path) -> None:
    module, files, packages = PLACES[name]
    wheel = unbound(tmp_path, elf.extension(), files, module=module)
    made = bound(wheel, elf.provider(tmp_path / "p"), tmp_path / "out")
    inits = [file for file in made if file.endswith("__init__.py")]
    assert [f for f in inits if CALL.encode() in made[f]] == [f"{p}/__init__.py" for p in packages]
    assert [f for f in made if f.endswith("_native_requires.py")] == [
        f"{package}/_native_requires.py" for package in packages
    ]


def test_several_packages_have_a_record_each(elf: wheels.Elf, tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        "bar/__init__.py": "",
        "bar/_ext.abi3.so": elf.extension(),
        "baz/__init__.py": "",
    }
    wheel = unbound(tmp_path, elf.extension(), files)
    made = bound(wheel, elf.provider(tmp_path / "p"), tmp_path / "out")
    assert requires_of(made, "foo_ext") == requires_of(made, "bar")
    assert "baz/_native_requires.py" not in made
    assert made["baz/__init__.py"] == b""


def test_library_beside_counts_for_the_modules_that_need_it(
    elf: wheels.Elf, tmp_path: Path
) -> None:
    """As auditwheel's copies in foo.libs/: no package is above them."""
    between = elf.extension(
        "-Wl,-soname,libbetween.so",
        source="int foo_one(void);\nint between(void) { return foo_one(); }\n",
    )
    extension = elf.extension(
        source="int between(void);\nint PyInit__ext(void) { return between(); }\n",
        library="int between(void) { return 1; }\n",
        soname="libbetween.so",
    )
    wheel = unbound(tmp_path, extension, {"foo_ext.libs/libbetween.so": between})
    made = bound(wheel, elf.provider(tmp_path / "p"), tmp_path / "out")
    assert [entry["libraries"] for entry in requires_of(made)] == [("foo",)]


def test_package_that_calls_it_itself_keeps_its_source_and_loader(
    elf: wheels.Elf, tmp_path: Path
) -> None:
    source = (
        "from . import _native_requires\nfrom ._shared_lib_consumer import load_requirements\n"
        "load_requirements(_native_requires)\nfrom . import _ext\n"
    )
    files: dict[str, bytes | str] = {
        "foo_ext/__init__.py": source,
        "foo_ext/_native_requires.py": wheels.requires(),
        "foo_ext/_shared_lib_consumer.py": "# another version\n",
        "foo_ext/_shared_lib_explain.py": "# another version\n",
    }
    wheel = unbound(tmp_path, elf.extension(), files, requires=("libfoo>=1.0.0,<2",))
    provider = elf.provider(tmp_path / "p")
    (made,) = bind([wheel], tmp_path / "out", [str(provider)])
    assert made.read_bytes() == wheel.read_bytes()


def test_record_that_lacks_a_library_is_completed(elf: wheels.Elf, tmp_path: Path) -> None:
    """What it says of others stays: a module may load them by their names."""
    entry = ast.literal_eval(wheels.requires().partition("REQUIRES = ")[2])[0]
    other = entry | {"provider": "libbar", "distribution": "libbar", "libraries": ("bar",)}
    files = {"foo_ext/_native_requires.py": f"FORMAT = 1\nREQUIRES = ({other!r},)\n"}
    wheel = unbound(tmp_path, elf.extension(), files, requires=("libbar>=1.0.0,<2",))
    made = bound(wheel, elf.provider(tmp_path / "p"), tmp_path / "out")
    assert requires_of(made) == [other, entry]


# What Requires-Dist says, and whether ours is added.
BOUNDS = {
    ("libfoo",): True,
    ("libfoo>=0.5",): True,
    ("LibFoo>=1.0.0,<2",): False,
    ("libfoo==1.0.0",): False,
    ("libfoo>=1.0", "libfoo<2"): False,
    ('libfoo>=1.0.0,<2; python_version < "3.10"',): True,
    ('libfoo>=1.0.0,<2; sys_platform == "linux"',): False,
    ('libfoo>=1.0.0,<2; extra == "x"',): True,
    ('libfoo<1; python_version < "3"',): True,
    ("numpy>=2",): True,
}


@pytest.mark.parametrize("lines", BOUNDS)
def test_bound_is_added_unless_one_is_as_tight(
    lines: tuple[str, ...], elf: wheels.Elf, tmp_path: Path
) -> None:
    wheel = unbound(tmp_path, elf.extension(), requires=lines)
    (made,) = bind([wheel], tmp_path / "out", [str(elf.provider(tmp_path / "p"))])
    metadata = contents(made)[f"{INFO}/METADATA"].decode()
    found = re.findall("Requires-Dist: (.*)", metadata)
    assert found == [*lines, *(["libfoo>=1.0.0,<2"] if BOUNDS[lines] else [])]


@pytest.mark.parametrize("line", ["libfoo<1", "libfoo!=1.0.0", 'libfoo>1; sys_platform == "linux"'])
def test_requirement_that_excludes_what_was_linked_is_refused(
    line: str, elf: wheels.Elf, tmp_path: Path
) -> None:
    wheel = unbound(tmp_path, elf.extension(), requires=(line,))
    said = refused(wheel, tmp_path, elf.provider(tmp_path / "p"))
    assert said.startswith(f"{wheel.name}: Requires-Dist: libfoo")
    assert "excludes libfoo 1.0.0, which the wheel was linked against: correct the" in said


@pytest.mark.parametrize("first", ["Requires-Dist: numpy>=1\n", ""])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_metadata_keeps_its_other_bytes(
    first: str, end: str, elf: wheels.Elf, tmp_path: Path
) -> None:
    text = (
        f"Metadata-Version: 2.1\nName: foo-ext\nVersion: 1.0.0\n{first}"
        "Summary: käse\nLicense: a\n        \n        b\n\nBody\n\nRequires-Dist: no\n"
    ).replace("\n", end)
    wheel = _with(unbound(tmp_path, elf.extension()), f"{INFO}/METADATA", text.encode())
    plan = plan_of(wheel, read_named([str(elf.provider(tmp_path / "p"))]))
    read_wheel(_with(wheel, f"{INFO}/METADATA", plan.files[f"{INFO}/METADATA"]))
    place = f">=1{end}" if first else f"  b{end}"
    expected = text.replace(place, f"{place}Requires-Dist: libfoo>=1.0.0,<2{end}", 1)
    assert plan.files[f"{INFO}/METADATA"] == expected.encode()


def _with(wheel: Path, name: str, content: bytes) -> Path:
    """Put a file into a wheel, in place of one of this name."""
    files = {**contents(wheel), name: content}
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return wheel


def test_sbom_of_the_wheel_gets_the_dependency(elf: wheels.Elf, tmp_path: Path) -> None:
    component = {"type": "library", "name": "Foo_Ext", "purl": "pkg:pypi/foo-ext@1"}
    mine = {"bomFormat": "CycloneDX", "metadata": {"component": component}, "components": []}
    other = mine | {"metadata": {"component": component | {"name": "bar"}}}
    boms = {"mine": json.dumps(mine), "other": json.dumps(other), "damaged": "{"}
    files = {f"{INFO}/sboms/{name}.cdx.json": text for name, text in boms.items()}
    wheel = unbound(tmp_path, elf.extension(), files)
    made = bound(wheel, elf.provider(tmp_path / "p"), tmp_path / "out")
    for name in ("other", "damaged"):
        assert made[f"{INFO}/sboms/{name}.cdx.json"].decode() == boms[name]
    told = json.loads(made[f"{INFO}/sboms/mine.cdx.json"])
    purl = "pkg:pypi/libfoo@1.0.0"
    assert [(c["name"], c["purl"], c["bom-ref"]) for c in told["components"]] == [
        ("libfoo", purl, purl)
    ]
    assert told["dependencies"] == [{"ref": "pkg:pypi/foo-ext@1", "dependsOn": [purl]}]


def test_missing_provider_is_refused(elf: wheels.Elf, tmp_path: Path) -> None:
    wheel = unbound(tmp_path, elf.extension())
    assert refused(wheel, tmp_path) == (
        f"{wheel.name}: foo_ext/_ext.abi3.so needs libfoo__foo.so.1, and libfoo is not installed "
        "here: python -m pip install libfoo, or name its wheel with --provider"
    )


def test_provider_that_lacks_the_library_is_refused(elf: wheels.Elf, tmp_path: Path) -> None:
    wheel = unbound(tmp_path, elf.extension(soname="libfoo__foo.so.2"))
    assert refused(wheel, tmp_path, elf.provider(tmp_path / "p")) == (
        f"{wheel.name}: foo_ext/_ext.abi3.so needs libfoo__foo.so.2, and libfoo 1.0.0 has "
        "libfoo__foo.so.1: bind with the provider that it was linked against"
    )


def test_two_versions_of_a_library_are_refused(elf: wheels.Elf, tmp_path: Path) -> None:
    second = elf.extension(soname="libfoo__foo.so.2")
    wheel = unbound(tmp_path, elf.extension(), {"foo_ext/_b.abi3.so": second})
    assert refused(wheel, tmp_path, elf.provider(tmp_path / "p")) == (
        f"{wheel.name}: needs two versions of one library: foo_ext/_ext.abi3.so needs "
        "libfoo__foo.so.1 and foo_ext/_b.abi3.so needs libfoo__foo.so.2; build all against one"
    )


@pytest.mark.parametrize(
    "path",
    [
        "foo_ext/libfoo__foo.so.1",
        "foo_ext.libs/libfoo__foo-1a2b3c4d.so.1",
        "foo_ext/libfoo-0a1b2c3d.so",
    ],
)
def test_copy_of_the_library_is_refused(path: str, elf: wheels.Elf, tmp_path: Path) -> None:
    extension, library = elf.extension(), elf.library()
    wheel = unbound(tmp_path, extension, {path: library})
    said = refused(wheel, tmp_path, elf.provider(tmp_path / "p"))
    assert said.startswith(f"{wheel.name}: {path} ")
    assert "copy of " in said


def test_signed_wheel_is_refused(elf: wheels.Elf, tmp_path: Path) -> None:
    wheel = unbound(tmp_path, elf.extension(), {f"{INFO}/RECORD.jws": "{}"})
    assert refused(wheel, tmp_path, elf.provider(tmp_path / "p")) == (
        f"{wheel.name}: is signed ({INFO}/RECORD.jws), and binding changes it: bind first, then sign"
    )


def test_module_outside_of_packages_is_refused(elf: wheels.Elf, tmp_path: Path) -> None:
    for module in ("_ext.abi3.so", "ns/_ext.abi3.so"):
        wheel = unbound(tmp_path, elf.extension(), module=module)
        said = refused(wheel, tmp_path, elf.provider(tmp_path / "p"))
        assert f"{module} needs libfoo__foo.so.1 and is in no package with an __init__.py" in said


def test_compiled_init_is_refused(elf: wheels.Elf, tmp_path: Path) -> None:
    extension = elf.extension()
    for name in ("bar/__init__.abi3.so", "bar/__init__.pyc"):
        files: dict[str, bytes | str] = {name: extension if name.endswith("so") else b"\0"}
        wheel = unbound(tmp_path, extension, files, module="bar/_ext.abi3.so")
        said = refused(wheel, tmp_path, elf.provider(tmp_path / "p"))
        assert f"{name} is compiled, so the call that loads the libraries cannot be put" in said


def test_program_is_refused_unless_it_finds_the_library(elf: wheels.Elf, tmp_path: Path) -> None:
    elf.extension()
    source, against = elf.folder / "main.c", elf.folder / "against.so"
    source.write_text(
        "int foo_one(void);\nint main(void) { return foo_one(); }\n", encoding="utf-8"
    )
    program = elf.folder / "tool"
    command = ("cc", source, against, "-o", program)
    building.run(*command)
    wheel = unbound(tmp_path, elf.extension(), {"foo_ext/bin/tool": program.read_bytes()})
    provider = elf.provider(tmp_path / "p")
    assert "foo_ext/bin/tool is a program and needs libfoo__foo.so.1 of libfoo, which nobody" in (
        refused(wheel, tmp_path, provider)
    )
    building.run(*command, "-Wl,-rpath,$ORIGIN/../../libfoo/lib")
    # Alone in the wheel, it needs the provider, and no call.
    wheel = unbound(tmp_path, program.read_bytes(), module="foo_ext/bin/tool")
    (made,) = bind([wheel], tmp_path / "out", [str(provider)])
    assert list(map(str, read_wheel(made).requirements)) == ["libfoo<2,>=1.0.0"]
    assert contents(made).keys() == contents(wheel).keys()


def test_all_wheels_are_bound_or_none(elf: wheels.Elf, tmp_path: Path) -> None:
    provider = str(elf.provider(tmp_path / "p"))
    right = unbound(tmp_path, elf.extension())
    wrong = unbound(tmp_path / "w", elf.extension(), requires=("libfoo<1",))
    with pytest.raises(BindError):
        bind([right, wrong], tmp_path / "out", [provider])
    assert not (tmp_path / "out").exists()


def test_other_platforms_are_bound_here(
    foreign_binaries: macho_and_pe.Foreign, tmp_path: Path
) -> None:
    foreign = foreign_binaries
    for tag, module, extension, file, library, name in (
        (
            *("macosx_11_0_x86_64", "foo_ext/_ext.abi3.so", foreign.macos_extension),
            *(macho_and_pe.DYLIB, foreign.macos_x86_64, f"@rpath/{macho_and_pe.DYLIB}"),
        ),
        (
            *("win_amd64", "foo_ext/_ext.pyd", foreign.windows_extension),
            *(macho_and_pe.DLL, foreign.windows, macho_and_pe.DLL),
        ),
    ):
        folder = tmp_path / tag
        wheel = unbound(folder, extension, module=module, tag=f"cp311-abi3-{tag}")
        provider = wheels.make_wheel(
            folder / "p",
            "libfoo",
            {
                "libfoo/__init__.py": "",
                "libfoo/_native_libs.py": wheels.manifest(f"lib/{file}", name),
                f"libfoo/lib/{file}": library,
            },
            tag=f"py3-none-{tag}",
        )
        made = bound(wheel, provider, folder / "out")
        assert [entry["libraries"] for entry in requires_of(made)] == [("foo",)]


def test_provider_for_another_platform_only_is_refused(
    foreign_binaries: macho_and_pe.Foreign, elf: wheels.Elf, tmp_path: Path
) -> None:
    extension = foreign_binaries.macos_extension
    wheel = unbound(tmp_path, extension, tag="cp311-abi3-macosx_11_0_x86_64")
    assert refused(wheel, tmp_path, elf.provider(tmp_path / "p")) == (
        f"{wheel.name}: foo_ext/_ext.abi3.so needs {macho_and_pe.DYLIB} for Mach-O x86_64, and "
        "libfoo 1.0.0 here is for another: name a wheel of it with --provider"
    )


def test_plain_names_count_only_where_the_provider_is_named(
    elf: wheels.Elf, tmp_path: Path
) -> None:
    name = "libfoo.so.1"
    wheel = unbound(tmp_path, elf.extension(soname=name))
    provider = elf.provider(tmp_path / "p", elf.library(soname=name), file=name, runtime_name=name)
    site = tmp_path / "site"
    wheels.unpack(provider, site)
    code = (
        "import sys; from pathlib import Path; from native_lib.bind.bind import plan_of;"
        "print([p.wheel.distribution for p in plan_of(Path(sys.argv[1])).providers])"
    )
    run = [sys.executable, "-c", code]
    env = {"PYTHONPATH": f"{building.ROOT / 'loader' / 'src'}:{site}"}
    assert building.run(*run, wheel, env=env) == "[]\n"
    assert bound(wheel, provider, tmp_path / "out")
    wheel = unbound(tmp_path / "r", elf.extension(soname=name), requires=("libfoo",))
    assert building.run(*run, wheel, env=env) == "['libfoo']\n"


def test_command_prints_paths_and_one_line_for_an_error(elf: wheels.Elf, tmp_path: Path) -> None:
    provider = elf.provider(tmp_path / "p")
    wheel = unbound(tmp_path, elf.extension())
    command = (sys.executable, "-m", "native_lib", "bind", wheel, "-w", tmp_path / "out")
    env = {"PYTHONPATH": str(building.ROOT / "loader" / "src")}
    said = building.run(*command, env=env, fails=True)
    assert said.startswith(f"native-lib: {wheel.name}: foo_ext/_ext.abi3.so needs")
    assert len(said.splitlines()) == 1
    said = building.run(*command, "--provider", provider, env=env)
    assert said == f"{tmp_path / 'out' / wheel.name}\n"
    for wrong, why in ((wheel, "is not a provider"), ("no-such", "is not installed here")):
        said = building.run(*command, "--provider", wrong, env=env, fails=True)
        assert why in said
        assert len(said.splitlines()) == 1
    (tmp_path / "file").touch()
    there = (tmp_path / "file", "--provider", provider)
    said = building.run(*command[:-1], *there, env=env, fails=True)
    assert re.search(r"^native-lib: \S+\.whl cannot be written: File exists: \S+/file\n\Z", said)
    said = building.run(*command[:4], tmp_path / "none.whl", "-w", tmp_path, env=env, fails=True)
    assert said == "native-lib: none.whl: cannot be read: No such file or directory\n"
