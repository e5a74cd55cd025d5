package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// A fact is a number that the database must give.
type fact struct {
	what  string
	query string
	want  int64
}

// agree asks the database for every fact and names those that it does not agree with.
func agree(ctx context.Context, p place, facts []fact) error {
	var errs []error
	for _, f := range facts {
		got, err := p.number(ctx, f.query)
		if err == nil && got != f.want {
			err = fmt.Errorf("%s: %d are there and %d were acknowledged", f.what, got, f.want)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// closeAll calls closers, last come first.
func closeAll(closers []func() error) error {
	var errs []error
	for _, c := range slices.Backward(closers) {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}
