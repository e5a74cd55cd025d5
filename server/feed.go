package server

import "sync"

// Everything is the topic that stands for all topics: a mailbox whose owner was away for too long holds it instead of
// what it missed.
const Everything = "*"

// mailboxSize bounds the topics that wait in a mailbox.
const mailboxSize = 4096

// A Feed tells subscribers what changed, by topic: "work_order:ID", "machine:CODE", "line:CODE" and the like. It says
// that something changed and not how; who wants to know looks again. Publishing never waits for a subscriber.
type Feed struct {
	mu    sync.RWMutex
	boxes map[*Mailbox]struct{}
}

// NewFeed makes a feed without subscribers.
func NewFeed() *Feed { return &Feed{boxes: map[*Mailbox]struct{}{}} }

// Publish puts topics into every mailbox. It is what [mes.NewApp] wants to be given.
func (f *Feed) Publish(topics ...string) {
	if len(topics) == 0 {
		return
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	for box := range f.boxes {
		box.put(topics)
	}
}

// Subscribe opens a mailbox that receives everything published from now on. Close it when it is no longer read.
func (f *Feed) Subscribe() *Mailbox {
	box := &Mailbox{feed: f, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.boxes[box] = struct{}{}
	return box
}

// subscribers tells how many mailboxes are open.
func (f *Feed) subscribers() int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return len(f.boxes)
}

// A Mailbox holds what one subscriber has not seen yet, each topic once. A slow reader misses repetitions, never the
// fact that something changed.
type Mailbox struct {
	feed *Feed
	wake chan struct{}
	gone chan struct{}
	once sync.Once

	mu     sync.Mutex
	topics []string
	known  map[string]struct{}
}

// Wait blocks until something was published, and gives the topics in the order in which they first came. Ok is false
// once the mailbox is closed: the reader is to stop.
func (m *Mailbox) Wait() (topics []string, ok bool) {
	for {
		select {
		case <-m.gone:
			return nil, false
		case <-m.wake:
		}
		m.mu.Lock()
		topics, m.topics, m.known = m.topics, nil, nil
		m.mu.Unlock()
		if len(topics) > 0 {
			return topics, true
		}
	}
}

// Close ends the subscription and every Wait. It may be called more than once.
func (m *Mailbox) Close() {
	m.once.Do(func() {
		m.feed.mu.Lock()
		delete(m.feed.boxes, m)
		m.feed.mu.Unlock()
		close(m.gone)
	})
}

func (m *Mailbox) put(topics []string) {
	m.mu.Lock()
	for _, t := range topics {
		if _, known := m.known[t]; known || len(m.topics) == 1 && m.topics[0] == Everything {
			continue
		}
		if len(m.topics) >= mailboxSize {
			m.topics, m.known = []string{Everything}, nil
			continue
		}
		if m.known == nil {
			m.known = map[string]struct{}{}
		}
		m.known[t] = struct{}{}
		m.topics = append(m.topics, t)
	}
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default: // it will find these when it wakes
	}
}
