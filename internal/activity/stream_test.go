package activity_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshlist/freshlist/internal/activity"
)

// event splits what is sent into its name and its data.
func event(t *testing.T, message []byte, data any) (name string) {
	t.Helper()
	for line := range strings.Lines(string(message)) {
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "event":
			name = value
		case "data":
			if err := json.Unmarshal([]byte(value), data); err != nil {
				t.Fatal(err)
			}
		}
	}
	return name
}

func TestStreamWithoutListeners(t *testing.T) {
	t.Parallel()
	var s activity.Stream
	s.Publish(activity.EventEpoch, activity.Epoch{})
	if s.Watched() {
		t.Error("somebody listens")
	}
	l, err := s.Listen()
	if err != nil || !s.Watched() {
		t.Fatalf("nobody listens, %v", err)
	}
	if len(l.Events()) > 0 {
		t.Error("what was published before arrives")
	}
	l.Close()
	l.Close()
	if s.Watched() {
		t.Error("somebody still listens")
	}
}

// Who does not read loses events, and is told how many; the others lose none.
func TestSlowListener(t *testing.T) {
	t.Parallel()
	var s activity.Stream
	slow, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	quick, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	const published = 10_000
	for i := range published {
		s.Publish(activity.EventOmitted, activity.Omitted{Changes: i})
		var o activity.Omitted
		if name := event(t, <-quick.Events(), &o); name != activity.EventOmitted || o.Changes != i {
			t.Fatalf("event %d is %s %+v", i, name, o)
		}
	}
	received := len(slow.Events())
	for range received {
		<-slow.Events()
	}
	s.Publish(activity.EventOmitted, activity.Omitted{Changes: published})
	var d activity.Dropped
	if name := event(t, <-slow.Events(), &d); name != activity.EventDropped || received == 0 || d.Events != published-received {
		t.Errorf("%s %+v after %d events, want the other %d", name, d, received, published-received)
	}
	var o activity.Omitted
	if name := event(t, <-slow.Events(), &o); name != activity.EventOmitted || o.Changes != published {
		t.Errorf("then %s %+v", name, o)
	}
}

func TestListenersAreBounded(t *testing.T) {
	t.Parallel()
	var s activity.Stream
	listeners := 0
	for ; listeners < 10_000; listeners++ {
		if _, err := s.Listen(); err != nil {
			break
		}
	}
	if listeners < 10 || listeners == 10_000 {
		t.Errorf("%d listen at once", listeners)
	}
}

// No more changes are shown than a reader can follow, however they come.
func TestGrant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s activity.Stream
		s.Grant(0)
		time.Sleep(time.Hour)
		first := s.Grant(1_000_000)
		if first == 0 || first > 1000 {
			t.Fatalf("%d are shown at once", first)
		}
		if more := s.Grant(5); more != 0 {
			t.Errorf("%d more at once", more)
		}
		time.Sleep(time.Second / 2)
		if more := s.Grant(1_000_000); more != first/2 {
			t.Errorf("%d in half a second, want %d", more, first/2)
		}
	})
}
