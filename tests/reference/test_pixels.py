"""Every image of libpng's PngSuite decodes to what Pillow's decoder makes of it."""

from __future__ import annotations

import json
import sys

import building
import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="Linux only: the wheels are built there"
)

SUITE = building.ROOT / "reference-packages" / "libpng" / "upstream" / "contrib" / "pngsuite"

# Pillow has fewer modes than PNG has formats. Returned is how much of an image could be compared.
CODE = """
import json, pathlib, sys
import minipng, PIL.Image

def one_key(gray, alpha, opaque):
    "A transparent gray: alpha is 0 for all pixels of one value, and for no others."
    keys = {value for value, a in zip(gray, alpha) if a != opaque}
    return len(keys) <= 1 and all((value in keys) == (a == 0) for value, a in zip(gray, alpha))

def compare(path):
    ours = minipng.read(path)
    channels, data = ours.channels, bytes(ours.data)
    with PIL.Image.open(path) as image:
        assert image.size == (ours.width, ours.height)
        has_key = "transparency" in image.info
        if ours.bit_depth == 16 and channels <= 2 and image.mode in ("I", "I;16"):
            values = memoryview(data).cast("H").tolist()
            theirs = memoryview(image.convert("I").tobytes()).cast("i").tolist()
            same = values[::channels] == theirs
            alpha = values[1::2] if channels == 2 else []
            return "all" if same and one_key(theirs, alpha, 65535) else "DIFFERS"
        how = "all"
        if ours.bit_depth == 16:
            how = "upper bytes"  # Pillow keeps no more
            data = data[sys.byteorder == "little" :: 2]
        mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
        if has_key and channels == 2:
            # Below 8 bit Pillow does not scale the key: its gray, and our rule.
            theirs = image.convert("L").tobytes()
            same = data[::2] == theirs and one_key(theirs, data[1::2], 255)
        elif has_key and ours.bit_depth == 16:
            how = "upper bytes of the colours"  # the key is compared after the lower ones are gone
            theirs = image.convert("RGB").tobytes()
            same = all(data[i::4] == theirs[i::3] for i in range(3))
        else:
            same = image.convert(mode).tobytes() == data
        return how if same else f"DIFFERS: {image.mode} {channels} {ours.bit_depth}"

paths = sorted(pathlib.Path(sys.argv[1]).glob("*.png"))
print(json.dumps({path.name: compare(path) for path in paths}))
"""


def test_pngsuite_decodes_as_in_pillow(reference_env: building.Environment) -> None:
    printed = building.run(reference_env.python, "-c", CODE, SUITE)
    found = json.loads(printed)
    assert len(found) > 40
    assert {name: how for name, how in found.items() if "DIFFERS" in how} == {}
    partly = [name for name, how in found.items() if how != "all"]
    # 16 bit colour: that the lower bytes are right is checked by minipng's own tests.
    assert all("16" in name for name in partly)
    assert len(partly) < 20
