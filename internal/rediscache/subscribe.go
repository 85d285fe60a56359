package rediscache

import (
	"context"
	"errors"
	"fmt"
	"net"
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
func Subscribe(ctx context.Context, rdb *redis.Client, space rediskey.Space, subscriber PurgeSubscriber) {
	channels := make([]string, space.Partitions)
	for p := range channels {
		channels[p] = space.Purged(p)
	}
	for ctx.Err() == nil {
		_ = subscribeOnce(ctx, rdb, channels, subscriber) // whatever ended it, it is begun again
		subscriber.Connected(false)
		pause := time.NewTimer(subscribeAgainAfter)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// subscribeOnce keeps one subscription and returns why it ended.
func subscribeOnce(ctx context.Context, rdb *redis.Client, channels []string, subscriber PurgeSubscriber) error {
	sub := rdb.Subscribe(ctx, channels...)
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
			if confirmed++; confirmed > len(channels) {
				return errors.New("the subscription was made again")
			}
			if confirmed == len(channels) {
				subscriber.Connected(true)
			}
		case *redis.Message:
			if m.Payload == allQueries {
				subscriber.Clear()
			} else {
				subscriber.Purge(m.Payload)
			}
		}
	}
}
