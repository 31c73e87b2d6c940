"""What the stand-ins for schedulers share: a server, a runner of jobs, and their commands.

Each answers as recorded from real daemons, and runs jobs as processes of this machine.
"""
