"""What the template's files may call."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import click
from jinja2 import Environment
from jinja2.ext import Extension

from .answers import Answers, check, check_all, import_name

# How generated projects require native-lib-loader once it is published, for example ">=0.1,<1". Until
# then nothing may ask an index for it: anybody could register the name.
PUBLISHED = ""
FROM_GIT = " @ git+{url}@{commit}#subdirectory=loader"
FROM_FOLDER = " @ {url}"
CMAKE_LINE_LENGTH = 80


def pair_folder(items: Iterable[tuple[str, str]]) -> str:
    """Check all answers, then return the name of the folder to generate.

    Args:
        items: the answers. Not as a mapping, because cruft looks for the template in a folder with
            "cookiecutter." in its name, and ``cookiecutter.items()`` is one.
    """
    answers = dict(items)
    check_all(answers)
    loader_sources()
    return f"{answers['library_name']}-wheels"


def loader_sources() -> str:
    """Return the folder of native-lib-loader's sources, from which files are vendored.

    Raises:
        click.ClickException: the template was taken out of its repository.
    """
    folder = Path(__file__).resolve().parents[2] / "loader" / "src"
    if not folder.is_dir():
        raise click.ClickException(
            f"{folder} is missing: use the template in a clone of its repository"
        )
    return str(folder)


def loader_source(answers: Answers) -> str:
    """Return what follows the name native-lib-loader in a requirement of a generated project.

    It comes from where the template came from: the repository and the commit if that commit has just
    this loader and others can get it, else the folder on this machine.

    Args:
        answers: `_loader` among them, which nobody is asked, comes first.
    """
    if answers["_loader"]:
        return answers["_loader"]
    root = Path(__file__).resolve().parents[2]
    commit = "" if PUBLISHED else _published_commit(root)
    if commit:
        url = _public_url(root, _git(root, "config", "--get", "remote.origin.url"))
        return FROM_GIT.format(url=url, commit=commit)
    return PUBLISHED or FROM_FOLDER.format(url=(root / "loader").as_uri())


def _published_commit(root: Path) -> str:
    """Return the commit of a clone; empty if its remote lacks that, or the loader was changed since."""
    top = _git(root, "rev-parse", "--show-toplevel")
    # A folder inside of somebody else's repository has no commit of its own.
    if not top or Path(top).resolve() != root or _git(root, "status", "--porcelain", "loader"):
        return ""
    published = _git(root, "for-each-ref", "--contains", "HEAD", "refs/remotes/origin", "refs/tags")
    return _git(root, "rev-parse", "HEAD") if published else ""


def _public_url(root: Path, url: str) -> str:
    """Return a remote's address as others can use it: without keys or passwords of this machine."""
    ssh = re.fullmatch(r"(?:ssh://)?[\w.-]+@([\w.-]+)(?::\d+/|[:/])(.+)", url)
    if ssh:
        return f"https://{ssh[1]}/{ssh[2]}"
    if "://" not in url:
        return (root / url).resolve().as_uri()
    return re.sub(r"^(https?://)[^/@]*@", r"\1", url)


def _git(folder: Path, *arguments: str) -> str:
    """Return what git says of a folder; empty if it cannot."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""  # git is not installed
    return "" if done.returncode else done.stdout.strip()


def toml(value: str) -> str:
    """Return a string as TOML writes it, quotes and all."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def cmake_call(command: str, *groups: str) -> str:
    """Return a call in CMake as gersemi formats it.

    Args:
        command: the command.
        groups: its arguments, each keyword together with its values.
    """
    line = f"{command}({' '.join(groups)})"
    if len(line) <= CMAKE_LINE_LENGTH:
        return line
    indent = " " * 4
    lines: list[str] = []
    for group in groups:
        if len(indent + group) <= CMAKE_LINE_LENGTH:
            lines.append(indent + group)
        else:
            head, values = group.split(maxsplit=1)
            lines += [indent + head, indent * 2 + values]
    return "\n".join([f"{command}(", *lines, ")"])


class PairExtension(Extension):
    """Gives the functions above to the template's files and to cookiecutter.json."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        # cruft renders an old and a new template in one process; each needs its own modules.
        for name in (__name__, check.__module__):
            sys.modules.pop(name, None)
        environment.globals.update(
            check=check,
            pair_folder=pair_folder,
            loader_sources=loader_sources,
            import_name=import_name,
            loader_source=loader_source,
            toml=toml,
            cmake_call=cmake_call,
        )
