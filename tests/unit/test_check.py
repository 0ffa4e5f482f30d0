"""The commands `native-lib check` and `native-lib excludes`: inputs, outputs, exit status."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import struct
import subprocess
import sys
import tarfile
import zipfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import building
import pytest
import wheels
from native_lib.check import report as reporting
from native_lib.check.apart import Apart
from native_lib.check.rule import ERROR, Finding, Rule
from native_lib.check.run import check
from native_lib.check.wheel import UnusableError
from native_lib.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

    import macho_and_pe


# Exit status and outputs --------------------------------------------------------------------------


def test_a_right_pair(elf: wheels.Elf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elf.provider(tmp_path)
    elf.consumer(tmp_path)
    assert main(["check", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert told.out == "2 files checked: 0 errors, 0 warnings, 0 notes\n"
    assert told.err == ""


def test_warnings_and_notes_are_no_errors(elf: wheels.Elf, tmp_path: Path) -> None:
    elf.consumer(tmp_path, elf.extension(source=wheels.EXTENSION + "int more;\n"))
    assert main(["check", str(tmp_path)]) == 0


def test_table(elf: wheels.Elf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = elf.provider(tmp_path, elf.library_with_rpath("/build/[red]lib"))
    assert main(["check", str(wheel)]) == 1
    heading, finding, total = capsys.readouterr().out.splitlines()
    assert heading.split() == ["severity", "rule", "wheel:", "file", "finding"]
    for part in (
        "error",
        "rpath-absolute",
        wheel.name,
        f"libfoo/lib/{wheels.NAME}",
        "/build/[red]lib",
    ):
        assert part in finding
    assert total == "1 file checked: 1 error, 0 warnings, 0 notes"


def test_a_table_has_no_rows_without_end(capsys: pytest.CaptureFixture[str]) -> None:
    """Of one rule in one wheel; JSON has them all."""
    rules = [Rule(name, ERROR, lambda wheels: iter(())) for name in ("one", "two")]
    counts = ((rules[0], "a.whl", 1000), (rules[1], "a.whl", 100), (rules[0], "b.whl", 101))
    findings = tuple(
        (rule, Finding(wheel, "x.so", "", f"{wheel} {n}"))
        for rule, wheel, count in counts
        for n in range(count)
    )
    reporting.print_table(reporting.Report((), findings, ()))
    _, *rows, total = capsys.readouterr().out.splitlines()
    assert len(rows) == 300
    assert [row.split()[1:] for row in rows if "more" in row] == [
        ["one", f"{wheel}.whl", "and", more, "more;", "--format", "json", "lists", "all"]
        for wheel, more in (("a", "901"), ("b", "2"))
    ]
    assert total == "0 files checked: 1201 errors, 0 warnings, 0 notes"
    reporting.print_json(reporting.Report((), findings, ()))
    assert len(json.loads(capsys.readouterr().out)["findings"]) == 1201


def test_json(elf: wheels.Elf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = elf.provider(tmp_path, elf.library_with_rpath("/build/lib"))
    absent = tmp_path / "absent-1-py3-none-any.whl"
    assert main(["check", "--format", "json", str(wheel), str(absent)]) == 2
    result = json.loads(capsys.readouterr().out)
    assert result["checked"] == [str(wheel)]
    (finding,) = result["findings"]
    message = finding.pop("message")
    assert "/build/lib" in message
    assert finding == {
        "rule": "rpath-absolute",
        "severity": "error",
        "wheel": wheel.name,
        "file": f"libfoo/lib/{wheels.NAME}",
        "value": "/build/lib",
    }
    assert result["unusable"] == [
        {"file": str(absent), "reason": "cannot be read: No such file or directory"}
    ]


def test_github(elf: wheels.Elf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = elf.provider(tmp_path, elf.library_with_rpath("/build/100%"))
    assert main(["check", "--format", "github", str(wheel)]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(
        f"::error title=rpath-absolute::{wheel.name}: libfoo/lib/{wheels.NAME}: "
    )
    assert "/build/100%25" in line


@pytest.mark.parametrize("format", ["table", "github"])
def test_names_that_steer_what_shows_them(format: str, capsys: pytest.CaptureFixture[str]) -> None:
    rule = Rule("rule", ERROR, lambda wheels: iter(()))
    finding = Finding("a.whl", "\x1b[2J\n::error::x", "", "one\r\n::warning::two\u202e")
    reporting.FORMATS[format](reporting.Report((), ((rule, finding),), ()))
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\r" not in out
    assert not any(line.startswith(("::warning", "::error::x")) for line in out.splitlines())


@pytest.mark.parametrize("format", ["table", "json", "github"])
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_names_that_a_console_cannot_show(
    encoding: str, format: str, elf: wheels.Elf, tmp_path: Path
) -> None:
    files: dict[str, bytes | str] = {"foo/日本.so": elf.library_with_rpath("/build")}
    wheel = wheels.make_wheel(tmp_path, "foo", files)
    absent = tmp_path / "日本.whl"
    done = subprocess.run(
        [sys.executable, "-m", "native_lib", "check", "--format", format, wheel, absent],
        env=building.environment(
            {"PYTHONPATH": str(building.ROOT / "loader" / "src"), "PYTHONIOENCODING": encoding}
        ),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    shown = "日本" if encoding == "utf-8" else r"\u65e5\u672c"
    in_output = r"\u65e5\u672c" if format == "json" else shown
    assert f"foo/{in_output}.so" in done.stdout.decode(encoding)
    (line,) = done.stderr.decode(encoding).splitlines()
    assert line.endswith(f"{shown}.whl: cannot be read: No such file or directory")


def test_missing_extra_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith(("native_lib.check", "lief"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lief", None)
    assert main(["check", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "check requires lief" in line
    # In quotes that cmd knows as well.
    assert '"native-lib-loader[tools]"' in line
    assert '"./loader[tools]"' in line


@pytest.mark.parametrize(("system", "quote"), [("linux", "'"), ("win32", '"')])
def test_command_lines_are_quoted_as_the_systems_shell_reads_them(
    system: str,
    quote: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project = tmp_path / "my project"
    (project / "foo").mkdir(parents=True)
    monkeypatch.setattr(sys, "platform", system)
    assert main(["vendor", "--check", str(project), "--provider"]) == 1
    assert capsys.readouterr().out.endswith(f" {quote}{project}{quote}\n")


# Unusable input -----------------------------------------------------------------------------------

GOOD_NAME = "bad-1.0-py3-none-any.whl"


def _archive(folder: Path, files: dict[str, bytes | str], name: str = GOOD_NAME) -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bad-1.0.dist-info/METADATA", "Name: bad\n")
        for file, content in files.items():
            archive.writestr(file, content)
    return path


def no_wheels_name(folder: Path) -> str:
    _archive(folder, {}, "bad.whl")
    return "not a wheel"


def absent(folder: Path) -> str:
    return "No such file"


def no_zip(folder: Path) -> str:
    (folder / GOOD_NAME).write_bytes(b"no zip")
    return "not a zip file"


def cut_off_zip(folder: Path) -> str:
    path = _archive(folder, {"file": "x" * 1000})
    path.write_bytes(path.read_bytes()[:-30])
    return "not a zip file"


def damaged_zip(folder: Path) -> str:
    path = _archive(folder, {"lib.so": random.Random(1).randbytes(1000)})
    content = bytearray(path.read_bytes())
    content[content.index(b"lib.so") + 10] ^= 0xFF
    path.write_bytes(content)
    return "cannot be read"


def encrypted(folder: Path) -> str:
    path = _archive(folder, {"file": "x"})
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    return "encrypted"


def no_metadata(folder: Path) -> str:
    with zipfile.ZipFile(folder / GOOD_NAME, "w") as archive:
        archive.writestr("file", "")
    return "0 files *.dist-info/METADATA"


def pipe(folder: Path) -> str:
    os.mkfifo(folder / GOOD_NAME)
    return "cannot be read: it is not a regular file"


def bomb(folder: Path) -> str:
    _archive(folder, {"lib.so": b"\x7fELF" + b"\0" * (40 << 20)})
    return "zip bomb: 'lib.so'"


def bomb_that_lies(folder: Path) -> str:
    path = _archive(folder, {"lib.so": b"\x7fELF" + b"\0" * (40 << 20)})
    content = path.read_bytes()
    # The directory says 64 bytes.
    path.write_bytes(content.replace(struct.pack("<I", 4 + (40 << 20)), struct.pack("<I", 64)))
    return "cannot be read"


def path_above(folder: Path) -> str:
    _archive(folder, {"../outside.so": "x"})
    return "path outside of the wheel: '../outside.so'"


def folder_above(folder: Path) -> str:
    _archive(folder, {"../../outside/": ""})
    return "path outside of the wheel: '../../outside/'"


def bomb_under_a_name_that_comes_again(folder: Path) -> str:
    path = _archive(folder, {"lib.so": bytes(40 << 20)})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("lib.so", "")
    return "zip bomb: 'lib.so'"


def path_absolute(folder: Path) -> str:
    _archive(folder, {"/outside.so": "x"})
    return "path outside of the wheel"


def path_of_a_drive(folder: Path) -> str:
    _archive(folder, {"C:/outside.so": "x"})
    return "path outside of the wheel"


def many_corrupt_binaries(folder: Path) -> str:
    """The limit is there because each takes time."""
    _archive(folder, {f"lib{number}.so": b"\x7fELF" + b"\xff" * 100 for number in range(101)})
    return "corrupt binary lib100.so"


def manifest_with_code(folder: Path) -> str:
    _archive(folder, {"bad/_native_libs.py": "LIBRARIES = open('/etc/passwd')\n"})
    return "bad/_native_libs.py is not made of literals"


def manifest_without_keys(folder: Path) -> str:
    _archive(folder, {"bad/_native_libs.py": "FORMAT = 1\n"})
    return "lacks what a manifest has"


def manifest_that_fills_the_memory(folder: Path) -> str:
    _archive(folder, {"bad/_native_libs.py": f"LIBRARIES = [{'0,' * 200_000}]\n"})
    return "bad/_native_libs.py is larger than what a build writes: 400015 bytes"


def metadata_that_fills_the_memory(folder: Path) -> str:
    with zipfile.ZipFile(folder / GOOD_NAME, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bad-1.0.dist-info/METADATA", "Requires-Dist: a\n" * 100_000)
    return "METADATA is too large: 1700000 bytes"


def requirement_without_end(folder: Path) -> str:
    with zipfile.ZipFile(folder / GOOD_NAME, "w") as archive:
        archive.writestr("bad-1.0.dist-info/METADATA", f"Requires-Dist: a; {'(' * 9999}\n")
    return "Requires-Dist cannot be read"


def number_without_end(folder: Path) -> str:
    _archive(folder, {"bad/_native_requires.py": wheels.requires("9" * 4300)})
    return "lacks what a requirement has: a number without end"


def bound_without_end(folder: Path) -> str:
    wheels.make_wheel(folder, "bad", {}, requires=[f"libfoo<{'9' * 4300}"])
    return "Requires-Dist cannot be read: a number without end"


def requires_of_another_shape(folder: Path) -> str:
    _archive(folder, {"bad/_native_requires.py": "FORMAT = 1\nREQUIRES = (1,)\n"})
    return "lacks what a requirement has"


def manifest_of_a_newer_format(folder: Path) -> str:
    _archive(folder, {"bad/_native_libs.py": "FORMAT = 2\nLIBRARIES = {}\n"})
    return "_native_libs.py has format 2, and this native-lib reads formats up to 1: update it"


UNUSABLE: tuple[Callable[[Path], str], ...] = (
    *(no_wheels_name, absent, no_zip, cut_off_zip, damaged_zip, encrypted, no_metadata, bomb),
    *(bomb_that_lies, path_above, path_absolute, path_of_a_drive, many_corrupt_binaries),
    *(manifest_with_code, manifest_without_keys, requires_of_another_shape),
    *(manifest_that_fills_the_memory, metadata_that_fills_the_memory, requirement_without_end),
    *(number_without_end, bound_without_end),
    *(manifest_of_a_newer_format, pipe, folder_above, bomb_under_a_name_that_comes_again),
)


@pytest.mark.parametrize("make", UNUSABLE, ids=lambda make: make.__name__)
def test_unusable_input_is_one_line_and_the_others_are_checked(
    make: Callable[[Path], str],
    elf: wheels.Elf,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    reason = make(folder)
    bad = next(iter(folder.iterdir()), folder / GOOD_NAME)
    good = elf.provider(tmp_path, elf.library_with_rpath("/build/lib"))
    assert main(["check", str(bad), str(good)]) == 2
    told = capsys.readouterr()
    (line,) = told.err.splitlines()
    assert line.startswith(f"native-lib: {bad}: ")
    assert reason in line
    assert "rpath-absolute" in told.out
    assert "1 file checked" in told.out


# Files that are not understood --------------------------------------------------------------------

# Each with what is told of it, and how severe that is.
NOT_UNDERSTOOD: dict[str, tuple[bytes, str, str]] = {
    "bad/cut_off.so": (b"\x7fELF" + b"\xff" * 100, "is corrupt: ", "error"),
    "bad/fixture": (b"\x7fELF" + b"\xff" * 100, "is corrupt: ", "warning"),
    "bad/broken.pyd": (b"MZ" + b"\xff" * 100, "is corrupt: not readable as PE", "error"),
    "bad/empty.pyd": (b"", "is corrupt: it is empty", "error"),
    "bad/lfs.so": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 9\n",
        "is corrupt: it is a text, a pointer of Git LFS",
        "error",
    ),
    "bad/broken.dylib": (b"\xcf\xfa\xed\xfe" + b"\xff" * 100, "is corrupt: ", "error"),
    "bad/wasm.cpython-313-wasm32-emscripten.so": (
        b"\0asm\1\0\0\0" + bytes(20),
        "is WebAssembly, which native-lib does not read",
        "note",
    ),
    "bad/fat64.dylib": (
        b"\xca\xfe\xba\xbf\0\0\0\2" + bytes(20),
        "is universal Mach-O with 64-bit offsets",
        "note",
    ),
    "bad/powerpc.dylib": (b"\xfe\xed\xfa\xce" + bytes(20), "is big-endian Mach-O", "note"),
}


@pytest.mark.parametrize("file", NOT_UNDERSTOOD)
def test_file_that_is_not_understood_is_one_finding(
    file: str, elf: wheels.Elf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything else of the wheel is looked at."""
    content, told, severity = NOT_UNDERSTOOD[file]
    library = elf.library_with_rpath("/build/lib")
    wheel = wheels.make_wheel(tmp_path, "bad", {file: content, "bad/lib.so": library})
    assert main(["check", "--format", "json", str(wheel)]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["unusable"] == []
    findings = {each["file"]: each for each in result["findings"]}
    assert findings["bad/lib.so"]["rule"] == "rpath-absolute"
    about = findings.pop(file)
    assert len(result["findings"]) == 2
    assert about["rule"] == "unreadable"
    assert about["severity"] == severity
    assert told in about["message"]


def test_binary_for_an_unknown_processor_is_one_finding(
    elf: wheels.Elf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also without a library's name it is read; but programs of a graphics card are data."""
    library = bytearray(elf.library())
    library[18:20] = (224).to_bytes(2, "little")  # AMD's graphics cards
    files: dict[str, bytes | str] = {"bad/one.so": bytes(library), "bad/one.hsaco": bytes(library)}
    wheel = wheels.make_wheel(tmp_path, "bad", files)
    main(["check", "--format", "json", "--select", "unreadable", str(wheel)])
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["file"] == "bad/one.so"
    assert finding["severity"] == "note"
    assert "ELF for a processor that native-lib does not know" in finding["message"]


def test_what_needs_a_corrupt_library_is_right(
    elf: wheels.Elf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The manifest that names it, and the file that needs it, say nothing wrong."""
    library = elf.library()
    elf.provider(tmp_path, library[:2000])
    extension = elf.extension()
    wheel = wheels.make_wheel(tmp_path, "bad", {wheels.NAME: library[:2000], "_x.so": extension})
    assert main(["check", "--format", "json", str(tmp_path)]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {each["rule"] for each in findings} == {"unreadable"}
    assert len(findings) == 2
    assert wheel.name in {each["wheel"] for each in findings}


@pytest.mark.parametrize("command", ["abi", "bind"])
def test_commands_that_must_know_all_refuse_a_corrupt_binary(
    command: str, elf: wheels.Elf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = str(elf.provider(tmp_path, elf.library()[:2000]))
    rest = {"abi": [wheel], "bind": ["-w", str(tmp_path / "out")]}[command]
    assert main([command, wheel, *rest]) == 2
    assert "corrupt binary libfoo/lib/" in capsys.readouterr().err


def test_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "no-wheel")]) == 2
    assert "no-wheel: cannot be read: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["x" * 304, f"{'x' * 300}.whl"])
def test_name_that_no_file_has(
    name: str, elf: wheels.Elf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = elf.provider(tmp_path)
    assert main(["check", str(tmp_path / name), str(good)]) == 2
    told = capsys.readouterr()
    assert told.err == f"native-lib: {tmp_path / name}: cannot be read: File name too long\n"
    assert "1 file checked" in told.out


def test_folder_that_cannot_be_read(
    elf: wheels.Elf,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Asked of a stand-in: the superuser, whom tests may run as, reads every folder."""
    locked, good = tmp_path / "locked", elf.provider(tmp_path / "good")
    locked.mkdir()
    iterdir = Path.iterdir

    def refuse(folder: Path) -> Iterator[Path]:
        if folder == locked:
            raise PermissionError(errno.EACCES, "Permission denied")
        return iterdir(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert main(["check", str(locked), str(good.parent)]) == 2
    told = capsys.readouterr()
    assert told.err == f"native-lib: {locked}: cannot be read: Permission denied\n"
    assert "1 file checked" in told.out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code in (0, None)
    assert capsys.readouterr().out.startswith("native-lib ")


def test_folder_without_wheels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"native-lib: {tmp_path}: no wheel in this folder\n"


def test_damaged_sdist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad-1.0.tar.gz").write_bytes(b"\x1f\x8b no archive")
    assert main(["check", str(tmp_path)]) == 2
    assert "bad-1.0.tar.gz: cannot be read" in capsys.readouterr().err


# Damaged files of all kinds -----------------------------------------------------------------------

# Runs in a process of its own, so that a crash, a hang or too much memory is seen. What can be read goes
# through the rules, beside what it belongs to, and into reports.
FUZZ = """
import contextlib, gzip, io, pathlib, random, resource, sys, tarfile, time, zipfile
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
import models
from native_lib.check.binary import CorruptBinaryError
from native_lib.check.read import read_binary
from native_lib.check.read_wheel import read_wheel
from native_lib.check.report import FORMATS
from native_lib.check.rule import WheelSet
from native_lib.check.rules import RULES
from native_lib.check.run import check

source, seconds, *others = pathlib.Path(sys.argv[1]), float(sys.argv[2]), *map(pathlib.Path, sys.argv[3:])
whole, chance = source.read_bytes(), random.Random(source.suffix)
scratch = source.parent / "scratch" / source.name
scratch.parent.mkdir(exist_ok=True)

def damaged(content):
    content = bytearray(content)
    for _ in range(chance.randint(1, 16)):
        # Headers decide more than code.
        end = len(content) if chance.random() < 0.5 else min(len(content), 4096)
        content[chance.randrange(4, end)] = chance.choice((0, 1, 48, 127, 255, chance.randrange(256)))
    if chance.random() < 0.2:
        del content[chance.randrange(5, len(content)) :]
    return bytes(content)

def damaged_wheel():
    if chance.random() < 0.3:
        return damaged(whole)
    # Within, so that no checksum tells.
    made = io.BytesIO()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(made, "w") as new:
        chosen = chance.choice([name for name in old.namelist() if len(old.read(name)) > 5])
        for name in old.namelist():
            new.writestr(name, damaged(old.read(name)) if name == chosen else old.read(name))
    return made.getvalue()

def damaged_sdist():
    content = bytearray(damaged(gzip.decompress(whole)))
    for at in range(0, len(content) - 511, 512):
        if content[at + 257 : at + 262] == b"ustar":
            content[at + 148 : at + 156] = b" " * 8
            content[at + 148 : at + 156] = b"%06o\\0 " % sum(content[at : at + 512])
    return gzip.compress(content, 1)

def refuses():
    if source.suffix in (".whl", ".gz"):
        scratch.write_bytes(damaged_wheel() if source.suffix == ".whl" else damaged_sdist())
        report = check([scratch, *others], read_wheel)
        for show in FORMATS.values():
            show(report)
        return bool(report.unusable)
    try:
        read = read_binary("lib" + source.suffix, damaged(whole))
    except CorruptBinaryError:
        return True
    digests = {binary.path: "" for binary in read}
    libraries = [models.library(binary) for binary in read]
    for wheel in (
        models.wheel("libfoo", *read, digests=digests, libraries=libraries),
        models.wheel("foo-ext", *read, digests=digests, bounds=["libfoo"]),
    ):
        for rule in RULES:
            list(rule.find(WheelSet((wheel, models.provider(version="2"), models.consumer(models.NAME)))))
    return False

until, tries, refused, longest = time.monotonic() + seconds, 0, 0, 0.0
while time.monotonic() < until:
    began = time.monotonic()
    with contextlib.redirect_stdout(io.StringIO()):
        refused += refuses()
    longest = max(longest, time.monotonic() - began)
    tries += 1
print(tries, refused, longest)
"""


def fuzz(source: Path, seconds: float, *others: Path) -> None:
    paths = f"{building.ROOT / 'loader' / 'src'}:{building.ROOT / 'tests'}"
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, str(source), str(seconds), *map(str, others)],
        env=building.environment({"PYTHONPATH": paths}),
        capture_output=True,
        text=True,
        timeout=60 + seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    tries, refused, longest = map(float, done.stdout.split())
    assert tries > 5  # a machine that others use, too, is slow
    assert 0 < refused < tries
    assert longest < 10


# A wheel of ELF files only is read without lief.
FOR_LIEF = {"libfoo/macos.so": b"\xcf\xfa\xed\xfe" + bytes(60)}


def test_what_ends_the_parser_does_not_end_the_command(
    elf: wheels.Elf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library that reads binaries is C++; what its next fault is nobody knows."""
    fatal = tmp_path / "fatal"
    fatal.mkdir()
    (fatal / "lief.py").write_text("import os; os.abort()", encoding="utf-8")
    wheel, other = elf.provider(tmp_path, more=FOR_LIEF), elf.provider(tmp_path / "other")
    monkeypatch.syspath_prepend(fatal)
    report = check([wheel, other])
    assert [reason for _, reason in report.unusable] == [
        "cannot be read: the parser crashed (exit status -6)"
    ]
    assert report.checked == (other,)


def test_a_wheel_of_elf_files_needs_no_process(elf: wheels.Elf, tmp_path: Path) -> None:
    with closing(Apart()) as apart:
        assert apart.read(elf.provider(tmp_path)).distribution == "libfoo"
        assert apart._process is None


def test_a_large_wheel_is_read_apart(
    elf: wheels.Elf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As its memory is bounded there."""
    monkeypatch.setattr("native_lib.check.apart._SMALL_UNPACKED", 1000)
    with closing(Apart()) as apart:
        assert apart.read(elf.provider(tmp_path)).distribution == "libfoo"
        assert apart._process is not None


def test_a_wheel_after_one_that_ends_the_parser(elf: wheels.Elf, tmp_path: Path) -> None:
    # lief is asked, and says that it is no DLL.
    wheel = elf.provider(tmp_path, more={"libfoo/dos": b"MZ" + bytes(100)})
    with closing(Apart()) as apart:
        assert apart.read(wheel).distribution == "libfoo"
        assert apart._process is not None
        apart._process.kill()
        apart._process.join()
        with pytest.raises(UnusableError, match=r"the parser crashed \(exit status -9\)"):
            apart.read(wheel)
        assert apart.read(wheel).distribution == "libfoo"


def test_reading_that_never_ends(
    elf: wheels.Elf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "lief.py").write_text("import time; time.sleep(100)", encoding="utf-8")
    monkeypatch.syspath_prepend(slow)
    monkeypatch.setattr("native_lib.check.apart._SECONDS", 0.2)
    ((_, reason),) = check([elf.provider(tmp_path, more=FOR_LIEF)]).unusable
    assert reason == "cannot be read: not done after 0.2 seconds"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
def test_reading_that_takes_all_memory(
    elf: wheels.Elf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    greedy = tmp_path / "greedy"
    greedy.mkdir()
    (greedy / "lief.py").write_text("class ELF: pass\nbytes(3 << 30)", encoding="utf-8")
    monkeypatch.syspath_prepend(greedy)
    ((_, reason),) = check([elf.provider(tmp_path, more=FOR_LIEF)]).unusable
    assert reason == "cannot be read: it requires more memory than the limit"


def test_fuzzed_elf(elf: wheels.Elf, tmp_path: Path) -> None:
    (tmp_path / "source.so").write_bytes(elf.library("-lc"))
    fuzz(tmp_path / "source.so", 4)


def test_fuzzed_macho_and_pe(foreign_binaries: macho_and_pe.Foreign, tmp_path: Path) -> None:
    both = wheels.universal(foreign_binaries.macos_x86_64, foreign_binaries.macos_arm64)
    (tmp_path / "source.dylib").write_bytes(both)
    (tmp_path / "source.dll").write_bytes(foreign_binaries.windows)
    for suffix in ("dylib", "dll"):
        fuzz(tmp_path / f"source.{suffix}", 4)


@pytest.mark.parametrize("damaged", ["provider", "consumer"])
def test_fuzzed_wheel(damaged: str, elf: wheels.Elf, tmp_path: Path) -> None:
    texts: dict[str, bytes | str] = {
        "libfoo/lib/pkgconfig/foo.pc": "prefix=/build\nLibs: -L/build/lib -lfoo\n",
        "libfoo/_shared_lib_manager.py": "# older\n",
    }
    made = {
        "provider": elf.provider(tmp_path, elf.library("-lc"), more=texts),
        "consumer": elf.consumer(tmp_path, elf.extension("-lc")),
    }
    fuzz(made.pop(damaged), 4, *made.values())


def test_fuzzed_sdist(tmp_path: Path) -> None:
    sdist = tmp_path / "libfoo-1.0.tar.gz"
    with tarfile.open(sdist, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name in ("source.toml", "fetch_source.py", "ü" * 120, "upstream/zlib.h"):
            member = tarfile.TarInfo(f"libfoo-1.0/{name}")
            member.size, member.mtime = 600, 1.5
            archive.addfile(member, io.BytesIO(bytes(600)))
    fuzz(sdist, 4)


# excludes -----------------------------------------------------------------------------------------


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that puts a distribution on sys.path, as an installer does."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(distribution: str, **files: str) -> None:
        name = distribution.replace("-", "_")
        info = f"{name}-1.0.dist-info"
        files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        # Importing a provider is not needed, and may fail.
        files[f"{name}/__init__.py"] = "raise SystemExit('imported')\n"
        files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in files)
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_text(text, encoding="utf-8")

    return put


@pytest.mark.parametrize(
    ("tool", "name", "runtime_name"),
    [
        ("auditwheel", "libfoo__foo.so.1", "libfoo__foo.so.1"),
        ("delocate", "libfoo__foo.1.dylib", "@rpath/libfoo__foo.1.dylib"),
        ("delvewheel", "libfoo__foo-1.dll", "libfoo__foo-1.dll"),
    ],
)
def test_excludes(
    install: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    tool: str,
    name: str,
    runtime_name: str,
) -> None:
    install("libfoo", **{"libfoo/_native_libs.py": wheels.manifest("lib/x", runtime_name)})
    assert main(["excludes", "LibFoo", "--tool", tool]) == 0
    assert capsys.readouterr().out == f"--exclude {name}\n"


def test_excludes_of_what_a_provider_requires(
    install: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    install("libfoo", **{"libfoo/_native_libs.py": wheels.manifest()})
    own = wheels.manifest("lib/x", "lib bar.so.1", distribution="lib-bar")
    install(
        "lib-bar",
        **{"lib_bar/_native_libs.py": own, "lib_bar/_native_requires.py": wheels.requires()},
    )
    assert main(["excludes", "lib-bar", "libfoo", "--tool", "auditwheel"]) == 0
    assert capsys.readouterr().out == f"--exclude 'lib bar.so.1' --exclude {wheels.NAME}\n"


@pytest.mark.parametrize(
    ("provider", "tool", "reason"),
    [
        ("absent-provider", "auditwheel", "absent-provider is not installed here"),
        ("none", "auditwheel", "none 1.0 is not a provider"),
        ("libfoo", "delvewheel", f"libfoo's library here is {wheels.NAME}"),
        ("broken", "auditwheel", "is not made of literals"),
        ("nameless", "auditwheel", "nameless/_native_libs.py lacks 'runtime"),
        ("listed", "auditwheel", "listed/_native_libs.py lacks 'tuple'"),
        ("bare", "auditwheel", "bare/_native_libs.py lacks 'LIBRARIES'"),
        ("old", "auditwheel", "old/_native_libs.py does not say its FORMAT"),
        ("newer", "auditwheel", "newer/_native_libs.py has format 9, and this native-lib reads"),
        ("needy", "auditwheel", "needy/_native_requires.py lacks 'distri"),
        ("ahead", "auditwheel", "ahead/_native_requires.py has format 9, and this native-lib"),
    ],
)
def test_excludes_of_what_is_no_provider_here(
    install: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    provider: str,
    tool: str,
    reason: str,
) -> None:
    install("libfoo", **{"libfoo/_native_libs.py": wheels.manifest()})
    install("none")
    for name, manifest in (
        ("broken", "LIBRARIES = f()\n"),
        ("nameless", "FORMAT = 1\nLIBRARIES = {'q': {}}\n"),
        ("listed", "FORMAT = 1\nLIBRARIES = ('q',)\n"),
        ("bare", "FORMAT = 1\n"),
        ("old", "LIBRARIES = {}\n"),
        ("newer", wheels.manifest().replace("FORMAT = 1", "FORMAT = 9")),
    ):
        install(name, **{f"{name}/_native_libs.py": manifest})
    for name, requires in (
        ("needy", "FORMAT = 1\nREQUIRES = ({},)\n"),
        ("ahead", wheels.requires().replace("FORMAT = 1", "FORMAT = 9")),
    ):
        own = {f"{name}/_native_libs.py": wheels.manifest()}
        install(name, **own, **{f"{name}/_native_requires.py": requires})
    assert main(["excludes", provider, "--tool", tool]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith("native-lib: ")
    assert reason in line.replace("\\", "/")
