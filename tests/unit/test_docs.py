"""The pages agree with the code, and their links lead somewhere.

Each check is a function from texts to complaints; what it finds in the repository is nothing, and a
second test shows it a fault that it must find.
"""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING

import building
import pytest
from native_lib import cli
from native_lib.check.rule import Rule
from native_lib.check.rules import RULES
from native_lib.doctor import findings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

DOCS = building.ROOT / "docs"
REFERENCE = DOCS / "reference"
READMES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "loader/README.md")
PAGES = (*(building.ROOT / name for name in READMES), *sorted(DOCS.rglob("*.md")))
LOADERS = ("shared_lib_manager", "shared_lib_consumer")
METADATA = building.SUPPORT / "native_library_metadata.py"
TEXTS = building.SUPPORT / "native_library_texts.py"
SOURCE = building.SUPPORT / "fetch_source.py"


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def cmake_functions() -> str:
    return "\n".join(text(path) for path in sorted(building.SUPPORT.glob("*.cmake")))


def loader(name: str) -> str:
    return text(building.ROOT / "loader" / "src" / "native_lib" / "support" / f"{name}.py")


def page(name: str) -> str:
    return text(REFERENCE / f"{name}.md")


def without_code(markdown: str) -> str:
    """Return a page without its code blocks, in which a link or heading is none."""
    return re.sub(r"^( *)```.*?^\1```$", "", markdown, flags=re.MULTILINE | re.DOTALL)


def section(markdown: str, heading: str) -> str:
    """Return what stands below a heading, down to the next one of its level or above."""
    found = re.search(rf"^(#+) `?{re.escape(heading)}`?$", markdown, re.MULTILINE)
    if not found:
        return ""
    rest = markdown[found.end() :]
    following = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: following.start()] if following else rest


def in_code(markdown: str) -> set[str]:
    """Return what a page sets as code in its text."""
    return set(re.findall(r"`([^`\n]+)`", without_code(markdown)))


def first_column(markdown: str) -> set[str]:
    """Return what stands as code in the first cells of a text's tables."""
    rows = re.findall(r"^\| *((?:`[^`|]+`(?:, )?)+) *\|", markdown, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


# Links -------------------------------------------------------------------------------------------


def anchors(markdown: str) -> set[str]:
    """Return the anchors that GitHub gives a page's headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", without_code(markdown), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading.replace("\\", "")).lower().strip()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 0
        while (anchor := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(anchor)
    return found


def broken_links(path: Path, markdown: str) -> list[str]:
    complaints = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(markdown)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists():
            complaints.append(f"{path.name}: {target}: no such file")
        elif anchor and anchor not in anchors(text(file) if name else markdown):
            complaints.append(f"{path.name}: {target}: no such heading")
    return complaints


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(building.ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    assert broken_links(path, text(path)) == []


def test_broken_links_are_found() -> None:
    path = DOCS / "how-it-works.md"
    markdown = (
        "# Title\n[a](absent.md) [b](#absent) [c](reference/loader.md#absent) [d](#title)\n"
        "[e](https://example.org) [f](reference/loader.md#loadmode)\n```c\n[g](absent.md)\n```\n"
    )
    found = [complaint.split(": ")[1] for complaint in broken_links(path, markdown)]
    assert found == ["absent.md", "#absent", "reference/loader.md#absent"]


def test_every_page_is_reached_from_another() -> None:
    linked = {
        (path.parent / target.partition("#")[0]).resolve()
        for path in PAGES
        for target in re.findall(r"\]\(([^)\s]+\.md[^)\s]*)\)", without_code(text(path)))
        if ":" not in target
    }
    assert {path for path in PAGES if path.is_relative_to(DOCS)} <= linked


# The front page ---------------------------------------------------------------------------------


def differing_groups(front: str) -> list[str]:
    """Return the captions of the navigation whose pages the front page's section does not list."""
    complaints = []
    trees = re.findall(
        r"^```{toctree}\n:caption: ([^\n]+)\n(.*?)^```$", front, re.MULTILINE | re.DOTALL
    )
    for caption, tree in trees:
        pages = [line for line in tree.splitlines() if line and not line.startswith(":")]
        listed = re.findall(r"^- .*?\]\((.+?)\.md", section(front, caption), re.MULTILINE)
        if caption != "Tutorial" and pages != listed:
            complaints.append(caption)
    return complaints


def test_front_page_lists_what_the_navigation_has() -> None:
    front = text(DOCS / "index.md")
    assert differing_groups(front) == []
    pages = {str(path.relative_to(DOCS).with_suffix("")) for path in DOCS.rglob("*.md")} - {"index"}
    assert pages <= set(front.splitlines())


def test_differing_groups_are_found() -> None:
    tree = "## Job\n\n- [A](a.md), with [b](b.md)\n\n```{toctree}\n:caption: Job\n\n"
    assert differing_groups(f"{tree}a\n```\n") == []
    assert differing_groups(f"{tree}a\nb\n```\n") == ["Job"]


def test_sessions_of_the_pages_exist() -> None:
    """Those of this repository, which the pages for its own people name."""
    known = set(
        re.findall(r"^@nox\.session.*\ndef (\w+)", text(building.ROOT / "noxfile.py"), re.MULTILINE)
    )
    for path in (building.ROOT / "CONTRIBUTING.md", building.ROOT / "README.md"):
        named = set(re.findall(r"nox -s (\w+)", text(path)))
        assert named, path
        assert named <= known, path


# Environment variables --------------------------------------------------------------------------


def variables_read(python: str) -> set[str]:
    """Return the environment variables that a module reads; computed parts are ``<NAME>``."""
    found: set[str] = set()
    for function in ast.walk(ast.parse(python)):
        if not isinstance(function, ast.FunctionDef):
            continue
        assigned = {
            ast.unparse(node.targets[0]): node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
        }
        # What a manifest names, in a loop over it, is nobody's to document here.
        looped = {
            name.id
            for node in ast.walk(function)
            if isinstance(node, ast.For) and ".items()" in ast.unparse(node.iter)
            for name in ast.walk(node.target)
            if isinstance(name, ast.Name)
        }
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                *("os.environ.get", "os.getenv", "os.environ.pop"),
            ):
                asked: ast.expr = node.args[0]
            elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
                asked = node.slice
            else:
                continue
            if ast.unparse(asked) not in looped:
                found.add(_literal(assigned.get(ast.unparse(asked), asked)))
    return found


def _literal(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "<NAME>" for part in node.values
        )
    assert isinstance(node, ast.Constant), ast.unparse(node)
    return str(node.value)


def variables_read_by_cmake(cmake: str) -> set[str]:
    return set(re.findall(r"\bENV\{(\w+)\}", cmake))


def test_environment_variables() -> None:
    read = variables_read_by_cmake(cmake_functions()) | variables_read(text(METADATA))
    for name in (*LOADERS, "shared_lib_explain"):
        read |= variables_read(loader(name))
    prefix = variables_read(text(building.SUPPORT.with_name("prefix.py")))
    read |= {name for name in prefix if name.startswith("NATIVE_LIB_")}  # the others are systems'
    told = page("environment")
    assert first_column(told.partition("\n## ")[0]) == read
    headings = {
        line.replace("\\", "") for line in re.findall("^## ([A-Z_\\\\<>]+)$", told, re.MULTILINE)
    }
    assert headings == read


def test_environment_variables_are_found() -> None:
    python = (
        "def f(name):\n    variable = f'A_{name}_B'\n    os.environ.get(variable)\n"
        "    os.environ['C']\n    os.getenv('D')\n"
    )
    assert variables_read(python) == {"A_<NAME>_B", "C", "D"}
    assert variables_read_by_cmake("if(DEFINED ENV{E} OR $ENV{F})") == {"E", "F"}
    with pytest.raises(AssertionError):
        variables_read("def f(unknown):\n    os.environ.get(unknown)\n")


# The loader -------------------------------------------------------------------------------------


def public(python: str) -> dict[str, list[str]]:
    """Return the names in a module's __all__, each with the parameters of its public functions."""
    tree = ast.parse(python)
    (exported,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    names = [str(node.value) for node in ast.walk(exported) if isinstance(node, ast.Constant)]
    return {name: sorted(set(_parameters(tree, name))) for name in names}


def _parameters(tree: ast.Module, name: str) -> Iterator[str]:
    for node in tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) or node.name != name:
            continue
        for function in ast.walk(node):
            if isinstance(function, ast.FunctionDef) and (
                function.name == "__init__" or not function.name.startswith("_")
            ):
                given = function.args
                several = [given.vararg] if given.vararg else []
                for argument in (*given.args, *given.kwonlyargs, *several):
                    if argument.arg not in ("self", "cls"):
                        yield argument.arg


def undocumented(python: str, markdown: str) -> list[str]:
    complaints = []
    for name, parameters in public(python).items():
        told = section(markdown, name)
        if name.endswith("Error") and f"`{name}`" in markdown:
            continue
        if not told:
            complaints.append(name)
        words = set(re.findall(r"\w+", told))
        complaints += [f"{name}: {parameter}" for parameter in parameters if parameter not in words]
    return complaints


@pytest.mark.parametrize("name", LOADERS)
def test_public_names_of_the_loader(name: str) -> None:
    assert undocumented(loader(name), section(page("loader"), name)) == []


def test_undocumented_names_are_found() -> None:
    python = "__all__ = ['f', 'GError']\ndef f(one, *, two): ...\nclass GError: ...\n"
    assert undocumented(python, "### f\n\none\n") == ["f: two", "GError"]
    assert undocumented(python, "### f\n\none, two\n\n### GError\n\n") == []
    assert undocumented(python, "") == ["f", "f: one", "f: two", "GError"]


# CMake ------------------------------------------------------------------------------------------


def arguments(cmake: str) -> dict[str, set[str]]:
    """Return the keywords of each public function."""
    found = {}
    for name, body in re.findall(
        r"^function\((native_library_\w+).*?\n(.*?)^endfunction", cmake, re.MULTILINE | re.DOTALL
    ):
        parsed = re.search(r"cmake_parse_arguments\((.*?)\)", body, re.DOTALL)
        lists = re.findall(r'"([^"]*)"', parsed[1]) if parsed else []
        for variable, value in re.findall(r'set\((\w+) "([A-Z_;]*)"\)', body):
            lists = [words.replace(f"${{{variable}}}", value) for words in lists]
        found[name] = {word for words in lists for word in words.split(";") if word}
    return found


def misdescribed(cmake: str, markdown: str) -> list[str]:
    """Return arguments that the page lacks (+) or has and the function does not know (-)."""
    complaints = []
    for name, words in arguments(cmake).items():
        # What follows under subheadings has other tables.
        told = first_column(section(markdown, name).partition("\n### ")[0])
        if not section(markdown, name):
            complaints.append(name)
        complaints += [f"{name}: +{word}" for word in sorted(words - told)]
        complaints += [f"{name}: -{word}" for word in sorted(told - words)]
    return complaints


def test_arguments_of_the_cmake_functions() -> None:
    known = arguments(cmake_functions())
    assert {name for name, words in known.items() if words} == {
        *("native_library_provider", "native_library_consumer"),
        *("native_library_archive", "native_library_prebuilt"),
    }
    assert misdescribed(cmake_functions(), page("cmake")) == []


def test_misdescribed_arguments_are_found() -> None:
    cmake = (
        "function(native_library_x)\n"
        'cmake_parse_arguments(PARSE_ARGV 0 arg "FLAG" "ONE;TWO" "")\nendfunction()\n'
    )
    markdown = "## native_library_x\n\n| a | b |\n|---|---|\n| `FLAG` | |\n| `THREE` | |\n"
    assert misdescribed(cmake, markdown) == [
        "native_library_x: +ONE",
        "native_library_x: +TWO",
        "native_library_x: -THREE",
    ]


# The checker's rules ------------------------------------------------------------------------------


def mistold(rules: Sequence[Rule], markdown: str) -> list[str]:
    """Return what differs between the table of rules and the page, in which order counts too."""
    known = [(rule.id, rule.severity) for rule in rules]
    told = re.findall(r"^\| \[`([\w-]+)`\]\(#\1\) \| (\w+) \| .+ \|$", markdown, re.MULTILINE)
    complaints = [f"{rule} {severity}" for rule, severity in known if (rule, severity) not in told]
    complaints += [f"-{rule}" for rule, severity in told if (rule, severity) not in known]
    if not complaints and told != known:
        complaints = ["order"]
    return complaints + [
        f"{rule}: how to fix it"
        for rule, _ in known
        if "**Fix it:**" not in section(markdown, rule)
    ]


def test_rules_of_the_checker() -> None:
    assert mistold(RULES, page("rules")) == []


def test_mistold_rules_are_found() -> None:
    rules = [Rule(name, "error", lambda wheels: iter(())) for name in ("a-b", "c")]
    row, told = "| [`{0}`](#{0}) | {1} | x |\n", "### {0}\n\n**Fix it:** so.\n\n"
    right = row.format("a-b", "error") + row.format("c", "error")
    texts = told.format("a-b") + told.format("c")
    assert mistold(rules, f"{right}\n{texts}") == []
    assert mistold(rules, f"{right}\n{told.format('c')}") == ["a-b: how to fix it"]
    swapped = row.format("c", "error") + row.format("a-b", "error")
    assert mistold(rules, f"{swapped}\n{texts}") == ["order"]
    wrong = row.format("a-b", "note") + right.splitlines()[1] + "\n"
    assert mistold(rules, f"{wrong}\n{texts}") == ["a-b error", "-a-b"]


def untold_problems(source: str, rules: set[str], markdown: str) -> list[str]:
    """Return the ids of doctor's problems that are in its source or on the page, and not in both."""
    known = set(re.findall(r"\bProblem\(\s*\w+, \"([\w-]+)\"", source))
    table = markdown.partition("| problem |")[2].partition("\n\n")[0]
    rows = [row.strip("| ").split(" | ", 1) for row in table.splitlines()[2:]]
    told = [in_code(right if left.startswith("ids of ") else left) for left, right in rows]
    return sorted((known | rules) ^ set().union(*told) - {"check"})


def test_problems_of_doctor() -> None:
    folder = building.ROOT / "loader" / "src" / "native_lib" / "doctor"
    source = "".join(text(file) for file in sorted(folder.glob("*.py")))
    rules = findings._DAMAGED | findings._MADE_SO
    markdown = section(page("native-lib"), "doctor")
    assert untold_problems(source, rules, markdown) == []
    assert untold_problems(source, rules - {"unsigned"}, markdown) == ["unsigned"]
    assert untold_problems(source, rules, markdown.replace("| `editable` |", "| `edited` |")) == [
        "editable",
        "edited",
    ]


def options_in(usage: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", usage)) - {"-h"}


def test_usage_of_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    commands = re.findall(r"^\| \[`(.*?)`\]\(#", page("native-lib"), re.MULTILINE)
    assert len(commands) >= 11
    for command in commands:
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        usage = capsys.readouterr().out.partition("\n\n")[0]
        (told, *_) = re.findall(
            r"```text\n(.*?)```", section(page("native-lib"), command), re.DOTALL
        )
        assert options_in(told) == options_in(usage), command


# The template -----------------------------------------------------------------------------------


def untold_answers(questions: Mapping[str, object], markdown: str) -> list[str]:
    complaints = []
    for question, offered in questions.items():
        if question.startswith("_"):
            continue
        told = in_code(section(markdown, question))
        if not told:
            complaints.append(question)
        defaults = [offered] if isinstance(offered, str) and "{{" not in offered else []
        for answer in offered if isinstance(offered, list) else defaults:
            if answer not in told:
                complaints.append(f"{question}: {answer}")
    return complaints


def test_questions_of_the_template() -> None:
    questions = json.loads(text(building.ROOT / "template" / "cookiecutter.json"))
    assert untold_answers(questions, page("template")) == []
    headings = set(re.findall(r"^### `(\w+)`$", page("template"), re.MULTILINE))
    assert headings == {question for question in questions if not question.startswith("_")}


def test_untold_answers_are_found() -> None:
    questions = {"a": ["x", "y"], "b": "z", "_c": "private", "d": "{{ computed }}"}
    markdown = "### `a`\n\n`x`\n\n### `d`\n\n`lib…`\n"
    assert untold_answers(questions, markdown) == ["a: y", "b", "b: z"]


# Messages ---------------------------------------------------------------------------------------


def messages_of_cmake(cmake: str) -> list[str]:
    found = re.findall(r'message\(\s*FATAL_ERROR\s+((?:"[^"]*"\s*)+)\)', cmake)
    return ["".join(re.findall(r'"([^"]*)"', strings)) for strings in found]


def messages_of_template(python: str) -> list[str]:
    """Return what the checks of the answers say."""
    tree = ast.parse(python)
    found = [
        "".join(_pieces(node.value))
        for function in tree.body
        if isinstance(function, ast.FunctionDef) and ast.unparse(function.returns or tree) == "str"
        for node in ast.walk(function)
        if isinstance(node, ast.Return) and isinstance(node.value, (ast.Constant, ast.JoinedStr))
    ]
    return [message for message in found if " " in message]


def _pieces(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        for part in node.values:
            yield str(part.value) if isinstance(part, ast.Constant) else "${}"


def messages_of_python(python: str) -> list[str]:
    """Return the longest literal of each error that a module raises or exits with."""
    found = []
    for node in ast.walk(ast.parse(python)):
        if isinstance(node, ast.Call) and re.search(
            r"Error$|^sys\.exit$|^_(conflict|no_provider|lines)$", ast.unparse(node.func)
        ):
            texts = [
                "".join(_pieces(part)) for part in ast.walk(node) if isinstance(part, ast.expr)
            ]
            found.append(max(texts, key=len, default=""))
    return [message for message in found if " " in message]


def unexplained(messages: list[str], markdown: str) -> list[str]:
    """Return the messages of which the page does not have the longest fixed part."""
    told = " ".join(markdown.split())
    fixed = [max(re.split(r"\$\{[^}]*\}|\n", message), key=len).strip(" :") for message in messages]
    return [part for part in fixed if len(part) > 3 and " ".join(part.split()) not in told]


def test_messages_are_explained() -> None:
    sources = {
        "cmake": [m for m in messages_of_cmake(cmake_functions()) if m != "${complaint}"],
        "metadata": messages_of_python(text(METADATA)),
        "texts": messages_of_python(text(TEXTS)),
        "archive": messages_of_python(text(building.SUPPORT / "native_library_archive.py")),
        "prebuilt": messages_of_python(text(building.SUPPORT / "native_library_prebuilt.py")),
        "source": messages_of_python(text(SOURCE)) + messages_of_template(text(SOURCE)),
        "template": messages_of_template(
            text(building.ROOT / "template" / "local_extensions" / "answers.py")
        ),
        "loader": messages_of_python(loader("shared_lib_explain")),
    }
    assert {name: len(messages) > 2 for name, messages in sources.items()} == dict.fromkeys(
        sources, True
    )
    assert {name: unexplained(found, page("errors")) for name, found in sources.items()} == {
        name: [] for name in sources
    }


def test_refusals_of_commands_are_explained() -> None:
    folder = building.ROOT / "loader" / "src" / "native_lib"
    modules = (
        *("abi", "excludes", "literals", "prefix", "preload"),
        *("providers", "released", "repair", "vendor"),
    )
    for file in (*sorted((folder / "bind").glob("*.py")), *(folder / f"{m}.py" for m in modules)):
        assert unexplained(messages_of_python(text(file)), page("native-lib")) == []


def test_refusals_of_the_back_end_are_explained() -> None:
    folder = building.ROOT / "loader" / "src" / "native_lib" / "build"
    for file in sorted(folder.glob("*.py")):
        assert unexplained(messages_of_python(text(file)), page("build-back-end")) == []


def test_unexplained_messages_are_found() -> None:
    cmake = 'message(\n    FATAL_ERROR\n    "one ${two} is a longer "\n    "part"\n)\n'
    assert unexplained(messages_of_cmake(cmake), "") == ["is a longer part"]
    assert unexplained(messages_of_cmake(cmake), "| is a longer part |") == []
    python = "def f():\n    raise SomeError(f'what {x} is not there')\n"
    assert unexplained(messages_of_python(python), "what") == ["is not there"]
    template = "def f(a) -> str:\n    return 'write another'\n"
    assert unexplained(messages_of_template(template), "") == ["write another"]


# Reports ------------------------------------------------------------------------------------------


def test_each_report_names_a_test_that_exists() -> None:
    reports = (building.ROOT / "docs" / "explanation" / "reports.md").read_text("utf-8")
    named = re.findall(r"`(tests/[\w/.]+)::(\w+)`", reports)
    assert len(named) == reports.count("\n| ") - 1  # but for the table's head
    missing = [
        (file, test)
        for file, test in named
        if f"\ndef {test}(" not in (building.ROOT / file).read_text("utf-8")
    ]
    assert missing == []
