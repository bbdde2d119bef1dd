// Command bench measures the product against the floor and prints tables of
// ratios; `make bench` builds what it needs and runs it.
//
// Everything runs on this machine: private databases with 500,000 orders, the
// floor and the product as processes of their own, and the load generator. A
// missed target is printed, not an exit code: this is a measurement, and the
// tests are elsewhere.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// wholeLimit bounds a run, whatever hangs.
const wholeLimit = 10 * time.Minute

func main() {
	// A reader of the tables that leaves early must not leave servers behind.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, wholeLimit)
	defer cancel()
	b := bench{}
	flag.StringVar(&b.bin, "bin", "bin", "the folder with the programs flowyte and floor")
	parts := flag.String("parts", "postgres,mysql,isolation,publish,allocations", "what to measure")
	flag.IntVar(&b.pace.rounds, "rounds", 9, "rounds of the closed loops")
	flag.IntVar(&b.pace.openRounds, "open-rounds", 5, "rounds of the open loop")
	also := flag.String("also", "", "other builds of flowyte to drive in the same rounds, for comparing a change")
	flag.Parse()
	b.also = strings.FieldsFunc(*also, func(r rune) bool { return r == ',' })
	b.pace.many, b.pace.one, b.pace.open = 700*time.Millisecond, 500*time.Millisecond, 2*time.Second
	if err := b.run(ctx, strings.Split(*parts, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type bench struct {
	bin   string
	dir   string   // for everything that the run makes
	also  []string // other builds of the product
	pace  pace
	table table
}

func (b *bench) run(ctx context.Context, parts []string) (err error) {
	if b.dir, err = os.MkdirTemp("", "flowyte-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	began := time.Now()
	b.table.machine()
	for _, kind := range []string{"postgres", "mysql"} {
		if err := b.kind(ctx, kind, parts); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	if slices.Contains(parts, "allocations") {
		if err := b.allocations(ctx); err != nil {
			return fmt.Errorf("allocations: %w", err)
		}
	}
	b.table.end(time.Since(began))
	return nil
}

// kind measures everything that needs the database of one kind.
func (b *bench) kind(ctx context.Context, kind string, parts []string) (err error) {
	others := kind == "postgres" && (slices.Contains(parts, "isolation") || slices.Contains(parts, "publish"))
	if !slices.Contains(parts, kind) && !others {
		return nil
	}
	company, err := openCompany(ctx, kind, b.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, company.server.Close()) }()
	if slices.Contains(parts, kind) {
		if err := b.lookups(ctx, company); err != nil {
			return err
		}
	}
	if kind != "postgres" {
		return nil
	}
	if slices.Contains(parts, "isolation") {
		if err := b.isolation(ctx, company); err != nil {
			return fmt.Errorf("isolation: %w", err)
		}
	}
	if slices.Contains(parts, "publish") {
		if err := b.publishing(ctx, company); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
	}
	return nil
}

// lookups drives the floor, the product, the floor again, and other builds of
// the product that are to be compared with it.
func (b *bench) lookups(ctx context.Context, company *company) (err error) {
	floor, err := start(ctx, func(line string) string { return line },
		filepath.Join(b.bin, "floor"), "-kind", company.kind, "-dsn", company.dsn(), "-ca", company.ca)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, floor.end()) }()
	var variants []*variant
	for _, binary := range append([]string{filepath.Join(b.bin, "flowyte")}, b.also...) {
		p, err := startProduct(ctx, binary, filepath.Join(b.dir, fmt.Sprintf("%s-%d", company.kind, len(variants))))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.end()) }()
		callers, err := p.callers(ctx, company, "bench", company.server.Port, openClients)
		if err != nil {
			return err
		}
		variants = append(variants, &variant{name: binary, process: p.process, clients: callers})
	}
	variants[0].name = "flowyte"
	for _, name := range []string{"floor again", "floor"} {
		v := &variant{name: name, process: floor}
		for _, c := range variants[len(variants)-1].clients {
			one, err := newCaller(floor.address, c.questions)
			if err != nil {
				return err
			}
			v.clients = append(v.clients, one)
		}
		variants = append([]*variant{v}, variants...)
	}
	defer func() {
		for _, v := range variants {
			v.close()
		}
	}()
	if err := drive(ctx, variants, serverOf(company.server.DataDir), b.pace); err != nil {
		return err
	}
	return b.table.lookups(company, variants)
}
