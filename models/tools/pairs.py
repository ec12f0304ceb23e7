"""pairs.py [--fused | --people] ROOT > pairs.csv

Every pair of the pictures in a folder, as `face evaluate` and dlib_pairs take
them: a,b,same. With --fused, every picture with all other pictures of each
person, which are fused (names with semicolons between them). How many of each
kind there are is said on standard error. With --people,
whose each picture is, as `face calibrate` takes it: picture,person,family.

A file's name is the person and, where there are several, the number of the
picture: Family1-Dad1.jpg and Family1-Dad2.jpg show Family1-Dad;
obama_partial_face2.jpg shows obama. What stands before a hyphen is the family:
Family1-Dad and Family1-Son are relatives. Names that don't begin with a letter name
nobody and are left out, and said so.
"""

import itertools
import os
import re
import sys

PICTURES = (".jpg", ".jpeg", ".png")
# What a name may say of the picture rather than of the person.
PERSON = re.compile(r"([A-Za-z].*?)(?:_partial_face)?[0-9]*$")


def people_in(root):
    people = {}
    for name in sorted(os.listdir(root)):
        stem, extension = os.path.splitext(name)
        if extension.lower() not in PICTURES:
            continue
        match = PERSON.match(stem)
        if match and not set(name) & set(",;"):
            people[name] = match.group(1)
        else:
            print(f"{name}: doesn't name a person, left out", file=sys.stderr)
    print(f"{len(people)} pictures of {len(set(people.values()))} people", file=sys.stderr)
    return people


def main(root, form):
    people = people_in(root)
    if form == "--people":
        print("picture,person,family")
        for picture, person in people.items():
            family, hyphen, _ = person.partition("-")
            print(f"{picture},{person},{family if hyphen else ''}")
        return
    pairs = fused(people) if form == "--fused" else single(people)
    print("a,b,same")
    for a, b, same in pairs:
        print(f"{a},{b},{same}")
    same = sum(same for _, _, same in pairs)
    print(f"{len(pairs)} pairs: {same} of one person, {len(pairs) - same} of two", file=sys.stderr)
    if len(pairs) - same < 1000:
        print("Too few to show a rate of one in 1000.", file=sys.stderr)


def single(people):
    return [(a, b, int(people[a] == people[b])) for a, b in itertools.combinations(people, 2)]


def fused(people):
    pairs = []
    for a, person in itertools.product(people, sorted(set(people.values()))):
        others = [b for b in people if b != a and people[b] == person]
        if others:
            pairs.append((a, ";".join(others), int(people[a] == person)))
    return pairs


if __name__ == "__main__":
    *forms, root = sys.argv[1:] or [None]
    if root is None or len(forms) > 1 or not set(forms) <= {"--fused", "--people"}:
        sys.exit(__doc__)
    main(root, *(forms or [""]))
