"""The checks of the answers.

A check runs as soon as its question is answered (the ``__check_`` entries of cookiecutter.json),
and all of them run before the first file is written (`pair_folder`), which also covers replays.
"""

import json
import keyword
import re
import sys
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import click

Answers = Mapping[str, str]

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


def check_all(answers: Answers) -> None:
    """Check all answers.

    Raises:
        click.ClickException: one of them cannot be used.
    """
    file = Path(__file__).parents[1] / "cookiecutter.json"
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


def import_name(distribution: str) -> str:
    """Return the name that a distribution is imported by."""
    return distribution.replace("-", "_")


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
