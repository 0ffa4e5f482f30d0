"""What the prompts take and refuse, through the command line that a user types."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import building
import click
import nox
import pytest
from cookiecutter.main import cookiecutter
from local_extensions import answers as checks

TEMPLATE = building.ROOT / "template"
QUESTIONS: dict[str, Any] = json.loads((TEMPLATE / "cookiecutter.json").read_text("utf-8"))
PUBLIC = [question for question in QUESTIONS if not question.startswith("_")]
DEFAULTS = {
    "library_name": "foo",
    "provider_name": "libfoo",
    "extension_name": "foo-ext",
    "library_source": "here",
    "cmake_package": "foo",
    "library_version": "1.0.0",
    "compatibility": "SameMajorVersion",
    "language": "c",
    "binding": "c-api",
    "stable_abi": "yes",
    "python_min": "3.11",
    "mangle": "yes",
    "github_org": "org",
    "author": "Your Name",
    "email": "you@example.org",
    "license": "BSD-3-Clause",
    "loader": "vendored",
    "ci": "github",
}
UNDERSCORES = "write single underscores"
LETTERS = "write lower-case letters, digits and single"
MEANING = "this word is reserved in C, C++, Python or CMake; write another name"
KEYWORD = "this is a Python keyword; write a name that can be imported"
STDLIB = "this is a module of Python's standard library; write another name"
OURS = "the generated project uses this name for something else; write another name"
SOURCES = "the extension module's sources already use this name; write another name"
WINDOWS = "files cannot have this name on Windows; write another name"
DIFFERS = "write a name that differs from the provider's"
STABLE = "answer no, or choose another binding"
PACKAGE = "write letters, digits and single underscores, as in foo or ZLIB"
BUILDS = "the consumer's build looks for another package of this name; write another name"
VERSION = "write three numbers, as in 1.4.2"
ORG = "write a GitHub user or organisation"
AUTHOR = "write a name on one line, without control characters"
EMAIL = "write an address such as you@example.org"

# One of each kind: answers of which the last is complained about, and what is said of it.
BAD: list[tuple[dict[str, str], str]] = [
    ({"library_name": "foo bar"}, LETTERS),
    ({"library_name": ""}, LETTERS),
    ({"library_name": "foo__bar"}, UNDERSCORES),
    ({"library_name": "../evil"}, LETTERS),
    ({"library_name": "class"}, MEANING),  # Python and C++
    ({"library_name": "lambda"}, MEANING),  # Python
    ({"library_name": "volatile"}, MEANING),  # C
    ({"library_name": "constexpr"}, MEANING),  # C++
    ({"library_name": "rebuild_cache"}, MEANING),  # CMake
    ({"library_name": "nanobind"}, SOURCES),
    ({"library_name": "con"}, WINDOWS),
    ({"library_name": "a" * 37}, "write a name of at most 36 characters"),
    ({"provider_name": "lib foo"}, LETTERS),
    ({"provider_name": "lib__foo"}, UNDERSCORES),
    ({"provider_name": "../evil"}, LETTERS),
    ({"provider_name": "/tmp/evil"}, LETTERS),
    ({"provider_name": "lambda"}, KEYWORD),
    ({"provider_name": "json"}, STDLIB),
    ({"provider_name": "compression"}, STDLIB),  # from Python 3.14 on
    ({"provider_name": "imp"}, STDLIB),  # up to Python 3.11
    ({"provider_name": "dist"}, OURS),
    ({"provider_name": "aux"}, WINDOWS),
    ({"provider_name": "a" * 41}, "write a name of at most 40 characters"),
    ({"extension_name": "Foo"}, LETTERS),
    ({"extension_name": "foo--ext"}, LETTERS),
    ({"extension_name": ".."}, LETTERS),
    ({"extension_name": "async"}, KEYWORD),
    ({"extension_name": "unittest"}, STDLIB),
    ({"extension_name": "scikit-build-core"}, OURS),
    ({"extension_name": "lpt1"}, WINDOWS),
    ({"extension_name": "a" * 41}, "write a name of at most 40 characters"),
    ({"extension_name": "libfoo"}, DIFFERS),
    ({"provider_name": "foo_bar", "extension_name": "foo-bar"}, DIFFERS),
    ({"binding": "pybind11", "stable_abi": "yes"}, STABLE),
    ({"cmake_package": "a-b"}, PACKAGE),
    ({"cmake_package": "A__B"}, PACKAGE),
    ({"cmake_package": "Python"}, BUILDS),
    ({"cmake_package": "a" * 41}, "write a name of at most 40 characters"),
    ({"library_version": "1.0"}, VERSION),
    ({"github_org": "my/org"}, ORG),
    ({"author": "Jane\nDoe"}, AUTHOR),
    ({"author": ""}, AUTHOR),
    ({"email": "you"}, EMAIL),
]


class Outcome(NamedTuple):
    """How a command ended: its status, what it printed, and the files that it left."""

    status: int
    out: str
    error: str
    written: list[Path]


def command(folder: Path, *arguments: str | Path, answers: str = "") -> Outcome:
    """Run cookiecutter on the template, answering its questions with lines."""
    output = folder / "deep" / "output"  # so that ../ leads to a folder that is looked at, too
    output.mkdir(parents=True, exist_ok=True)
    config = folder / "config.yaml"
    config.write_text(json.dumps({"replay_dir": str(folder / "replay")}), encoding="utf-8")
    done = subprocess.run(
        [
            *(building.tool("cookiecutter"), building.ROOT, *arguments),
            *("--config-file", config, "--output-dir", output),
        ],
        env=building.environment({"PYTHONIOENCODING": "utf-8"}),
        input=answers,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    written = [path for path in output.parent.rglob("*") if path != output]
    return Outcome(done.returncode, done.stdout, done.stderr, written)


def assert_one_line(outcome: Outcome, question: str, what_to_write: str) -> None:
    (line,) = outcome.error.splitlines()
    assert line.startswith(f"Error: {question} ")
    assert what_to_write in line
    assert outcome.status == 1
    assert outcome.written == []


@pytest.mark.parametrize(("answers", "what_to_write"), BAD, ids=str)
def test_bad_answer_is_one_line_and_writes_nothing(
    tmp_path: Path, answers: dict[str, str], what_to_write: str
) -> None:
    arguments = [f"{question}={answer}" for question, answer in answers.items()]
    outcome = command(tmp_path, "--no-input", *arguments)
    assert_one_line(outcome, [*answers][-1], what_to_write)
    assert outcome.out == ""


@pytest.mark.skipif(sys.platform == "win32", reason="arguments are Unicode there")
def test_argument_that_is_no_text(tmp_path: Path) -> None:
    outcome = command(tmp_path, "--no-input", "author=Jane \udcff")
    assert_one_line(outcome, "author", AUTHOR)


@pytest.mark.parametrize(
    ("answers", "question", "what_to_write"),
    [
        (["1", "int"], "library_name", MEANING),
        (["1", "foo_bar", "os"], "provider_name", STDLIB),
        (["1", "", "foo_bar", "foo-bar"], "extension_name", DIFFERS),
        (["1", *[""] * 4, "nanobind"], "cmake_package", BUILDS),
        (["1", *[""] * 5, "1"], "library_version", VERSION),
        (["1", *[""] * 8, "3", "1"], "stable_abi", STABLE),
        (["1", *[""] * 13, "\x1b[31mJane"], "author", AUTHOR),
        (["1", *[""] * 14, "you@example"], "email", EMAIL),
    ],
)
def test_bad_answer_ends_the_questions(
    tmp_path: Path, answers: list[str], question: str, what_to_write: str
) -> None:
    outcome = command(tmp_path, answers="\n".join([*answers, *[""] * 20]))
    assert_one_line(outcome, question, what_to_write)
    last = PUBLIC.index(question) + 1
    assert f"[{last}/{len(PUBLIC)}]" in outcome.out
    assert f"[{last + 1}/{len(PUBLIC)}]" not in outcome.out


def test_defaults_work_for_every_question(tmp_path: Path) -> None:
    outcome = command(tmp_path, answers="\n" * (len(PUBLIC) + 1))
    assert (outcome.status, outcome.error) == (0, "")
    assert "foo-wheels" in {path.name for path in outcome.written}
    replay = json.loads((tmp_path / "replay" / "template.json").read_text("utf-8"))
    given = {question: replay["cookiecutter"][question] for question in PUBLIC}
    assert given == DEFAULTS


def replay_file(folder: Path, kind: str, **answers: object) -> Path:
    """Write a replay file with some answers changed: a full one, or one with the answers only."""
    context: dict[str, Any] = {**DEFAULTS, **answers}
    if kind == "full":
        checks = {question: "" for question in QUESTIONS if question.startswith("__check")}
        private = {q: QUESTIONS[q] for q in ("_extensions", "_copy_without_render")}
        context.update(**checks, **private)
    file = folder / "answers.json"
    file.write_text(json.dumps({"cookiecutter": context}), encoding="utf-8")
    return file


@pytest.mark.parametrize("kind", ["full", "answers only"])
@pytest.mark.parametrize(
    ("question", "answer", "what_to_write"),
    [
        ("library_name", "../evil", LETTERS),
        ("library_name", 5, "write text, in quotes"),
        ("extension_name", "libfoo", DIFFERS),
        ("language", "rust", "choose one of c, cxx"),
        ("author", "Jane\nDoe", AUTHOR),
    ],
)
def test_bad_answer_in_a_replay(
    tmp_path: Path, kind: str, question: str, answer: object, what_to_write: str
) -> None:
    file = replay_file(tmp_path, kind, **{question: answer})
    outcome = command(tmp_path, "--directory", "template", "--replay-file", file)
    assert_one_line(outcome, question, what_to_write)
    assert outcome.out == ""


@pytest.mark.parametrize("kind", ["full", "answers only"])
def test_every_question_is_checked_in_a_replay(tmp_path: Path, kind: str) -> None:
    for answers, what_to_write in BAD:
        file = replay_file(tmp_path, kind, **answers)
        with pytest.raises(click.ClickException, match=r"write|choose") as refused:
            cookiecutter(
                str(TEMPLATE),
                replay=str(file),
                output_dir=str(tmp_path / "output"),
                default_config=True,
            )
        assert what_to_write in refused.value.message
        assert not (tmp_path / "output").exists()


def test_cookiecutter_refuses_an_absent_choice_by_itself(tmp_path: Path) -> None:
    # With a traceback, before any line of the template runs.
    outcome = command(tmp_path, "--no-input", "language=rust")
    assert outcome.status == 1
    last = outcome.error.splitlines()[-1]
    assert last.endswith(
        "rust provided for choice variable language, but the choices are ['c', 'cxx']."
    )
    assert outcome.written == []


REFUSED = {
    "library_version": [
        "",
        "1",
        "v1.0.0",
        "1.0.0rc1",
        "01.0.0",
        "1.0.0.0",
        "1.0.0\n",
        "1.0.\N{ARABIC-INDIC DIGIT ZERO}",
    ],
    "github_org": ["", "my org", "-org", "org-", "a--b", "é", "a/b", "..", "org\n"],
    "author": [" ", "a\tb", "a\rb", "a\0b", "a\x1bb", "a\u2028b", "a\u2029b", "a\x85b", "\ud800"],
    "email": [
        *("", "you@", "@example.org", "you@example", "you@@example.org", "a b@example.org"),
        *("you@example..org", "you@-example.org", "you@example-.org", "you@example.org."),
        *(".you@example.org", "you.@example.org", "a..b@example.org", "you@exämple.org"),
        *("You <you@example.org>", "a@b.org, c@d.org", "you@example.org\n", "you\x01@example.org"),
    ],
}
TAKEN = {
    "cmake_package": ["a", "ZLIB", "foo_bar", "Foo2"],
    "library_name": ["a", "z9", "foo_bar", "json", "string", "a" * 36],
    "provider_name": ["foo", "libfoo", "native-zlib", "lib_foo2", "a" * 40],
    "extension_name": ["foo", "foo_ext", "a-b_c"],
    "library_version": ["0.0.0", "1.4.2", "2026.11.0"],
    "github_org": ["a", "My-Org", "0x00"],
    "email": ["o'brien@example.org", "josé+tag.x@sub.example.co", "x@xn--bcher-kva.example"],
}


@pytest.mark.parametrize(("question", "answer"), [(q, a) for q in REFUSED for a in REFUSED[q]])
def test_refused(question: str, answer: str) -> None:
    with pytest.raises(click.ClickException, match="write"):
        checks.check({question: answer}, question)


@pytest.mark.parametrize(("question", "answer"), [(q, a) for q in TAKEN for a in TAKEN[q]])
def test_taken(question: str, answer: str) -> None:
    assert checks.check({question: answer}, question) == ""


@pytest.mark.parametrize("name", ["a", "foo_bar", "a_b_c", "a" * 36])
def test_names_that_follow_from_the_library(tmp_path: Path, name: str) -> None:
    folder = building.generate(tmp_path, library_name=name)
    assert folder.name == f"{name}-wheels"
    other = name.replace("_", "-")
    assert {f"lib{other}", f"{other}-ext"} <= {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("question", "answer"),
    [(q, a) for q in PUBLIC if isinstance(QUESTIONS[q], list) for a in QUESTIONS[q]],
)
def test_choices(tmp_path: Path, question: str, answer: str) -> None:
    also = {"stable_abi": "no"} if answer == "pybind11" else {}
    assert building.generate(tmp_path, **{question: answer}, **also).is_dir()


AUTHORS = [
    'Jane "JD" Doe',
    "Jane \\ Doe \\n \\u0041 C:\\new",
    "José Núñez-Łukasz",
    "<b>Jane</b> & Söhne",
    "山田 太郎",
    "👩🏽‍💻 Jane 🎉",  # joined by U+200D
    "می‌خواهم",  # with U+200C
    "O'Brien ''' \"\"\" #",
    "Doe, Jane; [x] = {y}",
    "{# Jane #} {{ 7 * 7 }} {% raw %}",
    " Jane\N{NO-BREAK SPACE}Doe ",
]


def licences(folder: Path) -> list[Path]:
    """The project's own; the vendored folder has this project's."""
    return [path for path in folder.rglob("LICENSE") if path.parent.name != "native-lib"]


@pytest.mark.parametrize("author", AUTHORS)
@pytest.mark.parametrize("licence", ["BSD-3-Clause", "MIT"])
def test_author_survives(tmp_path: Path, author: str, licence: str) -> None:
    email = "o'brien+é@example.org"
    # As a replay: cookiecutter renders the other answers that no person typed.
    file = replay_file(tmp_path, "answers only", author=author, email=email, license=licence)
    folder = Path(
        cookiecutter(str(TEMPLATE), replay=str(file), output_dir=str(tmp_path), default_config=True)
    )
    for project in ("libfoo", "foo-ext"):
        table = nox.project.load_toml(folder / project / "pyproject.toml")["project"]
        assert table["authors"] == [{"name": author, "email": email}]
    assert len(licences(folder)) == 3
    for file in licences(folder):
        assert f"\nCopyright (c) {author}\n" in file.read_text("utf-8")


LICENCES = {
    "BSD-3-Clause": (
        "BSD 3-Clause License",
        "3. Neither the name of the copyright holder nor the names of its",
        "EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.",
    ),
    "MIT": (
        "MIT License",
        "The above copyright notice and this permission notice shall be included in all",
        "OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE\nSOFTWARE.",
    ),
    "Apache-2.0": (
        "Apache License\n                           Version 2.0, January 2004",
        "9. Accepting Warranty or Additional Liability.",
        "limitations under the License.",
    ),
}


@pytest.mark.parametrize("licence", QUESTIONS["license"])
def test_licence(tmp_path: Path, licence: str) -> None:
    folder = building.generate(tmp_path, license=licence)
    first, *others, last = LICENCES[licence]
    found = licences(folder)
    assert len(found) == 3
    texts = {file.read_text("utf-8") for file in found}
    (text,) = texts
    assert text.lstrip().startswith(first)
    assert all(part in text for part in others)
    assert text.endswith(f"{last}\n")
    for project in ("libfoo", "foo-ext"):
        table = nox.project.load_toml(folder / project / "pyproject.toml")["project"]
        assert (table["license"], table["license-files"]) == (licence, ["LICENSE"])
