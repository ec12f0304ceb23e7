"""convert.py NETWORK.xml OUT.tflite

Rebuilds dlib's face network from its own XML (see dlib_weights.cpp) and writes
it as TensorFlow Lite, in float. The same input gives the same bytes.

Input: 1 x 150 x 150 x 3, RGB, (byte - mean) / 256; output: 1 x 128.
Subtracting the mean stays outside, with the manifest, as with any other model.
"""

import argparse
import os
import sys
import xml.etree.ElementTree as ElementTree

# Both must be set before TensorFlow is loaded: log errors only, and do without
# the processor-dependent kernels, which could round a folded constant otherwise.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import numpy as np
import tensorflow as tf

SIDE = 150
SIZE = 128


def numbers(layer):
    return np.array(layer.text.split(), dtype=np.float64)


def whole(layer, *names):
    return [int(layer.get(name)) for name in names]


def read_layers(path):
    """The layers from the picture upwards: (kind, tag or skip id or None, element)."""
    layers = []
    for outer in ElementTree.parse(path).getroot():
        kind, inner = outer.get("type"), next(iter(outer), None)
        layers.append((inner.tag if inner is not None else kind, outer.get("id"), inner))
    return layers[::-1]


def fold(layers):
    """Merge each affine layer (a factor and an offset per channel) into the
    convolution below it; in double precision, rounded once at the end."""
    folded = []
    for kind, tag, layer in layers:
        if kind == "con":
            count, rows, columns = whole(layer, "num_filters", "nr", "nc")
            values = numbers(layer)
            # dlib: filter, channel, row, column. TensorFlow: row, column, channel, filter.
            weights = values[:-count].reshape(count, -1, rows, columns).transpose(2, 3, 1, 0)
            folded.append((kind, tag, (layer, weights, values[-count:])))
        elif kind == "affine_con":
            below, _, (con, weights, bias) = folded.pop()
            assert below == "con", f"affine on top of {below}"
            factor, offset = numbers(layer).reshape(2, -1)
            folded.append((below, None, (con, weights * factor, bias * factor + offset)))
        else:
            folded.append((kind, tag, layer))
    return folded


def pooled(pool, layer, x):
    rows, columns, down, right, above, left = whole(
        layer, "nr", "nc", "stride_y", "stride_x", "padding_y", "padding_x")
    assert above == left == 0, "padded pooling isn't needed here"
    # A window of 0 is the whole picture.
    window = (rows or x.shape[1], columns or x.shape[2])
    return pool(x, window, (down, right), "VALID")


def convolved(parts, x):
    layer, weights, bias = parts
    down, right, above, left = whole(layer, "stride_y", "stride_x", "padding_y", "padding_x")
    # dlib pads by half the window or not at all; the former, at stride 1, is "SAME".
    half = (weights.shape[0] // 2, weights.shape[1] // 2)
    assert (above, left) == (0, 0) or ((above, left) == half and (down, right) == (1, 1))
    y = tf.nn.conv2d(x, tf.constant(weights, tf.float32), (down, right), "SAME" if above else "VALID")
    return tf.nn.bias_add(y, tf.constant(bias, tf.float32))


def added(a, b):
    """dlib adds what differs in shape as if the smaller were followed by zeros:
    at the bottom, at the right, and in further channels."""
    shape = [max(sizes) for sizes in zip(a.shape, b.shape)]

    def grown(x):
        missing = [[0, want - have] for want, have in zip(shape, x.shape)]
        return tf.pad(x, missing) if any(after for _, after in missing) else x

    return grown(a) + grown(b)


def build(layers):
    """The network as a function of TensorFlow's, its weights constants."""

    @tf.function(input_signature=[tf.TensorSpec((1, SIDE, SIDE, 3), tf.float32, name="face")])
    def network(face):
        x, tags = face, {}
        for kind, tag, layer in layers:
            if kind == "tag":
                tags[tag] = x
            elif kind == "skip":
                x = tags[tag]
            elif kind == "con":
                x = convolved(layer, x)
            elif kind == "relu":
                x = tf.nn.relu(x)
            elif kind == "max_pool":
                x = pooled(tf.nn.max_pool2d, layer, x)
            elif kind == "avg_pool":
                x = pooled(tf.nn.avg_pool2d, layer, x)
            elif kind == "add_prev":
                x = added(x, tags[layer.get("tag")])
            elif kind == "fc_no_bias":
                weights = numbers(layer).reshape(-1, SIZE)
                x = tf.matmul(tf.reshape(x, (1, weights.shape[0])), tf.constant(weights, tf.float32))
            elif kind not in ("input_rgb_image_sized", "loss_metric"):
                raise ValueError(f"no layer of kind {kind} is known here")
        return {"template": x}

    return network


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("xml")
    parser.add_argument("target")
    args = parser.parse_args()

    network = build(fold(read_layers(args.xml)))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()], network)
    model = converter.convert()
    with open(args.target, "wb") as target:
        target.write(model)
    print(f"{args.target}: {len(model)} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
