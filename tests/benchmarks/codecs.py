"""How fast native-zlib and minipng are, beside the interpreter's zlib and Pillow."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING

import building
from benchmarks.report import Effort, Measurement, Table, ratio_of_medians

if TYPE_CHECKING:
    from pathlib import Path

CODE = r"""
import ctypes, io, json, random, sys, time, zlib
import minipng, native_zlib, PIL, PIL.features, PIL.Image

rounds = int(sys.argv[1])
(loaded,) = native_zlib.loader.load()
ours = ctypes.CDLL(loaded.path)
ours.z_zlibVersion.restype = ctypes.c_char_p
ours.z_compressBound.restype = ctypes.c_ulong

# Text-like data: words of a small vocabulary, 4 MiB.
chance = random.Random(0)
words = [bytes(chance.choices(b"etaoinshrdlu", k=chance.randint(2, 9))) for _ in range(3000)]
data = b" ".join(chance.choices(words, k=700_000))[: 4 << 20]

def compress(data):
    size = ctypes.c_ulong(ours.z_compressBound(ctypes.c_ulong(len(data))))
    out = ctypes.create_string_buffer(size.value)
    assert ours.z_compress2(out, ctypes.byref(size), data, ctypes.c_ulong(len(data)), 6) == 0
    return out.raw[: size.value]

def decompress(packed):
    size = ctypes.c_ulong(len(data))
    out = ctypes.create_string_buffer(size.value)
    assert ours.z_uncompress(out, ctypes.byref(size), packed, ctypes.c_ulong(len(packed))) == 0
    return out

# An image with smooth and noisy parts, RGB, 1024 by 1024.
pixels = bytearray()
for y in range(1024):
    for x in range(1024):
        noise = chance.getrandbits(4) if (x ^ y) & 256 else 0
        pixels += bytes(((x >> 2) + noise & 255, (y >> 2) + noise & 255, (x + y >> 3) + noise & 255))
minipng.write("x.png", minipng.Image(1024, 1024, 3, 8, bytes(pixels)))
png = open("x.png", "rb").read()

def pillow():
    with PIL.Image.open(io.BytesIO(png)) as image:
        image.load()
        return image

assert pillow().tobytes() == minipng.read(png).data == bytes(pixels)
packed = zlib.compress(data, 6)
assert zlib.decompress(compress(data)) == data and decompress(packed).raw == data
tasks = {
    "compress, level 6": (lambda: compress(data), lambda: zlib.compress(data, 6)),
    "decompress": (lambda: decompress(packed), lambda: zlib.decompress(packed)),
    "decode PNG": (lambda: minipng.read(png), pillow),
}
samples = {name: [[], []] for name in tasks}
for _ in range(rounds):
    for name, both in tasks.items():
        for kind, task in enumerate(both):
            start = time.perf_counter_ns()
            task()
            samples[name][kind].append(time.perf_counter_ns() - start)
versions = {
    "native-zlib": ours.z_zlibVersion().decode(),
    "interpreter's zlib": zlib.ZLIB_RUNTIME_VERSION,
    "minipng's libpng": minipng._ext.versions()["libpng"],
    "Pillow": PIL.__version__,
    "Pillow's zlib": str(PIL.features.version("zlib")),
}
print(json.dumps([versions, samples]))
"""


def measure(folder: Path, effort: Effort, reference: building.Reference) -> Measurement:
    """Compare them in one process, in turns, on the same data."""
    env = building.new_environment(folder / "env", *reference.wheels)
    building.uv("pip", "install", "--quiet", "--python", env.python, "pillow>=11")
    said = building.run(env.python, "-c", CODE, str(effort.processes), cwd=folder)
    versions, samples = json.loads(said)
    rows = tuple(
        (
            name,
            f"{statistics.median(ours) / 1e6:.1f}",
            f"{statistics.median(theirs) / 1e6:.1f}",
            str(ratio_of_medians(ours, theirs)),
        )
        for name, (ours, theirs) in samples.items()
    )
    table = Table(
        "Speed of the codecs",
        "4 MiB of text-like data against the interpreter's zlib; an RGB image of 1024 by 1024 against "
        "Pillow. " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
        ("task", "ours, ms", "theirs, ms", "ratio"),
        rows,
    )
    return Measurement(table, (), {"versions": versions, **samples})
