package main

import "context"

func (b *bench) isolation(ctx context.Context, c *company) error  { return nil }
func (b *bench) publishing(ctx context.Context, c *company) error { return nil }
