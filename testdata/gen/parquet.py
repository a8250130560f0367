"""Tables as pyarrow writes them, for internal/parquet.

Run: python testdata/gen/parquet.py   (from the repository root)
Made with pyarrow 26.0.1; no random numbers.
Every table has 40 rows of 6 numbers, -3, -2.5, -2, ... in row-major order, in row
groups of 16 and pages of a few rows, so the test needs no second copy of the values.
"""
import os
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

OUT = "testdata/golden/parquet"
os.makedirs(OUT, exist_ok=True)
N, D = 40, 6
values = (np.arange(N * D) * 0.5 - 3).reshape(N, D)
names = pa.array([["cat", "dog", "ant"][i % 3] for i in range(N)]).dictionary_encode()
labels = pa.array([i % 3 for i in range(N)])


def save(name, columns, **options):
    pq.write_table(pa.table(columns), os.path.join(OUT, name),
                   row_group_size=16, data_page_size=256, write_batch_size=4, **options)


def lists(kind):
    return pa.array([list(r.astype(kind)) for r in values], pa.list_(pa.from_numpy_dtype(kind)))


def fixed(kind):
    return pa.FixedSizeListArray.from_arrays(pa.array(values.astype(kind).ravel()), D)


for codec in ["none", "snappy", "zstd", "gzip", "lz4", "brotli"]:
    save(f"list_{codec}.parquet", {"id": labels, "z": lists("float32")}, compression=codec)
save("list_f8.parquet", {"z": lists("float64")})
save("list_f2.parquet", {"z": lists("float16")})
save("fixed_f4.parquet", {"z": fixed("float32"), "label": labels, "name": names})
save("fixed_f8_v2.parquet", {"z": fixed("float64")}, data_page_version="2.0", compression="zstd")
save("fixed_f2.parquet", {"z": fixed("float16")}, use_dictionary=False)
save("split.parquet", {"z": fixed("float32")}, use_dictionary=False, column_encoding={"z.list.element": "BYTE_STREAM_SPLIT"})
save("columns.parquet", {f"f{j}": values[:, j].astype("float32") for j in range(D)})
save("mixed.parquet", {**{f"f{j}": values[:, j].astype(["float32", "float64"][j % 2]) for j in range(D)},
                       "label": labels, "name": names})
save("ints.parquet", {f"f{j}": (2 * values[:, j]).astype(["int16", "int16", "int32", "int64"][j % 4]) for j in range(D)})
save("delta.parquet", {f"f{j}": (2 * values[:, j]).astype("int64") for j in range(D)}, use_dictionary=False,
     column_encoding={f"f{j}": "DELTA_BINARY_PACKED" for j in range(D)})

# What has to be refused.
rows = [list(map(float, r)) for r in values]
save("ragged.parquet", {"z": pa.array(rows[:20] + [rows[20][:4]] + rows[21:], pa.list_(pa.float32()))})
save("null_list.parquet", {"z": pa.array(rows[:20] + [None] + rows[21:], pa.list_(pa.float32()))})
save("empty_list.parquet", {"z": pa.array(rows[:20] + [[]] + rows[21:], pa.list_(pa.float32()))})
save("null_element.parquet", {"z": pa.array(rows[:20] + [[1.0, None, 3, 4, 5, 6]] + rows[21:], pa.list_(pa.float32()))})
save("null_cell.parquet", {"f0": pa.array([None if i == 20 else float(i) for i in range(N)]), "f1": pa.array(np.arange(N) * 1.0)})
save("nested.parquet", {"z": pa.array([[r[:3], r[3:]] for r in rows], pa.list_(pa.list_(pa.float32())))})
save("struct.parquet", {"z": pa.array([{"a": r[0], "b": r[1]} for r in rows])})
save("two_lists.parquet", {"r": lists("float32"), "z": fixed("float32")})
save("dates.parquet", {"t": pa.array(range(N), pa.timestamp("ms")), "x": pa.array(np.arange(N) * 1.0)})
save("nan.parquet", {"z": pa.array(rows[:20] + [[1.0, float("nan"), 3, 4, 5, 6]] + rows[21:], pa.list_(pa.float32()))})
save("none.parquet", {"z": pa.array([], pa.list_(pa.float32()))})
