"""Report that compares runs: an HTML page of tables, figures and sounds."""
