"""Where each case is tested that the sandbox's design demands, and that none is missing.

A case is tested by the attacks that name its number, by checks (`module.function`), or by tests elsewhere
(`path::function`). Each attack fails at every level, as root, as Docker's root and as an ordinary user, and
against each of its walls alone (case 67); with no wall it succeeds.
"""

import importlib
from pathlib import Path

import pytest
from tables import ATTACKS

TESTS = Path(__file__).resolve().parents[1]
SANDBOX = "deepeyes_env/sandbox"

CASES = {
    1: "read host files, homes and other temporary files",
    2: "list and stat host paths",
    3: "secrets in the environment",
    4: "/proc of itself, of the parent, of the first process",
    5: "write to the standard library, site-packages, .pth files, the host's directories",
    6: "fill the temporary directory by size",
    7: "fill the temporary directory by number of files",
    8: "sparse and huge single files",
    9: "tricks with symbolic links, hard links and renaming",
    10: "a sibling's temporary directory",
    11: "mknod, mount, chroot, open_by_handle_at",
    12: "fork, vfork, clone, clone3",
    13: "exec in all spellings",
    14: "fork bomb",
    15: "thread bomb",
    16: "threads that outlive their cell are frozen",
    17: "kill the host, the parent, 1, -1, 0, the own group, a sibling",
    18: "tgkill, rt_sigqueueinfo, pidfd_send_signal",
    19: "ptrace, process_vm_readv, pidfd_getfd, kcmp",
    20: "setuid, capset, nice, affinity, prlimit on others",
    21: "SIGSTOP to itself",
    22: "TCP",
    23: "abstract and path AF_UNIX",
    24: "UDP, raw, netlink, packet, vsock, AF_ALG",
    25: "DNS",
    26: "descriptors by SCM_RIGHTS, both ways",
    27: "memory bombs",
    28: "shared anonymous memory, memfd, System V and POSIX shared memory",
    29: "giant image and figure",
    30: "many bombs at once",
    31: "deep recursion in Python, parser, repr and C",
    32: "endless loop",
    33: "swallowed and ignored interrupts",
    34: "long calls in C",
    35: "sleep and deadlock",
    36: "processor time",
    37: "buffers of sockets and pipes",
    38: "every refused call of the whole table",
    39: "calls of other architectures",
    40: "io_uring, bpf, userfaultfd, keyctl, perf",
    41: "ioctl on terminals",
    42: "filter, no_new_privs, capabilities and limits as promised, and not to be loosened",
    43: "endless and huge output",
    44: "repr and str that raise, exit or loop",
    45: "surrogates, NUL, escapes, bidirectional text",
    46: "oversized lengths",
    47: "half a frame",
    48: "drip-feeding",
    49: "early and double replies, replayed tokens",
    50: "wrong size and number of images",
    51: "the socket closed, shut down, replaced; the next request read",
    52: "any bytes leave the host's parser with a value or one error",
    53: "the host unpickles, opens and decodes nothing of a guest's",
    54: "exit, abort, segmentation fault, out of memory: the right outcome",
    55: "the trainer is killed",
    56: "the zygote is killed",
    57: "the thread that started the zygote ends",
    58: "a thousand sessions leave nothing behind",
    59: "an interrupt just after the reply",
    60: "the deadline is not charged for waiting",
    61: "user namespaces refused half-way",
    62: "the semantics of a notebook",
    63: "random numbers follow the seed",
    64: "the zygote holds no session's data",
    65: "shared images are sealed and stay as they are",
    66: "libraries imported late",
    67: "one layer off at a time",
}

ELSEWHERE = {
    16: ["lifecycle.threads_that_outlive_their_cell_burn_no_time"],
    17: [f"{SANDBOX}/test_seccomp_program.py::test_checked_calls_depend_on_their_arguments"],
    30: ["lifecycle.many_bombs_at_once_leave_the_host_alone", "lifecycle.the_kernel_kills_guests_first"],
    32: ["lifecycle.cells_that_end_at_their_deadline_would_not_end_without_it"],
    36: ["lifecycle.the_time_of_a_cell_bounds_that_of_its_threads"],
    39: [f"{SANDBOX}/test_seccomp_program.py::test_foreign_architectures_are_killed"],
    42: ["lifecycle.every_layer_is_seen_from_outside"],
    52: [
        f"{SANDBOX}/test_wire.py::test_any_bytes_give_a_value_or_a_wire_error",
        f"{SANDBOX}/test_wire.py::test_a_broken_reply_gives_a_value_or_a_wire_error",
    ],
    53: [
        "isolation.the_host_opens_and_executes_nothing_for_a_guest",
        "isolation.the_janitor_follows_no_link",
    ],
    55: ["lifecycle.nothing_outlives_a_killed_host"],
    56: ["lifecycle.a_killed_zygote_is_an_error_of_the_sandbox_and_heals"],
    57: ["lifecycle.the_zygote_outlives_the_thread_that_started_it"],
    58: ["lifecycle.sessions_leave_nothing_behind"],
    59: ["lifecycle.an_interrupt_never_strikes_the_next_cell"],
    60: [f"{SANDBOX}/test_local_lifecycle.py::test_waiting_for_a_run_slot_is_not_charged"],
    61: [
        f"{SANDBOX}/test_levels.py::test_where_namespaces_are_refused_the_next_level_takes_over_and_holds",
        f"{SANDBOX}/test_levels.py::test_below_the_demanded_level_the_error_names_the_layer_and_the_mend",
    ],
    62: ["isolation.state_persists_and_shows_as_in_a_notebook"],
    63: ["isolation.random_numbers_follow_the_seed"],
    64: ["isolation.the_zygote_holds_nothing_of_a_session"],
    65: ["isolation.what_one_session_does_to_its_image_no_other_sees", "isolation.shared_pixels_are_sealed"],
    66: ["isolation.libraries_that_nobody_imported_work_inside"],
    67: ["attacks/test_attacks.py::test_each_wall_holds_alone"],
}


@pytest.mark.parametrize("number", range(1, 68))
def test_every_case_is_tested(number: int) -> None:
    assert CASES[number]
    places = [attack.name for attack in ATTACKS if number in attack.cases] + ELSEWHERE.get(number, [])
    assert places


@pytest.mark.parametrize("place", [place for places in ELSEWHERE.values() for place in places])
def test_what_is_named_exists(place: str) -> None:
    if "::" in place:
        path, name = place.split("::")
        assert f"def {name}(" in (TESTS / path).read_text()
    else:
        module, name = place.split(".")
        assert name in {check.__name__ for check in importlib.import_module(module).CHECKS}
