"""The process that holds all connections, so that neither forks nor a busy session meet them."""
