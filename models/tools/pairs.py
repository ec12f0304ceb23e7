"""pairs.py ROOT > pairs.csv

Every pair of the pictures in a folder, as `face evaluate` and dlib_pairs take
them: a,b,same. A file's name is the person and, where there are several, the
number of the picture: Family1-Dad1.jpg and Family1-Dad2.jpg show Family1-Dad;
obama_partial_face2.jpg shows obama. Names that don't begin with a letter name
nobody and are left out, and said so.
"""

import itertools
import os
import re
import sys

PICTURES = (".jpg", ".jpeg", ".png")
# What a name may say of the picture rather than of the person.
PERSON = re.compile(r"([A-Za-z].*?)(?:_partial_face)?[0-9]*$")


def main(root):
    people = {}
    for name in sorted(os.listdir(root)):
        stem, extension = os.path.splitext(name)
        if extension.lower() not in PICTURES:
            continue
        match = PERSON.match(stem)
        if match and "," not in name:
            people[name] = match.group(1)
        else:
            print(f"{name}: doesn't name a person, left out", file=sys.stderr)

    print("a,b,same")
    for a, b in itertools.combinations(people, 2):
        print(f"{a},{b},{int(people[a] == people[b])}")
    print(f"{len(people)} pictures of {len(set(people.values()))} people", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
