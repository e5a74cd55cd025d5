//go:build !race

package server

// slowdown is how many times longer everything may take.
const slowdown = 1
