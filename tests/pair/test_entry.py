"""Every way in gives the same pair: a folder, a git URL, a replay, cruft."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import building
import local_extensions
import pytest

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
        building.run("git", *command, cwd=folder, env=GIT)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The template as it is now, committed in a repository of its own."""
    folder = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(building.ROOT / "template", folder / "template", ignore=ignore)
    ignore = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    shutil.copytree(building.ROOT / "loader", folder / "loader", ignore=ignore)
    shutil.copy(building.ROOT / "cookiecutter.json", folder)
    (folder / ".gitignore").write_text("__pycache__/\n", encoding="utf-8")
    commit(folder)
    return folder


@pytest.fixture
def url(source: Path) -> str:
    """The URL of a bare clone of that repository."""
    bare = source.with_name("native-lib-template.git")
    building.run("git", "clone", "-q", "--bare", source, bare, env=GIT)
    return bare.as_uri()


def cookiecutter(folder: Path, *arguments: str | Path) -> Path:
    """Run the command with nobody to answer, and return the one folder that it made."""
    output = folder / f"output-{len([*folder.glob('output-*')])}"
    config = folder / "config.yaml"
    kept = {f"{what}_dir": str(folder / what) for what in ("replay", "cookiecutters")}
    config.write_text(json.dumps(kept), encoding="utf-8")
    options = ("--config-file", config, "--output-dir", output)
    assert building.run(building.tool("cookiecutter"), *arguments, *options, env=GIT) == ""
    (made,) = output.iterdir()
    return made


SOURCE = re.compile(
    rb'# The `native-lib` command, from (.+)\.\nNATIVE_LIB = "native-lib-loader\[tools\] @ (.+)"\n'
)


def tree(folder: Path) -> dict[str, bytes]:
    """Return what each file holds, without the note that cruft leaves and where the loader comes from."""
    return {
        path.relative_to(folder).as_posix(): SOURCE.sub(b"", path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".cruft.json"
    }


def loader_source(pair: Path) -> str:
    """Return where a pair's `native-lib` comes from."""
    found = SOURCE.search((pair / "noxfile.py").read_bytes())
    assert found
    told, source = (part.decode() for part in found.groups())
    assert ("this machine" in told) == source.startswith("file:")
    return source


def head(folder: Path) -> str:
    """Return the commit that a repository is at."""
    return building.run("git", "rev-parse", "HEAD", cwd=folder, env=GIT).strip()


def at(url: str, commit: str) -> str:
    """Return what pip installs the loader of a commit from."""
    return f"git+{url}@{commit}#subdirectory=loader"


def test_every_way_in_gives_the_same(tmp_path: Path, url: str) -> None:
    made = cookiecutter(tmp_path, building.ROOT, "--no-input")
    assert made.name == "foo-wheels"
    assert {path.name for path in made.iterdir()} == {
        *("libfoo", "foo-ext", "README.md", "noxfile.py", "LICENSE"),
        *(".gitattributes", ".gitignore", ".github"),
    }
    expected = tree(made)
    for arguments in (
        (building.ROOT / "template", "--no-input"),
        (building.ROOT, "--directory", "template", "--no-input"),
        (url, "--no-input"),
        (url, "--directory", "template", "--no-input"),
    ):
        assert tree(cookiecutter(tmp_path, *arguments)) == expected


def test_replays_give_the_same(tmp_path: Path) -> None:
    answers = ("library_name=bar", 'author=José "J" <&> \\', "language=cxx", "binding=cython")
    expected = tree(cookiecutter(tmp_path, building.ROOT, "--no-input", *answers))
    full = tmp_path / "replay" / "template.json"
    context = json.loads(full.read_text("utf-8"))["cookiecutter"]
    public = {question: context[question] for question in context if question[0] != "_"}
    short = tmp_path / "answers.json"
    short.write_text(json.dumps({"cookiecutter": public}), encoding="utf-8")
    for file in (full, short):
        for template in ((building.ROOT, "--directory", "template"), (building.ROOT / "template",)):
            # cookiecutter writes its own replay file over the one that it was given.
            copied = shutil.copy(file, tmp_path / f"{file.stem}-copy.json")
            assert tree(cookiecutter(tmp_path, *template, "--replay-file", copied)) == expected


def test_cruft_creates_checks_and_updates(tmp_path: Path, source: Path, url: str) -> None:
    cruft = building.tool("cruft")
    options = ("--directory", "template", "--no-input", "--default-config")
    building.run(cruft, "create", url, *options, cwd=tmp_path, env=GIT)
    pair = tmp_path / "foo-wheels"
    assert tree(pair) == tree(cookiecutter(tmp_path, building.ROOT, "--no-input"))
    assert loader_source(pair) == at(url, head(source))
    (pair / "libfoo" / "src" / "mine.c").write_text("int mine;\n", encoding="utf-8")
    commit(pair)
    building.run(cruft, "check", cwd=pair, env=GIT)

    (noxfile,) = (source / "template").rglob("noxfile.py")
    noxfile.write_text(noxfile.read_text("utf-8") + "\nNEW = CONSUMER\n", encoding="utf-8")
    (header,) = (source / "template").rglob("*cookiecutter.language == 'c'*.h*")
    header.write_text(header.read_text("utf-8").replace("may be newer", "can be newer"), "utf-8")
    # A question that the pair was not asked, with a check that the old template does not have.
    questions = source / "template" / "cookiecutter.json"
    text = questions.read_text("utf-8")
    asked = '"new": "yes",\n  "__check_new": "{{ check(cookiecutter, \'new\') }}",\n  "license": ['
    questions.write_text(text.replace('"license": [', asked, 1), encoding="utf-8")
    checks = source / "template" / "local_extensions" / "answers.py"
    text = checks.read_text("utf-8")
    text = text.replace("CHECKS = {", 'CHECKS = {\n    "new": lambda answers: "",', 1)
    checks.write_text(text, encoding="utf-8")
    commit(source)
    building.run("git", "push", "-q", url, "HEAD", cwd=source, env=GIT)
    building.run(cruft, "check", cwd=pair, env=GIT, fails=True)
    before = tree(pair)
    building.run(cruft, "update", "--skip-apply-ask", cwd=pair, env=GIT)
    after = tree(pair)
    changed = {name for name in before if before[name] != after[name] and name[:5] != ".git/"}
    assert changed == {"noxfile.py", "libfoo/include/foo/foo.h"}
    assert after["noxfile.py"] == before["noxfile.py"] + b"\nNEW = CONSUMER\n"
    assert b"can be newer" in after["libfoo/include/foo/foo.h"]
    assert after["libfoo/src/mine.c"] == b"int mine;\n"
    # The loader's commit follows the template's.
    assert loader_source(pair) == at(url, head(source))
    building.run(cruft, "check", cwd=pair, env=GIT)


# The last commit that vendored into cmake/ and into the packages.
OLD_LAYOUT = "e95f5d9e45"


def test_cruft_updates_a_pair_of_the_old_layout(tmp_path: Path) -> None:
    source = tmp_path / "source"
    known = ("git", "cat-file", "-e", f"{OLD_LAYOUT}^{{commit}}")
    try:
        building.run(*known, cwd=building.ROOT, env=GIT)
    except (building.CommandError, FileNotFoundError):
        pytest.skip("this is no clone with its history")
    building.run("git", "clone", "-q", "--no-checkout", building.ROOT, source, env=GIT)
    building.run("git", "checkout", "-q", "-B", "main", OLD_LAYOUT, cwd=source, env=GIT)
    bare = (tmp_path / "template.git").as_uri()
    building.run("git", "clone", "-q", "--bare", source, tmp_path / "template.git", env=GIT)
    cruft = building.tool("cruft")
    options = ("--directory", "template", "--no-input", "--default-config")
    building.run(cruft, "create", bare, *options, cwd=tmp_path, env=GIT)
    pair = tmp_path / "foo-wheels"
    assert (pair / "libfoo" / "cmake" / "NativeLibrary.cmake").is_file()
    (pair / "libfoo" / "src" / "mine.c").write_text("int mine;\n", encoding="utf-8")
    commit(pair)

    for folder in ("template", "loader"):
        shutil.rmtree(source / folder)
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(building.ROOT / folder, source / folder, ignore=ignore)
    commit(source)
    building.run("git", "push", "-q", bare, "HEAD:main", cwd=source, env=GIT)
    building.run(cruft, "update", "--skip-apply-ask", cwd=pair, env=GIT)
    made = {name: text for name, text in tree(pair).items() if not name.startswith(".git/")}
    assert made.pop("libfoo/src/mine.c") == b"int mine;\n"
    assert made == tree(cookiecutter(tmp_path, building.ROOT, "--no-input"))


def test_loader_comes_from_the_templates_commit(tmp_path: Path, source: Path, url: str) -> None:
    expected = at(url, head(source))
    for arguments in ((url,), (url, "--directory", "template"), (url, "--checkout", head(source))):
        assert loader_source(cookiecutter(tmp_path, *arguments, "--no-input")) == expected
    # The same from a clone that somebody made, and not if others cannot get what is in it.
    clone = tmp_path / "clone"
    building.run("git", "clone", "-q", url, clone, env=GIT)
    assert loader_source(cookiecutter(tmp_path, clone, "--no-input")) == expected
    readme = clone / "loader" / "README.md"
    readme.write_text("changed\n", encoding="utf-8")
    folder = (clone / "loader").as_uri()
    assert loader_source(cookiecutter(tmp_path, clone, "--no-input")) == folder
    building.run("git", "commit", "-qam", "y", cwd=clone, env=GIT)
    assert loader_source(cookiecutter(tmp_path, clone, "--no-input")) == folder
    building.run("git", "push", "-q", "origin", "HEAD", cwd=clone, env=GIT)
    assert loader_source(cookiecutter(tmp_path, clone, "--no-input")) == at(url, head(clone))
    # A tag is as good as a branch.
    building.run("git", "checkout", "-q", "--detach", cwd=clone, env=GIT)
    building.run("git", "commit", "-q", "--allow-empty", "-m", "z", cwd=clone, env=GIT)
    building.run("git", "tag", "v1", cwd=clone, env=GIT)
    building.run("git", "push", "-q", "origin", "v1", cwd=clone, env=GIT)
    tagged = cookiecutter(tmp_path, url, "--checkout", "v1", "--no-input")
    assert loader_source(tagged) == at(url, head(clone))


def test_loader_of_a_plain_folder(tmp_path: Path, source: Path) -> None:
    """Also inside of a repository of somebody else's, whose commit has nothing to do with it."""
    mine = tmp_path / "mine"
    plain = mine / "a template"
    shutil.copytree(source, plain, ignore=shutil.ignore_patterns(".git"))
    expected = (plain / "loader").as_uri()
    assert " " not in expected
    assert loader_source(cookiecutter(tmp_path, plain, "--no-input")) == expected
    commit(mine)
    building.run("git", "clone", "-q", mine, tmp_path / "cloned", env=GIT)
    cloned = tmp_path / "cloned" / "a template"
    expected = (cloned / "loader").as_uri()
    assert loader_source(cookiecutter(tmp_path, cloned, "--no-input")) == expected


def test_loader_named_by_an_answer(tmp_path: Path) -> None:
    """For whoever has a mirror."""
    made = cookiecutter(
        tmp_path, building.ROOT, "--no-input", "_loader= @ https://example.org/x.whl"
    )
    assert loader_source(made) == "https://example.org/x.whl"


def test_loader_can_be_installed_from_there(tmp_path: Path, url: str) -> None:
    """As a first push of a generated pair does it; no index needs to have the loader."""
    pair = cookiecutter(tmp_path, url, "--no-input")
    env = building.new_environment(tmp_path / "env")
    what = f"native-lib-loader[tools] @ {loader_source(pair)}"
    building.uv("pip", "install", "--quiet", "--python", env.python, what, env=GIT)
    said = building.run(env.python, "-m", "native_lib", "check", "--help")
    assert "--require TAG" in said


@pytest.mark.parametrize(
    ("remote", "public"),
    [
        ("https://github.com/org/x", "https://github.com/org/x"),
        ("https://github.com/org/x.git", "https://github.com/org/x.git"),
        ("https://me:secret@github.com/org/x", "https://github.com/org/x"),
        ("https://secret@github.com/org/x", "https://github.com/org/x"),
        ("git@github.com:org/x.git", "https://github.com/org/x.git"),
        ("ssh://git@github.com/org/x.git", "https://github.com/org/x.git"),
        ("ssh://git@example.org:2222/org/x.git", "https://example.org/org/x.git"),
        ("/src/x y", "file:///src/x%20y"),
        ("../x", "file:///src/x"),
    ],
)
def test_address_of_a_remote(remote: str, public: str) -> None:
    """What others can use, and no password of this machine's."""
    assert local_extensions._public_url(Path("/src/here"), remote) == public


def test_published_loader_is_a_bounded_requirement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_extensions, "PUBLISHED", ">=0.1,<1")
    assert local_extensions.loader_source({"_loader": ""}) == ">=0.1,<1"


def test_bad_answer_to_cruft_writes_nothing(tmp_path: Path, url: str) -> None:
    context = json.dumps({"library_name": "foo__bar"})
    command = ("create", url, "--directory", "template", "--no-input", "--extra-context", context)
    said = building.run(building.tool("cruft"), *command, cwd=tmp_path, env=GIT, fails=True)
    assert "foo__bar" in said
    assert [path.name for path in tmp_path.glob("*-wheels")] == []


def test_readme_shows_what_is_printed(pair: building.Pair, installed: building.Environment) -> None:
    text = (pair.folder / "README.md").read_text("utf-8")
    (first_screen,) = re.findall(r"\A# .*\n\n```console\n((?:.*\n)*?)```\n", text)
    assert len(first_screen.splitlines()) < 10
    (code,) = re.findall(r"^\$ NATIVE_LIB_DEBUG=1 python -c '(.*)'$", first_screen, re.MULTILINE)
    said = installed.run(code, env={"NATIVE_LIB_DEBUG": "1"})
    shown = first_screen.partition(f"'{code}'\n")[2]
    assert re.fullmatch(re.escape(shown).replace("…", ".*"), said)
