// Command bench measures what gemba reaches on this machine, each figure beside its floor: the least that the same
// durable work costs the bare database, measured in turns with ours in the same run, so that a slow or shared disk
// slows both. It prints a table and writes the figures as JSON.
//
//	go run ./cmd/bench [-only name,name] [-seconds N] [-out build/bench.json]
//
// After each benchmark the database is asked whether it holds everything that was acknowledged; a figure that fails this
// is an error and not a figure. For a profile of our side alone, leave the floors out by their label:
//
//	go run ./cmd/bench -only reports-sqlite -cpuprofile build/cpu.prof
//	go tool pprof -tagignore=side -top build/cpu.prof
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"gemba/server"
)

func main() {
	server.TuneMemory() // as serve does
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program: 0 when every benchmark asked for gave a figure, 1 when one failed, 2 for wrong options.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "", "run only these, separated by commas")
	seconds := flags.Float64("seconds", 10, "measure each side of each benchmark this long")
	out := flags.String("out", filepath.Join("build", "bench.json"), "write the figures to this file")
	dir := flags.String("dir", "build", "put the databases into a new folder in here; it should be on the disk that matters")
	quick := flags.Bool("quick", false, "a smoke run: about a second each, on a small plant; the figures mean nothing")
	cpu := flags.String("cpuprofile", "", "write a CPU profile to this file")
	mem := flags.String("memprofile", "", "write a profile of everything allocated to this file")
	list := flags.Bool("list", false, "list the benchmarks")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	if *list {
		for _, b := range benchmarks {
			fmt.Fprintf(stdout, "%-16s %s\n", b.name, b.about)
		}
		return 0
	}
	chosen, err := choose(*only)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("%q is not an option; names go into -only", flags.Arg(0))
	}
	if err == nil && *seconds <= 0 {
		err = errors.New("-seconds must be more than 0")
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	s := &setting{orders: 256, length: time.Duration(*seconds * float64(time.Second) / rounds)}
	if *quick {
		s.orders, s.length = 64, 500*time.Millisecond/rounds
	}
	if err := profiled(*cpu, *mem, func() error { return all(ctx, s, chosen, *dir, *out, stdout, stderr) }); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// choose gives the benchmarks of the given names, all of them for none.
func choose(only string) ([]benchmark, error) {
	names := strings.FieldsFunc(only, func(r rune) bool { return r == ',' || r == ' ' })
	if len(names) == 0 {
		return benchmarks, nil
	}
	var chosen []benchmark
	for _, name := range names {
		i := slices.IndexFunc(benchmarks, func(b benchmark) bool { return b.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no benchmark %q; -list shows them", name)
		}
		chosen = append(chosen, benchmarks[i])
	}
	return chosen, nil
}

// all runs the benchmarks one after the other, cleans up, and only then shows and writes down what they gave. One that
// fails does not keep the others from running.
func all(ctx context.Context, s *setting, chosen []benchmark, dir, out string, stdout, stderr io.Writer) error {
	figures, err := measureAll(ctx, s, chosen, dir, stderr)
	if figures == nil {
		return err
	}
	fmt.Fprintf(stdout, "%s, %d processors, %s\n\n", runtime.Version(), runtime.NumCPU(), time.Now().UTC().Format(time.RFC3339))
	return errors.Join(err, printTable(stdout, figures), writeFigures(out, figures))
}

// measureAll gives the figures of the benchmarks that gave one, and what is wrong with the others; no figures at all
// when it was stopped or could not work.
func measureAll(ctx context.Context, s *setting, chosen []benchmark, dir string, stderr io.Writer) (figures []Figure, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp(dir, "bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	figures = []Figure{}
	var failed []error
	for _, b := range chosen {
		fmt.Fprintf(stderr, "%s: %s\n", b.name, b.about)
		s.folder = filepath.Join(folder, b.name)
		if err := os.Mkdir(s.folder, 0o700); err != nil {
			return nil, err
		}
		f, err := b.measure(ctx, s)
		if ctx.Err() != nil {
			return nil, errors.New("stopped before the end")
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", b.name, err))
		} else {
			figures = append(figures, f)
		}
		if err := os.RemoveAll(s.folder); err != nil {
			return nil, err
		}
	}
	return figures, errors.Join(failed...)
}

// profiled calls do under the profilers that are asked for.
func profiled(cpu, mem string, do func() error) (err error) {
	if cpu != "" {
		f, err := os.Create(cpu)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	err = do()
	if mem != "" {
		f, failed := os.Create(mem)
		if failed == nil {
			failed = errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
		}
		err = errors.Join(err, failed)
	}
	return err
}
