"""Runs a program and, apart from it, the tests that judge it.

Reads jobs of two parts from descriptor 3: the program's length (8 bytes,
little endian) and text, then as many bytes of "NONCE\\nTESTS" until the end.
The program runs in a forked child, which never sees the second part, nor the
descriptor that verdicts go to. Tests are evaluated here: a name that a test
takes from the program is a call into the child, whose results come back as
literals and are compared here, so that the program can neither forge a pass
nor read what it is asked.
"""
import ast
import os
import resource
import signal
import sys

JOB, VERDICT = 3, 4


def read_exactly(fd, count):
    parts = []
    while count > 0:
        part = os.read(fd, min(count, 65536))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def read_all(fd):
    parts = []
    while part := os.read(fd, 65536):
        parts.append(part)
    return b"".join(parts)


def send(fd, text):
    data = text.encode("utf-8", "surrogatepass")
    data = len(data).to_bytes(8, "little") + data
    while data:
        data = data[os.write(fd, data):]


def receive(fd):
    size = int.from_bytes(read_exactly(fd, 8), "little")
    if size > 1 << 20:
        raise ValueError("a result of the program is over 1 MiB")
    return read_exactly(fd, size).decode("utf-8", "surrogatepass")


def fault(error):
    return f"{type(error).__name__}: {error}"[:500]


def serve(program, calls, results):
    """The child: runs `program`, then answers calls until they end."""
    names = {"__name__": "__main__"}
    try:
        exec(compile(program, "program.py", "exec"), names)
        send(results, "ok")
    except BaseException as error:
        send(results, fault(error))
        return
    while True:
        name, args, kwargs = ast.literal_eval(receive(calls))
        try:
            if args is None:
                value = names[name]
                answer = ("callable" if callable(value) else "value",
                          None if callable(value) else value)
            else:
                answer = ("value", names[name](*args, **kwargs))
        except BaseException as error:
            answer = ("error", fault(error))
        text = repr(answer)
        try:
            ast.literal_eval(text)
        except Exception:
            text = repr(("error", "TypeError: the tests can compare literals "
                         "only, not " + type(answer[1]).__name__))
        send(results, text)


class ProgramError(Exception):
    pass


class Names(dict):
    """What the tests see: names of their own, else the program's."""

    def __init__(self, calls, results):
        super().__init__()
        self.calls, self.results = calls, results

    def ask(self, name, args, kwargs):
        send(self.calls, repr((name, args, kwargs)))
        kind, value = ast.literal_eval(receive(self.results))
        if kind == "error":
            raise ProgramError(value)
        return kind, value

    def __missing__(self, name):
        if hasattr(__builtins__, name):
            return getattr(__builtins__, name)
        kind, value = self.ask(name, None, None)
        if kind != "callable":
            return value
        return lambda *args, **kwargs: self.ask(name, args, kwargs)[1]


def judge(tests, calls, results):
    """"passed", or "failed" and what does not hold."""
    said = receive(results)
    if said != "ok":
        return "failed " + said
    names = Names(calls, results)
    try:
        exec(tests, names, names)
    except AssertionError as error:
        line = error.__traceback__.tb_next.tb_lineno
        return f"failed AssertionError in line {line} of the tests"
    return "passed"


def verdict_on(tests, child, calls, results):
    try:
        return judge(tests, calls, results)
    except (EOFError, BrokenPipeError):
        status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
            return "timeout"
        return f"crashed status {os.waitstatus_to_exitcode(status)}"
    except BaseException as error:
        return "failed " + fault(error)


def limit(processes, shared):
    """Holds for the child, too. Counted per user namespace, if it has one."""
    if processes:
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
    if shared:  # /proc shows this process to others of its user
        import ctypes
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE


def main():
    limit(int(sys.argv[1]), sys.argv[2] == "shared")
    program = read_exactly(JOB, int.from_bytes(read_exactly(JOB, 8), "little"))
    go_out, go_in = os.pipe()
    calls_out, calls_in = os.pipe()
    results_out, results_in = os.pipe()
    child = os.fork()
    if child == 0:
        for fd in (JOB, VERDICT, go_in, calls_in, results_out):
            os.close(fd)
        os.read(go_out, 1)
        serve(program, calls_out, results_in)
        sys.stdout.flush()
        os._exit(0)
    for fd in (go_out, calls_out, results_in, 1, 2):
        os.close(fd)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    nonce, _, tests = read_all(JOB).partition(b"\n")
    try:
        tests = compile(tests, "tests.py", "exec")
        os.write(VERDICT, nonce + b" begun\n")
        os.write(go_in, b"g")
        said = verdict_on(tests, child, calls_in, results_out)
    except (SyntaxError, ValueError) as error:
        said = "untestable " + fault(error)
    os.write(VERDICT, nonce + b" " + ascii(said)[1:-1].encode() + b"\n")
    os._exit(0)


main()
