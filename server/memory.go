package server

import (
	"os"
	"runtime/debug"
)

// TuneMemory lets the garbage collector run less often than it would by itself: what lives is a few megabytes, and
// collecting each time that has doubled takes a third of the processor under load. A soft limit of 1 GiB keeps a flood
// from growing the heap. GOGC and GOMEMLIMIT in the environment still have the last word.
func TuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(800)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(1 << 30)
	}
}
