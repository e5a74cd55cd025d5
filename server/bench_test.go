package server

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gemba/keys"
	"gemba/mes"
)

// BenchmarkIngest sends batches of 1,000 samples over four HTTPS connections, each sample at a time of its own, into
// SQLite with full synchronisation, client and server on the same machine.
func BenchmarkIngest(b *testing.B) {
	p := newPlant(b)
	key := p.apiKey(keys.MachineKey, mes.Grant{Role: mes.Feeder}).Reveal()
	const connections, size = 4, 1000
	var next atomic.Int64
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b.ResetTimer()
	var all sync.WaitGroup
	for range connections {
		client := p.client()
		all.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				r, err := http.NewRequest(http.MethodPost, "https://"+p.server.APIAddr()+"/v1/ingest", bytes.NewReader(batchAt(start.Add(time.Duration(n)*time.Second), size)))
				if err != nil {
					b.Error(err)
					return
				}
				r.Header.Set("Authorization", "Bearer "+key)
				res, err := client.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				body, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if res.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(`"inserted":1000`)) {
					b.Errorf("%d %s", res.StatusCode, body)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(size*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
}

func batchAt(at time.Time, n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"machine":"M1","source":"bench","samples":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"tag":"axis%d","at":"%s","value":%.3f}`, i%8, at.Add(time.Duration(i)*time.Millisecond).Format(time.RFC3339Nano), float64(i)*0.731)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}
