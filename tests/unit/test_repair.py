"""What `native-lib repair` tells the tools."""

from __future__ import annotations

from models import binary, library, wheel
from native_lib.repair import _itself


def test_only_libraries_that_others_of_the_wheel_need_are_left_out() -> None:
    """delocate leaves alone what an excluded library needs, so as few as possible are."""
    one = binary("libfoo/lib/libfoo__foo.1.dylib", "@rpath/libfoo__foo.1.dylib", format="Mach-O")
    path, name = "libfoo/lib/libfoo__bar.1.dylib", "@rpath/libfoo__bar.1.dylib"
    other = binary(path, name, format="Mach-O", needed=("@rpath/libfoo__foo.1.dylib",))
    libraries = [library(one), library(other, name="bar")]
    (itself,) = _itself(wheel("libfoo", one, other, libraries=libraries))
    assert [each.file for each, _ in itself.wheel.libraries] == [one.path]
    assert not [*_itself(wheel("libfoo", one, libraries=[library(one)]))]
