"""All attacks."""

import attacks_on_files
import attacks_on_kernel
import attacks_on_memory
import attacks_on_network
import attacks_on_processes
import attacks_on_protocol
import attacks_on_time
from attack import Attack

ATTACKS: tuple[Attack, ...] = (
    *attacks_on_files.ATTACKS,
    *attacks_on_processes.ATTACKS,
    *attacks_on_network.ATTACKS,
    *attacks_on_memory.ATTACKS,
    *attacks_on_time.ATTACKS,
    *attacks_on_kernel.ATTACKS,
    *attacks_on_protocol.ATTACKS,
)
