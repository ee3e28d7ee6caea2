//go:build parts

// Package parts names Kubo's program, so that its version is held by go.mod and go.sum.
package parts

import _ "github.com/ipfs/kubo/cmd/ipfs"
