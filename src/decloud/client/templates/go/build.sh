#!/bin/sh
# build/@NAME@: WebAssembly if this Go can (1.21 and newer), else a static program for machines like this one.
set -eu
if go tool dist list | grep -qx wasip1/wasm; then
    export GOOS=wasip1 GOARCH=wasm
fi
CGO_ENABLED=0 GOTOOLCHAIN=local exec go build -trimpath -ldflags '-s -w' -o build/@NAME@ .
