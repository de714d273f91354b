//go:build !wasip1

package sdk

// register has nothing to do: natively there are no exports, and tests call the
// plugin that Register returns.
func register(Plugin) {}
