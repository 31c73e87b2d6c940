"""Strikes running controllers with real faults, and proves that nothing was lost or done twice."""
