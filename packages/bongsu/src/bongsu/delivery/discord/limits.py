"""What Discord allows in a message. Text is counted in Unicode code points, as Discord's service does."""

CONTENT = 2000
TITLE = 256
DESCRIPTION = 4096
FIELDS = 25
FIELD_NAME = 256
FIELD_VALUE = 1024
FOOTER = 2048
AUTHOR = 256
EMBEDS = 10
EMBED_TOTAL = 6000
"""Titles, descriptions, field names and values, footers and author names of all embeds together."""
USERNAME = 80
ATTACHMENTS = 10
ATTACHMENT_DESCRIPTION = 1024
FILE_BYTES = 10 * 1024 * 1024
