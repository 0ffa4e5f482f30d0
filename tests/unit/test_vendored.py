"""The template's vendored files are byte-equal copies of the loader's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lab
import pytest
from native_lib.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def test_no_copy_in_this_repository_has_drifted() -> None:
    assert main(["vendor", "--check", str(lab.ROOT / "template")]) == 0


def test_check_names_a_drifted_copy_and_vendor_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = lab.generate(tmp_path)
    copy = folder / "libfoo" / "python" / "libfoo" / "_shared_lib_manager.py"
    copy.write_text("# changed\n", encoding="utf-8")
    assert main(["vendor", "--check", str(folder)]) == 1
    assert str(copy) in capsys.readouterr().out
    assert copy.read_text(encoding="utf-8") == "# changed\n"
    assert main(["vendor", str(folder)]) == 0
    assert main(["vendor", "--check", str(folder)]) == 0


def test_first_time_in_a_project(tmp_path: Path) -> None:
    (tmp_path / "python" / "bar").mkdir(parents=True)
    assert main(["vendor", str(tmp_path), "--consumer", "python/bar"]) == 0
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {
        "python/bar/_shared_lib_consumer.py",
        "cmake/NativeLibrary.cmake",
        "cmake/native_library_metadata.py",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{folder}/absent"], "is not a folder"),
        (["{folder}"], "vendors no file yet"),
        (["{folder}", "--provider", "absent"], "is not a folder"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["vendor", *(part.format(folder=tmp_path) for part in arguments)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("native-lib: ")
    assert message in line
    assert list(tmp_path.iterdir()) == []
