// Package plant holds the demonstration plant: a small maker of pumps and valves with two facilities, four lines and
// twelve machines. Everything in it is made up.
package plant

import _ "embed"

// TOML is the plant as cmd/gemba loads it.
//
//go:embed plant.toml
var TOML string
