"""Sensitivity labels: one bitmask on every resource, index and text row.

A row is visible when every bit it carries is in the reader's clearance. Bits are stored; never renumber.
"""

from __future__ import annotations

from enum import IntFlag


class Label(IntFlag):
    """Why a row needs more than the role's ordinary right to read."""

    NONE = 0
    PSYCHOTHERAPY = 1 << 0
    SUBSTANCE_USE = 1 << 1
    HIV = 1 << 2
    GENETIC = 1 << 3
    REPRODUCTIVE = 1 << 4
    MENTAL_HEALTH = 1 << 5
    MINOR_CONFIDENTIAL = 1 << 6
    VIP = 1 << 7
    EMPLOYEE = 1 << 8
    RESTRICTED = 1 << 9
    VERY_RESTRICTED = 1 << 10
    LEGAL_HOLD_SEALED = 1 << 11


ALL_LABELS = Label((1 << 12) - 1)
