#!/usr/bin/env bash
# Breaks the gate's judgement in every small way (cargo-mutants) and sees whether a test notices. What no test
# notices must be in explained.txt beside this, with the reason; anything else ends it with 1.
#
#   run.sh                  access, allowlist and journal, one after the other
#   run.sh access           one of them
#   run.sh access --re X    with arguments for cargo-mutants: here only mutants whose names match X
#
# The whole package takes a minute to build, and there are a thousand mutants. So each room is copied into a
# package of its own, what it imports into another beside it: a second or two for each mutant.
set -euo pipefail
cd "$(dirname "$0")/../.."

HERE=$PWD/tests/mutants
WORK=$PWD/target/mutants
ROOMS='access allowlist journal'
CRATES='base64|chacha20poly1305|crypto_box|ed25519-dalek|hmac|serde|serde_json|sha2|thiserror|zeroize|proptest|tempfile'

case "${1:-}" in
access | allowlist | journal)
    ROOMS=$1
    shift
    ;;
'' | -*) ;;
*)
    echo "mutants: no such room: $1; there are $ROOMS" >&2
    exit 64
    ;;
esac

if ! cargo mutants --version >/dev/null 2>&1; then
    echo "mutants: installing cargo-mutants, a few minutes"
    cargo install --locked cargo-mutants ||
        { echo "mutants: cargo-mutants could not be installed; is there a network?" >&2; exit 69; }
fi

manifest() { # package's name, further dependencies
    printf '[package]\nname = "%s"\nversion = "0.0.0"\n' "$1"
    grep -E '^(edition|rust-version) = ' Cargo.toml
    printf '\n[dependencies]\n%s' "${2:-}"
    grep -E "^($CRATES) = " Cargo.toml
}

package() { # room: a package of it in $WORK/room, and one of what it imports beside
    local room=$1 here=$WORK/$1 needed=domain part
    [ "$room" != allowlist ] || needed='domain trust wire/order'
    rm -rf "$here/src" "$here/needed"
    mkdir -p "$here/src" "$here/needed/src"
    {
        echo '//! What the room imports.'
        for part in $needed; do
            case $part in
            */*)
                # One file of a room that is too big to be copied whole.
                mkdir -p "$here/needed/src/${part%/*}"
                cp "src/$part.rs" "$here/needed/src/$part.rs"
                echo "pub mod ${part%/*} { pub mod ${part#*/}; }"
                ;;
            *)
                cp -r "src/$part" "$here/needed/src/"
                echo "pub mod $part;"
                ;;
            esac
        done
    } >"$here/needed/src/lib.rs"
    manifest needed >"$here/needed/Cargo.toml"
    cp -r "src/$room" "$here/src/"
    printf '//! One room.\npub mod %s;\npub use needed::*;\n' "$room" >"$here/src/lib.rs"
    {
        manifest room $'needed = { path = "needed" }\n'
        printf '\n[workspace]\n'
        # As in the project's profile: a wrapped counter is a panic.
        printf '\n[profile.dev]\ndebug = false\noverflow-checks = true\ndebug-assertions = false\n'
        # Signatures are unbearably slow unoptimised.
        printf '\n[profile.dev.package."*"]\nopt-level = 2\n'
    } >"$here/Cargo.toml"
    cp Cargo.lock "$here/"
}

if command -v mold >/dev/null; then
    export CARGO_ENCODED_RUSTFLAGS=-Clink-arg=-fuse-ld=mold
fi
export CARGO_INCREMENTAL=1
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$WORK/target}

new=0
for room in $ROOMS; do
    package "$room"
    # 2 and 3 say that some were missed or took too long, which is looked at below.
    code=0
    cargo mutants --dir "$WORK/$room" --in-place --output "$WORK/$room" --config "$HERE/mutants.toml" \
        --no-shuffle --timeout 20 --colors never -f "src/$room/**" "$@" -- --lib "$room::" || code=$?
    [ $code = 0 ] || [ $code = 2 ] || [ $code = 3 ] || exit $code
    found=$WORK/$room/mutants.out
    printf 'mutants: %s: %d caught, %d unviable, %d timed out, %d missed\n' "$room" \
        "$(wc -l <"$found/caught.txt")" "$(wc -l <"$found/unviable.txt")" \
        "$(wc -l <"$found/timeout.txt")" "$(wc -l <"$found/missed.txt")"
    while IFS= read -r mutant; do
        if ! grep -qxF "$mutant" "$HERE/explained.txt"; then
            echo "mutants: missed and not explained: $mutant"
            new=1
        fi
    done < <(sed -E 's/^([^:]+):[0-9]+:[0-9]+: /\1: /' "$found/missed.txt" | sort -u)
done
exit $new
