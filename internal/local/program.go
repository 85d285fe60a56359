package local

import (
	"os"
	"syscall"
	"time"
)

// Program is a program that runs beside the private servers and, like them, does
// not outlive the process that started it.
type Program struct{ process *process }

// StartProgram starts a program that writes to output.
func StartProgram(output *os.File, env []string, path string, args ...string) (*Program, error) {
	p, err := launch{path: path, args: args, env: env, output: output, orphanSignal: "TERM"}.start()
	if err != nil {
		return nil, err
	}
	return &Program{p}, nil
}

// Exited is closed when the program has ended.
func (p *Program) Exited() <-chan struct{} { return p.process.exited }

// Stop asks the program to end (SIGTERM), waits, and kills it after the grace
// period, which is an error. It is called once, also for a program that has ended.
func (p *Program) Stop(grace time.Duration) error { return p.process.stop(syscall.SIGTERM, grace) }

// Kill ends the program at once and waits for its end. It is called instead of Stop.
func (p *Program) Kill() error { return p.process.stop(syscall.SIGKILL, stopGrace) }

// Pause stops the program in its tracks (SIGSTOP), its connections stay open.
func (p *Program) Pause() error { return p.process.signalAll(syscall.SIGSTOP) }

// Resume lets a paused program go on (SIGCONT).
func (p *Program) Resume() error { return p.process.signalAll(syscall.SIGCONT) }
