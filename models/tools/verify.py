"""verify.py FIXTURES DESCRIPTORS.json FP32.tflite INT8.tflite

Proves the conversion. FIXTURES has chips and, in descriptors.json, the numbers
that dlib gave for them. Held against those: what dlib gives now (DESCRIPTORS.json),
the converted network, and the same with int8 weights. Prints each one's largest
difference, and fails if one is above its limit.
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

# As in the manifest.
MEAN = np.array([122.782, 117.001, 104.298], np.float32)
SCALE = np.float32(256)

# In any of the 128 numbers. The first two allow for the order of float
# additions; the third for weights rounded to 8 bits, where numbers are around 0.1
# and distances between people around 0.8.
LIMITS = {"dlib": 1e-5, "fp32": 1e-4, "int8": 1e-2}


def read(path):
    with open(path, encoding="ascii") as text:
        return {entry["chip"]: np.array(entry["descriptor"]) for entry in json.load(text)}


def templates(model, folder, chips):
    interpreter = Interpreter(model, num_threads=1)
    interpreter.allocate_tensors()
    for chip in chips:
        pixels = np.asarray(Image.open(os.path.join(folder, chip)).convert("RGB"), np.float32)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], ((pixels - MEAN) / SCALE)[None])
        interpreter.invoke()
        yield chip, interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]


def main(folder, now, fp32, int8):
    fixed = read(os.path.join(folder, "descriptors.json"))
    failed = False
    for name, found in (
        ("dlib", read(now)),
        ("fp32", dict(templates(fp32, folder, fixed))),
        ("int8", dict(templates(int8, folder, fixed))),
    ):
        if found.keys() != fixed.keys():
            sys.exit(f"{name}: chips and descriptors.json are not of the same pictures")
        differences = [found[chip] - numbers for chip, numbers in fixed.items()]
        number = max(np.abs(d).max() for d in differences)
        distance = max(np.linalg.norm(d) for d in differences)
        ok = bool(number <= LIMITS[name])
        failed |= not ok
        print(f"{name}: largest difference over {len(fixed)} chips, in one number {number:.1e} "
              f"(limit {LIMITS[name]:g}), as a distance {distance:.1e}: {'ok' if ok else 'TOO LARGE'}")
    return failed


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
