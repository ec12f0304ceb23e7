"""unpack.py FOLDER ARCHIVE PATTERN...

Takes the files that match out of a wheel (zip) or a source package (tar), into
FOLDER, without the folders they lay in. A pattern that matches nothing is an error.
"""

import fnmatch
import os
import sys
import tarfile
import zipfile


def members(archive):
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as package:
            for info in package.infolist():
                if not info.is_dir():
                    yield info.filename, lambda info=info: package.read(info)
    else:
        with tarfile.open(archive) as package:
            for info in package:
                if info.isfile():
                    yield info.name, lambda info=info: package.extractfile(info).read()


def main(folder, archive, *patterns):
    os.makedirs(folder, exist_ok=True)
    unmatched = set(patterns)
    for name, read in members(archive):
        matching = {pattern for pattern in patterns if fnmatch.fnmatch(name, pattern)}
        if matching:
            unmatched -= matching
            with open(os.path.join(folder, os.path.basename(name)), "wb") as out:
                out.write(read())
    if unmatched:
        sys.exit(f"{archive}: nothing in it matches {', '.join(sorted(unmatched))}")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
