package invalidate

// Collapse sets from how many changes on a backlog is not applied.
func (i *Invalidator) Collapse(rows int) { i.collapse = rows }

// SetKept sets how many changes are kept for dark partitions.
func (i *Invalidator) SetKept(rows int) { i.keptRows = rows }

// SetSpare sets how many queries more than are live a standby may know, besides a quarter.
func (i *Invalidator) SetSpare(queries int) { i.spare = queries }
