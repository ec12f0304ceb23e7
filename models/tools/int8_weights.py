"""int8_weights.py IN.tflite OUT.tflite

Stores a float model's weights as int8: a quarter of the size. Each large
constant becomes int8 with one scale per output channel, behind a DEQUANTIZE
that XNNPACK does away with once, when the model is loaded; the arithmetic stays
float, and so the results differ only by the rounding of the weights.

Not the converter's own "dynamic range" int8, which rounds activations as well
and which libraries of 2022 (TF 2.9) run without XNNPACK, slower than float.
"""

import argparse
import sys

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

# Smaller constants (biases, shapes) aren't worth an operator.
WORTH_IT = 1024
# The first version of DEQUANTIZE that takes a scale per channel.
DEQUANTIZE_VERSION = 5


def rounded(weights):
    """int8 and a scale for each index of the first axis, which in TensorFlow
    Lite is the output channel of both convolutions and dense layers."""
    largest = np.abs(weights.reshape(len(weights), -1)).max(axis=1)
    scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    per_row = scales.reshape(-1, *[1] * (weights.ndim - 1))
    return np.clip(np.rint(weights / per_row), -127, 127).astype(np.int8), scales


def float_constant(model, tensor):
    data = model.buffers[tensor.buffer].data
    if tensor.type != schema.TensorType.FLOAT32 or data is None or len(data) < 4 * WORTH_IT:
        return None
    return np.frombuffer(np.asarray(data, np.uint8).tobytes(), "<f4").reshape(tensor.shape)


def shrink(model):
    graph = model.subgraphs[0]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = DEQUANTIZE_VERSION
    model.operatorCodes.append(code)

    dequantizers = []
    for index, tensor in enumerate(list(graph.tensors)):
        weights = float_constant(model, tensor)
        if weights is None:
            continue
        values, scales = rounded(weights)

        small = schema.TensorT()
        small.name = tensor.name + b"/int8"
        small.shape, small.type, small.buffer = tensor.shape, schema.TensorType.INT8, tensor.buffer
        small.quantization = schema.QuantizationParametersT()
        small.quantization.scale = scales
        small.quantization.zeroPoint = np.zeros(len(scales), np.int64)
        small.quantization.quantizedDimension = 0
        model.buffers[tensor.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
        graph.tensors.append(small)

        # The float tensor keeps its place, and so its users; buffer 0 is the
        # empty one: its values now come from the operator.
        tensor.buffer = 0
        operator = schema.OperatorT()
        operator.opcodeIndex = len(model.operatorCodes) - 1
        operator.inputs, operator.outputs = [len(graph.tensors) - 1], [index]
        dequantizers.append(operator)
    graph.operators = dequantizers + graph.operators
    return len(dequantizers)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("target")
    args = parser.parse_args()

    with open(args.source, "rb") as source:
        model = schema.ModelT.InitFromPackedBuf(source.read(), 0)
    count = shrink(model)
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    with open(args.target, "wb") as target:
        target.write(builder.Output())
    print(f"{args.target}: {count} constants as int8, {len(builder.Output())} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
