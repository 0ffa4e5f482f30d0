"""The library's symbols are put into the scope that everybody searches."""

from experiment import COUNT, RELEASES, library, module, python, show

alpha = library("alpha/libalpha.so.1", soname="libalpha.so.1", release=1)
beta = library("beta/libbeta.so.1", soname="libbeta.so.1", release=2)


def opened(how: str, *libraries: object) -> str:
    return "".join(f"import ctypes; ctypes.CDLL('{file}', ctypes.{how})\n" for file in libraries)


# Extension modules that are linked to nothing, and take what the process has.
for name in ("one", "two"):
    module("unlinked", name)
show("linked to nothing, nothing opened", python(COUNT, "unlinked"))
show("alpha opened for all", python(opened("RTLD_GLOBAL", alpha) + COUNT, "unlinked"))

# One was built against alpha, two against beta, which have a function of the same name.
module("linked", "one", alpha)
module("linked", "two", beta)
for how in ("RTLD_GLOBAL", "RTLD_LOCAL"):
    for files in ((alpha, beta), (beta, alpha)):
        first = files[0].parent.name
        said = python(opened(how, *files) + RELEASES, "linked")
        show(f"{how}, {first} first (right is 1 2)", said)
