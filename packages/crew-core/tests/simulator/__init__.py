"""A whole run of crew in one thread, under a clock that only moves when nothing is left to do.

What runs is crew's own: the dispatcher's loop and state, the links, the workers' supervisors and
runners, the fleet, the roster and the scaling plan. Virtual is what surrounds them: time, the
network, the platform, the task processes, the user's program. One seed decides all of it::

    seed ─► Scenario ─► User ──── socket ──► Dispatcher ◄── wires ──► Worker ─► TaskProcess
               │          │                (crew's loop)           (crew's supervisor)  │
               │          └─ Scaler ─► Platform ─── starts, ends ─────┘                 │
               └─► Faults ──► strike any of them          Witness ◄── sees each start ──┘

A seed that fails is run again by ``python -m simulator --seed N``, which also tells what happened.
"""
