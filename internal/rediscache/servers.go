package rediscache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/redisurl"
)

// servers says which server holds a partition: one for all of them, or a master of a cluster.
//
// A cluster's client is used as a map of the slots only. Every command goes to the own client
// of one master, and is neither sent again nor sent elsewhere by itself: a purge that was sent
// twice would pass for a Redis that has lost something, and TIME must come from the server
// that the beat comes from. A server that does not hold a slot (any more) refuses, so a replica
// is never read.
type servers struct {
	one     *redis.Client
	cluster *redis.ClusterClient // nil if there is one
	space   rediskey.Space
	fences  []string     // of each partition: what finds its server
	known   *atomic.Bool // the map has been read once
}

func serversOf(rdb redis.UniversalClient, space rediskey.Space) servers {
	s := servers{space: space}
	switch c := rdb.(type) {
	case *redis.Client:
		s.one = c
	case *redis.ClusterClient:
		s.cluster, s.known = c, new(atomic.Bool)
		for p := range space.Partitions {
			s.fences = append(s.fences, space.Fence(p))
		}
	default:
		panic(fmt.Sprintf("rediscache: a client of type %T, which Connect does not make", rdb))
	}
	return s
}

// eachPartition calls do for every partition, for all at the same time.
func (s *servers) eachPartition(do func(p int)) {
	all := make([]int, s.space.Partitions)
	for p := range all {
		all[p] = p
	}
	_ = atOnce(all, func(p int) error { do(p); return nil })
}

// of returns the client of the server that holds a partition.
func (s *servers) of(ctx context.Context, p int) (*redis.Client, error) {
	if s.one != nil {
		return s.one, nil
	}
	if !s.known.Load() { // every caller reads the map, from one node after the other
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.cluster.Options().DialTimeout)
		defer cancel()
	}
	rdb, err := s.cluster.MasterForKey(ctx, s.fences[p])
	if err != nil {
		return nil, failed("find the node of a partition", err)
	}
	s.known.Store(true)
	return rdb, nil
}

// server is one server with the partitions that it holds.
type server struct {
	rdb        *redis.Client
	partitions []int
}

// all returns the servers that hold a partition, each once.
func (s *servers) all(ctx context.Context) ([]server, error) {
	var all []server
	for p := range s.space.Partitions {
		rdb, err := s.of(ctx, p)
		if err != nil {
			return nil, err
		}
		all = addServer(all, rdb, p)
	}
	return all, nil
}

// addServer adds a partition to the server that holds it.
func addServer(all []server, rdb *redis.Client, p int) []server {
	i := 0
	for i < len(all) && all[i].rdb != rdb {
		i++
	}
	if i == len(all) {
		all = append(all, server{rdb: rdb})
	}
	all[i].partitions = append(all[i].partitions, p)
	return all
}

// each calls do for every server, for all at the same time. It returns the first error.
func (s *servers) each(ctx context.Context, do func(ctx context.Context, at server) error) error {
	all, err := s.all(ctx)
	if err != nil {
		return err
	}
	return atOnce(all, func(at server) error { return do(ctx, at) })
}

// eachThatAnswers calls do for every server, for all at the same time. Servers that do not answer
// are passed over, unless none does. Any other error is returned.
func (s *servers) eachThatAnswers(ctx context.Context, do func(ctx context.Context, at server) error) error {
	var all []server
	var errs []error
	for p := range s.space.Partitions {
		rdb, err := s.of(ctx, p)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = addServer(all, rdb, p)
	}
	var mu sync.Mutex
	_ = atOnce(all, func(at server) error {
		err := do(ctx, at)
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, err)
		return nil
	})
	return worstOf(errs)
}

// worstOf returns an error that is not merely that somebody does not answer; or, if nobody does,
// that.
func worstOf(errs []error) error {
	answered := false
	for _, err := range errs {
		if err != nil && !isDown(err) {
			return err
		}
		answered = answered || err == nil
	}
	if answered {
		return nil
	}
	return errs[0]
}

// isDown reports whether an error says that a server does not answer, or is not the one to ask.
func isDown(err error) bool {
	reason, _ := cachestate.ReasonOf(err)
	return reason == cachestate.RedisDown && !errors.As(err, new(*Misfit))
}

// atOnce calls do for each of some, and returns the error of the first that has one.
func atOnce[T any](some []T, do func(T) error) error {
	if len(some) == 1 {
		return do(some[0])
	}
	errs := make([]error, len(some))
	var running sync.WaitGroup
	for i := range some {
		running.Go(func() { errs[i] = do(some[i]) })
	}
	running.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// masters calls do for the one server, or for every master of a cluster.
func masters(ctx context.Context, rdb redis.UniversalClient, do func(context.Context, *redis.Client) error) error {
	switch c := rdb.(type) {
	case *redis.Client:
		return do(ctx, c)
	case *redis.ClusterClient:
		return c.ForEachMaster(ctx, do)
	}
	panic(fmt.Sprintf("rediscache: a client of type %T, which Connect does not make", rdb))
}

// publish is the command by which scripts publish: in a cluster one whose messages stay with
// the servers of the channel's slot, instead of going to every node.
func (s *servers) publish() string {
	if s.cluster != nil {
		return "SPUBLISH"
	}
	return "PUBLISH"
}

// stale has the map of a cluster's slots read again soon.
func (s *servers) stale(ctx context.Context) {
	if s.cluster != nil {
		s.cluster.ReloadState(ctx)
	}
}

// mapAge is how old the map of a cluster's slots may become unnoticed. Whatever fails has it
// read again sooner.
const mapAge = time.Second

// connectCluster returns a client of a cluster.
func connectCluster(a redisurl.Address, budget time.Duration, o *redis.ClusterOptions) *redis.ClusterClient {
	o.Addrs = a.Hosts
	o.Username, o.Password, o.Protocol = a.User, a.Password, a.Protocol
	o.DialTimeout = dialTimeout(budget)
	o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = budget, budget, budget
	o.MaxRetries, o.MaxRedirects, o.DialerRetries = -1, -1, 1
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.ClusterStateReloadInterval = mapAge
	watch := &clusterWatch{}
	o.NewClient = func(o *redis.Options) *redis.Client {
		node := redis.NewClient(o)
		node.AddHook(watch)
		return node
	}
	c := redis.NewClusterClient(o)
	watch.cluster.Store(c)
	return c
}

// clusterWatch looks at what the nodes answer, and has the map of the slots read again when
// one does not answer or is not responsible.
type clusterWatch struct {
	cluster atomic.Pointer[redis.ClusterClient]
}

// DialHook changes nothing.
func (w *clusterWatch) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook looks at one answer.
func (w *clusterWatch) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		w.look(ctx, err)
		return err
	}
}

// ProcessPipelineHook looks at some answers.
func (w *clusterWatch) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		w.look(ctx, err)
		for _, cmd := range cmds {
			if w.look(ctx, cmd.Err()) {
				break
			}
		}
		return err
	}
}

// look has the map read again if an error may come of its age.
func (w *clusterWatch) look(ctx context.Context, err error) bool {
	if err == nil || errors.Is(err, redis.Nil) || errors.Is(err, context.Canceled) {
		return false
	}
	var answered redis.Error
	moved := !errors.As(err, &answered)
	for _, word := range []string{"MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "READONLY", "LOADING"} {
		moved = moved || redis.HasErrorPrefix(err, word)
	}
	if c := w.cluster.Load(); moved && c != nil {
		c.ReloadState(ctx)
	}
	return moved
}

// coalescers are the coalescers of one kind of call, one for each server: a server that does
// not answer holds up nobody who asks another one.
type coalescers[T any] struct {
	create func(*redis.Client) *coalescer[T]
	known  sync.Map // *redis.Client -> *coalescer[T]
	count  atomic.Int64
}

// mostServers bounds what is kept of servers that may be gone.
const mostServers = 128

func (c *coalescers[T]) to(rdb *redis.Client) *coalescer[T] {
	known, ok := c.known.Load(rdb)
	if !ok {
		if c.count.Add(1) > mostServers {
			c.known.Clear()
			c.count.Store(1)
		}
		known, _ = c.known.LoadOrStore(rdb, c.create(rdb))
	}
	return known.(*coalescer[T])
}
