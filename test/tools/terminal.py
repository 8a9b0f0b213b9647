#!/usr/bin/env python3
"""Programs on a terminal, under `occlum run` and `occlum exec -t`: what the terminal is to them, keys, window
size, job control from a real shell, less and vi; and the terminal afterwards.

Each case types on a pseudo-terminal and waits for what must appear, without a clock of its own: a case that
sees nothing ends with the common limit. Two instances: `occlum run` is refused
where a program of a running one has written to the volume.
usage: terminal.py OCCLUM INSTANCE RUNNING-INSTANCE [CASE...]"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

LIMIT = int(os.environ.get('TEST_TIMEOUT', '60'))
OCCLUM = sys.argv[1]
RUN = [OCCLUM, 'run']
EXEC = [OCCLUM, 'exec', '-t']
CASES = []


class Failed(Exception):
    pass


class Terminal:
    """A command at the other side of a pseudo-terminal."""

    def __init__(self, argv, rows=24, cols=80):
        self.seen = ''
        self.master, slave = pty.openpty()
        self.slave = slave
        self.resize(rows, cols)
        self.before = termios.tcgetattr(slave)
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for fd in (0, 1, 2):
                os.dup2(slave, fd)
            os.closerange(3, 100)
            os.execvp(argv[0], argv)

    def resize(self, rows, cols):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack('HHHH', rows, cols, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, limit):
        if not select.select([self.master], [], [], limit)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            data = b''
        self.seen += data.decode('utf-8', 'replace')
        return bool(data)

    def expect(self, pattern):
        """Waits for the pattern and forgets everything up to its end."""
        deadline = time.monotonic() + LIMIT
        while True:
            m = re.search(pattern, self.seen)
            if m:
                self.seen = self.seen[m.end():]
                return m
            if time.monotonic() > deadline or not self.read(1) and self.ended():
                if not re.search(pattern, self.seen):
                    raise Failed(f'no {pattern!r} in {self.seen[-1500:]!r}')

    def ended(self):
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def status(self, want):
        deadline = time.monotonic() + LIMIT
        while not self.ended():
            if time.monotonic() > deadline:
                raise Failed(f'it does not end: {self.seen[-1500:]!r}')
            self.read(0.1)
        got = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = None
        if got != want:
            raise Failed(f'exit status {got}, not {want}: {self.seen[-1500:]!r}')

    def settings_are_back(self):
        deadline = time.monotonic() + LIMIT
        while termios.tcgetattr(self.slave) != self.before:
            if time.monotonic() > deadline:
                raise Failed('the settings of the terminal are not what they were')
            time.sleep(0.05)

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)
        os.close(self.slave)


def case(*commands):
    def add(fn):
        CASES.extend((fn, c) for c in commands)
        return fn
    return add


def on(command, *argv, rows=24, cols=80):
    return Terminal(command + list(argv), rows, cols)


@case(RUN, EXEC)
def terminal(command):
    """It is the controlling terminal, has a name and a size; lines arrive; the size changes."""
    t = on(command, '/bin/resident', 'terminal', rows=31, cols=77)
    t.expect('tty 1 name /dev/console leader 1 foreground 1')
    t.expect('size 31x77')
    t.expect('ready')
    t.type('hello\n')
    t.expect('got hello')
    t.resize(40, 100)
    t.expect('size 40x100')
    t.type('end\n')
    t.status(0)
    return t


@case(RUN, EXEC)
def interrupt(command):
    """^C and ^\\ arrive as signals and end the program."""
    for key, status in (('\x03', 130), ('\x1c', 131)):
        t = on(command, '/bin/resident', 'family', '2')
        t.expect('ready')
        t.type(key)
        t.status(status)
        t.close()


@case(RUN, EXEC)
def end_of_file(command):
    t = on(command, '/bin/cat')
    t.type('line\n')
    t.expect('line\r\nline')
    t.type('\x04')
    t.status(0)
    return t


@case(RUN, EXEC)
def raw(command):
    """Single keys; ^C is one of them; the settings come back."""
    t = on(command, '/bin/resident', 'keys')
    t.expect('ready')
    t.type('a')
    t.expect('key 97')
    t.type('\x03')
    t.expect('key 3')
    t.type('q')
    t.status(0)
    t.settings_are_back()
    return t


@case(RUN, EXEC)
def killed_in_raw(command):
    """SIGTERM ends a program that changed the settings: they come back."""
    t = on(command, '/bin/resident', 'keys')
    t.expect('ready')
    os.kill(t.pid, signal.SIGTERM)
    t.status(143)
    t.settings_are_back()
    return t


@case(EXEC)
def client_killed_in_raw(command):
    """The client dies without a word: the runtime brings the settings back."""
    t = on(command, '/bin/resident', 'keys')
    t.expect('ready')
    os.kill(t.pid, signal.SIGKILL)
    t.status(-9)
    t.settings_are_back()
    return t


@case(RUN, EXEC)
def job_control(command):
    """From a shell: ^Z stops it and gives the shell its terminal, fg continues it."""
    t = Terminal(['bash', '--norc', '--noprofile', '-i'])
    t.type("PS1='<prompt>'; unset PROMPT_COMMAND\n")
    t.expect('<prompt>$')
    t.type(' '.join(command) + ' /bin/resident terminal\n')
    t.expect('ready')
    t.type('\x1a')
    t.expect('Stopped')
    t.expect('<prompt>')
    t.type('echo the shell is $((40 + 2))\n')
    t.expect('the shell is 42')
    t.type('fg\n')
    t.expect('resident terminal')
    t.type('hello\n')
    t.expect('got hello')
    t.type('\x1a')
    t.expect('Stopped')
    t.expect('<prompt>')
    t.type('fg\n')
    t.expect('resident terminal')
    t.type('end\n')
    t.expect('<prompt>')
    t.type('echo status $?\n')
    t.expect('status 0')
    t.type('exit\n')
    t.status(0)
    return t


@case(RUN, EXEC)
def background(command):
    """A program in the background that reads the terminal stops; the shell's input is not its."""
    t = Terminal(['bash', '--norc', '--noprofile', '-i'])
    t.type("PS1='<prompt>'; unset PROMPT_COMMAND\n")
    t.expect('<prompt>$')
    t.type(' '.join(command) + ' /bin/cat &\n')
    t.expect('<prompt>')
    for i in range(5 * LIMIT):
        t.type(f'jobs; echo the shell is $((40 + {i}))\n')
        if 'Stopped' in t.expect(f'(?s)^.*the shell is {40 + i}\\b')[0]:
            break
        time.sleep(0.2)
    else:
        raise Failed('it does not stop')
    t.expect('<prompt>')
    t.type('fg\n')
    t.expect('/bin/cat\r\n')
    t.type('for cat\n')
    t.expect('for cat\r\nfor cat')
    t.type('\x04')
    t.expect('<prompt>')
    t.type('exit\n')
    t.status(0)
    return t


@case(RUN, EXEC)
def less(command):
    t = on(command, '/usr/bin/less', '/root/lines', rows=10, cols=60)
    t.expect('line 1\\b')
    t.expect('line 9\\b')
    t.type(' ')
    t.expect('line 18\\b')
    t.type('/line 77\n')
    t.expect('line 77')
    t.type('G')
    t.expect('line 200')
    t.expect('END')
    t.type('g')
    t.expect('line 1\\b')
    t.resize(20, 60)
    t.expect('line 19\\b')
    t.type('q')
    t.status(0)
    t.settings_are_back()
    return t


@case(RUN, EXEC)
def procps_top(command):
    """Debian's top: reads /proc, draws, takes keys."""
    t = on(command, '/usr/bin/top', rows=24, cols=80)
    t.expect('Tasks:')
    t.expect('COMMAND')
    t.expect(r'\btop\b')
    t.type('q')
    t.status(0)
    t.settings_are_back()
    return t


@case(RUN, EXEC)
def bash(command):
    """An interactive shell inside: job control, pipelines, editing of the line, the size in COLUMNS."""
    t = on(command, '/bin/bash', '--norc', '--noprofile', rows=24, cols=80)
    t.type("PS1='<prompt>'\n")
    t.expect('<prompt>$')
    t.type('seq 30 | tail -n 1 | sed s/^/last-/\n')
    t.expect('last-30')
    t.expect('<prompt>')
    # what is typed while bash changes the terminal's mode is lost, also on Linux
    t.type('echo now; cat\n')
    t.expect('now\r\n')
    t.type('one\n')
    t.expect('one\r\none')
    t.type('\x1a')
    t.expect('Stopped')
    t.expect('<prompt>')
    t.type('jobs | wc -l | sed s/^/jobs-/\n')
    t.expect('jobs-1')
    t.type('fg\n')
    t.expect('[\\r\\n]cat\\r')
    t.type('two\n')
    t.expect('two\r\ntwo')
    t.type('\x03')
    t.expect('<prompt>')
    t.type('echo status-$?\n')
    t.expect('status-130')
    t.type('sleep 1000 & kill %1; wait %1; echo status-$?\n')
    t.expect('status-143')
    t.expect('<prompt>')
    t.type('ecXho\x02\x02\x7f\x05 edited\n') # back, rub out, to the end
    t.expect('[\\r\\n]edited\\r')
    t.resize(30, 99)
    t.type('until [ $COLUMNS = 99 ]; do sleep 0.05; done; echo columns-$COLUMNS\n')
    t.expect('columns-99')
    t.type('exit 3\n')
    t.status(3)
    t.settings_are_back()
    return t


@case(RUN, EXEC)
def script(command):
    """A pseudo-terminal inside, between the program and ours."""
    t = on(command, '/usr/bin/script', '-q', '-c', '/bin/resident terminal', '/tmp/typescript', rows=33, cols=66)
    t.expect(r'tty 1 name /dev/pts/\d+ leader \d foreground 1')
    t.expect('size 33x66')
    t.expect('ready')
    t.type('hello\n')
    t.expect('got hello')
    t.resize(44, 55)
    t.expect('size 44x55')
    t.type('\x03')
    t.status(0)
    t.settings_are_back()
    return t


@case(RUN, EXEC)
def tmux(command):
    """Two panes; each has its own terminal; what is typed goes to the current one."""
    t = on(command, '/usr/bin/tmux', '-u', '-f', '/root/tmux.conf', '-L', 'test', 'new-session',
           '/bin/bash --norc --noprofile', rows=24, cols=80)
    t.expect('bash-')
    t.type('echo first-$((40 + 2))\n')
    t.expect('first-42')
    t.type('\x02"') # C-b ": another pane below
    t.type('tty; echo second-$((40 + 3))\n')
    t.expect('second-43')
    t.type('exit\n')
    t.expect('first-42') # the whole window again
    t.type('echo third-$((40 + 4))\n')
    t.expect('third-44')
    t.type('exit\n')
    t.expect('exited')
    t.status(0)
    t.settings_are_back()
    return t


@case(RUN, EXEC)
def less_from_pipe(command):
    """Its text comes from a pipe, its keys from /dev/tty."""
    t = Terminal(['bash', '-c', 'seq 1000 1200 | ' + ' '.join(c for c in command if c != '-t') +
                  ' /usr/bin/less'], rows=10, cols=60)
    t.expect('1000')
    t.expect('1008')
    t.type('G')
    t.expect('1200')
    t.type('q')
    t.status(0)
    return t


@case(RUN, EXEC)
def vi(command):
    """Inserts, moves, changes, runs a substitution, writes to a file of the host, leaves."""
    name = f'edited.{command[1]}'
    t = on(command, '/usr/bin/vi', '-u', 'NONE', '/host/' + name, rows=24, cols=80)
    t.expect(name)
    t.type('ihello from the enclave\nsecond line\x1b')
    t.expect('second line')
    t.type(':%s/enclave/inside/\n')
    t.expect('inside')
    t.type('Gdd')
    t.type(':wq\n')
    t.status(0)
    t.settings_are_back()
    with open(name) as f:
        text = f.read()
    if text != 'hello from the inside\n':
        raise Failed(f'the file has {text!r}')
    return t


@case(EXEC)
def two_terminals(command):
    """Two clients, each on a terminal: keys, sizes and signals do not mix."""
    a = on(command, '/bin/resident', 'terminal', rows=20, cols=50)
    b = on(command, '/bin/resident', 'terminal', rows=30, cols=90)
    a.expect('size 20x50')
    b.expect('size 30x90')
    a.expect('ready')
    b.expect('ready')
    a.type('for a\n')
    b.type('for b\n')
    a.expect('got for a')
    b.expect('got for b')
    a.resize(21, 51)
    a.expect('size 21x51')
    a.type('\x03')
    a.status(130)
    b.type('still\n')
    b.expect('got still')
    if '21x51' in b.seen:
        raise Failed('the size of another terminal')
    b.type('end\n')
    b.status(0)
    a.close()
    return b


@case(EXEC)
def slow_reader(command):
    """A terminal that nobody reads blocks its own program only."""
    a = on([OCCLUM, 'exec'], '/bin/resident', 'flood')
    a.expect('flood')
    for i in range(3):
        b = on(command, '/bin/resident', 'exit', str(i))
        b.status(i)
        b.close()
    return a


@case([OCCLUM, 'top'])
def top(command):
    t = on(command)
    t.expect('occlum top: up')
    t.expect('COMMAND')
    t.type('q')
    t.status(0)
    t.settings_are_back()
    return t


def main():
    os.environ.update(TERM='xterm', OCCLUM_QUIET='1', LC_ALL='C')
    failed = passed = 0
    for fn, command in CASES:
        name = f'{fn.__name__} ({command[1]})'
        if sys.argv[4:] and fn.__name__ not in sys.argv[4:]:
            continue
        os.chdir(sys.argv[2] if command == RUN else sys.argv[3])
        try:
            t = fn(command)
            if t:
                t.close()
            passed += 1
            print('pass', name, flush=True)
        except Failed as e:
            failed += 1
            print(f'FAIL {name}: {e}', flush=True)
    print(f'{passed} passed, {failed} failed')
    return failed != 0


sys.exit(main())
