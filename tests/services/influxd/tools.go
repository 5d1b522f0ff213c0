//go:build tools

// Package tools names what tests/services/build-influxd compiles, so that go.mod and go.sum pin and check it:
// the server, and the helper by which Go's build drives cargo for the query engine's part in Rust.
package tools

import (
	_ "github.com/influxdata/influxdb/v2/cmd/influxd"
	_ "github.com/influxdata/pkg-config"
)
