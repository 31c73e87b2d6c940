"""What crosses process borders: typed messages, their encoding, the channels that carry them."""
