"""native-sodium, which autotools build, and native-zmq, which is in C++ and requires it."""

from __future__ import annotations

import os
import re
import shutil
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from email.parser import Parser
from pathlib import Path
from typing import Callable

import building
import elf
import pytest
from native_lib.check.run import check

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="compiles and reads ELF files")

PACKAGES = building.ROOT / "reference-packages"
Once = Callable[[str, Callable[[Path], Path]], Path]


@pytest.fixture(scope="session")
def env(
    sockets: building.Sockets,
    once: Callable[[str, Callable[[Path], building.Environment]], building.Environment],
) -> building.Environment:
    """An environment with both, for tests that only look."""

    def make(folder: Path) -> building.Environment:
        made = building.new_environment(folder / "env", sockets.sodium, sockets.zmq)
        building.uv("pip", "install", "--quiet", "--python", made.python, "pytest")
        return made

    return once("sockets_env", make)


def metadata(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return dict(Parser().parsestr(archive.read(name).decode()).items())


def test_check_finds_nothing(sockets: building.Sockets) -> None:
    report = check([sockets.sodium, sockets.zmq])
    assert (report.findings, report.unusable) == ((), ())


def test_zmq_is_built_with_the_providers_sodium(
    sockets: building.Sockets, env: building.Environment
) -> None:
    """Its own find_package("Sodium") finds it; without, it would silently do without."""
    version = metadata(sockets.sodium)["Version"]
    assert metadata(sockets.zmq)["Requires-Dist"] == f"native-sodium<1.1,>={version}"
    zmq = elf.dynamic_in_wheel(sockets.zmq, "/lib/native_zmq__zmq.so.4")
    assert zmq["SONAME"] == ["native_zmq__zmq.so.4"]
    assert "native_sodium__sodium.so.1.0" in zmq["NEEDED"]
    assert not {"RPATH", "RUNPATH"} & zmq.keys()
    code = """
import ctypes, native_zmq
library = ctypes.CDLL(native_zmq.loader.load()[0].path)
assert library.zmq_has(b"curve") == 1
keys = ctypes.create_string_buffer(41), ctypes.create_string_buffer(41)
assert library.zmq_curve_keypair(*keys) == 0
assert len(keys[0].value) == len(keys[1].value) == 40
"""
    folder = env.site_packages
    assert building.mapped(env, code, "libsodium") == []
    assert building.mapped(env, code, "__sodium") == [
        str(folder / "native_sodium" / "lib" / "native_sodium__sodium.so.1.0")
    ]


def test_headers_and_exports_agree(sockets: building.Sockets, env: building.Environment) -> None:
    """What the archive's authors hid is hidden, and all that the headers declare is there."""
    for name, pattern in (("sodium", r"(crypto_|randombytes|sodium_)\w*"), ("zmq", r"zmq_\w+")):
        folder = env.site_packages / f"native_{name}"
        (library,) = (folder / "lib").glob("native_*.so.*")
        with library.open("rb") as file:
            found = elf.exports(file)
        texts = (path.read_text("utf-8") for path in folder.rglob("include/**/*.h"))
        # Draft functions are declared for those who ask for them, and not built.
        headers = "".join(text.partition("#ifdef ZMQ_BUILD_DRAFT_API")[0] for text in texts)
        declared = set(
            re.findall(r"^(?:SODIUM|ZMQ)_EXPORT[^;(]*?\**(\w+) \(", headers, re.MULTILINE)
        )
        declared |= set(re.findall(r"^[\w *]*?\b(crypto_\w+|sodium_\w+)\(", headers, re.MULTILINE))
        assert len(declared) > 50
        # C++: what headers of the standard library define, and functions whose headers upstream keeps.
        others = {each for each in found if not re.fullmatch(pattern, each)}
        assert not [each for each in others if not each.startswith("_Z") or "N3zmq" in each]
        assert declared <= found


@pytest.mark.parametrize("name", ["sodium", "zmq"])
def test_contract_tests_pass(env: building.Environment, name: str) -> None:
    options = ("-q", "-p", "no:cacheprovider")
    building.run(env.python, "-m", "pytest", *options, PACKAGES / name / "tests")


@pytest.mark.parametrize("name", ["sodium", "zmq"])
def test_version_licence_and_sbom_are_upstreams(sockets: building.Sockets, name: str) -> None:
    wheel: Path = getattr(sockets, name)
    told = metadata(wheel)
    licence = {"sodium": "ISC", "zmq": "MPL-2.0"}[name]
    assert told["License-Expression"] == f"{licence} AND BSD-3-Clause"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (sbom,) = (each for each in names if each.endswith(f"/sboms/native-{name}.cdx.json"))
        assert f'"version": "{told["Version"]}"' in archive.read(sbom).decode()
    (ours, *theirs) = sorted(each for each in names if "/licenses/" in each)
    assert ours.endswith("/licenses/LICENSE")
    assert theirs


def test_build_in_another_folder_gives_the_same_bytes(
    sockets: building.Sockets, tmp_path: Path
) -> None:
    """Autotools and all. The fixture's build was in the package's own folder."""
    project = shutil.copytree(PACKAGES / "sodium", tmp_path / "another-and-longer-one" / "sodium")
    wheel = building.build(project, tmp_path / "dist")
    assert wheel.read_bytes() == sockets.sodium.read_bytes()


# Upstream's own tests -----------------------------------------------------------------------------


def test_libsodiums_own_tests(env: building.Environment, tmp_path: Path) -> None:
    """All of test/default: each compares what it prints with what upstream expects."""
    tests = PACKAGES / "sodium" / "upstream" / "test"
    # Copies, so that no header of upstream's library lies beside them.
    shutil.copytree(tests, tmp_path / "test")
    folder, provider = tmp_path / "test" / "default", env.site_packages / "native_sodium"
    (library,) = (provider / "lib").glob("native_*.so.*")
    names = sorted(path.stem for path in folder.glob("*.exp"))
    assert len(names) > 90
    paths = [f"-I{provider / 'include'}", f"-I{folder.parent / 'quirks'}"]
    paths += [f'-DTEST_SRCDIR="{folder}"', f"-Wl,-rpath,{library.parent}"]

    def run(name: str) -> None:
        building.run("cc", "-o", folder / name, folder / f"{name}.c", *paths, library)
        building.run(folder / name, cwd=folder)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        assert list(pool.map(run, names)) == [None] * len(names)
    assert str(library) in building.run("ldd", folder / names[0])


LISTS = """
cmake_minimum_required(VERSION 3.25)
project(zmqs_tests LANGUAGES C CXX)
set(CMAKE_CXX_STANDARD 11)
set(CMAKE_BUILD_TYPE Debug)
find_package(Sodium CONFIG REQUIRED)
find_package(ZeroMQ CONFIG REQUIRED)
find_package(Threads REQUIRED)
add_library(
    testutil STATIC external/unity/unity.c
    tests/testutil.cpp tests/testutil_monitoring.cpp tests/testutil_security.cpp tests/testutil_unity.cpp
)
target_compile_definitions(testutil PUBLIC UNITY_USE_COMMAND_LINE_ARGS UNITY_EXCLUDE_FLOAT)
target_include_directories(testutil PUBLIC external/unity src)
target_link_libraries(testutil PUBLIC ZeroMQ::libzmq Sodium::sodium Threads::Threads)
foreach(name IN LISTS TESTS)
    add_executable(${name} tests/${name}.cpp)
    target_link_libraries(${name} PRIVATE testutil)
    # A program has no loader in Python: RPATH, unlike RUNPATH, also serves what libzmq needs.
    target_link_options(${name} PRIVATE LINKER:--disable-new-dtags)
endforeach()
# A client that speaks the protocol by itself.
if(TARGET test_security_curve)
    target_sources(test_security_curve PRIVATE src/err.cpp src/random.cpp src/clock.cpp)
    target_compile_definitions(test_security_curve PRIVATE ZMQ_USE_LIBSODIUM)
endif()
"""
# What configure would find, as far as the tests read it.
PLATFORM = """
#pragma once
#define ZMQ_HAVE_LINUX
#define ZMQ_HAVE_UIO
#define ZMQ_HAVE_IPC
#define ZMQ_HAVE_TIPC
#define ZMQ_HAVE_SO_PEERCRED
#define ZMQ_HAVE_CURVE
#define ZMQ_USE_CV_IMPL_STL11
#define ZMQ_IOTHREAD_POLLER_USE_EPOLL
#define ZMQ_POLL_BASED_ON_POLL
#define ZMQ_CACHELINE_SIZE 64
"""
# Sockets of several kinds, and the encryption that libsodium does. `nox -s upstreams_tests` runs all.
QUICK = (
    *(
        "test_pair_inproc",
        "test_reqrep_tcp",
        "test_pair_ipc",
        "test_sub_forward",
        "test_ctx_options",
    ),
    *("test_security_plain", "test_security_curve"),
)
# These ask for what a wheel does not have (VMCI, draft functions, WebSockets), or for rights or a network
# of their own.
LEFT_OUT = (
    "tipc|vmci|draft|radio|dish|udp|client|server|peer|scatter|channel|poller|ws|wss|socks|cap_net"
    "|multicast|fuzz|many_sockets|app_meta|dgram|disconnect_msg|hello_msg|msg_init|router_notify"
    "|thread_safe|manual_last_value|filter_ipc"
)


def zmqs_tests(
    request: pytest.FixtureRequest, env: building.Environment, folder: Path
) -> list[str]:
    """Build upstream's tests of the library's public functions, and return their names."""
    upstream = PACKAGES / "zmq" / "upstream"
    for part in ("tests", "external"):
        shutil.copytree(upstream / part, folder / part)
    # Its tests say ../include/zmq.h: the wheel's.
    shutil.copytree(env.site_packages / "native_zmq" / "include", folder / "include")
    shutil.copytree(upstream / "src", folder / "src")
    (folder / "src" / "platform.hpp").write_text(PLATFORM, encoding="utf-8")
    names = sorted(path.stem for path in (folder / "tests").glob("test_*.cpp"))
    names = [name for name in names if not re.search(LEFT_OUT, name)]
    if not request.config.getoption("--all-of-upstreams-tests"):
        names = [name for name in names if name in QUICK]
        assert len(names) == len(QUICK)
    (folder / "CMakeLists.txt").write_text(LISTS, encoding="utf-8")
    roots = [f"-DZeroMQ_ROOT={env.site_packages}/native_zmq"]
    roots += [f"-DSodium_ROOT={env.site_packages}/native_sodium", f"-DTESTS={';'.join(names)}"]
    cmake = building.tool("cmake")
    building.run(cmake, "-G", "Ninja", "-S", folder, "-B", folder / "build", *roots)
    building.run(cmake, "--build", folder / "build")
    return names


def test_libzmqs_own_tests(
    request: pytest.FixtureRequest, env: building.Environment, tmp_path: Path
) -> None:
    def passes(name: str) -> bool:
        try:
            building.run(tmp_path / "zmq" / "build" / name, cwd=tmp_path)
        except building.CommandError:
            return False
        return True

    names = zmqs_tests(request, env, tmp_path / "zmq")
    # Some wait for events of other threads, and miss one when the machine is busy: these run again.
    failed = [name for name in names if not passes(name)]
    for name in failed:
        building.run(tmp_path / "zmq" / "build" / name, cwd=tmp_path)
    said = building.run("ldd", tmp_path / "zmq" / "build" / names[0])
    for name in ("native_zmq__zmq.so.4", "native_sodium__sodium.so.1.0"):
        assert f"{name} => {env.site_packages}" in said
