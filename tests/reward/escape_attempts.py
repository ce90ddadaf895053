"""Ways out of a sandbox: each function returns True if it got out.

System calls are numbered as on x86-64. Without a NAME it lists the names. Run
alone, `python3 -I escape_attempts.py NAME` is the control: the same attempt
by an ordinary process, which exits with 0 if it succeeds.
"""
import ctypes
import os
import socket
import subprocess
import sys

ATTEMPTS = {}
LIBC = ctypes.CDLL(None, use_errno=True)


def attempt(function):
    ATTEMPTS[function.__name__] = function
    return function


def call(number, *args):
    """A raw system call (x86-64); whether the kernel took it."""
    return LIBC.syscall(number, *args) >= 0


# The network.
@attempt
def tcp_socket():
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM).fileno() >= 0


@attempt
def udp_socket():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).fileno() >= 0


@attempt
def tcp6_socket():
    return socket.socket(socket.AF_INET6, socket.SOCK_STREAM).fileno() >= 0


@attempt
def unix_socket():
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).fileno() >= 0


@attempt
def netlink_socket():
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).fileno() >= 0


@attempt
def socket_pair():
    return len(socket.socketpair()) == 2


@attempt
def listens_on_loopback():
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname(), timeout=2)
    return client.fileno() >= 0


@attempt
def sends_a_datagram():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    return udp.sendto(b"x", ("127.0.0.1", 9)) == 1


@attempt
def raw_socket_call():
    return call(41, 2, 1, 0)


@attempt
def sees_interfaces_by_socket():
    return len(socket.if_nameindex()) > 0


# Files of the machine.
def readable(path):
    with open(path, "rb") as file:
        return len(file.read(1)) == 1


@attempt
def reads_passwd():
    return readable("/etc/passwd")


@attempt
def reads_group():
    return readable("/etc/group")


@attempt
def reads_hosts():
    return readable("/etc/hosts")


@attempt
def reads_resolver():
    return readable("/etc/nsswitch.conf")


@attempt
def reads_host_name():
    return readable("/etc/hostname")


@attempt
def lists_etc():
    return len(os.listdir("/etc")) > 0


@attempt
def lists_var():
    return len(os.listdir("/var")) > 0


@attempt
def lists_sys():
    return len(os.listdir("/sys")) > 0


@attempt
def lists_devices():
    return "zero" in os.listdir("/dev")


@attempt
def reads_zero_device():
    return readable("/dev/zero")


@attempt
def reads_random_device():
    return readable("/dev/urandom")


@attempt
def sees_shared_memory():
    return os.path.isdir("/dev/shm")


@attempt
def sees_mark_in_temporary_folder():
    return os.path.exists("/tmp/operant_escape_mark")


@attempt
def sees_var_tmp():
    return os.path.isdir("/var/tmp")


@attempt
def writes_var_tmp():
    path = f"/var/tmp/operant_escape_{os.getpid()}"
    with open(path, "w") as file:
        file.write("x")
    os.unlink(path)
    return True


@attempt
def climbs_by_dots():
    return readable("/tmp/../../../../etc/passwd")


@attempt
def climbs_by_link():
    os.symlink("/etc/passwd", f"/tmp/link_{os.getpid()}")
    try:
        return readable(f"/tmp/link_{os.getpid()}")
    finally:
        os.unlink(f"/tmp/link_{os.getpid()}")


@attempt
def sees_home():
    return os.path.isdir("/home")


@attempt
def sees_boot():
    return os.path.isdir("/boot") or os.path.isdir("/opt")


# Processes.
@attempt
def reads_own_status():
    return readable("/proc/self/status")


@attempt
def lists_processes():
    return any(name.isdigit() for name in os.listdir("/proc"))


@attempt
def reads_first_process():
    return readable("/proc/1/cmdline")


@attempt
def reads_own_memory_map():
    return readable("/proc/self/maps")


@attempt
def writes_own_memory():
    return os.open("/proc/self/mem", os.O_RDWR) >= 0


@attempt
def reads_mounts():
    return readable("/proc/self/mountinfo")


@attempt
def reads_kernel_settings():
    return readable("/proc/sys/kernel/ostype")


@attempt
def sees_the_marked_process():
    """Of the test: its id is in the mark file's name, so as to be seen here."""
    os.kill(int(os.environ.get("OPERANT_ESCAPE_PID", "999999")), 0)
    return True


@attempt
def has_the_callers_environment():
    return "OPERANT_ESCAPE_PID" in os.environ


@attempt
def has_a_large_process_id():
    return os.getpid() > 1000


@attempt
def traces_a_child():
    child = os.fork()
    if child == 0:
        os._exit(0 if call(101, 0, 0, 0, 0) else 1)  # PTRACE_TRACEME
    return os.waitpid(child, 0)[1] == 0


@attempt
def opens_a_process_handle():
    return call(434, os.getpid(), 0)


@attempt
def takes_a_descriptor_of_a_process():
    handle = LIBC.syscall(434, os.getpid(), 0)
    return handle >= 0 and call(438, handle, 0, 0)


# The kernel.
@attempt
def anonymous_file():
    return call(319, b"x", 0)


@attempt
def watches_files():
    return call(294, 0)


@attempt
def watches_signals():
    return call(289, -1, ctypes.create_string_buffer(8), 8, 0)


@attempt
def timer_descriptor():
    return call(283, 1, 0)


@attempt
def process_control():
    return LIBC.prctl(16, ctypes.create_string_buffer(16), 0, 0, 0) == 0


@attempt
def gets_capabilities():
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    return call(125, header, (ctypes.c_uint32 * 6)())


@attempt
def asks_for_filters():
    # SECCOMP_GET_ACTION_AVAIL of SECCOMP_RET_ALLOW
    return call(317, 2, 0, ctypes.byref(ctypes.c_uint32(0x7FFF0000)))


@attempt
def shared_memory_segment():
    segment = LIBC.syscall(29, 0, 4096, 0o1600)
    return segment >= 0 and call(31, segment, 0, 0)


@attempt
def message_queue():
    queue = LIBC.syscall(68, 0, 0o1600)
    return queue >= 0 and call(71, queue, 0, 0)


@attempt
def semaphores():
    group = LIBC.syscall(64, 0, 1, 0o1600)
    return group >= 0 and call(66, group, 0, 0, 0)


@attempt
def unshares_files():
    return call(272, 0x400)  # CLONE_FILES


@attempt
def changes_personality():
    return call(135, 0xFFFFFFFF)


@attempt
def file_handle_by_number():
    handle = ctypes.create_string_buffer(8 + 128)
    ctypes.cast(handle, ctypes.POINTER(ctypes.c_uint32))[0] = 128
    return call(303, -100, b"/tmp", handle, ctypes.byref(ctypes.c_int()), 0)


@attempt
def asks_for_scheduling():
    return call(144, 0, 0, ctypes.byref(ctypes.c_int(0)))


@attempt
def locks_all_memory():
    return call(152)  # munlockall


@attempt
def splices_pipes():
    out, into = os.pipe()
    out2, into2 = os.pipe()
    os.write(into, b"x")
    return call(276, out, into2, 1, 0)  # tee


@attempt
def asks_by_number_for_its_privileges():
    return call(157, 39, 0, 0, 0, 0)  # PR_GET_NO_NEW_PRIVS by number


# What a program of the machine could do in its place.
@attempt
def identity_of_the_machine():
    return subprocess.run(["/usr/bin/env", "cat", "/etc/passwd"],
                          capture_output=True, timeout=5).returncode == 0


@attempt
def changes_a_timestamp_outside():
    os.utime("/var/tmp" if os.access("/var/tmp", os.W_OK) else "/nowhere")
    return True


@attempt
def limits_can_be_raised():
    import resource
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return hard == resource.RLIM_INFINITY or hard >= 1024


@attempt
def core_may_be_dumped_or_memory_is_unbounded():
    import resource
    return resource.getrlimit(resource.RLIMIT_AS)[1] == resource.RLIM_INFINITY


def escaped(name):
    try:
        return ATTEMPTS[name]() is True
    except (OSError, ValueError, subprocess.SubprocessError):
        return False


def works_inside():
    """No way out: that attempts fail does not mean that they were not made."""
    with open("/tmp/inside", "w") as file:
        file.write("x")
    return LIBC.syscall(39) == os.getpid()


if __name__ == "__main__" and len(sys.argv) == 2:
    sys.exit(0 if escaped(sys.argv[1]) else 1)
if __name__ == "__main__" and len(sys.argv) == 1:
    print("\n".join(ATTEMPTS))
