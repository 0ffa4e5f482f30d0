"""`native-lib doctor MODULE`: what it makes of each loader's words, and of imports that end otherwise."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import building
import docs_pages
import pytest
import wheels
from native_lib.doctor import attempt, diagnose
from native_lib.doctor.attempt import Attempt, try_import
from native_lib.doctor.diagnose import explain
from native_lib.doctor.installed import Environment, read_environment

SOURCES = building.ROOT / "loader" / "src"
PAGE = (docs_pages.HOW_TO / "debug-an-import.md").read_text("utf-8")
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only: tests its messages")
posix = pytest.mark.skipif(sys.platform == "win32", reason="requires POSIX signals")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return read_environment([str(tmp_path_factory.mktemp("empty"))])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where modules are imported from; its name has a space."""
    found = tmp_path / "some where"
    found.mkdir()
    monkeypatch.syspath_prepend(str(found))
    return found


def explained(text: str, environment: Environment, error: str = "ImportError") -> str:
    problem = explain(Attempt("foo_ext", error, text), environment)
    assert problem.fix
    return f"{problem.message} | {problem.fix}"


def imported(module: str, environment: Environment) -> str:
    attempt = try_import(module)
    assert attempt.error
    problem = explain(attempt, environment)
    assert problem.fix
    return f"{problem.message} | {problem.fix}"


# The page's table ---------------------------------------------------------------------------------

# What is said of each row; of some, by what else the words are.
ROWS = {
    "nobody has the library": r"needs libnobody|was not found \(Windows|libnobody.dll is missing",
    "the file itself is missing": r"/nowhere/_ext.so is missing",
    "the library lacks a function": r"but the library that it uses has no such function",
    "the library lacks a version of it": r"another copy of the library was loaded first",
    "other architecture": r"is for another architecture than this Python|/nowhere/_ext.so is missing",
    "no room for static TLS": r"requires memory that glibc can reserve only when the program starts",
    "truncated, or not a library": r"is damaged, or is not a shared library|or is incomplete",
    "built for another system": r"built for (?:a newer system|another C library)",
    "built for another processor or page size": r"built for a newer processor|smaller memory pages",
    "built for another Python": r"built for another Python|is for another Python",
    "not allowed": r"may not be opened by this user|that macOS does not accept|computer's policy",
    "mounted `noexec`": r"its file system is mounted noexec, or a policy",
    "requires an executable stack": r"requires an executable stack, which this system does not allow",
    "a folder, or inside an archive": r"is a folder instead of a library|is inside an archive",
    "the disk, or a limit": r"from its disk|too many open files|not enough memory",
    "its initialisation failed": r"It was found, but failed to start",
}
# What stands behind the words that count.
REST = {"Referenced from:", "Reason: tried: …", "image not found", "Expected in: …"}
FILE, NAME = "/nowhere/_ext.so", "libnobody.so.1"


def in_full(system: str, words: str) -> str:
    """Return a loader's whole sentence, of what the page shows of it."""
    words = (
        words.replace("FILE", FILE).replace("NAME", NAME).replace("PyUnicode_…", "PyUnicode_New")
    )
    if system == "glibc":
        return words if words.startswith(("/", "lib", "dynamic")) else f"{FILE}: {words}"
    if system == "musl":
        library = f"Error loading shared library /nowhere/{NAME}: "
        return words if words.startswith("Error") else f"{library}{words} (needed by {FILE})"
    if system == "macOS":
        words = words.replace("…", f"in <4C4C> '{FILE}'")
        tried = words[0].isupper() or words.startswith("tried")
        return f"dlopen({FILE}, 0x0002): " + (words if tried else f"tried: '{FILE}' ({words})")
    if words.isdigit():
        return f"[WinError {words}] Was auch immer"
    words = words.replace("'…'", r"'C:\libnobody.dll'").replace("…", "_ext")
    is_whole = words.startswith(("DLL", "Could", "Module use"))
    return words if is_whole else f"DLL load failed while importing _ext: {words}"


def table() -> list[tuple[str, str]]:
    """Return the page's wordings: row, and whole sentence."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
    start = next(n for n, row in enumerate(rows) if row[0].startswith("basis")) + 1
    found = []
    for row in rows[start : start + len(ROWS)]:
        for system, cell in zip(("glibc", "musl", "macOS", "Windows"), row[1:]):
            words = [a or b for a, b in re.findall(r"``(.+?)``|`([^`]+)`", cell)]
            words += re.findall(r"\b(\d{1,5})\b(?=\)|$| \|)", cell) if system == "Windows" else []
            found += [(row[0], in_full(system, each)) for each in words if each not in REST]
    return found


def test_the_table_is_read() -> None:
    assert {row for row, _ in table()} == ROWS.keys()
    assert len(table()) > 50


@pytest.mark.parametrize(("row", "text"), table())
def test_every_wording_of_the_page_is_explained(row: str, text: str, empty: Environment) -> None:
    said = explained(text, empty)
    assert re.search(ROWS[row], said), said
    assert "not a library loading error" not in said
    assert "unrecognised" not in said


# More than is on the page -------------------------------------------------------------------------

MORE = {
    "/s/_ext.so: failed to map segment from shared object: Operation not permitted": "mounted noexec",
    "/s/_ext.so: object file has no dynamic section": "is damaged, or is not a shared library",
    "/s/_ext.so: unsupported version 0 of Verdef record": "is damaged, or is not a shared library",
    "/s/_ext.so: ELF file OS ABI invalid": "is damaged, or is not a shared library",
    "/s/_ext.so: cannot restore segment prot after reloc: Permission denied": "(SELinux)",
    "/s/_ext.so: unexpected reloc type 0x25": "built for another C library",
    "/s/_ext.so: undefined symbol: _Py_RefTotal": "it was built for another Python",
    "Error relocating /s/_ext.so: __memcpy_chk: symbol not found": "which only glibc has",
    "dlopen(/s/_ext.so, 2): no suitable image found.  Did find:\n\t/s/_ext.so: mach-o, but wrong "
    "architecture": "for another architecture than this Python",
    "dlopen(/s/_ext.so, 2): tried: '/s/_ext.so' (fat file, but missing compatible architecture (have "
    "'i386,x86_64', need 'arm64'))": "(have i386,x86_64, need arm64)",
    "dlopen(/s/_ext.so, 2): tried: '/s/_ext.so' (mach-o file, but is an incompatible architecture "
    "(have 'x86_64', need 'arm64')), '/x/s/_ext.so' (no such file)": "(have x86_64, need arm64)",
    "dlopen(/s/_ext.so, 2): Symbol not found: _futimens\n  Referenced from: /s/_ext.so (which was "
    "built for Mac OS X 10.13)\n  Expected in: /usr/lib/libSystem.B.dylib": "built for a newer system",
    "dlopen(/s/_ext.so, 2): tried: '/s/_ext.so' (file system sandbox blocked open())": "/s/_ext.so may "
    "not be opened by this user",
    "[WinError 126] Das angegebene Modul wurde nicht gefunden": "a DLL that an extension module needs",
    "[WinError 225] Virus": "is forbidden by this computer's policy",
    "[WinError 14001] Side by side": "a runtime that is not installed",
    "Could not find module 'foo__x-1.dll' (or one of its dependencies). Try using the full path with "
    "constructor syntax.": "needs foo__x-1.dll of foo, which is not installed",
}


@pytest.mark.parametrize("text", MORE)
def test_other_wordings_are_explained(text: str, empty: Environment) -> None:
    assert MORE[text] in explained(text, empty)


def test_windows_in_the_users_language(empty: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python tells the text and not its number, which are told apart by the system's own texts."""
    texts = {
        126: "Das Modul wurde nicht gefunden.",
        1114: "Die Initialisierung ist fehlgeschlagen.",
    }
    monkeypatch.setattr(
        ctypes, "FormatError", lambda code: texts.get(code, f"Fehler {code}"), raising=False
    )
    said = explained(f"DLL load failed while importing _ext: {texts[126]}", empty)
    assert "a DLL that _ext needs was not found" in said
    said = explained(f"DLL load failed while importing _ext: {texts[1114]}", empty)
    assert "could not load _ext" in said
    assert "failed to start" in said
    said = explained("DLL load failed while importing _ext: Etwas anderes.", empty)
    assert "Windows could not load _ext" in said


def test_dll_that_is_there_lacks_one_that_it_needs(
    empty: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnose, "is_there", lambda file: True)
    text = r"Could not find module 'C:\a\foo-1.dll' (or one of its dependencies). Try"
    assert r"a DLL that C:\a\foo-1.dll needs was not found" in explained(text, empty)


@pytest.mark.parametrize("error", ["ImportError", "OSError", "FooError"])
def test_words_that_are_not_known_are_not_denied(error: str, empty: Environment) -> None:
    said = explained("/a/libfoo.so.1: the moon is in the wrong house", empty, error)
    assert f"{error}: /a/libfoo.so.1: the moon is in the wrong house: unrecognised" in said
    assert (
        "about /a/libfoo.so.1, which does not exist | look at the other problems listed here"
        in said
    )
    for text in ("the moon", "foo.something", "cannot import name 'x' from 'y'"):
        assert explained(text, empty, error).endswith(
            "| this is not a library loading error: see the message"
        )


def test_module_that_python_itself_names_in_no_way(folder: Path, empty: Environment) -> None:
    """`raise ModuleNotFoundError("...")` has no name, and one that is no text."""
    (folder / "nameless.py").write_text("raise ModuleNotFoundError('this takes bar 2')\n")
    said = imported("nameless", empty)
    assert said.endswith("ModuleNotFoundError: this takes bar 2 | install what the message names")
    text = "import pathlib\nraise ImportError('no', name=pathlib.Path('x'))\n"
    (folder / "strange.py").write_text(text.replace("ImportError", "ModuleNotFoundError"))
    assert imported("strange", empty).endswith(
        "install the distribution that contains the module x"
    )


# What this machine's loader really says -----------------------------------------------------------


def library(file: Path, *options: str) -> Path:
    return building.compile_library(wheels.LIBRARY, file, "-nostdlib", *options)


def opener(folder: Path, file: Path) -> None:
    (folder / "opens.py").write_text(f"import ctypes\nctypes.CDLL({str(file)!r})\n")


def run(*before: str, path: Path) -> str:
    """Return what the command says of the module, in a process that is started in some other way."""
    done = subprocess.run(
        [*before, sys.executable, "-m", "native_lib", "doctor", "opens", "--format", "json"],
        env=building.environment({"PYTHONPATH": f"{path}:{SOURCES}"}),
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout:
        pytest.skip(f"{before[0]}: {done.stderr}")
    problem = json.loads(done.stdout)["problems"][0]
    assert problem["id"] == "import-failed"
    return f"{problem['message']} | {problem['fix']}"


@linux
@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("cut off in its tables", "/f.so is damaged, or is not a shared library"),
        ("empty", "/f.so is damaged, or is not a shared library"),
        ("an object file", "/f.so is damaged, or is not a shared library"),
        ("a program", "/f.so is damaged, or is not a shared library"),
        ("a folder", "/f.so is a folder instead of a library"),
        ("in an archive", "/f.so/in.so is inside an archive, or its folder is a file"),
        ("gone", "/f.so is missing"),
    ],
)
def test_real_words(how: str, expected: str, folder: Path, empty: Environment) -> None:
    file = folder / "f.so"
    if how == "cut off in its tables":
        file.write_bytes(library(folder / "whole.so").read_bytes()[:500])
    elif how == "an object file":
        library(file, "-c")
    elif how == "a program":
        shutil.copy(Path(sys.executable).resolve(), file)
    elif how == "a folder":
        file.mkdir()
    elif how != "gone":
        file.write_text("")
    opener(folder, file / "in.so" if how == "in an archive" else file)
    said = imported("opens", empty)
    if how == "a program" and "damaged" not in said:
        pytest.skip("this Python may be opened")
    assert f"{folder}{expected}" in said


@linux
def test_real_words_of_another_pythons_module(folder: Path, empty: Environment) -> None:
    source = "int PyOther_Python(void);\nint PyInit_opens(void) { return PyOther_Python(); }\n"
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    file = building.compile_library(source, folder / f"opens{suffix}", "-nostdlib")
    said = imported("opens", empty)
    assert f"{file} calls PyOther_Python, which this Python does not have" in said
    building.compile_library(wheels.LIBRARY, file, "-nostdlib")
    assert "is not an extension module of this name, or is for another Python" in imported(
        "opens", empty
    )


@linux
def test_real_words_of_an_executable_stack(folder: Path, empty: Environment) -> None:
    file = library(folder / "f.so", "-Wl,-z,execstack")
    code = "ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)"  # PR_SET_MDWE; glibc 2.41 refuses by itself
    (folder / "opens.py").write_text(f"import ctypes; {code}; ctypes.CDLL({str(file)!r})\n")
    if not try_import("opens").error:
        pytest.skip("this kernel cannot refuse executable stacks")
    assert f"{file} requires an executable stack, which" in imported("opens", empty)


@linux
@pytest.mark.skipif(not shutil.which("unshare"), reason="requires util-linux")
def test_real_words_of_noexec(tmp_path: Path) -> None:
    """In a namespace of its own, which takes the mount away with it."""
    made, place = library(tmp_path / "f.so"), tmp_path / "mounted"
    place.mkdir()
    opener(tmp_path, place / "f.so")
    steps = f'mount -t tmpfs -o noexec none "{place}" && cp "{made}" "{place}" && exec "$@"'
    said = run(
        "unshare", "--user", "--map-root-user", "--mount", "sh", "-c", steps, "sh", path=tmp_path
    )
    assert f"{place / 'f.so'} is on a file system mounted noexec" in said
    assert said.endswith("have it mounted without noexec, or install into a folder elsewhere")


@linux
def test_real_words_of_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    file = library(tmp_path / "f.so")
    file.chmod(0)
    opener(tmp_path, file)
    # The superuser may read everything, unless that is taken away.
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("requires util-linux")
    said = run(*(without if os.geteuid() == 0 else ["env"]), path=tmp_path)
    assert f"{file} may not be opened by this user: " in said
    assert "give this user the right to read and execute it" in said


# Processes that end, and such as do not -----------------------------------------------------------


@posix
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            "import ctypes; ctypes.string_at(0)",
            r"-11 \(SIGSEGV\) in \S.*m.py line 2: usually two copies",
        ),
        ("os.abort()", r"-6 \(SIGABRT\) in \S.*m.py line 2: a library gave up"),
        (
            "os.kill(os.getpid(), 4)",
            r"-4 \(SIGILL\) in \S.*m.py line 2: usually .* newer processor",
        ),
        ("os.kill(os.getpid(), 9)", r"-9 \(SIGKILL\): it was killed, usually by"),
        ("os.kill(os.getpid(), 15)", r"-15 \(SIGTERM\) \|"),
        (
            "os.write(2, b'terminate: foo\\n'); os.abort()",
            r"; it printed: terminate: foo \| look at",
        ),
    ],
)
def test_signal_is_named(code: str, expected: str, folder: Path, empty: Environment) -> None:
    (folder / "m.py").write_text(f"import os\n{code}\n")
    said = imported("m", empty)
    assert re.search(expected, said), said
    assert "not an error of" not in said


def test_process_that_ends_itself(folder: Path, empty: Environment) -> None:
    (folder / "m.py").write_text("import os\nos.write(2, b'no licence\\n')\nos._exit(3)\n")
    said = imported("m", empty)
    assert "import m: the process ended with 3; it printed: no licence | find out what ends" in said


def test_loaders_words_of_a_process_that_ended(empty: Environment) -> None:
    """A symbol that is looked up at its first call."""
    text = "python: symbol lookup error: /a/_ext.so: undefined symbol: foo_cube"
    problem = explain(Attempt("m", "Ended", text, status=127), empty)
    assert "/a/_ext.so calls foo_cube, but the library that it uses" in problem.message


@posix
def test_variables_are_the_first_to_be_suspected(
    folder: Path, empty: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "m.py").write_text("import os\nos.abort()\n")
    monkeypatch.setenv("NATIVE_LIB_FOO_PATH", "/other.so")
    monkeypatch.setenv("NATIVE_LIB_CONFLICT", "warn")
    assert imported("m", empty).endswith(
        "| unset NATIVE_LIB_CONFLICT and NATIVE_LIB_FOO_PATH, and try again"
    )


def test_windows_status_is_named(empty: Environment) -> None:
    problem = explain(Attempt("m", "Ended", "", status=0xC0000005), empty)
    assert "ended with 3221225477 (access violation): usually two copies" in problem.message


@pytest.mark.parametrize(
    "code",
    [
        "import threading, time; threading.Thread(target=time.sleep, args=(300,)).start()",
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])",
        "import atexit, time; atexit.register(time.sleep, 300)",
    ],
)
def test_result_counts_and_not_what_the_module_left_running(code: str, folder: Path) -> None:
    (folder / "m.py").write_text(f"{code}\n")
    begin = time.monotonic()
    assert try_import("m").error == ""
    assert time.monotonic() - begin < 60


@linux
def test_what_the_module_left_running_is_ended(folder: Path) -> None:
    (folder / "m.py").write_text(
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
        "raise ImportError(str(child.pid))\n"
    )
    child = Path("/proc", try_import("m").message, "stat")
    deadline = time.monotonic() + 30
    while child.exists() and ") Z " not in child.read_text() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not child.exists() or ") Z " in child.read_text()


@posix
def test_module_that_hangs(
    folder: Path, empty: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "_SECONDS", 2)
    (folder / "m.py").write_text("import threading\nthreading.Event().wait()\n")
    said = imported("m", empty)
    assert "import m: Timeout: not done after 2 seconds, in " in said
    assert "m.py line 2 |" in said or "threading.py line" in said


# Where modules are looked for ---------------------------------------------------------------------


def test_the_path_is_this_processes(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither more, such as the current folder, nor less."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "only_here.py").write_text("")
    monkeypatch.chdir(here)
    monkeypatch.setenv("PYTHONPATH", str(here))
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(here))])
    assert try_import("only_here").error == "ModuleNotFoundError"
    monkeypatch.setattr(sys, "path", [*sys.path, ""])
    assert try_import("only_here").error == ""
    text = f"import sys\nassert sys.path == {sys.path!r}\nassert len(sys.argv) == 1\n"
    (folder / "looks.py").write_text(text)
    assert try_import("looks").message == ""


@pytest.mark.parametrize("flag", ["-I", "-E", "-s"])
def test_flags_are_passed_on(flag: str, folder: Path) -> None:
    (folder / "m.py").write_text("import sys\nraise ImportError(repr(sys.flags))\n")
    code = (
        f"import sys; sys.path[:] = {[str(folder), *sys.path]!r}\n"
        "from native_lib.doctor.attempt import try_import\n"
        "print(repr(sys.flags) == try_import('m').message)\n"
    )
    printed = subprocess.check_output([sys.executable, flag, "-c", code], text=True)
    assert printed == "True\n"


@linux
def test_what_the_attempt_itself_imports_opens_no_library(folder: Path) -> None:
    """It would take a name that a provider's library may want."""
    (folder / "m.py").write_text("import sys\nraise ImportError(' '.join(sys.modules))\n")
    loaded = try_import("m").message.split()
    assert "json" in loaded
    assert not {"zlib", "_bz2", "_lzma", "ctypes", "subprocess"}.intersection(loaded)


# Editable installs --------------------------------------------------------------------------------


class Editable:
    """What an editable install leaves: metadata and its build's files here, its sources there."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sources = tmp_path / "sources of it"
        self.package = self.sources / "foo_ext"
        self.package.mkdir(parents=True)
        self.site = tmp_path / "site"
        info = self.site / "foo_ext-1.0.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foo-ext\nVersion: 1.0.0\n")
        (info / "RECORD").write_text("foo_ext-1.0.0.dist-info/METADATA,,\n__editable__.pth,,\n")
        self.url = self.sources.as_uri()
        record = {"url": self.url, "dir_info": {"editable": True}}
        (info / "direct_url.json").write_text(json.dumps(record))
        monkeypatch.syspath_prepend(str(self.sources))

    def said(self) -> str:
        return imported("foo_ext", read_environment([str(self.site)]))


@pytest.fixture
def editable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Editable:
    return Editable(tmp_path, monkeypatch)


@pytest.mark.parametrize("code", ["from . import _ext", "import foo_ext._ext"])
def test_editable_install_that_was_not_built(editable: Editable, code: str) -> None:
    (editable.package / "__init__.py").write_text(f"{code}\n")
    said = editable.said()
    assert "was not built, or " in said
    assert said.endswith(f'--no-deps -e "{editable.url}"') or "--target" in said
    assert "another folder" not in said


def test_source_folder_in_the_place_of_an_editable_install(
    editable: Editable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "elsewhere" / "foo_ext"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from . import _ext\n")
    monkeypatch.syspath_prepend(str(package.parent))
    assert editable.said().endswith("| run Python in another folder")


def test_editable_install_whose_sources_are_gone(editable: Editable) -> None:
    shutil.rmtree(editable.sources)
    said = editable.said()
    assert (
        f"the sources of foo-ext, an editable install, are not there any more: {editable.sources}"
        in said
    )
    assert said.endswith("or install foo-ext from where its sources are now")


def test_another_module_that_an_editable_install_lacks(editable: Editable) -> None:
    (editable.package / "__init__.py").write_text("import no_such_module\n")
    assert editable.said().endswith(
        "install the distribution that contains the module no_such_module"
    )


# What is no loader's ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        'raise ValueError("unknown instrument, symbol not found in BTC/USD")',
        'raise RuntimeError("Module not found: please run setup")',
        'raise LookupError("base.html: version `2\' not found (required by page.html)")',
        'raise ValueError("archive.zip: file too short")',
        'raise RuntimeError("ticker: undefined symbol: AAPL")',
        'open("/nowhere/libx.so")',
    ],
)
def test_words_of_others_are_not_a_loaders(folder: Path, empty: Environment, code: str) -> None:
    (folder / "m.py").write_text(f"{code}\n")
    assert imported("m", empty).endswith(" | this is not a library loading error: see the message")


def test_words_without_end_are_shortened(empty: Environment) -> None:
    for text in ("q" * 1_000_000, "fix: " * 100_000, " fix: foo"):
        assert len(explained(text, empty)) < 3000


@posix
def test_a_child_that_the_module_forked_says_nothing(folder: Path) -> None:
    (folder / "m.py").write_text(
        "import os, sys, time\nif os.fork() == 0:\n    sys.exit(0)\ntime.sleep(0.3)\n"
    )
    assert try_import("m") == Attempt("m", files=try_import("m").files)


def test_circular_import_of_what_is_not_installed(folder: Path, empty: Environment) -> None:
    package = folder / "mypkg"
    package.mkdir()
    (package / "__init__.py").write_text("from .b import x\n")
    (package / "b.py").write_text("from . import y\n")
    said = imported("mypkg", empty)
    assert "a circular import" in said
    assert "another folder" not in said


def test_module_that_a_distribution_never_had() -> None:
    environment = read_environment()
    said = imported("packaging.nothing", environment)
    assert re.search(
        r"packaging [\w.]+ has no such module \| look up the module's name in its documentation$",
        said,
    )
    said = imported("packaging.version.nothing", environment)
    assert said.endswith('python -c "import packaging; print(packaging.__file__)"')
