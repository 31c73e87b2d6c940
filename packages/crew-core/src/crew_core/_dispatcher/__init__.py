"""The dispatcher: a process of its own that queues tasks and hands each to a ready worker.

``state`` and what it is made of (``ledger``, ``queue``, ``instances``, ``assignment``) are pure:
events in, actions out, no socket, clock or process. ``loop`` moves the bytes and reads the clock.
"""
