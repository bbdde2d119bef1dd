package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

// The load generator speaks HTTP/1.1 over keep-alive connections by itself: it
// shares its cores with what it measures, and a general client would cost more
// than the servers do. It only ever connects to loopback.

// callTimeout bounds one call; a live call is answered within two seconds.
const callTimeout = 5 * time.Second

// question is a request as its bytes go out. Each use writes another
// toolCallId into it, so that no answer is a replay.
type question struct {
	raw []byte
	id  int // where the digits of the toolCallId are
}

const idDigits = 12

// newQuestion prepares a tool call for the conversation at path.
func newQuestion(path, key, tool, reference string) question {
	body := fmt.Sprintf(`{"toolCallId":"call_%0*d","tool":%q,"arguments":{"reference":%q}}`, idDigits, 0, tool, reference)
	raw := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, key, len(body), body)
	return question{raw: raw, id: bytes.Index(raw, []byte("call_")) + len("call_")}
}

// caller is one connection with the questions that it asks in turn. It is for
// one goroutine at a time.
type caller struct {
	address   netip.AddrPort
	questions []question
	next      int
	number    int // of the call, over the life of the caller
	conn      net.Conn
	in        *bufio.Reader
	body      []byte
}

var errNotLoopback = errors.New("bench: the load generator asks loopback only")

func newCaller(address netip.AddrPort, questions []question) (*caller, error) {
	if !address.Addr().IsLoopback() {
		return nil, errNotLoopback
	}
	return &caller{address: address, questions: questions}, nil
}

// call asks the next question and tells how long the whole answer took. The
// error says that there was none, or that its outcome was not ok.
func (c *caller) call() (time.Duration, error) {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.address.String(), callTimeout)
		if err != nil {
			return 0, err
		}
		c.conn, c.in = conn, bufio.NewReader(conn)
	}
	q := c.questions[c.next]
	c.next = (c.next + 1) % len(c.questions)
	c.number++
	digits := q.raw[q.id : q.id+idDigits]
	for n, i := c.number, idDigits-1; i >= 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	began := time.Now()
	if err := c.exchange(q.raw, began.Add(callTimeout)); err != nil {
		c.close()
		return 0, err
	}
	return time.Since(began), nil
}

func (c *caller) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

var (
	contentLength = []byte("Content-Length: ")
	statusOK      = []byte("HTTP/1.1 200 ")
	outcomeOK     = []byte(`"outcome":"ok"`)
	replayed      = []byte(`"replayed":true`)
)

// exchange sends a request and reads the answer, whose length must be declared.
func (c *caller) exchange(request []byte, deadline time.Time) error {
	if err := c.conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	status, length := false, -1
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if first {
			status = bytes.HasPrefix(line, statusOK)
		}
		if value, ok := bytes.CutPrefix(line, contentLength); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
		if len(line) == 0 {
			break
		}
	}
	if length < 0 || length > 1<<20 {
		return errors.New("bench: an answer without a length")
	}
	c.body = slices.Grow(c.body[:0], length)[:length]
	if _, err := io.ReadFull(c.in, c.body); err != nil {
		return err
	}
	if !status || !bytes.Contains(c.body, outcomeOK) || bytes.Contains(c.body, replayed) {
		return fmt.Errorf("bench: answered %q", c.body)
	}
	return nil
}

// sample is what was measured of one variant at one time.
type sample struct {
	took   []time.Duration // of each good call
	errors int
	first  error // the first error, for the reader
	within time.Duration
}

func (s *sample) note(took time.Duration, err error) {
	if err == nil {
		s.took = append(s.took, took)
		return
	}
	if s.errors == 0 {
		s.first = err
	}
	s.errors++
}

// join adds what another client measured at the same time.
func (s *sample) join(o sample) {
	s.took = append(s.took, o.took...)
	if s.errors == 0 {
		s.first = o.first
	}
	s.errors += o.errors
}

// rate is in calls per second.
func (s *sample) rate() float64 { return float64(len(s.took)) / s.within.Seconds() }

// percentile is in milliseconds; p is from 0 to 100.
func (s *sample) percentile(p float64) float64 {
	if len(s.took) == 0 {
		return 0
	}
	slices.Sort(s.took)
	at := min(len(s.took)-1, int(p/100*float64(len(s.took))))
	return float64(s.took[at].Nanoseconds()) / 1e6
}

// closed has every client ask one question after the other for a while.
func closed(ctx context.Context, clients []*caller, lasting time.Duration) sample {
	ctx, cancel := context.WithTimeout(ctx, lasting)
	defer cancel()
	parts := make([]sample, len(clients))
	began := time.Now()
	var all sync.WaitGroup
	for i, c := range clients {
		all.Go(func() {
			s := sample{took: make([]time.Duration, 0, 32<<10)}
			for ctx.Err() == nil {
				s.note(c.call())
			}
			parts[i] = s
		})
	}
	all.Wait()
	whole := sample{within: time.Since(began)}
	for _, p := range parts {
		whole.join(p)
	}
	return whole
}

// open asks at a fixed rate, whatever becomes of the calls before. Times count
// from the moment at which a call was due: when no client is free, the wait for
// one is part of its time.
func open(ctx context.Context, clients []*caller, perSecond int, lasting time.Duration) sample {
	free := make(chan *caller, len(clients))
	for _, c := range clients {
		free <- c
	}
	n := int(lasting.Seconds() * float64(perSecond))
	took, errs := make([]time.Duration, n), make([]error, n)
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	var all sync.WaitGroup
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			all.Wait()
			return sample{errors: 1, first: ctx.Err(), within: time.Since(began)}
		case <-timer.C:
		}
		all.Go(func() {
			c := <-free
			_, errs[i] = c.call()
			took[i] = time.Since(due)
			free <- c
		})
	}
	all.Wait()
	whole := sample{within: time.Since(began)}
	for i := range n {
		whole.note(took[i], errs[i])
	}
	return whole
}
