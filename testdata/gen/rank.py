"""Rank and condition number of rows, by numpy's SVD of the centred rows, for analysis.

Run: python testdata/gen/rank.py   (from the repository root)
Made with numpy 2.4.6; seed 5. Writes <case>.x [N,D] and <case>.want = rank, tolerance,
condition number (infinity where the rank is not D), followed by the singular values.
"""
import numpy as np

r = np.random.default_rng(5)
x = r.standard_normal((300, 12))
cases = {
    "full": x,
    "deficient": x[:, :7] @ r.standard_normal((7, 12)),
    "scaled": x * 10.0 ** -np.arange(12),             # condition 1e11: a covariance sees 1e8
    "offset": x[:, :5] * [1, 1, 1e-3, 1e-5, 1] + 1e6,  # far from the origin
    "few": x[:8],
}
out = {}
for name, z in cases.items():
    c = z - z.mean(0)
    s = np.linalg.svd(c, compute_uv=False)
    s = np.concatenate([s, np.zeros(z.shape[1] - len(s))])
    rank = np.linalg.matrix_rank(c)
    out[name + ".x"] = z
    out[name + ".want"] = np.array([rank, s[0] * max(z.shape) * 2.0 ** -52, s[0] / s[-1] if rank == z.shape[1] else np.inf, *s])
    print(name, rank, out[name + ".want"][2])
np.savez_compressed("testdata/golden/analysis/rank.npz", **out)
