#!/bin/sh
# build/@NAME@: WebAssembly where Rust has a target for it (rustup target add wasm32-wasip1, or
# Debian's rustc and libstd-rust-dev-wasm32), else a static program for machines like this one.
set -eu
has() { [ -d "$("$1" --print target-libdir --target "$2" 2>/dev/null)" ]; }
build() { # RUSTC TARGET FILE FLAGS
    RUSTC=$1 RUSTFLAGS=$4 cargo build --quiet --release --target "$2"
    mkdir -p build
    cp "target/$2/release/$3" build/@NAME@
}
for rustc in ${RUSTC:-rustc /usr/bin/rustc}; do
    for target in wasm32-wasip1 wasm32-wasi; do
        if has "$rustc" "$target"; then
            build "$rustc" "$target" @NAME@.wasm ""
            exit
        fi
    done
done
rustc=${RUSTC:-rustc}
host=$("$rustc" -vV | sed -n 's/^host: //p')
build "$rustc" "$host" @NAME@ "-C target-feature=+crt-static"
