package cachestate

import "errors"

// Fault is an error that says why nothing is cached.
type Fault struct {
	Reason Reason
	Err    error
}

// Wrap gives an error the reason that it stands for. It returns nil for nil.
func Wrap(r Reason, err error) error {
	if err == nil {
		return nil
	}
	return &Fault{r, err}
}

func (f *Fault) Error() string { return f.Err.Error() }
func (f *Fault) Unwrap() error { return f.Err }

// ReasonOf returns the reason in the chain of err, if there is one.
func ReasonOf(err error) (r Reason, found bool) {
	var f *Fault
	if errors.As(err, &f) {
		return f.Reason, true
	}
	return OK, false
}
