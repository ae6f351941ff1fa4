//go:build tools

// Package tools names Helm, so that go.mod pins all that it is made of.
package tools

import _ "helm.sh/helm/v3/cmd/helm"
