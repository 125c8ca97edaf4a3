"""A guest that writes to its own socket, or shows what nobody expects, ends its own session at worst."""

from attack import ANYTHING, Attack

from deepeyes_env.sandbox import CellStatus
from deepeyes_env.sandbox.local.guest import wire

PARSER = "the host's checks of every frame: a forged reply that keeps to them is believed, see below"
HEADER = (
    f"struct.pack({wire.REPLY.format!r}, {wire.REPLY_MAGIC!r}, "
    "{cell}, {token}, 0, 0, {images}, {out}, 0)"
)
FIND = """
channel = socket.socket(fileno=os.dup(3))
def token():
    # A guest can find the token of the running cell: it is in a frame of its own stack.
    frame = sys._getframe()
    while frame:
        for value in frame.f_locals.values():
            if type(value) is bytes and len(value) == 16: return value
        frame = frame.f_back
"""
CRASHED = frozenset({CellStatus.CRASHED})
OK = frozenset({CellStatus.OK})


def _header(token: str = "bytes(16)", images: object = 0, out: object = 0, cell: object = 2) -> str:
    return HEADER.format(token=token, images=images, out=out, cell=cell)


def _send(name: str, cases: tuple[int, ...], data: str) -> Attack:
    return Attack(
        name, cases, f"channel.sendall({data})", inside=PARSER, ends=CRASHED, then="again\n", setup=FIND
    )


def _forge(name: str, cases: tuple[int, ...], data: str, **header: object) -> Attack:
    forged = _header(token="token()", **header)
    return Attack(name, cases, f"channel.sendall({forged} + {data})", inside=PARSER, ends=CRASHED, setup=FIND)


def _half(name: str, cases: tuple[int, ...], code: str, ends: CellStatus) -> Attack:
    return Attack(name, cases, code, inside=PARSER, ends=frozenset({ends}), setup=FIND, seconds=0.3)


def _show(
    name: str, cases: tuple[int, ...], code: str, status: CellStatus, prints: str | None = None
) -> Attack:
    return Attack(
        name,
        cases,
        code,
        inside="the guest's and the host's text",
        ends=frozenset({status}),
        prints=prints,
        then="again\n",
    )


ATTACKS = (
    _send("send garbage", (46,), "b'garbage' * 100"),
    _send("send nothing but zeros", (46,), "bytes(1000)"),
    Attack(
        "send a byte out of band",
        (46,),
        "channel.send(b'x', socket.MSG_OOB)",
        inside=PARSER,
        ends=OK | CRASHED,
        setup=FIND,
    ),
    _send("send more than all buffers hold", (46,), "b'x' * 10_000_000"),
    _send("reply early, with no token", (49,), _header()),
    _send("reply with gigantic lengths, with no token", (46, 49), _header(images=65535, out=2**32 - 1)),
    _forge("reply with a gigantic text", (46,), "b''", out=2**31),
    _forge("reply with too much text by one byte", (46,), "b''", out=4 * (4_000 + 200) + 1),
    _forge("reply with too many images", (50,), "b''", images=99),
    _forge("reply with an image of no size", (50,), "struct.pack('<II', 0, 5)", images=1),
    _forge("reply with a gigantic image", (50,), "struct.pack('<II', 2**32 - 1, 2**32 - 1)", images=1),
    _forge("reply with an image whose area overflows", (50,), "struct.pack('<II', 2**31, 2**31)", images=1),
    _forge("reply to another cell", (49,), "b''", cell=7),
    Attack(
        "reply in the worker's place",
        (49,),
        f"channel.sendall({_header(token='token()', out=4)} + b'\\xff\\0ok')\nos._exit(0)",
        inside="nothing: it is no more than what a cell may print, and the control of the attacks above",
        ends=OK,
        prints="\ufffd\0ok",
        setup=FIND,
    ),
    Attack(
        "reply twice",
        (49,),
        f"channel.sendall({_header(token='token()', out=4)} + b'mine')",
        inside=PARSER,
        ends=OK,
        prints="mine",
        then="",
        setup=FIND,
    ),
    Attack(
        "reply to the next cell with this one's token",
        (49,),
        f"first = {_header(token='token()', out=4)}\nsecond = {_header(token='token()', cell=3, out=4)}\n"
        "channel.sendall(first + b'mine' + second + b'next')",
        inside=PARSER,
        ends=OK,
        prints="mine",
        then="",
        setup=FIND,
    ),
    Attack(
        "read the request for the next cell",
        (51,),
        """
def steal():
    stolen = channel.recv(1 << 16)
    os._exit(1)
threading.Thread(target=steal).start()""",
        inside="a guest that has read its own request has no answer to it",
        ends=OK,
        setup=FIND,
    ),
    _half(
        "send half a frame and be silent",
        (47,),
        "channel.sendall(b'DEr1')\ntime.sleep(99)",
        CellStatus.CRASHED,
    ),
    _half(
        "send half a frame and ignore the interrupt",
        (47,),
        "signal.signal(2, signal.SIG_IGN)\nchannel.sendall(b'DEr1')\ntime.sleep(99)",
        CellStatus.KILLED,
    ),
    _half(
        "send a frame byte by byte",
        (48,),
        "signal.signal(2, signal.SIG_IGN)\n"
        f"for byte in {_header(token='token()', out=4_000)} + bytes(4_000):\n"
        "    channel.send(bytes([byte]))\n    time.sleep(0.2)",
        CellStatus.KILLED,
    ),
    _half(
        "announce a picture and be silent",
        (47,),
        "signal.signal(2, signal.SIG_IGN)\n"
        f"channel.sendall({_header(token='token()', images=1)} + struct.pack('<II', 500, 500))\n"
        "time.sleep(99)",
        CellStatus.KILLED,
    ),
    _half(
        "send a picture slowly",
        (48,),
        "signal.signal(2, signal.SIG_IGN)\n"
        f"channel.sendall({_header(token='token()', images=1)} + struct.pack('<II', 500, 500))\n"
        "while True:\n    channel.send(bytes(1_000))\n    time.sleep(0.04)",
        CellStatus.KILLED,
    ),
    *(
        Attack(f"lose the socket: {code}", (51,), code, inside=PARSER, ends=OK | CRASHED, setup=FIND)
        for code in (
            "os.close(3)",
            "channel.shutdown(2)",
            "channel.shutdown(0)",
            "os.dup2(0, 3)",
            "os.dup2(os.pipe()[0], 3)",
            "os.closerange(0, 64)",
            "channel.setblocking(False)",
            "channel.settimeout(0.001)",
        )
    ),
    _show("print a lot", (43,), "print('x' * 10_000_000)", CellStatus.OK),
    _show("print often", (43,), "for i in range(100_000): print(i)", CellStatus.OK),
    _show("fail with a long message", (43,), "raise ValueError('x' * 10_000_000)", CellStatus.EXCEPTION),
    _show("show many pictures", (50,), "for _ in range(50): display(image)", CellStatus.EXCEPTION),
    _show(
        "fail while a value is shown",
        (44,),
        "class R:\n    def __repr__(self): 1 / 0\nR()",
        CellStatus.EXCEPTION,
    ),
    _show(
        "exit while a value is shown",
        (44,),
        "class R:\n    def __repr__(self): sys.exit()\nR()",
        CellStatus.EXCEPTION,
    ),
    _show(
        "fail while a failure is shown",
        (44,),
        "class E(Exception):\n    def __str__(self): raise self\nraise E",
        CellStatus.EXCEPTION,
    ),
    _show(
        "print what no terminal shall see",
        (45,),
        "print('\\ud800\\0\\x1b[2J\\u202e\\uffff')",
        CellStatus.OK,
        "\\ud800\0\x1b[2J\u202e\uffff\n",
    ),
    _show("compile what is no text", (45,), "exec('\\ud800')", CellStatus.EXCEPTION),
    _show("exit", (54,), "sys.exit(3)", CellStatus.EXCEPTION),
    *(
        Attack(name, (54,), code, inside="the host sees the end of the process", ends=CRASHED, then="again\n")
        for name, code in (
            ("end the process", "os._exit(0)"),
            ("abort", "os.abort()"),
            ("read at the address zero", "ctypes.string_at(0)"),
            (
                "end the process from a thread",
                "threading.Thread(target=os._exit, args=(1,)).start()\nwhile True: pass",
            ),
            (
                "run an illegal instruction",
                "import mmap\ncode = mmap.mmap(-1, 4096, flags=0x22, prot=7)\n"
                "code.write(bytes.fromhex('0f0b0000'))  # of both architectures\n"
                "ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()",
            ),
        )
    ),
    *(
        Attack(
            f"break the interpreter: {code}",
            (51, 53),
            code,
            inside="the host believes nothing",
            ends=frozenset(CellStatus),
            then=ANYTHING,
            seconds=0.3,
        )
        for code in (
            "sys.modules.clear()",
            "import builtins\nfor name in list(vars(builtins)): delattr(builtins, name)",
            "struct.Struct = struct.pack = None",
            "import ast\nast.parse = None",
            "sys.stdout = sys.stderr = None",
            "sys.settrace(lambda *_: 1 / 0)",
            "import gc\nfor thing in gc.get_objects():\n"
            "    if type(thing) is dict and thing is not globals(): thing.clear()",
            "os.write = os.read = socket.socket.recv = socket.socket.sendall = None",
        )
    ),
)
