"""verify.py CHIPS_DIR MODEL.tflite LIMIT [MODEL.tflite LIMIT...]

Holds embedding models against dlib's own numbers: CHIPS_DIR has the chips and
descriptors.json. Prints, for each model, the largest difference in any of the
numbers and the largest distance between a template and dlib's; fails if the
former is above LIMIT.
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


def template(interpreter, chip):
    pixels = np.asarray(Image.open(chip).convert("RGB"), np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], ((pixels - MEAN) / SCALE)[None])
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]


def main(folder, *models_and_limits):
    with open(os.path.join(folder, "descriptors.json"), encoding="ascii") as text:
        chips = json.load(text)
    failed = False
    for model, limit in zip(models_and_limits[::2], map(float, models_and_limits[1::2])):
        interpreter = Interpreter(model, num_threads=1)
        interpreter.allocate_tensors()
        differences = [
            template(interpreter, os.path.join(folder, chip["chip"])) - np.array(chip["descriptor"], np.float32)
            for chip in chips
        ]
        number = max(np.abs(d).max() for d in differences)
        distance = max(np.linalg.norm(d) for d in differences)
        ok = bool(number <= limit)
        failed |= not ok
        print(f"{os.path.basename(model)}: over {len(chips)} chips, largest difference from dlib in one number "
              f"{number:.1e} (limit {limit:g}), as a distance {distance:.1e}: {'ok' if ok else 'TOO LARGE'}")
    return failed


if __name__ == "__main__":
    if len(sys.argv) < 4 or len(sys.argv) % 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
