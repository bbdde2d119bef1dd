package mysql

import (
	"context"
	"time"
)

// stopLimit bounds the second connection, from the first packet to the last.
const stopLimit = 750 * time.Millisecond

// stop ends the work of the session on its server: closing the connection is
// not enough, as these servers notice that only when they have rows to send.
// It returns at once; Close waits for the outcome.
func (s *Session) stop() {
	if s.stopped != nil {
		return
	}
	s.stopped = make(chan struct{})
	done, first, as := s.stopped, s.dialer, accountFor(s.dialer.creds, s.purpose)
	go func() {
		defer close(done)
		// Nobody is left to be told: the server's own limit is the second lock.
		_ = kill(first, as)
	}()
}

// kill connects to the server of an open connection and ends that one. A user
// may always end its own.
func kill(first *dialer, as account) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	d, err := first.again()
	if err != nil {
		return err
	}
	conn, err := connect(ctx, d, as)
	if err != nil {
		return err
	}
	defer d.screen.Close()
	deadline, _ := ctx.Deadline()
	if err := d.screen.raw.SetStageDeadline(deadline); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, killText(uint64(first.greeting.thread)), nil)
	_ = conn.Close() // the goodbye, which also ends the driver's goroutine
	return err
}
