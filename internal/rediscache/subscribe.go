package rediscache

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/rediskey"
)

// PurgeSubscriber is told of purges as soon as they are published.
type PurgeSubscriber interface {
	Connected(bool)     // purges arrive from now on, or no longer: some may have been missed
	Purge(query string) // everything made of this query is stale
	Clear()             // everything is: a new epoch has begun
}

// The timing of a subscription.
const (
	pingEvery           = time.Second           // a link that has gone silent is noticed within twice that
	subscribeAgainAfter = 50 * time.Millisecond // pause before subscribing again
	allQueries          = "*"                   // the message of a new epoch
)

// Subscribe passes all purges to subscriber until ctx is done. When a subscription breaks it
// calls Connected(false) and subscribes again. go-redis would reconnect silently, and the
// subscriber would miss what was published meanwhile.
//
// In a cluster each server that holds a partition is subscribed to. Purge and Clear may then be
// called by several goroutines at the same time.
func Subscribe(ctx context.Context, rdb redis.UniversalClient, space rediskey.Space, subscriber PurgeSubscriber) {
	s := serversOf(rdb, space)
	for ctx.Err() == nil {
		_ = subscribeOnce(ctx, &s, subscriber) // whatever ended it, it is begun again
		subscriber.Connected(false)
		s.stale(ctx)
		pause := time.NewTimer(subscribeAgainAfter)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// subscribeOnce keeps one subscription to each server until one of them ends. It returns why
// that ended.
func subscribeOnce(ctx context.Context, s *servers, subscriber PurgeSubscriber) error {
	all, err := s.all(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var left atomic.Int64
	left.Store(int64(len(all)))
	return atOnce(all, func(at server) error {
		defer cancel()
		channels := make([]string, len(at.partitions))
		for i, p := range at.partitions {
			channels[i] = s.space.Purged(p)
		}
		return receive(ctx, s.subscribe(ctx, at.rdb, channels), len(channels), subscriber, func() {
			if left.Add(-1) == 0 {
				subscriber.Connected(true)
			}
		})
	})
}

// subscribe begins a subscription on one server. The channels of a cluster lie in several slots,
// so each takes a command of its own.
func (s *servers) subscribe(ctx context.Context, rdb *redis.Client, channels []string) *redis.PubSub {
	if s.cluster == nil {
		return rdb.Subscribe(ctx, channels...)
	}
	sub := rdb.SSubscribe(ctx)
	for _, channel := range channels {
		_ = sub.SSubscribe(ctx, channel) // what fails is not confirmed, and the next receive tells it
	}
	return sub
}

// receive passes on what one subscription says, and returns why it ended. subscribed is called
// once all channels are confirmed.
func receive(ctx context.Context, sub *redis.PubSub, channels int, subscriber PurgeSubscriber, subscribed func()) error {
	defer sub.Close()
	defer context.AfterFunc(ctx, func() { _ = sub.Close() })() // receiving does not heed ctx
	confirmed, pinged := 0, false
	for {
		message, err := sub.ReceiveTimeout(ctx, pingEvery)
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout() && !pinged:
			if err := sub.Ping(ctx); err != nil {
				return fmt.Errorf("ping the subscription: %w", err)
			}
			pinged = true
			continue
		case err != nil:
			return fmt.Errorf("receive purges: %w", err)
		}
		pinged = false
		switch m := message.(type) {
		case *redis.Subscription:
			if m.Kind == "sunsubscribe" {
				return errors.New("a slot has left the server")
			}
			if confirmed++; confirmed > channels {
				return errors.New("the subscription was made again")
			}
			if confirmed == channels {
				subscribed()
			}
		case *redis.Message:
			tell(subscriber, m.Payload)
		}
	}
}

// tell passes on one message: the queries that one call has purged, each on a line of its own, or
// that all are. (No canonical text has a line break in it.)
func tell(subscriber PurgeSubscriber, message string) {
	if message == allQueries {
		subscriber.Clear()
		return
	}
	for query := range strings.SplitSeq(message, "\n") {
		subscriber.Purge(query)
	}
}
