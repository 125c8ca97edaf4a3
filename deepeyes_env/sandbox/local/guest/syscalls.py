"""System call numbers, `name:x86_64/aarch64`, from Linux `asm/unistd_64.h` and `asm-generic/unistd.h`."""

from __future__ import annotations

import platform

SETUP = """
unshare:272/97 setns:308/268 mount:165/40 umount2:166/39 pivot_root:155/41 capset:126/91
mount_setattr:442/442 landlock_create_ruleset:444/444 landlock_add_rule:445/445
landlock_restrict_self:446/446 seccomp:317/277
"""
"""Calls that the sandbox makes itself while it builds its walls."""

PLAIN = """
read:0/63 write:1/64 readv:19/65 writev:20/66 pread64:17/67 pwrite64:18/68 preadv:295/69
pwritev:296/70 open:2/- openat:257/56 close:3/57 close_range:436/436 lseek:8/62 stat:4/- fstat:5/80
lstat:6/- newfstatat:262/79 statx:332/291 access:21/- faccessat:269/48 faccessat2:439/439
readlink:89/- readlinkat:267/78 getdents64:217/61 getcwd:79/17 chdir:80/49 fchdir:81/50 mkdir:83/-
mkdirat:258/34 rmdir:84/- unlink:87/- unlinkat:263/35 rename:82/- renameat:264/38 renameat2:316/276
symlink:88/- symlinkat:266/36 link:86/- linkat:265/37 umask:95/166
ftruncate:77/46 fallocate:285/47 fsync:74/82
fdatasync:75/83 fadvise64:221/223 statfs:137/43 fstatfs:138/44 listxattr:194/11
llistxattr:195/12 flistxattr:196/13 getxattr:191/8 lgetxattr:192/9 fgetxattr:193/10 munmap:11/215
mremap:25/216 mprotect:10/226 madvise:28/233 brk:12/214 msync:26/227 mincore:27/232
membarrier:324/283 rt_sigaction:13/134 rt_sigprocmask:14/135 rt_sigreturn:15/139
rt_sigtimedwait:128/137 rt_sigpending:127/136 rt_sigsuspend:130/133 sigaltstack:131/132 pause:34/-
alarm:37/- setitimer:38/103 getitimer:36/102 nanosleep:35/101 clock_nanosleep:230/115
clock_gettime:228/113 clock_getres:229/114 gettimeofday:96/169 time:201/- times:100/153
getrusage:98/165 restart_syscall:219/128 exit:60/93 exit_group:231/94 futex:202/98
set_robust_list:273/99 get_robust_list:274/100 set_tid_address:218/96 gettid:186/178 getpid:39/172
getppid:110/173 getpgid:121/155 getpgrp:111/- getsid:124/156 getuid:102/174 geteuid:107/175
getgid:104/176 getegid:108/177 getgroups:115/158 getresuid:118/148 getresgid:120/150 uname:63/160
sysinfo:99/179 rseq:334/293 arch_prctl:158/- sched_yield:24/124 sched_getaffinity:204/123
getcpu:309/168 getrandom:318/278 getpriority:140/141 getrlimit:97/163 pipe:22/- pipe2:293/59
dup:32/23 dup2:33/- dup3:292/24 poll:7/- ppoll:271/73 select:23/- pselect6:270/72 epoll_create:213/-
epoll_create1:291/20 epoll_ctl:233/21 epoll_wait:232/- epoll_pwait:281/22 eventfd2:290/19
sendto:44/206 recvfrom:45/207 sendmsg:46/211 recvmsg:47/212 shutdown:48/210 getsockopt:55/209
getsockname:51/204 getpeername:52/205
"""
"""Calls that a guest may make with any arguments: files below /tmp, memory, time, threads, its own pipes."""

IGNORED = """
chmod:90/- fchmod:91/52 fchmodat:268/53 utimensat:280/88
"""
"""Calls that do nothing and say that they did: `shutil.copy` makes them and needs no more. Landlock knows no
right for them, and where there are no namespaces they would reach every file of an ordinary user."""

CHECKED = """
clone:56/220 clone3:435/435 fcntl:72/25 ioctl:16/29 kill:62/129 mmap:9/222 prctl:157/167
prlimit64:302/261 socketpair:53/199 tgkill:234/131
"""
"""Calls that a guest may make with some arguments only; `seccomp.py` has the conditions."""

MACHINES = {"x86_64": 0, "aarch64": 1}
"""The processors whose numbers are listed, as `platform.machine()` says it, and their columns."""


def numbers(table: str, machine: str | None = None) -> dict[str, int]:
    """Read one of the tables above.

    Args:
        table: `SETUP`, `PLAIN`, `IGNORED` or `CHECKED`.
        machine: As `platform.machine()` says it; this machine by default.

    Returns:
        Name to number, without the calls that the architecture does not have.

    Raises:
        KeyError: The architecture is neither x86_64 nor aarch64.
    """
    column = MACHINES[machine or platform.machine()]
    parsed = (entry.split(":") for entry in table.split())
    pairs = ((name, value.split("/")[column]) for name, value in parsed)
    return {name: int(value) for name, value in pairs if value != "-"}
