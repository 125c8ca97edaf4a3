"""A cell ends at its deadline, whatever it does: by the interrupt, or else by the kill."""

from attack import Attack

from deepeyes_env.sandbox import CellStatus

CLOCK = "the host's clock: test_lifecycle.py::test_held[clock]"
INTERRUPTED = frozenset({CellStatus.TIMEOUT})
KILLED = frozenset({CellStatus.KILLED})
EITHER = INTERRUPTED | KILLED
SHORT = 0.3


def _endless(name: str, cases: tuple[int, ...], code: str, ends: frozenset[CellStatus]) -> Attack:
    return Attack(name, cases, code, inside=CLOCK, ends=ends, seconds=SHORT)


ATTACKS = (
    _endless("loop", (32,), "while True: pass", INTERRUPTED),
    _endless("loop and print", (32, 43), "while True: print('x' * 1000)", INTERRUPTED),
    _endless(
        "loop in the regular expression engine",
        (32,),
        "import re\nre.match('(a+)+$', 'a' * 50 + 'b')",
        EITHER,
    ),
    _endless(
        "swallow every interrupt",
        (33,),
        "while True:\n    try: time.sleep(9)\n    except BaseException: kept = 1",
        KILLED,
    ),
    _endless("ignore the interrupt", (33,), "signal.signal(2, signal.SIG_IGN)\nwhile True: pass", KILLED),
    _endless(
        "loop in the handler of the interrupt",
        (33,),
        "def handler(*_):\n    while True: pass\nsignal.signal(2, handler)\nwhile True: pass",
        KILLED,
    ),
    _endless(
        "block every signal",
        (33,),
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\ntime.sleep(99)",
        KILLED,
    ),
    _endless("compute for long in C", (34,), "x = 3 ** 30_000_000\nstr(x)", EITHER | {CellStatus.EXCEPTION}),
    _endless(
        "sleep in C, which no interrupt wakes",
        (34,),
        "while True: ctypes.PyDLL(None).sleep(9)",
        EITHER,
    ),
    _endless("sleep", (35,), "time.sleep(99)", INTERRUPTED),
    _endless(
        "wait for itself", (35,), "lock = threading.Lock()\nlock.acquire()\nlock.acquire()", INTERRUPTED
    ),
    _endless(
        "loop in a thread while the cell waits",
        (36,),
        "thread = threading.Thread(target=exec, args=('while True: pass',), daemon=True)\nthread.start()\n"
        "thread.join()",
        EITHER,
    ),
    _endless(
        "sleep while an exception is shown",
        (44,),
        "class E(Exception):\n    def __str__(self): time.sleep(99)\nraise E",
        INTERRUPTED,
    ),
    _endless(
        "sleep while a value is shown",
        (44,),
        "class R:\n    def __repr__(self): time.sleep(99)\nR()",
        INTERRUPTED,
    ),
    _endless("read nothing for ever", (35,), "os.read(os.pipe()[0], 1)", EITHER),
)
