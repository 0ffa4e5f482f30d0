"""The call that `native-lib bind` puts into an ``__init__.py``."""

from __future__ import annotations

import ast
import codecs

import pytest
from native_lib.bind import BindError
from native_lib.bind.init_file import CALL, is_namespace, with_call

# The source, and the text in front of the call.
PLACES = {
    "empty": ("", ""),
    "docstring": ('"""Doc."""\nx = 1\n', '"""Doc."""\n\n'),
    "docstring at the end": ('"""Doc."""', '"""Doc."""\n\n'),
    "docstring of several lines": ('"""A\n\nb\n"""\n\nx = 1\n', '"""A\n\nb\n"""\n\n'),
    "docstring with a comment behind it": ("'d'  # noqa\nx = 1\n", "'d'  # noqa\n\n"),
    "future": (
        '"""D."""\n\nfrom __future__ import annotations\nfrom __future__ import division\nx = 1\n',
        '"""D."""\n\nfrom __future__ import annotations\nfrom __future__ import division\n\n',
    ),
    "future in parentheses": (
        "from __future__ import (\n    annotations,\n)\nimport os\n",
        "from __future__ import (\n    annotations,\n)\n\n",
    ),
    "comments": ("# Copyright\n# more\nimport os\n", "# Copyright\n# more\n\n"),
    "a coding line below an empty one": ("\n# coding: latin-1\nx = 1\n", "\n# coding: latin-1\n\n"),
    "lazy": ("def __getattr__(name):\n    return 1\n", ""),
    "decorator": ("@print\ndef f():\n    pass\n", ""),
    "form feed": ('"""D."""\n\f\nx = 1\n', '"""D."""\n\n'),
    "semicolon at the end": ("'d';\nx = 1\n", "'d';\n\n"),
    "all": ("__all__ = ['a']\n", ""),
}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", PLACES)
def test_call_goes_below_what_must_stay_first(name: str, end: str) -> None:
    end = end if "\n" in PLACES[name][0] else "\n"
    source, before = (text.replace("\n", end) for text in PLACES[name])
    made = with_call("p/__init__.py", source.encode()).decode()
    call = CALL.replace("\n", end)
    assert made.startswith(before + call)
    # All that was there is there, in its order; one empty line may be new on each side.
    rest = made[len(before + call) :]
    kept = before if source.startswith(before) else before[: -len(end)].removesuffix(end)
    assert kept + rest.removeprefix(end) == source or kept + rest == source
    assert with_call("p/__init__.py", made.encode()) == made.encode()


def test_bom_and_coding_line_stay() -> None:
    source = codecs.BOM_UTF8 + "# coding: utf-8\r\nx = 'é'\r\n".encode()
    made = with_call("p/__init__.py", source)
    assert made.startswith(codecs.BOM_UTF8 + b"# coding: utf-8\r\n\r\n# Written")
    assert made.endswith("\r\n\r\nx = 'é'\r\n".encode())
    latin = "# coding: latin-1\nx = 'é'\n".encode("latin-1")
    assert with_call("p/__init__.py", latin).endswith("\nx = 'é'\n".encode("latin-1"))


def test_names_that_it_adds_begin_with_an_underscore() -> None:
    nodes = [node for node in ast.walk(ast.parse(CALL)) if isinstance(node, ast.alias)]
    assert [node.asname or node.name for node in nodes] == [
        "_native_requires",
        "_load_requirements",
    ]


@pytest.mark.parametrize(
    "source",
    [
        "from ._shared_lib_consumer import load_requirements\nload_requirements(r)\n",
        "from . import _c\n_c.load_requirements(_c._native_requires)\n",
        "loader = L(m, requires=lambda: load_requirements(_native_requires))\n",
    ],
)
def test_package_that_calls_it_itself_stays(source: str) -> None:
    assert with_call("p/__init__.py", source.encode()) == source.encode()


def test_another_function_of_that_name_is_not_the_call() -> None:
    source = b"from .setup import load_requirements\nload_requirements('requirements.txt')\n"
    assert with_call("p/__init__.py", source) == CALL.encode() + b"\n" + source


@pytest.mark.parametrize(
    "source",
    [
        "from __future__ import annotations; import os\n",
        '"""Doc."""; from . import _ext\n',
    ],
)
def test_statement_on_the_same_line_is_refused(source: str) -> None:
    with pytest.raises(BindError, match=r"p/__init__\.py has another statement on the line"):
        with_call("p/__init__.py", source.encode())


@pytest.mark.parametrize("source", ["'a'; \\\nimport os\n", "'a' \\\n\n"])
def test_backslash_at_the_end_does_no_harm(source: str) -> None:
    made = with_call("p/__init__.py", source.encode()).decode()
    assert made.replace(CALL, "").split() == source.split()


@pytest.mark.parametrize("source", [b"x = (\n", b"print 'old'\n", b"x\0\n", b"# coding: no\nx\n"])
def test_source_that_cannot_be_parsed_is_refused(source: bytes) -> None:
    with pytest.raises(BindError, match=r"p/__init__\.py cannot be parsed by this Python: "):
        with_call("p/__init__.py", source)


def test_old_namespace_packages_are_recognised() -> None:
    assert is_namespace(b"__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n")
    assert is_namespace(b"__import__('pkg_resources').declare_namespace(__name__)\n")
    assert not is_namespace(b"import pkgutil\n")
