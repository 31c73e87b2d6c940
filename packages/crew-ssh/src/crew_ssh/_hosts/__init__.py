"""All hosts of a launcher: their slots, which worker goes where, who is set aside."""
