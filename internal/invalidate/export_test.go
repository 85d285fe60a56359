package invalidate

// Collapse sets from how many changes on a backlog is not applied.
func (i *Invalidator) Collapse(rows int) { i.collapse = rows }
