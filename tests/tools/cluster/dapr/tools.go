//go:build tools

// Package tools names the programs of Dapr's control plane, so that go.mod pins all that they are made of.
package tools

import (
	_ "github.com/dapr/dapr/cmd/injector"
	_ "github.com/dapr/dapr/cmd/operator"
	_ "github.com/dapr/dapr/cmd/sentry"
)
