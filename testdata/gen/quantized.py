#!/usr/bin/env python3
"""A ResNet as ONNX Runtime quantises it, in its three ways.

Writes testdata/onnx/quantized/<way>.onnx of testdata/onnx/tiny_op13_eval_view.onnx:
  qdq      QuantizeLinear and DequantizeLinear around float operators (static)
  qlinear  operators of integers, some of them in the domain com.microsoft (static)
  dynamic  scales that are computed as the model runs
Calibrated on numpy.random.default_rng(0) and (1); the values are of no account.

Ran with onnx 1.23.2, onnxruntime 1.32, numpy 2.4. Run it from any folder:
  python3 testdata/gen/quantized.py
"""
import pathlib

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_dynamic, quantize_static

ONNX = pathlib.Path(__file__).resolve().parents[1] / "onnx"
SOURCE, OUT = ONNX / "tiny_op13_eval_view.onnx", ONNX / "quantized"


class Images(CalibrationDataReader):
    def __init__(self):
        self.batches = iter([{"input": np.random.default_rng(k).standard_normal((2, 3, 48, 48)).astype(np.float32)} for k in range(2)])

    def get_next(self):
        return next(self.batches, None)


OUT.mkdir(exist_ok=True)
quantize_static(SOURCE, OUT / "qdq.onnx", Images(), quant_format=QuantFormat.QDQ)
quantize_static(SOURCE, OUT / "qlinear.onnx", Images(), quant_format=QuantFormat.QOperator)
quantize_dynamic(SOURCE, OUT / "dynamic.onnx")
for path in sorted(OUT.glob("*.onnx")):
    print(path.name, path.stat().st_size)
