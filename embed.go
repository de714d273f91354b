// Package sourcehost holds the files of the SDKs for authors of plugins.
package sourcehost

import "embed"

// SDK holds the SDKs of all languages, under their paths in this repository, for
// new plugins: these get a copy, so that they build without a network.
//
//go:embed sdk/*.go sdk/sdktest/*.go internal/abi/*.go internal/rawjson/*.go go.mod LICENSE
//go:embed sdk/rust/*.rs sdk/c/*.h sdk/assemblyscript/*.ts sdk/assemblyscript/package.json
var SDK embed.FS
