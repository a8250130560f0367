"""The other side of the benchmark of probes: scikit-learn, faiss or PyTorch.

Reads the case as torch_worker.py does, "model" being a folder with bank.npy and
queries.npy. A step of knn classifies all queries by the weighted vote of their 200
nearest rows by cosine, of rows whose lengths are not 1 yet; one of linear makes an
epoch of SGD on shuffled batches. It answers seconds and the accuracy or the loss.
"""
import json
import os
import resource
import sys
import time

case = json.loads(sys.stdin.readline())
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(case["threads"])

import numpy as np

K, TEMPERATURE = 200, 0.1
bank, queries = (np.load(os.path.join(case["model"], f)) for f in ("bank.npy", "queries.npy"))
classes = case["size"]
labels, own = np.arange(len(bank)) % classes, np.arange(len(queries)) % classes


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def accuracy(votes):
    return float((votes.argmax(1) == own).mean())


def sklearn():
    import sklearn
    from sklearn.neighbors import KNeighborsClassifier

    # metric="cosine" normalises in predict; of unit rows euclidean finds the same and
    # takes scikit-learn's fastest path.
    def step():
        knn = KNeighborsClassifier(K, algorithm="brute", weights=lambda d: np.exp((1 - d * d / 2) / TEMPERATURE))
        return accuracy(knn.fit(unit(bank), labels).predict_proba(unit(queries)))
    return f"scikit-learn-{sklearn.__version__}", step


def faiss():
    import faiss

    faiss.omp_set_num_threads(case["threads"])

    def step():
        index = faiss.IndexFlatIP(bank.shape[1])
        index.add(unit(bank))
        near, at = index.search(unit(queries), K)
        votes = np.zeros((len(queries), classes))
        np.add.at(votes, (np.arange(len(queries))[:, None], labels[at]), np.exp(near / TEMPERATURE))
        return accuracy(votes)
    return f"faiss-{faiss.__version__}", step


def torch():
    import torch

    torch.set_num_threads(case["threads"])
    x, y = torch.from_numpy(bank), torch.from_numpy(labels)

    def step():
        torch.manual_seed(0)
        fc = torch.nn.Linear(x.shape[1], classes)
        fc.weight.data.normal_(0, 0.01)
        fc.bias.data.zero_()
        sgd = torch.optim.SGD(fc.parameters(), 0.001, momentum=0.9, weight_decay=1e-6)
        total = 0.0
        for at in torch.randperm(len(x)).split(case["batch"]):
            loss = torch.nn.functional.cross_entropy(fc(x[at]), y[at])
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            total += loss.item() * len(at)
        return total / len(x)
    return f"torch-{torch.__version__}", step


version, step = {"sklearn": sklearn, "faiss": faiss, "torch": torch}[case["engine"]]()
clock = time.process_time if case["clock"] == "processor" else time.perf_counter
print("ready", version, flush=True)
for line in sys.stdin:
    if line.strip() != "step":
        break
    start = clock()
    value = step()
    print(clock() - start, value, flush=True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)
