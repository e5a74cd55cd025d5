#!/bin/sh
# Runs every fuzz target of the module for a while each: deploy/fuzz.sh 20s
set -e
for file in $(grep -rlE '^func Fuzz' --include='*_test.go' cmd keys mes server storage tui); do
	package=./$(dirname "$file")
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$file"); do
		echo "fuzzing $package $target for $1"
		go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$1" -fuzzminimizetime 20x
	done
done
