"""What the template's files may call, and the checks of the answers.

A check runs as soon as its question is answered (the ``__check_`` entries of cookiecutter.json),
and all of them run before the first file is written (`pair_folder`), which also covers replays.
"""

import json
import keyword
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

import click
from jinja2 import Environment
from jinja2.ext import Extension

Answers = Mapping[str, str]

# How generated projects require native-lib-loader once it is published, for example ">=0.1,<1". Until
# then nothing may ask an index for it: anybody could register the name.
PUBLISHED = ""
FROM_GIT = " @ git+{url}@{commit}#subdirectory=loader"
FROM_FOLDER = " @ {url}"
CMAKE_LINE_LENGTH = 80
LONGEST_NAME = 40
# Leaves room for what the other two names add to it by default.
LONGEST_LIBRARY_NAME = LONGEST_NAME - len("-ext")
# As a target's name, CMake takes these for itself.
CMAKE_TARGETS = """
all clean codegen depend edit_cache help install package package_source preinstall rebuild_cache
test
"""
WINDOWS_FILES = {"con", "prn", "aux", "nul"} | {
    f"{n}{i}" for n in ("com", "lpt") for i in range(10)
}
# The library's name becomes a namespace and the stem of a header.
C_WORDS = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t
char8_t class co_await co_return co_yield compl concept const const_cast consteval constexpr
constinit continue decltype default delete do double dynamic_cast else enum explicit export extern
false float for friend goto if inline int linux long main mutable namespace new noexcept not not_eq
nullptr operator or or_eq private protected public register reinterpret_cast requires restrict
return short signed sizeof static static_assert static_cast std struct switch template this
thread_local throw true try typedef typeid typename typeof union unix unsigned using virtual void
volatile wchar_t while xor xor_eq
"""
# Names of things in the extension module's sources, and of CMake packages that its build looks for.
SOURCE_NAMES = """
area area_of_square methods module nanobind nb py pybind11 python slots square version
"""
# CMake packages that the consumer's build itself looks for.
BUILD_PACKAGES = """
cmake cython nanobind pkgconfig pybind11 python python3 skbuild
"""
# Names in the generated folder, and of distributions that building and testing it installs.
PROJECT_NAMES = """
build cmake cython dist exceptiongroup iniconfig license nanobind ninja nox packaging pathspec pip
pluggy pybind11 pygments pytest scikit_build_core setuptools tomli
"""
# Standard-library modules of some, but not all, Pythons from 3.10: the answer to a name must not
# depend on the Python that runs cookiecutter.
OTHER_STDLIB_MODULES = """
aifc annotationlib asynchat asyncore audioop binhex cgi cgitb chunk compression crypt distutils
imghdr imp lib2to3 mailcap msilib nis nntplib ossaudiodev pipes smtpd sndhdr spwd sunau telnetlib
tomllib uu xdrlib
"""


def check(answers: Answers, question: str) -> str:
    """Check one answer, if it was given yet.

    Args:
        answers: the answers so far.
        question: which of them.

    Returns:
        An empty string: cookiecutter.json needs a value.

    Raises:
        click.ClickException: the answer cannot be used; cookiecutter prints "Error: ..." and exits
            with 1, having written nothing.
    """
    if question in answers:
        # A replay file may hold any JSON value.
        is_text = isinstance(answers[question], str)
        complaint = CHECKS[question](answers) if is_text else "write text, in quotes"
        if complaint:
            raise click.ClickException(f"{question} {str(answers[question])!r}: {complaint}")
    return ""


def pair_folder(items: Iterable[tuple[str, str]]) -> str:
    """Check all answers, then return the name of the folder to generate.

    Args:
        items: the answers. Not as a mapping, because cruft looks for the template in a folder with
            "cookiecutter." in its name, and ``cookiecutter.items()`` is one.
    """
    answers = dict(items)
    file = Path(__file__).with_name("cookiecutter.json")
    questions = json.loads(file.read_text(encoding="utf-8"))
    for question, offered in questions.items():
        if question.startswith("_"):
            continue
        if isinstance(offered, list) and answers[question] not in offered:
            raise click.ClickException(
                f"{question} {answers[question]!r}: choose one of {', '.join(offered)}"
            )
        if question in CHECKS:
            check(answers, question)
    loader_sources()
    return f"{answers['library_name']}-wheels"


def loader_sources() -> str:
    """Return the folder of native-lib-loader's sources, from which files are vendored.

    Raises:
        click.ClickException: the template was taken out of its repository.
    """
    folder = Path(__file__).resolve().parents[1] / "loader" / "src"
    if not folder.is_dir():
        raise click.ClickException(
            f"{folder} is missing: use the template in a clone of its repository"
        )
    return str(folder)


def import_name(distribution: str) -> str:
    """Return the name that a distribution is imported by."""
    return distribution.replace("-", "_")


def loader_source(answers: Answers) -> str:
    """Return what follows the name native-lib-loader in a requirement of a generated project.

    It comes from where the template came from: the repository and the commit if that commit has just
    this loader and others can get it, else the folder on this machine.

    Args:
        answers: `_loader` among them, which nobody is asked, comes first.
    """
    if answers["_loader"]:
        return answers["_loader"]
    root = Path(__file__).resolve().parent.parent
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


def _library_name(answers: Answers) -> str:
    name = answers["library_name"]
    if "__" in name:
        return "write single underscores; a double one separates provider and library in file names"
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        return "write lower-case letters, digits and single underscores, as in foo or foo_bar"
    if keyword.iskeyword(name) or name in (C_WORDS + CMAKE_TARGETS).split():
        return "this word is reserved in C, C++, Python or CMake; write another name"
    if name in SOURCE_NAMES.split():
        return "the extension module's sources already use this name; write another name"
    return _length_or_windows(name, LONGEST_LIBRARY_NAME)


def _distribution_name(name: str) -> str:
    if "__" in name:
        return "write single underscores; a double one separates provider and library in file names"
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", name):
        return "write lower-case letters, digits and single - or _ between them, as in libfoo"
    module = import_name(name)
    if keyword.iskeyword(module):
        return "this is a Python keyword; write a name that can be imported"
    if module in sys.stdlib_module_names or module in OTHER_STDLIB_MODULES.split():
        return "this is a module of Python's standard library; write another name"
    if module in PROJECT_NAMES.split():
        return "the generated project uses this name for something else; write another name"
    return _length_or_windows(module, LONGEST_NAME)


def _length_or_windows(name: str, longest: int) -> str:
    if len(name) > longest:
        return f"write a name of at most {longest} characters"
    if name in WINDOWS_FILES:
        return "files cannot have this name on Windows; write another name"
    return ""


def _provider_name(answers: Answers) -> str:
    return _distribution_name(answers["provider_name"])


def _extension_name(answers: Answers) -> str:
    complaint = _distribution_name(answers["extension_name"])
    if not complaint and import_name(answers["extension_name"]) == import_name(
        answers.get("provider_name", "")
    ):
        return "provider and consumer are two distributions; write a name that differs from the provider's"
    return complaint


def _cmake_package(answers: Answers) -> str:
    name = answers["cmake_package"]
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or "__" in name:
        return "write letters, digits and single underscores, as in foo or ZLIB"
    if name.lower() in BUILD_PACKAGES.split():
        return "the consumer's build looks for another package of this name; write another name"
    return _length_or_windows(name.lower(), LONGEST_NAME)


def _library_version(answers: Answers) -> str:
    if re.fullmatch(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}", answers["library_version"]):
        return ""
    return "write three numbers, as in 1.4.2"


def _stable_abi(answers: Answers) -> str:
    if answers["stable_abi"] == "yes" and answers.get("binding") == "pybind11":
        return "pybind11 does not support the stable ABI; answer no, or choose another binding"
    return ""


def _github_org(answers: Answers) -> str:
    if re.fullmatch(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*", answers["github_org"]):
        return ""
    return "write a GitHub user or organisation: letters, digits and single hyphens"


def _author(answers: Answers) -> str:
    author = answers["author"]
    # Not isprintable(): it refuses the joiners inside emoji and inside Persian and Indic names.
    kinds = {unicodedata.category(letter) for letter in author}
    if not author.strip() or kinds & {"Cc", "Cs", "Zl", "Zp"}:
        return "write a name on one line, without control characters"
    return ""


def _email(answers: Answers) -> str:
    mailbox = r"[^@\s<>\"(),:;\\[\].]+"
    domain = r"[A-Za-z0-9]+(-+[A-Za-z0-9]+)*"
    address = rf"{mailbox}(\.{mailbox})*@{domain}(\.{domain})+"
    if answers["email"].isprintable() and re.fullmatch(address, answers["email"]):
        return ""
    return "write an address such as you@example.org"


CHECKS = {
    "library_name": _library_name,
    "provider_name": _provider_name,
    "extension_name": _extension_name,
    "cmake_package": _cmake_package,
    "library_version": _library_version,
    "stable_abi": _stable_abi,
    "github_org": _github_org,
    "author": _author,
    "email": _email,
}


class PairExtension(Extension):
    """Gives the functions above to the template's files and to cookiecutter.json."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        # cruft renders an old and a new template in one process; each needs its own module.
        sys.modules.pop(__name__, None)
        environment.globals.update(
            check=check,
            pair_folder=pair_folder,
            loader_sources=loader_sources,
            import_name=import_name,
            loader_source=loader_source,
            toml=toml,
            cmake_call=cmake_call,
        )
