"""Feeds minipng's extension module with damaged files and odd arguments, under sanitizers.

The module is compiled for this alone, and runs in a process of its own: whatever is wrong ends that
process, or makes it print, and the test sees both. The seeds are fixed, so a failure comes back;
the time is not, so that a slow machine tries less rather than takes longer.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from typing import TYPE_CHECKING

import building
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="preloads a sanitizer, reads /proc"),
]

SOURCE = building.ROOT / "reference-packages" / "minipng" / "src" / "_ext.c"
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
SECONDS = 4


@dataclass(frozen=True)
class Libraries:
    """A libpng and a zlib to compile against, and example files.

    Attributes:
        includes: the folders of png.h and zlib.h.
        files: the shared libraries, libpng's first.
        examples: a folder of PNG files (PngSuite), or None.
    """

    includes: tuple[Path, ...]
    files: tuple[Path, ...]
    examples: Path | None


@pytest.fixture(scope="session")
def libraries(reference_env: building.Environment) -> Libraries:
    """The providers' wheels, and libpng's own examples."""
    packages = [reference_env.site_packages / name for name in ("native_libpng", "native_zlib")]
    return Libraries(
        tuple(package / "include" for package in packages),
        tuple(next((package / "lib").glob("*.so.*")) for package in packages),
        building.ROOT / "reference-packages" / "libpng" / "upstream" / "contrib" / "pngsuite",
    )


@dataclass(frozen=True)
class Module:
    """A compiled _ext, and what a process needs to run it."""

    folder: Path
    variables: dict[str, str]
    examples: Path | None

    def run(self, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run code, after HELPERS, in a process of its own."""
        return subprocess.run(
            [sys.executable, "-c", f"{HELPERS}\n{code}"],
            env=building.environment(
                {
                    "PYTHONPATH": str(self.folder),
                    "EXAMPLES": str(self.examples or ""),
                    **self.variables,
                    **variables,
                }
            ),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=120,
            check=False,
        )


def compile_module(folder: Path, libraries: Libraries, *options: str) -> Module:
    """Compile _ext.c as the wheel's build does, with these options added."""
    folder.mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = ["cc", "-shared", "-fPIC", "-g", "-O1", "-fno-omit-frame-pointer"]
    command += ["-std=c11", "-Wall", "-Wextra", "-Werror", "-DPy_LIMITED_API=0x030B0000", *options]
    command += [f"-I{sysconfig.get_path('include')}", *(f"-I{path}" for path in libraries.includes)]
    command += ["-o", folder / "_ext.so", SOURCE, *libraries.files]
    command += [f"-Wl,-rpath,{file.parent}" for file in libraries.files]
    building.run(*command)
    return Module(folder, {}, libraries.examples)


@pytest.fixture(scope="session")
def plain(libraries: Libraries, once: Callable[[str, Callable[[Path], Module]], Module]) -> Module:
    """The module without sanitizers, for measuring."""
    return once("minipng_plain", lambda folder: compile_module(folder, libraries, "-O2"))


def sanitized(folder: Path, libraries: Libraries, *options: str) -> Module:
    """Compile the module with sanitizers, which must be in the process before Python is."""
    compile_module(folder, libraries, *SANITIZERS, *options)
    runtimes = [
        building.run("cc", f"-print-file-name={name}").strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    variables = {
        "LD_PRELOAD": " ".join(runtimes),
        # Python's own allocator would hide where a buffer ends, and its leaks are not ours.
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    return Module(folder, variables, libraries.examples)


@pytest.fixture(scope="session")
def checked(
    libraries: Libraries, once: Callable[[str, Callable[[Path], Module]], Module]
) -> Module:
    """The module with sanitizers."""
    return once("minipng_checked", lambda folder: sanitized(folder, libraries))


# What each of the processes begins with.
HELPERS = '''
import os, random, resource, struct, sys, time, zlib
from pathlib import Path
import _ext

SIGNATURE = b"\\x89PNG\\r\\n\\x1a\\n"
MAX_BYTES = 1 << 24


def chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def file_of(width, height, depth, color, lines, before=(), interlaced=0):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced))
    return b"".join(
        [SIGNATURE, head, *before, chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND")]
    )


def chunks_of(file):
    """Take a file apart, as far as it goes."""
    at, found = len(SIGNATURE), []
    while at + 12 <= len(file):
        (size,) = struct.unpack_from(">I", file, at)
        found.append((file[at + 4 : at + 8], file[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def memory(what):
    """Return what the kernel says of this process's memory, in bytes."""
    (line,) = [l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith(what)]
    return int(line.split()[1]) * 1024


def grown(since):
    return (memory("VmHWM") - since) >> 20


def forget_peak():
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")
'''

FUZZ = '''
SECONDS = float(os.environ["SECONDS"])
chance = random.Random(int(os.environ["SEED"]))

table = chunk(b"PLTE", chance.randbytes(48))
meta = [
    chunk(b"iCCP", b"p\\0\\0" + zlib.compress(bytes(1000))), chunk(b"zTXt", b"t\\0\\0" + zlib.compress(b"x")),
    chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"sBIT", b"\\5"), chunk(b"bKGD", b"\\0\\1"),
]
seeds = [
    file_of(9, 7, 4, 3, b"".join(b"\\0" + chance.randbytes(5) for _ in range(7)),
            [table, chunk(b"tRNS", chance.randbytes(16))]),
    file_of(9, 7, 1, 0, b"".join(b"\\0" + chance.randbytes(2) for _ in range(7)),
            [*meta, chunk(b"tRNS", b"\\0\\1")]),
    file_of(5, 5, 16, 2, b"".join(b"\\4" + chance.randbytes(30) for _ in range(5)),
            [chunk(b"tRNS", chance.randbytes(6))]),
    file_of(1, 1, 8, 6, bytes(5), interlaced=1),
    file_of(3, 1, 8, 0, bytes(6), interlaced=1),
]
for channels in (1, 2, 3, 4):
    for depth in (8, 16):
        data = chance.randbytes(11 * 6 * channels * depth // 8)
        seeds.append(_ext.encode(11, 6, channels, depth, data, 6))
if os.environ["EXAMPLES"]:
    paths = sorted(Path(os.environ["EXAMPLES"]).rglob("*.png"))
    assert paths, "there are no examples"
    seeds += [path.read_bytes() for path in paths if path.stat().st_size < 20_000]
parts = [part for seed in seeds for part in chunks_of(seed)]
SIZES = [0, 1, 2, 3, 255, 256, 500_000, 500_001, 2**31 - 1, 2**31, 2**32 - 1]


def flip(file):
    for _ in range(chance.choice([1, 1, 2, 10, 50])):
        file[chance.randrange(len(file))] ^= 1 << chance.randrange(8)
    return file


def cut(file):
    return file[: chance.randrange(len(file))]


def resize_field(file):
    """Put a number into the header, or into a length."""
    at = chance.choice([16, 20, 8, 33, chance.randrange(max(1, len(file) - 4))])
    file[at : at + 4] = struct.pack(">I", chance.choice(SIZES))
    return file


def set_header(file):
    at = chance.randrange(24, 29)
    file[at : at + 1] = bytes([chance.choice([0, 1, 2, 3, 4, 6, 8, 16, 255])])
    return file


def splice(file):
    """Drop, repeat, move, or take chunks of other files, or change what is in one."""
    found = chunks_of(file)
    for _ in range(chance.choice([1, 1, 2, 5])):
        way = chance.randrange(5)
        at = chance.randrange(len(found) + 1)
        if way == 0 and found:
            del found[at - 1]
        elif way == 1 and found:
            found.insert(at, chance.choice(found))
        elif way == 2 and found:
            found.insert(at, found.pop(chance.randrange(len(found))))
        elif way == 3:
            found.insert(at, chance.choice(parts))
        elif found:
            kind, data = found[at - 1]
            size = chance.choice([0, 1, 2, len(data) // 2, len(data) + 1, 800])
            found[at - 1] = kind, (bytes(data) + chance.randbytes(800))[:size]
    return bytearray(SIGNATURE + b"".join(chunk(bytes(kind), bytes(data)) for kind, data in found))


def reinflate(file):
    """Damage what is inside the compressed data, where no checksum tells."""
    found = chunks_of(file)
    for number, (kind, data) in enumerate(found):
        if kind == b"IDAT":
            try:
                inside = bytearray(zlib.decompress(data))
            except zlib.error:
                continue
            way = chance.randrange(3)
            inside = [flip, cut, lambda data: data + chance.randbytes(99)][way](inside or bytearray(1))
            found[number] = kind, zlib.compress(inside, chance.choice([0, 1, 9]))
    return bytearray(SIGNATURE + b"".join(chunk(bytes(kind), bytes(data)) for kind, data in found))


def repair(file):
    """Make the checksums right, so that what is wrong gets further."""
    return bytearray(
        SIGNATURE + b"".join(chunk(bytes(kind), bytes(data)) for kind, data in chunks_of(file))
    )


MUTATIONS = [flip, flip, cut, resize_field, set_header, splice, reinflate]


def mutant():
    file = bytearray(chance.choice(seeds))
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        file = chance.choice(MUTATIONS)(file) or bytearray(1)
    return repair(file) if chance.random() < 0.5 else file


def read(file):
    try:
        width, height, channels, depth, data = _ext.decode(file, MAX_BYTES)
    except _ext.PngError as error:
        assert str(error) and str(error).isprintable(), error
        return False
    assert 1 <= channels <= 4 and depth in (8, 16), (channels, depth)
    assert len(data) == width * height * channels * depth // 8 <= MAX_BYTES
    return True


def odd(*usual):
    return chance.choice([*usual] * 20 + [0, -1, 3, 5, 255, 2**16, 2**31, 2**32, 2**64, -(2**70)])


def write():
    width, height, channels = odd(1, 7), odd(1, 9), odd(1, 2, 3, 4)
    depth, level = odd(8, 16), odd(0, 6, 9)
    size = width * height * channels * depth // 8
    if not 0 <= size < 100_000 or chance.random() < 0.1:
        size = chance.randrange(2000)
    data = chance.randbytes(size)
    try:
        file = _ext.encode(width, height, channels, depth, data, level)
    except ValueError as error:
        assert not isinstance(error, _ext.PngError), error
        return False
    assert _ext.decode(file, MAX_BYTES) == (width, height, channels, depth, data)
    return True


for seed in seeds:
    _ext.decode(seed, MAX_BYTES)
before, end = forget_peak(), time.monotonic() + SECONDS
counts = {"refused": 0, "read": 0, "not written": 0, "written": 0}
while time.monotonic() < end:
    for _ in range(20):
        counts["read" if read(mutant()) else "refused"] += 1
    counts["written" if write() else "not written"] += 1
print(counts, "memory grew by", grown(before), "MiB")
assert min(counts.values()) > 10, "too little was tried to say anything"
# An image of MAX_BYTES, libpng's rows and chunks; a sanitizer keeps what was freed for a while.
assert grown(before) < 600, "memory grew"
print("survived")
'''


def assert_survived(done: subprocess.CompletedProcess[str]) -> None:
    """Fail unless the process got to its end, and no sanitizer said anything."""
    said = f"exit status {done.returncode}\n{done.stdout}\n{done.stderr[-20_000:]}"
    assert done.returncode == 0, said
    assert done.stdout.endswith("survived\n"), said
    assert done.stderr == "", said


@pytest.mark.parametrize("seed", ["1", "2"])
def test_only_images_and_errors_come_of_damaged_files(checked: Module, seed: str) -> None:
    assert_survived(checked.run(FUZZ, SEED=seed, SECONDS=str(SECONDS)))


# Each makes _ext.c wrong in one place, without touching it; and what must be said of it.
DEFECTS = {
    "reads behind the file": (
        "heap-buffer-overflow",
        """
        #undef memcpy
        #define memcpy(to, from, size) memmove(to, from, (size) + 64)
        """,
    ),
    "writes behind the pixels": (
        "heap-buffer-overflow",
        """
        static void read_row(png_structp png, png_bytep row) {
          png_read_row(png, row + 64, NULL);
        }
        #undef png_read_row
        #define png_read_row(png, row, display) read_row(png, row)
        """,
    ),
    "uses what it has freed": (
        "heap-use-after-free",
        """
        static void *forget(void *memory, size_t size) {
          if (!memory) return malloc(size + 100000);
          free(memory);
          return memory;
        }
        #define realloc(memory, size) forget(memory, size)
        """,
    ),
    "overflows": (
        "signed integer overflow",
        """
        static volatile int large = 0x7fffffff;
        #undef png_set_expand
        #define png_set_expand(png) (large = large + 1)
        """,
    ),
    "ends the process": (
        "exit status -6",
        """
        #undef longjmp
        #define longjmp(jump, value) abort()
        """,
    ),
    "calls a bad argument a bad file": (
        "a file",
        """
        static PyObject *error;
        #define PyErr_Format(type, ...) PyErr_SetString(error, "a file")
        #define PyModule_AddObjectRef(module, name, value) \\
            (error = value, PyModule_AddObjectRef(module, name, value))
        """,
    ),
}
DEFECT_BEGINS = """
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
"""


@pytest.mark.parametrize("defect", DEFECTS)
def test_defect_is_noticed(defect: str, libraries: Libraries, tmp_path: Path) -> None:
    sign, code = DEFECTS[defect]
    header = tmp_path / "defect.h"
    header.write_text(DEFECT_BEGINS + code, encoding="utf-8")
    broken = sanitized(tmp_path, libraries, "-w", "-include", str(header))
    with pytest.raises(AssertionError, match=sign):
        assert_survived(broken.run(FUZZ, SEED="1", SECONDS="1"))


LEAKS = r"""
whole = file_of(50, 50, 8, 2, bytes(151 * 50), [chunk(b"tRNS", bytes(6))])
files = [whole, b"", whole[:20], whole[:60], whole[:-30], whole[:-4], whole.replace(b"IDAT", b"IDAU")]
counts = [sys.getrefcount(file) for file in files]
for _ in range(5):
    for file in files:
        for limit in (0, 100, MAX_BYTES):
            try:
                _ext.decode(file, limit)
            except _ext.PngError:
                pass
    for arguments in [(1, 1, 1, 8, b"1", 6), (9, 9, 1, 8, b"1", 6), (1, 1, 1, 8, b"1", 10)]:
        try:
            _ext.encode(*arguments)
        except ValueError:
            pass
    for file in files:
        _ext.crc32(file)
del file
assert counts == [sys.getrefcount(file) for file in files], "a buffer was not given back"
print("survived")
"""


def leaks(module: Module) -> str:
    """Return what the sanitizer says at the end that _ext.c leaks; Python has leaks of its own."""
    options = module.variables["ASAN_OPTIONS"].replace("detect_leaks=0", "detect_leaks=1")
    done = module.run(LEAKS, ASAN_OPTIONS=f"{options}:exitcode=0:fast_unwind_on_malloc=0")
    assert (done.returncode, done.stdout) == (0, "survived\n"), done.stderr
    return "\n\n".join(leak for leak in done.stderr.split("\n\n") if "_ext.c:" in leak)


def test_nothing_leaks(checked: Module) -> None:
    assert leaks(checked) == ""


@pytest.mark.parametrize(
    ("defect", "sign"),
    [
        ("#define PyBuffer_Release(buffer) ((void)0)", "a buffer was not given back"),
        ("#undef Py_DECREF\n#define Py_DECREF(object) ((void)0)", "in decode_file"),
        (
            "#undef png_destroy_read_struct\n#define png_destroy_read_struct(a, b, c) ((void)0)",
            "in allocate",
        ),
    ],
    ids=["buffer", "object", "struct"],
)
def test_leak_is_noticed(defect: str, sign: str, libraries: Libraries, tmp_path: Path) -> None:
    header = tmp_path / "defect.h"
    header.write_text(DEFECT_BEGINS + defect, encoding="utf-8")
    leaking = sanitized(tmp_path, libraries, "-w", "-include", str(header))
    with pytest.raises(AssertionError, match=sign):
        assert leaks(leaking) == ""


BOMBS = r"""
packer = zlib.compressobj(1)
zeros = b"".join(packer.compress(bytes(1_000_000)) for _ in range(300)) + packer.flush()
meta = [
    chunk(b"iCCP", b"n\0\0" + zeros), chunk(b"zTXt", b"n\0\0" + zeros),
    chunk(b"iTXt", b"n\0\1\0\0\0" + zeros), *[chunk(b"tEXt", b"n\0text")] * 100_000,
]
bombs = {
    "metadata": (file_of(2, 2, 8, 0, bytes(6), meta), b"\0\0\0\0"),
    "large sides": (file_of(500_000, 500_000, 16, 6, b""), "more than the limit"),
    "larger sides": (file_of(2**31 - 1, 2**31 - 1, 16, 6, b""), "IHDR"),
    "too much data": (
        SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zeros) + chunk(b"IEND"), "Too much image data",
    ),
    "no data": (file_of(20_000, 40_000, 8, 0, b"") , "Not enough image data"),
    "large palette": (file_of(2, 2, 8, 3, bytes(6), [chunk(b"PLTE", bytes(3 << 22))]), "PLTE"),
    "large unknown": (file_of(2, 2, 8, 0, bytes(6), [chunk(b"luCK", bytes(50_000_000))]), bytes(4)),
}
for name, (file, result) in bombs.items():
    before = forget_peak()
    try:
        got = _ext.decode(file, 1 << 30)[4]
    except _ext.PngError as error:
        assert isinstance(result, str) and result in str(error), (name, error)
    else:
        assert got == result, name
    assert grown(before) < 20, f"{name}: memory grew by {grown(before)} MiB"
print("survived")
"""


def test_bombs_take_no_memory(plain: Module) -> None:
    assert_survived(plain.run(BOMBS))


def test_memory_that_is_taken_is_noticed(plain: Module) -> None:
    large = '"large": (_ext.encode(6000, 6000, 1, 8, bytes(36_000_000), 9), bytes(36_000_000)),'
    with pytest.raises(AssertionError, match=r"large: memory grew by 3\d MiB"):
        assert_survived(plain.run(BOMBS.replace("bombs = {", "bombs = {" + large)))


NO_MEMORY = r"""
pixels = random.Random(1).randbytes(50_000_000)
file = _ext.encode(1000, 50_000, 1, 8, bytes(50_000_000), 1)
status = Path("/proc/self/statm").read_text().split()
used = int(status[5]) * resource.getpagesize()  # what RLIMIT_DATA counts
resource.setrlimit(resource.RLIMIT_DATA, (used + (10 << 20), resource.RLIM_INFINITY))
failed = []
for call in (
    lambda: _ext.encode(1000, 50_000, 1, 8, pixels, 0),
    lambda: _ext.decode(file, 1 << 30),
):
    try:
        call()
    except MemoryError:
        failed.append("MemoryError")
resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert failed == ["MemoryError"] * 2, failed
assert len(_ext.decode(file, 1 << 30)[4]) == 50_000_000
print("survived")
"""


def test_too_little_memory_is_a_memory_error(plain: Module) -> None:
    assert_survived(plain.run(NO_MEMORY))
