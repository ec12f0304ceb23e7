#!/bin/sh
# make.sh [models]      rebuild every model from its origin and compare checksums
#                       with the manifests
# make.sh pictures      fetch the test pictures; prints their folder
# make.sh pairs DIR     dlib's own chain over all pairs of DIR's pictures, in the
#                       JSON of `face evaluate`
# make.sh beside DIR    ours beside dlib's, single pictures and fused, over all
#                       pictures of DIR; EITHERGATE_FACE names eithergate-face
# make.sh bench-python  prints a Python that has the peer for litert_bench.py
#
# Everything is made below target/models, nothing else is changed, and what is
# there already is not made again. Results go to standard output, the rest to
# standard error.
set -eu

tools=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$tools/../.." && pwd)
work=$root/target/models
fixtures=$root/tests/fixtures/dlib
resnet=$work/sources/dlib_face_recognition_resnet_model_v1.dat
five_points=$work/sources/shape_predictor_5_face_landmarks.dat

say() { echo "models: $*" >&2; }
fail() { status=$1; shift; say "$*"; exit "$status"; }

# True if $1 was completed from just these inputs; `done_with` records that.
fingerprint() { cat "$@" | sha256sum; }
is_done() { stamp=$work/stamps/$1; shift; [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint "$@")" ]; }
done_with() { stamp=$work/stamps/$1; shift; mkdir -p "$work/stamps"; fingerprint "$@" > "$stamp"; }

# Debian packages: installs them where it may, else says what to run.
debian_packages() {
    missing=
    for package in "$@"; do
        dpkg -s "$package" 2> /dev/null | grep -q '^Status: install ok' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    say "installing$missing"
    if [ "$(id -u)" = 0 ]; then as_root=; else as_root="sudo -n"; fi
    # shellcheck disable=SC2086 # several words on purpose
    if ! { $as_root apt-get -qq update && $as_root apt-get -qq install -y --no-install-recommends $missing; } >&2; then
        fail 69 "run this first: sudo apt-get install --no-install-recommends$missing"
    fi
}

# A private Python environment of requirements/$1.txt.
environment() {
    is_done "env-$1" "$tools/requirements/$1.txt" && return 0
    debian_packages python3-venv
    say "making the Python environment '$1'"
    rm -rf "$work/env/$1"
    python3 -m venv "$work/env/$1"
    # --no-deps: the file names everything, with its version.
    "$work/env/$1/bin/pip" install --quiet --disable-pip-version-check --no-deps \
        --requirement "$tools/requirements/$1.txt" >&2
    done_with "env-$1" "$tools/requirements/$1.txt"
}

# The members of an archive that match, each below the folder $work/sources
# without the folders it lay in.
unpack() {
    "$work/env/fetch/bin/python" "$tools/unpack.py" "$work/sources" "$@"
}

# Runs a command whose libraries chatter; what it said is shown only if it failed.
quietly() {
    "$@" > "$work/log" 2>&1 || { status=$?; cat "$work/log" >&2; fail 70 "failed with $status: $*"; }
}

# Origins: fetched by version and checksum.
sources() {
    is_done sources "$tools/requirements/wheels.txt" "$tools/requirements/sources.txt" && return 0
    environment fetch
    pip="$work/env/fetch/bin/pip --disable-pip-version-check --quiet"
    say "fetching mediapipe (36 MB)"
    $pip download --no-deps --require-hashes --only-binary :all: --python-version 3.11 --implementation cp \
        --abi cp311 --platform manylinux_2_28_x86_64 --requirement "$tools/requirements/wheels.txt" --dest "$work/packages" >&2
    say "fetching face_recognition_models and face_recognition (103 MB)"
    $pip download --no-deps --require-hashes --no-binary :all: --no-build-isolation \
        --requirement "$tools/requirements/sources.txt" --dest "$work/packages" >&2
    rm -rf "$work/sources"
    unpack "$work"/packages/mediapipe-*.whl '*/face_detection_short_range.tflite' '*/face_landmark.tflite'
    unpack "$work"/packages/face_recognition_models-*.tar.gz '*/dlib_face_*.dat' '*/shape_predictor_5_*.dat'
    unpack "$work"/packages/face_recognition-*.tar.gz '*/tests/test_images/*'
    mkdir -p "$work/pictures"
    mv "$work"/sources/*.jpg "$work"/sources/*.png "$work/pictures/"
    done_with sources "$tools/requirements/wheels.txt" "$tools/requirements/sources.txt"
}

dlib_programs() {
    is_done dlib "$tools"/dlib_* && return 0
    debian_packages g++ pkg-config libdlib-dev libblas-dev liblapack-dev
    say "compiling dlib's network (a minute)"
    mkdir -p "$work/bin"
    for source in "$tools"/dlib_*.cpp; do
        # shellcheck disable=SC2046
        g++ -std=c++17 -O2 -Wall -Wextra $(pkg-config --cflags dlib-1) -c "$source" -o "$work/bin/$(basename "$source" .cpp).o"
    done
    for program in dlib_weights dlib_describe dlib_pairs; do
        # shellcheck disable=SC2046
        g++ "$work/bin/$program.o" "$work/bin/dlib_face.o" $(pkg-config --libs dlib-1) -o "$work/bin/$program"
    done
    done_with dlib "$tools"/dlib_*
}

rebuild() {
    set -- "$tools"/requirements/*.txt "$tools"/*.py "$tools"/dlib_* "$fixtures"/descriptors.json
    is_done rebuilt "$@" && return 0
    [ "$(uname -m)" = x86_64 ] || fail 69 "the converter, tensorflow-cpu, exists for x86-64 only; the models beside the manifests need none"
    sources
    dlib_programs
    environment convert
    python=$work/env/convert/bin/python
    mkdir -p "$work/out"
    cp "$work/sources/face_detection_short_range.tflite" "$work/out/detector.tflite"
    cp "$work/sources/face_landmark.tflite" "$work/out/landmarks.tflite"
    say "converting dlib's network"
    "$work/bin/dlib_weights" "$resnet" > "$work/network.xml"
    quietly "$python" "$tools/convert.py" "$work/network.xml" "$work/out/embedding-fp32.tflite"
    quietly "$python" "$tools/int8_weights.py" "$work/out/embedding-fp32.tflite" "$work/out/embedding.tflite"
    say "comparing with dlib's own numbers"
    "$work/bin/dlib_describe" "$resnet" "$fixtures"/*.png > "$work/descriptors.json"
    "$python" "$tools/verify.py" "$fixtures" "$work/descriptors.json" \
        "$work/out/embedding-fp32.tflite" "$work/out/embedding.tflite" >&2
    done_with rebuilt "$@"
}

# Checksums: what was built, and the file beside each manifest, against the manifest.
compare() {
    differ=
    for manifest in "$root"/models/*.toml "$fixtures"/*.toml; do
        file=$(sed -n 's/^file = "\(.*\)"$/\1/p' "$manifest")
        wanted=$(sed -n 's/^sha256 = "\(.*\)"$/\1/p' "$manifest")
        for path in "$work/out/$file" "$(dirname "$manifest")/$file"; do
            found=$(sha256sum "$path" | cut -d' ' -f1)
            if [ "$found" = "$wanted" ]; then
                echo "same    ${path#"$root"/}"
            else
                echo "DIFFERS ${path#"$root"/}: $found, but $(basename "$manifest") says $wanted"
                differ="$differ ${path#"$root"/}"
            fi
        done
    done
    [ -z "$differ" ] || fail 65 "not as its manifest says:$differ"
}

case ${1:-models} in
    models)
        rebuild
        compare
        ;;
    pictures)
        sources
        echo "$work/pictures"
        ;;
    pairs)
        [ $# = 2 ] || fail 64 "which folder of pictures?"
        sources
        dlib_programs
        python3 "$tools/pairs.py" "$2" > "$work/pairs.csv"
        "$work/bin/dlib_pairs" "$resnet" "$five_points" "$work/pairs.csv" --root "$2"
        ;;
    beside)
        [ $# = 2 ] || fail 64 "which folder of pictures?"
        sources
        dlib_programs
        ours=${EITHERGATE_FACE:-$root/target/release/eithergate-face}
        [ -x "$ours" ] || fail 66 "$ours is missing: make build, or name it in EITHERGATE_FACE"
        for form in single fused; do
            if [ $form = fused ]; then flag=--fused; else flag=; fi
            # shellcheck disable=SC2086 # none or one word
            python3 "$tools/pairs.py" $flag "$2" > "$work/pairs-$form.csv"
            "$ours" evaluate "$work/pairs-$form.csv" --root "$2" --json --spread > "$work/ours-$form.json"
            "$work/bin/dlib_pairs" "$resnet" "$five_points" "$work/pairs-$form.csv" --root "$2" > "$work/dlib-$form.json"
        done
        python3 "$tools/beside.py" "$work"
        ;;
    bench-python)
        environment bench
        echo "$work/env/bench/bin/python"
        ;;
    *)
        fail 64 "what is '$1'? See the head of $0"
        ;;
esac
