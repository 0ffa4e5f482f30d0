"""tests/workflows.py runs a workflow's steps with the matrix's Pythons, and says what it leaves out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import cpythons
import pytest
import workflows

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Linux jobs require bash")

OURS = "{}.{}".format(*sys.version_info[:2])
WORKFLOW = """
jobs:
  test:
    runs-on: ubuntu-24.04
    outputs:
      release: ${{ steps.plan.outputs.release }}
    strategy:
      matrix:
        python: PYTHONS
    steps:
      - uses: actions/setup-python@0
        with:
          python-version: ${{ matrix.python }}
      - id: plan
        run: |
          python -c 'import sys; print("%s.%s" % sys.version_info[:2])' >> ../../../said
          echo release= >> "$GITHUB_OUTPUT"
  release:
    if: needs.test.outputs.release != ''
    needs: test
    runs-on: ubuntu-24.04
    steps:
      - run: exit 1
"""


def run(folder: Path, pythons: list[str], **skipped: str) -> tuple[list[str], list[str]]:
    """Run the workflow with a matrix, and return what the Pythons said, and what was not run."""
    file = folder / "workflow.yml"
    file.write_text(WORKFLOW.replace("PYTHONS", str(pythons)), encoding="utf-8")
    made = workflows.Run(folder, folder / "run", {}, lambda *_: "", skipped)
    made.workflow(file)
    left = [f"{step.job}: {step.why_not}" for step in made.steps if step.why_not]
    return (folder / "said").read_text("utf-8").split(), left


def test_each_python_of_the_matrix(tmp_path: Path) -> None:
    pythons = list(cpythons.installed())[:2]
    assert run(tmp_path, pythons, release="no tag") == (pythons, ["release: no tag"])


def test_python_that_is_not_here(tmp_path: Path) -> None:
    said, left = run(tmp_path, ["3.99"], release="no tag")
    assert said == [OURS]
    assert left == ["test: no Python 3.99 here: the tests' own in its place", "release: no tag"]


def test_job_that_is_skipped_without_a_reason(tmp_path: Path) -> None:
    with pytest.raises(workflows.WorkflowError, match="release was skipped"):
        run(tmp_path, [OURS])


@pytest.mark.parametrize(
    ("condition", "is_met"),
    [
        ("startsWith(matrix.platform, 'musl')", True),
        ("!startsWith(matrix.platform, 'musl')", False),
        ("startsWith(matrix.platform, 'macos')", False),
        ("needs.sdists.outputs.release != 'none'", True),
        ("needs.sdists.outputs.release == 'provider'", False),
    ],
)
def test_conditions(condition: str, is_met: bool) -> None:
    known = {
        "matrix": {"platform": "musllinux-x86_64"},
        "needs": {"sdists": {"release": "consumer"}},
    }
    for written in (condition, f"${{{{ {condition} }}}}"):
        assert workflows._condition(written, known) == is_met


def test_files_that_are_not_uploaded(tmp_path: Path) -> None:
    for name in ("a-1.whl", "b-1.whl", "a-1.tar.gz"):
        (tmp_path / "job" / "dist").mkdir(parents=True, exist_ok=True)
        (tmp_path / "job" / "dist" / name).touch()
    run = workflows.Run(tmp_path, tmp_path, {}, lambda *_: "")
    run._upload({"name": "x", "path": "dist/*.whl\n!dist/b-*"}, tmp_path / "job")
    assert [file.name for file in (tmp_path / "artifacts" / "x").iterdir()] == ["a-1.whl"]
