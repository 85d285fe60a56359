package browser

import (
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// tab is a tab of the browser. What goes wrong on its pages, a script's error or
// something that the content security policy forbids, fails the test.
type tab struct {
	*testing.T
	chromium *chromium
	session  string
	base     string // address of the server

	mu    sync.Mutex
	loads []chan struct{} // waiting for a page to be loaded
}

// open opens an empty tab, which is closed at the end of the test.
func open(t *testing.T, c *chromium, base string) *tab {
	t.Helper()
	b := &tab{T: t, chromium: c, base: base}
	var target struct{ TargetID string }
	b.result(&target, "Target.createTarget", map[string]any{"url": "about:blank", "newWindow": true})
	var attached struct{ SessionID string }
	b.result(&attached, "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true})
	b.session = attached.SessionID
	t.Cleanup(c.watch(b.event))
	t.Cleanup(func() { b.do("Page.close", nil) })
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.do(domain+".enable", nil)
	}
	b.do("Emulation.setFocusEmulationEnabled", map[string]any{"enabled": true}) // else one tab hides the others
	b.resize(1280, 900)
	return b
}

// resize makes the window this many pixels wide and high.
func (b *tab) resize(width, height int) {
	b.Helper()
	b.do("Emulation.setDeviceMetricsOverride", map[string]any{
		"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
	})
}

func (b *tab) event(m message) {
	if m.Session != b.session {
		return
	}
	switch m.Method {
	case "Page.loadEventFired":
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, loaded := range b.loads {
			close(loaded)
		}
		b.loads = nil
	case "Runtime.exceptionThrown":
		b.Errorf("a script failed: %s", m.Params)
	case "Log.entryAdded":
		var log struct {
			Entry struct{ Source, Level, Text string }
		}
		_ = json.Unmarshal(m.Params, &log)
		if log.Entry.Level == "error" && log.Entry.Source != "network" {
			b.Errorf("the browser complains: %s", m.Params)
		}
	}
}

// do runs a command.
func (b *tab) do(method string, params any) {
	b.Helper()
	if _, err := b.chromium.command(b.session, method, params); err != nil {
		b.Fatal(err)
	}
}

// result runs a command and reads its result.
func (b *tab) result(into any, method string, params any) {
	b.Helper()
	raw, err := b.chromium.command(b.session, method, params)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// visit loads an address of the server.
func (b *tab) visit(target string) {
	b.Helper()
	b.follow(func() { b.do("Page.navigate", map[string]any{"url": b.base + target}) })
}

// follow does what leads to another page, and waits for that.
func (b *tab) follow(action func()) {
	b.Helper()
	loaded := make(chan struct{})
	b.mu.Lock()
	b.loads = append(b.loads, loaded)
	b.mu.Unlock()
	action()
	select {
	case <-loaded:
	case <-b.chromium.ended:
		b.Fatal("chromium has ended")
	case <-time.After(patience):
		b.Fatal("no page was loaded")
	}
}

// run evaluates an expression in the page, waiting for it if it is a promise.
// That works without JavaScript too: it is the debugger's, not the page's.
func (b *tab) run(expression string, into any) {
	b.Helper()
	var evaluated struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.result(&evaluated, "Runtime.evaluate", map[string]any{
		"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
	})
	if evaluated.ExceptionDetails != nil {
		b.Fatalf("%s: %s", expression, evaluated.ExceptionDetails)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(evaluated.Result.Value, into); err != nil {
		b.Fatalf("%s: %s: %v", expression, evaluated.Result.Value, err)
	}
}

// until waits for a condition that the page's script brings about.
func (b *tab) until(condition string) {
	b.Helper()
	b.run(`new Promise((done) => {
		const look = () => { if (`+condition+`) { observer.disconnect(); done(true); } };
		const observer = new MutationObserver(look);
		observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
		look();
	})`, nil)
}

// click clicks the element that a selector finds first.
func (b *tab) click(selector string) {
	b.Helper()
	b.run("document.querySelector("+strconv.Quote(selector)+").click()", nil)
}

// fill types a text into the field of a name.
func (b *tab) fill(name, text string) {
	b.Helper()
	b.run("document.querySelector("+strconv.Quote("[name='"+name+"']")+").focus()", nil)
	b.do("Input.insertText", map[string]any{"text": text})
}

// text is what an element says; "" if there is none.
func (b *tab) text(selector string) (text string) {
	b.Helper()
	b.run("document.querySelector("+strconv.Quote(selector)+")?.innerText ?? ''", &text)
	return text
}

// texts is what all elements say that a selector finds.
func (b *tab) texts(selector string) (texts []string) {
	b.Helper()
	b.run("[...document.querySelectorAll("+strconv.Quote(selector)+")].map((e) => e.innerText)", &texts)
	return texts
}

// target is the address of the page, without the server's.
func (b *tab) target() (target string) {
	b.Helper()
	b.run("location.pathname + location.search", &target)
	return target
}

// says fails unless an element says what it should.
func (b *tab) says(selector, want string) {
	b.Helper()
	if got := b.text(selector); got != want {
		b.Errorf("%s says %q, want %q", selector, got, want)
	}
}

// at fails unless the page has the address that it should have.
func (b *tab) at(want string) {
	b.Helper()
	if got := b.target(); got != want {
		b.Errorf("the page is %s, want %s", got, want)
	}
}

// list fails unless the elements say what they should, in that order.
func (b *tab) list(selector string, want ...string) {
	b.Helper()
	if got := b.texts(selector); !slices.Equal(got, want) {
		b.Errorf("%s say %q, want %q", selector, got, want)
	}
}
