package target

import "flowyte/internal/schema"

// Census is how all databases of one kind stand at one moment. It is a count
// only: nothing in it leads to a database or an organisation.
type Census struct {
	// Sessions by what they do.
	InUse, Idle, Opening int
	// Databases by whether sessions for reads may be opened: the last attempt
	// succeeded, none counts yet, or attempts are refused after failures.
	Open, Unproven, Shut int
}

// Census counts the databases and their sessions by kind. It asks nobody.
func (f *Fleet) Census() map[schema.Kind]Census {
	counts := map[schema.Kind]Census{}
	for _, d := range f.list() {
		c := counts[d.driver.Kind()]
		for _, p := range d.pools() {
			s := p.members.Stat()
			c.InUse += int(s.AcquiredResources())
			c.Idle += int(s.IdleResources())
			c.Opening += int(s.ConstructingResources())
		}
		switch proven, shut := d.reads.gate.standing(); {
		case shut:
			c.Shut++
		case proven:
			c.Open++
		default:
			c.Unproven++
		}
		counts[d.driver.Kind()] = c
	}
	return counts
}

func (g *gate) standing() (proven, shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.proven, !g.proven && g.shut()
}
