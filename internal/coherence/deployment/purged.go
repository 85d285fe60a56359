package deployment

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Purged is one name that was published as purged.
type Purged struct {
	Query string
	At    time.Time // when the message was received
}

// Purges is what has been published since it began to listen.
type Purges struct {
	C <-chan Purged

	d *Deployment
}

// Listen subscribes to the purges of every partition.
func (d *Deployment) Listen() *Purges {
	d.Helper()
	var channels []string
	for p := range d.Partitions {
		channels = append(channels, d.Space.Purged(p))
	}
	messages := d.Redis.Subscribe(d.Context(), channels...)
	for range channels {
		_, err := messages.Receive(d.Context())
		d.Must(err)
	}
	c := make(chan Purged, 1<<10)
	ctx, cancel := context.WithCancel(context.WithoutCancel(d.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(c)
		receive(ctx, messages, c)
	}()
	d.Cleanup(func() {
		cancel()
		_ = messages.Close()
		<-done
	})
	return &Purges{c, d}
}

// receive passes messages on until the subscription ends.
func receive(ctx context.Context, messages *redis.PubSub, c chan<- Purged) {
	for {
		m, err := messages.ReceiveMessage(ctx)
		if err != nil {
			return
		}
		at := time.Now()
		for query := range strings.SplitSeq(m.Payload, "\n") {
			select {
			case c <- Purged{query, at}:
			case <-ctx.Done():
				return
			}
		}
	}
}

// Until returns all names published up to and including last, and when that came.
func (p *Purges) Until(last string) (names map[string]bool, at time.Time) {
	p.d.Helper()
	names = map[string]bool{}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case m := <-p.C:
			names[m.Query] = true
			if m.Query == last {
				return names, m.At
			}
		case <-timeout.C:
			p.d.Fatalf("waited %v in vain for the purge of %s; heard %v", patience, last, names)
		}
	}
}
