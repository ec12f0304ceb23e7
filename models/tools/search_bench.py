"""search_bench.py --rows FILE --queries FILE --dimension D --with faiss|usearch

Times the exact search for the two nearest rows, one query at a time and on one thread, as a peer for
Eithergate's own benchmark to be held against. Both files hold rows of D little-endian floats. First prints
one JSON object with what it found: the two row numbers and squared distances for each query. Then, for each line on
standard input, goes through all queries once and prints the median time of one in microseconds, so that the
two take turns on a machine whose speed changes from minute to minute.
"""

import argparse
import json
import sys
import time

import numpy as np


def searcher(name, rows):
    if name == "faiss":
        import faiss

        faiss.omp_set_num_threads(1)
        index = faiss.IndexFlatL2(rows.shape[1])
        index.add(rows)

        def search(query):
            distances, keys = index.search(query[None, :], 2)
            return keys[0], distances[0]
    else:
        from usearch.index import MetricKind
        from usearch.index import search as usearch_search

        def search(query):
            found = usearch_search(rows, query, 2, MetricKind.L2sq, exact=True, threads=1)
            return found.keys, found.distances

    return search


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", required=True)
    parser.add_argument("--queries", required=True)
    parser.add_argument("--dimension", type=int, required=True)
    parser.add_argument("--with", dest="peer", choices=["faiss", "usearch"], required=True)
    args = parser.parse_args()

    rows = np.fromfile(args.rows, dtype="<f4").reshape(-1, args.dimension)
    queries = np.fromfile(args.queries, dtype="<f4").reshape(-1, args.dimension)
    search = searcher(args.peer, rows)
    found = [search(query) for query in queries]
    report = {
        "rows": [[int(key) for key in keys] for keys, _ in found],
        "squared": [[float(d) for d in distances] for _, distances in found],
    }
    print(json.dumps(report), flush=True)
    for _ in sys.stdin:
        times_us = []
        for query in queries:
            start = time.perf_counter_ns()
            search(query)
            times_us.append((time.perf_counter_ns() - start) / 1000)
        print(json.dumps({"p50_us": round(float(np.median(times_us)), 1)}), flush=True)


if __name__ == "__main__":
    main()
