"""Every way in gives the same pair: a folder, a git URL, a replay, cruft."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import lab
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")

IDENTITY = {
    f"GIT_{who}_{what}": "x@example.org"
    for who in ("AUTHOR", "COMMITTER")
    for what in ("NAME", "EMAIL")
}
# A person's own settings must not decide what a test sees.
GIT = {**IDENTITY, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


def commit(folder: Path) -> None:
    for command in (("init", "-q"), ("add", "--all"), ("commit", "-qm", "x")):
        lab.run("git", *command, cwd=folder, env=GIT)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The template as it is now, committed in a repository of its own."""
    folder = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(lab.ROOT / "template", folder / "template", ignore=ignore)
    shutil.copytree(lab.ROOT / "loader", folder / "loader", ignore=ignore)
    shutil.copy(lab.ROOT / "cookiecutter.json", folder)
    commit(folder)
    return folder


@pytest.fixture
def url(source: Path) -> str:
    """The URL of a bare clone of that repository."""
    bare = source.with_name("native-lib-template.git")
    lab.run("git", "clone", "-q", "--bare", source, bare, env=GIT)
    return bare.as_uri()


def cookiecutter(folder: Path, *arguments: str | Path) -> Path:
    """Run the command with nobody to answer, and return the one folder that it made."""
    output = folder / f"output-{len([*folder.glob('output-*')])}"
    config = folder / "config.yaml"
    kept = {f"{what}_dir": str(folder / what) for what in ("replay", "cookiecutters")}
    config.write_text(json.dumps(kept), encoding="utf-8")
    options = ("--config-file", config, "--output-dir", output)
    assert lab.run(lab.tool("cookiecutter"), *arguments, *options, env=GIT) == ""
    (made,) = output.iterdir()
    return made


def tree(folder: Path) -> dict[str, bytes]:
    """Return what each file holds, without the note that cruft leaves."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".cruft.json"
    }


def test_every_way_in_gives_the_same(tmp_path: Path, url: str) -> None:
    made = cookiecutter(tmp_path, lab.ROOT, "--no-input")
    assert made.name == "foo-wheels"
    assert {path.name for path in made.iterdir()} == {
        *("libfoo", "foo-ext", "README.md", "noxfile.py", "LICENSE"),
        *(".gitattributes", ".gitignore", ".github"),
    }
    expected = tree(made)
    for arguments in (
        (lab.ROOT / "template", "--no-input"),
        (lab.ROOT, "--directory", "template", "--no-input"),
        (url, "--no-input"),
        (url, "--directory", "template", "--no-input"),
    ):
        assert tree(cookiecutter(tmp_path, *arguments)) == expected


def test_replays_give_the_same(tmp_path: Path) -> None:
    answers = ("library_name=bar", 'author=José "J" <&> \\', "language=cxx", "binding=cython")
    expected = tree(cookiecutter(tmp_path, lab.ROOT, "--no-input", *answers))
    full = tmp_path / "replay" / "template.json"
    context = json.loads(full.read_text("utf-8"))["cookiecutter"]
    public = {question: context[question] for question in context if question[0] != "_"}
    short = tmp_path / "answers.json"
    short.write_text(json.dumps({"cookiecutter": public}), encoding="utf-8")
    for file in (full, short):
        for template in ((lab.ROOT, "--directory", "template"), (lab.ROOT / "template",)):
            # cookiecutter writes its own replay file over the one that it was given.
            copied = shutil.copy(file, tmp_path / f"{file.stem}-copy.json")
            assert tree(cookiecutter(tmp_path, *template, "--replay-file", copied)) == expected


def test_cruft_creates_checks_and_updates(tmp_path: Path, source: Path, url: str) -> None:
    cruft = lab.tool("cruft")
    options = ("--directory", "template", "--no-input", "--default-config")
    lab.run(cruft, "create", url, *options, cwd=tmp_path, env=GIT)
    pair = tmp_path / "foo-wheels"
    assert tree(pair) == tree(cookiecutter(tmp_path, lab.ROOT, "--no-input"))
    (pair / "libfoo" / "src" / "mine.c").write_text("int mine;\n", encoding="utf-8")
    commit(pair)
    lab.run(cruft, "check", cwd=pair, env=GIT)

    (noxfile,) = (source / "template").rglob("noxfile.py")
    noxfile.write_text(noxfile.read_text("utf-8") + "\nNEW = CONSUMER\n", encoding="utf-8")
    (header,) = (source / "template").rglob("*cookiecutter.language == 'c'*.h*")
    header.write_text(header.read_text("utf-8").replace("may be newer", "can be newer"), "utf-8")
    # A question that the pair was not asked, with a check that the old template does not have.
    questions = source / "template" / "cookiecutter.json"
    text = questions.read_text("utf-8")
    asked = '"new": "yes",\n  "__check_new": "{{ check(cookiecutter, \'new\') }}",\n  "license": ['
    questions.write_text(text.replace('"license": [', asked, 1), encoding="utf-8")
    extensions = source / "template" / "local_extensions.py"
    text = extensions.read_text("utf-8")
    text = text.replace("CHECKS = {", 'CHECKS = {\n    "new": lambda answers: "",', 1)
    extensions.write_text(text, encoding="utf-8")
    commit(source)
    lab.run("git", "push", "-q", url, "HEAD", cwd=source, env=GIT)
    lab.run(cruft, "check", cwd=pair, env=GIT, fails=True)
    before = tree(pair)
    lab.run(cruft, "update", "--skip-apply-ask", cwd=pair, env=GIT)
    after = tree(pair)
    changed = {name for name in before if before[name] != after[name] and name[:5] != ".git/"}
    assert changed == {"noxfile.py", "libfoo/include/foo/foo.h"}
    assert after["noxfile.py"] == before["noxfile.py"] + b"\nNEW = CONSUMER\n"
    assert b"can be newer" in after["libfoo/include/foo/foo.h"]
    assert after["libfoo/src/mine.c"] == b"int mine;\n"
    lab.run(cruft, "check", cwd=pair, env=GIT)


# The last commit that vendored into cmake/ and into the packages.
OLD_LAYOUT = "e95f5d9e45"


def test_cruft_updates_a_pair_of_the_old_layout(tmp_path: Path) -> None:
    source = tmp_path / "source"
    known = ("git", "cat-file", "-e", f"{OLD_LAYOUT}^{{commit}}")
    try:
        lab.run(*known, cwd=lab.ROOT, env=GIT)
    except (lab.CommandError, FileNotFoundError):
        pytest.skip("this is no clone with its history")
    lab.run("git", "clone", "-q", "--no-checkout", lab.ROOT, source, env=GIT)
    lab.run("git", "checkout", "-q", "-B", "main", OLD_LAYOUT, cwd=source, env=GIT)
    bare = (tmp_path / "template.git").as_uri()
    lab.run("git", "clone", "-q", "--bare", source, tmp_path / "template.git", env=GIT)
    cruft = lab.tool("cruft")
    options = ("--directory", "template", "--no-input", "--default-config")
    lab.run(cruft, "create", bare, *options, cwd=tmp_path, env=GIT)
    pair = tmp_path / "foo-wheels"
    assert (pair / "libfoo" / "cmake" / "NativeLibrary.cmake").is_file()
    (pair / "libfoo" / "src" / "mine.c").write_text("int mine;\n", encoding="utf-8")
    commit(pair)

    for folder in ("template", "loader"):
        shutil.rmtree(source / folder)
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(lab.ROOT / folder, source / folder, ignore=ignore)
    commit(source)
    lab.run("git", "push", "-q", bare, "HEAD:main", cwd=source, env=GIT)
    lab.run(cruft, "update", "--skip-apply-ask", cwd=pair, env=GIT)
    made = {name: text for name, text in tree(pair).items() if not name.startswith(".git/")}
    assert made.pop("libfoo/src/mine.c") == b"int mine;\n"
    assert made == tree(cookiecutter(tmp_path, lab.ROOT, "--no-input"))


def test_bad_answer_to_cruft_writes_nothing(tmp_path: Path, url: str) -> None:
    context = json.dumps({"library_name": "foo__bar"})
    command = ("create", url, "--directory", "template", "--no-input", "--extra-context", context)
    said = lab.run(lab.tool("cruft"), *command, cwd=tmp_path, env=GIT, fails=True)
    assert "foo__bar" in said
    assert [path.name for path in tmp_path.glob("*-wheels")] == []


def test_readme_shows_what_is_printed(pair: lab.Pair, installed: lab.Environment) -> None:
    text = (pair.folder / "README.md").read_text("utf-8")
    (first_screen,) = re.findall(r"\A# .*\n\n```console\n((?:.*\n)*?)```\n", text)
    assert len(first_screen.splitlines()) < 10
    (code,) = re.findall(r"^\$ NATIVE_LIB_DEBUG=1 python -c '(.*)'$", first_screen, re.MULTILINE)
    said = installed.run(code, env={"NATIVE_LIB_DEBUG": "1"})
    shown = first_screen.partition(f"'{code}'\n")[2]
    assert re.fullmatch(re.escape(shown).replace("…", ".*"), said)
