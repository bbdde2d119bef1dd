package assist

func (c *Catalog) rationale(d *draft) string { return "" }
