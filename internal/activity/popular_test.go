package activity_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/freshlist/freshlist/internal/activity"
)

// What is read most is found, by how often that is, however few of the requests are looked at.
func TestPopular(t *testing.T) {
	t.Parallel()
	var p activity.Popular
	text := func(address string) string {
		if address == "/none" {
			return ""
		}
		return address[1:]
	}
	looked, number := 0, uint64(0)
	var most []activity.Reads
	const perSecond = 10_000
	for range 300 { // seconds
		for i := range perSecond {
			number++
			if !p.Wants(number) {
				continue
			}
			looked++
			switch (number * 7919) >> 7 % 10 { // as if by chance
			case 0, 1, 2, 3, 4:
				p.Note("/most")
			case 5, 6, 7:
				p.Note("/second")
			case 8:
				p.Note("/none")
			default:
				p.Note(fmt.Sprint("/rare-", i))
			}
		}
		most = p.Read(perSecond, text)
	}
	if looked > 64*300 {
		t.Errorf("%d requests were looked at", looked)
	}
	if len(most) > activity.MostNamed || most[0].Query != "most" || most[1].Query != "second" ||
		most[0].Rate < 0.35*perSecond || most[0].Rate > 0.65*perSecond || most[1].Rate < 0.15*perSecond {
		t.Errorf("%+v", most)
	}
	for range 2000 {
		most = p.Read(0, text)
	}
	if len(most) > 0 {
		t.Errorf("long after the last request: %+v", most)
	}
	if !p.Wants(1) || !p.Wants(2) {
		t.Error("of few requests each is to be noted")
	}
	p.Note("/few")
	if most = p.Read(1, text); len(most) != 1 || most[0].Query != "few" {
		t.Errorf("of one request: %+v", most)
	}
}

// A listener that wants to see few changes is granted few, unless another wants more.
func TestListenFor(t *testing.T) {
	t.Parallel()
	var s activity.Stream
	few, err := s.ListenFor(10)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.Grant(1000); n < 9 || n > 10 {
		t.Errorf("granted %d to one that wants 10 a second", n)
	}
	many, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	few.Close()
	many.Close()
	if s.Watched() {
		t.Error("it is watched by nobody")
	}
}

func TestPurgeCounter(t *testing.T) {
	t.Parallel()
	var c activity.PurgeCounter
	for range 3 {
		c.Add(activity.EventChange, []byte(`{"purged": 2, "spared": 5, "queries": [{"query": "b", "purged": true}, {"query": "a", "purged": true}, {"query": "c"}]}`))
	}
	c.AddChange(&activity.Change{Purged: 1, Queries: []activity.Query{{Query: "b", Purged: true}}})
	c.Add(activity.EventOmitted, []byte(`{"changes": 7}`))
	c.Add(activity.EventChange, []byte(`{`))
	c.Add("another", []byte(`{"changes": 7}`))
	got := c.Read(1)
	if got.Changes != 11 || got.Purged != 7 || got.Spared != 15 || !slices.Equal(got.Most, []activity.PurgeCount{{Query: "b", Times: 4}}) {
		t.Errorf("%+v", got)
	}
}
