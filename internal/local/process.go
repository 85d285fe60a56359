package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a running program with its guard. It must be ended by stop.
type process struct {
	cmd    *exec.Cmd
	guard  *exec.Cmd
	leash  io.WriteCloser // its end of file tells the guard that this process died
	exited chan struct{}  // closed when the server is gone
	status error          // its exit, once exited is closed
}

// guardScript waits on its standard input. A line means that the server was
// stopped in order. End of file means that the process that started it is gone:
// then it stops the server ($1) by a signal ($2), also a paused one, in the end
// by force, and removes what is to be removed ($3).
const guardScript = `trap '' HUP INT TERM
read -r _ && exit 0
kill -"$2" "$1"
kill -CONT "$1"
tries=0
while kill -0 "$1" && [ "$tries" -lt 100 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
kill -KILL "$1"
[ -z "$3" ] || rm -rf -- "$3"`

// launch is how a process starts.
type launch struct {
	path       string
	args, env  []string
	dir        string // working directory
	output     *os.File
	credential *syscall.Credential // nil for the own user

	// What the guard does if this process dies first.
	orphanSignal  string // stops the other one, as kill(1) names it
	orphanRemoves string // a folder, "" for none
}

// start starts a process and its guard. Both get process groups of their own, so
// that a Ctrl-C in the terminal reaches them only through the process that owns
// them.
func (l launch) start() (*process, error) {
	cmd := exec.Command(l.path, l.args...)
	cmd.Dir, cmd.Env = l.dir, l.env
	cmd.Stdout, cmd.Stderr = l.output, l.output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: l.credential}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", l.path, err)
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		p.status = cmd.Wait()
		close(p.exited)
	}()
	if err := p.startGuard(l.orphanSignal, l.orphanRemoves); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

// startServer starts a server that appends what it says to the log file.
func (l launch) startServer(a account, logfile string) (*process, error) {
	log, err := os.OpenFile(logfile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if err := a.own(logfile); err != nil {
		return nil, err
	}
	l.dir, l.env = filepath.Dir(logfile), serverEnv()
	l.output, l.credential = log, a.credential()
	return l.start()
}

// serverEnv keeps the caller's settings, such as PGPORT, from a server.
func serverEnv() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
}

func (p *process) startGuard(signal, removes string) error {
	p.guard = exec.Command("/bin/sh", "-c", guardScript, "freshlist-guard", strconv.Itoa(p.cmd.Process.Pid), signal, removes)
	p.guard.Dir = "/"
	p.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	leash, err := p.guard.StdinPipe()
	if err != nil {
		return err
	}
	p.leash = leash
	if err := p.guard.Start(); err != nil {
		return fmt.Errorf("start guard: %w", err)
	}
	return nil
}

// running says whether the server has not ended yet.
func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// stop signals the server, waits for its end, and dismisses the guard. A server
// that is still there after the grace period is killed, which is an error.
func (p *process) stop(signal syscall.Signal, grace time.Duration) error {
	var late error
	if p.running() {
		_ = p.cmd.Process.Signal(signal) // fails only if it has just ended
		_ = p.cmd.Process.Signal(syscall.SIGCONT)
		select {
		case <-p.exited:
		case <-time.After(grace):
			late = fmt.Errorf("stop %s: no end %v after %v, killed", p.cmd.Path, grace, signal)
			p.kill()
		}
	}
	<-p.exited
	return errors.Join(late, p.dismissGuard())
}

// dismissGuard tells the guard, once the server has ended, to do nothing.
func (p *process) dismissGuard() error {
	_, err := io.WriteString(p.leash, "stopped\n")
	if err := errors.Join(err, p.leash.Close(), p.guard.Wait()); err != nil {
		return fmt.Errorf("dismiss guard: %w", err)
	}
	return nil
}

// kill ends the server at once, its children too: nothing is flushed, no
// connection is closed in order. It returns when all are gone, since a new server
// refuses data that a child of the old one still uses.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGSTOP) // so that it starts no more children
	children := p.children()
	for _, child := range children {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	_ = p.cmd.Process.Kill()
	<-p.exited
	for _, child := range children {
		for tries := 0; !gone(child) && tries < 5000; tries++ {
			time.Sleep(time.Millisecond)
		}
	}
}

// gone says whether a process has ended, also if nobody has waited for it yet.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	fields, err := stat(pid)
	return err == nil && fields[0] == "Z"
}

// errStopped says that there is no server to signal.
var errStopped = errors.New("server is stopped")

// signalAll signals the server and its children, the server first.
func (p *process) signalAll(signal syscall.Signal) error {
	if p == nil {
		return errStopped
	}
	if err := p.cmd.Process.Signal(signal); err != nil {
		return err
	}
	for _, child := range p.children() {
		if err := syscall.Kill(child, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

// children returns the process ids of the server's children. It knows none where
// there is no /proc.
func (p *process) children() []int {
	entries, _ := os.ReadDir("/proc") // none is no entry
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		fields, err := stat(pid)
		if err == nil && fields[1] == strconv.Itoa(p.cmd.Process.Pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// stat returns what Linux says about a process, from its state and its parent on.
func stat(pid int) ([]string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	// pid (name) state parent ...; the name may hold spaces and parentheses.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 2 {
		return nil, fmt.Errorf("read state of process %d: %q", pid, b)
	}
	return fields, nil
}

// awaitReady asks every few milliseconds whether the server accepts connections.
func (p *process) awaitReady(ctx context.Context, ready func() bool) error {
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended while starting: %w", p.cmd.Path, p.status)
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", p.cmd.Path, context.Cause(ctx))
		case <-tick.C:
		}
	}
	return nil
}
