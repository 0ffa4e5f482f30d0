"""Two wheels bring libraries of one run-time name, and each expects its own."""

from experiment import LIBRARY, compile_c, module, python, show, version

NEW = LIBRARY.replace("int release", "int added(void) { return RELEASE; }\nint release")
EARLY, LATE = "-DRELEASE=1", "-DRELEASE=2"


def experiment(what: str, names: tuple[str, str], *, versions: bool = False) -> None:
    folder = what.replace(" ", "_").replace(",", "")
    made = []
    for wheel, source, release, soname in (
        ("early", LIBRARY, EARLY, names[0]),
        ("late", NEW, LATE, names[1]),
    ):
        more = [version(f"COUNTER_{release[-1]}")] if versions else []
        file = f"{folder}/{wheel}/{soname}"
        made.append(compile_c(source, file, release, f"-Wl,-soname,{soname}", *more))
    module(folder, "one", made[0])
    # This one calls what came with the later release.
    module(folder, "two", made[1], "-Drelease=added")
    for order in (made, made[::-1]):
        opened = "".join(f"import ctypes; ctypes.CDLL('{file}')\n" for file in order)
        first = order[0].parent.name
        code = f"{opened}import one, two; print(one.release(), two.release())"
        show(f"{what}, {first} first", python(code, folder))


experiment("one name", ("libcounter.so.1", "libcounter.so.1"))
experiment("one name, versions", ("libcounter.so.1", "libcounter.so.1"), versions=True)
experiment("two names", ("early__counter.so.1", "late__counter.so.1"))
