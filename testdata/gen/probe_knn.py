"""Votes of nearest neighbours, for the package train/probe.

Run: python3 testdata/gen/probe_knn.py   (from the repository root)
Made with scikit-learn 1.9.1, numpy 2.4.6; seed 20261124.

KNeighborsClassifier in float64 with cosine distances and the weights
exp(cosine/temperature) of arXiv:1805.01978; "votes" is its predict_proba, the votes
of a query divided by their sum, and "places" how many classes are ahead of the
query's own label.
"""
import os

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

OUT = "testdata/golden/probe"
rng = np.random.default_rng(20261124)
bank_n, query_n, dim, classes = 700, 90, 24, 7
centres = rng.normal(size=(classes, dim))
bank_labels = rng.integers(0, classes, bank_n)
query_labels = rng.integers(0, classes, query_n)
bank = (centres[bank_labels] + 1.5 * rng.normal(size=(bank_n, dim))).astype(np.float32)
queries = (centres[query_labels] + 1.5 * rng.normal(size=(query_n, dim))).astype(np.float32)
bank *= rng.uniform(0.1, 10, (bank_n, 1)).astype(np.float32)  # lengths must not matter
out = dict(bank=bank, bank_labels=bank_labels, queries=queries, query_labels=query_labels)
for k, t in ((20, 0.1), (200, 0.07), (5, np.inf)):
    knn = KNeighborsClassifier(k, metric="cosine", algorithm="brute", weights=lambda d, t=t: np.exp((1 - d) / t))
    votes = knn.fit(bank.astype(np.float64), bank_labels).predict_proba(queries.astype(np.float64))
    own = votes[np.arange(query_n), query_labels]
    ahead = (votes > own[:, None]) | ((votes == own[:, None]) & (np.arange(classes) < query_labels[:, None]))
    out[f"votes_{k}"] = votes
    out[f"places_{k}"] = ahead.sum(1)
os.makedirs(OUT, exist_ok=True)
np.savez_compressed(f"{OUT}/knn.npz", **out)
