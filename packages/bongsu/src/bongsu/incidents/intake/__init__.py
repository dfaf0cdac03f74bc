"""Webhooks in: each module turns one sender's body into alerts."""
