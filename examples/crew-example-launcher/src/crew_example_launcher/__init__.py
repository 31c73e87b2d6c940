"""An example of a launcher that a third party publishes."""
