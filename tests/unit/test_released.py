"""`native-lib abi --last-release` and `published`: a release against what an index has.

Here a folder is the index. What takes both releases' sources is in test_workflow_steps.py.
"""

from __future__ import annotations

import importlib.util
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest
import wheels
from native_lib.cli import main

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("pip", reason="pip asks the index")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the wheels are for Linux")
ONE = "int foo_one(void) { return 1; }\n"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    return tmp_path / "dist"


def publish(elf: wheels.Elf, index: Path, version: str, source: str = wheels.LIBRARY) -> Path:
    """Put a provider on the index; pip reads more of a wheel than a checker does."""
    told = {f"libfoo-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: false\n"}
    return elf.provider(index, elf.library(source=source), version=version, more=told)


def last_release(*files: Path) -> int:
    return main(["abi", "--last-release", *map(str, files)])


def published(*files: Path) -> int:
    return main(["published", *map(str, files)])


# abi ----------------------------------------------------------------------------------------------


def test_first_release(
    elf: wheels.Elf, index: Path, dist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(elf, index, "1.1.0")  # the same, and no earlier one
    assert last_release(elf.provider(dist, version="1.1.0")) == 0
    assert capsys.readouterr().out == "there is no release libfoo<1.1.0: nothing to compare\n"


def test_newest_of_the_earlier_releases(
    elf: wheels.Elf, index: Path, dist: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for version, source in (("1.0.0", ONE), ("1.1.0", wheels.LIBRARY), ("1.3.0", ONE)):
        publish(elf, index, version, source)
    assert last_release(elf.provider(dist, elf.library(source=ONE), version="1.2.0")) == 1
    said = capfd.readouterr()
    assert f"{wheels.NAME} no longer exports foo_two\n" in said.out
    assert "libfoo 1.2.0 cannot replace 1.1.0" in said.err


def test_wheels_for_other_machines_are_passed_over(
    elf: wheels.Elf, index: Path, dist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(elf, index, "1.0.0")
    other = elf.provider(dist, version="1.1.0", tag="py3-none-win_amd64")
    assert last_release(other, elf.provider(dist, version="1.1.0")) == 0
    assert "libfoo 1.1.0 has all that 1.0.0 has" in capsys.readouterr().out
    assert last_release(other, dist / "notes.txt") == 2
    assert last_release(other) == 2
    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"native-lib: {dist / 'notes.txt'} is no file",
        f"native-lib: there is no wheel for this machine among {other.name}",
    ]


def test_index_that_does_not_answer(
    elf: wheels.Elf, dist: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is none that lacks the release."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    assert last_release(elf.provider(dist, version="1.1.0")) == 2
    said = capsys.readouterr()
    assert said.err.startswith("native-lib: pip cannot get libfoo<1.1.0:\n")
    assert "Retrying" in said.err
    assert "nothing to compare" not in said.out


def test_without_pip(
    elf: wheels.Elf, dist: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = elf.provider(dist)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "native_lib.released.importlib.util.find_spec",
        lambda name: None if name == "pip" else find_spec(name),
    )
    assert last_release(wheel) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("native-lib: pip is not installed here: ")


@pytest.mark.parametrize("number", [1, 3])
def test_two_wheels_or_the_last_release(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["abi", *["x.whl"] * number])
    assert ended.value.code == 2
    assert "name two wheels, OLD and NEW; or --last-release" in capsys.readouterr().err


# published ----------------------------------------------------------------------------------------


def test_provider_is_on_the_index(
    elf: wheels.Elf, index: Path, dist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(elf, index, "1.0.0")
    newer = publish(elf, index, "1.4.0")
    publish(elf, index, "2.0.0")
    assert published(elf.consumer(dist)) == 0
    assert f"the index has {newer.name}\n2 files checked: 0 errors" in capsys.readouterr().out


@pytest.mark.parametrize("version", ["", "0.9.0", "2.0.0"])
def test_provider_is_not_on_the_index(
    elf: wheels.Elf, index: Path, dist: Path, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if version:
        publish(elf, index, version)
    assert published(elf.consumer(dist)) == 1
    told = capsys.readouterr().err
    assert told == "native-lib: the index has no libfoo<2,>=1.0.0: release libfoo first\n"


def test_provider_lacks_what_is_called(
    elf: wheels.Elf, index: Path, dist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(elf, index, "1.0.0", "int foo_three(void) { return 3; }\n")
    assert published(elf.consumer(dist)) == 1
    assert "symbol-missing" in capsys.readouterr().out


def test_consumer_that_requires_nobody(
    elf: wheels.Elf, index: Path, dist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = elf.consumer(dist, record=False, bound="")
    assert published(wheel) == 0
    assert capsys.readouterr().out == f"{wheel.name} requires no provider\n"


def test_consumer_that_cannot_be_read(
    elf: wheels.Elf, index: Path, dist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = elf.consumer(dist)
    wheel.write_bytes(b"no zip")
    assert published(wheel) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"native-lib: {wheel}: ")


# check --require ----------------------------------------------------------------------------------


def check(*arguments: str | Path) -> int:
    return main(["check", *map(str, arguments)])


def test_required_platforms(
    elf: wheels.Elf, dist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elf.provider(dist)
    elf.consumer(dist)
    wheels.make_wheel(dist, "pure", {}, tag="py3-none-any")
    assert check("--require", "*linux*", dist) == 0
    assert check("--require", "*linux*", "--require", "win_amd64", dist) == 1
    assert capsys.readouterr().err.splitlines() == [
        "native-lib: no wheel of foo-ext for win_amd64",
        "native-lib: no wheel of libfoo for win_amd64",
    ]


def test_required_platform_of_what_has_an_sdist_only(
    dist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheels.make_wheel(dist, "pure", {}, tag="py3-none-any")
    for name in ("libfoo-1.0.0", "odd"):  # the second one has no version, and so names nobody
        folder = dist.parent / name
        folder.mkdir()
        (folder / "PKG-INFO").write_text("Metadata-Version: 2.1\n", encoding="utf-8")
        with tarfile.open(dist / f"{name}.tar.gz", "w:gz") as archive:
            archive.add(folder, name)
    assert check("--require", "win_*", dist) == 1
    assert capsys.readouterr().err == "native-lib: no wheel of libfoo for win_*\n"
