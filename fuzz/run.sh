#!/usr/bin/env bash
# Fuzzes each target for FUZZ_S seconds (default 600), one after the other, and keeps a minimised corpus.
# With arguments: those targets only. Brings cargo-fuzz and a nightly Rust if they are missing.
set -euo pipefail
cd "$(dirname "$0")"

FUZZ_S=${FUZZ_S:-600}
TARGETS=("$@")
[ $# -gt 0 ] || TARGETS=(wiegand format serial vcd)

die() {
    printf 'fuzz: %s\n' "$*" >&2
    exit 69
}

command -v rustup >/dev/null || die "needs a nightly Rust, which rustup brings; install it (see https://rustup.rs) and come back"
if ! rustup toolchain list | grep -q '^nightly'; then
    echo "fuzz: installing a nightly Rust (200 MB)"
    rustup toolchain install nightly --profile minimal || die "a nightly Rust could not be installed; is there a network?"
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "fuzz: installing cargo-fuzz, a minute or two"
    cargo install --locked cargo-fuzz || die "cargo-fuzz could not be installed; is there a network?"
fi

# No sanitizer: the code under test has no unsafe, and runs several times faster without.
FUZZ=(--sanitizer none --fuzz-dir .)
for target in "${TARGETS[@]}"; do
    echo "fuzz: $target for $FUZZ_S s"
    cargo +nightly fuzz run "${FUZZ[@]}" "$target" -- \
        -max_total_time="$FUZZ_S" -max_len=2048 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 ||
        { echo "fuzz: $target has a finding; its input is in fuzz/artifacts/$target" >&2; exit 1; }
    cargo +nightly fuzz cmin "${FUZZ[@]}" "$target" -- -max_len=2048
done
echo "fuzz: no findings; the corpus is $(du -sb corpus | cut -f1) bytes"
