package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"
)

// A Figure is what a benchmark gave. Value and Floor are medians over the rounds, both in Unit; latencies are in
// milliseconds, over all requests of our side.
type Figure struct {
	Name        string    `json:"name"`
	Unit        string    `json:"unit"`
	Value       float64   `json:"value"`
	Floor       float64   `json:"floor"`
	Ratio       float64   `json:"ratio"` // Value / Floor
	P50         float64   `json:"p50"`
	P99         float64   `json:"p99"`
	CPU         float64   `json:"cpu_us"`             // processor time of our process for one unit, microseconds
	Goal        float64   `json:"goal"`               // Value that is asked for
	GoalP99     float64   `json:"goal_p99,omitempty"` // P99 that is asked for
	Rounds      []float64 `json:"rounds"`
	FloorRounds []float64 `json:"floor_rounds"`
	Note        string    `json:"note"`
}

// reached tells whether the figure is what was asked for.
func (f *Figure) reached() bool {
	return f.Value >= f.Goal && (f.GoalP99 == 0 || f.P99 <= f.GoalP99)
}

func printTable(w io.Writer, figures []Figure) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "name\tvalue\tfloor\tratio\tp50 ms\tp99 ms\tcpu µs\tasked for\treached\tunit\t")
	for i := range figures {
		f := &figures[i]
		goal, reached := fmt.Sprintf("≥ %.0f", f.Goal), "yes"
		if f.GoalP99 > 0 {
			goal += fmt.Sprintf(", p99 ≤ %.0f", f.GoalP99)
		}
		if !f.reached() {
			reached = "no"
		}
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t%.1f\t%s\t%s\t%s\t\n", f.Name, f.Value, f.Floor, f.Ratio, f.P50, f.P99, f.CPU, goal, reached, f.Unit)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for i := range figures {
		if _, err := fmt.Fprintf(w, "\n%s: %s\n", figures[i].Name, figures[i].Note); err != nil {
			return err
		}
	}
	return nil
}

// writeFigures writes the figures as a JSON array. The file appears whole or not at all.
func writeFigures(path string, figures []Figure) error {
	text, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// median gives the middle of an odd number of values, and the mean of the two in the middle of an even one.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

// percentile gives the smallest duration that p of 100 do not exceed. It sorts what it is given.
func percentile(durations []time.Duration, p int) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	slices.Sort(durations)
	at := (len(durations)*p + 99) / 100
	return durations[max(at-1, 0)]
}

func milliseconds(d time.Duration) float64 { return math.Round(d.Seconds()*1e6) / 1e3 }

// rounded drops digits that no measurement has.
func rounded(rate float64) float64 { return math.Round(rate*10) / 10 }

func ratio(value, floor float64) float64 {
	if floor == 0 {
		return 0
	}
	return math.Round(value/floor*1e4) / 1e4
}
