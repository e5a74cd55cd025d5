//go:build race

package server

// slowdown is how many times longer everything may take: the race detector looks at every access to memory.
const slowdown = 5
