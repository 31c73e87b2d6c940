"""What all schedulers share: options, scripts, folders, commands, looks at the queue.

::

    Options ──► directives ──► script ──► folder ──► submission ──► handles     (launch)
    handles ──► Watch (pure) ──► Scheduler.look ──► reports ──► JobState        (poll)
    handles ──► Scheduler.cancel                                                (terminate)

What differs by scheduler is in one class, ``Scheduler``, of which each has its own.
"""
