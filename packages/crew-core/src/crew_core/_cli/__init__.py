"""The command line's subcommands, one file each. They decide nothing: they ask and print."""
