"""docs/how-to/vendor.md: what it says of cruft, with a template's repository on this machine."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import building
import docs_pages
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")

PAGE = (docs_pages.HOW_TO / "vendor.md").read_text("utf-8")
URL = "https://github.com/org/native-lib-template"


@pytest.fixture
def git(tmp_path: Path) -> dict[str, str]:
    """The environment in which git takes a repository here for GitHub's."""
    settings = tmp_path / "gitconfig"
    settings.write_text(
        "[user]\nname = x\nemail = x@example.org\n[init]\ndefaultBranch = main\n"
        f'[url "{(tmp_path / "template.git").as_uri()}"]\ninsteadOf = {URL}\n',
        encoding="utf-8",
    )
    return {
        "GIT_CONFIG_GLOBAL": str(settings),
        "GIT_CONFIG_NOSYSTEM": "1",
        "COOKIECUTTER_CONFIG": str(cookiecutter_config(tmp_path)),
    }


def cookiecutter_config(folder: Path) -> Path:
    """Have cookiecutter keep its clones here, and not in a person's home."""
    config = folder / "cookiecutter.yaml"
    kept = (f"{what}_dir: {folder / what}\n" for what in ("replay", "cookiecutters"))
    config.write_text("".join(kept), encoding="utf-8")
    return config


@pytest.fixture
def template(tmp_path: Path, git: dict[str, str]) -> Path:
    """The template as it is now, in a repository, and published from there."""
    source = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(building.ROOT / "template", source / "template", ignore=ignore)
    shutil.copytree(building.ROOT / "loader", source / "loader", ignore=ignore)
    for name in ("cookiecutter.json", ".gitignore"):
        shutil.copy(building.ROOT / name, source)
    for command in ("init -q", "add --all", "commit -qm x"):
        building.run("git", *command.split(), cwd=source, env=git)
    building.run("git", "clone", "-q", "--bare", source, tmp_path / "template.git", env=git)
    return source


@pytest.mark.parametrize("begin", ["Generate with cruft", "Or tell cruft of a pair that you have"])
def test_what_is_said_of_cruft(
    template: Path, git: dict[str, str], tmp_path: Path, begin: str
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    # The test's own settings in place of none.
    config = {"--default-config": f"--config-file {git['COOKIECUTTER_CONFIG']}"}
    assert docs_pages.play(docs_pages.section(PAGE, begin), work, env=git, replace=config) >= 4
    pair = work / "dice-wheels"
    if begin != "Generate with cruft":
        return

    (noxfile,) = (template / "template").rglob("noxfile.py")
    noxfile.write_text(noxfile.read_text("utf-8") + "NEW = 1\n", encoding="utf-8")
    building.run("git", "commit", "-qam", "y", cwd=template, env=git)
    building.run("git", "push", "-q", tmp_path / "template.git", "HEAD", cwd=template, env=git)
    docs_pages.play(docs_pages.section(PAGE, "When the template has changed"), pair, env=git)
    assert (pair / "noxfile.py").read_text("utf-8").endswith("NEW = 1\n")
