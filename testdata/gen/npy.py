"""Arrays as NumPy itself writes them, for internal/npy.

Run: python testdata/gen/npy.py   (from the repository root)
Made with numpy 2.4.6; no random numbers.
Every array of shape [2,3] or [2,3,4] holds -3, -2.5, -2, ... in row-major order
(integers: -3, -2, -1, ...), so the test needs no second copy of the values.
"""
import os
import numpy as np

OUT = "testdata/golden/npy"
os.makedirs(OUT, exist_ok=True)


def halves(*shape):
    return (np.arange(np.prod(shape)) * 0.5 - 3).reshape(shape)


def ints(*shape):
    return (np.arange(np.prod(shape)) - 3).reshape(shape)


def save(name, a):
    np.save(os.path.join(OUT, name), a)


save("f4.npy", halves(2, 3).astype("<f4"))
save("f8.npy", halves(2, 3).astype("<f8"))
save("f2.npy", halves(2, 3).astype("<f2"))
save("f4_big.npy", halves(2, 3).astype(">f4"))
save("f8_big.npy", halves(2, 3).astype(">f8"))
save("f2_big.npy", halves(2, 3).astype(">f2"))
save("f4_fortran.npy", np.asfortranarray(halves(2, 3).astype("<f4")))
save("f8_fortran3_big.npy", np.asfortranarray(halves(2, 3, 4).astype(">f8")))
save("i8.npy", ints(2, 3).astype("<i8"))
save("i4_big.npy", ints(2, 3).astype(">i4"))
save("i2.npy", ints(2, 3).astype("<i2"))
save("i1.npy", ints(2, 3).astype("i1"))
save("vector.npy", halves(6).astype("<f4"))
save("scalar.npy", np.float64(-3))
save("empty.npy", np.zeros((0, 3), "<f4"))
save("bool.npy", np.array([True, False, True]))
save("u8.npy", np.array([0, 2**63 - 1, 2**63], "<u8"))
with open(os.path.join(OUT, "version2.npy"), "wb") as f:
    np.lib.format.write_array(f, halves(2, 3).astype("<f4"), version=(2, 0))
save("object.npy", np.array([{"a": 1}], dtype=object))
save("structured.npy", np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]))
save("complex.npy", np.zeros(2, "<c8"))
views = {"view1": halves(2, 3).astype("<f4"), "labels": ints(6).astype("<i8")}
np.savez(os.path.join(OUT, "stored.npz"), **views)
np.savez_compressed(os.path.join(OUT, "deflated.npz"), **views)
print(np.__version__)
