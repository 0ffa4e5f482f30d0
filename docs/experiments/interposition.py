"""The interpreter has another copy of the library in its global scope.

LD_PRELOAD puts it there, which for symbols is the same as a program that is linked to it.
"""

from experiment import LIBRARY, compile_c, module, python, show, version

SOURCE = LIBRARY + "int ask(void) { return release(); }"
PREFIX = ("-Drelease=our_release", "-Dnext_number=our_next_number", "-Dask=our_ask")


def experiment(what: str, ours: tuple[str, ...], theirs: tuple[str, ...] = ()) -> None:
    folder = what.replace(" ", "_").replace(",", "")
    names = PREFIX if ours == PREFIX else ()
    soname = "-Wl,-soname,libours.so.1"
    our = compile_c(SOURCE, f"{folder}/libours.so.1", "-DRELEASE=1", soname, *ours)
    their = compile_c(SOURCE, f"{folder}/libtheirs.so.1", "-DRELEASE=9", *theirs)
    module(folder, "one", our, *names)
    ask = "our_ask" if names else "ask"
    code = (
        f"import ctypes; ours = ctypes.CDLL('{our}'); import one\n"
        f"print('the module', one.release(), '- the library itself', ours.{ask}())"
    )
    show(what, python(code, folder, LD_PRELOAD=str(their)))


experiment("no precaution", ())
experiment("ours linked with -Bsymbolic", ("-Wl,-Bsymbolic",))
experiment("ours has versions, theirs has none", (version("OURS_1"),))
experiment("each has versions of its own", (version("OURS_1"),), (version("THEIRS_1"),))
experiment("ours has a prefix", PREFIX)
