package ingest

// turns lets only so many goroutines decode at once. What all connections send
// at once would otherwise be decoded by as many goroutines as there are
// connections, and a report would wait behind all of them for a processor.
type turns chan struct{}

// newTurns leaves most of the processors to the store and to reports: decoding is
// a fifth of what it takes to take events in.
func newTurns(processors int) turns { return make(turns, max(1, processors/4)) }

// take waits for a turn. Whoever has one must not wait for a client or the store.
func (t turns) take() { t <- struct{}{} }

func (t turns) give() { <-t }

const eventsOfTurn = 1000 // as many as a batch mostly has

// rest is called by whoever has a turn, after the event of an index: with a long
// body, it lets others have the turn now and then.
func (t turns) rest(index int) {
	if (index+1)%eventsOfTurn == 0 {
		t.give()
		t.take()
	}
}
