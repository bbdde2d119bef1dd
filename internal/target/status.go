package target

// Trouble is why the last attempt to connect for reads failed; nil while none
// did. It asks nobody.
func (d *Database) Trouble() error {
	d.reads.gate.mu.Lock()
	defer d.reads.gate.mu.Unlock()
	if d.reads.gate.last == nil {
		return nil
	}
	return copyOf(d.reads.gate.last)
}
