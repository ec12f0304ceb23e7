"""beside.py FOLDER

Prints what `face evaluate` and dlib_pairs left there (ours-*.json, dlib-*.json)
as one table. Exits with 1 if ours is worse than dlib's anywhere.
"""

import json
import os
import sys

ROWS = [
    ("pairs", "pairs", None),
    ("  of one person", "same_pairs", None),
    ("  undetected", "undetected", min),
    ("equal error rate", "eer", min),
    ("FNMR at FMR 1e-2", "fnmr_at_fmr_1e-2", min),
    ("FNMR at FMR 1e-3 (none accepted below 1000)", "fnmr_at_fmr_1e-3", min),
    ("farthest of one person", "farthest_same", None),
    ("nearest of two people", "nearest_different", None),
    ("the two kinds apart, in standard deviations", "d_prime", max),
]


def shown(value):
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def main(folder):
    def read(whose, form):
        with open(os.path.join(folder, f"{whose}-{form}.json")) as file:
            return json.load(file)

    worse = []
    for form in ("single", "fused"):
        ours, dlibs = read("ours", form), read("dlib", form)
        title = "one picture against one" if form == "single" else "one picture against all others, fused"
        print(f"{title:48}{'ours':>10}{'dlib':>10}")
        for name, key, better in ROWS:
            a, b = ours.get(key), dlibs.get(key)
            print(f"{name:48}{shown(a):>10}{shown(b):>10}")
            # Standard deviations differ in the third digit from one build to the next.
            if better and None not in (a, b) and better(a, b) != a and abs(a - b) > 0.02 * abs(b):
                worse.append(f"{form}: {name.strip()}")
        print()
    different = ours["pairs"] - (ours.get("same_pairs") or 0)
    print(f"So few pairs ({different} of two people, fused) show no rate below one in {different}.")
    if worse:
        print("Worse than dlib's:", ", ".join(worse))
    return 1 if worse else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
