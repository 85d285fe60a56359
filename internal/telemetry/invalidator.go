package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// EpochReason is why an epoch began, and with it an empty cache.
type EpochReason uint8

// The reasons for an epoch.
const (
	NoMarker         EpochReason = iota // PostgreSQL has no marker of ours: first start, crash, failover, restore
	CaptureChanged                      // the table or its triggers were altered
	RedisLost                           // Redis does not hold what was written to it
	AgreementChanged                    // the invalidator was started with another prefix, bound or number of partitions
	PreparedEnded                       // a transaction ended, a prepared one as a rule, whose captured changes may have been lost
	Backlog                             // more changes were waiting than are worth applying
	reasons
)

// String returns the value of the label reason.
func (r EpochReason) String() string {
	return [reasons]string{"no_marker", "capture_changed", "redis_lost", "agreement_changed", "prepared_ended", "backlog"}[r]
}

// Invalidator is the metrics of one invalidator process. What it counts stands
// still while the process is a standby.
type Invalidator struct {
	registry
	ChangesApplied   Counter // changes of rows that have been purged for
	UnreadChanges    Counter // of them, changes that could not be understood: each purged everything
	PurgedQueries    Counter // queries whose entries were removed
	Registrations    Counter // registrations of live queries read
	Beats            Counter // proofs of freshness published
	Fenced           Counter // times that a newer leader was met
	Lost             Counter // times that Redis did not hold what was written to it
	Sleeps           Counter // times that writers were asked to ring
	Rings            Counter // times that a writer rang
	ListenerRestarts Counter // listening connections that stopped receiving
	AuditChecked     Counter // cached entries recomputed from the database
	AuditMismatches  Counter // of them, entries that differed: 0, or a fault in freshlist

	Leader         Gauge // 1 while this process leads, else 0
	LiveQueries    Gauge // queries that are cached or being filled
	Unparsable     Gauge // of them, queries that this build cannot read: each change purges them
	Backlog        Gauge // changes captured and not yet purged for
	DarkPartitions Gauge // partitions of Redis that are out of use, while others go on
	LastBeat       Gauge // when the last beat was published, in seconds since 1970

	delay  prometheus.Histogram
	epochs [reasons]Counter
}

// NewInvalidator returns the metrics of an invalidator process, all at zero.
func NewInvalidator() *Invalidator {
	m := &Invalidator{registry: newRegistry()}
	m.counter(&m.ChangesApplied, "freshlist_changes_applied_total", "Changes of rows that have been purged for.")
	m.counter(&m.UnreadChanges, "freshlist_unread_changes_total", "Captured changes that could not be understood and so purged everything.")
	m.counter(&m.PurgedQueries, "freshlist_purged_queries_total", "Queries whose entries were removed.")
	m.counter(&m.Registrations, "freshlist_registrations_total", "Registrations of live queries read.")
	m.counter(&m.Beats, "freshlist_beats_total", "Proofs of freshness published.")
	m.counter(&m.Fenced, "freshlist_fenced_total", "Times that a newer leader was met.")
	m.counter(&m.Lost, "freshlist_lost_total", "Times that Redis did not hold what was written to it.")
	m.counter(&m.Sleeps, "freshlist_doorbell_sleeps_total", "Times that writers were asked to ring.")
	m.counter(&m.Rings, "freshlist_doorbell_rings_total", "Times that a writer rang.")
	m.counter(&m.ListenerRestarts, "freshlist_listener_restarts_total", "Listening connections that stopped receiving.")
	m.counter(&m.AuditChecked, "freshlist_audit_checked_total", "Cached entries recomputed from the database.")
	m.counter(&m.AuditMismatches, "freshlist_audit_mismatches_total", "Cached entries that differed from the database.")
	m.gauge(&m.Leader, "freshlist_leader", "1 while this process leads, else 0.")
	m.gauge(&m.LiveQueries, "freshlist_live_queries", "Queries that are cached or being filled.")
	m.gauge(&m.Unparsable, "freshlist_unparsable_queries", "Live queries that this build cannot read; each change purges them.")
	m.gauge(&m.Backlog, "freshlist_backlog_rows", "Changes captured and not yet purged for.")
	m.gauge(&m.DarkPartitions, "freshlist_dark_partitions", "Partitions of Redis that are out of use, while others go on.")
	m.gauge(&m.LastBeat, "freshlist_last_beat_timestamp_seconds", "When the last beat was published.")
	m.delay = m.histogram("freshlist_purge_delay_seconds", "From reading a change to its purge.",
		[]float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10})
	for reason := range reasons {
		m.counter(&m.epochs[reason], "freshlist_epochs_total", "Epochs begun, each with an empty cache.", "reason", reason.String())
	}
	return m
}

// Epoch counts an epoch that was begun.
func (m *Invalidator) Epoch(reason EpochReason) { m.epochs[reason].Inc() }

// Purged observes how long after it was heard of a batch of changes was purged for.
func (m *Invalidator) Purged(delay time.Duration) { m.delay.Observe(delay.Seconds()) }
