"""``python -m crew_ssh._carrier``: what a launcher starts when it first needs a host."""

from crew_ssh._carrier.server import main

if __name__ == "__main__":
    main()
