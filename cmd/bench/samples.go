package main

import (
	"strconv"
	"time"

	"gemba/mes"
)

const (
	batchRows   = 1000 // samples in one request
	moments     = 50   // of which each has one sample of every tag
	connections = 4    // over which they come
	bodyBytes   = 100 << 10
)

// sampleTags are the values that each machine sends at a time.
var sampleTags = func() (tags [batchRows / moments]string) {
	for i := range tags {
		tags[i] = "axis-" + strconv.Itoa(i+1) + "-load"
	}
	return tags
}()

// samples makes batches that never repeat: machines in turn, and each machine's time goes on from batch to batch.
type samples struct {
	from  time.Time // the first moment of all
	batch int       // next one
}

func newSamples() *samples {
	return &samples{from: time.Now().AddDate(0, 0, -30).UTC().Truncate(time.Second)}
}

// take reserves n batches and gives the first one's number.
func (s *samples) take(n int) int {
	first := s.batch
	s.batch += n
	return first
}

func (s *samples) machine(batch int) mes.ID { return machineOf(batch % machines) }

// row gives a row of a batch.
func (s *samples) row(batch, i int) (tag string, at time.Time, value float64) {
	moment := batch/machines*moments + i/len(sampleTags)
	noise := uint32(batch*batchRows+i) * 2654435761
	return sampleTags[i%len(sampleTags)], s.from.Add(time.Duration(moment) * 10 * time.Millisecond), float64(noise>>12) / 1000
}

// appendIngest adds a batch as a machine's gateway sends it.
func (s *samples) appendIngest(to []byte, batch int) []byte {
	to = append(to, `{"machine":"`...)
	to = append(to, s.machine(batch)...)
	to = append(to, `","source":"bench","samples":[`...)
	var stamp []byte
	for i := range batchRows {
		tag, at, value := s.row(batch, i)
		if i%len(sampleTags) == 0 {
			stamp = at.AppendFormat(stamp[:0], "2006-01-02T15:04:05.000Z")
		}
		if i > 0 {
			to = append(to, ',')
		}
		to = append(to, `{"tag":"`...)
		to = append(to, tag...)
		to = append(to, `","at":"`...)
		to = append(to, stamp...)
		to = append(to, `","value":`...)
		to = strconv.AppendFloat(to, value, 'g', -1, 64)
		to = append(to, '}')
	}
	return append(to, `]}`...)
}
