"""Processes of other packages that are reached as a dispatcher is: privately, by proof, or not."""
