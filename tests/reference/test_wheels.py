"""What the reference packages' wheels and sdists hold."""

from __future__ import annotations

import io
import json
import platform
import re
import shutil
import sys
import tarfile
import zipfile
from email.parser import Parser
from typing import TYPE_CHECKING

import building
import elf
import pytest
import regenerate
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files")

PACKAGES = building.ROOT / "reference-packages"
PROVIDERS = {"zlib": ("native_zlib", "z", "Zlib"), "libpng": ("native_libpng", "png", "libpng-2.0")}


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def content(wheel: Path, end: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(end))
        return archive.read(name).decode()


def metadata(wheel: Path) -> Message:
    return Parser().parsestr(content(wheel, ".dist-info/METADATA"))


def upstream_facts(name: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(building.fetch_source(PACKAGES / name, "--facts"))
    return found


@pytest.mark.parametrize("name", PROVIDERS)
def test_version_and_licence_are_upstreams(reference: building.Reference, name: str) -> None:
    wheel: Path = getattr(reference, name)
    header = PACKAGES / name / "upstream" / {"zlib": "zlib.h", "libpng": "png.h"}[name]
    macro = {"zlib": "ZLIB_VERSION", "libpng": "PNG_LIBPNG_VER_STRING"}[name]
    (version,) = re.findall(rf'#define {macro} "(.*)"', header.read_text("utf-8"))
    told = metadata(wheel)
    assert told["Version"] == version
    assert told["License-Expression"] == f"{PROVIDERS[name][2]} AND BSD-3-Clause"
    assert told.get_all("License-File") == ["LICENSE", "upstream/LICENSE"]
    assert any(path.endswith(".dist-info/licenses/upstream/LICENSE") for path in names(wheel))


@pytest.mark.parametrize("name", PROVIDERS)
def test_sbom(reference: building.Reference, name: str) -> None:
    wheel: Path = getattr(reference, name)
    told, facts = metadata(wheel), upstream_facts(name)
    text = content(wheel, f".dist-info/sboms/{told['Name']}.cdx.json")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    sbom = json.loads(text)
    assert sbom["metadata"]["component"]["purl"] == f"pkg:pypi/{told['Name']}@{told['Version']}"
    (component,) = sbom["components"]
    assert (component["name"], component["version"]) == (name, told["Version"])
    assert component["purl"] == facts["purl"]
    assert component["licenses"] == [{"expression": PROVIDERS[name][2]}]
    record = (PACKAGES / name / "upstream" / "native_library_source.json").read_text("utf-8")
    (archive,) = json.loads(record)
    (reference_to_source,) = component["externalReferences"]
    assert reference_to_source["url"] == archive["url"]
    assert reference_to_source["hashes"] == [{"alg": "SHA-256", "content": archive["sha256"]}]
    unpinned = [{"name": "native-lib:pinned", "value": "false"}]
    is_pinned = archive["sha256"] == archive["listed"]
    assert component.get("properties", []) == ([] if is_pinned else unpinned)


def test_requirements(reference: building.Reference) -> None:
    def bounds(wheel: Path) -> list[str]:
        return sorted(metadata(wheel).get_all("Requires-Dist") or [])

    zlib, png = (metadata(wheel)["Version"] for wheel in (reference.zlib, reference.libpng))
    assert bounds(reference.zlib) == []
    assert bounds(reference.libpng) == [f"native-zlib<2,>={zlib}"]
    assert bounds(reference.minipng) == [f"native-libpng<1.7,>={png}", f"native-zlib<2,>={zlib}"]


def test_names_and_needs(reference: building.Reference) -> None:
    zlib = elf.dynamic_in_wheel(reference.zlib, "/lib/native_zlib__z.so")
    libpng = elf.dynamic_in_wheel(reference.libpng, "/lib/native_libpng__png.so")
    minipng = elf.dynamic_in_wheel(reference.minipng, "minipng/_ext.abi3")
    assert zlib["SONAME"] == ["native_zlib__z.so.1"]
    assert libpng["SONAME"] == ["native_libpng__png.so.1.6"]
    assert set(libpng["NEEDED"]) == {"native_zlib__z.so.1", "libm.so.6", "libc.so.6"}
    assert {"native_zlib__z.so.1", "native_libpng__png.so.1.6"} < set(minipng["NEEDED"])
    for each in (zlib, libpng, minipng):
        assert not {"RPATH", "RUNPATH"} & each.keys()
        assert not any(needed.startswith(("libz.", "libpng")) for needed in each["NEEDED"])


def test_symbols_are_private(reference: building.Reference) -> None:
    for wheel, prefix in ((reference.zlib, "z_"), (reference.libpng, "native_png_")):
        with zipfile.ZipFile(wheel) as archive:
            (name,) = elf.names(archive)
            found = elf.exports(io.BytesIO(archive.read(name)))
        assert len(found) > 100
        # The name of libpng's version node is a symbol, too.
        assert {name for name in found if not name.startswith(prefix)} <= {"PNG16_0"}


def test_simd_code_of_libpng_is_in_the_library(
    reference: building.Reference, tmp_path: Path
) -> None:
    if platform.machine() != "x86_64":
        pytest.skip("looks for SSE2 code, which only x86 has")
    shutil.copy(reference.zlib, tmp_path)
    # The wheel's library is stripped; this is the same build with the names of its functions.
    wheel = building.build(PACKAGES / "libpng", tmp_path, settings=["install.strip=false"])
    with zipfile.ZipFile(wheel) as archive:
        (name,) = elf.names(archive)
        symbols = building.run("readelf", "--wide", "--symbols", archive.extract(name, tmp_path))
    assert "png_read_filter_row_paeth4_sse2" in symbols


def test_providers_wheel_is_small(reference: building.Reference) -> None:
    """131 kB: 62 are the library, 33 the headers, and 23 the loader with its messages."""
    assert reference.zlib.stat().st_size <= 135_000


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("zlib", []),
        # Debug information has the most to say about folders.
        ("zlib", ["cmake.build-type=RelWithDebInfo", "install.strip=false"]),
        ("libpng", []),
        ("minipng", []),
    ],
)
def test_builds_are_reproducible(
    reference: building.Reference, name: str, settings: list[str], tmp_path: Path
) -> None:
    """Twice, in different folders, at the same SOURCE_DATE_EPOCH: the same bytes."""
    built = []
    for folder in ("one", "another-and-longer-one"):
        project = tmp_path / folder / name
        shutil.copytree(PACKAGES / name, project)
        out = tmp_path / folder / "dist"
        out.mkdir()
        if name != "zlib":
            shutil.copy(reference.zlib, out)
        if name == "minipng":
            shutil.copy(reference.libpng, out)
        epoch = {"SOURCE_DATE_EPOCH": "1700000000"}
        built.append(building.build(project, out, env=epoch, settings=settings))
    assert built[0].name == built[1].name
    assert built[0].read_bytes() == built[1].read_bytes()


def test_sdist_is_complete_and_builds_offline(
    tmp_path: Path, reference: building.Reference
) -> None:
    sdist = building.build(PACKAGES / "zlib", tmp_path / "sdist", kind="sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (project,) = tmp_path.glob("native_zlib-*")
    assert (project / "upstream" / "zlib.h").is_file()
    assert (project / "upstream" / "native_library_source.json").is_file()
    # No network: build requirements come from what is installed here.
    command = [building.tool("uv"), "build", "--wheel", "--offline", "--no-build-isolation"]
    env = {"UV_PYTHON": sys.executable, "http_proxy": "http://127.0.0.1:9"}
    env["PYTHONPATH"] = str(building.loader_installed())
    env["https_proxy"] = env["http_proxy"]
    building.run(*command, "--out-dir", tmp_path / "out", project, env=env)
    (wheel,) = (tmp_path / "out").glob("*.whl")
    assert names(wheel) == names(reference.zlib)


# Instances of the template -----------------------------------------------------------------------


@pytest.mark.parametrize("name", regenerate.PACKAGES)
def test_package_is_what_the_template_generates(name: str) -> None:
    assert regenerate.drift(PACKAGES / name) == []


def test_drift_is_found_and_fixed(tmp_path: Path) -> None:
    package = tmp_path / "libpng"
    ignore = shutil.ignore_patterns("upstream")
    shutil.copytree(PACKAGES / "libpng", package, ignore=ignore)
    changed = [
        package / "python" / "native_libpng" / "_native_requires.pyi",
        package / "tests" / "test_native_libpng_contract.py",
    ]
    for file in changed:
        file.write_text("# changed\n", encoding="utf-8")
    missing = package / "python" / "native_libpng" / "_native_libs.pyi"
    missing.unlink()
    project = package / "pyproject.toml"
    text = project.read_text("utf-8")
    project.write_text(
        text.replace('requires-python = ">=3.9"', 'requires-python = ">=3.8"'), "utf-8"
    )
    found = regenerate.drift(package, fix=True)
    assert set(found[:-1]) == {str(file) for file in (*changed, missing)}
    assert found[-1].endswith(
        "pyproject.toml: project.requires-python is '>=3.8', the template sets '>=3.9'"
    )
    assert regenerate.drift(package) == found[-1:]


@pytest.mark.parametrize(
    ("expected", "found", "complaints"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, 0),
        ({"a": {"b": 1}}, {"a": {}}, 1),
        ({"a": [1, 2]}, {"a": [2, 3, 1]}, 0),
        ({"a": [1, 2]}, {"a": [2]}, 1),
        ({"a": [{"x": 1}]}, {"a": [{"y": 2}, {"x": 1, "z": 3}]}, 0),
        ({"a": [{"x": 1}]}, {"a": [{"x": 2}]}, 1),
        ({"a": "x"}, {"a": "x --two"}, 1),
    ],
)
def test_keys_are_compared(expected: object, found: object, complaints: int) -> None:
    assert len(regenerate.missing(expected, found)) == complaints
