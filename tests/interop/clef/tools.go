//go:build tools

// Package clef pins the signer that is tested with; `go mod tidy` keeps go.sum by it.
package clef

import _ "github.com/ethereum/go-ethereum/cmd/clef"
