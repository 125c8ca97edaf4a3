"""A cell reaches no network, not even this machine's own."""

from attack import (
    AS_FULL,
    AS_ORDINARY,
    CAPABILITIES,
    FILTER,
    NETWORK,
    OWN_ROOT,
    SCOPE,
    TCP,
    USER_OF_ITS_OWN,
    Attack,
    wall,
)

from deepeyes_env.sandbox import CellStatus
from deepeyes_env.sandbox.local.guest.layers import Layer

NO_SECOND = "Landlock knows TCP only: without namespaces the filter stands alone"

ATTACKS = (
    Attack(
        "connect by TCP",
        (22,),
        "socket.create_connection(('127.0.0.1', host.tcp), 2)\nbreach()",
        (NETWORK, FILTER, TCP),
    ),
    Attack(
        "listen by TCP",
        (22,),
        """
try: socket.socket().bind(('127.0.0.1', host.tcp))
except OSError as error:
    if error.errno == errno.EADDRINUSE: breach('as the host uses this port')""",
        (NETWORK, FILTER, TCP),
    ),
    Attack(
        "connect to an abstract socket",
        (23,),
        "socket.socket(socket.AF_UNIX).connect(host.abstract)\nbreach()",
        (NETWORK, FILTER, SCOPE),
    ),
    Attack(
        "connect to a socket with a path",
        (23,),
        "socket.socket(socket.AF_UNIX).connect(host.stream)\nbreach()",
        (OWN_ROOT, FILTER),
        single="Landlock knows no right for it before version 9: without namespaces the filter stands alone",
    ),
    Attack(
        "send to an abstract socket from a pair",
        (23,),
        """
for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
    each(lambda: socket.socketpair(socket.AF_UNIX, kind)[0].sendto(b'x', host.abstract_datagram))""",
        (NETWORK, FILTER, SCOPE),
    ),
    Attack(
        "send to a socket with a path from a pair",
        (23,),
        """
for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
    each(lambda: socket.socketpair(socket.AF_UNIX, kind)[0].sendto(b'x', host.datagram),
         lambda: socket.socketpair(socket.AF_UNIX, kind)[0].sendmsg([b'x'], [], 0, host.datagram),
         lambda: socket.socketpair(socket.AF_UNIX, kind)[0].connect(host.datagram) or breach())""",
        (OWN_ROOT, FILTER),
        single="Landlock knows no right for it before version 9: without namespaces the filter stands alone",
    ),
    Attack(
        "send by UDP, as a question for a name does",
        (24, 25),
        """
question = bytes.fromhex('1234010000010000000000000964656570657965730776616c69640000010001')
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(question, ('127.0.0.1', host.udp))""",
        (NETWORK, FILTER),
        single=NO_SECOND,
    ),
    Attack(
        "send a packet of its own making",
        (24,),
        "raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\n"
        "breach(raw.sendto(b'\\x08\\0\\xf7\\xff' + bytes(4), ('127.0.0.1', 0)))",
        (NETWORK, FILTER, CAPABILITIES, USER_OF_ITS_OWN),
        untried=AS_FULL | AS_ORDINARY,
        because="only root outside of every namespace may",
    ),
    Attack(
        "listen to all packets",
        (24,),
        "breach(socket.socket(socket.AF_PACKET, socket.SOCK_RAW))",
        (FILTER, CAPABILITIES, USER_OF_ITS_OWN),
        untried=AS_FULL | AS_ORDINARY,
        because="only root outside of every namespace may",
    ),
    Attack(
        "ask the kernel for the machine's addresses",
        (24,),
        """
asked = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
asked.send(struct.pack('<IHHII', 24, 22, 0x301, 1, 0) + bytes(8))
if socket.inet_aton('127.0.0.1') in asked.recv(1 << 16): breach()""",
        (NETWORK, FILTER),
        single=NO_SECOND,
    ),
    Attack(
        "make a socket of any family",
        (24,),
        """
for family in range(46):
    for kind in (1, 2, 3, 5):
        with contextlib.suppress(OSError):
            breach(family, call('socket', family, kind, 0))""",
        (FILTER,),
        single="a socket by itself reaches nothing; of those that reach something the others tell",
    ),
    Attack(
        "fetch a page, look up a name",
        (22, 25),
        """
import urllib.request
each(lambda: breach(urllib.request.urlopen(f'http://127.0.0.1:{host.tcp}', timeout=1)))
each(lambda: breach(socket.getaddrinfo('name.invalid', 80)))""",
        (NETWORK, FILTER, TCP),
        partly="nobody answers",
    ),
    Attack(
        "use a descriptor that the zygote had",
        (26,),
        """
for number in range(4, 200):
    with contextlib.suppress(OSError):
        breach(number, os.fstat(number))""",
        (wall(Layer.CLOSED_DESCRIPTORS),),
        single="a descriptor is a right that no later wall takes back",
    ),
    Attack(
        "find more than the null device and the own socket",
        (26,),
        """
import stat
for number in range(3):
    if os.fstat(number).st_rdev != os.stat('/dev/null').st_rdev: breach(number)
if not stat.S_ISSOCK(os.fstat(3).st_mode): breach(3)
each(lambda: breach(os.fstat(4)))""",
        inside="what the guest is given: as the attack before this one",
    ),
    Attack(
        "send descriptors to the host",
        (26,),
        "socket.send_fds(socket.socket(fileno=os.dup(3)), [b'x'], [0, 1, 2])",
        inside="the host receives no descriptors: test_lifecycle.py::test_held[descriptors]",
        ends=frozenset({CellStatus.CRASHED}),
    ),
)
