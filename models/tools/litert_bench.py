"""litert_bench.py --model FILE --threads N --runs R [--on-request]

Times one model under Google's ai-edge-litert, as a peer for Eithergate's own
benchmark to be held against. Prints one JSON object: model, threads, and the
median and the smallest time of a run in microseconds. With --on-request it does
so for each line on standard input, so that the two take turns on a machine
whose speed changes from minute to minute. What is timed is setting
the input, running, and reading every output: what any user of a model pays.
"""

import argparse
import json
import os
import sys
import time

import numpy as np
from ai_edge_litert.interpreter import Interpreter

WARM_UP_RUNS = 20


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--on-request", action="store_true")
    args = parser.parse_args()

    interpreter = Interpreter(args.model, num_threads=args.threads)
    interpreter.allocate_tensors()
    wanted = interpreter.get_input_details()[0]
    outputs = [detail["index"] for detail in interpreter.get_output_details()]
    picture = np.random.default_rng(1).random(wanted["shape"], dtype=np.float32)

    def run_us():
        start = time.perf_counter_ns()
        interpreter.set_tensor(wanted["index"], picture)
        interpreter.invoke()
        for index in outputs:
            interpreter.get_tensor(index)
        return (time.perf_counter_ns() - start) / 1000

    for _ in range(WARM_UP_RUNS):
        run_us()
    for _ in sys.stdin if args.on_request else [""]:
        times_us = np.array([run_us() for _ in range(args.runs)])
        report = {
            "model": os.path.basename(args.model),
            "threads": args.threads,
            "p50_us": round(float(np.median(times_us)), 1),
            "min_us": round(float(times_us.min()), 1),
        }
        print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
