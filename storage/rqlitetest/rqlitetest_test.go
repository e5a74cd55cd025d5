package rqlitetest

import (
	"context"
	"testing"
	"time"
)

func TestCluster_survivesItsLeader(t *testing.T) {
	c := Start(t, 3)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	first, err := c.WaitLeader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c.Kill9(first)
	for {
		next, err := c.WaitLeader(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if next != first {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := c.Restart(first); err != nil {
		t.Fatal(err)
	}
	if err := c.waitReady(ctx, first); err != nil {
		t.Fatal(err)
	}
}
