"""What launcher, monitor and job definitions share: how AWS is asked, and what its answers mean."""
