package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"syscall"
)

// bodies are requests made ready before the clock starts. They lie outside Go's heap: there, a hundred megabytes of them
// would let the garbage collector rest as it never does in a server.
type bodies struct {
	memory []byte
	ends   []int
}

// prepare makes n bodies of at most size bytes each; write appends the i-th one to what it is given. In profiles it has
// a label of its own.
func prepare(n, size int, write func(to []byte, i int) []byte) (*bodies, error) {
	memory, err := syscall.Mmap(-1, 0, n*size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("reserve memory for %d requests: %w", n, err)
	}
	b := &bodies{memory: memory}
	pprof.Do(context.Background(), pprof.Labels("side", "bodies"), func(context.Context) { err = b.fill(n, size, write) })
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bodies) fill(n, size int, write func(to []byte, i int) []byte) error {
	begin := 0
	for i := range n {
		body := write(b.memory[begin:begin:begin+size], i)
		if len(body) > size {
			return fmt.Errorf("request %d has %d bytes, more than the %d that were meant for it", i, len(body), size)
		}
		begin += len(body)
		b.ends = append(b.ends, begin)
	}
	return nil
}

func (b *bodies) get(i int) []byte {
	begin := 0
	if i > 0 {
		begin = b.ends[i-1]
	}
	return b.memory[begin:b.ends[i]:b.ends[i]]
}

func (b *bodies) close() error { return syscall.Munmap(b.memory) }
